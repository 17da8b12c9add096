"""What a mailbox used of its limits, for pages and the API: meters of many mailboxes without a query for each."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from webapp.core.wording import human_bytes, number
from webapp.mailboxes import flow, limits, usage
from webapp.mailboxes.limits import Meter
from webapp.mailboxes.models import Mailbox

_KEY = "_meters"


def load(mailboxes: Iterable[Mailbox]) -> None:
    """Work out the meters of mailboxes whose usage is loaded; one query, and only while an hour or a day is used up."""
    boxes = list(mailboxes)
    found = {box.id: limits.meters(box, usage.numbers(box)) for box in boxes}
    full = {_full(box_id, meter): meter for box_id, some in found.items() for meter in some if meter.level == "full" and _spans(meter)}
    frees = flow.frees_of(full)
    for box in boxes:
        box.__dict__[_KEY] = [meter._replace(frees_at=frees.get(_full(box.id, meter))) for meter in found[box.id]]


def _spans(meter: Meter) -> bool:
    return meter.name.partition("_")[2] in flow.SPANS


def _full(mailbox_id: int, meter: Meter) -> flow.Full:
    direction, _, span = meter.name.partition("_")
    return flow.Full(mailbox_id, direction, span, meter.limit)


def of(mailbox: Mailbox) -> list[Meter]:
    """Every limit that is set, with what is used of it."""
    if _KEY not in mailbox.__dict__:
        load([mailbox])
    found: list[Meter] = mailbox.__dict__[_KEY]
    return found


def urgent(mailbox: Mailbox) -> Meter | None:
    """The limit that a list shows beside the storage: the fullest of those that are nearly or wholly used up."""
    near = [meter for meter in of(mailbox) if meter.level and meter.name != "storage"]
    return max(near, key=lambda meter: meter.used / meter.limit, default=None)


def state(mailbox: Mailbox) -> str:
    """The word of a list: its status, or how full it is; limited while an hour or a day is used up."""
    if mailbox.status != "active":
        return mailbox.status
    levels = {meter.name: meter.level for meter in of(mailbox)}
    kept = {levels.get("total"), levels.get("storage")}
    if "full" in kept:
        return "full"
    return "limited" if "full" in levels.values() else "nearly full" if "near" in kept else mailbox.status


def figures(mailbox: Mailbox, now: datetime) -> list[dict[str, Any]]:
    """The figures of its page: everything that can be limited, with the limit where there is one."""
    used, known = usage.numbers(mailbox), {meter.name: meter for meter in of(mailbox)}
    found = [_figure("Mails kept", used.kept.total, known.get("total"), now), _storage(used.kept.bytes, known.get("storage"))]
    for direction, switched_on in (("received", mailbox.can_receive), ("sent", mailbox.can_send)):
        if switched_on:
            went: flow.Flow = getattr(used, direction)
            found.append(_figure(limits.LABELS[f"{direction}_hour"], went.hour, known.get(f"{direction}_hour"), now))
            found.append(_figure(limits.LABELS[f"{direction}_day"], went.day, known.get(f"{direction}_day"), now))
    return found


def _figure(name: str, value: int, meter: Meter | None, now: datetime) -> dict[str, Any]:
    if meter is None:
        return {"name": name, "value": value, "note": "no limit"}
    frees = f", room {limits.room(meter.frees_at, now)}" if meter.frees_at else ""
    return {"name": name, "value": value, "max": meter.limit, "tone": meter.tone, "note": f"of {number(meter.limit)}{frees}"}


def _storage(used: int, meter: Meter | None) -> dict[str, Any]:
    amount, unit = human_bytes(used).rsplit(" ", 1)
    if meter is None:
        return {"name": "Storage", "value": amount, "unit": unit, "note": "no limit"}
    return {
        "name": "Storage", "value": amount, "unit": unit, "tone": meter.tone, "bar": used, "max": meter.limit,
        "note": f"of {human_bytes(meter.limit)}",
    }  # fmt: skip
