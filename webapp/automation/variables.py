"""Placeholders in action parameters: `$SUBJECT`, `$ATTACHMENT2`, `$HEADER[Name]`, `$DATA[key]` and their like. Pure.

Rules (reference/mailtrigger.md section 7.1): names are upper case and read as far as they go, so `$ATTACHMENT10` is the tenth; one pass,
inserted text is not expanded again; what is unknown stays as it is; `$$` is a dollar sign; a missing attachment gives the empty text and
a warning. In a URL values are percent-encoded, in HTML escaped, in a header put on one line, in JSON they replace string values only.
"""

import base64
import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from webapp.automation.mail_view import Attached, MailView, Person

_PLACE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<kind>HEADER|DATA)\[(?P<key>[^\[\]\r\n]{1,200})\]|(?P<name>[A-Z]+(?:_[A-Z]+)*)(?P<number>\d{1,6})?)"
)
_NOBODY = Person("", "")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


@dataclass
class Variables:
    """What the placeholders stand for at one action of one run; `warnings` collects what was asked for in vain.

    receiver  the address at hand: the one the mail came in for, or each in turn where an action runs per receiver
    data      the receiver's mailbox data
    """

    mail: MailView
    mailbox: str = ""
    route: str = ""
    receiver: str = ""
    archive_url: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def attachment(self, place: str, number: int) -> Attached | None:
        """The attachment with that number from the front (`ATTACHMENT2`) or from the end (`ATTACHMENT_LAST2`)."""
        files = self.mail.attachments
        if 1 <= number <= len(files):
            return files[-number] if place.endswith("_LAST") else files[number - 1]
        self.warn(f"${place}{number} is empty: the mail has {len(files)} attachment{'' if len(files) == 1 else 's'}.")
        return None


def content_of(item: Attached) -> str:
    """The content as text: decoded where it is text, base64 else."""
    return item.text if item.text is not None else base64.b64encode(item.content).decode()


_PLAIN: dict[str, Callable[[Variables], Any]] = {
    "SUBJECT": lambda v: v.mail.subject,
    "BODY": lambda v: v.mail.text,
    "HTML": lambda v: v.mail.html,
    "SENDER": lambda v: v.mail.sender.email,
    "RECEIVERS": lambda v: ", ".join(v.mail.all_receivers()),
    "RECEIVER": lambda v: v.receiver,
    "CC": lambda v: ", ".join(person.email for person in v.mail.cc),
    "REPLY_TO": lambda v: ", ".join(person.email for person in v.mail.reply_to) or v.mail.sender.email,
    "DATE": lambda v: v.mail.date.isoformat().replace("+00:00", "Z") if v.mail.date else "",
    "MESSAGE_ID": lambda v: v.mail.message_id,
    "MAILBOX": lambda v: v.mailbox,
    "ROUTE": lambda v: v.route,
    "ARCHIVE_URL": lambda v: v.archive_url,
    "ATTACHMENT": lambda v: [content_of(item) for item in v.mail.attachments],
}
_NUMBERED: dict[str, Callable[[Attached], str]] = {
    "ATTACHMENT": content_of,
    "ATTACHMENT_LAST": content_of,
    "ATTACHMENT_NAME": lambda item: item.filename,
    "ATTACHMENT_TYPE": lambda item: item.content_type,
}
#: what pages and docs list: (placeholder, what it stands for)
NAMES: tuple[tuple[str, str], ...] = (
    ("$SUBJECT", "subject"), ("$BODY", "text of the mail"), ("$HTML", "HTML part"), ("$SENDER", "address of the sender"),
    ("$RECEIVERS", "all receivers"), ("$RECEIVER", "the current receiver"), ("$CC", "Cc addresses"), ("$REPLY_TO", "where answers go"),
    ("$DATE", "date header, ISO 8601"), ("$MESSAGE_ID", "Message-ID"), ("$MAILBOX", "address of the mailbox"),
    ("$ROUTE", "name of the route"),
    ("$ARCHIVE_URL", "page of the mail in Mailroom"), ("$ATTACHMENT", "list of all attachment contents"),
    ("$ATTACHMENT1", "content of the first attachment"), ("$ATTACHMENT_LAST1", "content of the last attachment"),
    ("$ATTACHMENT_NAME1", "its file name"), ("$ATTACHMENT_TYPE1", "its content type"), ("$HEADER[Name]", "value of a header"),
    ("$DATA[key]", "value from the receiver's mailbox data"), ("$$", "a dollar sign"),
)  # fmt: skip


def _lookup(found: re.Match[str], values: Variables) -> Any:
    """The value of one placeholder; None when there is no such name."""
    if found["dollar"]:
        return "$"
    if found["kind"] == "HEADER":
        return values.mail.header(found["key"]) or ""
    if found["kind"] == "DATA":
        if found["key"] not in values.data:
            values.warn(f"$DATA[{found['key']}] is empty: {values.receiver or 'the receiver'} has no such key in the mailbox data.")
        return values.data.get(found["key"], "")
    if found["number"]:
        read = _NUMBERED.get(found["name"])
        item = values.attachment(found["name"], int(found["number"])) if read else None
        return None if read is None else read(item) if item else ""
    read_plain = _PLAIN.get(found["name"])
    return None if read_plain is None else read_plain(values)


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _one_line(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()


_FORMS: dict[str, Callable[[str], str]] = {
    "text": lambda text: text,
    "line": _one_line,
    "url": lambda text: quote(text, safe=""),
    "html": lambda text: html.escape(text).replace("\n", "<br>\n"),
}


def expand(template: str, values: Variables, form: str = "text") -> str:
    """The template with its placeholders replaced; `form` is text, line (headers), url or html."""
    write = _FORMS[form]

    def replace(found: re.Match[str]) -> str:
        value = _lookup(found, values)
        if value is None:
            return found[0]
        return "$" if found["dollar"] else write(_as_text(value))

    return _PLACE.sub(replace, template)


def expand_json(value: Any, values: Variables) -> Any:
    """A JSON value whose string values are expanded; keys stay. A string that is exactly `$ATTACHMENT` becomes the list."""
    if isinstance(value, str):
        if value == "$ATTACHMENT":
            return _PLAIN["ATTACHMENT"](values)
        return expand(value, values)
    if isinstance(value, list):
        return [expand_json(inner, values) for inner in value]
    if isinstance(value, dict):
        return {key: expand_json(inner, values) for key, inner in value.items()}
    return value


def has_placeholder(text: str) -> bool:
    """Whether the text would be changed by `expand`, whatever the mail."""
    empty = Variables(MailView(sender=_NOBODY))
    return any(_lookup(found, empty) is not None for found in _PLACE.finditer(text))


def without_placeholders(text: str, instead: str = "x") -> str:
    """The text with something harmless in place of each known placeholder, for checks on save."""
    empty = Variables(MailView(sender=_NOBODY))
    return _PLACE.sub(lambda found: found[0] if _lookup(found, empty) is None else instead, text)

