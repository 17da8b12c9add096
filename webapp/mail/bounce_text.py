"""Recipients of a report in words: what qmail, Exim, Postfix, Sendmail, Exchange and others write when they do not follow RFC 3464.

Their forms are few: an address at the beginning of its line with the reason behind or below it, or a label in front of the address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from webapp.mail.bounce_fields import MAX_RECIPIENTS, clean_address

_ADDRESS = r"[^\s<>\"'():;,@\[\]|]{1,100}@[A-Za-z0-9][A-Za-z0-9.-]{1,250}"
#: `<user@example.com>: reason`, `  user@example.com`, `* user@…`, `"user@…":`, `>>> user@… <user@…>`, `554 <user@…>... reason`
_LINE = re.compile(
    r"^[ \t]*(?:[*>•-]{1,4}[ \t]*)?(?P<code>[45]\d\d[ \t]+(?=\S+\.\.\.))?(?:\"[^\"\n]{0,80}\"[ \t]+)?(?:Address:[ \t]*)?"
    rf"(?:{_ADDRESS}[ \t]+(?=<))?"
    r"[\"'(]?<?(?:mailto:|smtp:)?"
    rf"(?P<address>{_ADDRESS})>?[\"')]?(?P<rest>(?:<mailto:[^>\n]*>)?[ \t]*(?:\.\.\.|:|$|\[|\(|<|on \w|was |Invalid |-|;)[^\n]*)",
    re.I | re.M,
)
#: words in front of an address that make it the recipient; what lies between may not hold another address
_LABELS = re.compile(
    r"(?:\brecipient(?: address)?s?(?:\(s\))?[ \t]*:|undeliverable address:|target mail address:|rcpt to:|undeliverable[ \t]+to\b|"
    r"undeliverable:|"
    r"(?:delivered|deliver|delivering|delivery|sent|send)[ \t]+(?:[^\n@:]{0,40}[ \t])?to\b:?|reached? (?:the following |"
    r"our local )?(?:recipient|address)(?:\(s\))?:?|"
    r"addressed to(?: email address)?|delivery userid:|failed \d+ attempts:|to (?:the following )?(?:user|recipient|address)s?:|"
    r"mailbox exceeds allowed size:|"
    r"rejected recipient|mailbox is full:|local mailbox|your message to|final recipient:|unknown user:|user unknown:|to this address|smtp=|"
    r"duplicated message-id in|(?:mail|message) for|could not be reached:|problem(?:s)? (?:with|delivering)[^\n@]{0,40}:|"
    rf"failed recipient:|email to|user\(s\) account|the user|gateway for)[ \t\n:*>\"'-]{{0,40}}<?(?:mailto:)?(?P<address>{_ADDRESS})",
    re.I,
)
_ANY = re.compile(_ADDRESS)
#: addresses that no report is about
_DAEMONS = re.compile(r"(?:post_?master|mailer-?daemon|mail[.-]delivery)[^@]{0,30}@", re.I)
#: what stands between the reason of one recipient and what comes after the last one
_END = re.compile(
    r"^[ \t]*(?:-{4,}|={10,}|\*{4,}|_{8,}|#{8,}|no action is required|reporting-mta:|the following|for (?:further|more) |"
    r"additional information|"
    r"diagnostic information|original message|рекомендуем)",
    re.I | re.M,
)
#: of Sendmail and its kind: what the other servers said, about all recipients together
_TRANSCRIPT = re.compile(
    r"^[^\w\n]*(?:transcript of session|session transcript|server message|error message below|technical details|error detail|"
    r"message log)[^\n]*\n",
    re.I | re.M,
)


@dataclass(slots=True)
class Found:
    """A recipient and the words about it."""

    address: str
    text: str


def recipients_in(notice: str, failed_header: str, avoid: set[str]) -> list[Found]:
    """The recipients that a report names in its words, in order, each once.

    notice         the words of the reporting server, without the returned mail
    failed_header  the value of X-Failed-Recipients, where there is one (Exim, Gmail)
    avoid          addresses that are no recipients: of the sender of the original mail, of the report itself
    """
    found = _lines(notice, avoid) or _lines(notice, set())
    if not found:
        named = [clean_address(part) for part in failed_header.split(",")[:MAX_RECIPIENTS]]
        found = [Found(address, "") for address in named if address]
    found = found or _labelled(notice, avoid) or _only(notice, avoid)
    unique: dict[str, Found] = {}
    for one in found:
        known = unique.setdefault(one.address, one)
        if known is not one:
            known.text = f"{known.text}\n{one.text}"
    result = list(unique.values())[:MAX_RECIPIENTS]
    for one in result:
        if len(one.text.split()) < 2:
            one.text = about(notice, one.address, alone=len(result) == 1)
    return result


def about(notice: str, address: str, *, alone: bool) -> str:
    """The words of a notice about one recipient: lines that name it, and for the only one the rest of what is said."""
    transcript = _TRANSCRIPT.search(notice)
    body = notice[transcript.end() :] if transcript else notice
    if alone:
        return _behind(body if body.strip() else notice, address)
    lines = [line for line in body.splitlines() if address in line.lower()]
    return "\n".join(lines) or notice


def _behind(notice: str, address: str) -> str:
    """What is said from the first naming of an address on, up to the next ruler; all of it when that is nothing."""
    at = notice.lower().find(address)
    if at < 0:
        return notice
    line = notice.rfind("\n", 0, at) + 1
    end = _END.search(notice, at)
    behind = notice[line : end.start() if end else len(notice)]
    return behind if len(behind.split()) > 3 else notice


def _lines(notice: str, avoid: set[str]) -> list[Found]:
    """Recipients that begin a line; the words of each go on to the next one."""
    hits = [hit for hit in _LINE.finditer(notice) if _wanted(hit["address"], avoid)]
    found = []
    for number, hit in enumerate(hits[:MAX_RECIPIENTS]):
        stop = hits[number + 1].start() if number + 1 < len(hits) else len(notice)
        end = _END.search(notice, hit.end(), stop)
        found.append(
            Found(
                clean_address(hit["address"]),
                ((hit["code"] or "") + hit["rest"] + notice[hit.end() : end.start() if end else stop]).strip(" :\n\t"),
            )
        )
    return found


def _labelled(notice: str, avoid: set[str]) -> list[Found]:
    return [Found(clean_address(hit["address"]), "") for hit in _LABELS.finditer(notice) if _wanted(hit["address"], avoid)]


def _only(notice: str, avoid: set[str]) -> list[Found]:
    """The one address that a notice holds besides those of its writers; none when there are several."""
    named = {clean_address(hit[0]) for hit in _ANY.finditer(notice) if _wanted(hit[0], avoid)}
    return [Found(address, "") for address in named] if len(named) == 1 else []


def _wanted(address: str, avoid: set[str]) -> bool:
    clean = clean_address(address)
    return "." in clean.rpartition("@")[2] and clean not in avoid and not _DAEMONS.match(clean)
