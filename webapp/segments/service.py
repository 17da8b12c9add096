"""Segments: saved filters over contacts, for people and programs. What one chooses is computed whenever it is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import func, select

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.contacts import listing
from webapp.core import live
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import InUse, Invalid, NotFound, invalid
from webapp.core.lookup import get_mine, mine
from webapp.core.paging import Page, PageRequest, paginate
from webapp.domains.taken import unless_taken
from webapp.segments import campaigns, counting, naming
from webapp.segments.compile import condition, custom_types
from webapp.segments.counting import Count
from webapp.segments.language import Tree, checked
from webapp.segments.models import Segment

LIVE_EVENT = "segments-changed"
MOST_SEGMENTS, MOST_NAME = 1000, 120
SORTABLE = {"name": Segment.name, "created_at": Segment.created_at, "updated_at": Segment.updated_at, "id": Segment.id}


def list_segments(actor: Actor, asked: PageRequest, filters: dict[str, Any]) -> Page[Segment]:
    """By name; filters: search (a part of the name). Each has `tree`, its conditions as people wrote them."""
    actor.require("contacts:read")
    query = mine(actor, Segment)
    if words := (filters.get("search") or "").strip():
        query = query.where(func.lower(Segment.name).contains(words.lower(), autoescape=True))
    page = paginate(query, asked, sortable=SORTABLE, default="name", tie=Segment.id)
    written(page.items)
    return page


def written(rows: list[Segment]) -> list[Segment]:
    """The same segments, with `tree` set on each: tags by name."""
    trees = naming.shown(rows[0].workspace_id, [tree_of(row) for row in rows]) if rows else []
    for row, tree in zip(rows, trees, strict=True):
        row.tree = tree
    return rows


def get_segment(actor: Actor, segment_id: int) -> Segment:
    """With `tree`. raises NotFound"""
    actor.require("contacts:read")
    return _found(actor, segment_id)


def _found(actor: Actor, segment_id: int, *, for_update: bool = False) -> Segment:
    return written([get_mine(actor, Segment, segment_id, "segment", for_update=for_update)])[0]


def tree_of(segment: Segment) -> Tree:
    """What it asks, as `compile.condition` takes it."""
    return {"match": segment.match, "conditions": segment.conditions}


def create_segment(
    actor: Actor, *, name: str, conditions: Any, match: Any = "all", description: str | None = None
) -> Segment:  # fmt: skip
    """raises Invalid about name, or a condition by its path"""
    actor.require("contacts:write")
    if (db.session.scalar(select(func.count()).select_from(mine(actor, Segment).subquery())) or 0) >= MOST_SEGMENTS:
        raise invalid("name", f"A workspace takes {MOST_SEGMENTS:,} segments. Delete one first.")
    faults: dict[str, list[str]] = {}
    with told_together(faults):
        tree = read_tree(actor.workspace_id, {"match": match, "conditions": conditions})
    with told_together(faults):
        name = _name(actor, name)
    refuse(faults)
    row = Segment(workspace_id=actor.workspace_id, name=name, description=description or None, **tree)
    with unless_taken("name", f"The segment “{row.name}” was made by somebody else at this moment."):
        db.session.add(row)
    written([row])
    audit.record(actor, "segment.create", target(row), after=snapshot(row))
    live.notify(actor.workspace_id, LIVE_EVENT)
    return row


def update_segment(actor: Actor, segment_id: int, changes: dict[str, Any]) -> Segment:
    """changes  name, description, match, conditions. raises NotFound; Invalid about name, or a condition by its path"""
    actor.require("contacts:write")
    row = _found(actor, segment_id, for_update=True)
    before, tree, name, faults = snapshot(row), tree_of(row), row.name, dict[str, list[str]]()
    with told_together(faults):
        if changes.get("conditions") is not None:
            tree = read_tree(actor.workspace_id, {"match": changes.get("match") or row.match, "conditions": changes["conditions"]})
        elif changes.get("match") is not None:
            tree = checked_match(row, changes["match"])
    with told_together(faults):
        if changes.get("name") is not None and changes["name"] != row.name:
            name = _name(actor, changes["name"], row.id)
    refuse(faults)
    if "description" in changes:
        row.description = changes["description"] or None
    row.match, row.conditions = tree["match"], tree["conditions"]
    with unless_taken("name", f"The segment “{name}” was made by somebody else at this moment."):
        row.name = name
    written([row])
    audit.record(actor, "segment.update", target(row), before=before, after=snapshot(row))
    live.notify(actor.workspace_id, LIVE_EVENT)
    return row


@contextmanager
def told_together(faults: dict[str, list[str]]) -> Iterator[None]:
    """Keep what is refused inside, so that all of a form's faults are told at once."""
    try:
        yield
    except Invalid as error:
        faults.update(error.fields)


