"""Whether mailboxes have room for mail that is about to be stored: asked inside the storing transaction, exact under parallel sessions.

    admit(groups)   locks the mailboxes that have limits, in the order of their ids, until the transaction ends; then decides mail by mail
    look(mailbox)   the same question without a lock, for an early answer (RCPT, MAIL FROM, a form)

Mailboxes without limits are neither locked nor counted here.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import select

from webapp.core import counters
from webapp.core.db import database_now, db
from webapp.mailboxes import flow, limits, notices
from webapp.mailboxes.limits import Limited, Over
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.usage import Numbers, Usage
from webapp.messages import totals


class Asked(NamedTuple):
    """One copy of a mail for (or, with direction `sent`, of) a mailbox."""

    mailbox: Limited
    direction: str
    size_bytes: int


def admit(groups: Sequence[Sequence[Asked]]) -> list[Over | None]:
    """Decide in order; a group is one mail with its copies, which is taken whole or not at all.

    returns  for each group the limit that it would pass, or None: it fits, and those behind it are decided as if it were stored
    """
    fresh = hold(asked.mailbox for group in groups for asked in group)
    used = numbers(fresh.values())
    answers: list[Over | None] = []
    last: dict[str, Over] = {}
    for group in groups:
        after, refused = dict(used), None
        for asked in group:
            mailbox: Limited = fresh.get(asked.mailbox.id) or asked.mailbox
            known = after.get(mailbox.id, NOTHING)
            refused = refused or limits.over(mailbox, known, asked.direction, asked.size_bytes)
            if mailbox.id in after:
                after[mailbox.id] = known.plus(asked.direction, asked.size_bytes)
        if refused is None:
            used = after
        else:
            last[refused.email] = refused
        answers.append(with_wait(fresh, refused))
    for mailbox_id, mailbox in fresh.items():
        notices.note(mailbox, used[mailbox_id], last.get(mailbox.email))
    return answers


NOTHING = Numbers(Usage(0, 0))


def hold(mailboxes: Iterable[Limited]) -> dict[int, Mailbox]:
    """Lock those that have limits until the transaction ends, and read them anew; those without are left out."""
    ids = sorted({mailbox.id for mailbox in mailboxes if limits.has_any(mailbox)})
    if not ids:
        return {}
    # FOR NO KEY UPDATE: messages that point at the mailbox may still be stored by those who do not ask.
    query = select(Mailbox).where(Mailbox.id.in_(ids)).order_by(Mailbox.id).with_for_update(key_share=True)
    return {mailbox.id: mailbox for mailbox in db.session.scalars(query.execution_options(populate_existing=True))}


def hold_addresses(emails: Iterable[str]) -> None:
    """Lock the limited ones among these addresses at once, for batches whose mails are decided one by one: two such batches then never
    wait for each other in a circle.
    """
    hold(db.session.scalars(select(Mailbox).where(Mailbox.email.in_(set(emails)), Mailbox.deleted_at.is_(None))))


def look(mailbox: Mailbox, direction: str, size_bytes: int = 0) -> Over | None:
    """The limit that leaves no room now, as far as can be told without a lock."""
    known = numbers([mailbox]).get(mailbox.id, NOTHING) if limits.has_any(mailbox) else NOTHING
    return with_wait({mailbox.id: mailbox}, limits.over(mailbox, known, direction, size_bytes))


def with_wait(mailboxes: dict[int, Mailbox], refused: Over | None) -> Over | None:
    """With the time after which there is room again, where time makes it."""
    if refused is None or refused.limit not in flow.SPANS:
        return refused
    mailbox_id = next(one.id for one in mailboxes.values() if one.email == refused.email)
    frees = flow.frees_at(flow.Full(mailbox_id, refused.direction, refused.limit, refused.allowed))
    return refused._replace(retry_after_s=max(1, math.ceil((frees - database_now()).total_seconds())))


def numbers(mailboxes: Iterable[Mailbox]) -> dict[int, Numbers]:
    """What these mailboxes used, with what the current transaction stored so far; two queries."""
    boxes = list(mailboxes)
    if not boxes:
        return {}
    names = [totals.name(box.id, kind) for box in boxes for kind in ("", "bytes")]
    kept = counters.read_all(names, {box.workspace_id for box in boxes})
    for (_, key), by in totals.pending.of(db.session).items():
        if key in kept:
            kept[key] += by
    went = flow.read(box.id for box in boxes)
    none = flow.Flow()
    return {
        box.id: Numbers(
            Usage(kept[totals.name(box.id)], kept[totals.name(box.id, "bytes")]),
            went.get((box.id, "received"), none), went.get((box.id, "sent"), none),
        )
        for box in boxes
    }  # fmt: skip
