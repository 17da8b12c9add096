"""The background door: imports are prepared, looked at, run and undone here, one at a time, a few seconds each turn."""

import logging
import tempfile
import time
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import delete, select

from webapp.audit import service as audit
from webapp.core import failpoints, leases, live
from webapp.core.actor import Actor
from webapp.core.blobs import blobs
from webapp.core.db import database_now, db, utcnow
from webapp.core.errors import HouseError
from webapp.core.queue import drain, every
from webapp.imports import converting, previewing, running, undoing
from webapp.imports.models import WORKING, ContactImport, ImportChange, ImportProblem
from webapp.imports.reading import BadFile, Shape
from webapp.imports.running import LIVE_EVENT, Broken, finish, shape_of
from webapp.imports.service import DRAIN, old_imports, target, unneeded_files

log = logging.getLogger("mailroom.imports")
LEASE_S = 60.0
#: seconds after which a preview tells how far it is
TELL_S = 1.0


def is_due() -> bool:
    free = leases.free(ContactImport, database_now())
    return db.session.scalar(select(ContactImport.id).where(WORKING, free).limit(1)) is not None


@drain(DRAIN, queue="imports", due=is_due)
def work_off(until: float) -> bool:
    """Work on imports until the time is used."""
    while time.monotonic() < until:
        owner = leases.new_owner()
        ids = leases.claim(ContactImport, cast(Any, WORKING), limit=1, lease_s=LEASE_S, order=ContactImport.updated_at, owner=owner)
        db.session.commit()
        if not ids:
            return True
        failpoints.hit("import.claimed")
        try:
            more = _work(ids[0], owner, until)
        except (Broken, BadFile) as broken:
            db.session.rollback()
            _fail(ids[0], str(broken))
            continue
        except HouseError as broken:
            db.session.rollback()
            if broken.retryable:
                raise
            _fail(ids[0], broken.message)
            continue
        if more:
            leases.extend(ContactImport, ids, owner, -1.0)
        db.session.commit()
    return False


def _work(job_id: int, owner: str, until: float) -> bool:
    """A turn for one import. returns whether it wants another one"""
    job = db.session.get_one(ContactImport, job_id, populate_existing=True)
    if job.state in ("queued", "previewing") and job.ready_bytes is None and not _prepare(job, owner):
        return False
    if job.state == "previewing":
        _preview(job, owner)
        return False
    if job.state == "queued":
        job = db.session.get_one(ContactImport, job_id, with_for_update=True, populate_existing=True)
        if job.state != "queued" or job.lease_owner != owner:
            db.session.rollback()
            return False
        job.state, job.started_at = "running", job.started_at or utcnow()
        live.notify(job.workspace_id, LIVE_EVENT)
        db.session.commit()
    if job.state == "running":
        more = running.work(job_id, owner, until)
        if not more:
            _tell(job_id)
        return more
    if job.state == "undoing":
        while undoing.step(job_id, owner):
            if time.monotonic() >= until:
                return True
        _tell(job_id)
    return False


def _tell(job_id: int) -> None:
    """The audit log hears how it ended."""
    job = db.session.get_one(ContactImport, job_id, populate_existing=True)
    actor = Actor.system(job.workspace_id)
    names: tuple[str, ...]
    if job.state == "finished":
        names = ("created", "updated", "unchanged", "skipped", "suppressed", "failed")
        audit.record(actor, "import.finish", target(job), after={name: getattr(job, name) for name in names})
    elif job.state == "undone":
        names = ("restored", "removed", "left_alone")
        audit.record(actor, "import.undone", target(job), after={name: getattr(job, name) for name in names})
    db.session.commit()


