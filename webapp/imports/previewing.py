"""A look at what an import would do, before anything happens: the whole file is read and checked as the run does it, nothing is written.

Addresses that were seen are noted in a file of its own that is thrown away, so that memory stays as it is however long the list is. After
two minutes (some ten million rows) the person has waited long enough: the preview says how far it came, and the run checks the rest.
"""

import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from webapp.core.db import db, reading, utcnow
from webapp.imports.cleaning import Clean, Problem
from webapp.imports.deciding import Decision, Known, Wanted, barred_of, by_turns, decide, find_known, tag_ids_of
from webapp.imports.models import ContactImport
from webapp.imports.running import Run

BATCH = 5000
#: seconds after which it ends with what it has
MOST_S = 120.0
MOST_SHOWN, MOST_PROBLEMS = 10, 50


@dataclass
class Preview:
    """What would happen. `rows` is the sum of new, changed, unchanged, skipped, invalid and duplicate; `suppressed` counts across them.

    is_whole  False: the file goes on behind these rows
    """

    rows: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    skipped: int = 0
    suppressed: int = 0
    invalid: int = 0
    duplicate: int = 0
    is_whole: bool = True
    shown: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)


class Seen:
    """Addresses of the rows that were read, on disk."""

    def __init__(self, folder: str) -> None:
        self.known = sqlite3.connect(Path(folder) / "seen.sqlite", isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-16000", "locking_mode=EXCLUSIVE"):
            self.known.execute(f"PRAGMA {pragma}")
        self.known.execute("CREATE TABLE seen (address TEXT PRIMARY KEY) WITHOUT ROWID")

    def first_times(self, addresses: Sequence[str]) -> list[int]:
        """Indexes of those that were not there before; now they are."""
        self.known.execute("BEGIN")
        before = self.known.total_changes
        self.known.executemany("INSERT OR IGNORE INTO seen VALUES (?)", ((address,) for address in addresses))
        if self.known.total_changes - before == len(addresses):
            self.known.execute("COMMIT")
            return list(range(len(addresses)))
        self.known.execute("ROLLBACK")
        self.known.execute("BEGIN")
        fresh = [
            index for index, address in enumerate(addresses)
            if self.known.execute("INSERT OR IGNORE INTO seen VALUES (?)", (address,)).rowcount
        ]  # fmt: skip
        self.known.execute("COMMIT")
        return fresh


def preview(job: ContactImport, tick: Callable[[int, int], bool]) -> Preview | None:
    """The file, as far as time allows. raises Broken

    tick     is told after each batch how many rows were read, and where the next one begins; False ends it
    returns  None when it was ended
    """
    run, found = Run(job, looking=True), Preview()
    db.session.rollback()
    try:
        with tempfile.TemporaryDirectory(prefix="mailroom-import-") as folder:
            seen = Seen(folder)
            try:
                return found if _look(run, seen, found, tick) else None
            finally:
                seen.known.close()
    finally:
        run.close()


def _look(run: Run, seen: Seen, found: Preview, tick: Callable[[int, int], bool]) -> bool:
    ends = time.monotonic() + MOST_S
    while True:
        ready = run.ahead.take(BATCH, BATCH)
        clean = ready.clean
        found.rows += clean.read
        _note(found, clean.problems)
        indexes = seen.first_times(clean.addresses) if len(clean) else []
        _twice(run.wanted, found, clean, set(indexes))
        for part in by_turns(clean.of(indexes)) if indexes else ():
            with reading():
                _count(run.wanted, found, part)
                db.session.rollback()
        found.is_whole = ready.batch.is_last
        if found.is_whole or time.monotonic() > ends:
            found.problems.sort(key=lambda one: int(one["line"]))
            return True
        if not tick(found.rows, ready.batch.byte):
            return False


def _twice(wanted: Wanted, found: Preview, clean: Clean, fresh: set[int]) -> None:
    """Rows whose address stands further up in the file: a later row changes the contact, is left out, or is refused."""
    again = len(clean) - len(fresh)
    if not again:
        return
    found.duplicate += again
    if wanted.duplicates == "error":
        twice = [index for index in range(len(clean)) if index not in fresh]
        found.problems += _plain([clean.refuse(index, "The address stands in the file more than once.") for index in twice])
        del found.problems[MOST_PROBLEMS:]


def _count(wanted: Wanted, found: Preview, part: Clean) -> None:
    names = sorted({name for one in part.tags or () for name in one})
    own = tag_ids_of(wanted.workspace_id, names)
    known = find_known(wanted, part.addresses, {*wanted.tag_ids, *own.values()})
    stopped = barred_of(wanted.workspace_id, part.addresses)
    # Tags that nobody made yet are borne by nobody, so that whoever gets one changes.
    made_up = {name: -number for number, name in enumerate(names, 1) if name not in own}
    decision = decide(wanted, part, known, stopped, {**made_up, **own}, utcnow())
    found.new += len(decision.new)
    found.changed += len(decision.changes)
    found.unchanged += decision.unchanged
    found.skipped += decision.skipped
    found.suppressed += decision.suppressed
    _note(found, decision.problems)
    if len(found.shown) < MOST_SHOWN:
        _show(found, part, decision, known, stopped)


def _note(found: Preview, problems: list[Problem]) -> None:
    found.invalid += len(problems)
    found.problems += _plain(problems)
    del found.problems[MOST_PROBLEMS:]


def _plain(problems: list[Problem]) -> list[dict[str, Any]]:
    return [{"line": one.line, "address": one.address[:254], "message": one.message} for one in problems[:MOST_PROBLEMS]]


def _show(found: Preview, part: Clean, decision: Decision, known: Known, stopped: set[str]) -> None:
    """The first rows as they would become."""
    changes = {change.index: change for change in decision.changes}
    new = set(decision.new)
    refused = {one.line for one in decision.problems}
    for index in range(min(len(part), MOST_SHOWN - len(found.shown))):
        address = part.addresses[index]
        row = known.rows.get(address)
        if part.lines[index] in refused:
            continue
        values = {name: column[index] for name, column in part.texts.items()}
        values |= part.custom[index] if part.custom is not None else {}
        left = "skipped" if decision.skipped else "unchanged"  # an import does either the one or the other
        becomes = "new" if index in new else "changed" if index in changes else left
        own = part.subscribed[index] if part.subscribed is not None else None
        subscribed = row.subscribed and own is not False if row is not None else address not in stopped and own is not False
        was = {name: getattr(row, name, None) for name in part.texts} if row is not None else {}
        different = sorted(changes[index].values) if index in changes else []
        found.shown.append({
            "line": part.lines[index], "email": part.emails[index], "becomes": becomes, "subscribed": bool(subscribed),
            "values": {name: value for name, value in values.items() if value is not None}, "was": was, "different": different,
            "tags": part.tags[index] if part.tags is not None else [],
        })  # fmt: skip


def as_json(found: Preview) -> dict[str, Any]:
    """As the row keeps it."""
    return {**asdict(found), "at": utcnow().isoformat()}
