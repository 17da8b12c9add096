"""Taking over from dead holders, by their notes where this machine has them (DESIGN promise 2).

    notes here, same boot     not on the wire: back to where it was · on the wire: its noted answer, or uncertain
    notes here, other boot    a power loss may have eaten notes: the noted answers count, everything else is uncertain
    no notes here             the holder sat on another machine: once its lease has run out, all it had is uncertain

Rows of mailboxes here are never in doubt: their delivery and its record are one transaction.
"""

import socket
from pathlib import Path

from webapp.core import failpoints
from webapp.core.config import settings
from webapp.core.db import database_now, db, reading
from webapp.mail.smtp_out import SendResult
from webapp.sending import ledger, ways, wire
from webapp.sending.models import Delivery
from webapp.sending.settle import Outcome

LOST = "the process that sent it ended before an answer was noted"
#: another machine gets this long to look after its own dead, beyond the lease
FOREIGN_GRACE_S = 20.0


def recover() -> int:
    """Take over everything whose holder is certainly dead; returns how many rows. Commits by itself."""
    folder = wire.folder_of(settings().instance)
    number = 0
    for file in wire.files(folder):
        with wire.taken_over(file) as left:
            if left is not None:
                number += _settle(left)
    for owner in _lost_elsewhere(folder):
        number += _settle(wire.Left(owner, {}), notes_here=False)
    return number


def has_left() -> bool:
    """Whether a dead holder's notes lie on this machine."""
    return any(wire.is_abandoned(file) for file in wire.files(wire.folder_of(settings().instance)))


def _lost_elsewhere(folder: Path) -> list[str]:
    """Holders whose lease ran out and whose notes are not here. One whose notes are here and locked lives, however late it is."""
    here = socket.gethostname()[:40]
    with reading():
        owners = ledger.owners_expired()
        late = set(ledger.owners_expired(FOREIGN_GRACE_S)) if owners else set()
        db.session.rollback()
    return [owner for owner in owners if not wire.is_known(folder, owner) and (owner in late or owner.startswith(f"{here}/"))]


def _settle(left: wire.Left, notes_here: bool = True) -> int:
    """Settle all rows of one dead holder in one transaction."""
    rows = ledger.waiting((Delivery.lease_owner == left.owner) & Delivery.lease_until.is_not(None))
    here = ways.local_ones(rows)
    boot = wire.boot_id()
    outcomes, back = [], []
    failpoints.hit("recover.begin")
    for row in rows:
        note = left.notes.get(row.id)
        if note is not None and note.answer is not None:
            outcomes.append(Outcome(row, note.answer, note.host, database_now()))
        elif row.id in here or (note is None and notes_here and boot and row.boot_id == boot):
            back.append(row)
        else:
            doubt = SendResult(row.recipient, "uncertain", None, LOST, [], 0.0)
            outcomes.append(Outcome(row, doubt, note.host if note else "", database_now()))
    ledger.record(left.owner, outcomes)
    failpoints.hit("recover.recorded")
    ledger.put_back(left.owner, back)
    failpoints.hit("recover.before_commit")
    db.session.commit()
    failpoints.hit("recover.committed")
    return len(rows)
