"""Contacts picked in bulk: what is picked, unsubscribing and deleting, and taking that back (see `webapp.picks`)."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select

from webapp.contacts import reviving, subscribing
from webapp.contacts.filters import STATES, filtered
from webapp.contacts.models import Contact
from webapp.contacts.picking_lists import ADD_TO_GROUP, REMOVE_FROM_GROUP, TAG_ACTIONS, count, people, record
from webapp.contacts.telling import LIVE_EVENT
from webapp.core.actor import Actor
from webapp.core.bulk import among
from webapp.core.db import db
from webapp.core.wording import number
from webapp.mail.address import BadAddress, normalise
from webapp.picks.kinds import Action, Before, Done, Effect, Kind
from webapp.suppressions.adding import New, add_many


def read_filters(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the address of the list names, as `filters.filtered` takes it; what is no value of a filter is left out."""

    def row_id(name: str) -> int | None:
        text = str(given.get(name, ""))
        return int(text) if text.isdecimal() and len(text) < 19 else None

    status = str(given.get("state", ""))
    found = {
        "search": str(given.get("q", "")).strip()[:200] or None, "tag": str(given.get("tag", "")).strip()[:50] or None,
        "group_id": row_id("group"), "segment_id": row_id("segment"), "status": status if status in STATES else None,
        "created_after": day(given.get("after"), 0), "created_before": day(given.get("before"), 1),
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def day(text: Any, later: int) -> datetime | None:
    """The beginning of a day in UTC, or of the one so many days later; None for what is no day."""
    try:
        return datetime.combine(date.fromisoformat(str(text or "")[:10]) + timedelta(days=later), datetime.min.time(), UTC)
    except (ValueError, OverflowError):
        return None


def choose(actor: Actor, filters: Mapping[str, str] | None, ids: list[int] | None) -> Select[Any]:
    """The ids of the picked contacts."""
    narrowed = {"ids": ids} if ids is not None else read_filters(filters or {})
    return filtered(actor.workspace_id, narrowed).with_only_columns(Contact.id)


def by_addresses(workspace_id: int, texts: Iterable[str]) -> tuple[list[int], list[str]]:
    """Ids of the contacts with these addresses, and the texts that no contact has, each once."""
    wanted: dict[str, str] = {}
    for text in texts:
        if text := text.strip("<>"):
            try:
                wanted.setdefault(normalise(text), text)
            except BadAddress:
                wanted.setdefault(text, text)
    query = select(Contact.id, Contact.address).where(Contact.workspace_id == workspace_id, among(Contact.address, list(wanted)))
    found = {row.address: row.id for row in db.session.execute(query)}
    return list(found.values()), [text for address, text in wanted.items() if address not in found]


def summary(_actor: Actor, ids: Select[Any]) -> list[str]:
    """How many may get campaigns, and how many not."""
    chosen = ids.order_by(None).subquery()
    query = select(Contact.subscribed, func.count()).where(Contact.id.in_(select(chosen.c.id))).group_by(Contact.subscribed)
    found = {bool(subscribed): amount for subscribed, amount in db.session.execute(query)}
    return [f"{number(found[state])} {word}" for state, word in ((True, "subscribed"), (False, "unsubscribed")) if found.get(state)]


# --- unsubscribing ---------------------------------------------------------------------------------------


def _effect_of_unsubscribing(_actor: Actor, ids: Select[Any]) -> Effect:
    chosen = select(ids.order_by(None).subquery().c.id)
    amount = count(select(Contact.id).where(Contact.id.in_(chosen), Contact.subscribed.is_(True)))
    text = f"{people(amount, 'gets', 'get')} no more campaigns; answers and receipts still reach them."
    return Effect(amount, text, "Taking them out of a group keeps them subscribed to the others.")


def unsubscribe_some(actor: Actor, ids: list[int]) -> Done:
    """Unsubscribe those who are subscribed; what comes back with undo is the score, and whether the suppression list knew them before."""
    actor.require("contacts:write")
    mine = Contact.workspace_id == actor.workspace_id, among(Contact.id, ids), Contact.subscribed.is_(True)
    rows = {row.id: row for row in db.session.execute(select(Contact.id, Contact.address, Contact.lead_score).where(*mine))}
    reasons = subscribing.known_reasons(actor.workspace_id, [row.address for row in rows.values()])
    changed = subscribing.unsubscribe(actor.workspace_id, list(rows), source="page")
    record(actor, "contact.unsubscribe", changed)
    done = Done()
    for contact_id in changed:
        listed = "unsubscription" in reasons.get(rows[contact_id].address, ())
        done.changed[contact_id] = {"lead_score": rows[contact_id].lead_score, "listed": listed}
    return done


def subscribe_again(actor: Actor, rows: Mapping[int, Before]) -> Done:
    """Those who are still unsubscribed; evidence of both stays on file."""
    actor.require("contacts:write")
    mine = Contact.workspace_id == actor.workspace_id, among(Contact.id, list(rows)), Contact.subscribed.is_(False)
    addresses = {row.id: row.address for row in db.session.execute(select(Contact.id, Contact.address).where(*mine))}
    changed = subscribing.subscribe(actor.workspace_id, list(addresses), source="page", evidence="Unsubscribing many at once was undone.")
    for contact in db.session.scalars(select(Contact).where(among(Contact.id, changed))).all():
        contact.lead_score = int((rows[contact.id] or {}).get("lead_score", 0))
    listed = [addresses[contact_id] for contact_id in changed if (rows[contact_id] or {}).get("listed")]
    if listed:  # the suppression list knew them before, and goes on to
        add_many(actor.workspace_id, [New(address, "unsubscription", "bulk", "page", actor.name or None) for address in listed])
    db.session.flush()
    record(actor, "contact.subscribe", changed)
    return Done(dict.fromkeys(changed))


# --- deleting --------------------------------------------------------------------------------------------


def _effect_of_deleting(_actor: Actor, ids: Select[Any]) -> Effect:
    amount = count(ids)
    text = f"{people(amount, 'goes', 'go')} with tags, groups and notes. Undo brings them back for 30 days. The mail that they got stays."
    return Effect(amount, text, "Unsubscribing keeps them and stops campaigns. To erase a person for good, open the contact.")


def kind(home: Callable[[], str], elsewhere: Callable[[str], bool]) -> Kind:
    """`home` tells the address of the list; `elsewhere` knows the other pages with rows of this kind."""
    return Kind("contact", "contact", "contacts", "contacts:read", choose, summary, home, LIVE_EVENT, ACTIONS, elsewhere)


UNSUBSCRIBE = Action(
    "unsubscribe", "Unsubscribe", "mail-x", "unsubscribed", "contacts:write", _effect_of_unsubscribing, unsubscribe_some, subscribe_again
)
DELETE = Action(
    "delete", "Delete", "trash-2", "deleted", "contacts:delete", _effect_of_deleting, reviving.delete_some, reviving.bring_back,
    asks=True, danger=True,
)  # fmt: skip
ACTIONS = (*TAG_ACTIONS, ADD_TO_GROUP, REMOVE_FROM_GROUP, UNSUBSCRIBE, DELETE)
