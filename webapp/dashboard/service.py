"""What the home page shows: first steps with their real state, the few numbers that matter, recent activity."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from webapp.audit import service as audit
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.lookup import mine
from webapp.tokens.models import ApiToken

#: a token that ends within this time wants to be replaced
ROTATE = timedelta(days=14)


@dataclass
class Step:
    """One line of the checklist. state: done, next (under way) or todo; `goes` is the endpoint of its button."""

    title: str
    text: str
    state: str
    at: datetime | None = None
    goes: str = ""
    button: str = ""
    scope: str = ""


@dataclass
class Home:
    steps: list[Step] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    activity: list[Any] = field(default_factory=list)
    computed_at: datetime = field(default_factory=utcnow)

    @property
    def done(self) -> int:
        return sum(step.state == "done" for step in self.steps)


def look(actor: Actor) -> Home:
    """Everything on the home page, a fixed number of indexed queries."""
    home = Home(activity=audit.latest(actor, limit=8))
    home.steps.append(token_step(actor))
    home.figures.append(tokens_to_rotate(actor))
    return home


def token_step(actor: Actor) -> Step:
    """Done when a program has used a token."""
    token: ApiToken | None = db.session.scalar(
        mine(actor, ApiToken).order_by(ApiToken.last_used_at.desc().nulls_last(), ApiToken.id.desc()).limit(1)
    )
    step = Step(
        "Create a token",
        "Programs sign in with it, by API or SMTP",
        "todo",
        goes="tokens.new_page",
        button="Create token",
        scope="tokens:write",
    )
    if token is not None:
        step.state = "done" if token.last_used_at else "next"
        step.at = token.last_used_at
        step.text = f"{token.name} was used from {token.last_used_ip}" if token.last_used_at else f"{token.name} waits for its first call"
    return step


def tokens_to_rotate(actor: Actor) -> dict[str, Any]:
    now = utcnow()
    ending = mine(actor, ApiToken).where(
        ApiToken.revoked_at.is_(None), ApiToken.kind != "workspace", ApiToken.expires_at > now, ApiToken.expires_at < now + ROTATE
    )
    number = db.session.scalar(select(func.count()).select_from(ending.limit(1000).subquery())) or 0
    return {
        "name": "Tokens to rotate",
        "value": number,
        "note": "End within 14 days",
        "goes": "tokens.list_page",
        "tone": "warn" if number else "",
    }
