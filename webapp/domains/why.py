"""Where a domain stands and why, in one sentence, and what comes next."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from webapp.core.wording import number
from webapp.domains.models import DkimKey, Domain
from webapp.domains.verification import advice

LABELS = {"verification": "the proof", "mx": "MX", "spf": "SPF", "dkim": "DKIM"}
#: how the rows of the records are called
TITLES = {"verification": "Proof", "mx": "MX", "spf": "SPF", "dkim": "DKIM", "dmarc": "DMARC", "return": "Return path"}


class Why(NamedTuple):
    """tone as in `core.states`; `sentence` answers, `detail` says what to do or what is not lost"""

    tone: str
    sentence: str
    detail: str


def explain(domain: Domain, records: Sequence[Mapping[str, Any]] = (), running: bool = False) -> Why:
    """The state of a domain for its page.

    records  as `schemas_dns.known_records` gives them; running: they are being looked up
    """
    if domain.status == "suspended":
        return Why("bad", f"{domain.name} is suspended by the operator.", "It takes no mail from strangers and runs no routes.")
    wrong = [record for record in records if record["required"] and record["status"] in ("missing", "different")]
    if domain.is_verified:
        return _verified(domain, wrong)
    meanwhile = "Until then it takes mail from trusted networks and logins only, and runs no routes."
    if domain.last_check is None or running:
        sentence = f"{domain.name} waits for the TXT record that proves it is yours."
        todo = "It is being looked up now." if running else "Publish the first record below; it is looked up by itself."
        return Why("busy" if running else "wait", sentence, f"{todo} {meanwhile}")
    tone = "warn" if domain.last_check["status"] in ("servfail", "timeout") else "wait"
    return Why(tone, f"{domain.name} is not verified yet: {domain.last_check['sentence']}", f"{advice(domain)} {meanwhile}")


def _verified(domain: Domain, wrong: Sequence[Mapping[str, Any]]) -> Why:
    works = "It takes mail from everywhere and runs its routes." if domain.is_hosted else "It sends from here; its mail is kept elsewhere."
    if domain.verified_by_hand:
        return Why("ok", f"{domain.name} is verified: an owner vouched for it.", works)
    if domain.proof_missing_since is not None:
        sentence = f"{domain.name} is verified, but the record that proves it is gone."
        return Why("bad", sentence, "If it stays away for three days, the domain counts as unproven again. Publish it again.")
    if wrong:
        names = ", ".join(LABELS.get(record["id"].partition("_")[0], record["id"]) for record in wrong)
        verb = "needs" if len(wrong) == 1 else "need"
        sentence = f"{domain.name} is verified, and {names} {verb} a change in the DNS."
        return Why("warn", sentence, f"{works} The rows below say what differs.")
    if domain.dns_status == "right":
        return Why("ok", f"{domain.name} is verified, and every record that it must have is right.", works)
    return Why("ok", f"{domain.name} is verified: the TXT record was found.", works)


def effect_of_withdrawing(key: DkimKey) -> str:
    """What giving up a key does."""
    if key.state == "pending":
        return f"{key.selector} never signed anything; its record is not looked up any more."
    if key.state == "retiring":
        return f"Mail that {key.selector} signed and that is still on its way fails the check once its record is removed."
    days = "1 day" if key.overlap_days == 1 else f"{key.overlap_days} days"
    return f"{key.selector} signs no more; leave its record for {days}, for mail that is still on its way."


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
