"""Two contacts that are one person: finding them, looking at both side by side, and merging them."""

from dataclasses import dataclass
from typing import Any

from flask import request, url_for
from sqlalchemy import func, select

from webapp.contacts import duplicates, field_values, merging, picking, service
from webapp.contacts.forms import CUSTOM, TEXTS, row_id
from webapp.contacts.models import Consent, Contact, Engagement, Note
from webapp.contacts.pages.base import bp, who
from webapp.core.access import current_actor, needs
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import HouseError
from webapp.core.htmx import redirect_to, render

LABELS = {name: name.replace("_", " ").capitalize() for name in TEXTS} | {"state": "State or region"}
#: what is moved -> one, several
MOVED: tuple[tuple[Any, str, str], ...] = (
    (Note, "note", "notes"), (Consent, "piece of consent", "pieces of consent"),
    (Engagement, "reaction to a campaign", "reactions to campaigns"),
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """One field in which the two differ. `name` is that of the form's field; `keep` says which is chosen at first."""

    name: str
    label: str
    target: Any
    source: Any
    keep: str


@bp.get("/contacts/duplicates")
@needs("contacts:read")
def duplicates_page() -> Any:
    """Contacts that may be one person."""
    after = request.args.get("after", "")[:200].replace("\x00", "")
    found, more = duplicates.find(current_actor(), after)
    links: dict[str, Any] = {"older": url_for(".duplicates_page", after=more) if more else None}
    links["newest"] = url_for(".duplicates_page") if after else None
    return render("contacts/duplicates.html", found=found, after=after, **links)


@bp.route("/contacts/<int:contact_id>/merge", methods=["GET", "POST"])
@needs("contacts:write")
def merge_page(contact_id: int) -> Any:
    """Choose the other one; then both side by side, what is moved, and the merge."""
    actor = current_actor()
    target = service.get_contact(actor, contact_id)
    other, problem = _other(actor, target)
    if other is None:
        page = {"contact": target, "who": who(target), "problem": problem, "typed": request.values.get("address", "")}
        likely = merging.candidates(actor, contact_id)
        return render("contacts/merge_choose.html", status=422 if problem else 200, likely=likely, **page)
    choices = _choices(actor, target, other)
    if request.method == "POST" and request.form.get("confirmed"):
        try:
            return _merge(actor, target, other, choices)
        except HouseError as refused:
            if refused.status not in (409, 422):
                raise
            db.session.rollback()
            problem = refused.message
            target, other = service.get_contact(actor, contact_id), service.get_contact(actor, other.id)
    return render(
        "contacts/merge.html", status=422 if problem else 200, contact=target, other=other, who=who(target), choices=choices,
        problem=problem, moved=_moved(target, other), says_no=not other.subscribed and target.subscribed,
    )  # fmt: skip


def _other(actor: Actor, target: Contact) -> tuple[Contact | None, str]:
    """The contact that is to be merged into this one, by id or by address; or None, and why."""
    address, other_id = request.values.get("address", "").strip()[:254], row_id(request.values.get("with", ""))
    if address:
        ids, _ = picking.by_addresses(actor.workspace_id, [address])
        if not ids:
            return None, f"There is no contact with the address {address}."
        other_id = ids[0]
    if not other_id:
        return None, ""
    if other_id == target.id:
        return None, "That is the same contact. Choose another one."
    return service.get_contact(actor, other_id), ""


def _choices(actor: Actor, target: Contact, other: Contact) -> list[Choice]:
    """Fields in which both say something, and not the same."""
    found = []
    for name in TEXTS:
        mine, theirs = getattr(target, name), getattr(other, name)
        if mine != theirs and theirs:
            found.append(Choice(name, LABELS[name], mine, theirs, "target" if mine else "source"))
    for field in field_values.of_workspace(actor.workspace_id):
        mine, theirs = target.custom_fields.get(field.key), other.custom_fields.get(field.key)
        if mine != theirs and theirs is not None:
            keep = "source" if mine is None else "target"
            found.append(Choice(f"{CUSTOM}{field.key}", field.label, _shown(mine), _shown(theirs), keep))
    return found


def _shown(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _merge(actor: Actor, target: Contact, other: Contact, choices: list[Choice]) -> Any:
    """Merge, then take over what was chosen from the other one."""
    taken = [choice.name for choice in choices if request.form.get(choice.name) == "source"]
    changes: dict[str, Any] = {name: getattr(other, name) for name in taken if name in TEXTS}
    own = {name.partition(".")[2]: other.custom_fields.get(name.partition(".")[2]) for name in taken if name not in TEXTS}
    gone = who(other)
    merging.merge(actor, target.id, other.id)
    if own:
        changes["custom_fields"] = own
    if changes:
        service.update_contact(actor, target.id, changes, source="page")
    return redirect_to(url_for(".show_page", contact_id=target.id), toast=f"{gone} is merged into this contact")


def _moved(target: Contact, other: Contact) -> list[str]:
    """What goes over, in numbers."""
    found = []
    for model, one, many in MOVED:
        number = db.session.scalar(select(func.count()).select_from(model).where(model.contact_id == other.id)) or 0
        if number:
            found.append(f"{number:,} {one if number == 1 else many}")
    for name, mine, theirs in (("tag", target.tags, other.tags), ("group", target.groups, other.groups)):
        new = [row.name for row in theirs if row.id not in {held.id for held in mine}]
        if new:
            found.append(f"{len(new)} {name}{'' if len(new) == 1 else 's'} ({', '.join(new)})")
    return found
