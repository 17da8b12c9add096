"""The audit log: append-only, one hash chain per workspace (workspace 0 holds what belongs to none)."""

from datetime import datetime

from sqlalchemy import Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.audit import words
from webapp.core.db import Base


def _partial(name: str, *columns: str, where: str) -> Index:
    return Index(f"ix_audit_entries_{name}", *columns, sqlite_where=text(where), postgresql_where=text(where))


class AuditEntry(Base):
    """Who did what to which thing, and whether it was done or refused."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        UniqueConstraint("workspace_id", "position"),
        Index("ix_audit_entries_workspace_id_id", "workspace_id", "id"),
        Index("ix_audit_entries_workspace_id_action_id", "workspace_id", "action", "id"),
        Index("ix_audit_entries_workspace_id_family_id", "workspace_id", "family", "id"),
        Index("ix_audit_entries_workspace_id_target", "workspace_id", "target_type", "target_id", "id"),
        Index("ix_audit_entries_workspace_id_target_type_id", "workspace_id", "target_type", "id"),
        Index("ix_audit_entries_workspace_id_actor", "workspace_id", "actor_type", "actor_id", "id"),
        Index("ix_audit_entries_workspace_id_actor_type_id", "workspace_id", "actor_type", "id"),
        Index("ix_audit_entries_workspace_id_at", "workspace_id", "at"),
        _partial("token_id", "workspace_id", "token_id", "id", where="token_id IS NOT NULL"),
        _partial("ip", "workspace_id", "ip", "id", where="ip IS NOT NULL"),
        _partial("request_id", "workspace_id", "request_id", "id", where="request_id IS NOT NULL"),
        _partial("refused", "workspace_id", "id", where="result = 'refused'"),
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
    #: the action up to its first dot, by which all actions on routes are found; follows from `action`, so it is not hashed
    family: Mapped[str]
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
    #: how many of the kept entries each type of actor made, and how many are refusals
    by_user: Mapped[int] = mapped_column(default=0)
    by_token: Mapped[int] = mapped_column(default=0)
    by_mailbox: Mapped[int] = mapped_column(default=0)
    by_system: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    #: the latest time of any entry so far, and the most by which a later entry was earlier than that, in microseconds: by them a range
    #: of time is a range of ids, also when a clock was set back
    latest_at: Mapped[datetime | None]
    set_back_us: Mapped[int] = mapped_column(default=0)
    #: retention: entries older than so many days go; None keeps them for ever
    keep_days: Mapped[int | None]
    #: the newest entry that retention removed: its position (0: none) and hash, from which the kept rest follows; and when that was done
    cut_position: Mapped[int] = mapped_column(default=0)
    cut_hash: Mapped[str] = mapped_column(default="0" * 64)
    cut_at: Mapped[datetime | None]
    #: how many entries the newest signed checkpoint names, and when it was written
    checkpoint_count: Mapped[int] = mapped_column(default=0)
    checkpoint_at: Mapped[datetime | None]
    #: the last walk over the whole chain: when somebody asked for one that is still to come, when the last one ended, up to which
    #: position all was well, and what was not
    verify_asked_at: Mapped[datetime | None]
    verified_at: Mapped[datetime | None]
    verified_position: Mapped[int] = mapped_column(default=0)
    fault: Mapped[str | None] = mapped_column(Text)

    @property
    def kept(self) -> int:
        """How many entries there are."""
        return self.count - self.cut_position
