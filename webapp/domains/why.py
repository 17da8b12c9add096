"""Where a domain stands and why, in one sentence, and what comes next."""

from typing import NamedTuple

from webapp.core.wording import number
from webapp.domains.models import Domain
from webapp.domains.verification import advice


class Why(NamedTuple):
    """tone as in `core.states`; `sentence` answers, `detail` says what to do or what is not lost"""

    tone: str
    sentence: str
    detail: str


def explain(domain: Domain) -> Why:
    """The state of a domain for its page."""
    if domain.status == "suspended":
        return Why("bad", f"{domain.name} is suspended by the operator.", "It takes no mail from strangers and runs no routes.")
    if domain.is_verified and domain.verified_by_hand:
        return Why("ok", f"{domain.name} is verified: an owner vouched for it.", "It takes mail from everywhere and runs its routes.")
    if domain.is_verified:
        return Why("ok", f"{domain.name} is verified: the TXT record was found.", "It takes mail from everywhere and runs its routes.")
    meanwhile = "Until then it takes mail from trusted networks and logins only, and runs no routes."
    if domain.last_check is None:
        sentence = f"{domain.name} waits for the TXT record that proves it is yours."
        return Why("wait", sentence, f"Publish the first record below, then check. {meanwhile}")
    tone = "warn" if domain.last_check["status"] in ("servfail", "timeout") else "wait"
    return Why(tone, f"{domain.name} is not verified yet: {domain.last_check['sentence']}", f"{advice(domain)} {meanwhile}")


def deleted(domain: Domain) -> str:
    return f"{domain.name} is in the trash for 30 days."


def effect_of_deleting(domain: Domain) -> tuple[str, str]:
    """What deleting does, in numbers, and the milder way."""
    if not domain.mailbox_count:
        text = f"{domain.name} has no mailboxes. It goes to the trash and comes back from there for 30 days, with the same DKIM key."
        return text, "Mail for it is refused from then on."
    boxes = "1 mailbox goes" if domain.mailbox_count == 1 else f"{number(domain.mailbox_count)} mailboxes go"
    text = f"{boxes} to the trash with {domain.name}, together with their mail and routes, and can be restored for 30 days."
    return text, "Mail for them is refused from then on. Pausing single mailboxes keeps their mail coming later: senders try again."
