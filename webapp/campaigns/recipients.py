"""Who got a campaign, one row for each, with what became of it: the ledger's rows beside what the person did."""

from types import SimpleNamespace
from typing import Any

from sqlalchemy import Select, and_, select

from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, Engagement
from webapp.core import counters
from webapp.core.actor import Actor
from webapp.core.db import database_now
from webapp.core.paging import Page, PageRequest, keyset
from webapp.sending.listing import filtered
from webapp.sending.models import STATES, Delivery
from webapp.sending.why import why

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
    """Recipients, newest first, each with the sentence that says where it is and why.

    campaign  one that the actor was seen to own
    filters   status (a state of deliveries, or a deed), domain, email (an address, how it begins, or @domain), contact_id
    """
    actor.require("campaigns:read")
    status = filters.get("status")
    query = _deeds(campaign, status) if status in DEEDS else _ledger(campaign, status)
    query = filtered(query, {"domain": filters.get("domain"), "recipient": filters.get("email")})
    if filters.get("contact_id"):
        query = query.where(Delivery.contact_id == filters["contact_id"])
    page = keyset(query, asked, keys=[Delivery.id], total=_total(campaign, filters), scalars=False)
    now = database_now()
    page.items = [SimpleNamespace(**row._mapping, why=why(row, now)) for row in page.items]
    return page


def _ledger(campaign: Campaign, state: str | None) -> Select[Any]:
    did = and_(Engagement.campaign_id == campaign.id, Engagement.contact_id == Delivery.contact_id)
    query = select(*SHOWN).select_from(Delivery).outerjoin(Contact, Contact.id == Delivery.contact_id)
    query = query.outerjoin(Engagement, did).where(Delivery.campaign_id == campaign.id)
    return query.where(Delivery.state == state) if state else query


def _deeds(campaign: Campaign, deed: str) -> Select[Any]:
    """From the few who did something to their deliveries."""
    theirs = and_(Delivery.outgoing_id == campaign.outgoing_id, Delivery.contact_id == Engagement.contact_id)
    query = select(*SHOWN).select_from(Engagement).join(Delivery, theirs).outerjoin(Contact, Contact.id == Delivery.contact_id)
    return query.where(Engagement.campaign_id == campaign.id, DEEDS[deed].is_not(None), Delivery.campaign_id == campaign.id)


def _total(campaign: Campaign, filters: dict[str, Any]) -> int | None:
    """From a counter where nothing but a status narrows the list; None where it has to be counted."""
    narrowed = {name for name, value in filters.items() if value not in (None, "")} - {"status"}
    if narrowed:
        return None
    names = [f"campaign:{campaign.id}:{part}" for part in ([filters["status"]] if filters.get("status") else STATES)]
    return sum(counters.read_many(campaign.workspace_id, names).values())


