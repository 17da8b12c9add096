"""Imports: uploading a file, saying how it is read, starting, pausing, cancelling and undoing it."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, BinaryIO

from sqlalchemy import select

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.contacts import field_values, fields, groups, tags
from webapp.core import live
from webapp.core.actor import Actor
from webapp.core.blobs import blobs
from webapp.core.db import db, utcnow
from webapp.core.errors import InvalidState, invalid
from webapp.core.lookup import get_mine, mine
from webapp.core.paging import Page, PageRequest, keyset
from webapp.core.queue import ring
from webapp.imports import converting, problems
from webapp.imports.cleaning import Problem
from webapp.imports.columns import Plan, checked, guessed
from webapp.imports.models import DUPLICATES, ContactImport, ImportChange, ImportProblem
from webapp.imports.reading import BadFile, Shape
from webapp.imports.running import LIVE_EVENT, shape_of
from webapp.imports.undoing import CHANGED, Effect, effect

DRAIN = "imports.drain"
#: how long undoing is offered, and the file is kept
KEPT = timedelta(days=30)
SETTLED = ("finished", "failed", "cancelled")
MOST_CONSENT, MOST_NAME = 500, 200
NOUN = "import"
#: encodings that somebody may choose when the one that was found is wrong
ENCODINGS = ("utf-8", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "iso-8859-2", "iso-8859-15", "shift_jis",
             "euc_jp", "gb18030", "big5", "euc_kr", "koi8-r", "mac-roman", "utf-16")  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """What somebody says about an import beside its file.

    mapping   title -> field; None: as the titles tell
    announce  whether the event stream hears of each contact
    """

    mapping: Mapping[str, Any] | None = None
    duplicates: str = "update"
    group_ids: Sequence[int] = ()
    tags: Sequence[str] = ()
    consent: str | None = None
    announce: bool = False


def create_import(
    actor: Actor, file: BinaryIO, filename: str, settings: Settings | None = None, *, state: str = "queued",
    encoding: str | None = None, separator: str | None = None,
) -> ContactImport:  # fmt: skip
    """Take a file. state: queued (it runs), previewing (it is looked at), draft (a person goes on with it)

    raises  Invalid about file, mapping, duplicates, group_ids, tags or consent; Unavailable when the file cannot be kept
    """
    actor.require("contacts:write")
    shape = _look(file, encoding, separator)
    db.session.rollback()  # nothing holds the database while the file is written
    key = f"imports/{actor.workspace_id}/{secrets.token_hex(16)}"
    size = blobs().put_file(key, file)
    job = ContactImport(
        workspace_id=actor.workspace_id, state="draft", filename=_name(filename), file_key=key, size_bytes=size, shape=shape_of(shape),
        byte=shape.byte, line=shape.line, mapping={}, tag_ids=[], group_ids=[],
        ready_bytes=None if converting.needs_converting(shape) else size,
        giver={"type": actor.type, "id": actor.id, "name": actor.name, "user_id": actor.user_id},
    )  # fmt: skip
    try:
        own = field_values.of_workspace(actor.workspace_id)
        job.mapping = guessed(shape.titles, own, shape.sample)
        if state != "draft" or settings is not None:
            _set(actor, job, settings or Settings())
        db.session.add(job)
        db.session.flush()
        if state == "queued":
            _define(actor, job)
        job.state = state
    except BaseException:
        blobs().delete(key)
        raise
    audit.record(actor, "import.create", target(job), after={"filename": job.filename, "size_bytes": size, "state": state})
    _go_on(job)
    return job


def _look(file: BinaryIO, encoding: str | None, separator: str | None) -> Shape:
    try:
        return converting.look(file, encoding, separator)
    except (BadFile, LookupError) as error:
        raise invalid("file", str(error)) from None


def _name(filename: str) -> str:
    plain = "".join(sign for sign in filename.replace("\\", "/").rpartition("/")[2] if sign.isprintable()).strip()
    return plain[:MOST_NAME] or "contacts.csv"


def _set(actor: Actor, job: ContactImport, settings: Settings) -> None:
    """Write what somebody said; raises Invalid."""
    if settings.duplicates not in DUPLICATES:
        raise invalid("duplicates", f"Choose one of: {', '.join(DUPLICATES)}.")
    plan = _plan(job, job.mapping if settings.mapping is None else settings.mapping)
    job.mapping, job.duplicates, job.announce = plan.mapping, settings.duplicates, settings.announce
    job.group_ids = [group.id for group in groups.held(actor, list(settings.group_ids))]
    job.tag_ids = [tag.id for tag in tags.named(actor, settings.tags)]
    consent = " ".join((settings.consent or "").split())
    if len(consent) > MOST_CONSENT:
        raise invalid("consent", f"At most {MOST_CONSENT} characters; this has {len(consent)}.")
    job.consent = consent or None


def _plan(job: ContactImport, mapping: Mapping[str, Any]) -> Plan:
    return checked(job.shape["titles"], mapping, field_values.of_workspace(job.workspace_id))


def _define(actor: Actor, job: ContactImport) -> None:
    """The custom fields that the mapping names and nobody made yet."""
    for key, title in _plan(job, job.mapping).missing.items():
        fields.create_field(actor, label=title[:100], key=key)


def _go_on(job: ContactImport) -> None:
    live.notify(job.workspace_id, LIVE_EVENT)
    if job.state in ("queued", "previewing", "running", "undoing"):
        ring(DRAIN)


def target(job: ContactImport) -> Target:
    return Target("import", job.id, job.filename)


# --- looking ------------------------------------------------------------------------------------------


def list_imports(actor: Actor, asked: PageRequest, filters: Mapping[str, Any] | None = None) -> Page[ContactImport]:
    """Newest first. filters: status"""
    actor.require("contacts:read")
    query: Any = mine(actor, ContactImport)
    status = (filters or {}).get("status")
    if status:
        query = query.where(ContactImport.state == status)
    return keyset(query, asked, keys=[ContactImport.id])


def get_import(actor: Actor, import_id: int) -> ContactImport:
    """raises NotFound"""
    actor.require("contacts:read")
    return get_mine(actor, ContactImport, import_id, NOUN)


def first_problems(actor: Actor, import_id: int, most: int = 20, kind: str = "row") -> list[Problem]:
    """The first rows that were refused (kind row), or contacts that undoing left (kind undo)."""
    return problems.first(get_import(actor, import_id).id, most, kind)


def progress(job: ContactImport) -> tuple[float | None, float | None, int | None]:
    """(part that is done, rows per second, seconds that are left); None where it is not known yet."""
    rate = job.position / job.worked_s if job.worked_s > 0 and job.position else None
    done = None
    if job.state in SETTLED or job.state in ("undoing", "undone"):
        done = 1.0 if job.state != "failed" else None
    elif job.ready_bytes:
        start = int(job.shape["byte"])
        done = min(1.0, max(0.0, (job.byte - start) / max(1, job.ready_bytes - start)))
    left = None
    if rate and done and job.state in ("running", "paused", "queued"):
        left = round(job.worked_s / done - job.worked_s)
    return done, rate, left


# --- steps --------------------------------------------------------------------------------------------


def change_import(actor: Actor, import_id: int, settings: Settings, *, preview: bool = True) -> ContactImport:
    """Say anew how a file is read, before it runs; preview: look at it then. raises NotFound, InvalidState, Invalid"""
    job = _held(actor, import_id, ("draft", "previewing", "previewed"), "It has begun already; undo it, and upload the file again.")
    _set(actor, job, settings)
    job.preview, job.state = None, "previewing" if preview else "draft"
    job.lease_until = job.lease_owner = None
    _go_on(job)
    return job


def start_import(actor: Actor, import_id: int) -> ContactImport:
    """Run what was looked at. raises NotFound, InvalidState, Invalid"""
    job = _held(actor, import_id, ("draft", "previewing", "previewed"), "It has begun already.")
    _define(actor, job)
    job.state, job.lease_until, job.lease_owner = "queued", None, None
    audit.record(actor, "import.start", target(job), after={"duplicates": job.duplicates, "mapping": job.mapping})
    _go_on(job)
    return job


def pause_import(actor: Actor, import_id: int) -> ContactImport:
    """It stops after the batch at hand. raises NotFound, InvalidState"""
    job = _held(actor, import_id, ("queued", "running"), "Only an import that runs or waits can be paused.")
    return _move(actor, job, "paused", "import.pause")


def resume_import(actor: Actor, import_id: int) -> ContactImport:
    """It goes on where it stopped; one that failed tries again from there. raises NotFound, InvalidState"""
    job = _held(actor, import_id, ("paused", "failed"), "Only an import that is paused or failed can go on.")
    job.problem = job.finished_at = None
    return _move(actor, job, "queued", "import.resume")


def cancel_import(actor: Actor, import_id: int) -> ContactImport:
    """It ends after the batch at hand; what came in by then stays, and can be undone. raises NotFound, InvalidState"""
    states = ("draft", "previewing", "previewed", "queued", "running", "paused")
    job = _held(actor, import_id, states, "It has ended already. Undo it to take its contacts back.")
    job.finished_at = utcnow()
    return _move(actor, job, "cancelled", "import.cancel")


def undo_import(actor: Actor, import_id: int) -> ContactImport:
    """Make everything as it was before; see `undoing`. raises NotFound, InvalidState"""
    settled = (*SETTLED, "paused")
    job = _held(actor, import_id, settled, "Only an import that has ended or is paused can be undone.", scope="contacts:delete")
    if not may_undo(job):
        raise InvalidState(why_not(job))
    job.undo_stage, job.undo_position = CHANGED, 0
    job.finished_at = job.finished_at or utcnow()
    return _move(actor, job, "undoing", "import.undo")


def may_undo(job: ContactImport) -> bool:
    """Whether undoing is offered."""
    return job.state in (*SETTLED, "paused") and bool(job.created or job.updated) and not _is_old(job)


def why_not(job: ContactImport) -> str:
    if _is_old(job):
        return f"Imports can be undone for {KEPT.days} days; this one ended before."
    return "The import changed nothing, so there is nothing to undo."


def _is_old(job: ContactImport) -> bool:
    return job.finished_at is not None and job.finished_at < utcnow() - KEPT


def undo_effect(actor: Actor, import_id: int) -> Effect:
    """What undoing would do now. raises NotFound"""
    return effect(get_import(actor, import_id))


def _held(actor: Actor, import_id: int, states: Sequence[str], refusal: str, *, scope: str = "contacts:write") -> ContactImport:
    actor.require(scope)
    job = get_mine(actor, ContactImport, import_id, NOUN, for_update=True)
    if job.state not in states:
        raise InvalidState(f"The import is {job.state}. {refusal}")
    return job


def _move(actor: Actor, job: ContactImport, state: str, action: str) -> ContactImport:
    audit.record(actor, action, target(job), before={"state": job.state}, after={"state": state})
    job.state, job.lease_until, job.lease_owner = state, None, None
    _go_on(job)
    return job


def unneeded_files(limit: int) -> list[ContactImport]:
    """Imports that have come to their end and still have their file: undoing does without it."""
    over = ContactImport.state.in_(("finished", "cancelled", "undone")) | (ContactImport.created_at < utcnow() - KEPT)
    query = select(ContactImport).where(ContactImport.file_key != "", over, ContactImport.state.not_in(("queued", "running", "undoing")))
    return list(db.session.scalars(query.order_by(ContactImport.id).limit(limit)))


def old_imports(limit: int) -> list[int]:
    """Ids of imports that cannot be undone any more and still have images or refused rows."""
    kept = select(ImportChange.import_id).union(select(ImportProblem.import_id)).subquery()
    query = select(ContactImport.id).where(ContactImport.created_at < utcnow() - KEPT, ContactImport.id.in_(select(kept.c.import_id)))
    return list(db.session.scalars(query.where(ContactImport.state.not_in(("queued", "running", "undoing"))).limit(limit)))
