"""The SMTP door's decisions, without sockets: who may send as whom, who takes mail for an address, and taking it.

    login ─ check_sender ─ check_recipient ─ accept(arrivals): one transaction for all that wait, then 250

Replies are whole reply lines (`mail.status`); None means yes. Functions here are called from threads with an application context.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import failpoints, queue
from webapp.core.actor import Actor
from webapp.core.db import db, reading
from webapp.core.errors import HouseError, Unavailable
from webapp.core.queue import Bells
from webapp.intake import logins, lookup, recipients
from webapp.intake.logins import Who
from webapp.intake.lookup import Box
from webapp.intake.refusals import Refusals
from webapp.mail import mime, status
from webapp.mail.address import parse_address_list
from webapp.mail.smtp_in import Arrival
from webapp.mailboxes.addressing import Resolved
from webapp.mailboxes.limits import Over
from webapp.mailboxes.models import Mailbox
from webapp.messages import admission, raws, store
from webapp.messages.admission import Asked
from webapp.sending import service as sending

logger = logging.getLogger("mailroom.smtp")
MOST_HOPS = 50
TOO_MANY_HOPS = "554 5.4.6 The message has been through too many servers; it is going in circles"
NO_SENDER = "550 5.6.0 The message has no usable From header; add one with your address"
refusals = Refusals()
Taking = Mailbox | Box


def login(username: str, password: str, ip: str) -> Who | None:
    """A mailbox with its password, or `api` or a mailbox address with a token; a failure goes to the audit log."""
    who = logins.log_in(username, password, ip)
    if who is None:
        mailbox = logins.addressing.find_mailbox(username)
        workspace_id = mailbox.workspace_id if mailbox else 0
        db.session.rollback()
        name = username[:200]
        actor = Actor("mailbox", workspace_id, id=mailbox.id if mailbox else None, name=name, ip=ip)
        refusals.note(actor, "smtp.login", Target("mailbox", mailbox.id if mailbox else None, name), "wrong user name or password")
    return who


def check_sender(kind: str, who: Who | None, address: str, ip: str, size_bytes: int = 0) -> str | None:
    """At MAIL FROM: strangers may call themselves what they like, a login sends as a mailbox of its own."""
    if kind == "mx":
        return check_stranger(address)
    if who is None:
        return status.LOGIN_NEEDED
    if not logins.still(who):
        return status.LOGIN_NEEDED
    mailbox = logins.own_mailbox(who, address)
    if mailbox is None:
        refuse_address(who, address, "the envelope sender is not an address of this login")
        return status.SENDER_NOT_OWNED
    return logins.refusal_to_send(mailbox, size_bytes)


def check_stranger(address: str) -> str | None:
    """The same on the port for other servers, where no database is asked."""
    return None if not address or lookup.normal(address) is not None else status.BAD_SENDER


def check_recipient(kind: str, who: Who | None, address: str, ip: str, trusted: bool, size_bytes: int = 0) -> str | None:
    """At RCPT TO: the mailbox here that takes it; a login may also write to the rest of the world. size_bytes as MAIL FROM said it"""
    named = recipients.full(address)
    if named is None:
        return status.MAILBOX_UNKNOWN
    address = named
    if not recipients.is_address(address):
        return status.BAD_ADDRESS
    found = recipients.resolve(address)
    if who is not None and not recipients.is_ours(found, who.workspace_id):
        return None
    if found.reason == "unknown_domain":
        db.session.rollback()
        stranger = Actor("system", 0, name="SMTP", ip=ip)
        refusals.note(stranger, "smtp.relay", Target("address", None, address[:200]), "relaying was attempted")
    refusal = recipients.refusal(found, trusted or who is not None)
    if refusal is not None or found.mailbox is None:
        return refusal
    over = admission.look(found.mailbox, "received", size_bytes)
    return recipients.no_room(over) if over else None


def refuse_address(who: Who, address: str, reason: str) -> None:
    """A login tried to write under a foreign address."""
    db.session.rollback()
    actor = who.actor or Actor("mailbox", who.workspace_id, name=who.name, ip=who.ip)
    refusals.note(actor, "smtp.send", Target("address", None, address[:200] or "<>"), reason)


# --- taking mail ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ready:
    """An arrival whose source is packed (and, if large, safe in the blob store): what is left needs the database alone."""

    arrival: Arrival
    source: raws.Prepared


def receive(arrival: Arrival) -> str:
    """Take one message by itself; see `accept`."""
    return accept([arrival])[0]


def accept(arrivals: Sequence[Arrival], bells: list[Bells] | None = None) -> list[str]:
    """Take several messages in one transaction; after it every 250 is on disk. Answers in the same order.

    When the common transaction fails each is tried by itself, so that one message does not refuse its neighbours.
    bells  gets what is to be rung after the commits, for a caller that answers first; without it they are rung at each commit
    """
    ready: dict[int, Ready] = {}
    replies: dict[int, str] = {}
    for place, arrival in enumerate(map(with_full_addresses, arrivals)):
        try:
            failpoints.hit("accept.begin")
            refusal = look_at(arrival)
            if refusal is None:
                ready[place] = Ready(arrival, raws.prepare(arrival.raw))
                failpoints.hit("accept.prepared")
            else:
                replies[place] = refusal
        except Unavailable as error:
            logger.warning("cannot keep a message: %s", error.message)
            replies[place] = status.STORE_FULL
        except Exception as error:
            logger.exception("a message could not be looked at")
            replies[place] = _failure(error)
    from_logins = {place: one for place, one in ready.items() if one.arrival.login is not None}
    replies.update(_together({place: one for place, one in ready.items() if place not in from_logins}, deliver, bells))
    replies.update(_together(from_logins, submit, bells))
    return [replies.get(place, status.STORE_FAILED) for place in range(len(arrivals))]


def with_full_addresses(arrival: Arrival) -> Arrival:
    """The arrival with `postmaster` written out."""
    if all("@" in address for address in arrival.recipients):
        return arrival
    with reading():
        full = [recipients.full(address) or address for address in arrival.recipients]
        db.session.rollback()
    return replace(arrival, recipients=list(dict.fromkeys(full)))


def look_at(arrival: Arrival) -> str | None:
    """What can be refused before anything is written, so that no transaction waits for it; None: go on."""
    end = arrival.raw.find(b"\r\n\r\n")
    head = arrival.raw if end < 0 else arrival.raw[:end]
    if (b"\n" + head.lower()).count(b"\nreceived:") > MOST_HOPS:
        return TOO_MANY_HOPS
    if arrival.login is None:
        return None
    who: Who = arrival.login.data
    with reading():
        refusal, address = header_refusal(who, head)
        db.session.rollback()
    if address is not None:
        refuse_address(who, address, "the header From is not an address of this login")
    return refusal


def _together(
    ready: dict[int, Ready], take: Callable[[dict[int, Ready]], dict[int, str]], bells: list[Bells] | None
) -> dict[int, str]:
    """All of them in one transaction; when that fails, each in one of its own."""
    if not ready:
        return {}
    try:
        found = take(ready)
        failpoints.hit("accept.before_commit")
        held = None if bells is None else queue.hold_bells()
        db.session.commit()
        if bells is not None and held is not None:
            bells.append(held)
        failpoints.hit("accept.after_commit")
        return found
    except Refused as refused:
        db.session.rollback()
        if len(ready) == 1:
            return dict.fromkeys(ready, refused.reply)
    except Exception as error:
        db.session.rollback()
        if len(ready) == 1:
            logger.exception("a message could not be stored")
            return dict.fromkeys(ready, _failure(error))
        logger.warning("%s messages could not be stored together, trying each by itself: %s", len(ready), error)
    alone: dict[int, str] = {}
    for place, one in ready.items():
        alone.update(_together({place: one}, take, bells))
    return alone


def _failure(error: Exception) -> str:
    text = str(getattr(error, "orig", error)).lower()
    return status.STORE_FULL if "full" in text or "no space" in text else status.STORE_FAILED


class Refused(Exception):
    """A message that is refused after something of it was written; the transaction has to go."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


