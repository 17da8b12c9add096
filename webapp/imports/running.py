"""An import at work: one batch after the other, each in one transaction with the place where the next one begins.

A kill at any moment leaves the contacts and the place as they were after the last whole batch, so no row goes in twice and none is lost.
The next rows are read and checked while the database takes those at hand (`ahead`); a batch is as large as fits into a few dozen
milliseconds of writing, so that whoever else writes waits no longer than that.
"""

import gc
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, replace
from typing import Any, BinaryIO

from sqlalchemy import select, text

from webapp.contacts import field_values, tags
from webapp.contacts.models import Contact, ContactGroup, CustomField, Tag
from webapp.contacts.telling import tell
from webapp.core import counters, failpoints, live
from webapp.core.blobs import BlobMissing, blobs
from webapp.core.db import db, is_sqlite, utcnow
from webapp.core.errors import Invalid
from webapp.core.queue import ring
from webapp.imports import announcing, changing, problems
from webapp.imports.ahead import Ahead, Ready
from webapp.imports.cleaning import Clean, Cleaner, Problem
from webapp.imports.columns import Plan, checked
from webapp.imports.deciding import Known, StopList, Wanted, decide, find_known
from webapp.imports.inserting import Again, insert
from webapp.imports.models import ContactImport
from webapp.imports.reading import Rows

#: rows of a batch, and how long its transaction may take
LEAST, FIRST, MOST = 1000, 5000, 10_000
#: on PostgreSQL whoever asks for the newest contacts walks past the rows of the batch that is not committed yet
MOST_POSTGRES = 4000
#: rows after which it looks at the table anew
SHOWN_AT = (4000, 40_000, 400_000, 4_000_000)
#: what SQLite may hold of the file in memory meanwhile, in KiB; then as everybody (`core.db`)
CACHE_KB, USUAL_CACHE_KB = 24_576, 65_536
GOAL_S = 0.06
#: between two batches SQLite's lock is free at least so long, and such a part of the time that it was held: whoever waits for it looks
#: every few milliseconds (`core.db`), or later where the processors are busy
GAP_S, GAP_PART = 0.006, 0.15
TRIES = 5
#: different tags that one batch may bring along
MOST_NEW_TAGS = 500
LIVE_EVENT = "imports-changed"
#: the drain that indexes the words of contacts that came in
AFTER = "contacts.index"


class Broken(Exception):
    """The import cannot go on; the sentence says why."""


