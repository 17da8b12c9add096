"""The trash: what was deleted in the last 30 days, brought back or, after that, removed for good. Each step is audited."""

from typing import Any

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import live, trash
from webapp.core.actor import Actor
from webapp.core.errors import Forbidden
from webapp.core.paging import Page, PageRequest
from webapp.core.trash import Bin, Trashed


def list_trash(actor: Actor, asked: PageRequest, kind: str | None = None) -> Page[Trashed]:
    """What lies in the trash, newest first; only kinds that the actor may read. raises Forbidden for limited tokens"""
    actor.require("trash:read")
    _whole_workspace(actor)
    return trash.list_trash(actor, asked, kind)


def restore(actor: Actor, kind: str, row_id: int) -> Trashed:
    """Bring one thing back.

    raises NotFound for what is not in this workspace's trash; Invalid or Conflict when its address or name is taken by now
    """
    actor.require("trash:write")
    _whole_workspace(actor)
    found, row = trash.find_trashed(actor, kind, row_id)
    actor.require(found.read_scope)
    gone = Trashed(kind, row.id, trash.name_of(found, row), row.deleted_at, row.deleted_at + trash.KEPT)
    trash.restore(actor, kind, row_id)
    audit.record(
        actor, f"{kind}.restore", Target(kind, gone.id, gone.name), before={"deleted_at": gone.deleted_at}, after={"deleted_at": None}
    )
    live.notify(actor.workspace_id, f"{plural(kind)}-changed")
    return gone


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
