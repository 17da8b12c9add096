"""What the pages of mail show of a row: people in words, sources as text, the first steps of somebody without mail."""

from types import SimpleNamespace
from typing import Any

import orjson
from sqlalchemy import bindparam, select

from webapp.core import envelope
from webapp.core.actor import Actor
from webapp.core.config import settings
from webapp.core.db import db
from webapp.core.shapes import compile_dump
from webapp.mail.address import parse_address_list
from webapp.mail.mime import ParsedMail
from webapp.mailboxes import rows as mailboxes
from webapp.mailboxes.models import Mailbox
from webapp.messages import service
from webapp.messages.models import Message
from webapp.messages.schemas import ArchivedMail

#: mailboxes that a select offers; with more of them, the page of a mailbox leads to its mail
OFFERED = 200
LONGEST_SOURCE = 200_000
LONGEST_EXAMPLE = 400
_dump = compile_dump(ArchivedMail())
_boxes = Mailbox.__table__.c
#: what somebody without limits is offered; made once
_ALL = (
    select(_boxes.id, _boxes.email)
    .where(_boxes.workspace_id == bindparam("workspace_id"), _boxes.deleted_at.is_(None))
    .order_by(_boxes.email)
    .limit(OFFERED)
)


def person(row: Any) -> str:
    """Who is on the other side: the sender, or of sent mail the first receivers."""
    if row.direction == "sent":
        names = [name or address for name, address in parse_address_list(row.receivers_text)[:3]]
        return "To " + (", ".join(names) if names else "nobody")
    return row.sender_name or row.sender or row.envelope_sender or "(empty sender)"


def people(message: Message) -> list[tuple[str, str]]:
    """(label, addresses) of everybody in the mail."""
    sender = f"{message.sender_name} <{message.sender}>" if message.sender_name else message.sender
    found = [("From", sender), ("To", message.receivers_text), ("Cc", message.cc_text)]
    if message.envelope_sender and message.envelope_sender != message.sender:
        found.append(("Envelope sender", message.envelope_sender))
    if message.recipient and message.recipient not in message.receivers_text:
        found.append(("Came in for", message.recipient))
    return [(label, value) for label, value in found if value]


def offered(actor: Actor) -> list[tuple[int, str]]:
    """(id, address) of the mailboxes that the actor sees, by address."""
    if actor.mailbox_ids is None and actor.domain_ids is None:
        rows = db.session.execute(_ALL, {"workspace_id": actor.workspace_id})
    else:
        rows = db.session.execute(mailboxes.seen(actor).with_only_columns(Mailbox.id, Mailbox.email).order_by(Mailbox.email).limit(OFFERED))
    return [(row.id, row.email) for row in rows]


def source_text(actor: Actor, message: Message) -> tuple[str, bool]:
    """The beginning of the source as text, and whether that is all."""
    raw = service.source_of(actor, message)
    return raw[:LONGEST_SOURCE].decode("utf-8", "replace").replace("\x00", "␀"), len(raw) <= LONGEST_SOURCE


def first_mail(address: str | None) -> str | None:
    """A command that sends a first mail to a mailbox; None while there is none."""
    if address is None:
        return None
    found = settings()
    return (
        f"curl smtp://{found.smtp_host}:{found.smtp_port} --mail-from me@example.test --mail-rcpt {address} --upload-file - <<'MAIL'\n"
        f"From: me@example.test\nTo: {address}\nSubject: First mail\n\nIt works.\nMAIL"
    )


def whole(actor: Actor, message: Message, parsed: ParsedMail) -> SimpleNamespace:
    """Row and parsed mail as one thing, for the shape `ArchivedMail`."""
    columns = {column.key: getattr(message, column.key) for column in message.__table__.columns}
    return SimpleNamespace(
        **columns, mailbox=service.mailbox_address(message), body=parsed.text, html=parsed.html,
        headers=[list(header) for header in parsed.headers], why=service.explain(actor, message).sentence,
        timeline=service.timeline(actor, message),
    )  # fmt: skip


def answer(actor: Actor, message: Message, parsed: ParsedMail) -> Any:
    """What the API says about a mail, with long texts cut, for the example on its page."""
    found = orjson.loads(envelope.json_bytes({"success": True, "data": _dump(whole(actor, message, parsed))}))
    data = found["data"]
    for name in ("body", "html"):
        if data.get(name) and len(data[name]) > LONGEST_EXAMPLE:
            data[name] = data[name][:LONGEST_EXAMPLE] + "…"
    data["headers"] = data["headers"][:4]
    return found
