"""What is asked of the log, as a statement that an index serves however long the log is.

    found = Search(workspace_id, filters)
    found.select(AuditEntry.id, …, beyond=4711, most=50)     newest first, or oldest first for an export
    found.count(1000)

Everything is ordered by id. Each filter has an index that ends in the id; times, which a clock that was set back makes disorderly, are
turned into a range of ids first; words of names come from an index of their own (`audit.names`).
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Join,
    Select,
    any_,
    column,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased

from webapp.audit import chain, names
from webapp.audit.models import AuditEntry, AuditHead
from webapp.core.db import db, is_sqlite

#: filters that one column answers as it stands
EXACT = ("actor_type", "actor_id", "token_id", "target_type", "target_id", "ip", "request_id")
#: as the partial index has it, so that both databases see that it serves
REFUSED = text("audit_entries.result = 'refused'")
FTS5 = table("audit_fts", column("rowid", BigInteger))


class Led(Join):
    """A join whose left side is walked first: SQLite keeps the order of a cross join. The index of words stands in the order of ids."""

    inherit_cache = True


@compiles(Led)
def _led(element: Led, compiler: Any, **options: Any) -> str:
    return str(compiler.visit_join(element, **options)).replace(" JOIN ", " CROSS JOIN ", 1)


class Search:
    """The entries of one workspace that all filters let through.

    filters  q (words of any name, or a whole address or request id), actor (words of who did it), actor_type, actor_id, token_id,
             action (`route.create`, or `route` and `route.*` for all on routes), target_type, target_id, result, ip, request_id, after
             (inclusive), before (exclusive)
    """

    def __init__(self, workspace_id: int, filters: dict[str, Any]) -> None:
        given = {name: value for name, value in filters.items() if value not in (None, "")}
        self.workspace_id = workspace_id
        self.plain = not given
        self.words: str | None = None
        self.where: list[ColumnElement[bool]] = [AuditEntry.workspace_id == workspace_id]
        self._exact(given)
        if action := given.get("action"):
            self.where += _action(action)
        if given.get("result") == "refused":
            self.where.append(REFUSED)  # type: ignore[arg-type]
        elif given.get("result"):
            self.where.append(AuditEntry.result == given["result"])
        self._times(given.get("after"), given.get("before"))
        self._names(given.get("q"), given.get("actor"))

    def select(self, *columns: Any, beyond: Any = None, newest: bool = True, most: int | None = None) -> Select[Any]:
        """These columns of the entries beyond an id (or a bind parameter for one) in the direction of the walk, in its order."""
        key: Any = AuditEntry.id
        query = select(*columns).where(*self.where)
        if self.words:
            key = FTS5.c.rowid
            entries: Any = AuditEntry.__table__
            query = query.select_from(Led(FTS5, entries, entries.c.id == key)).where(literal_column("audit_fts").op("MATCH")(self.words))
        if beyond is not None:
            query = query.where(key < beyond if newest else key > beyond)
        return query.order_by(key.desc() if newest else key.asc()).limit(most)

    def count(self, cap: int, since: int | None = None) -> tuple[int, bool]:
        """How many there are (younger than an entry), counted up to `cap`: (number, whether there are more)."""
        inner = self.select(AuditEntry.id, beyond=since, newest=since is None, most=cap + 1).subquery()
        number = db.session.scalar(select(func.count()).select_from(inner)) or 0
        return min(number, cap), number > cap

    def _exact(self, given: dict[str, Any]) -> None:
        for name in EXACT:
            if name in given:
                self.where.append(getattr(AuditEntry, name) == given[name])
        # An id alone is looked up under every type that there is: the indexes begin with the type.
        for noun in ("actor", "target"):
            if f"{noun}_id" in given and f"{noun}_type" not in given:
                types = distinct(self.workspace_id, f"{noun}_type")
                self.where.append(getattr(AuditEntry, f"{noun}_type").in_(types))

    def _times(self, after: datetime | None, before: datetime | None) -> None:
        """The range of time, and beside it a range of ids that surely holds it."""
        if after is None and before is None:
            return
        back_us = db.session.scalar(select(AuditHead.set_back_us).where(AuditHead.workspace_id == self.workspace_id)) or 0
        back = timedelta(microseconds=back_us)
        at = func.coalesce(AuditEntry.at, AuditEntry.at)  # read from the row: its index would have to sort what the ids have in order
        if after is not None:
            self.where.append(at >= after)
            edge = newest_before(self.workspace_id, after, back)
            if edge is not None:
                self.where.append(AuditEntry.id > edge)
        if before is not None:
            self.where.append(at < before)
            later = select(AuditEntry.id).where(AuditEntry.workspace_id == self.workspace_id, AuditEntry.at >= _shifted(before, back))
            edge = db.session.scalar(later.order_by(AuditEntry.at, AuditEntry.id).limit(1))
            if edge is not None:
                self.where.append(AuditEntry.id < edge)

    def _names(self, anywhere: str | None, actor: str | None) -> None:
        if anywhere is not None:
            for known in (AuditEntry.request_id, AuditEntry.ip):
                one = select(AuditEntry.id).where(AuditEntry.workspace_id == self.workspace_id, known == anywhere).limit(1)
                if db.session.scalar(one) is not None:
                    self.where.append(known == anywhere)
                    anywhere = None
                    break
        if anywhere is None and actor is None:
            return
        query = names.query(self.workspace_id, anywhere, actor)
        if query is None:
            self.where.append(false())
        elif is_sqlite():
            self.words = query
        else:
            self._tsvector(query)

    def _tsvector(self, query: str) -> None:
        ids = names.few(query)
        if ids is not None:
            self.where.append(AuditEntry.id == any_(literal(ids, ARRAY(BigInteger))))
            return
        # A scalar sub-select is asked entry by entry on the walk; EXISTS might become a table of all hits first.
        has = "(SELECT words @@ CAST(:audit_words AS tsquery) FROM audit_words WHERE entry_id = audit_entries.id)"
        self.where.append(text(has).bindparams(audit_words=query))  # type: ignore[arg-type]


def newest_before(workspace_id: int, moment: datetime, back: timedelta) -> int | None:
    """The id of an entry up to which every one was written before a moment, however the clock was set in between; None if there is none.

    back  the most by which an entry of this chain was earlier than one before it (`AuditHead.set_back_us`)
    """
    earlier = select(AuditEntry.id).where(AuditEntry.workspace_id == workspace_id, AuditEntry.at < _shifted(moment, -back))
    found: int | None = db.session.scalar(earlier.order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(1))
    return found


def _shifted(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:
        return moment.replace(year=9999 if by > timedelta(0) else 1)


def _action(asked: str) -> list[ColumnElement[bool]]:
    """`route.create` alone; `route` or `route.*` for the family; `route.rule.*` for everything below that."""
    stem = asked.removesuffix("*").rstrip(".")
    if not stem:
        return []
    below = AuditEntry.action.startswith(f"{stem}.", autoescape=True)
    family = AuditEntry.family == chain.family_of(stem)
    if "." not in stem:
        return [family]
    if asked.endswith("*"):
        return [family, or_(AuditEntry.action == stem, below)]
    return [AuditEntry.action == stem]


def distinct(workspace_id: int, name: str, most: int = 500) -> list[Any]:
    """The values of a column that is second in an index: one step in it per value, however many entries there are."""
    steps = _steps(workspace_id, name, most)
    return list(db.session.scalars(select(steps.c.value).where(steps.c.value.is_not(None))))


def newest_of_each(workspace_id: int, name: str, most: int = 500) -> list[AuditEntry]:
    """The newest entry for each value of such a column, newest first."""
    steps = _steps(workspace_id, name, most)
    last = select(func.max(AuditEntry.id)).where(AuditEntry.workspace_id == workspace_id, getattr(AuditEntry, name) == steps.c.value)
    ids = list(db.session.scalars(select(last.scalar_subquery()).select_from(steps).where(steps.c.value.is_not(None))))
    return list(db.session.scalars(select(AuditEntry).where(AuditEntry.id.in_(ids)).order_by(AuditEntry.id.desc())))


def _steps(workspace_id: int, name: str, most: int) -> Any:
    entry = aliased(AuditEntry)
    first, following = getattr(AuditEntry, name), getattr(entry, name)
    start = select(func.min(first).label("value"), literal(1).label("number"))
    steps = start.where(AuditEntry.workspace_id == workspace_id, first.is_not(None)).cte(recursive=True)
    after = select(func.min(following)).where(entry.workspace_id == workspace_id, following > steps.c.value).scalar_subquery()
    return steps.union_all(select(after, steps.c.number + 1).where(steps.c.value.is_not(None), steps.c.number < most))
