"""Domains: the names under which a workspace has mailboxes, with the proof that they are its own and the key that signs their mail."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.counters import Counted
from webapp.core.db import Base, InWorkspace, Secret, Timestamps, Trashable
from webapp.domains.state_counts import CountedByStatus

LIVING = text("deleted_at IS NULL")


class Domain(InWorkspace, Timestamps, Trashable, Counted, CountedByStatus, Base):
    """One mail domain. Its name is unique among the living domains of the whole installation: mail for it has one place to go."""

    __tablename__ = "domains"
    __table_args__ = (
        Index("uq_domains_name_living", "name", unique=True, sqlite_where=LIVING, postgresql_where=LIVING),
        Index("ix_domains_workspace_id_name", "workspace_id", "name"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    #: ASCII (IDNA), lower case, without a final dot
    name: Mapped[str]
    #: pending_dns until somebody proved that the domain is theirs, then active; suspended by the operator
    status: Mapped[str] = mapped_column(default="pending_dns", active_history=True)
    #: when it was proven, by DNS or by an owner's word
    verified_at: Mapped[datetime | None] = mapped_column(default=None)
    #: whether an owner vouched for it instead of the DNS
    verified_by_hand: Mapped[bool] = mapped_column(default=False)
    #: what the TXT record must say after `mailroom-verify=`; public by nature
    verify_token: Mapped[str]
    #: when the DNS was last asked for it
    last_checked_at: Mapped[datetime | None] = mapped_column(default=None)
    #: what was asked then and what came back: {sentence, resolver, status, found}
    last_check: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    #: the label under `_domainkey` where the public key is published
    dkim_selector: Mapped[str]
    #: PEM of the key that signs the domain's mail
    dkim_private: Mapped[str] = mapped_column(Secret)
    #: its public half, base64 of the DER form
    dkim_public: Mapped[str] = mapped_column(Text)
    #: whether mail for addresses that do not exist goes to `catch_all_destination`
    catch_all_enabled: Mapped[bool] = mapped_column(default=False)
    #: normalised address of a mailbox of the same workspace
    catch_all_destination: Mapped[str | None] = mapped_column(default=None)
    #: for people, at most 120 characters
    note: Mapped[str | None] = mapped_column(default=None)
    #: living mailboxes below it, exact; written by mailboxes under the lock of this row
    mailbox_count: Mapped[int] = mapped_column(default=0)

    @property
    def is_verified(self) -> bool:
        """Whether the domain takes mail from strangers and runs its routes."""
        return self.verified_at is not None and self.status == "active"
