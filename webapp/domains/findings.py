"""What a look at the DNS means for its domain: proven or not, which key signs, whether all is right; and what of that is news.

A resolver that did not answer changes nothing: each record keeps the state that was known before (`known` of its entry).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from webapp.audit import service as audit
from webapp.core import events, live
from webapp.core.actor import Actor
from webapp.domains import keys
from webapp.domains.models import Domain
from webapp.domains.rows import target
from webapp.mail.dns_records import Record
from webapp.mail.dns_verdicts import Verdict

Entry = dict[str, Any]
#: how long resolvers must say that the proof is gone before a proven domain counts as unproven again
PATIENCE = timedelta(days=3)
#: the worst of several states is theirs together
WORST_FIRST = ("different", "missing", "unknown", "not_checked", "right")


def entry(record: Record, verdict: Verdict, at: datetime) -> Entry:
    """One record as it is kept and shown: what was expected, what was found, who said so, when."""
    return {
        "id": record.id, "kind": record.kind, "type": record.type, "host": record.host, "expected": record.data,
        "required": record.required, "ok": verdict.state == "right", "state": verdict.state, "message": verdict.sentence,
        "found": list(verdict.found), "hints": list(verdict.hints), "fix": verdict.fix, "answer": verdict.status,
        "resolver": verdict.resolver, "ttl_s": verdict.ttl_s, "checked_at": at.isoformat().replace("+00:00", "Z"),
    }  # fmt: skip


def with_known(entries: Sequence[Entry], before: Sequence[Entry]) -> list[Entry]:
    """The entries with `known`: their state, or the one known before where nobody answered."""
    old = {_place(one): one.get("known", one["state"]) for one in before}
    return [{**one, "known": old.get(_place(one), "unknown") if one["state"] == "unknown" else one["state"]} for one in entries]


def _place(one: Entry) -> tuple[str, str]:
    """What makes two entries the same record: after a rotation another key is the primary one."""
    return one["kind"], one["host"]


def together(states: Sequence[str]) -> str:
    return next((state for state in WORST_FIRST if state in states), "not_checked")


def apply(domain: Domain, entries: Sequence[Entry], before: Sequence[Entry], now: datetime) -> None:
    """Write what was found to the domain, whose row the caller holds. News goes to the audit log, repetitions do not."""
    actor = Actor.system(domain.workspace_id)
    by_id = {one["id"]: one for one in entries}
    _proof(actor, domain, by_id["verification"], now)
    for key in list(domain.keys):
        found = next((one for one in entries if one["host"].startswith(f"{key.selector}._domainkey.")), None)
        if found is not None and key.state == "pending" and found["state"] == "right":
            keys.put_to_work(actor, domain, key, "dns")
    domain.dkim_status = by_id["dkim_primary"]["known"] if "dkim_primary" in by_id else "not_checked"
    domain.dns_status = together([one["known"] for one in entries if one["required"]])
    domain.dns_checked_at = now
    _tell(actor, domain, entries, before, now)
    live.notify(domain.workspace_id, "domains-changed")


def is_calm(domain: Domain) -> bool:
    """Whether nothing is wrong and nothing is waited for."""
    return domain.dns_status == "right" and domain.is_verified and all(key.state != "pending" for key in domain.keys)


def _proof(actor: Actor, domain: Domain, found: Entry, now: datetime) -> None:
    domain.last_checked_at = now
    status = found["answer"] if found["state"] != "right" else "ok"
    domain.last_check = {"sentence": found["message"], "resolver": found["resolver"], "status": status, "found": found["found"][:20]}
    if found["state"] == "right":
        domain.proof_missing_since = None
        was = domain.is_verified
        domain.verified_by_hand = False
        if not was and domain.status != "suspended":
            mark_verified(domain, now)
            after = {"verified": True, "resolver": found["resolver"]}
            audit.record(actor, "domain.verify", target(domain), before={"verified": False}, after=after)
    elif found["state"] != "unknown" and domain.is_verified and not domain.verified_by_hand:
        if domain.proof_missing_since is None:
            domain.proof_missing_since = now
        elif now - domain.proof_missing_since >= PATIENCE:
            _unmark(actor, domain, found)


def mark_verified(domain: Domain, now: datetime) -> None:
    """The domain takes mail from everywhere and runs its routes from now on; those above are told."""
    domain.verified_at, domain.proof_missing_since = now, None
    if domain.status == "pending_dns":
        domain.status = "active"
    events.send("domain_verified", domain_id=domain.id)


def _unmark(actor: Actor, domain: Domain, found: Entry) -> None:
    domain.verified_at, domain.proof_missing_since = None, None
    if domain.status == "active":
        domain.status = "pending_dns"
    after = {"verified": False, "resolver": found["resolver"], "found": found["message"]}
    audit.record(actor, "domain.unverify", target(domain), before={"verified": True}, after=after)
    events.send("domain_unverified", domain_id=domain.id)


def _tell(actor: Actor, domain: Domain, entries: Sequence[Entry], before: Sequence[Entry], now: datetime) -> None:
    """A record that changed its state is news; the first look is none."""
    old = {_place(one): one.get("known", one["state"]) for one in before}
    moved = [(one["id"], old[_place(one)], one["known"]) for one in entries if old.get(_place(one), one["known"]) != one["known"]]
    if not moved:
        return
    if any(was == "right" for _, was, _ in moved):
        domain.watched_since = now
    before_after = {name: was for name, was, _ in moved}, {name: state for name, _, state in moved}
    audit.record(actor, "domain.dns", target(domain), before=before_after[0], after=before_after[1])
