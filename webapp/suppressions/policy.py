"""When a failure puts an address on the list (docs/bounces.md): at once for a dead address, after several for a sick one, never for a
refusal that is about us.

    hard     unknown address, closed address, domain that takes no mail: at once, for all mail
    soft     full mailbox, server trouble, no answer, given up after five days: after SOFT_MOST of them within SOFT_DAYS
    blocked  spam, block lists, policy, authentication, rate, size, content: never, the next sender may be welcome
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from webapp.core.db import db, utcnow
from webapp.happenings import stream
from webapp.happenings.models import Event
from webapp.suppressions.adding import New, add_many

SOFT_MOST, SOFT_DAYS = 5, 14
#: classes (`mail.bounce_class`) that count as trouble of the mailbox
SICK = frozenset({"mailbox-full", "timeout", "server-fault", "other"})
#: looked at of one person
MOST_EVENTS = 200


@dataclass(frozen=True)
class Failed:
    """A recipient that bounced: `bounce` is hard, soft or expired, `kind` the class, `said` the words of the other side."""

    workspace_id: int
    recipient: str
    bounce: str
    kind: str | None
    said: str
    delivery_id: int
    source: str
    event_id: int | None = None
    message_id: int | None = None


def bounced(failures: Sequence[Failed]) -> int:
    """Put those on the list who belong there; the events of these bounces were noted before. returns how many are new"""
    number = 0
    if any(_is_sick(one) for one in failures):
        stream.write_noted()
    for workspace_id in {one.workspace_id for one in failures}:
        mine = [one for one in failures if one.workspace_id == workspace_id]
        new = [_new(one, one.source) for one in mine if one.bounce == "hard"]
        new += [_new(one, "repeated") for one in mine if _is_sick(one) and _soft_bounces(one) >= SOFT_MOST]
        if new:
            number += len(add_many(workspace_id, new))
    return number


def _is_sick(one: Failed) -> bool:
    return one.bounce in ("soft", "expired") and (one.kind or "other") in SICK


def _new(one: Failed, source: str) -> New:
    return New(
        one.recipient, "hard_bounce", source=source, said=one.said, delivery_id=one.delivery_id, event_id=one.event_id,
        message_id=one.message_id,
    )  # fmt: skip


def _soft_bounces(one: Failed) -> int:
    """How often mail to this person failed so lately, this time included."""
    since = utcnow() - timedelta(days=SOFT_DAYS)
    mine = select(Event.at, Event.details).where(Event.workspace_id == one.workspace_id, Event.recipient == one.recipient)
    rows = db.session.execute(mine.where(Event.type == "bounced").order_by(Event.id.desc()).limit(MOST_EVENTS))
    sick = [row for row in rows if row.at >= since and (row.details or {}).get("class", "other") in SICK]
    return sum((row.details or {}).get("bounce") in ("soft", "expired") for row in sick)


def complained(
    workspace_id: int, recipient: str, stream: str, *, said: str, delivery_id: int | None, event_id: int | None, message_id: int | None
) -> bool:
    """Somebody called our mail spam: no more mail of a bulk stream, or none at all when it was not even bulk. returns whether it is new"""
    new = New(
        recipient, "complaint", scope="bulk" if stream == "bulk" else "all", source="feedback", said=said, delivery_id=delivery_id,
        event_id=event_id, message_id=message_id,
    )  # fmt: skip
    return bool(add_many(workspace_id, [new]))
