"""The limits of a mailbox: mails an hour and a day in each direction, mails and bytes kept, size of one mail. Pure decisions.

What is used comes from `usage`; locking and counting around a decision is `webapp.messages.admission`.
source  reference/mailtrigger.md section 10, DESIGN section 5
"""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from webapp.core.wording import human_bytes, number, span
from webapp.mailboxes.flow import Flow
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.usage import Numbers, Usage

#: from this share of a limit on it is nearly used up
NEAR = 0.8
PER = {"hour": "an hour", "day": "a day"}
#: share -> word of `core.states`, and tone of its meter
LEVELS = {"near": ("nearly full", "warn"), "full": ("full", "bad")}


class Over(NamedTuple):
    """A limit that leaves no room for a mail.

    limit          hour, day, total, storage or size
    direction      received or sent
    retry_after_s  when there is room again by itself; None: not before somebody makes room
    """

    email: str
    limit: str
    direction: str
    allowed: int
    retry_after_s: int | None = None

    @property
    def sentence(self) -> str:
        """What is used up, for those who may know it."""
        verb = "send" if self.direction == "sent" else "receive"
        if self.limit in PER:
            return f"{self.email} may {verb} {_mails(self.allowed)} {PER[self.limit]}, and has."
        if self.limit == "total":
            return f"{self.email} keeps {_mails(self.allowed)} at most, and is full."
        if self.limit == "storage":
            return f"{self.email} keeps {human_bytes(self.allowed)} at most, and is full."
        return f"{self.email} takes mails of up to {human_bytes(self.allowed)}."

    @property
    def wait(self) -> str:
        """ "in 12 min", or how room is made."""
        return f"in {span(math.ceil(self.retry_after_s / 60) * 60)}" if self.retry_after_s else "once mail was deleted or the limit raised"


def _mails(count: int) -> str:
    return f"{number(count)} mail{'' if count == 1 else 's'}"


class Limited(Protocol):
    """What decides: a mailbox, or the few columns of one that a door has read."""

    @property
    def id(self) -> int: ...
    @property
    def workspace_id(self) -> int: ...
    @property
    def email(self) -> str: ...
    @property
    def max_message_bytes(self) -> int: ...
    @property
    def storage_limit_bytes(self) -> int | None: ...
    @property
    def total_limit(self) -> int | None: ...
    @property
    def daily_limit(self) -> int | None: ...
    @property
    def hourly_limit(self) -> int | None: ...


def has_any(mailbox: Limited) -> bool:
    """Whether more than the size of one mail is limited."""
    return not (mailbox.hourly_limit is mailbox.daily_limit is mailbox.total_limit is mailbox.storage_limit_bytes is None)


def over(mailbox: Limited, used: Numbers, direction: str, size_bytes: int = 0) -> Over | None:
    """The limit that one more mail of this size would pass, the most lasting one first; None: it fits."""
    if size_bytes <= mailbox.max_message_bytes and not has_any(mailbox):
        return None
    flow: Flow = getattr(used, direction)
    storage = mailbox.storage_limit_bytes
    checks = (
        ("size", mailbox.max_message_bytes, size_bytes > mailbox.max_message_bytes),
        ("size", storage, storage is not None and size_bytes > storage),
        ("total", mailbox.total_limit, mailbox.total_limit is not None and used.kept.total >= mailbox.total_limit),
        ("storage", storage, storage is not None and used.kept.bytes + max(1, size_bytes) > storage),
        ("day", mailbox.daily_limit, mailbox.daily_limit is not None and flow.day >= mailbox.daily_limit),
        ("hour", mailbox.hourly_limit, mailbox.hourly_limit is not None and flow.hour >= mailbox.hourly_limit),
    )  # fmt: skip
    return next((Over(mailbox.email, name, direction, allowed or 0) for name, allowed, passed in checks if passed), None)


# --- meters ---------------------------------------------------------------------------------------------------


class Meter(NamedTuple):
    """One limit on the page: how much of it is used.

    name     received_hour, sent_hour, received_day, sent_day, total or storage
    level    None, near or full
    frees_at when an hour or a day that is used up has room again
    """

    name: str
    label: str
    used: int
    limit: int
    level: str | None
    frees_at: datetime | None = None

    @property
    def tone(self) -> str:
        return LEVELS[self.level][1] if self.level else ""

    @property
    def words(self) -> str:
        """ "3 of 100 mails", "9.3 MB of 10 MB" """
        if self.name == "storage":
            return f"{human_bytes(self.used)} of {human_bytes(self.limit)}"
        return f"{number(self.used)} of {_mails(self.limit)}"


LABELS = {
    "received_hour": "Received, last hour", "sent_hour": "Sent, last hour", "received_day": "Received, last day",
    "sent_day": "Sent, last day", "total": "Mails kept", "storage": "Storage",
}  # fmt: skip


def room(frees_at: datetime, now: datetime) -> str:
    """ "in 56 min": when there is room again, in whole minutes."""
    return f"in {span(max(1, math.ceil((frees_at - now).total_seconds() / 60)) * 60)}"


def level(used: int, limit: int | None) -> str | None:
    """near, full, or None while there is room (or no limit)."""
    if limit is None:
        return None
    return "full" if used >= limit else "near" if used >= limit * NEAR else None


def meters(mailbox: Mailbox, used: Numbers, frees: Mapping[str, datetime] | None = None) -> list[Meter]:
    """Every limit that is set, in the order of LABELS; directions that are switched off are left out."""
    known = {
        "received_hour": (used.received.hour, mailbox.hourly_limit if mailbox.can_receive else None),
        "sent_hour": (used.sent.hour, mailbox.hourly_limit if mailbox.can_send else None),
        "received_day": (used.received.day, mailbox.daily_limit if mailbox.can_receive else None),
        "sent_day": (used.sent.day, mailbox.daily_limit if mailbox.can_send else None),
        "total": (used.kept.total, mailbox.total_limit),
        "storage": (used.kept.bytes, mailbox.storage_limit_bytes),
    }
    return [
        Meter(name, LABELS[name], count, limit, level(count, limit), (frees or {}).get(name))
        for name, (count, limit) in known.items()
        if limit is not None
    ]


def filling(mailbox: Mailbox, kept: Usage) -> str | None:
    """What the column `filling` says of what it keeps: the worse of total and storage."""
    found = {level(kept.total, mailbox.total_limit), level(kept.bytes, mailbox.storage_limit_bytes)}
    return "full" if "full" in found else "near" if "near" in found else None
