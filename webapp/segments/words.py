"""Segments in words: "Tag has vip and (Opened no campaign in the last 90 days or City is Lund)"."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from webapp.contacts.models import ContactGroup, CustomField, Tag
from webapp.core.db import db
from webapp.segments import campaigns
from webapp.segments.language import CUSTOM, FIELDS, Field, Tree, field, leaves
from webapp.segments.values import LAST

#: values of a list that are spelled out
MOST_SAID = 3
FLAGS = {True: "yes", False: "no"}


@dataclass(frozen=True)
class Names:
    """What the ids in some trees are called; fields with the labels of the workspace's own."""

    fields: Mapping[str, Field]
    tags: Mapping[int, str]
    groups: Mapping[int, str]
    campaigns: Mapping[int, str]

    def of(self, leaf: Tree, value: Any) -> str:
        kind = self.fields[leaf["field"]].kind if leaf["field"] in self.fields else ""
        if kind in ("tag", "group") and isinstance(value, int):
            return (self.tags if kind == "tag" else self.groups).get(value, f"a deleted {kind}")
        if kind in ("received", "engaged") and value == LAST:
            return "that was sent last"
        if kind in ("received", "engaged"):
            return f"“{self.campaigns.get(value, f'deleted, {value}')}”"
        return FLAGS[value] if isinstance(value, bool) else f"{value:,}" if isinstance(value, int | float) else str(value)


def fields_of(workspace_id: int) -> dict[str, Field]:
    """Every field that the builder offers, the workspace's own last, with their labels."""
    rows = db.session.execute(
        select(CustomField.key, CustomField.label, CustomField.type).where(CustomField.workspace_id == workspace_id)
        .order_by(CustomField.position, CustomField.id)
    ).all()  # fmt: skip
    types = {row.key: row.type for row in rows}
    own = {}
    for row in rows:
        one = field(CUSTOM + row.key, types)
        if one is not None:
            own[one.name] = Field(one.name, row.label, one.kind, one.section)
    return {**FIELDS, **own}


def names_of(workspace_id: int, trees: Iterable[Tree], fields: Mapping[str, Field] | None = None) -> Names:
    """What is needed to say these trees, read in at most four queries."""
    found: dict[str, set[int]] = {"tag": set(), "group": set(), "campaign": set()}
    known = fields_of(workspace_id) if fields is None else fields
    for tree in trees:
        for leaf in leaves(tree):
            kind = known[leaf["field"]].kind if leaf["field"] in known else ""
            place = "campaign" if kind in ("received", "engaged") and not leaf["operator"].endswith("days") else kind
            if place in found and leaf["value"] is not None:
                values = leaf["value"] if isinstance(leaf["value"], list) else [leaf["value"]]
                found[place].update(one for one in values if isinstance(one, int))
    return Names(
        known, _named(workspace_id, Tag, found["tag"]), _named(workspace_id, ContactGroup, found["group"]),
        campaigns.names(workspace_id, found["campaign"]) if found["campaign"] else {},
    )  # fmt: skip


def _named(workspace_id: int, model: Any, ids: set[int]) -> dict[int, str]:
    if not ids:
        return {}
    rows = db.session.execute(select(model.id, model.name).where(model.workspace_id == workspace_id, model.id.in_(ids)))
    return {row.id: row.name for row in rows}


def sentence(tree: Tree, names: Names, outermost: bool = True) -> str:
    """The tree in one line."""
    if "conditions" not in tree:
        return condition(tree, names)
    parts = [sentence(one, names, outermost=False) for one in tree["conditions"]]
    text = (" and " if tree["match"] == "all" else " or ").join(parts)
    return text if outermost or len(parts) < 2 else f"({text})"


def condition(leaf: Tree, names: Names) -> str:
    """One condition in words."""
    one = names.fields.get(leaf["field"])
    if one is None or leaf["operator"] not in one.operators:
        return f"{one.label if one else leaf['field'].removeprefix(CUSTOM)}, which is no longer asked this way"
    words, value = one.words(leaf["operator"]), leaf["value"]
    if value is None:
        return f"{one.label} {words}"
    if one.operators[leaf["operator"]] == "days":
        return f"{one.label} {words} {value:,} day{'' if value == 1 else 's'}"
    values = value if isinstance(value, list) else [value]
    said = ", ".join(names.of(leaf, part) for part in values[:MOST_SAID])
    more = f" and {len(values) - MOST_SAID:,} more" if len(values) > MOST_SAID else ""
    return f"{one.label} {words} {said}{more}"