def deliver(ready: dict[int, Ready]) -> dict[int, str]:
    """From other servers: one copy in each mailbox, all of them in a few statements."""
    known = _known(ready.values())
    replies: dict[int, str] = {}
    wanted: dict[int, list[tuple[Taking, str]]] = {}
    for place, one in ready.items():
        boxes = _boxes(one, known)
        if isinstance(boxes, str):
            replies[place] = boxes
        else:
            wanted[place] = boxes
    replies.update(_without_room({place: _asked(ready[place], boxes) for place, boxes in wanted.items()}, recipients.no_room))
    rows: list[tuple[int, str, dict[str, Any]]] = []
    for place, boxes in wanted.items():
        if place not in replies:
            rows += [(place, ready[place].source.sha256, _copy(ready[place], mailbox, address)) for mailbox, address in boxes]
    if rows:
        ids = raws.keep_many(ready[place].source for place, _, _ in rows)
        failpoints.hit("accept.source_kept")
        made = store.store_many([{**row, "raw_id": ids[digest]} for _, digest, row in rows])
        for (place, _, _), message_id in zip(rows, made, strict=True):
            replies.setdefault(place, status.stored_as(message_id))
    return replies


def _known(ready: Iterable[Ready]) -> dict[str, Box | Resolved]:
    """What is known of each address of a group: most are those of a mailbox, one question finds them all."""
    addresses = {address: lookup.normal(address) for one in ready for address in one.arrival.recipients}
    found = lookup.find(filter(None, addresses.values()))
    return {address: found.get(text or "") or recipients.resolve(address) for address, text in addresses.items()}


