"""Segments: saved filters over contacts, computed whenever they are used."""

from typing import Any, cast

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base, InWorkspace, Timestamps


class Segment(InWorkspace, Timestamps, Base):
    """A filter with a name. The tree is checked when it is saved: `{"match": "all"|"any", "conditions": [leaf or tree, …]}`."""

    __tablename__ = "segments"
    __table_args__ = (UniqueConstraint("workspace_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    description: Mapped[str | None]
    #: all or any, of the outermost conditions
    match: Mapped[str] = mapped_column(default="all")
    #: leaves `{field, operator, value}` and nested trees
    conditions: Mapped[list[Any]] = mapped_column(default=list)
    #: the whole tree as people wrote it, for whoever got the row from the service
    tree = dict[str, Any]()
    #: how many contacts it chose when the service counted them, whether that is exact, and the range of an estimate
    contacts_count = at_least = at_most = 0
    is_exact = True
    #: the same as `counting.Count`
    found = cast(Any, None)
