"""What hangs on the things in the trash, in a few words each: mails of a mailbox, mailboxes of a domain, the place of a route.

One query for each kind on the page, however many rows it has; and whether the address or name of a thing is taken by now.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import func, select

from webapp.automation.models import Action, Route, RouteAction, RouteRule, Rule
from webapp.campaigns.models import Campaign
from webapp.core import counters
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.trash import Trashed
from webapp.core.wording import human_bytes
from webapp.domains.models import Domain
from webapp.mailboxes.models import Mailbox
from webapp.messages import totals
from webapp.messages.models import Message

Key = tuple[str, int]


def describe(actor: Actor, items: Sequence[Trashed]) -> dict[Key, str]:
    """(kind, id) -> what it holds, empty where there is nothing to say."""
    found: dict[Key, str] = {}
    for kind, look in _LOOKS.items():
        ids = [item.id for item in items if item.kind == kind]
        if ids:
            found.update({(kind, row_id): text for row_id, text in look(actor, ids).items()})
    return found


def taken(items: Sequence[Trashed]) -> set[Key]:
    """Those whose address is somebody else's by now, so that they cannot come back before that one goes."""
    found: set[Key] = set()
    for kind, model, name in (("mailbox", Mailbox, Mailbox.email), ("domain", Domain, Domain.name)):
        by_name = {item.name: item.id for item in items if item.kind == kind}
        if by_name:
            model_: Any = model
            living = select(name).where(name.in_(by_name), model_.deleted_at.is_(None))
            found |= {(kind, by_name[text]) for text in db.session.scalars(living)}
    return found


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}{'es' if noun.endswith('x') else 's'}"


def _domains(actor: Actor, ids: list[int]) -> dict[int, str]:
    query = select(Mailbox.domain_id, func.count()).where(Mailbox.domain_id.in_(ids), Mailbox.deleted_at.is_not(None))
    numbers: dict[int, int] = {row[0]: row[1] for row in db.session.execute(query.group_by(Mailbox.domain_id))}
    return {row_id: f"{_plural(numbers[row_id], 'mailbox')}, in the trash too" for row_id in ids if numbers.get(row_id)}


def _mailboxes(actor: Actor, ids: list[int]) -> dict[int, str]:
    names = {totals.name(row_id): row_id for row_id in ids}
    sizes = {totals.name(row_id, "bytes"): row_id for row_id in ids}
    found = counters.read_many(actor.workspace_id, [*names, *sizes])
    bytes_of = {row_id: found[name] for name, row_id in sizes.items()}
    return {row_id: f"{_plural(found[name], 'mail')}, {human_bytes(bytes_of[row_id])}" for name, row_id in names.items() if found[name]}


def _messages(actor: Actor, ids: list[int]) -> dict[int, str]:
    query = select(Message.id, Message.sender, Message.size_bytes, Mailbox.email).outerjoin(Mailbox, Mailbox.id == Message.mailbox_id)
    rows = db.session.execute(query.where(Message.id.in_(ids)))
    return {row.id: f"from {row.sender or 'nobody'} in {row.email or 'system mail'}, {human_bytes(row.size_bytes)}"[:160] for row in rows}


def _routes(actor: Actor, ids: list[int]) -> dict[int, str]:
    rules = select(RouteRule.route_id, func.count()).where(RouteRule.route_id.in_(ids)).group_by(RouteRule.route_id)
    steps = select(RouteAction.route_id, func.count()).where(RouteAction.route_id.in_(ids)).group_by(RouteAction.route_id)
    conditions: dict[int, int] = {row[0]: row[1] for row in db.session.execute(rules)}
    actions: dict[int, int] = {row[0]: row[1] for row in db.session.execute(steps)}
    places = db.session.execute(select(Route.id, Mailbox.email).join(Mailbox, Mailbox.id == Route.mailbox_id).where(Route.id.in_(ids)))
    return {
        route_id: f"of {email}, {_plural(conditions.get(route_id, 0), 'rule')}, {_plural(actions.get(route_id, 0), 'action')}"
        for route_id, email in places
    }


def _rules(actor: Actor, ids: list[int]) -> dict[int, str]:
    rows = db.session.execute(select(Rule.id, Rule.field, Rule.type, Rule.value).where(Rule.id.in_(ids)))
    return {row.id: f"{row.field.replace('_', ' ')} {row.type.replace('_', ' ')} {row.value}"[:120] for row in rows}


def _actions(actor: Actor, ids: list[int]) -> dict[int, str]:
    return {row.id: row.type.replace("_", " ") for row in db.session.execute(select(Action.id, Action.type).where(Action.id.in_(ids)))}


def _campaigns(actor: Actor, ids: list[int]) -> dict[int, str]:
    rows = db.session.execute(select(Campaign.id, Campaign.state, Campaign.recipients_count).where(Campaign.id.in_(ids)))
    return {row.id: f"{row.state}, {row.recipients_count:,} people" for row in rows}


_LOOKS: dict[str, Callable[[Actor, list[int]], dict[int, str]]] = {
    "domain": _domains, "mailbox": _mailboxes, "message": _messages, "route": _routes, "rule": _rules, "action": _actions,
    "campaign": _campaigns,
}  # fmt: skip
