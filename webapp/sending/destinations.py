"""What is known of the places that mail goes to directly: how fast they let us send, and what TLS they ask for. Shared by all workers."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base, Timestamps


class Destination(Timestamps, Base):
    """A mail host that asked us to slow down; those that never did have no row."""

    __tablename__ = "destinations"
    id: Mapped[int] = mapped_column(primary_key=True)
    #: the host, or the domain when no host was reached
    name: Mapped[str] = mapped_column(unique=True)
    #: how much slower than usual: 0 is full speed
    level: Mapped[int] = mapped_column(default=0)
    #: nothing goes there before this
    paused_until: Mapped[datetime | None]
    #: when the level changed last
    changed_at: Mapped[datetime]
    #: the minute that `used` counts in
    minute_at: Mapped[datetime | None]
    #: letters handed over in that minute
    used: Mapped[int] = mapped_column(default=0)
    #: the words with which it asked
    reply: Mapped[str] = mapped_column(default="")


class TlsPolicy(Timestamps, Base):
    """The MTA-STS policy of a domain as it was fetched last (RFC 8461)."""

    __tablename__ = "tls_policies"
    id: Mapped[int] = mapped_column(primary_key=True)
    #: domain of recipients
    domain: Mapped[str] = mapped_column(unique=True)
    #: id in its TXT record when the policy was fetched; empty when none was ever fetched
    policy_id: Mapped[str] = mapped_column(default="")
    #: enforce, testing or none
    mode: Mapped[str] = mapped_column(default="none")
    #: names of allowed hosts, some with `*.` in front
    mx: Mapped[list[Any]] = mapped_column(default=list)
    #: until when it counts, whatever the DNS says meanwhile
    expires_at: Mapped[datetime]
    #: when fetching was tried last
    tried_at: Mapped[datetime]
    #: why the last try brought nothing
    problem: Mapped[str | None]
    #: connections that did not do what the policy asks
    failures: Mapped[int] = mapped_column(default=0)
    #: what the last of them did
    last_failure: Mapped[str | None]
