"""Names in a segment: people write `tag equals customer`, and what is kept is the tag's id, so that a tag may be renamed."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from webapp.contacts.models import ContactGroup, Tag
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.segments import campaigns
from webapp.segments.compile import tag_name
from webapp.segments.language import FIELDS, Tree
from webapp.segments.values import LAST

#: kind of field -> (table, what one is called)
NAMED: dict[str, tuple[Any, str]] = {"tag": (Tag, "tag"), "group": (ContactGroup, "contact group")}
CAMPAIGN_KINDS = ("received", "engaged")


def settled(workspace_id: int, tree: Tree) -> Tree:
    """The checked tree with ids in place of names. raises Invalid that names the path of each that the workspace does not have"""
    errors: dict[str, list[str]] = {}
    for kind, (model, noun) in NAMED.items():
        found = [(path, leaf) for path, leaf in walk(tree) if _kind(leaf) == kind and leaf["value"] is not None]
        ids = _ids(workspace_id, model, {one for _, leaf in found for one in _values(leaf)})
        for path, leaf in found:
            missing = [one for one in _values(leaf) if one not in ids]
            if missing:
                errors[f"{path}.value"] = [f"There is no {noun} {_quoted(missing[0])}."]
            elif isinstance(leaf["value"], list):
                leaf["value"] = list(dict.fromkeys(ids[one] for one in leaf["value"]))
            else:
                leaf["value"] = ids[leaf["value"]]
    for path, leaf in walk(tree):
        wanted = {one for one in _values(leaf) if one != LAST} if _names_campaign(leaf) else set()
        if wanted and (gone := wanted - set(campaigns.ids(workspace_id, wanted))):
            errors[f"{path}.value"] = [f"There is no campaign {min(gone)}."]
    if errors:
        first = next(iter(errors.items()))
        raise Invalid(f"{first[0]}: {first[1][0]}", fields=errors)
    return tree


def shown(workspace_id: int, trees: list[Tree]) -> list[Tree]:
    """Copies of the trees as people wrote them: tags by name; one that is gone stays an id."""
    ids = {one for tree in trees for _, leaf in walk(tree) if _kind(leaf) == "tag" for one in _values(leaf)}
    if not ids:
        return trees
    rows = db.session.execute(select(Tag.id, Tag.name).where(Tag.workspace_id == workspace_id, Tag.id.in_(ids)))
    names: dict[Any, str] = {row.id: row.name for row in rows}
    return [_renamed(tree, names) for tree in trees]


def _renamed(tree: Tree, names: dict[Any, str]) -> Tree:
    if "conditions" in tree:
        return {**tree, "conditions": [_renamed(one, names) for one in tree["conditions"]]}
    if _kind(tree) != "tag" or tree["value"] is None:
        return tree
    value = tree["value"]
    return {**tree, "value": [names.get(one, one) for one in value] if isinstance(value, list) else names.get(value, value)}


def walk(tree: Tree, path: str = "") -> Iterator[tuple[str, Tree]]:
    """Every leaf with its path."""
    for number, one in enumerate(tree["conditions"]):
        here = f"{path}conditions.{number}"
        if "conditions" in one:
            yield from walk(one, f"{here}.")
        else:
            yield here, one


def _kind(leaf: Tree) -> str:
    one = FIELDS.get(leaf["field"])
    return one.kind if one else ""


def _names_campaign(leaf: Tree) -> bool:
    return _kind(leaf) in CAMPAIGN_KINDS and leaf["operator"] in ("equals", "not_equals", "in", "not_in")


def _values(leaf: Tree) -> list[Any]:
    value = leaf["value"]
    return value if isinstance(value, list) else [] if value is None else [value]


def _ids(workspace_id: int, model: Any, wanted: set[int | str]) -> dict[Any, int]:
    """What was written -> id, of those that there are."""
    if not wanted:
        return {}
    names = {one: tag_name(one) if model is Tag else one for one in wanted if isinstance(one, str)}
    numbers = [one for one in wanted if isinstance(one, int)]
    rows = db.session.execute(
        select(model.id, model.name).where(model.workspace_id == workspace_id, model.id.in_(numbers) | model.name.in_(names.values()))
    ).all()
    by_name = {row.name: row.id for row in rows}
    there = {row.id for row in rows}
    return {**{one: one for one in numbers if one in there}, **{one: by_name[name] for one, name in names.items() if name in by_name}}


def _quoted(value: Any) -> str:
    return f"“{value}”" if isinstance(value, str) else f"with the id {value}"
