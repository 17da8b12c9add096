"""What the audit log can do: record a change or a refusal, and be searched."""

from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson
from sqlalchemy import select

from webapp.audit import chain
from webapp.audit.models import AuditEntry, AuditHead
from webapp.audit.search import Search
from webapp.core import secrets
from webapp.core.actor import Actor
from webapp.core.db import db, fresh_session
from webapp.core.errors import NotFound, invalid
from webapp.core.paging import CAP, DEEPEST_PAGE, Page, PageRequest, read_cursor, write_cursor

SECRET_WORDS = ("password", "secret", "token", "private", "credential", "authorization", "api_key", "recovery")
NOT_SECRET = {"token_id", "token_name", "token_last_four", "message_tokens", "verify_token", "verification_token"}


#: wire names of the only order that there is
SORTABLE = (None, "at", "id")


class Target(NamedTuple):
    """What something was done to: type (`route`), id, and its name for people."""

    type: str
    id: int | None
    name: str


#: what entries about the log itself are about
LOG = Target("audit", None, "Audit log")


class Story(list[AuditEntry]):
    """Entries for the page of something else, with the address of the log where all about it stands."""

    def __init__(self, entries: Iterable[AuditEntry] = (), filters: dict[str, Any] | None = None) -> None:
        super().__init__(entries)
        given = {name: value for name, value in (filters or {}).items() if value is not None}
        #: None for the whole log, and for somebody who may not read it
        self.url = f"/audit?{urlencode(given)}" if "target_type" in given else None


def record(
    actor: Actor, action: str, target: Target, *, before: dict[str, Any] | None = None, after: dict[str, Any] | None = None,
    result: str = "done", reason: str | None = None, workspace_id: int | None = None,
) -> None:  # fmt: skip
    """Note one change of the current transaction; it is written and linked when that commits, or not at all.

    before, after  the fields in question; where both are given only what differs is kept; secrets are masked here
    """
    if before is not None and after is not None:
        before, after = changes(before, after)
    chain.enqueue(
        {
            "workspace_id": actor.workspace_id if workspace_id is None else workspace_id,
            "actor_type": actor.type, "actor_id": actor.id, "actor_name": actor.name,
            "token_id": actor.token_id, "token_name": actor.token_name, "token_last_four": actor.token_last_four,
            "action": action, "target_type": target.type, "target_id": target.id, "target_name": target.name[:500],
            "result": result, "reason": reason, "before": _canonical(before), "after": _canonical(after),
            "ip": actor.ip, "request_id": actor.request_id,
        }
    )  # fmt: skip


def record_refused(actor: Actor, action: str, target: Target, reason: str) -> None:
    """Note a refused attempt in a short transaction of its own; call it after the roll-back of what was refused."""
    with fresh_session():
        record(actor, action, target, result="refused", reason=reason)


def changes(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Only the keys whose values differ."""
    differ = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return {key: before.get(key) for key in differ}, {key: after.get(key) for key in differ}


def masked(value: Any, key: str = "") -> Any:
    """The value with everything secret replaced, at any depth. A key is secret when it contains one of SECRET_WORDS."""
    if isinstance(value, dict):
        return {name: masked(inner, str(name)) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masked(inner, key) for inner in value]
    lowered = key.lower()
    if value not in (None, "", False, True) and lowered not in NOT_SECRET and any(word in lowered for word in SECRET_WORDS):
        return secrets.MASK
    return value


def _canonical(values: dict[str, Any] | None) -> str | None:
    if values is None:
        return None
    return orjson.dumps(masked(values), option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS, default=str).decode()


def search(actor: Actor, filters: dict[str, Any], asked: PageRequest) -> Page[AuditEntry]:
    """Entries of the workspace, newest first; `filters` as `audit.search.Search` takes them.

    raises   Forbidden below admin, InsufficientScope without audit:read; Invalid for a cursor that is not ours and pages beyond 100
    """
    actor.require("audit:read")
    if asked.sort_by not in SORTABLE:
        raise invalid("sort_by", "The audit log is sorted by at.")
    position, newest = read_cursor(asked.cursor, 1, asked.descending is not False)
    if position is None and asked.page > DEEPEST_PAGE:
        raise invalid("page", f"Pages go up to {DEEPEST_PAGE}; go on with the cursor in meta.next_cursor.")
    found = Search(actor.workspace_id, filters)
    query = found.select(AuditEntry, beyond=position[0] if position else None, newest=newest, most=asked.per_page + 1)
    if position is None:
        query = query.offset((asked.page - 1) * asked.per_page)
    rows = list(db.session.scalars(query))
    more = len(rows) > asked.per_page
    rows = rows[: asked.per_page]
    total, capped = len(rows), False
    if found.plain:
        total = kept(actor.workspace_id)
    elif position is not None or asked.page > 1 or more:
        total, capped = found.count(CAP)
    cursor = write_cursor([rows[-1].id], newest) if more else None
    return Page(rows, asked.per_page, None if position else asked.page, total, capped, more, cursor, keyset=True)


def kept(workspace_id: int) -> int:
    """How many entries a workspace has, from the head of its chain."""
    number = db.session.scalar(select(AuditHead.count - AuditHead.cut_position).where(AuditHead.workspace_id == workspace_id))
    return number or 0


def get_entry(actor: Actor, entry_id: int) -> AuditEntry:
    actor.require("audit:read")
    entry = db.session.scalar(select(AuditEntry).where(AuditEntry.id == entry_id, AuditEntry.workspace_id == actor.workspace_id))
    if entry is None:
        raise NotFound(f"There is no audit entry with the id {entry_id}.")
    return entry


def neighbours(actor: Actor, entry: AuditEntry) -> list[AuditEntry]:
    """The entries around one in its chain, newest first, itself included."""
    around = AuditEntry.position.between(entry.position - 1, entry.position + 1)
    query = select(AuditEntry).where(AuditEntry.workspace_id == actor.workspace_id, around)
    return list(db.session.scalars(query.order_by(AuditEntry.position.desc())))


def story_of(actor: Actor, target_type: str, target_id: int, limit: int = 20) -> Story:
    """The newest entries about one object, for its page; empty for somebody who may not read the log."""
    return latest(actor, target_type, target_id, limit)


def latest(
    actor: Actor, target_type: str | None = None, target_id: int | None = None, limit: int = 8, *, token_id: int | None = None
) -> Story:
    """The newest entries of the workspace, of one kind of thing, or made with one token; empty for those who may not read the log."""
    if not actor.may("audit:read"):
        return Story()
    filters = {"target_type": target_type, "target_id": target_id, "token_id": token_id}
    query = Search(actor.workspace_id, filters).select(AuditEntry, most=limit)
    return Story(db.session.scalars(query), filters)
