"""What an import does to contacts that are there, with an image of what it found, and the tags, groups and consents that it gives.

An image names only what the import changed: column -> value before and value after, ids of tags and groups that it added. A contact that
the import made itself needs none; when a later row of the same file changes it, it stays as new as it was.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, insert, literal, select

from webapp.contacts import groups, tags
from webapp.contacts.models import Consent, Contact, ContactTag, GroupMember
from webapp.core import counters
from webapp.core.bulk import among, insert_rows, update_rows
from webapp.core.db import UTCDateTime, db
from webapp.imports import announcing
from webapp.imports.deciding import Change, Wanted
from webapp.imports.inserting import Made
from webapp.imports.models import ImportChange

#: columns whose words the search knows
WORDS = frozenset({"name", "company"})
TIMES = frozenset({"updated_at", "unsubscribed_at"})
SOURCE = "import"


def apply(wanted: Wanted, changes: Sequence[Change], now: datetime, evidence: str) -> None:
    """Change the contacts, keep the images. The rows are held by the caller's transaction."""
    if not changes:
        return
    names = sorted({name for change in changes for name in change.values})
    rows, images = [], []
    for change in changes:
        row = change.row
        ours = row.import_id == wanted.import_id
        moment = row.updated_at if ours and row.updated_at == row.created_at else now
        is_indexed = row.is_indexed and not WORDS.intersection(change.values)
        rows.append((row.id, *(change.values.get(name, getattr(row, name)) for name in names), moment, is_indexed))
        if not ours:
            images.append(_image(change, now))
    update_rows(Contact, ("id", *names, "updated_at", "is_indexed"), rows)
    if wanted.announce:
        announcing.changed(wanted.workspace_id, wanted.import_id, [_became(change) for change in changes], now)
    _keep(wanted, images)
    ended = [change.row.id for change in changes if change.values.get("subscribed") is False]
    _prove(wanted, ended, now, evidence)
    _give(wanted, [(change.row.id, one) for change in changes for one in change.tags], ContactTag, tags.counter)
    _give(wanted, [(change.row.id, one) for change in changes for one in change.groups], GroupMember, groups.counter)
    own = {change.row.id: change.tags - wanted.tag_ids for change in changes if change.row.import_id == wanted.import_id}
    keep_own_tags(wanted, {contact_id: found for contact_id, found in own.items() if found})


def _became(change: Change) -> tuple[int, dict[str, Any]]:
    links = {"tags": change.tags, "groups": change.groups}
    return change.row.id, {**change.values, **{name: ids for name, ids in links.items() if ids}}


def _image(change: Change, now: datetime) -> tuple[int, dict[str, Any], dict[str, Any]]:
    before = {name: getattr(change.row, name) for name in change.values}
    before["updated_at"] = change.row.updated_at
    after: dict[str, Any] = {**change.values, "updated_at": now}
    if change.tags:
        after["tags"] = sorted(change.tags)
    if change.groups:
        after["groups"] = sorted(change.groups)
    return change.row.id, _plain(before), _plain(after)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON holds it."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def _keep(wanted: Wanted, images: Sequence[tuple[int, dict[str, Any], dict[str, Any]]]) -> None:
    """Images; one that is there already, of an earlier row of the file, keeps what was before and learns what is now."""
    known = known_images(wanted.import_id, [contact_id for contact_id, _, _ in images])
    fresh, again = [], []
    for contact_id, before, after in images:
        old = known.get(contact_id)
        if old is None:
            fresh.append((wanted.import_id, contact_id, before, after))
            continue
        if old.before is not None and before["updated_at"] != old.after["updated_at"]:
            after["updated_at"] = old.after["updated_at"]  # somebody came in between: undoing leaves it alone
        for name in ("tags", "groups"):
            both = {*old.after.get(name, ()), *after.get(name, ())}
            after |= {name: sorted(both)} if both else {}
        again.append((contact_id, {**before, **(old.before or {})}, {**old.after, **after}))
    insert_rows(ImportChange, ("import_id", "contact_id", "before", "after"), fresh)
    for contact_id, before, after in again:
        row = db.session.get_one(ImportChange, (wanted.import_id, contact_id))
        row.before, row.after = before, after


