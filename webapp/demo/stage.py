"""Builds the sample workspace through the services, so that audit log, counters and rules hold as for anybody else. Made once."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from flask import Flask
from sqlalchemy import select

from webapp.accounts import links
from webapp.accounts import service as accounts
from webapp.accounts.models import Membership, User
from webapp.automation import routes, rules, saved_actions
from webapp.automation.models import Action
from webapp.core.actor import Actor
from webapp.core.db import begin_writing, db
from webapp.demo import audience, cast
from webapp.domains import service as domains
from webapp.domains import verification
from webapp.mailboxes import service as mailboxes
from webapp.mailboxes.models import Mailbox
from webapp.tokens import service as tokens
from webapp.tokens.models import ApiToken

#: the name of the token that the traffic uses; a new one is made at each start and the one before is revoked
TOKEN_NAME = "Shop backend"  # noqa: S105  # a name
SHOP = "Tell the shop"


@dataclass(frozen=True)
class Stage:
    """What the traffic needs to know: a token of the shop's backend, the mailbox that it sends from, and who reads campaigns."""

    token: str
    orders_id: int
    #: marks of campaign mail that is read
    readers: tuple[str, ...] = ()


def password(instance: Path) -> str:
    """The password of the sample's owner: made at the first start, kept readable for this user alone."""
    file = instance / "demo-password"
    if not file.exists():
        instance.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(12) + "\n", encoding="ascii")
    return file.read_text(encoding="ascii").strip()


def set_up(app: Flask, word: str, hook_url: str) -> Stage:
    """Make the sample unless it is there, point its webhook at this start's receiver, and make a fresh token. Commits.

    word      password of the owner when they are made
    hook_url  where the shop of the sample takes its webhooks
    """
    with app.app_context():
        begin_writing()
        actor = _owner()
        if actor is None:
            links.create_user_by_cli(cast.OWNER, word, cast.WORKSPACE, "owner")
            actor = _owner()
            assert actor is not None
            _furnish(actor)
        hook = db.session.scalar(select(Action).where(Action.workspace_id == actor.workspace_id, Action.name == SHOP))
        if hook is not None:
            saved_actions.update_action(actor, hook.id, {"parameters": {**hook.parameters, "url": hook_url}})
        value = _fresh_token(actor)
        orders = select(Mailbox.id).where(Mailbox.workspace_id == actor.workspace_id, Mailbox.email == f"orders@{cast.DOMAIN}")
        orders_id = db.session.scalar(orders)
        marks = audience.readers(actor.workspace_id)
        db.session.commit()
        return Stage(value, orders_id or 0, tuple(marks))


def _owner() -> Actor | None:
    """The owner of the sample, if it was made."""
    query = select(User, Membership).join(Membership, Membership.user_id == User.id).where(User.email == cast.OWNER)
    found = db.session.execute(query.order_by(Membership.id).limit(1)).first()
    return accounts.actor_for(found[0], found[1].workspace_id, found[1].role) if found else None


def _fresh_token(actor: Actor) -> str:
    for token in db.session.scalars(select(ApiToken).where(ApiToken.workspace_id == actor.workspace_id, ApiToken.name == TOKEN_NAME)):
        if token.revoked_at is None:
            tokens.revoke_token(actor, token.id)
    scopes = ["messages:send", "mailboxes:read", "archives:read", "logs:read", "deliveries:read"]
    return tokens.create_token(actor, name=TOKEN_NAME, kind="ops", scopes=scopes, expires_in=86400)[1]


def _furnish(actor: Actor) -> None:
    """Colleagues, domains, mailboxes, rules, actions, routes."""
    for address, name, role in cast.COLLEAGUES:
        accounts.add_member(actor, email=address, name=name, password=secrets.token_urlsafe(16), role=role)
    domain = domains.create_domain(actor, name=cast.DOMAIN, note="Where the customers write to")
    verification.verify_domain(actor, domain.id, by_hand=True)
    domains.create_domain(actor, name=cast.UNFINISHED_DOMAIN, note="Its DNS is not set up yet")
    boxes = {}
    for local_part, (name, note) in cast.MAILBOXES.items():
        boxes[local_part] = mailboxes.create_mailbox(actor, domain_id=domain.id, local_part=local_part, display_name=name, note=note)[0]
    mailboxes.pause_mailbox(actor, boxes["press"].id)
    audience.gather(actor, boxes["orders"])
    _automate(actor, boxes)
    tokens.create_token(actor, name="Reporting", kind="ops", scopes=["archives:read", "logs:read"], expires_in=10 * 86400)


def _automate(actor: Actor, boxes: dict[str, Mailbox]) -> None:
    order = rules.create_rule(actor, name="Subject names an order", type="regex", field="subject", value=r"^Order \d{5}$")
    invoice = rules.create_rule(actor, name="Is an invoice", type="includes", field="subject", value="Invoice")
    urgent = rules.create_rule(actor, name="Is urgent", type="includes", field="subject", value="URGENT", case_sensitive=True)
    noise = rules.create_rule(actor, name="Is a newsletter", type="includes", field="subject", value="Newsletter")

    def action(name: str, type: str, **parameters: object) -> int:
        return saved_actions.create_action(actor, name=name, type=type, parameters=parameters).id

    shop = action(SHOP, "webhook", url="https://shop.juniper.example/mail")
    thanks = "Thank you. We pack it today.\n\nJuniper Cycles"
    thank = action("Thank the customer", "send_mail", subject="We have your order", body=thanks, to=["$SENDER"])
    count = action("Remember the customer", "set_data", emails=["$SENDER"], data={"last_order": "$SUBJECT"})
    forward = action("To invoices", "forward", to=[f"invoices@{cast.DOMAIN}"], subject_prefix="[Invoice]")
    mark = action("Mark as urgent", "change_mail", headers={"X-Priority-Of-Shop": "1"})
    drop = action("Throw away", "drop")

    def route(box: str, name: str, rule_id: int, *action_ids: int) -> None:
        steps = [{"action_id": number} for number in action_ids]
        routes.create_route(actor, mailbox_id=boxes[box].id, name=name, rule_ids=[rule_id], actions=steps)

    route("orders", "Orders to the shop", order.id, count, shop, thank)
    route("orders", "Invoices to bookkeeping", invoice.id, forward)
    route("orders", "No newsletters", noise.id, drop)
    route("support", "Urgent first", urgent.id, mark, shop)
