"""Looking rows up the only safe way: through the actor's workspace, past the trash."""

from typing import Any, TypeVar

from sqlalchemy import Select, select

from webapp.core.actor import Actor
from webapp.core.db import Base, db
from webapp.core.errors import NotFound

Row = TypeVar("Row", bound=Base)


def mine(actor: Actor, model: type[Row]) -> Select[Row]:
    """All rows of a table that this actor's workspace has, without those in the trash."""
    table: Any = model
    query = select(model).where(table.workspace_id == actor.workspace_id)
    return query.where(table.deleted_at.is_(None)) if hasattr(model, "deleted_at") else query


def find_mine(actor: Actor, model: type[Row], row_id: int) -> Row | None:
    table: Any = model
    return db.session.scalar(mine(actor, model).where(table.id == row_id))


def get_mine(actor: Actor, model: type[Row], row_id: int, noun: str, *, for_update: bool = False) -> Row:
    """One row by id.

    raises NotFound for an id that does not exist, lies in the trash, or belongs to another workspace: the same answer for all
    """
    table: Any = model
    query = mine(actor, model).where(table.id == row_id)
    row = db.session.scalar(query.with_for_update() if for_update else query)
    if row is None:
        raise NotFound(f"There is no {noun} with the id {row_id}.")
    return row
