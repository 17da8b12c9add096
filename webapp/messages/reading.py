"""From the source to the columns: what a parsed mail leaves in `messages` and in the search index."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from webapp.core import live
from webapp.core.db import utcnow
from webapp.mail import mime
from webapp.mail.mime import ParsedMail
from webapp.messages import index, raws
from webapp.messages.models import Message
from webapp.messages.words import storable

LIVE_EVENT = "messages-changed"
#: lists of receivers in columns are cut at this length
LONGEST_LIST = 10_000
#: what of a text could be opened
LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"']+", re.I)
#: what the row keeps of each attachment
ATTACHMENT = ("filename", "content_type", "size", "content_id", "inline")


def parsed_of(message: Message) -> ParsedMail:
    """The mail read anew from its source; it never raises, `problem` says what could not be read."""
    return mime.parse(raws.load(message.raw_id))


def apply_parsed(message: Message, parsed: ParsedMail) -> None:
    """Fill the columns and the search index of one message; it counts as processed then."""
    values = columns_of(message, parsed)
    for name, value in values.items():
        setattr(message, name, value)
    index.put(message, **fields_of(message, values, parsed))
    live.notify(message.workspace_id, LIVE_EVENT)


def columns_of(copy: Any, parsed: ParsedMail) -> dict[str, Any]:
    """What was read, as columns of `messages`; the text of system mail is kept out of lists: it holds one-time links.

    copy  a message, or a row with is_system and mailbox_id
    """
    secret = copy.is_system or copy.mailbox_id is None
    return {
        "sender": storable(parsed.sender, 320), "sender_name": storable(parsed.sender_name, 500), "subject": storable(parsed.subject, 2000),
        "receivers_text": listed(parsed.to), "cc_text": listed(parsed.cc), "message_id_header": _bare(parsed.message_id),
        "in_reply_to": _bare(parsed.in_reply_to), "date": _possible(parsed.date),
        "attachments": [
            {"number": number, **{key: getattr(item, key) for key in ATTACHMENT}} for number, item in enumerate(parsed.attachments, 1)
        ],
        "has_attachments": any(not item.inline for item in parsed.attachments),
        "preview": "" if secret else _readable(mime.preview(parsed)),
        "parse_limited": parsed.parse_limited, "problem": parsed.problem, "state": "processed", "processed_at": utcnow(),
    }  # fmt: skip


def fields_of(copy: Any, columns: Mapping[str, Any], parsed: ParsedMail) -> dict[str, str]:
    """What search sees of it: the columns of `message_texts`. copy: with is_system, mailbox_id, envelope_sender and recipient"""
    secret = copy.is_system or copy.mailbox_id is None
    return {
        "subject": columns["subject"],
        "sender": f"{columns['sender_name']} {columns['sender']} {_other(copy.envelope_sender, columns['sender'])}",
        "receivers": " ".join(filter(None, (columns["receivers_text"], columns["cc_text"], copy.recipient))),
        "files": " ".join(item.filename for item in parsed.attachments),
        "body": "" if secret else parsed.text,
    }


def listed(people: list[tuple[str, str]]) -> str:
    """`Name <address>, address …`, cut at LONGEST_LIST characters."""
    return storable(", ".join(f"{name} <{address}>" if name else address for name, address in people), LONGEST_LIST)


def _readable(text: str) -> str:
    """A line for lists: what cannot be printed becomes blank."""
    plain = text if text.isprintable() else "".join(sign if sign.isprintable() else " " for sign in text)
    return storable(" ".join(plain.split()), 200)


def _bare(value: str) -> str | None:
    return storable(value.strip().removeprefix("<").removesuffix(">"), 500) or None


def _other(address: str, than: str) -> str:
    return "" if address == than else address


def _possible(moment: datetime | None) -> datetime | None:
    """Years that every reader of ours can write."""
    return moment if moment is not None and 1970 <= moment.year <= 9998 else None
