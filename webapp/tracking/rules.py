"""What a workspace decides about its people and campaigns: points of the lead score, custom fields that come in, the postal address."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from webapp.accounts.models import Workspace
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.campaigns.letters import POSTAL
from webapp.contacts.field_values import STRICT
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import NotFound, invalid
from webapp.tracking import scores

#: deeds that happen by now, with the least and the most points of each
DEEDS = {"open": (0, scores.MOST), "click": (0, scores.MOST), "bounce": (-scores.MOST, 0)}
#: characters of a postal address
LONGEST = 500


@dataclass(frozen=True)
class Rules:
    """points: deed -> points; strict: keys that nobody defined are refused; postal_address: in the footer of each campaign letter."""

    points: dict[str, int]
    strict: bool
    postal_address: str


def read(actor: Actor) -> Rules:
    """Those of the actor's workspace."""
    actor.require("contacts:read")
    return _of(_workspace(actor).settings or {})


def save(actor: Actor, rules: Rules) -> Rules:
    """They hold from now on; points that were given stay. raises Invalid about points.<deed> or postal_address"""
    actor.require("workspaces:write")
    for deed, (least, most) in DEEDS.items():
        if not least <= rules.points.get(deed, 0) <= most:
            raise invalid(f"points.{deed}", f"Write a whole number from {least} to {most}.")
    if len(rules.postal_address) > LONGEST:
        raise invalid("postal_address", f"At most {LONGEST} characters.")
    workspace = _workspace(actor, for_update=True)
    before = _of(workspace.settings or {})
    own = {deed: rules.points[deed] for deed in DEEDS if deed in rules.points}
    kept = (workspace.settings or {}).get(scores.KEY)
    points = {**(kept if isinstance(kept, dict) else {}), **own}
    workspace.settings = {**(workspace.settings or {}), scores.KEY: points, STRICT: rules.strict, POSTAL: rules.postal_address}
    after = _of(workspace.settings)
    if after != before:
        audit.record(actor, "workspace.update", Target("workspace", workspace.id, workspace.name), before=_told(before), after=_told(after))
    return after


def _workspace(actor: Actor, *, for_update: bool = False) -> Workspace:
    query = select(Workspace).where(Workspace.id == actor.workspace_id)
    found = db.session.scalar(query.with_for_update() if for_update else query)
    if found is None:
        raise NotFound("There is no such workspace.")
    return found


def _of(settings: dict[str, Any]) -> Rules:
    points = scores.weights(settings)
    return Rules({deed: points[deed] for deed in DEEDS}, bool(settings.get(STRICT)), str(settings.get(POSTAL) or ""))


def _told(rules: Rules) -> dict[str, Any]:
    return {scores.KEY: rules.points, STRICT: rules.strict, POSTAL: rules.postal_address}
