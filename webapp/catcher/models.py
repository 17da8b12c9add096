"""The request catcher: one secret address per workspace, and the newest requests that came to it."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base, Timestamps, utcnow


class Catcher(Timestamps, Base):
    """The address of a workspace's catcher."""

    __tablename__ = "catchers"
    id: Mapped[int] = mapped_column(primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), unique=True)
    #: last part of the address; whoever knows it may send requests, and nothing else
    key: Mapped[str] = mapped_column(unique=True)


class CaughtRequest(Base):
    """One request as it came; only the newest are kept."""

    __tablename__ = "caught_requests"
    __table_args__ = (Index("ix_caught_requests_newest", "workspace_id", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    method: Mapped[str]
    #: query string, without the question mark
    query: Mapped[str]
    #: pairs of name and value, in their order
    headers: Mapped[list[Any]]
    #: the beginning of the body as text; bytes that are no UTF-8 stand as U+FFFD
    body: Mapped[str] = mapped_column(Text)
    #: of the whole body
    size_bytes: Mapped[int]
    #: status that the catcher answered
    answered: Mapped[int]
    ip: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=lambda: utcnow())
