"""From the ids in marks to rows, for a whole batch in a handful of queries: campaigns, the contacts that stand for an id now, copies."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select

from webapp.accounts.models import Workspace
from webapp.campaigns.models import Campaign, CampaignLink
from webapp.contacts.models import Alias, Contact
from webapp.core.bulk import among
from webapp.core.db import db
from webapp.sending.models import Delivery

Pair = tuple[int, int]
#: a contact that was merged into one that was merged, and so on
MOST_MERGES = 10


class Letter(NamedTuple):
    """What is needed of a campaign."""

    id: int
    workspace_id: int
    outgoing_id: int | None
    started_at: datetime | None
    links: int
    #: of its workspace
    settings: dict[str, object]


class Reader(NamedTuple):
    """A contact."""

    id: int
    workspace_id: int
    address: str


class Copy(NamedTuple):
    """A delivery of a campaign."""

    id: int
    mailbox_id: int | None
    finished_at: datetime | None


def letters(campaign_ids: Iterable[int]) -> dict[int, Letter]:
    """Campaigns that are still there, by id."""
    links = select(func.count()).select_from(CampaignLink).where(CampaignLink.campaign_id == Campaign.id).correlate(Campaign)
    query = select(
        Campaign.id, Campaign.workspace_id, Campaign.outgoing_id, Campaign.started_at, links.scalar_subquery().label("links"),
        Workspace.settings,
    ).join(Workspace, Workspace.id == Campaign.workspace_id)  # fmt: skip
    rows = db.session.execute(query.where(among(Campaign.id, set(campaign_ids))))
    return {row.id: Letter(row.id, row.workspace_id, row.outgoing_id, row.started_at, row.links, row.settings or {}) for row in rows}


def readers(contact_ids: Iterable[int]) -> dict[int, Reader]:
    """id in a mark -> the contact that it stands for now: itself, or the one that it was merged into. Who was deleted is left out."""
    wanted = set(contact_ids)
    query = select(Contact.id, Contact.workspace_id, Contact.address)
    found = {row.id: Reader(*row) for row in db.session.execute(query.where(among(Contact.id, wanted)))}
    left = wanted - found.keys()
    if not left:
        return found
    stands_for = {contact_id: contact_id for contact_id in left}
    for _ in range(MOST_MERGES):
        merged = select(Alias.id, Alias.contact_id).where(among(Alias.id, set(stands_for.values()) - found.keys()))
        steps = {row.id: row.contact_id for row in db.session.execute(merged)}
        if not steps:
            break
        stands_for = {old: steps.get(now, now) for old, now in stands_for.items()}
        rows = db.session.execute(query.where(among(Contact.id, set(stands_for.values()) - found.keys())))
        found.update({row.id: Reader(*row) for row in rows})
    now = {contact_id: stands_for.get(contact_id, contact_id) for contact_id in wanted}
    return {contact_id: found[stands] for contact_id, stands in now.items() if stands in found}


def urls(numbers: Iterable[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """(campaign, number of a link) -> its target as it stands in the letter."""
    wanted = set(numbers)
    campaigns, links = {campaign for campaign, _ in wanted}, {link for _, link in wanted}
    if not wanted:
        return {}
    query = select(CampaignLink.campaign_id, CampaignLink.number, CampaignLink.url)
    rows = db.session.execute(query.where(among(CampaignLink.campaign_id, campaigns), among(CampaignLink.number, links)))
    return {(row.campaign_id, row.number): row.url for row in rows}


def copies(pairs: Sequence[Pair], known: dict[int, Letter], people: dict[int, Reader]) -> dict[Pair, Copy]:
    """(campaign, contact) -> the delivery that went to the contact's address, as long as the sending log keeps it."""
    found: dict[Pair, Copy] = {}
    for campaign_id, letter in known.items():
        by_address = {people[contact].address: contact for campaign, contact in pairs if campaign == campaign_id and contact in people}
        if letter.outgoing_id is None or not by_address:
            continue
        query = select(Delivery.id, Delivery.mailbox_id, Delivery.finished_at, Delivery.recipient)
        rows = db.session.execute(query.where(Delivery.outgoing_id == letter.outgoing_id, among(Delivery.recipient, list(by_address))))
        for row in rows:
            found[campaign_id, by_address[row.recipient]] = Copy(row.id, row.mailbox_id, row.finished_at)
    return found