def known_images(import_id: int, contact_ids: Sequence[int]) -> dict[int, Any]:
    """contact -> its image."""
    if not contact_ids:
        return {}
    query = select(ImportChange.contact_id, ImportChange.before, ImportChange.after).where(ImportChange.import_id == import_id)
    return {row.contact_id: row for row in db.session.execute(query.where(among(ImportChange.contact_id, contact_ids)))}


def keep_own_tags(wanted: Wanted, own: Mapping[int, Iterable[int]]) -> None:
    """Of contacts that the import made: which tags they got from their own rows, so that undoing knows them."""
    known = known_images(wanted.import_id, list(own))
    fresh = [(wanted.import_id, contact_id, None, {"tags": sorted(ids)}) for contact_id, ids in own.items() if contact_id not in known]
    insert_rows(ImportChange, ("import_id", "contact_id", "before", "after"), fresh)
    for contact_id in known:
        row = db.session.get_one(ImportChange, (wanted.import_id, contact_id))
        row.after = {**row.after, "tags": sorted({*row.after.get("tags", ()), *own[contact_id]})}


def _give(wanted: Wanted, pairs: list[tuple[int, int]], model: Any, counter: Any) -> None:
    column = "tag_id" if model is ContactTag else "group_id"
    insert_rows(model, ("contact_id", column), pairs)
    numbers = Counter(owner_id for _, owner_id in pairs)
    counters.bump_many({(wanted.workspace_id, counter(owner_id)): number for owner_id, number in numbers.items()})


def give_own_tags(wanted: Wanted, made: Made, names: Mapping[str, Sequence[str]], tag_ids: Mapping[str, int]) -> None:
    """Tags of the rows themselves for new contacts: address -> names."""
    query = select(Contact.id, Contact.address).where(_made(wanted, made), among(Contact.address, list(names)))
    own = {}
    for contact_id, address in db.session.execute(query):
        ids = {tag_ids[name] for name in names[address]} - wanted.tag_ids
        if ids:
            own[contact_id] = ids
    _give(wanted, [(contact_id, one) for contact_id, ids in own.items() for one in sorted(ids)], ContactTag, tags.counter)
    keep_own_tags(wanted, own)


def _made(wanted: Wanted, made: Made) -> Any:
    mine = (Contact.workspace_id == wanted.workspace_id) & (Contact.import_id == wanted.import_id)
    return mine & (Contact.id >= made.first) & (Contact.id <= made.last)


def give_all(wanted: Wanted, made: Made, now: datetime, consent: str | None) -> None:
    """Tags and groups for all new contacts, events, and what they agreed to; the database copies them from the rows that it has."""
    names: Any
    for ids, model, counter, names in (
        (wanted.tag_ids, ContactTag, tags.counter, ["contact_id", "tag_id"]),
        (wanted.group_ids, GroupMember, groups.counter, ["contact_id", "group_id"]),
    ):
        for owner_id in sorted(ids):
            db.session.execute(insert(model).from_select(names, select(Contact.id, literal(owner_id)).where(_made(wanted, made))))
            counters.bump(wanted.workspace_id, counter(owner_id), made.number)
    if wanted.announce:
        announcing.created(wanted.import_id, _made(wanted, made), now)
    if consent:
        _prove_rows(select(Contact.id).where(_made(wanted, made), Contact.subscribed.is_(True)), wanted, now, "subscribed", consent)


def _prove(wanted: Wanted, contact_ids: Sequence[int], now: datetime, evidence: str) -> None:
    if contact_ids:
        _prove_rows(select(Contact.id).where(among(Contact.id, contact_ids)), wanted, now, "unsubscribed", evidence)


def _prove_rows(who: Select[Any], wanted: Wanted, now: datetime, what: str, evidence: str) -> None:
    names = ["workspace_id", "contact_id", "at", "what", "source", "evidence"]
    given = (literal(wanted.workspace_id), Contact.id, literal(now, UTCDateTime), literal(what), literal(SOURCE), literal(evidence))
    db.session.execute(insert(Consent).from_select(names, who.with_only_columns(*given)))
