"""The trash: what was deleted in the last 30 days, brought back or, after that, removed for good. Each step is audited."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import live, trash
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import Forbidden, HouseError, invalid
from webapp.core.paging import Page, PageRequest
from webapp.core.trash import Bin, Trashed

#: things that one order brings back or removes at most
MOST = 500


@dataclass
class Outcome:
    """What an order over many things did: what went well, and what did not with the reason in words."""

    done: list[Trashed] = field(default_factory=list)
    refused: list[tuple[str, int, str]] = field(default_factory=list)


def list_trash(actor: Actor, asked: PageRequest, kind: str | None = None, search: str = "") -> Page[Trashed]:
    """What lies in the trash, newest first; only kinds that the actor may read. raises Forbidden for limited tokens"""
    actor.require("trash:read")
    _whole_workspace(actor)
    return trash.list_trash(actor, asked, kind, search)


def count(actor: Actor) -> dict[str, int]:
    """How much of each kind lies in the trash, up to 1,000."""
    actor.require("trash:read")
    _whole_workspace(actor)
    return trash.count(actor)


def restore(actor: Actor, kind: str, row_id: int) -> Trashed:
    """Bring one thing back.

    raises NotFound for what is not in this workspace's trash; Invalid or Conflict when its address or name is taken by now
    """
    found, row = _find(actor, kind, row_id)
    gone = Trashed(kind, row.id, trash.name_of(found, row), row.deleted_at, row.deleted_at + trash.KEPT)
    trash.restore(actor, kind, row_id)
    audit.record(
        actor, f"{kind}.restore", Target(kind, gone.id, gone.name), before={"deleted_at": gone.deleted_at}, after={"deleted_at": None}
    )
    _tell(actor, kind)
    return gone


def purge(actor: Actor, kind: str, row_id: int) -> Trashed:
    """Give one thing up before its 30 days are over; it is gone at once for everybody, and from the disk within minutes. raises NotFound"""
    _find(actor, kind, row_id)
    gone = trash.expire(actor, kind, row_id)
    audit.record(actor, f"{kind}.give_up", Target(kind, gone.id, gone.name), before={"deleted_at": gone.deleted_at})
    _tell(actor, kind)
    return gone


def restore_many(actor: Actor, items: Sequence[tuple[str, int]]) -> Outcome:
    """Bring several things back, each by itself: what cannot come back does not hold up the rest. What others need comes first."""
    order = {kind: place for place, kind in enumerate(trash.bins)}
    return _many(actor, sorted(items, key=lambda item: order.get(item[0], len(order))), restore)


def purge_many(actor: Actor, items: Sequence[tuple[str, int]]) -> Outcome:
    """Give several things up, what hangs on others first."""
    order = {kind: place for place, kind in enumerate(trash.bins)}
    return _many(actor, sorted(items, key=lambda item: -order.get(item[0], len(order))), purge)


def everything(actor: Actor, kind: str | None = None, search: str = "") -> list[tuple[str, int]]:
    """What a list shows on all its pages, newest first, at most MOST."""
    return [(item.kind, item.id) for item in list_trash(actor, PageRequest(1, MOST), kind, search).items]


def _many(actor: Actor, items: Sequence[tuple[str, int]], do: Any) -> Outcome:
    actor.require("trash:write")
    if len(items) > MOST:
        raise invalid("items", f"At most {MOST} things at once; these are {len(items):,}.")
    outcome = Outcome()
    for kind, row_id in dict.fromkeys(items):
        try:
            with db.session.begin_nested():
                outcome.done.append(do(actor, kind, row_id))
        except HouseError as refused:
            outcome.refused.append((kind, row_id, f"{refused.message} {refused.hint or ''}".strip()))
    return outcome


def _find(actor: Actor, kind: str, row_id: int) -> tuple[Bin, Any]:
    actor.require("trash:write")
    _whole_workspace(actor)
    found, row = trash.find_trashed(actor, kind, row_id)
    actor.require(found.read_scope)
    return found, row


def _tell(actor: Actor, kind: str) -> None:
    for name in (f"{plural(kind)}-changed", "trash-changed"):
        live.notify(actor.workspace_id, name)


def purge_old(limit: int = 200) -> int:
    """Remove what is older than 30 days; returns how many rows went."""
    return trash.purge_old(limit, _note_purge)


def _note_purge(found: Bin, row: Any) -> None:
    system = Actor.system(row.workspace_id, "trash")
    audit.record(
        system, f"{found.kind}.purge", Target(found.kind, row.id, trash.name_of(found, row)), before={"deleted_at": row.deleted_at}
    )


def kinds() -> list[str]:
    """The kinds of things that can lie in the trash."""
    return list(trash.bins)


def plural(kind: str) -> str:
    """`mailboxes`, `routes`"""
    return f"{kind}es" if kind.endswith("x") else f"{kind}s"


def _whole_workspace(actor: Actor) -> None:
    """The trash does not know which mailbox a thing belonged to, so a token that is limited to some does not open it."""
    if actor.domain_ids is not None or actor.mailbox_ids is not None:
        raise Forbidden("A token that is limited to domains or mailboxes does not open the trash.", hint="Use a token without such limits.")
