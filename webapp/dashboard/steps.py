"""The first steps of a workspace, each with its real state: what is done, what waits, what is next."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select

from webapp.accounts import invitations, second_factor
from webapp.accounts.models import Membership
from webapp.automation.models import Route
from webapp.core import counters
from webapp.core.actor import Actor
from webapp.core.config import settings
from webapp.core.db import db, utcnow
from webapp.core.lookup import mine
from webapp.core.wording import span
from webapp.domains.models import Domain
from webapp.mailboxes.models import Mailbox
from webapp.messages.models import Message
from webapp.sending.models import Delivery, Outgoing
from webapp.tokens.models import ApiToken


@dataclass
class Step:
    """One line of the checklist.

    state   done, next (under way) or todo
    goes    the endpoint of its button, with its `values`; posted to when `post`
    """

    title: str
    text: str
    state: str
    at: datetime | None = None
    goes: str = ""
    button: str = ""
    scope: str = ""
    post: bool = False
    values: dict[str, int] = field(default_factory=dict)


def look(actor: Actor) -> list[Step]:
    """The checklist, in the order of the first ten minutes."""
    mailbox, domain = _newest(actor, Mailbox), _newest(actor, Domain)
    return [
        _receive(actor, mailbox, domain), _send(actor), _token(actor), _route(actor), _domain(actor, domain), _invite(actor),
        _second_factor(actor),
    ]  # fmt: skip


def _newest(actor: Actor, model: Any) -> Any:
    return db.session.scalar(mine(actor, model).order_by(model.id.desc()).limit(1))


def _domain(actor: Actor, newest: Domain | None) -> Step:
    step = Step(
        "Add a domain", "Mail for it comes here once its records say so", "todo", None, "domains.new_page", "Add domain", "domains:create"
    )
    proven = db.session.scalar(mine(actor, Domain).where(Domain.status == "active").order_by(Domain.id.desc()).limit(1))
    if proven is not None:
        step.state, step.at, step.text = "done", proven.verified_at or proven.created_at, f"{proven.name} is verified"
    elif newest is not None:
        step.title = f"Add a domain: {newest.name}"
        step.state, step.text = "next", f"It waits for its TXT record{_checked(newest)}; mail from this machine works already"
        step.goes, step.button, step.scope, step.values = "domains.show_page", "Show records", "domains:read", {"domain_id": newest.id}
    return step


def _checked(domain: Domain) -> str:
    if domain.last_checked_at is None:
        return ", not looked up yet"
    return f", last looked up {span((utcnow() - domain.last_checked_at).total_seconds())} ago"


def _receive(actor: Actor, mailbox: Mailbox | None, domain: Domain | None) -> Step:
    """An address first; then a sample can be asked for, or a mail sent by hand."""
    known = settings()
    step = Step("Receive a mail", "", "todo")
    total = counters.read(actor.workspace_id, "messages:received")
    if total:
        step.state, step.text = "done", f"{total:,} received"
        if (message := _newest_received(actor)) is not None:
            step.at, step.text = message.created_at, f"“{(message.subject or 'No subject')[:60]}” reached {message.recipient}"
    elif mailbox is not None:
        step.state, step.text = "next", f"Send one to {mailbox.email}, SMTP at {known.smtp_host}:{known.smtp_port}"
        step.goes, step.button, step.scope, step.post = "dashboard.sample", "Send me a sample", "testmail:run", True
    elif domain is not None:
        step.text, step.goes = f"Needs a mailbox, such as hello@{domain.name}", "mailboxes.new_page"
        step.button, step.scope = "Add mailbox", "mailboxes:create"
    else:
        step.text = "Needs a domain and a mailbox; a name that you made up, such as try.example, is enough to begin"
        step.goes, step.button, step.scope = "domains.new_page", "Add domain", "domains:create"
    return step


def _newest_received(actor: Actor) -> Any:
    """Looked for among the newest messages only: behind a million sent ones the search would be long."""
    newest = mine(actor, Message).with_only_columns(Message.id).order_by(Message.id.desc()).limit(500)
    columns = select(Message.created_at, Message.subject, Message.recipient).where(Message.id.in_(newest.scalar_subquery()))
    return db.session.execute(columns.where(Message.direction == "received").order_by(Message.id.desc()).limit(1)).first()


def _invite(actor: Actor) -> Step:
    """Done when somebody else is a member; under way while an invitation is open."""
    step = Step("Invite people", "Each with a role of their own", "todo", None, "accounts.invite", "Invite people", "workspaces:write")
    of_others = Membership.workspace_id == actor.workspace_id, Membership.user_id != actor.user_id
    newest = select(Membership).where(*of_others).order_by(Membership.id.desc()).limit(4)
    members = list(db.session.scalars(newest))
    if members:
        names = [member.user.name or member.user.email for member in members[:3]]
        more = " and others" if len(members) > 3 else ""
        step.state, step.at = "done", members[0].created_at
        step.text = f"{', '.join(names)}{more} {'has' if len(members) == 1 else 'have'} joined"
    elif (open_ones := invitations.list_open(actor)) and actor.may("account:read"):
        step.state, step.text = "next", f"{open_ones[-1].email} has not answered yet"
        step.goes, step.button, step.scope = "accounts.members", "Show invitations", "account:read"
    return step


def _route(actor: Actor) -> Step:
    step = Step(
        "Make a route", "What a mail that arrives should set off", "todo", None, "automation.new_route", "Create route", "routes:write"
    )
    route = _newest(actor, Route)
    if route is not None:
        step.state, step.at, step.text = "done", route.created_at, f"{route.name} watches for mail"
    return step


def _send(actor: Actor) -> Step:
    step = Step("Send a mail", "By page, API or SMTP", "todo", None, "compose.new_mail", "Write mail", "messages:send")
    query = (
        select(Delivery.recipient, Delivery.state, Delivery.created_at, Delivery.finished_at)
        .join(Outgoing, Outgoing.id == Delivery.outgoing_id)
        .where(Delivery.workspace_id == actor.workspace_id)
        .order_by(Delivery.id.desc())
        .limit(1)
    )
    newest = db.session.execute(query).first()
    if newest is not None:
        done = newest.state in ("sent", "captured")
        step.state, step.at = ("done" if done else "next"), newest.finished_at if done else None
        verb = {"sent": "Sent to", "captured": "Captured, addressed to"}.get(newest.state, "On its way to")
        step.text = f"{verb} {newest.recipient}"
        if not done:
            step.goes, step.button, step.scope = "sending.queue", "Show sending log", "deliveries:read"
    return step


def _token(actor: Actor) -> Step:
    """Done when a program has used one."""
    query = mine(actor, ApiToken).order_by(ApiToken.last_used_at.desc().nulls_last(), ApiToken.id.desc())
    token = db.session.scalar(query.limit(1))
    step = Step(
        "Create a token", "Programs sign in with it, by API or SMTP", "todo", None, "tokens.new_page", "Create token", "tokens:write"
    )
    if token is not None:
        step.state, step.at = ("done" if token.last_used_at else "next"), token.last_used_at
        used = f"{token.name} was used from {token.last_used_ip}"
        step.text = used if token.last_used_at else f"{token.name} waits for its first call"
    return step


def _second_factor(actor: Actor) -> Step:
    """The person's own, unlike the others."""
    text = "A password that somebody else learns is then not enough"
    step = Step("Turn on second factor", text, "todo", None, "accounts.second_factor", "Turn on second factor", "account:read")
    state = second_factor.state(actor.user_id or 0)
    if state.since is not None:
        step.state, step.at, step.text = "done", state.since, f"Your app is asked at sign-in; {state.codes_left} recovery codes left"
    return step
