"""The audit log: append-only, one hash chain per workspace (workspace 0 holds what belongs to none)."""

from datetime import datetime

from sqlalchemy import Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from webapp.audit import words
from webapp.core.db import Base


class AuditEntry(Base):
    """Who did what to which thing, and whether it was done or refused."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        UniqueConstraint("workspace_id", "position"),
        Index("ix_audit_entries_workspace_id_id", "workspace_id", "id"),
        Index("ix_audit_entries_workspace_id_token_id_id", "workspace_id", "token_id", "id"),
        Index("ix_audit_entries_workspace_id_action_id", "workspace_id", "action", "id"),
        Index("ix_audit_entries_workspace_id_target", "workspace_id", "target_type", "target_id", "id"),
        Index("ix_audit_entries_workspace_id_actor", "workspace_id", "actor_type", "actor_id", "id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    #: whose chain; 0 for the installation itself
    workspace_id: Mapped[int]
    #: 1, 2, 3 … within the chain, without gaps
    position: Mapped[int]
    #: when, UTC
    at: Mapped[datetime]
    #: user, token, mailbox or system; with id and name at that time
    actor_type: Mapped[str]
    actor_id: Mapped[int | None]
    actor_name: Mapped[str]
    #: the token used, if any
    token_id: Mapped[int | None]
    token_name: Mapped[str | None]
    token_last_four: Mapped[str | None]
    #: noun.verb, as in `route.create`
    action: Mapped[str]
    #: what it was done to, with its name at that time
    target_type: Mapped[str]
    target_id: Mapped[int | None]
    target_name: Mapped[str]
    #: done or refused
    result: Mapped[str]
    #: why it was refused
    reason: Mapped[str | None] = mapped_column(Text)
    #: canonical JSON of the changed fields, secrets masked
    before: Mapped[str | None] = mapped_column(Text)
    after: Mapped[str | None] = mapped_column(Text)
    #: where the request came from
    ip: Mapped[str | None]
    #: X-Request-Id of the request that caused it
    request_id: Mapped[str | None]
    #: hex SHA-256 of the entry before, and of this one including that
    previous_hash: Mapped[str]
    hash: Mapped[str]

    # How a feed paints it (macro `activity`).

    @property
    def actor(self) -> str:
        if self.actor_type == "token":
            return f"Token {self.actor_name}"
        return self.actor_name if self.actor_type != "system" else f"System, {self.actor_name}"

    @property
    def verb(self) -> str:
        return words.sentence(self.action, self.target_type, self.result == "refused")[0]

    @property
    def target(self) -> str:
        return self.target_name if words.sentence(self.action, self.target_type, self.result == "refused")[1] else ""

    @property
    def url(self) -> str:
        return f"/audit/{self.id}"

    @property
    def state(self) -> str:
        return "refused" if self.result == "refused" else ""


class AuditHead(Base):
    """The end of each chain; its row lock orders the writers."""

    __tablename__ = "audit_heads"
    #: whose chain
    workspace_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    #: how many entries the chain has had
    count: Mapped[int]
    #: id and hash of the newest entry
    last_id: Mapped[int]
    hash: Mapped[str]
