"""SQLite: what retention freed goes back to the disk, a little at a time.

Deleted rows leave free pages in the file. New mail is written into them first, and some are kept for that; what lies beyond is cut off the
end of the file in short transactions, so that nobody waits long (`auto_vacuum=INCREMENTAL`, set when the file is made by `core.db`; a file
of an older version keeps its free pages for new mail and does not shrink). PostgreSQL does the same by its own autovacuum.
"""

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from webapp.core.db import db, is_sqlite

#: pages of one transaction: 2 MB, some milliseconds
STEP = 512
#: what stays free for new mail: so many bytes, and at least this share of the file
KEPT_BYTES, KEPT_SHARE = 16 * 1024 * 1024, 0.05


@dataclass(frozen=True)
class Space:
    """Pages of the file; free ones hold nothing. shrinks: whether the file can give them back."""

    pages: int
    free: int
    page_bytes: int
    shrinks: bool

    def spare(self, kept_bytes: int = KEPT_BYTES) -> int:
        """Free pages beyond what is kept for new mail."""
        return max(0, self.free - max(kept_bytes // self.page_bytes, int(self.pages * KEPT_SHARE)))


def read() -> Space | None:
    """How the file is filled; None on PostgreSQL."""
    if not is_sqlite():
        return None
    with db.engine.connect() as connection:
        return _space(connection)


def _space(connection: Connection) -> Space:
    pages, free, size, mode = (
        connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "freelist_count", "page_size", "auto_vacuum")
    )
    return Space(pages, free, size, mode == 2)


def give_back(budget_s: float, kept_bytes: int = KEPT_BYTES) -> int:
    """Cut spare pages off the file, STEP by STEP, until the time is used; says how many went. Each step is a transaction of its own."""
    gone, until = 0, time.monotonic() + budget_s
    found = read()
    if found is None or not found.shrinks:
        return 0
    left = found.spare(kept_bytes)
    own: Any = db.engine.raw_connection()
    try:
        while left > 0 and time.monotonic() < until:
            number = min(STEP, left)
            # A script is run to its end; as a query it would end after its first page. By itself it is one transaction.
            own.driver_connection.executescript(f"PRAGMA incremental_vacuum({number})")
            gone, left = gone + number, left - number
    finally:
        own.close()
    return gone
