"""Putting together what an action gets: the mail as the finished actions left it, its parameters, the variables, the outside."""

from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select

import webapp
from webapp.automation import actions, data_rows, parameters
from webapp.automation.actions.base import ActionType, Context, RunInfo
from webapp.automation.mail_state import view_of
from webapp.automation.mail_view import MailView
from webapp.automation.models_runs import Run, RunStep
from webapp.automation.variables import Variables
from webapp.core import secrets
from webapp.core.config import settings
from webapp.core.db import db, reading
from webapp.core.outside import outside
from webapp.mailboxes.models import Mailbox
from webapp.messages import store
from webapp.messages.models import Message

PURPOSE = "attachment"
LINK_LIFE_S = 86_400


@dataclass
class Loaded:
    """One attempt, ready to be performed; `problem` says why it cannot."""

    kind: ActionType | None
    context: Context | None
    problem: str | None = None
    secrets: list[str] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        return self.context.variables.warnings if self.context else []


def load(run_id: int, step_id: int) -> Loaded:
    """Everything in one reading transaction, which is over when this returns."""
    with reading():
        run = db.session.get_one(Run, run_id, populate_existing=True)
        step = db.session.get_one(RunStep, step_id, populate_existing=True)
        message = db.session.get(Message, run.message_id) if run.message_id is not None else None
        mailbox = db.session.get(Mailbox, run.mailbox_id)
        if message is None or mailbox is None:
            db.session.commit()
            return Loaded(None, None, "The mail or its mailbox is gone.")
        raw_id = run.state_raw_id or message.raw_id
        raw = store.load_raw(raw_id)
        receiver = message.recipient or mailbox.email
        data = data_rows.lookup(mailbox.id, receiver)
        db.session.commit()
    info = RunInfo(
        id=run.id, workspace_id=run.workspace_id, mailbox_id=mailbox.id, mailbox_email=mailbox.email, message_id=message.id,
        route_id=run.route_id, route_name=run.route_name, delivery=step.delivery, attempt=step.attempts, is_test=run.is_test,
        direction=run.direction, request_id=run.request_id,
    )  # fmt: skip
    mail = view_of(
        raw, envelope_sender=message.envelope_sender, envelope_recipients=message.envelope_recipients, direction=message.direction,
        verdict=message.auth_verdict,
    )  # fmt: skip
    return build(step.type, step.settings, info, mail, receiver=receiver, data=data, raw_id=raw_id)


def build(
    type_name: str, chosen: dict[str, Any], info: RunInfo, mail: MailView, *, receiver: str, data: dict[str, Any], raw_id: int | None = None
) -> Loaded:  # fmt: skip
    """An action with its settings on one state of a mail; touches no database.

    chosen  as in `RunStep.settings`
    raw_id  the stored source behind `mail`, for links to its attachments
    """
    kind = actions.find(type_name)
    if kind is None:
        return Loaded(None, None, f"This installation has no action type {type_name!r}.")
    try:
        values = parameters.unseal(kind.parameters, chosen["parameters"])
    except ValueError as error:
        return Loaded(kind, None, f"The secrets of this action cannot be read: {error}.")
    info = replace(
        info, timeout_s=float(chosen["timeout_s"]), attach_to_mail=bool(chosen["attach_to_mail"]), version=webapp.__version__,
        hostname=settings().hostname,
    )  # fmt: skip
    base = settings().public_url.rstrip("/")
    variables = Variables(
        mail, mailbox=info.mailbox_email, route=info.route_name, receiver=receiver, data=data,
        archive_url=f"{base}/mail/{info.message_id}" if info.message_id else "",
    )  # fmt: skip

    def attachment_url(number: int) -> str:
        return f"{base}/attachments/{sign_attachment(raw_id, number, info.message_id)}" if raw_id is not None else ""

    context = Context(info, mail, values, variables, outside().http, attachment_url)
    return Loaded(kind, context, secrets=parameters.secrets_in(kind.parameters, values))


def sign_attachment(raw_id: int, number: int, message_id: int | None) -> str:
    """The signed part of a link to one attachment of one stored source; good for a day."""
    return secrets.sign(PURPOSE, [raw_id, number, message_id])


@dataclass(frozen=True)
class LinkedFile:
    filename: str
    content_type: str
    content: bytes


def open_attachment(signed: str) -> LinkedFile | None:
    """What a signed link points at; None when it is forged, older than a day, or its mail was deleted."""
    value = secrets.unsign(PURPOSE, signed, LINK_LIFE_S)
    if not isinstance(value, list) or len(value) != 3:
        return None
    raw_id, number, message_id = value
    if message_id is not None:
        living = select(Message.id).where(Message.id == message_id, Message.deleted_at.is_(None))
        if db.session.scalar(living) is None:
            return None
    try:
        mail = view_of(store.load_raw(raw_id))
    except LookupError:
        return None
    item = mail.attachments[number - 1] if 1 <= number <= len(mail.attachments) else None
    return LinkedFile(item.filename, item.content_type, item.content) if item else None
