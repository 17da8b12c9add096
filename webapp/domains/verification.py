"""Proving that a domain belongs to the workspace: a TXT record, or the word of an owner on a closed network.

    read the row → end the transaction → ask the DNS (seconds, maybe) → lock the row → write what came of it

so that no lock is held while a resolver thinks.
"""

from typing import NamedTuple

from webapp.audit import service as audit
from webapp.core import events, live
from webapp.core.actor import Actor
from webapp.core.db import db, reading, utcnow
from webapp.core.dns import DnsAnswer
from webapp.core.outside import outside
from webapp.domains.models import Domain
from webapp.domains.rows import get_seen, target

PREFIX = "mailroom-verify="
LABEL = "_mailroom"


class Verdict(NamedTuple):
    """What a look at the DNS brought. found: TXT values at the names asked; status as in `core.dns`, `ok` when the record is there"""

    proven: bool
    sentence: str
    resolver: str
    status: str
    found: list[str]


def verify_domain(actor: Actor, domain_id: int, by_hand: bool = False) -> Domain:
    """Look the TXT record up now, or take an owner's word for it (`by_hand`); what was found stands in `last_check`.

    Ends the caller's transaction before it asks the DNS: what was not committed by then is lost.
    A domain that was proven stays so, even when the record is gone.
    raises  NotFound; Forbidden when anybody but an owner vouches
    """
    actor.require("domains:write")
    if by_hand:
        actor.require_role("owner", "Marking a domain verified by hand")
        return _vouch(actor, domain_id)
    with reading():
        domain = get_seen(actor, domain_id)
        name, expected = domain.name, PREFIX + domain.verify_token
        db.session.rollback()
    verdict = look(name, expected)
    domain = get_seen(actor, domain_id, for_update=True)
    was = domain.is_verified
    now = utcnow()
    domain.last_checked_at = now
    domain.last_check = {"sentence": verdict.sentence, "resolver": verdict.resolver, "status": verdict.status, "found": verdict.found[:20]}
    if verdict.proven:
        domain.verified_by_hand = False
        if not was:
            _mark(domain)
    db.session.flush()
    after = {"verified": domain.is_verified, "resolver": verdict.resolver, "answer": verdict.status}
    action = "domain.verify" if domain.is_verified and not was else "domain.check"
    audit.record(actor, action, target(domain), before={"verified": was}, after=after)
    live.notify(domain.workspace_id, "domains-changed")
    return domain


def _vouch(actor: Actor, domain_id: int) -> Domain:
    domain = get_seen(actor, domain_id, for_update=True)
    if domain.is_verified:
        return domain
    _mark(domain)
    domain.verified_by_hand = True
    db.session.flush()
    after = {"verified": True, "by_hand": True}
    audit.record(actor, "domain.verify", target(domain), before={"verified": False}, after=after)
    live.notify(domain.workspace_id, "domains-changed")
    return domain


def _mark(domain: Domain) -> None:
    domain.verified_at = utcnow()
    if domain.status == "pending_dns":
        domain.status = "active"
    db.session.flush()
    events.send("domain_verified", domain_id=domain.id)


def look(name: str, expected: str) -> Verdict:
    """Ask for the TXT records at `_mailroom.<name>` and, when it is not there, at the name itself."""
    found: list[str] = []
    answers: list[DnsAnswer] = []
    for host in (f"{LABEL}.{name}", name):
        answer = outside().dns.lookup(host, "TXT")
        values = [value.strip().strip('"').strip()[:300] for value in answer.values]
        answers.append(answer)
        if expected in values:
            return Verdict(True, f"The record {expected} stands at {host}, as {answer.resolver} answered.", answer.resolver, "ok", values)
        found += values
    resolver = answers[0].resolver
    unsure = next((answer for answer in answers if not answer.is_certain), None)
    if unsure is not None:
        why = "did not answer in time" if unsure.status == "timeout" else "could not answer"
        sentence = f"{unsure.resolver} {why} when asked for the TXT record of {name}, so nothing is known."
        return Verdict(False, sentence, unsure.resolver, unsure.status, found)
    status = "nxdomain" if all(answer.status == "nxdomain" for answer in answers) else "no_answer"
    return Verdict(False, _missing(name, found, status, resolver), resolver, status, found)


def _missing(name: str, found: list[str], status: str, resolver: str) -> str:
    ours = [value for value in found if value.startswith(PREFIX)]
    if ours:
        return f"{resolver} found {ours[0]} at {name}, which is another value than expected."
    if status == "nxdomain":
        return f"{resolver} knows no name {LABEL}.{name}."
    if found:
        return f"{resolver} found {len(found)} other TXT {'record' if len(found) == 1 else 'records'} at {name}, but not ours."
    return f"{resolver} found no TXT record at {LABEL}.{name}."



def advice(domain: Domain) -> str:
    """What to do after a look that did not find the record."""
    if domain.last_check is not None and domain.last_check["status"] in ("servfail", "timeout"):
        return "Check again in a minute."
    return f"Publish TXT {PREFIX}{domain.verify_token} at {LABEL}.{domain.name}; a change can take up to an hour to be seen."
