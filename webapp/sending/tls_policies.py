"""MTA-STS policies of the domains that mail goes to: fetched through the guarded client, kept in the database as long as they say.

A policy that was fetched counts until it expires, even when its record or its web server are gone meanwhile: who cuts them off gains
nothing (RFC 8461 section 10.2). What cannot be fetched for the first time counts as no policy.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from webapp.core.db import database_now, db, is_sqlite, reading
from webapp.core.outside import outside
from webapp.mail.mta_sts import MOST_BYTES, BadPolicy, Policy, policy_url, read_policy, record_id
from webapp.sending.destinations import TlsPolicy

#: fetching is tried again after so long when it failed, and once a day although nothing changed, in seconds
AGAIN_S, REFRESH_S = 300, 86_400
FETCH_S = 15.0


@dataclass(frozen=True)
class Known:
    """What is known about a domain now; `policy` is None when there is none that counts."""

    policy: Policy | None
    problem: str | None = None


def policy_of(domain: str) -> Known:
    """The policy that counts for mail to this domain now. Asks DNS and the web outside of transactions; commits what it learned."""
    with reading():
        row = db.session.scalar(select(TlsPolicy).where(TlsPolicy.domain == domain))
        now = database_now()
        db.session.rollback()
    answer = outside().dns.lookup(f"_mta-sts.{domain}", "TXT")
    announced = record_id(answer.values)
    if announced is not None and _is_stale(row, announced, now):
        row = _fetch(domain, announced, row, now)
    if row is None or not row.policy_id or row.expires_at <= now or row.mode == "none":
        return Known(None, row.problem if row is not None else None)
    return Known(Policy(row.mode, tuple(row.mx), 0), row.problem)


def _is_stale(row: TlsPolicy | None, announced: str, now: datetime) -> bool:
    if row is None:
        return True
    since = (now - row.tried_at).total_seconds()
    if row.policy_id == announced and row.expires_at > now:
        return since > REFRESH_S
    return since > AGAIN_S or (row.problem is None and row.policy_id != announced)


def _fetch(domain: str, announced: str, row: TlsPolicy | None, now: datetime) -> TlsPolicy:
    """Fetch it and keep what came; the row as it is afterwards."""
    answer = outside().http.send("GET", policy_url(domain), timeout_s=FETCH_S, cap_bytes=MOST_BYTES)
    values: dict[str, Any] = {"tried_at": now, "updated_at": now}
    try:
        if not answer.is_success or answer.status != 200:
            raise BadPolicy(answer.error or f"its web server answered {answer.status}")
        policy = read_policy(answer.body.decode("utf-8", "replace"))
        values |= {
            "policy_id": announced, "mode": policy.mode, "mx": list(policy.mx), "expires_at": now + timedelta(seconds=policy.max_age_s),
            "problem": None,
        }  # fmt: skip
    except BadPolicy as bad:
        values["problem"] = f"The MTA-STS policy of {domain} could not be fetched: {bad}"[:500]
    insert: Any = sqlite.insert if is_sqlite() else postgresql.insert
    new = {"domain": domain, "policy_id": "", "mode": "none", "mx": [], "expires_at": now, "failures": 0, "created_at": now, **values}
    db.session.execute(insert(TlsPolicy).values(new).on_conflict_do_update(index_elements=["domain"], set_=values))
    db.session.commit()
    if row is not None:
        db.session.expire(row)
    found = db.session.scalars(select(TlsPolicy).where(TlsPolicy.domain == domain)).one()
    db.session.rollback()
    return found


def note_failure(domain: str, text: str) -> None:
    """A connection did not do what the domain's policy asks. Commits."""
    values = {"failures": TlsPolicy.failures + 1, "last_failure": text[:500], "updated_at": database_now()}
    db.session.execute(update(TlsPolicy).where(TlsPolicy.domain == domain).values(values))
    db.session.commit()
