"""Unsubscribing by mail: what comes to `name+unsubscribe@…` with the mark of a copy in its subject (RFC 2369, `campaigns.mail_way`).

The mark is all the proof there is, as on the page: whoever holds the mail may have it forwarded, and the sender of an answer says nothing.
Such a mail stays in the archive, runs no route and makes no answer. One without a mark of ours is ordinary mail, for people to read.
"""

import re
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import select

from webapp.campaigns import mail_way, marks
from webapp.campaigns.marks import Mark
from webapp.contacts.models import Contact
from webapp.core.db import db
from webapp.mail.address import split_plus
from webapp.tracking import leaving, resolving

_MARK = re.compile(rf"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{{{marks.LENGTH}}}(?![A-Za-z0-9_-])")
#: marks of a subject that are read at most
_MOST = 3
CLIENT = "by mail"


class Came(Protocol):
    """What is looked at of a mail that came in."""

    id: int
    workspace_id: int
    is_test: bool
    recipient: str | None

    @property
    def subject(self) -> str: ...


def look(mails: Sequence[Came]) -> dict[int, str]:
    """Unsubscribe whoever asked, in the caller's transaction; ids of such mails, each with the sentence for its timeline.

    In the order of contacts, so that two batches never wait for each other in a circle.
    """
    asked = [(mail, mark) for mail in mails if not mail.is_test and (mark := mark_of(mail)) is not None]
    found: dict[int, str] = {}
    for mail, mark in sorted(asked, key=lambda pair: (pair[1].contact_id, pair[0].id)):
        leaving.leave(mark, source="mail", ip=None, client=CLIENT)
        found[mail.id] = _sentence(mail, mark)
    return found


def mark_of(mail: Came) -> Mark | None:
    """The mark in the subject of a mail to the address for unsubscribing; None for all other mail."""
    local = (mail.recipient or "").rpartition("@")[0]
    if (split_plus(local)[1] or "").lower() != mail_way.TAG:
        return None
    return next((mark for text in _MARK.findall(mail.subject)[:_MOST] if (mark := marks.read(text)) is not None), None)


def _sentence(mail: Came, mark: Mark) -> str:
    if mark.contact_id == marks.NOBODY:
        return "It asked to unsubscribe from a test copy, which changes nothing."
    reader = resolving.readers([mark.contact_id]).get(mark.contact_id)
    mine = select(Contact.email).where(Contact.id == (reader.id if reader else 0), Contact.workspace_id == mail.workspace_id)
    address = db.session.scalar(mine)
    return f"It unsubscribed {address} from campaigns." if address else "It unsubscribed somebody who is no contact any more."
