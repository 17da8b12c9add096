"""The trash: what was deleted comes back for 30 days, then it is gone.

A feature registers each of its trashable tables with how a row is named, restored and purged; list, restore and the nightly purge
are here, once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, literal, select, union_all

from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import NotFound
from webapp.core.paging import Page, PageRequest, capped_count

KEPT = timedelta(days=30)


@dataclass(frozen=True)
class Bin:
    """One kind of thing that can lie in the trash.

    restore  (actor, row) -> None: checks that its place is free, raises Conflict else
    purge    (row) -> None: removes it for good, with what hangs on it
    ready    (row) -> bool: whether it can go now; what is not ready stays until the next time
    """

    kind: str
    model: Any
    label: Any
    restore: Callable[[Actor, Any], None]
    purge: Callable[[Any], None]
    read_scope: str
    ready: Callable[[Any], bool] = lambda row: True


@dataclass(frozen=True)
class Trashed:
    kind: str
    id: int
    name: str
    deleted_at: datetime
    purged_at: datetime


bins: dict[str, Bin] = {}


def register(
    kind: str, model: Any, label: Any, restore: Callable[[Actor, Any], None], purge: Callable[[Any], None], read_scope: str,
    ready: Callable[[Any], bool] = lambda row: True,
) -> None:  # fmt: skip
    """`label` is the column shown as the row's name."""
    bins[kind] = Bin(kind, model, label, restore, purge, read_scope, ready)


def list_trash(actor: Actor, asked: PageRequest, kind: str | None = None, search: str = "") -> Page[Trashed]:
    """What lies in the trash of the workspace, newest first; only kinds that the actor may read. search: a part of the name"""
    chosen = [b for b in bins.values() if (kind is None or b.kind == kind) and actor.may(b.read_scope)]
    if not chosen:
        return Page([], asked.per_page, 1, 0)
    parts = [
        select(literal(b.kind).label("kind"), b.model.id, b.label.label("name"), b.model.deleted_at)
        .where(*_lies_there(actor, b), *([b.label.icontains(search, autoescape=True)] if search else []))
        for b in chosen
    ]  # fmt: skip
    rows = union_all(*parts).subquery()
    query = select(rows).order_by(rows.c.deleted_at.desc(), rows.c.id.desc())
    found = list(db.session.execute(query.limit(asked.per_page + 1).offset((asked.page - 1) * asked.per_page)))
    items = [Trashed(row.kind, row.id, row.name, row.deleted_at, row.deleted_at + KEPT) for row in found[: asked.per_page]]
    total, capped = capped_count(query)
    return Page(items, asked.per_page, asked.page, total, capped, has_more=len(found) > asked.per_page)


def _lies_there(actor: Actor, found: Bin) -> list[Any]:
    model = found.model
    return [model.workspace_id == actor.workspace_id, model.deleted_at.is_not(None), model.deleted_at > utcnow() - KEPT]


def count(actor: Actor, most: int = 1000) -> dict[str, int]:
    """How much of each kind that the actor may read lies in the trash, counted up to `most`; one query."""
    readable = [b for b in bins.values() if actor.may(b.read_scope)]
    if not readable:
        return {}
    some = [select(b.model.id).where(*_lies_there(actor, b)).limit(most).subquery() for b in readable]
    numbers = db.session.execute(select(*[select(func.count()).select_from(rows).scalar_subquery() for rows in some])).one()
    return dict(zip([b.kind for b in readable], numbers, strict=True))


def find_trashed(actor: Actor, kind: str, row_id: int) -> tuple[Bin, Any]:
    """raises NotFound for kinds and rows that are not in this workspace's trash"""
    found = bins.get(kind)
    row = None
    if found is not None:
        row = db.session.scalar(select(found.model).where(found.model.id == row_id, *_lies_there(actor, found)))
    if found is None or row is None:
        raise NotFound(f"There is no {kind} with the id {row_id} in the trash.")
    return found, row


def restore(actor: Actor, kind: str, row_id: int) -> Any:
    """Bring one row back. The caller (audit's door) records it.

    raises NotFound; Conflict when its address or name is taken by now
    """
    found, row = find_trashed(actor, kind, row_id)
    found.restore(actor, row)
    row.deleted_at = None
    db.session.flush()
    return row


def expire(actor: Actor, kind: str, row_id: int) -> Trashed:
    """End the 30 days of one row now: it is listed no more, cannot come back, and the next purge removes it with what hangs on it.

    raises NotFound
    """
    found, row = find_trashed(actor, kind, row_id)
    gone = Trashed(kind, row.id, name_of(found, row), row.deleted_at, utcnow())
    row.deleted_at = utcnow() - KEPT - timedelta(seconds=1)
    db.session.flush()
    return gone


def name_of(found: Bin, row: Any) -> str:
    """How the trash calls a row."""
    return str(getattr(row, found.label.key, None) or f"{found.kind} {row.id}")


def purge_old(limit: int = 200, tell: Callable[[Bin, Any], None] = lambda found, row: None) -> int:
    """Remove for good what has been in the trash for 30 days; returns how many rows went. `tell` hears of each row before it goes."""
    gone = 0
    for found in reversed(list(bins.values())):
        for row in db.session.scalars(select(found.model).where(found.model.deleted_at < utcnow() - KEPT).limit(limit)):
            if not found.ready(row):
                continue
            tell(found, row)
            found.purge(row)
            gone += 1
    db.session.flush()
    return gone