class Run:
    """An import that is being worked on, by one job, for a few seconds."""

    def __init__(self, job: ContactImport, *, looking: bool = False) -> None:
        self.id, self.workspace_id = job.id, job.workspace_id
        self.plan, fields = plan_of(job, looking=looking)
        self.cleaner = Cleaner(self.plan, len(job.shape["titles"]), fields)
        self.wanted = wanted_of(job, self.cleaner)
        self.consent = job.consent
        self.evidence = evidence_of(job)
        self.file = open_ready(job)
        self.ahead = Ahead(Rows(self.file, job.shape["separator"], job.byte, job.line), self.cleaner)
        self.byte, self.size = job.byte, FIRST
        self._free_until = 0.0
        #: nobody in the last batch was there already: then the next one is not looked up before it goes in
        self.is_fresh = True
        self.stop_list = StopList(job.workspace_id)

    def close(self) -> None:
        self.ahead.close()
        self.file.close()

    def step(self, owner: str) -> bool:
        """One batch. returns whether there is more to do; False as well when somebody paused or took over. raises Broken"""
        began = time.monotonic()
        ready = self.ahead.take(self.size, self.size)
        if is_sqlite():
            time.sleep(max(0.0, self._free_until - time.monotonic()))
        for tries in range(1, TRIES + 1):
            writing = time.monotonic()
            try:
                going_on = self._write(ready, owner, began)
                break
            except Again:
                db.session.rollback()
                self.is_fresh = False
                if tries == TRIES:
                    raise Broken("Others add the same people at the same time. Go on with it later.") from None
        took = time.monotonic() - writing
        self._free_until = time.monotonic() + max(GAP_S, GAP_PART * took)
        self._fit(ready.number, took)
        return going_on

    def _fit(self, number: int, took: float) -> None:
        """The next batch takes as long as it should, as far as this one tells."""
        if number < LEAST:
            return
        most = MOST if is_sqlite() else min(MOST, MOST_POSTGRES)
        fitting = int(number * min(2.0, max(0.5, GOAL_S / max(took, 0.001))))
        self.size = max(LEAST, min(most, fitting))

    def _write(self, ready: Ready, owner: str, began: float) -> bool:
        job = db.session.get(ContactImport, self.id, with_for_update=True, populate_existing=True)
        if job is None or job.state != "running" or job.lease_owner != owner or job.byte != self.byte:
            db.session.rollback()
            return False
        batch, clean = ready.batch, ready.clean
        found = list(clean.problems)
        self._still_there(job)
        for turn, part in enumerate(ready.parts):
            found += self._take(job, part, self.is_fresh and not turn)
        found.sort(key=lambda one: one.line)
        problems.keep(self.id, found)
        job.failed += len(found)
        job.position += clean.read
        job.byte, job.line = batch.byte, batch.line
        job.worked_s += time.monotonic() - began
        failpoints.hit("import.before_commit")
        if batch.is_last:
            finish(job)
        live.notify(self.workspace_id, LIVE_EVENT)
        db.session.commit()
        failpoints.hit("import.after_commit")
        self.byte = batch.byte
        self._analyse(job.position - clean.read, job.position)
        return not batch.is_last

    def _analyse(self, before: int, after: int) -> None:
        """PostgreSQL plans by what it last saw of a table; one that has grown many times over is shown to it at once."""
        if not is_sqlite() and any(before < number <= after for number in SHOWN_AT):
            db.session.execute(text("ANALYZE contacts"))
            db.session.commit()

    def _still_there(self, job: ContactImport) -> None:
        """Tags and groups that were deleted meanwhile are given to nobody any more; the others are held."""

        def held(model: Any, ids: list[int]) -> frozenset[int]:
            if not ids:
                return frozenset()
            query = select(model.id).where(model.workspace_id == self.workspace_id, model.id.in_(ids)).order_by(model.id)
            return frozenset(db.session.scalars(query.with_for_update(read=True, key_share=True)))

        self.wanted = replace(self.wanted, tag_ids=held(Tag, job.tag_ids), group_ids=held(ContactGroup, job.group_ids))

    def _take(self, job: ContactImport, clean: Clean, is_fresh: bool) -> list[Problem]:
        """Rows in which each address stands once. returns those that are refused after all"""
        if not len(clean):
            return []
        now = utcnow()
        own = self._named(clean)
        known = Known({}, {}, {})
        if not is_fresh:
            known = find_known(self.wanted, clean.addresses, {*self.wanted.tag_ids, *own.values()}, hold=True)
            self.is_fresh = not known.rows
        stopped = self.stop_list.of(clean.addresses)
        found = decide(self.wanted, clean, known, stopped, own, now)
        changing.apply(self.wanted, found.changes, now, self.evidence)
        if found.new:
            made = insert(self.wanted, clean, found.new, stopped, now)
            counters.bump(self.workspace_id, Contact.__tablename__, made.number)
            consent = f"{self.consent} ({self.evidence})" if self.consent else None
            changing.give_all(self.wanted, made, now, consent)
            if own and clean.tags is not None:
                marked = {clean.addresses[index]: clean.tags[index] for index in found.new if clean.tags[index]}
                changing.give_own_tags(self.wanted, made, marked, own)
            job.first_id = made.first if job.first_id is None else min(job.first_id, made.first)
            job.last_id = made.last if job.last_id is None else max(job.last_id, made.last)
        job.created += len(found.new)
        job.updated += len(found.changes)
        job.unchanged += found.unchanged
        job.skipped += found.skipped
        job.suppressed += found.suppressed
        return found.problems

    def _named(self, clean: Clean) -> dict[str, int]:
        """The tags of the rows themselves, made where they are missing: name -> id."""
        names = sorted({name for one in clean.tags or () for name in one})
        if len(names) > MOST_NEW_TAGS:
            raise Broken("The column of tags holds hundreds of different tags. Map it to a custom field instead.")
        found: dict[str, int] = {}
        for start in range(0, len(names), tags.MOST_NAMES):
            found |= {tag.name: tag.id for tag in tags.named(self.workspace_id, names[start : start + tags.MOST_NAMES])}
        return found


