"""Contacts that may be one person: those of the same name, looked for a stretch of names at a time, so that the cost has a bound."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select

from webapp.contacts.models import Contact
from webapp.core.actor import Actor
from webapp.core.db import db

#: contacts that are looked at for one page, names on it, people of one name that are shown
LOOKED, NAMES, PEOPLE = 20_000, 20, 5


@dataclass
class Alike:
    """People of one name: how many, and the first few of them, oldest first."""

    name: str
    number: int
    people: list[Any] = field(default_factory=list)


def find(actor: Actor, after: str = "") -> tuple[list[Alike], str | None]:
    """Names that several contacts have, behind `after` in the order of names; and where to go on, None at the end."""
    actor.require("contacts:read")
    mine = Contact.workspace_id == actor.workspace_id, Contact.name != ""
    names = select(Contact.name, Contact.id).where(*mine, Contact.name > after)
    stretch = names.order_by(Contact.name, Contact.id).limit(LOOKED).subquery()
    twice = select(stretch.c.name, func.count().label("number")).group_by(stretch.c.name).having(func.count() > 1)
    found = [Alike(row.name, row.number) for row in db.session.execute(twice.order_by(stretch.c.name).limit(NAMES + 1))]
    number, last = db.session.execute(select(func.count(), func.max(stretch.c.name))).one()
    more = found[NAMES - 1].name if len(found) > NAMES else last if number == LOOKED else None
    found = found[:NAMES]
    _fill(mine, found)
    return found, more


def _fill(mine: tuple[Any, ...], found: list[Alike]) -> None:
    place = func.row_number().over(partition_by=Contact.name, order_by=Contact.id).label("place")
    columns = Contact.id, Contact.name, Contact.email, Contact.company, Contact.created_at
    theirs = select(*columns, place).where(*mine, Contact.name.in_([alike.name for alike in found])).subquery()
    by_name = {alike.name: alike for alike in found}
    for row in db.session.execute(select(theirs).where(theirs.c.place <= PEOPLE).order_by(theirs.c.id)) if found else ():
        by_name[row.name].people.append(row)
