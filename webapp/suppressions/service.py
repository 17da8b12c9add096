"""The suppression list for people and programs: reading it, adding one, reactivating, and forgetting a person whom it still stops."""

from typing import Any

from sqlalchemy import Select, delete, or_, select, update

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import counters, events, live
from webapp.core.actor import Actor
from webapp.core.db import db, is_sqlite, utcnow
from webapp.core.errors import Conflict, invalid
from webapp.core.lookup import get_mine, mine
from webapp.core.paging import Page, PageRequest, keyset
from webapp.mail.address import BadAddress, normalise
from webapp.suppressions.adding import LIVE_EVENT, New, add_many
from webapp.suppressions.hashes import hash_of, hashes_of, key_mark
from webapp.suppressions.models import REASONS, Suppression

TOTAL = Suppression.__tablename__
#: what an erased person is called
ERASED = "an erased address"
REHASHED = 1000


def list_suppressions(actor: Actor, asked: PageRequest, filters: dict[str, Any]) -> Page[Suppression]:
    """The list, newest first.

    filters  address (a whole one, which finds erased people too, or how it begins), reason, scope, source, created_after, created_before
    """
    actor.require("suppressions:read")
    query = filtered(mine(actor, Suppression), actor.workspace_id, filters)
    narrowed = any(value not in (None, "") for value in filters.values())
    return keyset(query, asked, keys=[Suppression.id], total=None if narrowed else counters.read(actor.workspace_id, TOTAL))


def filtered(query: Select[Any], workspace_id: int, filters: dict[str, Any]) -> Select[Any]:
    """The query, narrowed by what a caller asked for."""
    for name, column in (("reason", Suppression.reason), ("scope", Suppression.scope), ("source", Suppression.source)):
        if filters.get(name) not in (None, ""):
            query = query.where(column == filters[name])
    if text := (filters.get("address") or "").strip():
        query = _by_address(query, workspace_id, text)
    if filters.get("created_after") is not None:
        query = query.where(Suppression.created_at >= filters["created_after"])
    if filters.get("created_before") is not None:
        query = query.where(Suppression.created_at < filters["created_before"])
    return query


def _by_address(query: Select[Any], workspace_id: int, text: str) -> Select[Any]:
    try:
        return query.where(Suppression.hash.in_(list(hashes_of(workspace_id, [normalise(text)]))))
    except BadAddress:
        begins = text.lower()
        if is_sqlite():  # its LIKE with an escape character does not look into the index, a range does
            return query.where(Suppression.address >= begins, Suppression.address < begins + "\U0010ffff")
        return query.where(Suppression.address.startswith(begins, autoescape=True))


def get_suppression(actor: Actor, suppression_id: int) -> Suppression:
    """raises NotFound"""
    actor.require("suppressions:read")
    return get_mine(actor, Suppression, suppression_id, "suppression")


def create_suppression(
    actor: Actor, *, address: str, reason: str = "manual", scope: str = "all", note: str | None = None, source: str = "api"
) -> Suppression:
    """Put one address on the list by hand. raises Invalid about the address; Conflict when it is there for this reason and scope"""
    actor.require("suppressions:write")
    plain = checked(address)
    made = add_many(actor.workspace_id, [New(plain, reason, scope, source, actor.name or None, note or None)])
    if not made:
        hint = "Choose another reason or scope, or leave it as it is."
        raise Conflict(f"{plain} is on the list already for this reason ({REASONS[reason]}, {scope} mail).", hint=hint)
    row = db.session.get_one(Suppression, made[0])
    audit.record(actor, "suppression.create", target(row), after={"address": plain, "reason": reason, "scope": scope, "note": note})
    return row


def checked(address: str, field: str = "address") -> str:
    """The address in normal form. raises Invalid"""
    try:
        return normalise(address)
    except BadAddress as error:
        raise invalid(field, str(error)) from None


def target(row: Suppression) -> Target:
    """How the audit log names a row."""
    return Target("suppression", row.id, row.address or ERASED)


def reactivate(actor: Actor, suppression_id: int) -> Suppression:
    """Take one reason off the list, so that the address gets mail again unless another row stands. returns what was there

    raises NotFound
    """
    actor.require("suppressions:write")
    row = get_mine(actor, Suppression, suppression_id, "suppression", for_update=True)
    audit.record(
        actor, "suppression.delete", target(row),
        before={"address": row.address, "reason": row.reason, "scope": row.scope, "source": row.source, "said": row.said},
    )  # fmt: skip
    db.session.delete(row)
    db.session.flush()
    if row.address is not None and all(other.reason != row.reason for other in others(row)):
        events.send("suppression_lifted", workspace_id=actor.workspace_id, address=row.address, reason=row.reason)
    live.notify(actor.workspace_id, LIVE_EVENT)
    return row


def others(row: Suppression) -> list[Suppression]:
    """The other reasons for which the same person is on the list."""
    known = [row.hash] if row.address is None else list(hashes_of(row.workspace_id, [row.address]))
    mine = select(Suppression).where(Suppression.workspace_id == row.workspace_id, Suppression.hash.in_(known), Suppression.id != row.id)
    return list(db.session.scalars(mine.order_by(Suppression.id)))


def erase(actor: Actor, address: str) -> int:
    """Forget who this is and keep not mailing them: address, words and causes go, the keyed hash stays. returns how many rows that were

    Whoever imports or adds the same person again finds them suppressed. raises Invalid about the address
    """
    actor.require("suppressions:write")
    plain = checked(address)
    theirs = Suppression.workspace_id == actor.workspace_id, Suppression.hash.in_(list(hashes_of(actor.workspace_id, [plain])))
    values = {
        "address": None, "note": None, "said": None, "delivery_id": None, "event_id": None, "message_id": None, "updated_at": utcnow(),
    }  # fmt: skip
    change = update(Suppression).where(*theirs, Suppression.address.is_not(None)).values(values)
    done: Any = db.session.execute(change, execution_options={"synchronize_session": "fetch"})
    if done.rowcount:
        audit.record(actor, "suppression.erase", Target("suppression", None, ERASED), after={"rows": done.rowcount})
        live.notify(actor.workspace_id, LIVE_EVENT)
    return int(done.rowcount)


def rehash() -> int:
    """After a rotation of the key: give up to 1,000 rows whose address is known the hash of the newest key. returns how many. No commit

    Erased rows keep theirs, so the old key stays listed in MAILROOM_SECRET_KEY as long as they matter.
    """
    mark = key_mark()
    rows = list(
        db.session.scalars(
            select(Suppression).where(or_(Suppression.key_mark < mark, Suppression.key_mark > mark), Suppression.address.is_not(None))
            .order_by(Suppression.id).limit(REHASHED).with_for_update(skip_locked=True)
        )
    )  # fmt: skip
    for row in rows:
        wanted = hash_of(row.workspace_id, row.address or "")
        twin = select(Suppression.id).where(
            Suppression.workspace_id == row.workspace_id, Suppression.hash == wanted, Suppression.reason == row.reason,
            Suppression.scope == row.scope, Suppression.id != row.id,
        )  # fmt: skip
        if db.session.scalar(twin) is not None:
            db.session.execute(delete(Suppression).where(Suppression.id == row.id))
            counters.bump(row.workspace_id, TOTAL, -1)
            continue
        change = update(Suppression).where(Suppression.id == row.id).values(hash=wanted, key_mark=mark, updated_at=row.updated_at)
        db.session.execute(change, execution_options={"synchronize_session": False})
    return len(rows)
