"""Who got a campaign, one row for each, with what became of it: the ledger's rows beside what the person did.

Nothing here reads more than a page, whatever the campaign's size: the ledger is walked by its index over campaign and state, one state
after the other, and what people did is walked by contact.
"""

from types import SimpleNamespace
from typing import Any

from sqlalchemy import Select, and_, func, select, union_all

from webapp.campaigns.models import Campaign
from webapp.contacts.models import Alias, Contact, Engagement
from webapp.core import counters
from webapp.core.actor import Actor
from webapp.core.db import database_now, db
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
#: whose copy a row of the ledger is now: who was merged into another one since is that one
WHO: Any = func.coalesce(select(Alias.contact_id).where(Alias.id == Delivery.contact_id).scalar_subquery(), Delivery.contact_id)
SHOWN: Any = (
    Delivery.id, Contact.name, Delivery.recipient, Delivery.domain, Delivery.state, Delivery.stream, Delivery.bounce, Delivery.attempts,
    Delivery.next_attempt_at, Delivery.host, Delivery.last_code, Delivery.last_reply, Delivery.last_error, Delivery.held_reason,
    Delivery.held_by, Delivery.on_wire_at, Delivery.sent_again, Delivery.finished_at, Engagement.opened_at, Engagement.clicked_at,
    Engagement.unsubscribed_at, Engagement.complained_at,
)  # fmt: skip


def list_recipients(actor: Actor, campaign: Campaign, asked: PageRequest, filters: dict[str, Any]) -> Page[Any]:
    """Recipients, newest first (those who did something: by contact), each with the sentence that says where it is and why.

    campaign  one that the actor was seen to own
    filters   status (a state of deliveries, or a deed), domain, email (an address, how it begins, or @domain), contact_id
    """
    actor.require("campaigns:read")
    status = filters.get("status")
    narrowing = {name: filters.get(given) for name, given in (("domain", "domain"), ("recipient", "email")) if filters.get(given)}
    if filters.get("contact_id"):
        narrowing["contact_id"] = filters["contact_id"]
    if narrowing:
        page = keyset(_narrowed(campaign, status, narrowing), asked, keys=[Delivery.id], scalars=False)
    elif status in DEEDS:
        page = keyset(_deeds(campaign, status), asked, keys=[Engagement.contact_id], total=_total(campaign, status), scalars=False)
    else:
        query = _ledger(campaign, status)
        query = query if status else query.where(Delivery.id.in_(_nearest(campaign, asked)))
        page = keyset(query, asked, keys=[Delivery.id], total=_total(campaign, status), scalars=False)
    now, still = database_now(), standstill.stands()
    page.items = [SimpleNamespace(**row._mapping, why=why(row, now, still)) for row in page.items]
    return page


def _mine(campaign: Campaign) -> tuple[Any, Any]:
    return Delivery.campaign_id == campaign.id, Delivery.workspace_id == campaign.workspace_id


def _ledger(campaign: Campaign, state: str | None) -> Select[Any]:
    did = and_(Engagement.campaign_id == campaign.id, Engagement.contact_id == WHO)
    query = select(*SHOWN, WHO.label("contact_id")).select_from(Delivery).outerjoin(Contact, Contact.id == WHO)
    query = query.outerjoin(Engagement, did).where(*_mine(campaign))
    return query.where(Delivery.state == state) if state else query


def _narrowed(campaign: Campaign, status: str | None, narrowing: dict[str, Any]) -> Select[Any]:
    """Rows of the ledger at a domain, an address or a contact, in a state or with a deed."""
    query = filtered(_ledger(campaign, None if status in DEEDS else status), narrowing)
    if status in DEEDS:
        query = query.where(DEEDS[status].is_not(None))
    if "contact_id" in narrowing:
        former = db.session.scalars(select(Alias.id).where(Alias.contact_id == narrowing["contact_id"]))
        return query.where(Delivery.contact_id.in_([narrowing["contact_id"], *former]))
    # The indexes over domain and recipient hold the copies of all campaigns: those of one stand together there.
    edges = [
        select(edge(Delivery.id)).where(Delivery.campaign_id == campaign.id, Delivery.state == state).scalar_subquery()
        for state in STATES for edge in (func.min, func.max)
    ]  # fmt: skip
    ids = [one for one in db.session.execute(select(*edges)).one() if one is not None]
    return query.where(Delivery.id.between(min(ids, default=0), max(ids, default=0)))


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
    """From those who did it to their copies, whatever address they have by now; copies of who was merged into them stand for their own."""
    newest = select(func.max(Delivery.id)).where(Delivery.campaign_id == campaign.id)
    own = newest.where(Delivery.contact_id == Engagement.contact_id).correlate(Engagement)
    former = select(Alias.id).where(Alias.contact_id == Engagement.contact_id).correlate(Engagement)
    merged = newest.where(Delivery.contact_id.in_(former)).correlate(Engagement)
    query: Any = select(*SHOWN, Engagement.contact_id).select_from(Engagement).outerjoin(Contact, Contact.id == Engagement.contact_id)
    query = query.join(Delivery, Delivery.id == func.coalesce(own.scalar_subquery(), merged.scalar_subquery()))
    return query.where(Engagement.campaign_id == campaign.id, DEEDS[deed].is_not(None), *_mine(campaign))


def _total(campaign: Campaign, status: str | None) -> int:
    """From the counters."""
    names = [f"campaign:{campaign.id}:{part}" for part in ([status] if status else STATES)]
    return sum(counters.read_many(campaign.workspace_id, names).values())
