"""/mail/new: a person writes a mail in the browser, new or as an answer (?reply=ID)."""

from typing import Any

from flask import Blueprint, Response, request, url_for

from webapp.core.access import current_actor, needs
from webapp.core.db import db
from webapp.core.errors import HouseError
from webapp.core.htmx import redirect_to, render
from webapp.mail.address import parse_address_list
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.rows import seen
from webapp.sending import replying, service, ways
from webapp.sending.forms import ComposeForm

bp = Blueprint("compose", __name__)
MOST_MAILBOXES = 500


@bp.get("/mail/new")
@needs("messages:send")
def new_mail() -> Response:
    """The empty form, or one that answers a message; `mailbox_id` and `to` may be given too."""
    form = _form()
    answer = _answer(request.args.get("reply", ""))
    if answer is not None:
        form.mailbox_id.data = answer.mailbox_id
        form.receivers.data, form.subject.data, form.body.data = answer.receivers, answer.subject, answer.body
        form.reply.data = request.args["reply"]
    else:
        form.mailbox_id.data = request.args.get("mailbox_id", type=int)
        form.receivers.data = request.args.get("to", "")[:1000]
    return _page(form)


@bp.post("/mail/new")
@needs("messages:send")
def send() -> Response:
    """Send it, and show where it stands."""
    form = _form()
    if not form.validate():
        return _page(form, 422)
    answer = _answer(form.reply.data or "")
    try:
        message = service.send_mail(
            current_actor(), form.mailbox_id.data, receivers=_addresses(form.receivers.data), cc=_addresses(form.cc.data or ""),
            subject=form.subject.data or "", body=form.body.data, in_reply_to=answer.in_reply_to if answer else None,
            references=answer.references if answer else None,
        )  # fmt: skip
    except HouseError as refused:
        add_errors(form, refused)
        return _page(form, refused.status)
    return redirect_to(url_for("sending.queue", message_id=message.id), toast=f"“{message.subject or 'Your mail'}” was taken for sending.")


def add_errors(form: ComposeForm, refused: HouseError) -> None:
    """Put a refusal beside its field; `receivers.0` belongs to `receivers`, what names no field stands above the form."""
    for name, texts in (refused.fields or {}).items():
        field: Any = form._fields.get(name.partition(".")[0])
        if field is not None:
            field.errors = [*field.errors, *texts]
        else:
            form.form_errors.extend(texts)
    if not refused.fields:
        form.form_errors.append(f"{refused.message} {refused.hint}".strip())


def _form() -> ComposeForm:
    form = ComposeForm()
    query = seen(current_actor()).with_only_columns(Mailbox.id, Mailbox.email, Mailbox.display_name, Mailbox.status)
    rows = db.session.execute(query.where(Mailbox.can_send).order_by(Mailbox.email).limit(MOST_MAILBOXES))
    form.mailbox_id.choices = [(row.id, f"{row.email}{'' if row.status == 'active' else ' (paused)'}") for row in rows]
    return form


def _answer(message_id: str) -> replying.Answer | None:
    return replying.draft_reply(current_actor(), int(message_id)) if message_id.isdecimal() and len(message_id) < 19 else None


def _addresses(text: str) -> list[str]:
    """What a person typed into an address field, one entry each; what is no address stays as typed and is refused by the service."""
    rows = text.replace("\r", "").replace("\n", ",").replace(";", ",")
    return [address for _, address in parse_address_list(rows)] or [part.strip() for part in rows.split(",") if part.strip()]


def _page(form: ComposeForm, status: int = 200) -> Response:
    has_mailboxes = bool(form.mailbox_id.choices)
    return render("sending/compose.html", status=status, form=form, notice=ways.platform().notice, has_mailboxes=has_mailboxes)
