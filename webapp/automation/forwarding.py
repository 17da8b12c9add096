"""Mail that a mailbox sends on as it is: its return path, who is meant by a bounce to one, and mail that was here before.

A mail keeps its envelope sender when that is an address of this workspace's proven domains, and a mail without sender stays without one.
Everybody else's becomes a return path at the mailbox's own domain (`mail.srs`), because receivers would find that we may not send for
theirs. That needs a proven sender: what a stranger only claims is never written to, so such mail goes on with the mailbox as its sender,
and so does mail whose return path would be too long. Reports about it come to the mailbox then.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from webapp.automation import exchanges
from webapp.automation.models_loops import Exchange
from webapp.automation.models_runs import Run
from webapp.core import secrets
from webapp.core.db import db
from webapp.core.outside import outside
from webapp.domains import service as domains
from webapp.mail import srs
from webapp.mail.address import BadAddress, normalise
from webapp.mailboxes import addressing
from webapp.mailboxes.addressing import Resolved
from webapp.mailboxes.models import Mailbox
from webapp.messages.models import Message
from webapp.sending.models import Outgoing

PURPOSE = "forwarding"
#: how long a Message-ID that a mailbox sent on is remembered against loops
REMEMBERED = timedelta(days=7)
AUTOMATIC = ("forward", "auto_reply")


def return_path(mailbox: Mailbox, message: Message | None, sender: str) -> str:
    """The envelope sender under which a mail of `sender` goes on unchanged; in the transaction that hands it over."""
    try:
        email = normalise(sender) if sender else ""
    except BadAddress:
        return mailbox.email
    domain = domains.find_domain(email.rpartition("@")[2]) if email else None
    if not email or (domain is not None and domain.is_verified and domain.workspace_id == mailbox.workspace_id):
        return email
    if message is None or not is_proven(message, email):
        return mailbox.email
    try:
        path = srs.forward(email, mailbox.domain_name, secrets.derived(PURPOSE), outside().clock.now().date())
    except ValueError:
        return mailbox.email
    exchanges.remember(mailbox, "return", srs_origin(path))
    return path


def is_proven(message: Message, sender: str) -> bool:
    """Whether the mail surely comes from its envelope sender, so that a report to it reaches whoever sent it (RELIABILITY C-16)."""
    if message.trusted:
        return True
    verdict: dict[str, Any] = message.auth_verdict or {}
    spf = verdict.get("spf") or {}
    if spf.get("result") == "pass" and spf.get("identity") == "mailfrom":
        return True
    return verdict.get("overall") == "pass" and (message.sender or "").rpartition("@")[2] == sender.rpartition("@")[2]


def srs_origin(path: str) -> str:
    """Whom a bounce to this return path is for, in normal form. raises srs.BadReturnPath"""
    return srs.reverse(path, secrets.all_derived(PURPOSE), outside().clock.now().date()).lower()


def home_of(address: str) -> Resolved | None:
    """Who takes a mail to a return path of forwarded mail: the mailbox that sent it on last.

    None for addresses of any other kind. A forged one, one that is out of date, and one of a sender whose mail was not sent on by a
    mailbox of that domain are unknown mailboxes, whatever the domain's catch-all takes.
    """
    if not srs.is_rewritten(address):
        return None
    domain = domains.find_domain(address.rpartition("@")[2])
    if domain is None or not domain.is_verified or addressing.find_mailbox(address) is not None:
        return None
    try:
        origin = srs_origin(address)
    except srs.BadReturnPath:
        return Resolved(None, domain, "unknown_mailbox")
    query = select(Mailbox).join(Exchange, Exchange.mailbox_id == Mailbox.id).where(
        Exchange.kind == "return", Exchange.correspondent == origin, Mailbox.domain_id == domain.id, Mailbox.deleted_at.is_(None)
    )  # fmt: skip
    mailbox = db.session.scalars(query.order_by(Exchange.last_at.desc()).limit(1)).first()
    return Resolved(mailbox, domain, None if mailbox is not None else "unknown_mailbox")


def sent_before(mailbox: Mailbox, message_id: int | None, header: str, kinds: tuple[str, ...] = AUTOMATIC) -> bool:
    """Whether a route of this mailbox sent a mail with this Message-ID lately, made from another mail than the one at hand.

    message_id  of the mail at hand, which several routes may send on
    header      Message-ID, with or without angle brackets
    """
    name = header.strip().strip("<>")
    if not name:
        return False
    query = select(Outgoing.id).outerjoin(Run, (Outgoing.source_type == "run") & (Run.id == Outgoing.source_id)).where(
        Outgoing.workspace_id == mailbox.workspace_id, Outgoing.message_id_header == name, Outgoing.mailbox_id == mailbox.id,
        Outgoing.kind.in_(kinds), Outgoing.created_at > outside().clock.now() - REMEMBERED,
        Run.message_id.is_(None) | (Run.message_id != message_id),
    )  # fmt: skip
    return db.session.scalar(query.limit(1)) is not None
