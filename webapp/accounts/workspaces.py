"""Workspaces: made, renamed, deleted. `erasing` removes the rows of a deleted one."""

from sqlalchemy import delete, select

from webapp.accounts import erasing
from webapp.accounts.models import Invitation, Membership, Workspace
from webapp.accounts.persons import check_title, get_workspace
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import events, queue
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Forbidden, InvalidState, invalid


def add_workspace(name: str, user_id: int, field: str = "name") -> Workspace:
    """A workspace with its first owner; nothing is asked and nothing audited. raises Invalid about `field`"""
    made = Workspace(name=check_title(name, field), settings={})
    db.session.add(made)
    db.session.flush()
    db.session.add(Membership(workspace_id=made.id, user_id=user_id, role="owner"))
    db.session.flush()
    events.send("workspace_created", workspace_id=made.id)
    return made


def create_workspace(actor: Actor, *, name: str) -> Workspace:
    """A further workspace; who makes it owns it. raises Forbidden below admin (somebody without any workspace may), Invalid about name"""
    if actor.workspace_id:
        actor.require("workspaces:write")
    if actor.user_id is None:
        raise Forbidden("A workspace needs a person who owns it.")
    made = add_workspace(name, actor.user_id)
    audit.record(actor, "workspace.create", Target("workspace", made.id, made.name), after={"name": made.name}, workspace_id=made.id)
    return made


def rename_workspace(actor: Actor, *, name: str) -> Workspace:
    actor.require("workspaces:write")
    title = check_title(name)
    workspace = get_workspace(actor)
    before = {"name": workspace.name}
    if title != workspace.name:
        workspace.name = title
        audit.record(actor, "workspace.update", Target("workspace", workspace.id, title), before=before, after={"name": title})
    return workspace


def what_goes(actor: Actor) -> dict[str, int]:
    """What deleting the workspace takes along, by name: exact numbers of what is counted, without what there is none of."""
    actor.require("account:read")
    return erasing.numbers(actor.workspace_id)


def delete_workspace(actor: Actor, *, confirm: str) -> Workspace:
    """Delete the workspace with everything in it: nobody has a place in it any more at once, a job removes its rows. It cannot be undone.

    confirm  the name of the workspace, typed by whoever deletes it
    raises   Forbidden below owner, Invalid about confirm, InvalidState for the only workspace of the installation
    """
    actor.require("workspaces:write")
    actor.require_role("owner", "Deleting a workspace")
    workspace = get_workspace(actor)
    if " ".join(confirm.split()) != workspace.name:
        raise invalid("confirm", f"Write the name of the workspace to delete it: {workspace.name}")
    # The lock of the first workspace lets two who delete the last two of them at the same moment wait for each other.
    living = list(db.session.scalars(select(Workspace.id).where(Workspace.deleted_at.is_(None)).order_by(Workspace.id).with_for_update()))
    if living == [workspace.id]:
        raise InvalidState("This is the only workspace of the installation.", hint="Create another one first, or rename this one.")
    gone = {"name": workspace.name, **erasing.numbers(workspace.id)}
    workspace.deleted_at = utcnow()
    for model in (Membership, Invitation):
        db.session.execute(delete(model).where(model.workspace_id == workspace.id), execution_options={"synchronize_session": False})
    db.session.flush()
    events.send("workspace_deleted", workspace_id=workspace.id)
    target = Target("workspace", workspace.id, workspace.name)
    audit.record(actor, "workspace.delete", target, before=gone)
    audit.record(actor, "workspace.delete", target, before=gone, workspace_id=0)
    queue.ring(erasing.DRAIN)
    return workspace
