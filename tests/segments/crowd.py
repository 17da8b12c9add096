"""Random contacts with everything that a segment can ask about, and random trees that ask it."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, ContactGroup, ContactTag, CustomField, Engagement, GroupMember, Tag
from webapp.core.db import db
from webapp.segments.language import CUSTOM_KINDS, FIELDS, KINDS

NOW = datetime(2026, 3, 25, 12, 0, tzinfo=UTC)
TEXTS = (
    "Ada", "ada", "ADA LOVELACE", "Özgür", "ÖZGÜR", "özgür şahin", "ΟΔΟΣ", "οδος", "οδός", "straße", "STRASSE", "100%", "100", "a_b", "axb",
    "a\\b", "[x]*", "x", "K", "k", "\u212a", "İstanbul", "istanbul", "ист", "ИСТ", "'; DROP TABLE contacts; --", "café", "CAFÉ", "山田",
    "^a.b$", "?", "a?b", "a]b", "naïve\u00a0x", "\U00010400\U00010428", "-", "\u01c5",
)  # fmt: skip
EMAILS = ("ada.", "ADA.1@ACME.TEST", "özgür.2@example.org", "example.org", "test", "@", "ÖZGÜR", "Max.3@shop.acme.test")
TIMES = ("unsubscribed_at", "bounced_at", "complained_at", "last_contacted_at", "last_active_at")
DOMAINS = ("acme.test", "example.org", "shop.acme.test")
TYPES = {
    "plan": "text", "score": "number", "birthday": "date", "vip": "checkbox", "likes": "multi_select", "size": "dropdown", "site": "url",
}  # fmt: skip
OPTIONS = ("Red", "red", "green", "blue", "gelb/grün", 'a"b')
NUMBERS = (0, 1, -1, 5, 49.5, 50, 1e15, 0.1, -2.25)
DAYS = ("2026-03-25", "2026-03-24", "2025-12-31", "1999-02-28", "0001-01-01", "9999-12-31")


def moments(chance: random.Random) -> datetime | None:
    if chance.random() < 0.3:
        return None
    return NOW - timedelta(days=chance.choice((0, 1, 7, 30, 90, 400)), seconds=chance.choice((-1, 0, 1, 43_200)))


def custom_value(chance: Any, kind: str) -> Any:
    """Mostly of the type; now and then of another one, or a word that only looks like it."""
    if chance.random() < 0.15:
        return chance.choice(("5", 5, 5.5, True, False, ["Red"], [], "2026-03-25", "true", "", {"a": 1}, [1, None], "2026-3-25"))
    if kind == "options":
        return chance.sample(OPTIONS, chance.randint(0, 3))
    return chance.choice({"text": TEXTS, "number": NUMBERS, "day": DAYS, "flag": (True, False)}[kind])


class Crowd:
    """A workspace full of people, as rows and as plain facts for `reference.holds`."""

    def __init__(self, workspace_id: int, size: int, seed: int = 1) -> None:
        self.chance: Any = random.Random(seed)
        self.workspace_id = workspace_id
        for position, (key, kind) in enumerate(TYPES.items()):
            db.session.add(CustomField(workspace_id=workspace_id, key=key, label=key.title(), type=kind, position=position))
        self.tags = [Tag(workspace_id=workspace_id, name=name, color="#112233") for name in ("vip", "trial", "big-spender", "nobody")]
        self.groups = [ContactGroup(workspace_id=workspace_id, name=name) for name in ("News", "Offers", "Empty")]
        db.session.add_all([*self.tags, *self.groups])
        db.session.flush()
        self.campaigns = [self.campaign(number) for number in range(3)]
        self.people = [self.person(number) for number in range(size)]
        db.session.flush()

    def campaign(self, number: int) -> int:
        """The first two were sent, the last is a draft."""
        done = number < 2
        row = Campaign(
            workspace_id=self.workspace_id, name=f"Letter {number}", state="sent" if done else "draft", from_email="a@acme.test",
            subject="x", body_html="x", started_at=NOW - timedelta(days=10 - number) if done else None,
        )  # fmt: skip
        db.session.add(row)
        db.session.flush()
        return row.id

    def person(self, number: int) -> dict[str, Any]:
        chance = self.chance

        def maybe() -> str | None:
            return None if chance.random() < 0.2 else "" if chance.random() < 0.1 else chance.choice(TEXTS)

        typed = f"{chance.choice(('Ada', 'özgür', 'max'))}.{number}@{chance.choice(DOMAINS)}"
        fields: dict[str, Any] = {name: maybe() for name in ("company", "phone", "job_title", "city", "state", "country", "postal_code")}
        fields |= {name: maybe() or "" for name in ("name", "first_name", "last_name")}
        fields |= {"email": typed, "address": typed.lower(), "domain": typed.rpartition("@")[2]}
        fields |= {"lead_score": chance.choice((0, 1, 49, 50, 100)), **{name: moments(chance) for name in TIMES}}
        fields |= {"subscribed": chance.random() < 0.5, "source": chance.choice(("page", "api", "import"))}
        fields |= {name: moments(chance) or NOW for name in ("created_at", "updated_at")}
        fields["custom_fields"] = {key: custom_value(chance, CUSTOM_KINDS[kind]) for key, kind in TYPES.items() if chance.random() < 0.8}
        row = Contact(workspace_id=self.workspace_id, **fields)
        db.session.add(row)
        db.session.flush()
        tags, groups = chance.sample(self.tags[:3], chance.randint(0, 3)), chance.sample(self.groups[:2], chance.randint(0, 2))
        db.session.add_all([ContactTag(contact_id=row.id, tag_id=tag.id) for tag in tags])
        db.session.add_all([GroupMember(contact_id=row.id, group_id=group.id) for group in groups])
        engaged = {}
        for campaign_id in chance.sample(self.campaigns, chance.randint(0, 3)):
            opened = moments(chance)
            clicked = opened if chance.random() < 0.5 else None
            engaged[campaign_id] = (opened, clicked)
            where = {"campaign_id": campaign_id, "contact_id": row.id, "workspace_id": self.workspace_id}
            db.session.add(Engagement(**where, opened_at=opened, clicked_at=clicked))
        return {
            **fields, "id": row.id, "tag": {tag.name for tag in tags}, "group": {group.id for group in groups}, "engaged": engaged,
            "last": self.campaigns[1],
        }  # fmt: skip

    # ------------------------------------------------------------------ trees

    def tree(self, level: int = 1) -> dict[str, Any]:
        """A tree that `language.checked` takes."""
        chance = self.chance
        wide = chance.randint(1, 3)
        nested = [self.tree(level + 1) if level < 4 and chance.random() < 0.25 else self.leaf() for _ in range(wide)]
        return {"match": chance.choice(("all", "any")), "conditions": nested}

    def leaf(self) -> dict[str, Any]:
        chance = self.chance
        names = [name for name, field in FIELDS.items() if field.kind != "received"] + [f"custom.{key}" for key in TYPES]
        name = chance.choice(names)
        kind = CUSTOM_KINDS[TYPES[name[7:]]] if name.startswith("custom.") else FIELDS[name].kind
        operator = chance.choice(list(KINDS[kind]))
        return {"field": name, "operator": operator, "value": self.value(name, kind, KINDS[kind][operator])}

    def value(self, name: str, kind: str, shape: str) -> Any:
        chance = self.chance
        if shape.endswith("s") and shape != "days":
            return [self.value(name, kind, shape[:-1]) for _ in range(chance.randint(1, 3))]
        if shape == "text" and kind == "options":
            return chance.choice(OPTIONS)
        if shape == "text" and name in ("email", "domain"):
            return chance.choice(EMAILS)
        if shape == "text":
            text = chance.choice(TEXTS)
            return text if chance.random() < 0.6 else chance.choice(text).strip() or text
        if shape == "named":
            return chance.choice([tag.name for tag in self.tags] if kind == "tag" else [group.id for group in self.groups])
        return chance.choice({
            "none": (None,), "number": NUMBERS, "day": DAYS, "flag": (True, False), "days": (1, 7, 30, 400),
            "source": ("page", "api", "mail"),
            "moment": (*DAYS, "2026-03-24T12:00:00Z", "2026-03-18T13:00:00+01:00"), "campaign": (*self.campaigns, "last", 999_999),
        }[shape])  # fmt: skip
