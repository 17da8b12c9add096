"""Whether campaigns may go to a contact: its columns, the evidence of consent, the suppression list and the event, in one transaction.

    unsubscribe(workspace_id, ids, source="one_click", campaign_id=…)     subscribe(workspace_id, ids, source="page", evidence="…")

Unsubscribing is for the whole workspace, and the suppression list keeps it after the contact is gone.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.contacts.models import Consent, Contact
from webapp.contacts.telling import note_updated, tell
from webapp.core import counters
from webapp.core.actor import Actor
from webapp.core.bulk import among, insert_rows
from webapp.core.db import db, utcnow
from webapp.happenings import stream
from webapp.suppressions.adding import New, add_many
from webapp.suppressions.hashes import hashes_of
from webapp.suppressions.models import Suppression

#: where consent or its end came from -> who put the address on the suppression list
SOURCES = {
    "page": "page", "api": "api", "import": "import", "form": "unsubscribe", "one_click": "unsubscribe", "link": "unsubscribe",
    "mail": "unsubscribe", "bounce": "report", "complaint": "feedback", "workflow": "api",
}  # fmt: skip
CHUNK = 5000
_CONSENT = ("workspace_id", "contact_id", "at", "what", "source", "ip", "client", "campaign_id", "evidence")


def unsubscribe(
    workspace_id: int, contact_ids: Sequence[int], *, source: str, campaign_id: int | None = None, ip: str | None = None,
    client: str | None = None, evidence: str | None = None, actor: Actor | None = None, at: datetime | None = None,
) -> list[int]:  # fmt: skip
    """They want no more campaigns. source: one of SOURCES. returns the ids of those who were subscribed until now

    Who is unsubscribed already stays so, without another piece of evidence; the suppression list knows them from now on in any case,
    also when a file had unsubscribed them.
    """
    now = at or utcnow()
    rows, already = _held(workspace_id, contact_ids, True), _held(workspace_id, contact_ids, False)
    values = {"subscribed": False, "unsubscribed_at": now, "lead_score": 0, "updated_at": utcnow()}
    _set(rows, values)
    _prove(workspace_id, rows, now, ("unsubscribed", source, ip, client, campaign_id, evidence))
    by = None if actor is None else actor.name or None
    barred = [New(address, "unsubscription", "bulk", SOURCES[source], by) for address in (*rows.values(), *already.values())]
    add_many(workspace_id, barred) if barred else []
    stream.note_many(
        {
            "type": "unsubscribed", "workspace_id": workspace_id, "at": now, "contact_id": contact_id, "recipient": address,
            "campaign_id": campaign_id, "stream": "bulk", "details": {"source": source},
        }
        for contact_id, address in rows.items()
    )  # fmt: skip
    _record(actor, "contact.unsubscribe", rows, evidence)
    tell(workspace_id)
    return list(rows)


def subscribe(
    workspace_id: int, contact_ids: Sequence[int], *, source: str, ip: str | None = None, client: str | None = None,
    evidence: str | None = None, actor: Actor | None = None,
) -> list[int]:  # fmt: skip
    """They want campaigns again: their unsubscription goes from the suppression list; bounces and complaints stand.

    returns the ids of those who were not subscribed until now
    """
    now = utcnow()
    rows = _held(workspace_id, contact_ids, False)
    _set(rows, {"subscribed": True, "unsubscribed_at": None, "updated_at": now})
    _prove(workspace_id, rows, now, ("subscribed", source, ip, client, None, evidence))
    _lift(workspace_id, rows.values())
    note_updated(workspace_id, rows, ["subscribed"], source=source)
    _record(actor, "contact.subscribe", rows, evidence)
    return list(rows)


def prove(contact: Contact, source: str, evidence: str | None, *, ip: str | None = None, client: str | None = None) -> None:
    """Keep how a new contact came to be subscribed."""
    _prove(contact.workspace_id, {contact.id: contact.address}, utcnow(), ("subscribed", source, ip, client, None, evidence))


def known_reasons(workspace_id: int, addresses: Iterable[str]) -> dict[str, set[str]]:
    """Why the suppression list keeps campaigns from these (normalised) addresses: hard_bounce, complaint, unsubscription, manual."""
    known = hashes_of(workspace_id, addresses)
    hashes, found = list(known), dict[str, set[str]]()
    for start in range(0, len(hashes), CHUNK):
        theirs = among(Suppression.hash, hashes[start : start + CHUNK])
        query = select(Suppression.hash, Suppression.reason).where(Suppression.workspace_id == workspace_id, theirs)
        for row in db.session.execute(query.where(Suppression.scope.in_(("all", "bulk")))):
            found.setdefault(known[row.hash], set()).add(row.reason)
    return found


def state_of(reasons: set[str], now: datetime) -> dict[str, Any]:
    """The columns of a new contact whose address the suppression list knows."""
    found: dict[str, Any] = {}
    if "unsubscription" in reasons:
        found.update(subscribed=False, unsubscribed_at=now)
    if "hard_bounce" in reasons:
        found["bounced_at"] = now
    if "complaint" in reasons:
        found["complained_at"] = now
    return found


def _held(workspace_id: int, contact_ids: Sequence[int], subscribed: bool) -> dict[int, str]:
    """id -> address of those who are (not) subscribed, held until the end of the transaction."""
    mine = Contact.workspace_id == workspace_id, among(Contact.id, contact_ids), Contact.subscribed.is_(subscribed)
    query = select(Contact.id, Contact.address).where(*mine).order_by(Contact.id).with_for_update()
    return {row.id: row.address for row in db.session.execute(query)}


def _set(rows: dict[int, str], values: dict[str, Any]) -> None:
    if rows:
        change = update(Contact).where(among(Contact.id, list(rows))).values(values)
        db.session.execute(change, execution_options={"synchronize_session": False})
        for contact_id in rows:  # objects that the session holds follow
            held = db.session.identity_map.get(db.session.identity_key(Contact, contact_id))
            if held is not None:
                db.session.refresh(held)


def _prove(workspace_id: int, rows: dict[int, str], at: datetime, what: tuple[Any, ...]) -> None:
    said, source, ip, client, campaign_id, evidence = what
    tail = (at, said, source, ip, client[:200] if client else None, campaign_id, evidence[:2000] if evidence else None)
    insert_rows(Consent, _CONSENT, [(workspace_id, contact_id, *tail) for contact_id in rows])


def _lift(workspace_id: int, addresses: Iterable[str]) -> None:
    hashes = list(hashes_of(workspace_id, addresses))
    for start in range(0, len(hashes), CHUNK):
        theirs = Suppression.workspace_id == workspace_id, among(Suppression.hash, hashes[start : start + CHUNK])
        gone = delete(Suppression).where(*theirs, Suppression.reason == "unsubscription").returning(Suppression.id)
        number = len(list(db.session.scalars(gone, execution_options={"synchronize_session": False})))
        counters.bump(workspace_id, Suppression.__tablename__, -number)


def _record(actor: Actor | None, action: str, rows: dict[int, str], evidence: str | None) -> None:
    """The log names a single one; of many it keeps how many and the first hundred."""
    if actor is None or not rows:
        return
    if len(rows) == 1:
        ((contact_id, address),) = rows.items()
        audit.record(actor, action, Target("contact", contact_id, address), after={"evidence": evidence} if evidence else None)
    else:
        after = {"contacts": len(rows), "ids": list(rows)[:100], "evidence": evidence}
        audit.record(actor, action, Target("contact", None, f"{len(rows)} contacts"), after=after)
