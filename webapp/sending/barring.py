"""The suppression list at work: asked when a mail is submitted, and again when its rows are claimed, because lists grow meanwhile.

System mail (sign-in links, warnings of the product itself) goes in any case.
"""

from collections.abc import Sequence

from sqlalchemy import select

from webapp.core.db import db
from webapp.sending.models import Outgoing
from webapp.sending.settle import Waiting
from webapp.suppressions import lookup

#: kinds of mail that ask nobody
FREE = "system"


def at_submit(workspace_id: int, addresses: Sequence[str], stream: str, kind: str) -> dict[str, str]:
    """Recipients that get nothing, each with the reason."""
    return {} if kind == FREE else lookup.barred(workspace_id, addresses, stream)


def at_claim(rows: Sequence[Waiting]) -> dict[int, str]:
    """Ids of claimed rows that must not go any more, each with the reason; one query for each workspace and stream of the batch."""
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
