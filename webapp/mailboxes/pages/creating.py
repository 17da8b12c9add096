"""Creating mailboxes in the browser, one or many; the answer shows the passwords this once."""

from typing import Any

from flask import Response, request, url_for
from wtforms.fields import SelectChoice

from webapp.accounts.forms import add_errors
from webapp.core.access import current_actor, needs
from webapp.core.db import db
from webapp.core.errors import HouseError, Invalid, invalid
from webapp.core.htmx import render
from webapp.mailboxes import creating, service
from webapp.mailboxes.forms import BulkForm, MailboxForm
from webapp.mailboxes.pages.base import bp, offered_domains
from webapp.mailboxes.pages.single import shown_once


@bp.route("/mailboxes/new", methods=["GET", "POST"])
@needs("mailboxes:create")
def new_page() -> Any:
    """Create a mailbox; the answer shows its password and how to use it, this once."""
    actor = current_actor()
    form = MailboxForm()
    form.domain_id.choices = [SelectChoice(domain_id, name) for domain_id, name in offered_domains(actor)]
    if request.method == "GET":
        form.domain_id.data = request.args.get("domain", type=int)
    if form.validate_on_submit():
        try:
            mailbox, generated = service.create_mailbox(actor, **form.values())
            return shown_once(mailbox, form.secret() or generated, generated is not None, "created")
        except HouseError as refused:
            db.session.rollback()
            add_errors(form, refused, spare="local_part")
    return render("mailboxes/new.html", status=422 if form.errors else 200, form=form)


@bp.route("/mailboxes/bulk", methods=["GET", "POST"])
@needs("mailboxes:create")
def bulk_page() -> Any:
    """Create many mailboxes: lines or a file, a look at each row before anything happens, then the passwords this once."""
    actor, form = current_actor(), BulkForm()
    form.domain_id.choices = [SelectChoice(domain_id, name) for domain_id, name in offered_domains(actor)]
    rows: list[creating.Row] = []
    if request.method == "GET":
        form.domain_id.data = request.args.get("domain", type=int)
    elif form.validate_on_submit():
        try:
            form.lines.data = form.text()
            rows = creating.check(actor, creating.read(form.lines.data), form.domain_id.data or None)
            if request.form.get("create") and any(not row.problems for row in rows):
                db.session.rollback()  # hashing takes its time, and nobody is to wait for it
                return _created(creating.create(actor, rows, creating.hashed(rows)))
        except Invalid as refused:
            db.session.rollback()
            add_errors(form, refused, spare="lines")
    good = sum(not row.problems for row in rows)
    return render("mailboxes/bulk.html", status=422 if form.errors else 200, form=form, rows=rows, good=good, bad=len(rows) - good)


def _created(results: list[creating.Result]) -> Any:
    made = [result for result in results if result.mailbox is not None]
    with_secret = [(result.email, result.one_time_password) for result in made if result.one_time_password]
    failed = [result for result in results if result.mailbox is None]
    return render("mailboxes/bulk_made.html", status=201, made=made, failed=failed, with_secret=with_secret, url=url_for(".passwords_file"))


@bp.post("/mailboxes/bulk/passwords.csv")
@needs("mailboxes:create")
def passwords_file() -> Response:
    """The page that shows new passwords as a file: it sends them along, because nothing here keeps them."""
    emails, secrets = request.form.getlist("email"), request.form.getlist("password")
    if not emails or len(emails) != len(secrets) or len(emails) > creating.MOST_LINES:
        raise invalid("email", "Take the file from the page that shows the passwords.")
    lines = ["email,password", *[f"{_cell(email)},{_cell(secret)}" for email, secret in zip(emails, secrets, strict=True)]]
    response = Response("\r\n".join(lines) + "\r\n", mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="mailbox-passwords.csv"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _cell(text: str) -> str:
    """A text as one cell that no spreadsheet takes for a formula."""
    guarded = f"'{text}" if text[:1] in "=+-@\t\r" else text
    return '"' + guarded.replace('"', '""') + '"' if any(sign in guarded for sign in ',"\r\n') else guarded
