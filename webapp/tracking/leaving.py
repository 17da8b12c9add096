"""Leaving and coming back by the link of a mail: who a mark stands for, and what pressing the button does.

The signature of the mark is all the proof there is (RFC 8058, section 3.1): no session, no cookie, no address in the link. Unsubscribing
works for ever: for a contact that was merged it ends the mail of both addresses, for one that was deleted the hash of the address goes onto
the suppression list, and when nothing is known any more there is nobody left to write to.
"""

from dataclasses import dataclass

from sqlalchemy import select

from webapp.accounts.models import Workspace
from webapp.campaigns.marks import NOBODY, Mark
from webapp.campaigns.models import Campaign
from webapp.contacts import subscribing
from webapp.contacts.models import Contact, Engagement
from webapp.core import counters, live
from webapp.core.db import db, utcnow
from webapp.sending.models import Delivery
from webapp.suppressions import adding
from webapp.tracking import counting, resolving
from webapp.tracking.models import FormerContact

#: what a contact agreed to by coming back, as evidence
CAME_BACK = "Pressed “Subscribe again” on the page of the unsubscribe link"


@dataclass(frozen=True)
class Standing:
    """Whom a mark stands for, as the page needs it.

    state      subscribed, unsubscribed; `test` for marks of test mails; `gone` when the person or the workspace is not known any more
    workspace  its name, "" when it is gone
    address    of the contact, with most of its name left out; "" when there is none
    """

    state: str
    workspace: str = ""
    address: str = ""
    may_come_back: bool = False


def look(mark: Mark) -> Standing:
    """How it stands now. Changes nothing."""
    campaign = _campaign(mark)
    contact = None if mark.contact_id == NOBODY else _contact(mark.contact_id)
    workspace_id = contact.workspace_id if contact is not None else campaign[1] if campaign else None
    workspace = db.session.get(Workspace, workspace_id) if workspace_id is not None else None
    name = workspace.name if workspace is not None and workspace.deleted_at is None else ""
    if mark.contact_id == NOBODY:
        return Standing("test", name)
    if contact is None or not name:
        return Standing("gone", name)
    state = "subscribed" if contact.subscribed else "unsubscribed"
    return Standing(state, name, masked(contact.email), not contact.subscribed and contact.complained_at is None)


def leave(mark: Mark, *, source: str, ip: str | None, client: str | None) -> None:
    """No more campaigns for whoever this is. source: one_click or link. The caller commits before anything is answered."""
    if mark.contact_id == NOBODY:
        return
    campaign = _campaign(mark)
    contact = _contact(mark.contact_id)
    former = db.session.get(FormerContact, mark.contact_id)
    if contact is not None:
        _count(campaign, contact)
        known = campaign[0] if campaign and campaign[1] == contact.workspace_id else None
        changed = subscribing.unsubscribe(contact.workspace_id, [contact.id], source=source, campaign_id=known, ip=ip, client=client)
        if not changed:  # whoever never was subscribed stays away too when they become so
            adding.add_many(contact.workspace_id, [_reason(contact.address)])
    if former is not None:
        adding.add_hash(former.workspace_id, former.hash, former.key_mark, _reason(""))
    if contact is None and former is None and campaign:
        sent_to = select(Delivery.recipient).where(Delivery.campaign_id == campaign[0], Delivery.contact_id == mark.contact_id).limit(1)
        address = db.session.scalar(sent_to)
        if address:
            adding.add_many(campaign[1], [_reason(address)])


def come_back(mark: Mark, *, ip: str | None, client: str | None) -> None:
    """Campaigns again, as long as they did not call our mail spam."""
    contact = None if mark.contact_id == NOBODY else _contact(mark.contact_id)
    if contact is not None and contact.complained_at is None:
        subscribing.subscribe(contact.workspace_id, [contact.id], source="page", ip=ip, client=client, evidence=CAME_BACK)


def masked(address: str) -> str:
    """Enough to know one's own address by; links are forwarded.

    >>> masked("ines.lindgren@example.com")
    'i•••@example.com'
    """
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}•••@{domain}"


def _reason(address: str) -> adding.New:
    return adding.New(address, "unsubscription", "bulk", "unsubscribe")


def _campaign(mark: Mark) -> tuple[int, int] | None:
    """(id, workspace) of the campaign, while it is there."""
    row = db.session.execute(select(Campaign.id, Campaign.workspace_id).where(Campaign.id == mark.campaign_id)).one_or_none()
    return None if row is None else (row.id, row.workspace_id)


def _contact(contact_id: int) -> Contact | None:
    found = resolving.readers([contact_id]).get(contact_id)
    return None if found is None else db.session.get(Contact, found.id)


def _count(campaign: tuple[int, int] | None, contact: Contact) -> None:
    """This person used the link of this campaign: counted once."""
    if campaign is None or campaign[1] != contact.workspace_id:
        return
    pair = campaign[0], contact.id
    if counting.lock({pair: campaign[1]})[pair].unsubscribed_at is None:
        row = db.session.get_one(Engagement, pair)
        row.unsubscribed_at = utcnow()
        db.session.flush()
        counters.bump(campaign[1], f"campaign:{campaign[0]}:unsubscribed")
        live.notify(campaign[1], counting.LIVE_EVENT)
