"""Receipts of erasures outside of the database, so that a backup from before an erasure does not bring the person back.

    a minute after an erasure   keep(): a small signed file in the blob store, `erasures/<workspace>/<time>-<hash>.json`
    after a restore             bring_back(): receipts that the database lacks, and at once their hashes on the suppression list
                                work_off(): contacts of whom there is a receipt are erased once more (`erasing.again`)

`python app.py erasures again` does both at once, and so does "this is the only copy now" by itself; `erasures export` writes the same lines
to a file of your own, for stores that are restored along with the database. The files name nobody; their key is MAILROOM_SECRET_KEY.
"""

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, update

from webapp.accounts.models import Workspace
from webapp.contacts import erasing
from webapp.contacts.models import Erasure
from webapp.core import counters, signed_lines
from webapp.core.blobs import blobs
from webapp.core.db import db, utcnow
from webapp.core.errors import Unavailable
from webapp.suppressions.adding import New, add_hash

log = logging.getLogger("mailroom.contacts")
FOLDER, PURPOSE = "erasures", "erasure-receipt"
#: receipts of one turn
BATCH = 100
#: counter of the installation, which belongs to no workspace: above 0 while people may have come back
NOWHERE, DUE = 0, "erasures:again"


class Receipt(NamedTuple):
    """What a file says. messages: their mail was erased too."""

    workspace_id: int
    hash: str
    key_mark: str
    at: datetime
    by: str
    messages: bool

    def line(self) -> bytes:
        """As JSON, signed with the newest key."""
        return signed_lines.signed(PURPOSE, {**self._asdict(), "at": self.at.isoformat()})


def read_line(line: bytes) -> Receipt | None:
    """None for a line that is damaged, or that none of our keys signed."""
    values = signed_lines.verified(PURPOSE, line)
    try:
        return None if values is None else Receipt(**{**values, "at": datetime.fromisoformat(values["at"])})
    except (KeyError, TypeError, ValueError):
        return None


def of(row: Erasure) -> Receipt:
    return Receipt(row.workspace_id, row.hash, row.key_mark, row.at, row.by, bool(row.counts.get("messages")))


def keep() -> int:
    """Put receipts that are new into the blob store; returns how many. The caller commits."""
    rows = db.session.scalars(select(Erasure).where(Erasure.kept_at.is_(None)).order_by(Erasure.id).limit(BATCH)).all()
    for row in rows:
        key = f"{FOLDER}/{row.workspace_id}/{row.at:%Y%m%d-%H%M%S-%f}-{row.hash[:16]}.json"
        try:
            blobs().put(key, of(row).line())
        except Unavailable as error:
            log.warning("receipts of erasures wait for the blob store: %s", error)
            break
        row.kept_at = utcnow()
    db.session.flush()
    return len(rows)


def kept() -> Iterator[Receipt]:
    """All that lie in the blob store. raises Unavailable while it cannot be read"""
    for key in blobs().keys(FOLDER):
        receipt = read_line(blobs().get(key))
        if receipt is None:
            log.warning("the receipt %s is damaged, or no key of MAILROOM_SECRET_KEY signed it", key)
        else:
            yield receipt


def exported() -> Iterator[bytes]:
    """Every receipt of the database, a line of JSON each."""
    for row in db.session.scalars(select(Erasure).order_by(Erasure.id)):
        yield of(row).line() + b"\n"


def bring_back(found: Iterable[Receipt]) -> int:
    """Take receipts in that the database lacks, and keep mail from those people; returns how many. The caller commits."""
    living = set(db.session.scalars(select(Workspace.id)))
    known = {(row.workspace_id, row.hash, row.at) for row in db.session.execute(select(Erasure.workspace_id, Erasure.hash, Erasure.at))}
    number = 0
    for one in found:
        if one.workspace_id not in living or (one.workspace_id, one.hash, one.at) in known:
            continue
        counts = {"messages": 1} if one.messages else {}
        values = {"workspace_id": one.workspace_id, "at": one.at, "hash": one.hash, "key_mark": one.key_mark, "by": one.by}
        db.session.add(Erasure(**values, counts=counts, kept_at=utcnow()))
        add_hash(one.workspace_id, one.hash, one.key_mark, New("", "unsubscription", "all", "api"))
        number += 1
    db.session.flush()
    return number


def after_restore() -> None:
    """The database may be older than some erasures: their receipts at once, the people themselves in the background."""
    try:
        number = bring_back(kept())
    except Unavailable as error:
        log.warning("receipts of erasures cannot be read: %s. Run later: python app.py erasures again", error)
        return
    if number:
        log.warning("%s receipts of erasures were missing and are back", number)
    # The blob store may be another one now: all of them are written anew.
    db.session.execute(update(Erasure).values(kept_at=None), execution_options={"synchronize_session": False})
    counters.bump(NOWHERE, DUE)


def work_off() -> None:
    """Erase once more whoever came back, after `after_restore`. Commits."""
    due = counters.read(NOWHERE, DUE)
    if not due:
        return
    done = everybody()
    if not done.left:
        counters.bump(NOWHERE, DUE, -due)
    db.session.commit()


def everybody() -> erasing.Again:
    """`erasing.again` in each workspace that has receipts. Commits."""
    total = erasing.Again()
    for workspace_id in db.session.scalars(select(Erasure.workspace_id).distinct().order_by(Erasure.workspace_id)).all():
        done = erasing.again(workspace_id)
        total = erasing.Again(total.erased + done.erased, total.left + done.left)
    return total
