"""Background work on contacts: words of those that came in by the thousand, for search; receipts of erasures."""

import time

from sqlalchemy import select, update

from webapp.contacts import receipts, words
from webapp.contacts.models import UNINDEXED, Contact
from webapp.core.bulk import among
from webapp.core.db import db
from webapp.core.queue import drain, every

#: contacts of one transaction
BATCH = 2000


def has_unindexed() -> bool:
    return db.session.scalar(select(Contact.id).where(UNINDEXED).limit(1)) is not None


@drain("contacts.index", queue="default", due=has_unindexed)
def index_contacts(until: float) -> bool:
    """Index what an import left for later, oldest first. Whoever is being changed at this moment is indexed by that change or next time."""
    while time.monotonic() < until:
        if not index_some():
            return True
    return False


def index_some() -> int:
    """One batch, committed; returns how many there were."""
    columns = Contact.id, Contact.workspace_id, Contact.name, Contact.address, Contact.company
    waiting = select(*columns).where(UNINDEXED).order_by(Contact.id).limit(BATCH).with_for_update(skip_locked=True)
    rows = db.session.execute(waiting).all()
    words.put(rows)
    # The time of the last change stays: nothing changed but what search knows.
    known = update(Contact).where(among(Contact.id, [row.id for row in rows])).values(is_indexed=True, updated_at=Contact.updated_at)
    if rows:
        db.session.execute(known, execution_options={"synchronize_session": False})
    db.session.commit()
    return len(rows)


@every(60, "contacts.receipts")
def keep_receipts() -> None:
    """Receipts of erasures lie outside of the database too; whom a restored backup brought back is erased once more."""
    receipts.keep()
    db.session.commit()
    receipts.work_off()
