"""A campaign that has gone out, as the doors in its mail see it: links, contacts, copies, marks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.factories.contacts import make_contact
from tests.factories.mailboxes import make_mailbox
from tests.factories.sending import make_outgoing
from webapp.campaigns import marks
from webapp.campaigns.models import Campaign, CampaignLink
from webapp.contacts.models import Contact
from webapp.core import counters
from webapp.core.db import db, utcnow
from webapp.sending.models import Delivery

HTML = '<p>Hello {{contact.first_name|default:"there"}}</p><a href="https://shop.test/a">A</a><a href="{{unsubscribe_url}}">Unsubscribe</a>'
LINKS = ("https://shop.test/a", "https://shop.test/b?who={{contact.first_name}}", "https://shop.test/c")


@dataclass
class SentCampaign:
    """A campaign with its contacts; `token(place)` is the mark of one of them."""

    campaign: Campaign
    contacts: list[Contact]

    def token(self, place: int = 0) -> str:
        return marks.token(self.campaign.id, self.contacts[place].id)

    def number(self, name: str) -> int:
        """The counter `campaign:ID:name`."""
        return counters.read(self.campaign.workspace_id, f"campaign:{self.campaign.id}:{name}")


def make_sent_campaign(
    person: Any, *addresses: str, links: Sequence[str] = LINKS, seconds_ago: int = 3600, commit: bool = True, **columns: Any
) -> SentCampaign:
    """A campaign to new contacts with these addresses (one by default) that left so many seconds ago."""
    mailbox = make_mailbox(person, commit=False)
    contacts = [make_contact(person, address, name="Ann Lee", commit=False) for address in addresses or ("ann@people.test",)]
    outgoing = make_outgoing(
        person, *(contact.address for contact in contacts), mailbox=mailbox, kind="campaign", stream="bulk", commit=False
    )  # fmt: skip
    at = utcnow() - timedelta(seconds=seconds_ago)
    values = {
        "name": "Autumn", "from_email": mailbox.email, "subject": "Hello", "body_html": HTML, "mailbox_id": mailbox.id, "state": "sent",
        "outgoing_id": outgoing.id, "started_at": at, "sent_at": at, "recipients_count": len(contacts), "is_expanded": True, **columns,
    }  # fmt: skip
    campaign = Campaign(workspace_id=person.workspace.id, **values)
    db.session.add(campaign)
    db.session.flush()
    db.session.add_all([CampaignLink(campaign_id=campaign.id, number=number, url=url) for number, url in enumerate(links, 1)])
    for contact in contacts:
        mine = db.session.query(Delivery).filter_by(outgoing_id=outgoing.id, recipient=contact.address)
        gone: dict[Any, Any] = {"state": "sent", "campaign_id": campaign.id, "contact_id": contact.id}
        mine.update({**gone, "next_attempt_at": None, "finished_at": at})
    db.session.commit() if commit else db.session.flush()
    return SentCampaign(campaign, contacts)
