"""The keys that sign a domain's mail, and their rotation.

    rotate ─> pending: shown, its record is waited for ─> active: signs; the one before is retiring: published for the overlap ─> retired
                     └ found in the DNS, or by hand

At every moment exactly one RSA key signs; an Ed25519 key may sign beside it.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import select

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import live
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import InvalidState, NotFound
from webapp.domains import checks
from webapp.domains.models import DkimKey, Domain
from webapp.domains.rows import get_seen
from webapp.mail import dkim
from webapp.mail.address import BadAddress, is_valid_domain

SELECTOR = "mailroom"
OVERLAP_DAYS, LONGEST_OVERLAP_DAYS = 7, 90
NAMES = {"rsa": "RSA", "ed25519": "Ed25519"}


class SigningKey(NamedTuple):
    domain: str
    selector: str
    private: str


def first_key(domain: Domain) -> DkimKey:
    """The key of a domain that is being added; it signs from the start."""
    private, public = dkim.new_key()
    return DkimKey(
        workspace_id=domain.workspace_id, selector=f"{SELECTOR}1", algorithm="rsa", private=private, public=public, state="active",
        activated_at=utcnow(), activated_by="start",
    )  # fmt: skip


def signing_keys(name: str, workspace_id: int) -> list[SigningKey]:
    """What signs mail from a domain of this workspace, RSA last, so that its signature stands on top; private halves included."""
    try:
        clean = is_valid_domain(name.removesuffix("."))
    except BadAddress:
        return []
    query = (
        select(Domain.name, DkimKey.selector, DkimKey.private)
        .join(DkimKey, DkimKey.domain_id == Domain.id)
        .where(Domain.name == clean, Domain.workspace_id == workspace_id, Domain.deleted_at.is_(None), DkimKey.state == "active")
        .order_by(DkimKey.algorithm, DkimKey.id)
    )
    return [SigningKey(*row) for row in db.session.execute(query)]


def list_keys(actor: Actor, domain_id: int) -> list[DkimKey]:
    """All keys of a domain, newest first, those that are gone included."""
    actor.require("domains:dns:read")
    return list(reversed(get_seen(actor, domain_id).keys))


def get_key(domain: Domain, key_id: int) -> DkimKey:
    """raises NotFound"""
    found = next((key for key in domain.keys if key.id == key_id), None)
    if found is None:
        raise NotFound(f"{domain.name} has no DKIM key with the id {key_id}.")
    return found


def target(domain: Domain, key: DkimKey) -> Target:
    """Keys are told as a part of their domain, so that its story has them."""
    return Target("domain", domain.id, f"{domain.name}, key {key.selector}")


def snapshot(key: DkimKey) -> dict[str, Any]:
    return {"selector": key.selector, "algorithm": key.algorithm, "state": key.state, "retires_at": key.retires_at}


def rotate(actor: Actor, domain_id: int, *, algorithm: str = "rsa", overlap_days: int = OVERLAP_DAYS) -> DkimKey:
    """Make the key that is to sign next; it does so once its record is found. The one before stays published `overlap_days` longer.

    raises  InvalidState while another one of its kind waits for its record
    """
    actor.require("domains:write")
    domain = get_seen(actor, domain_id, for_update=True)
    waiting = next((key for key in domain.keys if key.state == "pending" and key.algorithm == algorithm), None)
    if waiting is not None:
        text = f"The key {waiting.selector} waits for its record already."
        raise InvalidState(text, hint="Publish its record, or withdraw it before you make another.")
    private, public = dkim.new_key(algorithm)
    key = DkimKey(
        workspace_id=domain.workspace_id, selector=_free_selector(domain), algorithm=algorithm, private=private, public=public,
        overlap_days=overlap_days,
    )  # fmt: skip
    domain.keys.append(key)
    db.session.flush()
    after = {**snapshot(key), "overlap_days": overlap_days}
    audit.record(actor, "dkim.rotate", target(domain, key), after=after)
    checks.plan(domain, "changed")
    return key


def _free_selector(domain: Domain) -> str:
    numbers = [int(text) for key in domain.keys if (text := key.selector.removeprefix(SELECTOR)).isdigit()]
    return f"{SELECTOR}{max(numbers, default=0) + 1}"


def activate(actor: Actor, domain_id: int, key_id: int) -> DkimKey:
    """Sign with this key from now on, whatever the DNS says: a waiting one, or one that is being retired.

    raises  NotFound, InvalidState for one that signs already or is gone
    """
    actor.require("domains:write")
    domain = get_seen(actor, domain_id, for_update=True)
    key = get_key(domain, key_id)
    if key.state not in ("pending", "retiring"):
        raise InvalidState(f"The key {key.selector} {'signs already' if key.state == 'active' else 'is gone'}.")
    put_to_work(actor, domain, key, "hand")
    checks.plan(domain, "changed")
    return key


def put_to_work(actor: Actor, domain: Domain, key: DkimKey, by: str) -> None:
    """Make it the one that signs; the one before begins to retire. The row of the domain is locked by the caller."""
    now = utcnow()
    for old in domain.keys:
        if old is not key and old.state == "active" and old.algorithm == key.algorithm:
            _begin_to_retire(actor, domain, old, now, key.overlap_days)
    before = snapshot(key)
    key.state, key.activated_at, key.activated_by, key.retires_at = "active", now, by, None
    db.session.flush()
    after = {**snapshot(key), "by": by}
    audit.record(actor, "dkim.activate", target(domain, key), before=before, after=after)
    live.notify(domain.workspace_id, "domains-changed")


def _begin_to_retire(actor: Actor, domain: Domain, key: DkimKey, now: datetime, days: int) -> None:
    before = snapshot(key)
    key.state, key.retires_at = "retiring", now + timedelta(days=days)
    if not days:
        _end(key, now)
    audit.record(actor, "dkim.retire", target(domain, key), before=before, after=snapshot(key))


def _end(key: DkimKey, now: datetime) -> None:
    key.state, key.retired_at, key.private = "retired", now, ""


def withdraw(actor: Actor, domain_id: int, key_id: int) -> DkimKey:
    """Give up a key: a waiting one or one that is being retired is gone at once, a second one that signs is retired with its overlap.

    raises  NotFound; InvalidState for the RSA key that signs, and for one that is gone
    """
    actor.require("domains:write")
    domain = get_seen(actor, domain_id, for_update=True)
    key = get_key(domain, key_id)
    now = utcnow()
    if key.state == "retired":
        raise InvalidState(f"The key {key.selector} is gone already.")
    if key.state == "active":
        if key.algorithm == "rsa":
            text = f"The key {key.selector} signs the mail of {domain.name}."
            raise InvalidState(text, hint="Rotate: make the next key, and this one retires by itself.")
        _begin_to_retire(actor, domain, key, now, key.overlap_days)
    else:
        before = snapshot(key)
        _end(key, now)
        audit.record(actor, "dkim.withdraw", target(domain, key), before=before, after=snapshot(key))
    db.session.flush()
    checks.plan(domain, "changed")
    return key


def told(key: DkimKey) -> str:
    """What became of a key that was given up."""
    if key.state == "retiring":
        return f"The key {key.selector} signs no more; its record may go once its overlap is over."
    return f"The key {key.selector} is gone; its record may be removed."


def retire_due(limit: int = 200) -> int:
    """End the keys whose overlap is over; returns how many. The caller commits."""
    now = utcnow()
    query = select(DkimKey).where(DkimKey.state == "retiring", DkimKey.retires_at <= now).order_by(DkimKey.id).limit(limit)
    found = list(db.session.scalars(query.with_for_update(skip_locked=True)))
    for key in found:
        domain = key.domain
        before = snapshot(key)
        _end(key, now)
        audit.record(Actor.system(key.workspace_id), "dkim.retire", target(domain, key), before=before, after=snapshot(key))
        live.notify(key.workspace_id, "domains-changed")
    db.session.flush()
    return len(found)


def retry(actor: Actor, domain_id: int) -> Domain:
    """Make sure that the domain has a key that signs, and look its record up again (reference/trekmail.md section 4)."""
    actor.require("domains:write")
    domain = get_seen(actor, domain_id, for_update=True)
    if domain.signing_key is None:
        key = first_key(domain)
        key.selector = _free_selector(domain)
        domain.keys.append(key)
        db.session.flush()
        audit.record(actor, "dkim.activate", target(domain, key), after={**snapshot(key), "by": "start"})
    checks.plan(domain, "asked")
    return domain
