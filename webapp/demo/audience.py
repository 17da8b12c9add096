"""The readers of the sample: contacts with groups, tags and a segment, and three campaigns, one sent, one being sent, one a draft."""

from random import Random
from typing import Any

from sqlalchemy import select

from webapp.campaigns import life, marks
from webapp.campaigns import service as campaigns
from webapp.campaigns.models import Campaign
from webapp.campaigns.starts import STARTS
from webapp.contacts import groups
from webapp.contacts import service as contacts
from webapp.contacts.models import Contact
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.demo.cast import CUSTOMERS
from webapp.mailboxes.models import Mailbox
from webapp.segments import service as segments

PEOPLE = 120
#: contacts that may open and click
MOST_READERS = 200
FIRST = ["Ines", "Oskar", "Maya", "Jonas", "Aiko", "Léa", "Tomás", "Priya", "Anna", "Nils", "Ruth", "Omar", "Elif", "Bo", "Ida", "Kai"]
LAST = ["Lindgren", "Holm", "Okafor", "Weiss", "Tanaka", "Fournier", "Rey", "Nair", "Kowalska", "Berg", "Sand", "Ode"]
TOWNS = ("Malmö", "Oslo", "Ghent", "Turin")
HOSTS = ("posthuset.example", "mottak.example", "lindgren.example", "mail.example")
#: the campaign whose readers open and click, the one that takes two hours, and its mails a minute
SENT, SLOW, SLOWLY = "Autumn service offer", "Workshop evening", 1
SHOP = "https://juniper.example/"


def gather(actor: Actor, sender: Mailbox) -> None:
    """Make people, a segment and the campaigns; the first two begin at once."""
    news = groups.create_group(actor, name="Newsletter", description="Signed up in the shop")
    workshop = groups.create_group(actor, name="Workshop customers", description="Had their bicycle repaired here")
    _people(actor, Random(7), news.id, workshop.id)  # noqa: S311  # a sample, not a secret
    quiet = segments.create_segment(
        actor, name="Malmö and Oslo", conditions=[{"field": "city", "operator": "in", "value": ["Malmö", "Oslo"]}],
    )  # fmt: skip
    letter = STARTS["news"].body.replace("https://example.com/news", f"{SHOP}service")
    letter = letter.replace("</p>\n  <p>Kind", f'</p>\n  <p>Or <a href="{SHOP}workshop">look who is at the workshop</a>.</p>\n  <p>Kind')
    same: dict[str, Any] = {"mailbox_id": sender.id, "from_email": sender.email, "from_name": "Juniper Cycles", "body_html": letter}
    sent = campaigns.create_campaign(
        actor, name=SENT, subject='{{ contact.first_name | default: "Hello" }}, your bike has earned a service', group_ids=[news.id],
        preheader="Two weeks, half the price", **same,
    )  # fmt: skip
    slow = campaigns.create_campaign(
        actor, name=SLOW, subject="Thursday evening: true your own wheels", group_ids=[news.id], send_rate=SLOWLY, **same
    )
    campaigns.create_campaign(
        actor, name="Winter tyres", subject="Before the first frost", segment_ids=[quiet.id], body_format="mjml",
        **{**same, "body_html": STARTS["mjml"].body},
    )  # fmt: skip
    for campaign in (sent, slow):
        life.send(actor, campaign.id)


def _people(actor: Actor, chance: Random, news: int, workshop: int) -> None:
    for person in CUSTOMERS:
        contacts.create_contact(actor, email=person.address, name=person.name, tags=["customer"], group_ids=[news, workshop], source="page")
    for number in range(PEOPLE):
        first, last = chance.choice(FIRST), chance.choice(LAST)
        plain = f"{first}.{last}{number}".lower().replace("é", "e").replace("á", "a")
        contacts.create_contact(
            actor, email=f"{plain}@{chance.choice(HOSTS)}", name=f"{first} {last}", city=chance.choice(TOWNS),
            tags=["lead"] if number % 4 == 0 else [], group_ids=[news] + ([workshop] if number % 3 == 0 else []), source="page",
        )  # fmt: skip


def readers(workspace_id: int) -> list[str]:
    """Marks of copies that readers of the sent campaign open and click."""
    campaign_id = db.session.scalar(
        select(Campaign.id).where(Campaign.workspace_id == workspace_id, Campaign.name == SENT).order_by(Campaign.id).limit(1)
    )
    if campaign_id is None:
        return []
    mine = Contact.workspace_id == workspace_id, Contact.subscribed.is_(True)
    ids = db.session.scalars(select(Contact.id).where(*mine).order_by(Contact.id).limit(MOST_READERS))
    return marks.tokens(campaign_id, ids)
