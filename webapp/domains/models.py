"""Domains: the names under which a workspace has mailboxes, the proof that they are its own, the keys that sign their mail, and what was
found in the DNS."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.core.counters import Counted
from webapp.core.db import Base, InWorkspace, Secret, Timestamps, Trashable
from webapp.core.leases import Leased
from webapp.domains.state_counts import CountedByStatus

LIVING = text("deleted_at IS NULL")
#: of an entry of a check's results, what goes over the wire
SHOWN = (
    "ok", "state", "type", "host", "expected", "found", "message", "hints", "fix", "required", "resolver", "answer", "ttl_s", "checked_at",
)  # fmt: skip
OPEN = text("status = 'pending'")
#: states of a key: shown and waiting for its record · signs · published, though it signs no more · gone
KEY_STATES = ("pending", "active", "retiring", "retired")


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
    #: the records that the domain must have, together: right, missing, different, unknown (nobody answered), not_checked
    dns_status: Mapped[str] = mapped_column(default="not_checked", active_history=True)
    #: the same of the key that signs
    dkim_status: Mapped[str] = mapped_column(default="not_checked")
    #: when all of its records were last looked up
    dns_checked_at: Mapped[datetime | None] = mapped_column(default=None)
    #: when that happens next; written with the open row of `dns_checks`
    next_check_at: Mapped[datetime | None] = mapped_column(default=None)
    #: since when it is watched closely: added, changed, asked for, or wrong since
    watched_since: Mapped[datetime | None] = mapped_column(default=None)
    #: since when resolvers say that the proof of a proven domain is gone
    proof_missing_since: Mapped[datetime | None] = mapped_column(default=None)
    #: trekmail: its mail is kept here; external: it only sends from here
    mail_hosting: Mapped[str] = mapped_column(default="trekmail")
    #: whether mail for addresses that do not exist goes to `catch_all_destination`
    catch_all_enabled: Mapped[bool] = mapped_column(default=False)
    #: normalised address of a mailbox of the same workspace
    catch_all_destination: Mapped[str | None] = mapped_column(default=None)
    #: whether mail is refused at the end of data when nothing proves its sender and the sender's policy says `reject`; else quarantined
    refuse_unproven: Mapped[bool] = mapped_column(default=False, server_default=false())
    #: for people, at most 120 characters
    note: Mapped[str | None] = mapped_column(default=None)
    #: living mailboxes below it, exact; written by mailboxes under the lock of this row
    mailbox_count: Mapped[int] = mapped_column(default=0)

    #: the signature below mail of its mailboxes: off, default (a proposal for new identities), enforced
    signature_mode: Mapped[str] = mapped_column(default="off")
    #: before_reply or after_reply: above or below what is quoted
    signature_position: Mapped[str] = mapped_column(default="before_reply")
    #: sanitised HTML
    signature_html: Mapped[str] = mapped_column(Text, default="")
    #: the domain of the same workspace whose mailboxes take mail for the same local parts here
    primary_domain_id: Mapped[int | None] = mapped_column(default=None, index=True)
    #: its DKIM keys, oldest first, those that are gone included
    keys: Mapped[list["DkimKey"]] = relationship(
        back_populates="domain", order_by="DkimKey.id", cascade="all, delete-orphan", passive_deletes=True
    )

    @property
    def signing_key(self) -> "DkimKey | None":
        """The RSA key that signs now."""
        return next((key for key in self.keys if key.state == "active" and key.algorithm == "rsa"), None)

    @property
    def dkim_selector(self) -> str:
        return self.signing_key.selector if self.signing_key else ""

    @property
    def dkim_public(self) -> str:
        return self.signing_key.public if self.signing_key else ""

    @property
    def is_hosted(self) -> bool:
        """Whether its mail is kept here."""
        return self.mail_hosting == "trekmail"

    @property
    def is_verified(self) -> bool:
        """Whether the domain takes mail from strangers and runs its routes."""
        return self.verified_at is not None and self.status == "active"


class DkimKey(InWorkspace, Timestamps, Base):
    """A key that signs the domain's mail, or did, or will. At most one of each algorithm is active."""

    __tablename__ = "dkim_keys"
    __table_args__ = (
        UniqueConstraint("domain_id", "selector"),
        Index("ix_dkim_keys_state_retires_at", "state", "retires_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    domain_id: Mapped[int] = mapped_column(ForeignKey("domains.id", ondelete="CASCADE"))
    #: the label under `_domainkey` where the public half is published; never used again
    selector: Mapped[str]
    #: rsa or ed25519
    algorithm: Mapped[str] = mapped_column(default="rsa")
    #: PEM of the private half; empty once the key is retired
    private: Mapped[str] = mapped_column(Secret, deferred=True)
    #: its public half, base64 as the DNS holds it
    public: Mapped[str] = mapped_column(Text)
    #: one of KEY_STATES
    state: Mapped[str] = mapped_column(default="pending")
    #: days for which the key that this one replaces stays published
    overlap_days: Mapped[int] = mapped_column(default=7)
    #: when it began to sign, and whether the DNS, a person or the creation of the domain said so (dns, hand, start)
    activated_at: Mapped[datetime | None] = mapped_column(default=None)
    activated_by: Mapped[str | None] = mapped_column(default=None)
    #: of a retiring key: until when its record should stay
    retires_at: Mapped[datetime | None] = mapped_column(default=None)
    #: when it was gone
    retired_at: Mapped[datetime | None] = mapped_column(default=None)
    domain: Mapped[Domain] = relationship(back_populates="keys")


class DnsCheck(InWorkspace, Timestamps, Leased, Base):
    """One look at all records of a domain: asked for or planned, then worked by whoever claims it. A domain has at most one open."""

    __tablename__ = "dns_checks"
    __table_args__ = (
        Index("uq_dns_checks_open", "domain_id", unique=True, sqlite_where=OPEN, postgresql_where=OPEN),
        Index("ix_dns_checks_status_due_at", "status", "due_at"),
        Index("ix_dns_checks_domain_id_id", "domain_id", "id"),
        Index("ix_dns_checks_finished_at", "finished_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    domain_id: Mapped[int] = mapped_column(ForeignKey("domains.id", ondelete="CASCADE"))
    #: pending (also while it runs), complete, failed
    status: Mapped[str] = mapped_column(default="pending")
    #: why it is made: added, asked, changed, schedule
    reason: Mapped[str]
    #: when it may begin
    due_at: Mapped[datetime]
    #: when somebody began, and ended, to work on it
    started_at: Mapped[datetime | None] = mapped_column(default=None)
    finished_at: Mapped[datetime | None] = mapped_column(default=None)
    #: records looked up so far, of how many
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    #: one entry per record, see `findings.entry`
    results: Mapped[list[Any]] = mapped_column(default=list)
    #: what kept it from ending well
    error: Mapped[str | None] = mapped_column(default=None)

    @property
    def by_name(self) -> dict[str, Any]:
        """The results by the short names of their records: mx, spf, dkim…"""
        found = {}
        for entry in self.results:
            kind, _, rest = entry["id"].partition("_")
            found[kind if rest in ("primary", "record", "main") else entry["id"]] = {name: entry[name] for name in SHOWN}
        return found

    @property
    def is_running(self) -> bool:
        return self.status == "pending" and self.started_at is not None
