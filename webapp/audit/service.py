"""What the audit log can do: record a change or a refusal, and be searched."""

from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Select, or_, select

from webapp.audit import chain
from webapp.audit.models import AuditEntry
from webapp.core import secrets
from webapp.core.actor import Actor
from webapp.core.db import db, fresh_session
from webapp.core.errors import NotFound
from webapp.core.paging import Page, PageRequest, keyset

SECRET_WORDS = ("password", "secret", "token", "private", "credential", "authorization", "api_key", "recovery")
NOT_SECRET = {"token_id", "token_name", "token_last_four", "message_tokens", "verify_token", "verification_token"}


class Target(NamedTuple):
    """What something was done to: type (`route`), id, and its name for people."""

    type: str
    id: int | None
    name: str


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
    """Entries of the workspace, newest first.

    filters  q (part of the target's name, or a whole address or request id), actor (text), token_id, action (prefix such as `route`, or
             exact), target_type, target_id, result, after, before, ip, request_id
    raises   Forbidden below admin, InsufficientScope without audit:read
    """
    actor.require("audit:read")
    query = _filtered(select(AuditEntry).where(AuditEntry.workspace_id == actor.workspace_id), filters)
    return keyset(query, asked, keys=[AuditEntry.id])


def _filtered(query: Select[Any], filters: dict[str, Any]) -> Select[Any]:
    for name in ("token_id", "target_type", "target_id", "result", "ip", "request_id", "actor_id", "actor_type"):
        if filters.get(name) not in (None, ""):
            query = query.where(getattr(AuditEntry, name) == filters[name])
    if action := filters.get("action"):
        query = query.where(or_(AuditEntry.action == action, AuditEntry.action.startswith(f"{action}.", autoescape=True)))
    if part := filters.get("actor"):
        query = query.where(AuditEntry.actor_name.icontains(part, autoescape=True))
    if text := filters.get("q"):
        named = AuditEntry.target_name.icontains(text, autoescape=True)
        query = query.where(or_(named, AuditEntry.ip == text, AuditEntry.request_id == text))
    after: datetime | None = filters.get("after")
    before: datetime | None = filters.get("before")
    if after is not None:
        query = query.where(AuditEntry.at >= after)
    if before is not None:
        query = query.where(AuditEntry.at < before)
    return query


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


def story_of(actor: Actor, target_type: str, target_id: int, limit: int = 20) -> list[AuditEntry]:
    """The newest entries about one object, for its page; empty for somebody who may not read the log."""
    if not actor.may("audit:read"):
        return []
    return latest(actor, target_type, target_id, limit)


def latest(
    actor: Actor, target_type: str | None = None, target_id: int | None = None, limit: int = 8, *, token_id: int | None = None
) -> list[AuditEntry]:
    """The newest entries of the workspace, of one kind of thing, or made with one token; empty for those who may not read the log."""
    if not actor.may("audit:read"):
        return []
    query = select(AuditEntry).where(AuditEntry.workspace_id == actor.workspace_id)
    if target_type is not None:
        query = query.where(AuditEntry.target_type == target_type)
    if target_id is not None:
        query = query.where(AuditEntry.target_id == target_id)
    if token_id is not None:
        query = query.where(AuditEntry.token_id == token_id)
    return list(db.session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit)))