class _Pulse:
    """Keeps the lease while something long goes on, and hears when somebody takes the import away."""

    def __init__(self, job_id: int, workspace_id: int, owner: str, state: str) -> None:
        self.job_id, self.workspace_id, self.owner, self.state = job_id, workspace_id, owner, state
        self.told = time.monotonic()

    def beat(self, rows: int | None = None, byte: int = 0) -> bool:
        """rows, byte: how far a preview is"""
        if time.monotonic() - self.told < TELL_S:
            return True
        self.told = time.monotonic()
        db.session.rollback()
        job = db.session.get(ContactImport, self.job_id, with_for_update=True, populate_existing=True)
        if job is None or job.state != self.state or job.lease_owner != self.owner:
            db.session.rollback()
            return False
        job.lease_until = database_now() + timedelta(seconds=LEASE_S)
        if rows is not None:
            done = (byte - job.byte) / max(1, (job.ready_bytes or 0) - job.byte)
            job.preview = {"rows": rows, "about": max(rows, round(rows / done) if done > 0 else 0)}
        live.notify(self.workspace_id, LIVE_EVENT)
        db.session.commit()
        return True


class _Taken(Exception):
    """Somebody cancelled or paused meanwhile."""


def _prepare(job: ContactImport, owner: str) -> bool:
    """Make the CSV in UTF-8. returns False when somebody took the import away"""
    pulse, shape = _Pulse(job.id, job.workspace_id, owner, job.state), Shape(**job.shape)
    key = f"{job.file_key}.csv"

    def tick() -> None:
        if not pulse.beat():
            raise _Taken

    db.session.rollback()
    with tempfile.TemporaryFile(prefix="mailroom-import-") as out:
        try:
            with blobs().open(job.file_key) as file:
                found = converting.convert(file, shape, out, tick)
        except _Taken:
            return False
        size = blobs().put_file(key, out)
    failpoints.hit("import.converted")
    fresh = db.session.get_one(ContactImport, job.id, with_for_update=True, populate_existing=True)
    fresh.ready_key, fresh.ready_bytes, fresh.byte, fresh.line = key, size, found.byte, found.line
    fresh.shape = {**shape_of(shape), "separator": found.separator, "byte": found.byte, "line": found.line}
    db.session.commit()
    return True


def _preview(job: ContactImport, owner: str) -> None:
    pulse = _Pulse(job.id, job.workspace_id, owner, "previewing")
    found = previewing.preview(job, pulse.beat)
    if found is None:
        return
    fresh = db.session.get(ContactImport, job.id, with_for_update=True, populate_existing=True)
    if fresh is None or fresh.state != "previewing" or fresh.lease_owner != owner:
        db.session.rollback()
        return
    fresh.state, fresh.preview, fresh.total = "previewed", previewing.as_json(found), found.rows if found.is_whole else None
    fresh.lease_until = fresh.lease_owner = None
    live.notify(fresh.workspace_id, LIVE_EVENT)
    db.session.commit()


def _fail(job_id: int, problem: str) -> None:
    job = db.session.get_one(ContactImport, job_id, with_for_update=True, populate_existing=True)
    log.warning("import %s failed: %s", job_id, problem)
    finish(job, "failed", problem)
    audit.record(Actor.system(job.workspace_id), "import.fail", target(job), after={"problem": problem})
    db.session.commit()


@every(600, "imports.files")
def drop_files() -> None:
    """Files of imports that are over go: undoing needs the images alone, and fewer places hold what people wrote about others."""
    while jobs := unneeded_files(50):
        keys = [key for job in jobs for key in (job.file_key, job.ready_key) if key]
        for job in jobs:
            job.file_key, job.ready_key, job.preview = "", None, None
            job.shape = {**job.shape, "sample": []}
        db.session.commit()
        for key in keys:
            blobs().delete(key)


@every(3600, "imports.forget")
def forget_old() -> None:
    """After 30 days undoing is not offered any more: images and refused rows go."""
    while ids := old_imports(50):
        for model in (ImportChange, ImportProblem):
            gone = delete(model).where(model.import_id.in_(ids))
            db.session.execute(gone, execution_options={"synchronize_session": False})
        db.session.commit()
