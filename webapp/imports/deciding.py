"""What becomes of the rows of a batch: new contacts, changes of those that are there, and what is left as it is. The preview and the run
decide with the same words, and neither writes here.

A file never subscribes anybody: whoever is on the suppression list comes in as not subscribed, and whoever unsubscribed stays so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from webapp.contacts.models import Contact, ContactTag, GroupMember, Tag
from webapp.core import counters
from webapp.core.bulk import among
from webapp.core.db import db, is_sqlite
from webapp.imports.cleaning import Clean, Problem
from webapp.suppressions.lookup import barred
from webapp.suppressions.models import Suppression

#: addresses of the suppression list that an import keeps at hand
MOST_HELD = 20_000
#: what is read of a contact beside the columns that the file has
ALWAYS = ("id", "address", "subscribed", "import_id", "created_at", "updated_at", "is_indexed", "custom_fields", "unsubscribed_at")


@dataclass(frozen=True)
class Wanted:
    """What an import asks for, beside its columns. `defaults`: custom fields that new contacts get."""

    import_id: int
    workspace_id: int
    duplicates: str
    texts: tuple[str, ...]
    tag_ids: frozenset[int]
    group_ids: frozenset[int]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    announce: bool = False


@dataclass
class Known:
    """Contacts that the rows are about.

    rows           address -> its row
    tags, groups   contact -> what it has of what the import gives
    """

    rows: dict[str, Any]
    tags: dict[int, set[int]]
    groups: dict[int, set[int]]


@dataclass(frozen=True)
class Change:
    """What one row does to a contact. `values`: columns that become different; `tags`, `groups`: ids that are added."""

    index: int
    row: Any
    values: dict[str, Any]
    tags: frozenset[int]
    groups: frozenset[int]


@dataclass
class Decision:
    """By index in the batch. `suppressed` counts rows that were taken of people who get no mail; the other numbers do not overlap."""

    new: Sequence[int] = ()
    changes: list[Change] = field(default_factory=list)
    unchanged: int = 0
    skipped: int = 0
    suppressed: int = 0
    problems: list[Problem] = field(default_factory=list)


def find_known(wanted: Wanted, addresses: Sequence[str], tag_ids: Iterable[int], *, hold: bool = False) -> Known:
    """The contacts of these addresses, and what they have of the tags and groups that may be added. hold: until the transaction ends"""
    columns = [getattr(Contact, name) for name in dict.fromkeys((*ALWAYS, *wanted.texts))]
    query = select(*columns).where(Contact.workspace_id == wanted.workspace_id, among(Contact.address, addresses))
    if hold and wanted.duplicates == "update" and not is_sqlite():  # there the order would tempt it to walk the whole list
        query = query.order_by(Contact.id).with_for_update()
    rows = {row.address: row for row in db.session.execute(query)}
    ids = [row.id for row in rows.values()]
    return Known(
        rows,
        _held(ContactTag.contact_id, ContactTag.tag_id, ids, tag_ids),
        _held(GroupMember.contact_id, GroupMember.group_id, ids, wanted.group_ids),
    )


def _held(contact: Any, other: Any, ids: list[int], wanted: Iterable[int]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    some = list(wanted)
    if ids and some:
        for contact_id, other_id in db.session.execute(select(contact, other).where(among(contact, ids), among(other, some))):
            found.setdefault(contact_id, set()).add(other_id)
    return found


def barred_of(workspace_id: int, addresses: Sequence[str]) -> set[str]:
    """Those that get no campaigns. The list holds most addresses in letters; only those that were erased take the longer way by hash."""
    if not counters.read(workspace_id, Suppression.__tablename__):
        return set()
    mine = Suppression.workspace_id == workspace_id, Suppression.scope.in_(("all", "bulk"))
    found = set(db.session.scalars(select(Suppression.address).where(*mine, among(Suppression.address, addresses))))
    if db.session.scalar(select(Suppression.id).where(Suppression.workspace_id == workspace_id, Suppression.address.is_(None)).limit(1)):
        found |= set(barred(workspace_id, addresses, "bulk"))
    return {address for address in found if address}


class StopList:
    """`barred_of` for one batch after the other: a list of ordinary length is held, and read anew when somebody came on it or left it."""

    def __init__(self, workspace_id: int) -> None:
        self.workspace_id = workspace_id
        self._mark: tuple[int, int | None] | None = None
        self._held: set[str | None] = set()

    def of(self, addresses: Sequence[str]) -> set[str]:
        """Those of them that get no campaigns."""
        number = counters.read(self.workspace_id, Suppression.__tablename__)
        if not number:
            return set()
        if number > MOST_HELD:
            return barred_of(self.workspace_id, addresses)
        mark = number, db.session.scalar(select(func.max(Suppression.id)).where(Suppression.workspace_id == self.workspace_id))
        if mark != self._mark:
            query = select(Suppression.address).where(Suppression.workspace_id == self.workspace_id)
            self._held = set(db.session.scalars(query.where(Suppression.scope.in_(("all", "bulk")))))
            self._mark = mark
        if None in self._held:
            return barred_of(self.workspace_id, addresses)
        return {address for address in self._held.intersection(addresses) if address}


def tag_ids_of(workspace_id: int, names: Iterable[str]) -> dict[str, int]:
    """name -> id of the tags that are there."""
    query = select(Tag.name, Tag.id).where(Tag.workspace_id == workspace_id, among(Tag.name, list(names)))
    return {row.name: row.id for row in db.session.execute(query)}


def decide(wanted: Wanted, clean: Clean, known: Known, stopped: set[str], tags: Mapping[str, int], now: datetime) -> Decision:
    """What each row does. Every address stands in `clean` once.

    stopped  addresses on the suppression list
    tags     name -> id; names that are not in it are tags that nobody bears yet
    """
    found = Decision()
    if not known.rows:
        found.new, found.suppressed = range(len(clean)), len(stopped)
        return found
    new: list[int] = []
    found.new = new
    for index, address in enumerate(clean.addresses):
        row = known.rows.get(address)
        if row is None:
            new.append(index)
            found.suppressed += address in stopped
        elif wanted.duplicates == "error":
            twice = row.import_id == wanted.import_id
            text = "The address stands in the file more than once." if twice else "There is a contact with this address already."
            found.problems.append(clean.refuse(index, text))
        elif wanted.duplicates == "skip":
            found.skipped += 1
        else:
            found.suppressed += address in stopped or not row.subscribed
            change = _change(wanted, clean, known, index, row, tags, now)
            if change.values or change.tags or change.groups:
                found.changes.append(change)
            else:
                found.unchanged += 1
    return found


def _change(
    wanted: Wanted, clean: Clean, known: Known, index: int, row: Any, tags: Mapping[str, int], now: datetime
) -> Change:
    values: dict[str, Any] = {}
    for name, column in clean.texts.items():
        value = column[index]
        if value is not None and value != getattr(row, name):
            values[name] = value
    if clean.parts_only and "name" in values:  # made of the parts that the file has and those that are there
        parts = [values.get(name, getattr(row, name)) for name in ("first_name", "last_name")]
        values["name"] = " ".join(filter(None, parts))[:200]
        if values["name"] == row.name:
            del values["name"]
    if clean.custom is not None:
        merged = {**row.custom_fields, **clean.custom[index]}
        if merged != row.custom_fields:
            values["custom_fields"] = merged
    if clean.subscribed is not None and clean.subscribed[index] is False and row.subscribed:
        values |= {"subscribed": False, "unsubscribed_at": now}
    own = {tags.get(name, 0) for name in clean.tags[index]} if clean.tags is not None else set()
    return Change(
        index, row, values,
        frozenset((wanted.tag_ids | own) - known.tags.get(row.id, set())),
        frozenset(wanted.group_ids - known.groups.get(row.id, set())),
    )  # fmt: skip


def by_turns(clean: Clean) -> list[Clean]:
    """The rows so that each address stands in one part once, in the order of the file."""
    if len(set(clean.addresses)) == len(clean):
        return [clean]
    turns: list[list[int]] = []
    times: dict[str, int] = {}
    for index, address in enumerate(clean.addresses):
        turn = times.get(address, 0)
        times[address] = turn + 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(index)
    return [clean.of(indexes) for indexes in turns]


def subscribed_of(clean: Clean, indexes: Sequence[int], stopped: set[str]) -> list[bool] | None:
    """Whether each of these new contacts is subscribed; None when all are."""
    if not stopped and clean.subscribed is None:
        return None
    own = clean.subscribed
    return [not (clean.addresses[index] in stopped or (own is not None and own[index] is False)) for index in indexes]

