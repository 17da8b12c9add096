"""The suppression list at work: asked when a mail is submitted, and again when its rows are claimed, because lists grow meanwhile.

System mail (sign-in links, warnings of the product itself) goes in any case.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from webapp.core.bulk import update_rows
from webapp.core.db import db
from webapp.core.errors import InvalidState
from webapp.sending import history
from webapp.sending.models import Delivery, Outgoing
from webapp.sending.settle import Waiting
from webapp.sending.tally import tell_moves
from webapp.suppressions import lookup

#: kinds of mail that ask nobody
FREE = "system"


def at_submit(workspace_id: int, addresses: Sequence[str], stream: str, kind: str) -> dict[str, str]:
    """Recipients that get nothing, each with the reason."""
    return {} if kind == FREE else lookup.barred(workspace_id, addresses, stream)


def check(workspace_id: int, row: Any) -> None:
    """A person wants it sent; `row` as the sending log shows it. raises InvalidState while the recipient is suppressed"""
    reasons = at_submit(workspace_id, [row.recipient], row.stream, row.kind)
    if reasons:
        hint = "Reactivate the address on the suppression list first, then send it again."
        raise InvalidState(f"{row.recipient} gets no mail. {reasons[row.recipient]}.", hint=hint)


def keep_back(rows: Sequence[Waiting], now: datetime) -> set[int]:
    """End those due rows that must not go any more; returns their ids. The rows are locked by the caller."""
    reasons = _at_claim(rows)
    kept = [row for row in rows if row.id in reasons]
    if kept:
        names = ("id", "state", "next_attempt_at", "on_wire_at", "last_error", "finished_at", "updated_at")
        update_rows(Delivery, names, [(row.id, "suppressed", None, None, reasons[row.id], now, now) for row in kept])
        for row in kept:
            history.moved([(row, "suppressed")], now, {"reason": reasons[row.id]})
        tell_moves([(row, row.state, "suppressed") for row in kept])
    return set(reasons)


def _at_claim(rows: Sequence[Waiting]) -> dict[int, str]:
    """Ids of due rows with a suppressed recipient, each with the reason; one query for each workspace and stream of the batch."""
    groups: dict[tuple[int, str], list[Waiting]] = {}
    for row in rows:
        groups.setdefault((row.workspace_id, row.stream), []).append(row)
    found: dict[int, str] = {}
    mails: set[int] = set()
    for (workspace_id, stream), mine in groups.items():
        if reasons := lookup.barred(workspace_id, {row.recipient for row in mine}, stream):
            hit = [row for row in mine if row.recipient in reasons]
            found |= {row.id: reasons[row.recipient] for row in hit}
            mails |= {row.outgoing_id for row in hit}
    if not found:
        return {}
    free = set(db.session.scalars(select(Outgoing.id).where(Outgoing.id.in_(mails), Outgoing.kind == FREE)))
    return {row.id: found[row.id] for row in rows if row.id in found and row.outgoing_id not in free}
