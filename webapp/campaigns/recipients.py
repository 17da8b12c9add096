"""Who got a campaign, one row for each, with what became of it: the ledger's rows beside what the person did.

Nothing here reads more than a page, whatever the campaign's size: the ledger is walked by its index over campaign and state, one state
after the other, and what people did is walked by contact.
"""

from types import SimpleNamespace
from typing import Any

from sqlalchemy import Select, and_, select, union_all

from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, Engagement
from webapp.core import counters
from webapp.core.actor import Actor
from webapp.core.db import database_now
from webapp.core.paging import Page, PageRequest, keyset, read_cursor
from webapp.sending.listing import filtered
from webapp.sending.models import STATES, Delivery
from webapp.sending.why import why
from webapp.standstill import service as standstill

#: deed -> the column that says when
DEEDS = {
    "opened": Engagement.opened_at, "clicked": Engagement.clicked_at, "unsubscribed": Engagement.unsubscribed_at,
    "complained": Engagement.complained_at,
}  # fmt: skip
SHOWN: Any = (
    Delivery.id, Delivery.contact_id, Contact.name, Delivery.recipient, Delivery.domain, Delivery.state, Delivery.stream, Delivery.bounce,
    Delivery.attempts, Delivery.next_attempt_at, Delivery.host, Delivery.last_code, Delivery.last_reply, Delivery.last_error,
    Delivery.held_reason, Delivery.held_by, Delivery.on_wire_at, Delivery.sent_again, Delivery.finished_at, Engagement.opened_at,
    Engagement.clicked_at, Engagement.unsubscribed_at, Engagement.complained_at,
)  # fmt: skip


def list_recipients(actor: Actor, campaign: Campaign, asked: PageRequest, filters: dict[str, Any]) -> Page[Any]:
    """Recipients, newest first (those who did something: by contact), each with the sentence that says where it is and why.

    campaign  one that the actor was seen to own
    filters   status (a state of deliveries, or a deed), domain, email (an address, how it begins, or @domain), contact_id
    """
    actor.require("campaigns:read")
    status = filters.get("status")
    narrowing = {"domain": filters.get("domain"), "recipient": filters.get("email")}
    narrowed = any(narrowing.values()) or bool(filters.get("contact_id"))
    key: Any = Engagement.contact_id if status in DEEDS else Delivery.id
    query = filtered(_deeds(campaign, status) if status in DEEDS else _ledger(campaign, status), narrowing)
    if filters.get("contact_id"):
        query = query.where(Delivery.contact_id == filters["contact_id"])
    elif not narrowed and status is None:
        query = query.where(Delivery.id.in_(_nearest(campaign, asked)))
    page = keyset(query, asked, keys=[key], total=None if narrowed else _total(campaign, status), scalars=False)
    now, still = database_now(), standstill.stands()
    page.items = [SimpleNamespace(**row._mapping, why=why(row, now, still)) for row in page.items]
    return page


def _mine(campaign: Campaign) -> tuple[Any, Any]:
    return Delivery.campaign_id == campaign.id, Delivery.workspace_id == campaign.workspace_id


def _ledger(campaign: Campaign, state: str | None) -> Select[Any]:
    did = and_(Engagement.campaign_id == campaign.id, Engagement.contact_id == Delivery.contact_id)
    query = select(*SHOWN).select_from(Delivery).outerjoin(Contact, Contact.id == Delivery.contact_id)
    query = query.outerjoin(Engagement, did).where(*_mine(campaign))
    return query.where(Delivery.state == state) if state else query


def _nearest(campaign: Campaign, asked: PageRequest) -> Select[Any]:
    """Ids among which the page is: of each state as many as the page could hold, from where it begins."""
    position, newest = read_cursor(asked.cursor, 1, asked.descending is not False)
    most = asked.page * asked.per_page + 1
    parts = []
    for state in STATES:
        ids = select(Delivery.id).where(Delivery.campaign_id == campaign.id, Delivery.state == state)
        if position is not None:
            ids = ids.where(Delivery.id < position[0] if newest else Delivery.id > position[0])
        found = ids.order_by(Delivery.id.desc() if newest else Delivery.id.asc()).limit(most).subquery()
        parts.append(select(found.c.id))
    every = union_all(*parts).subquery()
    return select(every.c.id)


def _deeds(campaign: Campaign, deed: str) -> Select[Any]:
    """From those who did it to their copies, by the address that they have now."""
    query = select(*SHOWN).select_from(Engagement).join(Contact, Contact.id == Engagement.contact_id)
    query = query.join(Delivery, and_(Delivery.outgoing_id == campaign.outgoing_id, Delivery.recipient == Contact.address))
    return query.where(Engagement.campaign_id == campaign.id, DEEDS[deed].is_not(None), *_mine(campaign))


def _total(campaign: Campaign, status: str | None) -> int:
    """From the counters."""
    names = [f"campaign:{campaign.id}:{part}" for part in ([status] if status else STATES)]
    return sum(counters.read_many(campaign.workspace_id, names).values())
