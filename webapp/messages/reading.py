"""From the source to the columns: what a parsed mail leaves in `messages` and in the search index."""

import re
from datetime import datetime

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
    """Fill the columns and the search index from what was read; the message counts as processed then.

    The text of system mail is kept out of lists and search: it holds one-time links.
    """
    secret = message.keeps_back
    message.sender, message.sender_name = storable(parsed.sender, 320), storable(parsed.sender_name, 500)
    message.subject = storable(parsed.subject, 2000)
    message.receivers_text, message.cc_text = listed(parsed.to), listed(parsed.cc)
    message.message_id_header = _bare(parsed.message_id)
    message.in_reply_to = _bare(parsed.in_reply_to)
    message.date = _possible(parsed.date)
    message.attachments = [
        {"number": number, **{key: getattr(item, key) for key in ATTACHMENT}} for number, item in enumerate(parsed.attachments, 1)
    ]
    message.has_attachments = any(not item.inline for item in parsed.attachments)
    message.preview = "" if secret else _readable(mime.preview(parsed))
    message.parse_limited, message.problem = parsed.parse_limited, parsed.problem
    message.state, message.processed_at = "processed", utcnow()
    index.put(
        message,
        subject=message.subject,
        sender=f"{message.sender_name} {message.sender} {_other(message.envelope_sender, message.sender)}",
        receivers=" ".join(filter(None, (message.receivers_text, message.cc_text, message.recipient))),
        files=" ".join(item.filename for item in parsed.attachments),
        body="" if secret else parsed.text,
    )
    live.notify(message.workspace_id, LIVE_EVENT)


def listed(people: list[tuple[str, str]]) -> str:
    """`Name <address>, address …`, cut at LONGEST_LIST characters."""
    return storable(", ".join(f"{name} <{address}>" if name else address for name, address in people), LONGEST_LIST)


def _readable(text: str) -> str:
    """A line for lists: what cannot be printed becomes blank."""
    return storable(" ".join("".join(sign if sign.isprintable() else " " for sign in text).split()), 200)


def _bare(value: str) -> str | None:
    return storable(value.strip().removeprefix("<").removesuffix(">"), 500) or None


def _other(address: str, than: str) -> str:
    return "" if address == than else address


def _possible(moment: datetime | None) -> datetime | None:
    """Years that every reader of ours can write."""
    return moment if moment is not None and 1970 <= moment.year <= 9998 else None
