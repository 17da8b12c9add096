"""API tokens: one table for all kinds; only a hash of the value is kept."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.accounts.models import User
from webapp.core.counters import Counted
from webapp.core.db import Base, InWorkspace, Timestamps


class ApiToken(Counted, InWorkspace, Timestamps, Base):
    """A bearer token of a user in a workspace."""

    __tablename__ = "api_tokens"
    id: Mapped[int] = mapped_column(primary_key=True)
    #: whose rights it has at most
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    #: ops, message or workspace
    kind: Mapped[str]
    #: the ten characters after the prefix, by which it is looked up
    public_id: Mapped[str] = mapped_column(unique=True)
    #: hex SHA-256 of the whole value
    secret_hash: Mapped[str]
    #: last characters of the value, to recognise it by
    last_four: Mapped[str]
    scopes: Mapped[list[Any]]
    #: limits; NULL means none
    domain_ids: Mapped[list[Any] | None]
    mailbox_ids: Mapped[list[Any] | None]
    #: networks it may come from
    allowed_ips: Mapped[list[Any] | None]
    #: the mailbox of a message token
    mailbox_id: Mapped[int | None]
    #: NULL: never
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    #: refreshed at most every 10 s
    last_used_at: Mapped[datetime | None]
    last_used_ip: Mapped[str | None]
    last_used_client: Mapped[str | None]
    user: Mapped[User] = relationship("User", lazy="raise", viewonly=True)
