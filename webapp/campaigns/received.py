"""Campaigns and other mail that a contact got, for the page of the contact (`contacts.hanging`)."""

from collections.abc import Collection
from typing import Any

from flask import url_for
from sqlalchemy import and_, func, select

from webapp.campaigns.models import Campaign
from webapp.contacts import timeline
from webapp.contacts.hanging import Got
from webapp.contacts.models import Contact, Engagement
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.sending.models import Delivery, Outgoing

#: the newest of them
MOST = 20


def names(actor: Actor, ids: Collection[int]) -> dict[int, str]:
    """Those of the campaigns that there are, by id."""
    query = select(Campaign.id, Campaign.name).where(Campaign.workspace_id == actor.workspace_id, Campaign.id.in_(ids))
    return {row.id: row.name for row in db.session.execute(query)}


def subjects(actor: Actor, ids: Collection[int]) -> dict[int, str]:
    """Subjects of outgoing mail by id, for who may see the sending log."""
    if not actor.may("deliveries:read"):
        return {}
    query = select(Outgoing.id, Outgoing.subject).where(Outgoing.workspace_id == actor.workspace_id, Outgoing.id.in_(ids))
    return {row.id: row.subject for row in db.session.execute(query)}


def of_contact(actor: Actor, contact: Contact) -> list[Got]:
    """Newest first: what went to its addresses, and what they did with it."""
    sent_there = Delivery.workspace_id == contact.workspace_id, Delivery.recipient.in_(timeline.addresses_of(contact))
    wanted = *sent_there, Delivery.campaign_id.is_not(None)
    newest: Any = select(Delivery).where(*wanted).order_by(Delivery.id.desc()).limit(MOST).subquery()
    theirs = and_(Engagement.campaign_id == newest.c.campaign_id, Engagement.contact_id == contact.id)
    columns = Campaign.id, Campaign.name, Campaign.deleted_at, newest.c.state, Engagement.opened_at, Engagement.clicked_at
    query = select(*columns, func.coalesce(newest.c.finished_at, newest.c.created_at).label("at")).select_from(newest)
    query = query.join(Campaign, Campaign.id == newest.c.campaign_id).outerjoin(Engagement, theirs).order_by(newest.c.id.desc())
    found = []
    for row in db.session.execute(query):
        shown = row.deleted_at is None and actor.may("campaigns:read")
        url = url_for("campaigns.show_page", campaign_id=row.id) if shown else None
        found.append(Got(row.name, row.state, row.at, url, row.opened_at, row.clicked_at))
    return found
