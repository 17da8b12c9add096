"""API tokens: one table for all kinds; only a hash of the value is kept. Beside them what each token did and which scopes it used."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import ForeignKey, Index
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
    #: when it was rotated, and the token that takes its place; it goes on until `expires_at`
    rotated_at: Mapped[datetime | None]
    replaced_by_id: Mapped[int | None]
    #: refreshed at most every 10 s
    last_used_at: Mapped[datetime | None]
    last_used_ip: Mapped[str | None]
    last_used_client: Mapped[str | None]
    user: Mapped[User] = relationship("User", lazy="raise", viewonly=True)
    #: remarks for its owner, filled in by `hints.attach`
    hints: ClassVar[Any] = ()


class TokenCall(Base):
    """One line of a token's own log, kept for 30 days. No foreign key: lines are written in batches, some after their token is gone."""

    __tablename__ = "token_calls"
    __table_args__ = (Index("ix_token_calls_token_id_at_us_id", "token_id", "at_us", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    token_id: Mapped[int]
    #: when it was answered, in microseconds of the epoch: processes write their lines in turns, so ids do not tell the order
    at_us: Mapped[int]
    #: of HTTP, or SMTP
    method: Mapped[str]
    #: the address as the route table has it, with ids filled in and every other part left out
    path: Mapped[str]
    #: of HTTP, or the SMTP reply
    status: Mapped[int]
    #: milliseconds from the check of the token to the answer
    ms: Mapped[int]
    ip: Mapped[str | None]
    #: User-Agent
    client: Mapped[str | None]
    request_id: Mapped[str | None]
    #: the scopes that were asked for, by name
    scopes: Mapped[list[Any]]
    #: how many equal refusals within a second this line stands for
    times: Mapped[int] = mapped_column(default=1)

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=self.at_us)


class TokenScopeUse(Base):
    """A scope that a token has made use of."""

    __tablename__ = "token_scope_uses"
    token_id: Mapped[int] = mapped_column(ForeignKey("api_tokens.id", ondelete="CASCADE"), primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    first_at: Mapped[datetime]
    #: refreshed at most once an hour
    last_at: Mapped[datetime]