def evidence_of(job: ContactImport) -> str:
    """What consents that an import wrote are known by."""
    return f"Import {job.id} of {job.filename}"


def plan_of(job: ContactImport, *, looking: bool = False) -> tuple[Plan, dict[str, Any]]:
    """The mapping of an import, and its custom fields by key. looking: fields that are still to be made are there too. raises Broken"""
    fields = field_values.of_workspace(job.workspace_id)
    for field in fields:
        db.session.expunge(field)  # they are read outside of transactions, and by a thread
    try:
        plan = checked(job.shape["titles"], job.mapping, fields)
    except Invalid as error:
        raise Broken(error.message) from None
    if plan.missing and looking:
        fields += [CustomField(key=key, label=title, type="text", options=[], required=False) for key, title in plan.missing.items()]
    elif plan.missing:
        raise Broken(f"The custom field {next(iter(plan.missing))} was deleted. Define it again, or import anew without it.")
    return plan, {field.key: field for field in fields}


def wanted_of(job: ContactImport, cleaner: Cleaner) -> Wanted:
    """What it asks for. The names follow each other: a file with one of them sets the others."""
    texts = {name for name in cleaner.plan.places if hasattr(Contact, name) and name not in ("email", "tags", "subscribed")}
    if texts & {"name", "first_name", "last_name"}:
        texts |= {"name", "first_name", "last_name"}
    defaults = {}
    for field in cleaner.fields.values():
        if field.default is not None:
            with suppress(Invalid):  # the options may have changed since
                defaults[field.key] = field_values.default_of(field)
    ids = frozenset(job.tag_ids), frozenset(job.group_ids)
    return Wanted(job.id, job.workspace_id, job.duplicates, tuple(sorted(texts)), *ids, defaults, job.announce)


def open_ready(job: ContactImport) -> BinaryIO:
    """The CSV that is read. raises Broken"""
    try:
        return blobs().open(job.ready_key or job.file_key)
    except BlobMissing:
        raise Broken("The uploaded file is gone from the store of large bodies. Upload it again.") from None


def finish(job: ContactImport, state: str = "finished", problem: str | None = None) -> None:
    """It came to an end; what became of the contacts is told once."""
    job.state, job.problem, job.finished_at = state, problem, utcnow()
    job.lease_until = job.lease_owner = None
    if state == "finished":
        job.total = job.position
        announcing.completed(job, job.finished_at)
    tell(job.workspace_id)
    live.notify(job.workspace_id, LIVE_EVENT)
    ring(AFTER)


def work(job_id: int, owner: str, until: float) -> bool:
    """Batches until the time is used. returns whether there is more to do. raises Broken"""
    job = db.session.get_one(ContactImport, job_id)
    run = Run(job)
    db.session.rollback()
    with closing(run), _small_cache(), _no_rounds():
        while run.step(owner):
            if time.monotonic() >= until:
                return True
    return False


@contextmanager
def _no_rounds() -> Iterator[None]:
    """The garbage collector walks over every cell of a batch and finds nothing, for a tenth of the time; a few seconds do without."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def _small_cache() -> Iterator[None]:
    """A long run of writes needs little of SQLite's cache, and would fill all of it."""
    if is_sqlite():
        db.session.execute(text(f"PRAGMA cache_size=-{CACHE_KB}"))
        db.session.rollback()
    try:
        yield
    finally:
        if is_sqlite():
            db.session.rollback()
            db.session.execute(text(f"PRAGMA cache_size=-{USUAL_CACHE_KB}"))
            db.session.execute(text("PRAGMA shrink_memory"))
            db.session.rollback()


def shape_of(shape: Any) -> dict[str, Any]:
    """As the row keeps it."""
    return asdict(shape)
