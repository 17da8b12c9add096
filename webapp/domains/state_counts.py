"""How many living rows are in each status, exact and without counting: `<table>:<status>` beside the total that `core.counters` keeps."""

from collections import Counter
from typing import Any

from sqlalchemy import event, inspect
from sqlalchemy.orm import Session

from webapp.core import counters


class CountedByStatus:
    """Marks a model with `workspace_id`, `status` (active_history) and `deleted_at` (see `Trashable`). Bulk statements bypass it."""


def name(model: Any, status: str) -> str:
    """The counter's name."""
    return f"{model.__tablename__}:{status}"


@event.listens_for(Session, "before_flush")
def _count(session: Session, _context: Any, _instances: Any) -> None:
    changes: Counter[tuple[int, str]] = Counter()
    for row in session.new:
        if isinstance(row, CountedByStatus):
            _note(changes, row, _status(row), row.deleted_at, 1)  # type: ignore[attr-defined]
    for row in session.deleted:
        if isinstance(row, CountedByStatus):
            _note(changes, row, _before(row, "status"), _before(row, "deleted_at"), -1)
    for row in session.dirty:
        if isinstance(row, CountedByStatus):
            _note(changes, row, _before(row, "status"), _before(row, "deleted_at"), -1)
            _note(changes, row, row.status, row.deleted_at, 1)  # type: ignore[attr-defined]
    with session.no_autoflush:
        for (workspace_id, key), by in sorted(changes.items()):
            counters.bump(workspace_id, key, by, session)


def _note(changes: Counter[tuple[int, str]], row: Any, status: str, deleted_at: Any, by: int) -> None:
    if deleted_at is None:
        changes[row.workspace_id, name(row, status)] += by


def _status(row: Any) -> str:
    """Defaults are applied when the row is written, which is later."""
    return row.status or type(row).__table__.c.status.default.arg


def _before(row: Any, attribute: str) -> Any:
    history = inspect(row).attrs[attribute].history
    return history.deleted[0] if history.deleted else getattr(row, attribute)
