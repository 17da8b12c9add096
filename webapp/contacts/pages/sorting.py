"""Tags and groups of one contact, added and removed one by one."""

from typing import Any

from flask import request, url_for

from webapp.contacts import groups, membership, service, tags
from webapp.contacts.forms import row_id
from webapp.contacts.pages.base import bp, who
from webapp.core.access import current_actor, needs
from webapp.core.db import db
from webapp.core.errors import HouseError
from webapp.core.htmx import redirect_to


@bp.post("/contacts/<int:contact_id>/tags")
@needs("contacts:write")
def add_tag(contact_id: int) -> Any:
    """Give it a tag, which is made when it is not there."""
    actor = current_actor()
    contact = service.get_contact(actor, contact_id)
    try:
        (tag,) = tags.named(actor, [request.form.get("tag", "")])
    except HouseError as refused:
        db.session.rollback()
        return _back(contact_id, refused.message, "bad")
    done = membership.tag(actor, tag.id, [contact_id])
    return _back(contact_id, f"{who(contact)} has the tag {tag.name}{'' if done.changed else ' already'}")


@bp.post("/contacts/<int:contact_id>/tags/<int:tag_id>/remove")
@needs("contacts:write")
def remove_tag(contact_id: int, tag_id: int) -> Any:
    """Take a tag away."""
    actor = current_actor()
    service.get_contact(actor, contact_id)
    membership.untag(actor, tag_id, [contact_id])
    return _back(contact_id, f"The tag {tags.get_tag(actor, tag_id).name} is removed")


@bp.post("/contacts/<int:contact_id>/groups")
@needs("contacts:write")
def join_group(contact_id: int) -> Any:
    """Put it into a group."""
    actor, group_id = current_actor(), row_id(request.form.get("group_id", ""))
    contact = service.get_contact(actor, contact_id)
    if not group_id:
        return _back(contact_id, "Choose a group first.", "bad")
    membership.add(actor, group_id, [contact_id])
    return _back(contact_id, f"{who(contact)} is in {groups.get_group(actor, group_id).name}")


@bp.post("/contacts/<int:contact_id>/groups/<int:group_id>/leave")
@needs("contacts:write")
def leave_group(contact_id: int, group_id: int) -> Any:
    """Take it out of a group."""
    actor = current_actor()
    contact = service.get_contact(actor, contact_id)
    membership.remove(actor, group_id, [contact_id])
    return _back(contact_id, f"{who(contact)} left {groups.get_group(actor, group_id).name}")


def _back(contact_id: int, toast: str, tone: str = "ok") -> Any:
    return redirect_to(url_for("contacts.show_page", contact_id=contact_id), toast=toast, tone=tone)
