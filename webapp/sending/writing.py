"""A person or a program writes a mail as a mailbox: checked field by field, built, and submitted."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core.actor import Actor
from webapp.core.config import settings
from webapp.core.db import db
from webapp.core.errors import TooLarge, invalid
from webapp.core.outside import outside
from webapp.mail.address import clean_header, parse_address
from webapp.mail.mime import NewAttachment, NewMail, build, check_header, new_message_id
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.rows import get_seen
from webapp.messages.models import Message
from webapp.sending import quota
from webapp.sending.submitting import MOST_RECIPIENTS, submit

MOST_ATTACHMENTS = 100
MOST_HEADERS = 50


def send_mail(
    actor: Actor, mailbox_id: int, *, receivers: Sequence[str], cc: Sequence[str] = (), bcc: Sequence[str] = (), subject: str = "",
    body: str | None = None, html: str | None = None, reply_to: str | None = None, headers: Mapping[str, str] | None = None,
    attachments: Sequence[Mapping[str, Any]] = (), run_routes: bool = True, in_reply_to: str | None = None, references: str | None = None,
) -> Message:  # fmt: skip
    """Send a mail; its sender is the mailbox, whatever the caller would like. returns its copy in the archive

    receivers, cc, bcc   addresses, with or without a display name; bcc never shows in the mail
    attachments          {filename, content_type, content (base64), content_id}
    in_reply_to, references   Message-IDs in angle brackets, of the mail that this one answers
    raises  NotFound for the mailbox; Forbidden when it may not send; InvalidState while it is paused; TooMany beyond its limits;
            TooLarge; Invalid that names the field
    """  # fmt: skip
    actor.require("messages:send")
    mailbox = get_seen(actor, mailbox_id)
    check_may_send(mailbox)
    to, copies, hidden = addresses("receivers", receivers), addresses("cc", cc), addresses("bcc", bcc)
    everybody = list(dict.fromkeys([*to, *copies, *hidden]))
    if not to:
        raise invalid("receivers", "Name at least one receiver.")
    if len(everybody) > MOST_RECIPIENTS:
        raise invalid("receivers", f"One mail takes at most {MOST_RECIPIENTS:,} recipients; these are {len(everybody):,}.")
    thread, headers = _thread(headers or {})
    files = [attachment(index, item) for index, item in enumerate(attachments)]
    if not (body or html or files):
        raise invalid("body", "Write a body, an html part, or attach a file.")
    mail = NewMail(
        sender=mailbox.email, sender_name=mailbox.display_name or "", to=to, cc=copies, reply_to=_one("reply_to", reply_to),
        subject=_line("subject", subject), text=body, html=html, headers=_headers(headers), attachments=files,
        in_reply_to=in_reply_to or thread.get("in-reply-to"), references=references or thread.get("references"),
        message_id=new_message_id(settings().hostname), date=outside().clock.now(),
    )  # fmt: skip
    raw = _built(mail)
    most = min(mailbox.max_message_bytes, settings().max_message_bytes)
    if len(raw) > most:
        raise TooLarge(f"The mail has {len(raw):,} bytes, and {mailbox.email} takes {most:,}.", hint="Send fewer or smaller attachments.")
    quota.take_room(mailbox, len(raw))
    outgoing = submit(
        workspace_id=mailbox.workspace_id, mailbox_id=mailbox.id, envelope_sender=mailbox.email, recipients=everybody, raw=raw, kind="api",
        from_address=mailbox.email, request_id=actor.request_id, run_routes=run_routes,
    )  # fmt: skip
    message = db.session.get_one(Message, outgoing.message_id)
    after = {"mailbox": mailbox.email, "recipients": everybody}
    audit.record(actor, "message.send", Target("message", message.id, message.subject or "(no subject)"), after=after)
    return message


def accepted(message: Message) -> dict[str, Any]:
    """The answer to a mail that was taken for sending."""
    return {"archive_id": message.id, "message_id": f"<{message.message_id_header}>", "status": "queued"}


def check_may_send(mailbox: Mailbox) -> None:
    """raises Forbidden when the mailbox may not send, InvalidState while it is paused, TooMany beyond its limits"""
    quota.check_allowed(mailbox)
    quota.check_room(mailbox)


def addresses(field: str, texts: Sequence[str]) -> list[str]:
    """Bare addresses in normal form. raises Invalid that names the field and the place in the list"""
    return [_address(f"{field}.{index}", text) for index, text in enumerate(texts)]


def _address(field: str, text: str) -> str:
    name, bracket, rest = text.strip().rpartition("<")
    try:
        if bracket and rest.endswith(">"):
            clean_header(name, "The name")
            return parse_address(rest[:-1]).text
        return parse_address(text).text
    except ValueError as error:
        raise invalid(field, str(error)) from None


def _one(field: str, text: str | None) -> str | None:
    return _address(field, text) if text else None


def _line(field: str, text: str, what: str = "The subject") -> str:
    try:
        return clean_header(text, what)
    except ValueError as error:
        raise invalid(field, str(error)) from None


def _thread(headers: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The two headers by which a caller joins a thread, and all the others. raises Invalid"""
    found, others = {}, {}
    for name, value in headers.items():
        if name.lower() in ("in-reply-to", "references"):
            found[name.lower()] = _line(f"headers.{name}", value, f"The header {name}")
        else:
            others[name] = value
    return found, others


def _headers(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    found = []
    for name, value in headers.items():
        try:
            found.append(check_header(name, value))
        except ValueError as error:
            raise invalid(f"headers.{name[:60]}", str(error)) from None
    return found


def attachment(index: int, item: Mapping[str, Any]) -> NewAttachment:
    """One file of the request. raises Invalid about its name, type or content"""
    field = f"attachments.{index}"
    try:
        name = clean_header(item["filename"], "The file name")
        content_id = clean_header(item.get("content_id") or "", "The content id").strip("<> ") or None
        kind = clean_header(item.get("content_type") or "", "The content type")
    except ValueError as error:
        raise invalid(f"{field}.filename", str(error)) from None
    try:
        content = base64.b64decode("".join(item["content"].split()), validate=True)
    except (binascii.Error, ValueError):
        raise invalid(f"{field}.content", "Write the content of the file in base64.") from None
    return NewAttachment(filename=name, content=content, content_type=kind, content_id=content_id)


def _built(mail: NewMail) -> bytes:
    try:
        return build(mail)
    except ValueError as error:
        raise invalid("headers", str(error)) from None
