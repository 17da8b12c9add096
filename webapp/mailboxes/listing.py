"""Lists of mailboxes: search, filters, order, and the numbers of the chips; fast with a hundred thousand of them.

A page is four queries whatever stands on it: the rows, their counters, their last day, and how many are nearly full.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, func, select

from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.paging import CAP, Page, PageRequest, paginate
from webapp.domains import state_counts
from webapp.mailboxes import meters, usage
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.rows import seen

SORTABLE = {
    "id": Mailbox.id, "email": Mailbox.email, "address": Mailbox.email, "status": Mailbox.status, "created_at": Mailbox.id,
    "display_name": Mailbox.display_name, "updated_at": Mailbox.updated_at,
}  # fmt: skip
EXACT = ("domain_id", "status", "can_send", "can_receive")
STATES = ("active", "paused")
#: words of a search beyond these are not looked for
MOST_WORDS = 8


def list_mailboxes(actor: Actor, asked: PageRequest, filters: dict[str, Any] | None = None) -> Page[Mailbox]:
    """Mailboxes, newest first. filters: see `matching`"""
    return list_with_states(actor, asked, filters)[0]


def list_with_states(actor: Actor, asked: PageRequest, filters: dict[str, Any] | None = None) -> tuple[Page[Mailbox], dict[str, int]]:
    """`list_mailboxes`, and how many living mailboxes the whole workspace has: {all, active, paused, filling (counted up to 1,000)}."""
    actor.require("mailboxes:read")
    given = {name: value for name, value in (filters or {}).items() if value not in (None, "")}
    query = matching(actor, given)
    limited = actor.domain_ids is not None or actor.mailbox_ids is not None
    counter = "all" if not given and not limited else given["status"] if set(given) == {"status"} and not limited else None
    # An exact total is read along with the usage of the rows, below.
    total = None if counter is None else 0
    page = paginate(query, asked, sortable=SORTABLE, default="id", tie=Mailbox.id, total=total, descending=asked.sort_by is None)
    names = {"all": "mailboxes", **{state: state_counts.name(Mailbox, state) for state in STATES}}
    numbers = usage.load(actor.workspace_id, page.items, names.values())
    meters.load(page.items)
    states = {state: numbers[name] for state, name in names.items()}
    states["filling"] = _filling(actor)
    if counter is not None:
        page.total = states[counter]
    return page, states


def matching(actor: Actor, filters: dict[str, Any]) -> Select[Any]:
    """The mailboxes that fit.

    filters  domain_id, status, can_send, can_receive; filling (near: nearly full or full, full); search (each word is part of the
             address, the display name or the note)
    """
    query = seen(actor)
    for name in EXACT:
        if filters.get(name) not in (None, ""):
            query = query.where(getattr(Mailbox, name) == filters[name])
    if filters.get("filling") == "near":
        query = query.where(Mailbox.filling.is_not(None))
    elif filters.get("filling"):
        query = query.where(Mailbox.filling == filters["filling"])
    for word in str(filters.get("search") or "").lower().split()[:MOST_WORDS]:
        query = query.where(Mailbox.search_text.contains(word, autoescape=True))
    return query


def _filling(actor: Actor) -> int:
    """How many are nearly or wholly full, up to CAP."""
    some = seen(actor).with_only_columns(Mailbox.id).where(Mailbox.filling.is_not(None)).limit(CAP)
    return db.session.scalar(select(func.count()).select_from(some.subquery())) or 0


def asked_of(arguments: Mapping[str, str]) -> dict[str, Any]:
    """The filters of `matching` from the query string of the page: q, domain, state (active, paused, near)."""
    state, domain = arguments.get("state", ""), arguments.get("domain", "")
    filters: dict[str, Any] = {"search": arguments.get("q", "").strip()[:255]}
    if state in STATES:
        filters["status"] = state
    elif state == "near":
        filters["filling"] = "near"
    if domain:
        filters["domain_id"] = int(domain) if domain.isdecimal() and len(domain) < 19 else 0
    return filters