def _asked(one: Ready, boxes: Sequence[tuple[Taking, str]]) -> list[Asked]:
    return [Asked(mailbox, "received", one.source.size_bytes) for mailbox, _ in boxes]


def _without_room(groups: dict[int, list[Asked]], reply: Callable[[Over], str]) -> dict[int, str]:
    """The replies of those whose mailboxes have no room. With several recipients the sender is to ask again, so that RCPT says whose."""
    verdicts = zip(groups, admission.admit(list(groups.values())), strict=True)
    found = {place: (reply(over), over) for place, over in verdicts if over is not None}
    return {
        place: status.MAILBOX_FULL if text.startswith("5") and over.limit != "size" and len(groups[place]) > 1 else text
        for place, (text, over) in found.items()
    }


def _boxes(one: Ready, known: dict[str, Box | Resolved]) -> list[tuple[Taking, str]] | str:
    """The mailboxes of one message with the address that each gets it for, or the reply that refuses it."""
    boxes: dict[int, tuple[Taking, str]] = {}
    for address in one.arrival.recipients:
        found = known[address]
        if isinstance(found, Box):
            mailbox: Taking | None = found
            refusal = None if found.verified or one.arrival.trusted else status.DOMAIN_UNVERIFIED
        else:
            mailbox, refusal = found.mailbox, recipients.refusal(found, one.arrival.trusted)
        if refusal is not None or mailbox is None:  # it was taken at RCPT, so let the sender ask again
            return refusal if refusal and refusal.startswith("4") else status.LOOKUP_FAILED
        boxes.setdefault(mailbox.id, (mailbox, address))
    return list(boxes.values())


def _copy(one: Ready, mailbox: Taking, address: str) -> dict[str, Any]:
    arrival = one.arrival
    return {
        "workspace_id": mailbox.workspace_id, "mailbox_id": mailbox.id, "direction": "received", "size_bytes": one.source.size_bytes,
        "envelope_sender": arrival.sender, "envelope_recipients": arrival.recipients, "recipient": lookup.normal(address) or address,
        "trusted": arrival.trusted, "ip": arrival.ip, "helo": arrival.helo,
    }  # fmt: skip


def submit(ready: dict[int, Ready]) -> dict[int, str]:
    """From logins: an archive copy in the mailbox of each, and a delivery for each recipient, those here included. raises Refused"""
    senders = {place: _sender(one) for place, one in ready.items()}
    groups = {place: [Asked(mailbox, "sent", ready[place].source.size_bytes)] for place, mailbox in senders.items()}
    replies = _without_room(groups, recipients.no_sending)
    return {place: replies.get(place) or _submit(one, senders[place]) for place, one in ready.items()}


def _sender(ready: Ready) -> Mailbox:
    """The mailbox as which a login sends. raises Refused"""
    mailbox = logins.own_mailbox(ready.arrival.login.data, ready.arrival.sender) if ready.arrival.login else None
    if mailbox is None:
        raise Refused(status.SENDER_NOT_OWNED)
    return mailbox


def _submit(ready: Ready, mailbox: Mailbox) -> str:
    arrival = ready.arrival
    who: Who = arrival.login.data  # type: ignore[union-attr]  # `_sender` asked
    try:
        outgoing = sending.submit(
            workspace_id=mailbox.workspace_id, mailbox_id=mailbox.id, envelope_sender=mailbox.email, recipients=arrival.recipients,
            raw=arrival.raw, kind="smtp", run_routes=True,
        )  # fmt: skip
    except HouseError as error:
        raise Refused(f"{'451 4.3.0' if error.retryable else '554 5.6.0'} {' '.join(error.message.split())[:400]}") from error
    actor = who.actor or Actor("mailbox", who.workspace_id, name=who.name, ip=who.ip)
    after = {"mailbox": mailbox.email, "recipients": arrival.recipients}
    audit.record(actor, "message.send", Target("message", outgoing.message_id, outgoing.subject or "(no subject)"), after=after)
    return status.stored_as(outgoing.message_id or outgoing.id)


def header_refusal(who: Who, head: bytes) -> tuple[str | None, str | None]:
    """The header From (and Sender) of a login must be addresses of its own, every one of them: (reply, the foreign address)."""
    parsed = mime.parse(head + b"\r\n\r\n")
    people = [address for value in parsed.header_all("from") for _, address in parse_address_list(value)]
    if not people:
        return NO_SENDER, None
    people += [address for value in parsed.header_all("sender") for _, address in parse_address_list(value)]
    for address in people:
        if logins.own_mailbox(who, address) is None:
            return status.SENDER_NOT_OWNED, address
    return None, None
