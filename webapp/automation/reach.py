"""Which mailboxes an actor may touch here: those of its workspace, within the limits of its token."""

from typing import Any

from sqlalchemy import ColumnElement, and_, select, true

from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import NotFound
from webapp.core.lookup import find_mine, mine
from webapp.mailboxes.models import Mailbox


def get_mailbox(actor: Actor, mailbox_id: int) -> Mailbox:
    """raises NotFound for a mailbox that is foreign, deleted, or outside the limits of the token"""
    found = find_mine(actor, Mailbox, mailbox_id)
    if found is None or not actor.sees_mailbox(found.id, found.domain_id):
        raise NotFound(f"There is no mailbox with the id {mailbox_id}.")
    return found


def within(actor: Actor, column: Any) -> ColumnElement[bool]:
    """A condition on a column of mailbox ids: only mailboxes that the token may touch."""
    conditions: list[ColumnElement[bool]] = []
    if actor.mailbox_ids is not None:
        conditions.append(column.in_(sorted(actor.mailbox_ids)))
    if actor.domain_ids is not None:
        conditions.append(column.in_(select(Mailbox.id).where(Mailbox.domain_id.in_(sorted(actor.domain_ids)))))
    return and_(*conditions) if conditions else true()


def is_limited(actor: Actor) -> bool:
    return actor.mailbox_ids is not None or actor.domain_ids is not None


def is_seen(actor: Actor, mailbox_id: int) -> bool:
    """Whether a mailbox of the actor's workspace lies within the limits of its token."""
    if not is_limited(actor):
        return True
    return db.session.scalar(select(Mailbox.id).where(Mailbox.id == mailbox_id, within(actor, Mailbox.id))) is not None


def list_mailboxes(actor: Actor, limit: int = 500) -> list[Mailbox]:
    """For selects on pages: the mailboxes within reach, by address."""
    query = mine(actor, Mailbox).where(within(actor, Mailbox.id)).order_by(Mailbox.email).limit(limit)
    return list(db.session.scalars(query))


def emails_of(actor: Actor, mailbox_ids: set[int]) -> dict[int, str]:
    """Addresses by id, for the lists of a page or an answer: one query."""
    if not mailbox_ids:
        return {}
    query = select(Mailbox.id, Mailbox.email).where(Mailbox.workspace_id == actor.workspace_id, Mailbox.id.in_(sorted(mailbox_ids)))
    return {row.id: row.email for row in db.session.execute(query)}
