"""The one search language of mail, the same in the page's search box and in the API's `search`.

    faktura from:kedja "drive kit" has:attachment is:unread after:2026-09-01

    word "a phrase" inv*      anywhere: subject, people, names of files, text; `*` finds beginnings
    from: to: subject: file:  in that field alone; the value may be a quoted phrase or an address
    has:attachment            mail with files
    is:unread read sent received quarantined test captured parked
    is:waiting deferred held uncertain bounced      sent mail whose delivery has not ended, or ended badly
    after:2026-09-01 before:2026-10-01      came in on that day or later; before that day began

All parts have to hold. What is no part of the language is searched as text, so nothing typed here is an error but a date that is none.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

from webapp.core.errors import invalid
from webapp.messages.words import words_of

FIELDS = {"from": "sender", "to": "receivers", "subject": "subject", "file": "files", "filename": "files"}
#: what became of sent mail; `waiting` is all of the first three and what is in doubt
DELIVERY = ("deferred", "held", "uncertain", "waiting", "bounced")
STATES = ("unread", "read", "sent", "received", "quarantined", "test", "captured", "parked", *DELIVERY)
KEYS = {*FIELDS, "has", "is", "after", "before"}
MOST_TERMS = 20
_PART = re.compile(r'(?:(?P<key>[A-Za-z]+):)?(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')


@dataclass(frozen=True)
class Term:
    """Words that stand one after another, in one field of `message_texts` or (None) anywhere."""

    words: tuple[str, ...]
    field: str | None = None
    #: the last word is the beginning of one
    prefix: bool = False


@dataclass
class Search:
    """What was asked for."""

    terms: list[Term] = field(default_factory=list)
    has_attachments: bool | None = None
    states: set[str] = field(default_factory=set)
    after: datetime | None = None
    before: datetime | None = None
    #: something was typed that holds no letter and no digit, so that nothing can be found by it
    hopeless: bool = False


def parse(text: str) -> Search:
    """raises Invalid (field `search`) for a date that is none"""
    found = Search()
    for part in _PART.finditer(text[:1000]):
        key = (part["key"] or "").lower()
        value = part["phrase"] if part["phrase"] is not None else part["word"]
        if not _special(found, key, value):
            _add_term(found, key, value, part)
    if len(found.terms) > MOST_TERMS:
        raise invalid("search", f"Search for at most {MOST_TERMS} words or phrases at once.")
    return found


def _special(found: Search, key: str, value: str) -> bool:
    """Take `has:`, `is:`, `before:` and `after:`; whether it was one."""
    lowered = value.lower()
    if key == "has" and lowered in ("attachment", "attachments", "file"):
        found.has_attachments = True
    elif key == "is" and lowered in STATES:
        found.states.add(lowered)
    elif key == "after":
        found.after = max(filter(None, (found.after, _day(key, value))))
    elif key == "before":
        found.before = min(filter(None, (found.before, _day(key, value))))
    else:
        return False
    return True


def _add_term(found: Search, key: str, value: str, part: re.Match[str]) -> None:
    name = FIELDS.get(key)
    if key and name is None:
        value = f"{key} {value}"
    words = tuple(words_of(value))
    if not key and value.endswith(":") and value[:-1].lower() in KEYS:
        return  # somebody is still typing
    if words:
        found.terms.append(Term(words, name, prefix=value.endswith("*")))
    elif part["phrase"] is None:
        found.hopeless = True


def _day(key: str, value: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(value), time(), UTC)
    except ValueError:
        raise invalid("search", f"Write {key}: with a day such as {key}:2026-09-01.") from None
