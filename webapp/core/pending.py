"""Numbers that a transaction adds up and writes at its end, so that parallel writers wait for each other only for the length of a commit.

    seen = Pending("seen", write)
    seen.note(key, 3)                 written in one go before the commit; nothing is left after a roll-back
    seen.of(db.session)[key]          what was noted and is not written yet

A savepoint that is rolled back takes along what was noted inside it.
"""

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from webapp.core.db import db

Key = TypeVar("Key", bound=Hashable)


class Pending(Generic[Key]):
    """One kind of numbers. `write(session, {key: number})` is called at most once per transaction and must not look at the order."""

    def __init__(self, name: str, write: Callable[[Session, dict[Key, int]], None]) -> None:
        self.name, self.marks, self.write = f"pending:{name}", f"pending-marks:{name}", write
        event.listen(Session, "before_commit", self._write)
        event.listen(Session, "after_transaction_create", self._mark)
        event.listen(Session, "after_soft_rollback", self._forget)
        event.listen(Session, "after_transaction_end", self._unmark)

    def note(self, key: Key, by: int = 1, session: Any = None) -> None:
        noted = (session or db.session).info.setdefault(self.name, {})
        noted[key] = noted.get(key, 0) + by

    def of(self, session: Any) -> dict[Key, int]:
        noted: dict[Key, int] = session.info.get(self.name, {})
        return noted

    def _write(self, session: Session) -> None:
        if session.in_nested_transaction():
            return
        session.flush()  # what is written now may note more
        noted = session.info.pop(self.name, {})
        if noted:
            self.write(session, noted)

    def _mark(self, session: Session, transaction: SessionTransaction) -> None:
        if transaction.nested:
            session.info.setdefault(self.marks, {})[transaction] = dict(session.info.get(self.name, {}))

    def _forget(self, session: Session, previous: SessionTransaction) -> None:
        if previous.nested:
            session.info[self.name] = session.info.get(self.marks, {}).pop(previous, {})
        elif previous.parent is None:
            session.info.pop(self.name, None)

    def _unmark(self, session: Session, transaction: SessionTransaction) -> None:
        """A savepoint ends before it is told as rolled back, so marks are kept as long as the transaction around it."""
        if transaction.parent is None:
            session.info.pop(self.marks, None)