def refuse(faults: dict[str, list[str]]) -> None:
    """raises Invalid when there are any"""
    if faults:
        path, sentences = next(iter(faults.items()))
        raise Invalid(sentences[0] if path == "name" else f"{path}: {sentences[0]}", fields=faults)


def checked_match(row: Segment, match: Any) -> Tree:
    """Another `match` over the same conditions, which are not checked again: a tag that is gone does not stand in the way."""
    if match not in ("all", "any"):
        raise invalid("match", "Write all or any.")
    return {"match": match, "conditions": row.conditions}


def delete_segment(actor: Actor, segment_id: int) -> Segment:
    """The contacts stay. raises NotFound; InUse while a campaign that is on its way asks for it"""
    actor.require("contacts:delete")
    row = _found(actor, segment_id, for_update=True)
    using = campaigns.asking(actor.workspace_id, row.id)
    if using:
        named = ", ".join(f"“{name}”" for _, name, _ in using[:5]) + ("" if len(using) <= 5 else f" and {len(using) - 5} more")
        raise InUse(
            f"The segment “{row.name}” is used by {len(using)} campaign{'' if len(using) == 1 else 's'}: {named}.",
            hint="Change or finish them first; a segment says who gets a campaign until the last mail left.",
            more={"campaigns": [{"id": id_, "name": name, "status": state} for id_, name, state in using]},
        )
    audit.record(actor, "segment.delete", target(row), before=snapshot(row))
    db.session.delete(row)
    db.session.flush()
    live.notify(actor.workspace_id, LIVE_EVENT)
    return row


def read_tree(workspace_id: int, tree: Any) -> Tree:
    """A tree that somebody wrote, checked against the workspace's own fields, tags, groups and campaigns. raises Invalid"""
    return naming.settled(workspace_id, checked(tree, custom_types(workspace_id)))


def count_tree(actor: Actor, tree: Any) -> Count:
    """How many contacts a tree that is not saved chooses. raises Invalid"""
    actor.require("contacts:read")
    return counting.count(actor.workspace_id, read_tree(actor.workspace_id, tree))


def count_segment(segment: Segment) -> Count:
    """How many contacts it chooses now."""
    return counting.count(segment.workspace_id, tree_of(segment))


def get_counted(actor: Actor, segment_id: int) -> Segment:
    """With `tree`, and what it chooses: `found`, `contacts_count`, `is_exact`, `at_least`, `at_most`. raises NotFound"""
    row = get_segment(actor, segment_id)
    row.found = found = count_segment(row)
    row.contacts_count, row.is_exact, row.at_least, row.at_most = found.count, found.is_exact, found.at_least, found.at_most
    return row


def of_workspace(actor: Actor) -> list[tuple[int, str]]:
    """(id, name) of all, by name; nothing for whoever may not see contacts."""
    if not actor.may("contacts:read"):
        return []
    rows = db.session.execute(select(Segment.id, Segment.name).where(Segment.workspace_id == actor.workspace_id).order_by(Segment.name))
    return [(row.id, row.name) for row in rows]


def list_contacts(actor: Actor, segment_id: int, asked: PageRequest) -> Page[Any]:
    """Its contacts, as the list of contacts answers them. raises NotFound; Unavailable when finding them takes too long"""
    get_segment(actor, segment_id)
    return listing.list_contacts(actor, asked, {"segment_id": segment_id})


def of_filter(workspace_id: int, value: Any, *, few: bool = False) -> Any:
    """For lists of contacts: the filter `segment_id`. few: see `compile.condition`. raises NotFound"""
    number = int(value) if str(value).isdecimal() and len(str(value)) < 19 else 0
    row = db.session.scalar(select(Segment).where(Segment.workspace_id == workspace_id, Segment.id == number))
    if row is None:
        raise NotFound(f"There is no segment with the id {str(value)[:20]}.")
    return condition(workspace_id, tree_of(row), few=few)


def _name(actor: Actor, name: str, but: int | None = None) -> str:
    """The name in one line, when no other segment has it. raises Invalid"""
    plain = " ".join(name.split())
    if not plain or len(plain) > MOST_NAME:
        raise invalid("name", f"Write a name of 1 to {MOST_NAME} characters.")
    other = db.session.scalar(mine(actor, Segment).where(Segment.name == plain))
    if other is not None and other.id != but:
        raise invalid("name", f"There is a segment “{plain}” already. Choose another name.")
    return plain


def target(row: Segment) -> Target:
    """How the audit log names it."""
    return Target("segment", row.id, row.name)


def snapshot(row: Segment) -> dict[str, Any]:
    return {"name": row.name, "description": row.description, "match": row.match, "conditions": row.conditions}
