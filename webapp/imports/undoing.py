"""Undoing an import: contacts that it changed are as they were, contacts that it made are gone, and what somebody touched since is left.

A contact counts as touched when its time of change is another than the import left, when it bears tags, notes or consents from elsewhere,
or when it was written to. It is left as it is, whole, and reported with the reason. Each batch is one transaction with the place where
the next one begins, so that undoing too goes on exactly where a kill stopped it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select

from webapp.contacts import membership
from webapp.contacts.models import Consent, Contact, ContactTag, GroupMember, Note
from webapp.contacts.service import remove
from webapp.contacts.telling import tell
from webapp.core import failpoints, live
from webapp.core.bulk import among, update_rows
from webapp.core.db import db, utcnow
from webapp.imports import announcing, problems
from webapp.imports.changing import SOURCE, TIMES, WORDS
from webapp.imports.cleaning import Problem
from webapp.imports.models import ContactImport, ImportChange
from webapp.imports.running import LIVE_EVENT, evidence_of
from webapp.suppressions.models import Suppression

BATCH = 500
CHANGED, MADE = "changed", "made"
TOUCHED = "Somebody changed the contact since, so it stays as it is."
GONE = "The contact was deleted since."
#: columns that something else than the import fills
_FOREIGN = (Contact.last_contacted_at, Contact.last_active_at, Contact.bounced_at, Contact.complained_at)


@dataclass
class Step:
    """What one batch of contacts is to become.

    restored  contact -> (its row, its image)
    removed   ids of contacts that the import made
    left      (id, address, reason)
    last      the highest id that was looked at; None when there was none
    """

    restored: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    removed: list[int] = field(default_factory=list)
    left: list[tuple[int, str, str]] = field(default_factory=list)
    last: int | None = None


def look(job: ContactImport, stage: str, beyond: int, *, hold: bool = False, most: int | None = None) -> Step:
    """The next contacts of a stage, beyond an id. hold: until the transaction ends"""
    return (_look_changed if stage == CHANGED else _look_made)(job, beyond, hold, most or BATCH)


def _look_changed(job: ContactImport, beyond: int, hold: bool, most: int) -> Step:
    mine = ImportChange.import_id == job.id, ImportChange.contact_id > beyond
    images = list(db.session.execute(select(ImportChange.contact_id, ImportChange.before, ImportChange.after).where(*mine)
                                     .order_by(ImportChange.contact_id).limit(most)))  # fmt: skip
    step = Step(last=images[-1].contact_id if images else None)
    images = [image for image in images if image.before is not None]
    names = sorted({name for image in images for name in image.before} | {"id", "address", "updated_at", "is_indexed"})
    query = select(*(getattr(Contact, name) for name in names)).where(Contact.workspace_id == job.workspace_id)
    query = query.where(among(Contact.id, [image.contact_id for image in images])).order_by(Contact.id)
    rows = {row.id: row for row in db.session.execute(query.with_for_update() if hold else query)}
    for image in images:
        row = rows.get(image.contact_id)
        if row is None:
            step.left.append((image.contact_id, "", GONE))
        elif row.updated_at != datetime.fromisoformat(image.after["updated_at"]):
            step.left.append((row.id, row.address, TOUCHED))
        else:
            step.restored[row.id] = row, image
    return step


def _look_made(job: ContactImport, beyond: int, hold: bool, most: int) -> Step:
    if job.first_id is None or job.last_id is None:
        return Step()
    columns = Contact.id, Contact.address, Contact.created_at, Contact.updated_at, *_FOREIGN
    query = select(*columns).where(Contact.workspace_id == job.workspace_id, Contact.import_id == job.id)
    query = query.where(Contact.id > max(beyond, job.first_id - 1), Contact.id <= job.last_id).order_by(Contact.id).limit(most)
    rows = list(db.session.execute(query.with_for_update() if hold else query))
    step = Step(last=rows[-1].id if rows else None)
    ids = [row.id for row in rows]
    foreign = _foreign(job, ids)
    for row in rows:
        if row.updated_at != row.created_at or any(row[4:]):
            step.left.append((row.id, row.address, TOUCHED))
        elif row.id in foreign:
            step.left.append((row.id, row.address, foreign[row.id]))
        else:
            step.removed.append(row.id)
    return step


def _foreign(job: ContactImport, ids: Sequence[int]) -> dict[int, str]:
    """Contacts that have something that the import did not give them -> what to say about it."""
    if not ids:
        return {}
    images = select(ImportChange.contact_id, ImportChange.after).where(ImportChange.import_id == job.id, ImportChange.before.is_(None))
    own = {row.contact_id: row.after.get("tags", ()) for row in db.session.execute(images.where(among(ImportChange.contact_id, ids)))}
    found: dict[int, str] = {}
    for contact_id, tag_id in db.session.execute(select(ContactTag.contact_id, ContactTag.tag_id).where(among(ContactTag.contact_id, ids))):
        if tag_id not in job.tag_ids and tag_id not in own.get(contact_id, ()):
            found[contact_id] = "It got a tag since, so it stays."
    query = select(GroupMember.contact_id, GroupMember.group_id).where(among(GroupMember.contact_id, ids))
    for contact_id, group_id in db.session.execute(query):
        if group_id not in job.group_ids:
            found[contact_id] = "It came into a group since, so it stays."
    consents = select(Consent.contact_id).where(among(Consent.contact_id, ids), Consent.source != SOURCE)
    found |= dict.fromkeys(db.session.scalars(consents), "The person said something about their consent since, so it stays.")
    found |= dict.fromkeys(db.session.scalars(select(Note.contact_id).where(among(Note.contact_id, ids))), "It has a note, so it stays.")
    return found


# --- doing it -----------------------------------------------------------------------------------------


def step(job_id: int, owner: str) -> bool:
    """One batch, committed. returns whether there is more to do; False as well when somebody else took over"""
    job = db.session.get(ContactImport, job_id, with_for_update=True, populate_existing=True)
    if job is None or job.state != "undoing" or job.lease_owner != owner:
        db.session.rollback()
        return False
    stage = job.undo_stage or CHANGED
    found = look(job, stage, job.undo_position, hold=True)
    _restore(job, found.restored)
    if found.removed:
        remove(job.workspace_id, found.removed)
    problems.keep(job.id, [Problem(contact_id, address, reason) for contact_id, address, reason in found.left], "undo")
    job.restored += len(found.restored)
    job.removed += len(found.removed)
    job.left_alone += len(found.left)
    if found.last is not None:
        job.undo_position = found.last
    elif stage == CHANGED:
        job.undo_stage, job.undo_position = MADE, 0
    else:
        job.state, job.undone_at = "undone", utcnow()
        job.lease_until = job.lease_owner = None
    tell(job.workspace_id)
    live.notify(job.workspace_id, LIVE_EVENT)
    finished = job.state == "undone"
    failpoints.hit("import.undo_before_commit")
    db.session.commit()
    failpoints.hit("import.undo_after_commit")
    return not finished


def _restore(job: ContactImport, images: Mapping[int, tuple[Any, Any]]) -> None:
    if not images:
        return
    names = sorted({name for _, image in images.values() for name in image.before})
    barred = _barred_since(job, [row.address for row, _ in images.values()])
    rows = []
    for contact_id, (row, image) in images.items():
        before = {name: _time(name, value) for name, value in image.before.items()}
        if row.address in barred and before.get("subscribed"):
            before["subscribed"] = False  # the person unsubscribed since
        is_indexed = row.is_indexed and not WORDS.intersection(before)
        rows.append((contact_id, *(before.get(name, getattr(row, name)) for name in names), is_indexed))
    update_rows(Contact, ("id", *names, "is_indexed"), rows)
    if job.announce:
        announcing.changed(job.workspace_id, job.id, [(contact_id, image.after) for contact_id, (_, image) in images.items()], utcnow())
    for kind in ("tag", "group"):
        owners: dict[int, list[int]] = {}
        for contact_id, (_, image) in images.items():
            for owner_id in image.after.get(f"{kind}s", ()):
                owners.setdefault(owner_id, []).append(contact_id)
        for owner_id, ids in sorted(owners.items()):
            membership.unlink(job.workspace_id, kind, owner_id, ids)
    ended = [contact_id for contact_id, (_, image) in images.items() if image.after.get("subscribed") is False]
    if ended:
        ours = Consent.source == SOURCE, Consent.what == "unsubscribed", Consent.evidence == evidence_of(job)
        gone = delete(Consent).where(among(Consent.contact_id, ended), *ours)
        db.session.execute(gone, execution_options={"synchronize_session": False})


def _barred_since(job: ContactImport, addresses: Sequence[str]) -> set[str | None]:
    """Those that came on the suppression list after the import began."""
    mine = Suppression.workspace_id == job.workspace_id, Suppression.scope.in_(("all", "bulk")), Suppression.created_at > job.started_at
    return set(db.session.scalars(select(Suppression.address).where(*mine, among(Suppression.address, addresses))))


def _time(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if name in TIMES and value is not None else value


# --- beforehand ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effect:
    """What undoing would do. `is_whole`: every contact was looked at; otherwise the first ones were."""

    restored: int
    removed: int
    left: int
    examples: list[tuple[int, str, str]]
    is_whole: bool


def effect(job: ContactImport, most: int = 20_000) -> Effect:
    """Looked at contact by contact, up to `most` of each kind."""
    restored = removed = 0
    left: list[tuple[int, str, str]] = []
    number, is_whole = 0, True
    for stage in (CHANGED, MADE):
        beyond, looked = 0, 0
        while looked < most:
            found = look(job, stage, beyond, most=2000)
            if found.last is None:
                break
            restored, removed = restored + len(found.restored), removed + len(found.removed)
            number, looked, beyond = number + len(found.left), looked + 2000, found.last
            left = [*left, *found.left][:10]
        else:
            is_whole = False
    return Effect(restored, removed, number, left, is_whole)


def expected(job: ContactImport) -> tuple[int, int]:
    """(changed, made) contacts, by the books of the import."""
    mine = ImportChange.import_id == job.id, ImportChange.before.is_not(None)
    return db.session.scalar(select(func.count()).select_from(ImportChange).where(*mine)) or 0, job.created
