"""Who logs in over SMTP, and as whom they may send.

A mailbox with its password sends as that mailbox. A token with `messages:send` (user name `api`, or a mailbox address) sends as the
mailboxes that it may use. Both are asked again at each MAIL FROM, so that a revoked token or a changed password ends a long session too.
"""

from dataclasses import dataclass

from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import HouseError, Unauthenticated
from webapp.intake import recipients
from webapp.mail import status
from webapp.mail.address import BadAddress, normalise
from webapp.mailboxes import addressing
from webapp.mailboxes.models import Mailbox
from webapp.messages import admission
from webapp.sending import quota
from webapp.tokens import door, watching
from webapp.tokens import format as token_form

API_USER = "api"
CLIENT = "SMTP"


@dataclass(frozen=True)
class Who:
    """Somebody who logged in.

    mailbox_id, password_hash  of a mailbox login; the hash as it was then
    token                      the value of a token login
    """

    name: str
    workspace_id: int
    ip: str
    mailbox_id: int | None = None
    password_hash: str | None = None
    token: str | None = None
    actor: Actor | None = None


def log_in(username: str, password: str, ip: str) -> Who | None:
    """None for anything that does not fit; the caller answers the same for every reason."""
    if token_form.check(password)[0]:
        who = _by_token(username.strip(), password.strip(), ip)
        if who is not None and who.actor is not None:
            watching.note_login(who.actor, True, CLIENT)
        return who
    mailbox = addressing.check_login(username, password)
    if mailbox is None:
        return None
    actor = Actor(
        type="mailbox", workspace_id=mailbox.workspace_id, id=mailbox.id, name=mailbox.email, role="agent",
        scopes=frozenset({"messages:send"}), mailbox_ids=frozenset({mailbox.id}), ip=ip,
    )  # fmt: skip
    return Who(mailbox.email, mailbox.workspace_id, ip, mailbox_id=mailbox.id, password_hash=mailbox.password_hash, actor=actor)


def _by_token(username: str, value: str, ip: str) -> Who | None:
    try:
        actor = door.authenticate(value, ip, CLIENT)
    except Unauthenticated:
        return None
    if not actor.may("messages:send"):
        return None
    if username.lower() != API_USER and _usable(actor, username) is None:
        return None
    return Who(actor.name, actor.workspace_id, ip, token=value, actor=actor)


def _usable(actor: Actor, address: str) -> Mailbox | None:
    """The mailbox of this address, when the token may use it."""
    mailbox = addressing.find_mailbox(address)
    if mailbox is None or mailbox.workspace_id != actor.workspace_id or not actor.sees_mailbox(mailbox.id, mailbox.domain_id):
        return None
    return mailbox


def still(who: Who) -> bool:
    """Whether the login would be let in now."""
    if who.token is not None:
        return _by_token(API_USER, who.token, who.ip) is not None
    mailbox = db.session.get(Mailbox, who.mailbox_id)
    return mailbox is not None and mailbox.deleted_at is None and mailbox.password_hash == who.password_hash


def own_mailbox(who: Who, address: str) -> Mailbox | None:
    """The mailbox of an address, when this login may send as it."""
    try:
        email = normalise(address)
    except BadAddress:
        return None
    if who.token is not None and who.actor is not None:
        return _usable(who.actor, email)
    mailbox = db.session.get(Mailbox, who.mailbox_id)
    return mailbox if mailbox is not None and mailbox.deleted_at is None and mailbox.email == email else None


def refusal_to_send(mailbox: Mailbox, size_bytes: int = 0) -> str | None:
    """The reply when this mailbox may not send now: switched off, paused, or beyond its limits. size_bytes as MAIL FROM said it"""
    try:
        quota.check_allowed(mailbox)
    except HouseError:
        return status.SENDING_REFUSED
    over = admission.look(mailbox, "sent", size_bytes)
    return recipients.no_sending(over) if over else None
