"""Copies of a letter as they go over the wire, made when their turn comes; nothing of them is stored but the row in the ledger."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select

from webapp.campaigns import compiling, marks
from webapp.campaigns.compiling import Ready
from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact
from webapp.core.bulk import among
from webapp.core.db import db
from webapp.mail.letter.model import Person
from webapp.mail.smtp_pipe import Mail
from webapp.sending.campaigned import Make
from webapp.sending.settle import Waiting


class Copies:
    """Makes the mails of one campaign for some of its people.

    people  contact id -> (name, values of `ready.compiled.columns` …, custom fields where the letter names some)
    """

    def __init__(self, campaign_id: int, ready: Ready, people: dict[int, Sequence[Any]]) -> None:
        self.ready, self.people = ready, people
        self.columns = tuple(ready.compiled.columns)
        self.custom = tuple(ready.compiled.custom)
        self.tokens = dict(zip(people, marks.tokens(campaign_id, people), strict=True))
        self.fill, self.keys = ready.compiled.fill_signed, ready.keys

    def __call__(self, row: Waiting) -> Mail:
        """raises LookupError when the contact is gone"""
        number: Any = row.contact_id
        found = self.people[number]
        values = dict(zip(self.columns, found[1:], strict=False))
        if self.custom:
            known = found[-1] or {}
            values.update({f"custom.{key}": known.get(key) for key in self.custom})
        person = Person(row.recipient, values, number, self.tokens[number], found[0])
        return Mail.ready(self.fill(person, self.keys))


def columns(ready: Ready) -> list[Any]:
    """What is read of a contact, in the order in which `Copies` takes it."""
    table: Any = Contact.__table__.c
    found = [table.name, *(table[name] for name in ready.compiled.columns)]
    return [*found, table.custom_fields] if ready.compiled.custom else found


def mails(rows: Sequence[Waiting]) -> Make:
    """Makes the mail of any of these rows, which may be of several campaigns. Reads in the caller's transaction."""
    makers: dict[int, Copies] = {}
    for campaign_id in {row.campaign_id for row in rows if row.campaign_id is not None}:
        ids = [row.contact_id for row in rows if row.campaign_id == campaign_id and row.contact_id is not None]
        makers[campaign_id] = _copies(campaign_id, ids)

    def make(row: Waiting) -> Mail:
        return makers[row.campaign_id or 0](row)

    return make


def _copies(campaign_id: int, ids: Iterable[int]) -> Copies:
    version = db.session.scalar(select(Campaign.version).where(Campaign.id == campaign_id))
    ready = compiling.prepared(campaign_id, version or 0)
    query = select(Contact.id, *columns(ready)).where(among(Contact.id, sorted(set(ids))))
    return Copies(campaign_id, ready, {row[0]: row[1:] for row in db.session.execute(query)})
