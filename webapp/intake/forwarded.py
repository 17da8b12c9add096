"""Reports about mail that a mailbox sent on: a bounce to its return path goes back to whoever wrote the mail.

Only delivery reports without an envelope sender go on, again without one, so that a bounce of a bounce ends here; only to senders whose
mail was proven and sent on by that mailbox (`automation.forwarding`), and no more than a budget. What else comes to such an address stays
in the archive of the mailbox.
"""

import logging
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from webapp.automation import exchanges, forwarding
from webapp.core.db import db
from webapp.core.errors import HouseError
from webapp.intake import returns
from webapp.mail import srs
from webapp.mail.bounce import read_bounce
from webapp.mailboxes.models import Mailbox
from webapp.messages import store
from webapp.sending import return_path
from webapp.sending import service as sending
from webapp.sending.models import Delivery, Outgoing

logger = logging.getLogger("mailroom.intake")


class Read(returns.Read, Protocol):
    """A mail that was read, with what is needed to hand it on."""

    mailbox_id: int | None
    raw_id: int
    request_id: str | None


def look(mails: Sequence[Read]) -> dict[int, str]:
    """What `returns.look` says of a batch, and besides: reports about forwarded mail, handed back (`pipeline.look_for`)."""
    found = returns.look(mails)
    for mail in mails:
        if origin := origin_of(mail):
            done = hand_back(mail, origin)
            found[mail.id] = f"{found[mail.id]} {done}" if mail.id in found else done
    return found


def origin_of(mail: Read) -> str | None:
    """Who wrote the mail that this one is about, when its recipient is a return path of forwarded mail; None for all other mail."""
    address = (mail.recipient or "").lower()
    if not srs.is_rewritten(address):
        delivery_id = return_path.read(address)
        if delivery_id is None:
            return None
        query = select(Outgoing.envelope_sender).join(Delivery, Delivery.outgoing_id == Outgoing.id)
        address = db.session.scalar(query.where(Delivery.id == delivery_id, Outgoing.kind == "forward")) or ""
    try:
        return forwarding.srs_origin(address) if srs.is_rewritten(address) else None
    except srs.BadReturnPath:
        return None


def hand_back(mail: Read, origin: str) -> str:
    """Send the report on, in the caller's transaction. returns a sentence for the timeline"""
    if mail.envelope_sender.strip("<> "):
        return "It came to a return path of forwarded mail and is no report, so it went no further."
    if (report := read_bounce(mail.parsed)) is None:
        return "It came to a return path of forwarded mail and reports nothing about a delivery, so it went no further."
    if report.kind not in ("bounce", "temporary-failure", "bounce-without-recipient"):
        return "It tells about a forwarded mail that is not lost, so it went no further."
    mailbox = db.session.get(Mailbox, mail.mailbox_id) if mail.mailbox_id is not None else None
    if mailbox is None:
        return "The mailbox that forwarded the mail is gone."
    if reason := exchanges.take(mailbox, exchanges.of_return(origin)):
        return reason
    try:
        with db.session.begin_nested():
            sending.submit(
                workspace_id=mailbox.workspace_id, mailbox_id=mailbox.id, envelope_sender="", recipients=[origin],
                raw=store.load_raw(mail.raw_id), kind="forward", source_type="message", source_id=mail.id, request_id=mail.request_id,
                from_address=mailbox.email,
            )  # fmt: skip
    except SQLAlchemyError:
        raise
    except HouseError as error:
        logger.info("a report about forwarded mail cannot go back: %s", error.message)
        return f"It could not go back to {origin}: {error.message}"
    return f"It is a report about a forwarded mail and went back to {origin}, who wrote that mail."
