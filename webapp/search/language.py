"""The one search box: the language of mail (`messages.language`) and words that choose where to look.

    orders                       everything whose name has it, and mail with the word
    from: to: subject: file: has: is: before: after:     mail alone, as on the mail page
    mailbox:sales                mail of that mailbox (its address, or a part of it)
    token:shop                   tokens with that name, and what they did
    in:routes                    one kind alone (KINDS), or mail in:inbox, in:sent, in:archive

Nothing typed here is an error but a date that is none and more words than are looked for at once; what is not understood is told as a note.
"""

import re
from dataclasses import dataclass, field

from webapp.messages.language import FIELDS, STATES
from webapp.messages.words import words_of

#: kinds of hits in the order in which they are shown, with the words that `in:` takes for them
KINDS: dict[str, tuple[str, ...]] = {
    "page": ("pages", "page", "settings", "setup"),
    "mail": ("mail", "mails", "messages", "message"),
    "contact": ("contacts", "contact"),
    "group": ("groups", "group"),
    "tag": ("tags", "tag"),
    "segment": ("segments", "segment"),
    "mailbox": ("mailboxes", "mailbox"),
    "domain": ("domains", "domain"),
    "route": ("routes", "route"),
    "rule": ("rules", "rule"),
    "action": ("actions", "action"),
    "token": ("tokens", "token"),
    "member": ("members", "member", "people", "person"),
    "audit": ("audit", "log"),
}
#: boxes of mail that `in:` takes -> filter of the list of mail
BOXES: dict[str, dict[str, str]] = {"inbox": {"folder": "INBOX"}, "sent": {"direction": "sent"}, "archive": {}}
MAIL_KEYS = frozenset({*FIELDS, "has", "is", "before", "after"})
FILES = ("attachment", "attachments", "file")
#: longest text that is looked at, in characters, and most words that are looked for in names
LONGEST, MOST_WORDS = 1000, 8
_PART = re.compile(r'(?:(?P<key>[A-Za-z]+):)?(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
_KIND_OF = {word: kind for kind, words in KINDS.items() for word in words}


@dataclass
class Query:
    """What was asked for. `words` are looked for in names, `mail` is the text for the search of mail."""

    text: str
    mail: str = ""
    words: list[str] = field(default_factory=list)
    #: None: everywhere
    kinds: tuple[str, ...] | None = None
    #: one of BOXES, or empty
    box: str = ""
    mailbox: str = ""
    token: str = ""
    #: whether something was said that only mail has
    mail_only: bool = False
    #: what was not understood, in sentences
    notes: list[str] = field(default_factory=list)

    def asks(self, kind: str) -> bool:
        """Whether this kind of thing is looked for."""
        if self.kinds is not None and kind not in self.kinds:
            return False
        if kind == "mail":
            return bool(self.mail or self.mailbox or self.box) and not self.token
        if self.mail_only:
            return False
        if self.token:
            return kind in ("token", "audit")
        return bool(self.words) and (not self.mailbox)


def parse(text: str) -> Query:
    """Take a text apart; the cost grows with LONGEST alone, whatever was typed."""
    query = Query(text[:LONGEST].strip())
    if len(text) > LONGEST:
        query.notes.append(f"Only the first {LONGEST:,} characters are looked for.")
    rest: list[str] = []
    for part in _PART.finditer(query.text):
        key = (part["key"] or "").lower()
        value = part["phrase"] if part["phrase"] is not None else part["word"]
        if key in ("in", "mailbox", "token"):
            _narrow(query, key, value.strip())
            continue
        rest.append(part[0])
        if key in MAIL_KEYS:
            query.mail_only = True
            _check(query, key, value)
        elif value.rstrip(":").lower() not in {*MAIL_KEYS, "in", "mailbox", "token"} or not value.endswith(":"):
            query.words += words_of(f"{key} {value}") if part["phrase"] is None else list(filter(None, [value.strip().lower()]))
    query.mail = " ".join(rest)
    if len(query.words) > MOST_WORDS:
        query.notes.append(f"Names are compared with the first {MOST_WORDS} words.")
        query.words = query.words[:MOST_WORDS]
    return query


def _narrow(query: Query, key: str, value: str) -> None:
    """`in:`, `mailbox:`, `token:`; an empty value is somebody who is still typing."""
    if not value:
        return
    if key == "mailbox":
        query.mailbox = value
    elif key == "token":
        query.token = value
    elif value.lower() in BOXES:
        query.kinds, query.box, query.mail_only = ("mail",), value.lower(), True
    elif value.lower() in _KIND_OF:
        query.kinds = (*(query.kinds or ()), _KIND_OF[value.lower()])
    else:
        kinds = ", ".join([*BOXES, *(words[0] for words in KINDS.values())])
        query.notes.append(f"in:{value[:40]} is no place that can be searched; there are {kinds}.")


def _check(query: Query, key: str, value: str) -> None:
    if key == "is" and value.lower() not in STATES:
        query.notes.append(f"is:{value[:40]} is no state, so it is looked for as text; there are {', '.join(STATES)}.")
    elif key == "has" and value.lower() not in FILES:
        query.notes.append(f"has:{value[:40]} is not known, so it is looked for as text; there is has:attachment.")
