"""The ears: what bounces, complaints and deletions mean for contacts and campaigns, in the transactions in which they happen."""

from collections.abc import Collection, Mapping
from typing import Any

from flask import Flask
from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from webapp.accounts.models import Workspace
from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, Engagement
from webapp.core import counters, events
from webapp.core.bulk import among
from webapp.core.db import db, is_sqlite, utcnow
from webapp.intake import pipeline
from webapp.sending.models import Delivery
from webapp.suppressions.hashes import hash_of, key_mark
from webapp.tracking import by_mail, counting, resolving, scores, sums
from webapp.tracking.models import FormerContact

#: reason on the suppression list -> column of a contact
FLAGS = {"hard_bounce": "bounced_at", "complaint": "complained_at"}
_PLAIN = {"synchronize_session": False}


@events.listen("suppressions_added")
def flag_contacts(workspace_id: int, reasons: Mapping[str, str]) -> None:
    """Addresses came onto the list: their contacts show it. reasons: address -> why"""
    now = utcnow()
    for reason, column in FLAGS.items():
        theirs = [address for address, why in reasons.items() if why == reason]
        if not theirs:
            continue
        fresh = Contact.workspace_id == workspace_id, among(Contact.address, theirs), getattr(Contact, column).is_(None)
        ids = list(db.session.scalars(select(Contact.id).where(*fresh).order_by(Contact.id).with_for_update()))
        if ids:
            values = {column: now, "updated_at": now}
            db.session.execute(update(Contact).where(among(Contact.id, ids)).values(values), execution_options=_PLAIN)
            if reason == "hard_bounce":
                settings = db.session.scalar(select(Workspace.settings).where(Workspace.id == workspace_id))
                scores.add(dict.fromkeys(ids, scores.weights(settings or {})["bounce"]))
    left = [address for address, why in reasons.items() if why == "unsubscription"]
    if left:  # the row on the list is the evidence; whoever uses a link or a button goes through `contacts.subscribing`
        still = Contact.workspace_id == workspace_id, among(Contact.address, left), Contact.subscribed
        off = {"subscribed": False, "unsubscribed_at": now, "lead_score": 0, "updated_at": now}
        db.session.execute(update(Contact).where(*still).values(off), execution_options=_PLAIN)


@events.listen("suppression_lifted")
def unflag_contact(workspace_id: int, address: str, reason: str) -> None:
    """A person took the last row of this reason off the list: campaigns may go there again."""
    if reason in FLAGS:
        theirs = Contact.workspace_id == workspace_id, Contact.address == address
        db.session.execute(update(Contact).where(*theirs).values({FLAGS[reason]: None}), execution_options=_PLAIN)


@events.listen("delivery_complained")
def count_complaint(delivery_id: int) -> None:
    """Somebody called a mail spam: of a campaign's copy it counts once, whatever the suppression list knew."""
    row = db.session.execute(
        select(Delivery.campaign_id, Delivery.contact_id, Delivery.workspace_id).where(Delivery.id == delivery_id)
    ).one_or_none()
    if row is None or row.campaign_id is None or row.contact_id is None:
        return
    reader = resolving.readers([row.contact_id]).get(row.contact_id)
    if reader is None or db.session.scalar(select(Campaign.id).where(Campaign.id == row.campaign_id)) is None:
        return
    pair = row.campaign_id, reader.id
    if counting.lock({pair: row.workspace_id})[pair].complained_at is None:
        mine = Engagement.campaign_id == pair[0], Engagement.contact_id == pair[1]
        db.session.execute(update(Engagement).where(*mine).values(complained_at=utcnow()), execution_options=_PLAIN)
        counters.bump(row.workspace_id, f"campaign:{row.campaign_id}:complained")


@events.listen("contacts_leaving")
def remember(workspace_id: int, gone: Mapping[int, str]) -> None:
    """Contacts are about to be deleted (id -> address): the numbers of campaigns stay, and links in old mails go on to unsubscribe."""
    started = select(Campaign.id).where(Campaign.workspace_id == workspace_id, Campaign.started_at.is_not(None))
    if db.session.scalar(started.limit(1)) is None:
        return
    mark = key_mark()
    rows = [
        {"contact_id": contact_id, "workspace_id": workspace_id, "hash": hash_of(workspace_id, address), "key_mark": mark}
        for contact_id, address in gone.items()
    ]
    made: Any = (sqlite if is_sqlite() else postgresql).insert(FormerContact)
    known = {"hash": made.excluded.hash, "key_mark": made.excluded.key_mark}
    db.session.execute(made.on_conflict_do_update(index_elements=["contact_id"], set_=known), rows)
    sums.keep(workspace_id, gone, 1)


@events.listen("contacts_merging")
def keep_both(workspace_id: int, source_id: int, target_id: int) -> None:
    """Two contacts are about to become one: what both did is put aside …"""
    sums.hold(workspace_id, [source_id, target_id])
    sums.keep(workspace_id, [source_id, target_id], 1)


@events.listen("contacts_merged")
def keep_difference(workspace_id: int, source_id: int, target_id: int) -> None:
    """… and less what the one row of them says: campaigns keep the numbers that they had."""
    sums.keep(workspace_id, [target_id], -1)


def init_app(_app: Flask) -> None:
    pipeline.look_for("leave", by_mail.look)


@events.listen("contacts_back")
def take_back(workspace_id: int, contact_ids: Collection[int]) -> None:
    """Their deletion was undone, and what they did with campaigns is there again."""
    db.session.execute(delete(FormerContact).where(among(FormerContact.contact_id, contact_ids)), execution_options=_PLAIN)
    sums.keep(workspace_id, contact_ids, -1)
