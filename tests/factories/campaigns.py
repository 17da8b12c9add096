"""The smallest valid campaign, and people to send it to; keywords override."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from tests.factories.mailboxes import make_mailbox
from webapp.campaigns import life
from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, ContactGroup, GroupMember
from webapp.core.db import begin_writing, db
from webapp.mail.address import normalise
from webapp.sending.fleet import fleet

_numbers = count(1)
HTML = '<html><body><p>Hello {{contact.first_name}}</p><a href="https://acme.test/news">News</a></body></html>'


def make_group(person: Any, name: str | None = None) -> ContactGroup:
    group = ContactGroup(workspace_id=person.workspace.id, name=name or f"Group {next(_numbers)}")
    db.session.add(group)
    db.session.flush()
    return group


def make_people(person: Any, group: ContactGroup | None, number: int, *, domain: str = "example.org", prefix: str = "p") -> list[int]:
    """So many contacts p0@…, p1@… on the group, put in directly; returns their ids."""
    return add_people(person, group, [f"{prefix}{n}@{domain}" for n in range(number)])


def add_people(person: Any, group: ContactGroup | None, addresses: Sequence[str], **columns: Any) -> list[int]:
    """Contacts with these addresses, counters not told."""
    made = []
    for address in addresses:
        clean = normalise(address)
        values = {"first_name": clean.partition("@")[0].title(), **columns}
        row = Contact(workspace_id=person.workspace.id, email=address, address=clean, domain=clean.rpartition("@")[2], **values)
        made.append(row)
    db.session.add_all(made)
    db.session.flush()
    if group is not None:
        db.session.add_all([GroupMember(contact_id=row.id, group_id=group.id) for row in made])
    db.session.commit()
    return [row.id for row in made]


def make_campaign(person: Any, *groups: ContactGroup, commit: bool = True, **columns: Any) -> Campaign:
    """A draft of a mailbox at a proven domain to these groups."""
    mailbox = columns.pop("mailbox", None) or make_mailbox(person, commit=False)
    values = {
        "name": f"Campaign {next(_numbers)}", "from_email": mailbox.email, "subject": "Hello {{contact.first_name}}", "body_html": HTML,
        "mailbox_id": mailbox.id, "group_ids": [group.id for group in groups], **columns,
    }  # fmt: skip
    campaign = Campaign(workspace_id=person.workspace.id, **values)
    db.session.add(campaign)
    db.session.flush()
    if commit:
        db.session.commit()
    return campaign


def send(person: Any, campaign: Campaign) -> Campaign:
    """Begin it now."""
    begin_writing()
    life.send(person.actor, campaign.id)
    db.session.commit()
    return campaign


def again(campaign: Campaign) -> Campaign:
    """As it stands in the database now, once nothing is under way any more."""
    assert fleet.wait(30), "a batch is still under way"
    db.session.rollback()
    db.session.expire_all()
    return db.session.get_one(Campaign, campaign.id)
