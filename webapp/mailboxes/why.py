"""Where a mailbox stands and why, in one sentence, and what deleting it does."""

from collections.abc import Sequence
from datetime import datetime

from webapp.core.wording import human_bytes, number
from webapp.domains.models import Domain
from webapp.domains.why import Why
from webapp.mailboxes import limits
from webapp.mailboxes.limits import Meter
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.usage import Usage


def explain(mailbox: Mailbox, domain: Domain | None, meters: Sequence[Meter] = (), now: datetime | None = None) -> Why:
    """The state of a mailbox for its page; `meters` are its limits."""
    if mailbox.status == "paused":
        return Why(
            "off",
            f"{mailbox.email} is paused: it neither takes nor sends mail.",
            "Senders are told to try again later, so that nothing is lost if it is resumed within a few days.",
        )
    if not mailbox.can_receive and not mailbox.can_send:
        return Why("warn", f"{mailbox.email} neither receives nor sends mail: both are switched off.", "Change the mailbox to use it.")
    if fullest := max((one for one in meters if one.level), key=lambda one: one.used / one.limit, default=None):
        return _limited(mailbox, fullest, now)
    if domain is not None and not domain.is_verified:
        return Why(
            "wait",
            f"{mailbox.email} waits for its domain: {domain.name} is not verified yet.",
            "Until then it takes mail from trusted networks and logins only, and runs no routes.",
        )
    if not mailbox.can_receive:
        return Why("ok", f"{mailbox.email} sends mail and takes none.", "Mail to it is refused, and its sender is told.")
    if not mailbox.can_send:
        return Why("ok", f"{mailbox.email} takes mail and sends none.", "A login is accepted, sending with it is refused.")
    return Why("ok", f"{mailbox.email} takes and sends mail.", "")


#: what happens to mail at a limit, by its name
AT_LIMIT = {
    "received_hour": "Senders are told to try again later, so nothing is lost while they do.",
    "received_day": "Senders are told to try again later, so nothing is lost while they do.",
    "sent_hour": "Programs that send as this mailbox are told to try again later.",
    "sent_day": "Programs that send as this mailbox are told to try again later.",
    "total": "More is refused for good (552) until mails are deleted or the limit is raised.",
    "storage": "Senders are told to try again later until mail is deleted or the limit is raised.",
}


def _limited(mailbox: Mailbox, meter: Meter, now: datetime | None) -> Why:
    what = meter.label[0].lower() + meter.label[1:]
    if meter.level == "near":
        effect = AT_LIMIT[meter.name]
        return Why("warn", f"{mailbox.email} comes near a limit: {what}, {meter.words}.", f"At the limit: {effect[0].lower()}{effect[1:]}")
    room = f" There is room again {limits.room(meter.frees_at, now)}." if meter.frees_at and now else ""
    return Why("bad", f"{mailbox.email} has reached a limit: {what}, {meter.words}.{room}", AT_LIMIT[meter.name])


def effect_of_deleting(mailbox: Mailbox, used: Usage, catching: list[str]) -> tuple[str, str]:
    """What deleting does, in numbers, and the milder way."""
    if used.total == 1:
        mails = f"1 mail ({human_bytes(used.bytes)}) goes"
    else:
        mails = f"{number(used.total)} mails ({human_bytes(used.bytes)}) go" if used.total else "No mail goes"
    text = f"{mails} to the trash with {mailbox.email}, and its routes stop. It can be restored for 30 days; the address is free at once."
    if catching:
        text += f" The catch-all of {', '.join(catching)} is switched off, because it points here."
    return text, "Pausing keeps mail coming later: senders are told to try again."
