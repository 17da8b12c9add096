"""Catching requests: where a webhook can point while its real receiver does not exist yet.

The address takes any method and body, keeps the newest KEPT requests, and answers 200 or what `?status=` asks for, so that retries
can be watched. Our own actions reach it without a connection (`core.http_guard`), so it works on a machine that may call nobody.
"""

import re
import secrets
from typing import Any

from sqlalchemy import delete, select

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.catcher.models import Catcher, CaughtRequest
from webapp.core import live
from webapp.core.actor import Actor
from webapp.core.config import settings
from webapp.core.db import db, fresh_session, reading
from webapp.core.lookup import get_mine, mine
from webapp.core.paging import Page, PageRequest, keyset
from webapp.core.secrets import MASK

#: requests kept per workspace, bytes kept of a body, headers and bytes kept of a header
KEPT, BODY_BYTES, MOST_HEADERS, HEADER_BYTES = 200, 65_536, 100, 4096
PATH = "/catch/"
_STATUS = re.compile(r"(?:^|&)status=([2-5]\d\d)(?:&|$)")


def url_of(catcher: Catcher) -> str:
    return f"{prefix()}{catcher.key}"


def prefix() -> str:
    """What the addresses of all catchers of this installation begin with."""
    return f"{settings().public_url.rstrip('/')}{PATH}"


def find(actor: Actor) -> Catcher | None:
    """The catcher of the workspace, if it was opened."""
    actor.require("catcher:read")
    return _own(actor)


def _own(actor: Actor) -> Catcher | None:
    return db.session.scalar(mine(actor, Catcher))


def open_catcher(actor: Actor) -> Catcher:
    """The catcher of the workspace, made when there is none."""
    actor.require("catcher:write")
    return _own(actor) or _make(actor)


def renew(actor: Actor) -> Catcher:
    """Give the catcher another address; the old one stops at once."""
    actor.require("catcher:write")
    catcher = _own(actor)
    if catcher is None:
        return _make(actor)
    catcher.key = secrets.token_urlsafe(18)
    db.session.flush()
    audit.record(actor, "catcher.renew", Target("catcher", catcher.id, "Request catcher"))
    return catcher


def _make(actor: Actor) -> Catcher:
    catcher = Catcher(workspace_id=actor.workspace_id, key=secrets.token_urlsafe(18))
    db.session.add(catcher)
    db.session.flush()
    audit.record(actor, "catcher.create", Target("catcher", catcher.id, "Request catcher"))
    return catcher


def list_caught(actor: Actor, asked: PageRequest) -> Page[CaughtRequest]:
    """Newest first."""
    actor.require("catcher:read")
    return keyset(mine(actor, CaughtRequest), asked, keys=[CaughtRequest.id])


def get_caught(actor: Actor, request_id: int) -> CaughtRequest:
    """raises NotFound"""
    actor.require("catcher:read")
    return get_mine(actor, CaughtRequest, request_id, "caught request")


def clear(actor: Actor) -> int:
    """Throw away what was caught; answers how many."""
    actor.require("catcher:write")
    done: Any = db.session.execute(delete(CaughtRequest).where(CaughtRequest.workspace_id == actor.workspace_id))
    if done.rowcount:
        audit.record(actor, "catcher.clear", Target("catcher", None, "Request catcher"), before={"requests": done.rowcount})
    live.notify(actor.workspace_id, "caught")
    return int(done.rowcount)


def catch(key: str, method: str, query: str, headers: list[tuple[str, str]], body: bytes, size: int, ip: str | None) -> int | None:
    """Keep one request, in a transaction of its own. Returns the status to answer; None when no catcher has this key."""
    with reading():
        workspace_id = db.session.scalar(select(Catcher.workspace_id).where(Catcher.key == key))
        db.session.rollback()
    if workspace_id is None:
        return None
    asked = _STATUS.search(query)
    status = int(asked[1]) if asked else 200
    with fresh_session():
        pairs = [[name[:HEADER_BYTES], _kept(name, value)] for name, value in headers[:MOST_HEADERS]]
        text = body[:BODY_BYTES].decode("utf-8", "replace").replace("\x00", "�")
        made = CaughtRequest(
            workspace_id=workspace_id, method=method, query=query[:HEADER_BYTES], headers=pairs, body=text, size_bytes=size,
            answered=status, ip=ip,
        )  # fmt: skip
        db.session.add(made)
        db.session.flush()
        oldest = select(CaughtRequest.id).where(CaughtRequest.workspace_id == workspace_id).order_by(CaughtRequest.id.desc())
        limit = oldest.offset(KEPT).limit(1).scalar_subquery()
        db.session.execute(delete(CaughtRequest).where(CaughtRequest.workspace_id == workspace_id, CaughtRequest.id <= limit))
        live.notify(workspace_id, "caught")
    return status


def _kept(name: str, value: str) -> str:
    """A browser that looks at the address sends the session of whoever sits there; nobody else is to read that."""
    return MASK if name.lower() in ("cookie", "x-csrftoken") else value[:HEADER_BYTES]
