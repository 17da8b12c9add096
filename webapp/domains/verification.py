"""Proving that a domain belongs to the workspace: a TXT record, or the word of an owner on a closed network.

    read the row → end the transaction → ask the DNS (seconds, maybe) → lock the row → write what came of it

so that no lock is held while a resolver thinks.
"""

from typing import NamedTuple

from webapp.audit import service as audit
from webapp.core import live
from webapp.core.actor import Actor
from webapp.core.db import db, reading, utcnow
from webapp.core.outside import outside
from webapp.domains import checks, findings
from webapp.domains.models import Domain
from webapp.domains.rows import get_seen, target
from webapp.mail import dns_verdicts
from webapp.mail.dns_records import PROOF_LABEL as LABEL
from webapp.mail.dns_records import PROOF_PREFIX as PREFIX


class Proof(NamedTuple):
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
        domain.verified_by_hand, domain.proof_missing_since = False, None
        if not was:
            findings.mark_verified(domain, now)
    checks.plan(domain, "asked")
    after = {"verified": domain.is_verified, "resolver": verdict.resolver, "answer": verdict.status}
    action = "domain.verify" if domain.is_verified and not was else "domain.check"
    audit.record(actor, action, target(domain), before={"verified": was}, after=after)
    live.notify(domain.workspace_id, "domains-changed")
    return domain


def _vouch(actor: Actor, domain_id: int) -> Domain:
    domain = get_seen(actor, domain_id, for_update=True)
    if domain.is_verified:
        return domain
    findings.mark_verified(domain, utcnow())
    domain.verified_by_hand = True
    db.session.flush()
    after = {"verified": True, "by_hand": True}
    audit.record(actor, "domain.verify", target(domain), before={"verified": False}, after=after)
    live.notify(domain.workspace_id, "domains-changed")
    return domain


def look(name: str, expected: str) -> Proof:
    """Ask for the TXT records at `_mailroom.<name>` and, when it is not there, at the name itself."""
    found = dns_verdicts.proof(name, f"{LABEL}.{name}", expected, outside().dns.lookup)
    proven = found.state == "right"
    return Proof(proven, found.sentence, found.resolver, "ok" if proven else found.status, list(found.found))


def advice(domain: Domain) -> str:
    """What to do after a look that did not find the record."""
    if domain.last_check is not None and domain.last_check["status"] in ("servfail", "timeout"):
        return "Check again in a minute."
    return f"Publish TXT {PREFIX}{domain.verify_token} at {LABEL}.{domain.name}; a change can take up to an hour to be seen."
