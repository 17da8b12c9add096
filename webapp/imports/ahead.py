"""Reading and checking one batch ahead: the next rows are made ready in a thread while the database takes those at hand.

    with closing(Ahead(rows, cleaner)) as ahead:
        ready = ahead.take(5000, 8000)      5,000 rows, unless they are ready already; the next 8,000 are begun

The thread touches the file and texts alone, never the database. What it made ready is forgotten when the import stops; the place where
it goes on is the one that the database knows.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from webapp.imports.cleaning import Clean, Cleaner
from webapp.imports.deciding import by_turns
from webapp.imports.reading import Batch, Rows


@dataclass(frozen=True)
class Ready:
    """A batch that was read and checked.

    parts   the rows that are right, so that each address stands in one part once
    number  rows of the file that it took
    """

    batch: Batch
    clean: Clean
    parts: list[Clean]
    number: int


class Ahead:
    """The batches of one file, one after the other."""

    def __init__(self, rows: Rows, cleaner: Cleaner) -> None:
        self.rows, self.cleaner = rows, cleaner
        self._hand = ThreadPoolExecutor(1, thread_name_prefix="import-ahead")
        self._next: Future[Ready] | None = None

    def take(self, size: int, following: int) -> Ready:
        """The next batch, of so many rows where it is not ready yet; the one behind it gets `following`."""
        ready = self._make(size) if self._next is None else self._next.result()
        self._next = None if ready.batch.is_last else self._hand.submit(self._make, following)
        return ready

    def close(self) -> None:
        """Wait for the thread; it is in the middle of a batch at most."""
        self._hand.shutdown(cancel_futures=True)

    def _make(self, size: int) -> Ready:
        batch = self.rows.take(size)
        number = len(batch.lines)
        clean = self.cleaner.clean(batch)
        bare = replace(batch, columns=None, rows=[])  # the cells stand in `clean` as long as somebody needs them
        return Ready(bare, clean, by_turns(clean), number)
