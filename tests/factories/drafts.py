"""A campaign that could be sent, written through the service as a person would; keywords override."""

from itertools import count
from typing import Any

from tests.factories.contacts import make_group, make_many_contacts
from tests.factories.mailboxes import make_mailbox
from webapp.campaigns import service
from webapp.campaigns.models import Campaign
from webapp.core.db import db

LETTER = '<p>Hello {{contact.first_name}}, <a href="https://shop.test/news">read on</a>.</p>'
_numbers = count(1)


def make_draft(person: Any, *, people: int = 3, commit: bool = True, **given: Any) -> Campaign:
    """A draft to a group of `people` contacts, from a mailbox whose domain is verified; given: as `create_campaign` takes it"""
    number = next(_numbers)
    if "mailbox_id" not in given:
        mailbox = make_mailbox(person, f"news{number}@news{person.workspace.id}.test", commit=False)
        given["mailbox_id"] = mailbox.id
        given.setdefault("from_email", mailbox.email)
    if "group_ids" not in given:
        group = make_group(person, commit=False)
        if people:
            make_many_contacts(person, people, group=group, commit=False)
        given["group_ids"] = [group.id]
    defaults = {"name": f"Campaign {number}", "subject": "Hello {{contact.first_name}}", "body_html": LETTER, "from_name": "Acme"}
    campaign = service.create_campaign(person.actor, **{**defaults, **given})
    db.session.commit() if commit else db.session.flush()
    return campaign
