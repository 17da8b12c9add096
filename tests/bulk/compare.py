"""What the product says of a mail against what a correct reader finds in it (`expected.json`)."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from tests.bulk.mails import Sample, crlf
from tests.bulk.visit import Seen
from tests.bulk.wire import Handed
from webapp.mail.address import BadAddress, normalise
from webapp.mail.charsets import find_codec
from webapp.mail.mime import parse

#: folders whose expectations are about what a parser finds
FOLDERS = ("attachments", "calendar", "charsets", "lists")
#: expectations that are not met, and why
EXPLAINED = {
    ("attachments/mimekit-tnef-winmail.eml", "contains"):
        "Both files in winmail.dat are called “Untitled Attachment”; the expected list was cut at the blanks of that name.",
}  # fmt: skip
_ANGLES = re.compile(r"<([^<>]*)>")


@dataclass(frozen=True)
class Check:
    """One fact of one mail."""

    name: str
    what: str
    wanted: Any
    found: Any

    @property
    def right(self) -> bool:
        return bool(self.wanted == self.found)


def checks(seen: Seen, wanted: dict[str, Any]) -> list[Check]:
    """One check for each fact that is expected of this mail."""
    return [Check(seen.name, what, wanted[what], look(seen, wanted[what])) for what, look in LOOKS.items() if what in wanted]


def parsed_as_seen(sample: Sample) -> Seen:
    """What the parser alone finds, in the shape of what the API says."""
    mail = parse(crlf(sample.read()))
    told = {
        "subject": mail.subject, "body": mail.text, "sender": mail.sender, "headers": [list(header) for header in mail.headers],
        "attachments": [{"filename": item.filename, "content_type": item.content_type} for item in mail.attachments],
    }  # fmt: skip
    return Seen(Handed(sample, "", 0, ""), told=told, files=[item.content for item in mail.attachments])


def _text(seen: Seen, wanted: str) -> str:
    """The expected text when it is in the body, else the body."""
    body = _plain(seen.told["body"])
    return wanted if _plain(wanted) in body else body[:200]


def _subject(seen: Seen, wanted: str) -> str:
    return wanted if _plain(seen.told["subject"]) == _plain(wanted) else seen.told["subject"]


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", text)).strip()


def _header(seen: Seen, name: str) -> list[str]:
    return [value for header, value in seen.told["headers"] if header.lower() == name]


def _charset(seen: Seen, wanted: str) -> str:
    """The label as the mail has it, when it and the expected one are one set to us."""
    label = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", " ".join(_header(seen, "content-type")), re.I)
    found = label[1] if label else "us-ascii"
    return wanted if find_codec(found) == find_codec(wanted) else found


def _sender(seen: Seen, wanted: str) -> str:
    try:
        return wanted if normalise(wanted) == seen.told["sender"] else seen.told["sender"]
    except BadAddress:
        return str(seen.told["sender"])


def _contains(seen: Seen, wanted: list[str]) -> list[str]:
    """Names of the files that were packed into another one."""
    names = [item["filename"] for item in seen.told["attachments"]]
    return [name for name in wanted if name in names]


def _list_id(seen: Seen, wanted: str) -> str:
    for value in _header(seen, "list-id"):
        found = _ANGLES.findall(value)
        return found[-1].strip() if found else value.strip()
    return ""


def _unsubscribe(seen: Seen, wanted: list[str]) -> list[str]:
    return [re.sub(r"\s+", "", one) for value in _header(seen, "list-unsubscribe") for one in _ANGLES.findall(value)]


def _one_click(seen: Seen, wanted: bool) -> bool:
    """RFC 8058 section 3.1: the header's one value, and an https address to post to."""
    said = [value.strip() for value in _header(seen, "list-unsubscribe-post")]
    return said == ["List-Unsubscribe=One-Click"] and any(one.lower().startswith("https://") for one in _unsubscribe(seen, []))


def _calendar(seen: Seen) -> str:
    """The first calendar of the mail as text, folded lines joined (RFC 5545 section 3.1)."""
    for item, content in zip(seen.told["attachments"], seen.files, strict=False):
        if item["content_type"] == "text/calendar" or item["filename"].lower().endswith(".ics"):
            return re.sub(r"\r?\n[ \t]", "", content.decode("utf-8", "replace"))
    return str(seen.told["body"])


def _method(seen: Seen, wanted: str) -> str:
    found = re.search(r"(?mi)^METHOD[^:\r\n]*:\s*([A-Z-]+)", _calendar(seen))
    return found[1].upper() if found else ""


def _events(seen: Seen, wanted: int) -> int:
    return len(re.findall(r"(?mi)^BEGIN:VEVENT\s*$", _calendar(seen)))


LOOKS = {
    "subject": _subject, "text": _text, "charset": _charset, "from_": _sender, "contains": _contains, "list_id": _list_id,
    "unsubscribe": _unsubscribe, "one_click": _one_click, "method": _method, "events": _events,
}  # fmt: skip
