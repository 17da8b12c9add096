"""One mailbox in the browser: how full it is, its settings, note and password, pausing, deleting and bringing back."""

from typing import Any

import orjson
from flask import request, url_for

from webapp.accounts.forms import add_errors
from webapp.audit import service as audit
from webapp.core import envelope
from webapp.core.access import current_actor, needs
from webapp.core.db import db, utcnow
from webapp.core.errors import Conflict, InUse, Invalid
from webapp.core.htmx import made, redirect_to, render
from webapp.core.shapes import compile_dump
from webapp.domains import service as domains
from webapp.mailboxes import links, meters, schemas, service, snippets, usage, why
from webapp.mailboxes.forms import PasswordChoice, SettingsForm, renamed
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.pages.base import bp

_dump = compile_dump(schemas.MailboxSchema())


def shown_once(mailbox: Mailbox, password: str | None, generated: bool, verb: str) -> Any:
    """The one showing of a password, with what to do with it."""
    return render(
        "mailboxes/made.html", status=201, mailbox=mailbox, password=password, generated=generated, verb=verb,
        snippets=snippets.first_mails(mailbox, password), story=audit.story_of(current_actor(), "mailbox", mailbox.id),
    )  # fmt: skip


@bp.get("/mailboxes/<int:mailbox_id>")
@needs("mailboxes:read")
def show_page(mailbox_id: int) -> Any:
    """One mailbox: where it stands, how full it is, what it may."""
    actor = current_actor()
    mailbox = service.get_mailbox(actor, mailbox_id)
    domain, now = domains.find_domain(mailbox.domain_name), utcnow()
    return render(
        "mailboxes/show.html", "mailboxes/_state.html", mailbox=mailbox, domain=domain,
        why=why.explain(mailbox, domain, meters.of(mailbox), now), used=usage.of(mailbox), figures=meters.figures(mailbox, now), now=now,
        links=links.of(actor, mailbox), snippets=snippets.first_mails(mailbox, None),
        story=audit.story_of(actor, "mailbox", mailbox.id),
        answer=orjson.loads(envelope.json_bytes({"success": True, "data": _dump(mailbox)})),
    )  # fmt: skip


@bp.route("/mailboxes/<int:mailbox_id>/edit", methods=["GET", "POST"])
@needs("mailboxes:write")
def edit(mailbox_id: int) -> Any:
    """Change the settings of a mailbox."""
    actor = current_actor()
    mailbox = service.get_mailbox(actor, mailbox_id)
    form = SettingsForm.of(mailbox)
    if form.validate_on_submit():
        try:
            service.update_mailbox(actor, mailbox_id, form.changes(mailbox))
            return redirect_to(url_for(".show_page", mailbox_id=mailbox_id), toast=f"{mailbox.email} is changed")
        except Invalid as refused:
            db.session.rollback()
            add_errors(form, renamed(refused), spare="display_name")
            mailbox = service.get_mailbox(actor, mailbox_id)
    return render("mailboxes/edit.html", status=422 if form.errors else 200, form=form, mailbox=mailbox)


@bp.route("/mailboxes/<int:mailbox_id>/password", methods=["GET", "POST"])
@needs("mailboxes:write", fresh=True)
def password(mailbox_id: int) -> Any:
    """Set or generate the SMTP password; the answer shows it this once."""
    actor = current_actor()
    mailbox = service.get_mailbox(actor, mailbox_id)
    form = PasswordChoice()
    if form.validate_on_submit():
        try:
            mailbox, generated = service.set_password(actor, mailbox_id, form.secret())
            return shown_once(mailbox, form.secret() or generated, generated is not None, "set")
        except Invalid as refused:
            db.session.rollback()
            add_errors(form, refused)
            mailbox = service.get_mailbox(actor, mailbox_id)
    return render("mailboxes/password.html", status=422 if form.errors else 200, form=form, mailbox=mailbox)


@bp.post("/mailboxes/<int:mailbox_id>/pause")
@needs("mailboxes:write")
def pause(mailbox_id: int) -> Any:
    """Stop taking and sending mail for now; can be undone at once."""
    mailbox = service.pause_mailbox(current_actor(), mailbox_id)
    return _changed(mailbox, f"{mailbox.email} is paused", url_for(".resume", mailbox_id=mailbox_id))


@bp.post("/mailboxes/<int:mailbox_id>/resume")
@needs("mailboxes:write")
def resume(mailbox_id: int) -> Any:
    """Take and send mail again."""
    mailbox = service.resume_mailbox(current_actor(), mailbox_id)
    return _changed(mailbox, f"{mailbox.email} is active", None)


def _changed(mailbox: Mailbox, toast: str, undo: str | None) -> Any:
    return made(go_to=url_for(".show_page", mailbox_id=mailbox.id), trigger="mailboxes-changed", toast=toast, undo=undo, status=200)


@bp.route("/mailboxes/<int:mailbox_id>/delete", methods=["GET", "POST"])
@needs("mailboxes:delete")
def delete(mailbox_id: int) -> Any:
    """Put a mailbox into the trash, after a confirmation."""
    actor = current_actor()
    mailbox = service.get_mailbox(actor, mailbox_id)
    catching = service.catches_for(mailbox)
    if request.method == "POST":
        try:
            service.delete_mailbox(actor, mailbox_id, force=request.form.get("catching", type=int) == len(catching) > 0)
        except InUse:
            db.session.rollback()  # It became a catch-all since the question was asked: ask again.
            mailbox = service.get_mailbox(actor, mailbox_id)
            catching = service.catches_for(mailbox)
        else:
            undo = url_for(".restore", mailbox_id=mailbox_id) if actor.may("trash:write") else None
            return redirect_to(url_for(".list_page"), toast=f"{mailbox.email} is in the trash", undo=undo)
    text, milder = why.effect_of_deleting(mailbox, usage.of(mailbox), [domain.name for domain in catching])
    return render(
        "parts/confirm.html", "parts/_confirm.html", title=f"Delete {mailbox.email}", button="Delete mailbox", url=request.path, text=text,
        milder=milder, cancel=url_for(".show_page", mailbox_id=mailbox.id), hidden={"catching": len(catching)},
        status=200 if request.method == "GET" else 409,
    )  # fmt: skip


@bp.post("/mailboxes/<int:mailbox_id>/restore")
@needs("trash:write")
def restore(mailbox_id: int) -> Any:
    """Bring a deleted mailbox back, with its mail."""
    try:
        mailbox = service.bring_back(current_actor(), mailbox_id)
    except Conflict as refused:
        db.session.rollback()
        return redirect_to(url_for(".list_page"), toast=f"{refused.message} {refused.hint}", tone="bad")
    return redirect_to(url_for(".show_page", mailbox_id=mailbox_id), toast=f"{mailbox.email} is back")
