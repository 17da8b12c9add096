"""Where a mailbox stands and why, in one sentence, and what deleting it does."""

from webapp.core.wording import human_bytes, number
from webapp.domains.models import Domain
from webapp.domains.why import Why
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.usage import Usage


def explain(mailbox: Mailbox, domain: Domain | None) -> Why:
    """The state of a mailbox for its page."""
    if mailbox.status == "paused":
        return Why(
            "off",
            f"{mailbox.email} is paused: it neither takes nor sends mail.",
            "Senders are told to try again later, so that nothing is lost if it is resumed within a few days.",
        )
    if not mailbox.can_receive and not mailbox.can_send:
        return Why("warn", f"{mailbox.email} neither receives nor sends mail: both are switched off.", "Change the mailbox to use it.")
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
