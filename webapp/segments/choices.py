"""What the builder's selects offer: fields by section, operators of a field, and values that are chosen instead of typed."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select

from webapp.contacts.models import SOURCES, ContactGroup, CustomField, Tag
from webapp.core.db import db
from webapp.segments import campaigns
from webapp.segments.draft import Draft, Node
from webapp.segments.language import CUSTOM, Field
from webapp.segments.values import LAST, MOST_DAYS, MOST_TEXT
from webapp.segments.words import FLAGS

#: tags and groups of a select; those that a draft names are there in any case
MOST_OFFERED = 500
Options = list[tuple[str, str]]


class Choices:
    """For one workspace and one draft; each list is read once, when a condition needs it."""

    def __init__(self, workspace_id: int, fields: Mapping[str, Field], draft: Draft) -> None:
        self.workspace_id, self.fields, self.draft = workspace_id, fields, draft
        self.read: dict[str, Options] = {}

    def sections(self) -> list[tuple[str, list[Field]]]:
        found: dict[str, list[Field]] = {}
        for one in self.fields.values():
            found.setdefault(one.section, []).append(one)
        return list(found.items())

    def field(self, node: Node) -> Field:
        """Its field; the first one for a field that is gone."""
        return self.fields.get(node.name) or next(iter(self.fields.values()))

    def operator(self, node: Node) -> str:
        """Its operator; the field's first where it takes no such one."""
        operators = self.field(node).operators
        return node.operator if node.operator in operators else next(iter(operators))

    def operators(self, node: Node) -> Options:
        one = self.field(node)
        return [(operator, one.words(operator)) for operator in one.operators]

    def shape(self, node: Node) -> str:
        return self.field(node).operators[self.operator(node)]

    def is_many(self, node: Node) -> bool:
        shape = self.shape(node)
        return shape.endswith("s") and shape != "days"

    def widget(self, node: Node) -> str:
        """none, select, lines, or the type of an input."""
        shape = self.shape(node)
        if shape == "none":
            return "none"
        if self.options(node) is not None:
            return "select"
        if self.is_many(node):
            return "lines"
        if shape == "moment":
            return "date" if len(node.text) in (0, 10) else "text"
        return {"days": "number", "day": "date"}.get(shape, "text")

    def attributes(self, node: Node) -> dict[str, Any]:
        """Of an input."""
        shape = self.shape(node)
        if shape == "days":
            return {"min": 1, "max": MOST_DAYS, "step": 1}
        return {"inputmode": "decimal"} if shape == "number" else {"maxlength": MOST_TEXT}

    def options(self, node: Node) -> Options | None:
        """What can be chosen; None where the value is typed."""
        shape, one = self.shape(node), self.field(node)
        if shape == "flag":
            return [("true", FLAGS[True]), ("false", FLAGS[False])]
        if shape.startswith("source"):
            return [(word, word) for word in SOURCES]
        if shape.startswith("campaign"):
            return [(LAST, "that was sent last"), *self._list("campaign")]
        if shape.startswith("named"):
            return self._list(one.kind)
        if one.name.startswith(CUSTOM) and node.operator in ("equals", "not_equals", "in", "not_in"):
            return self._list(one.name) or None
        return None

    def _list(self, kind: str) -> Options:
        if kind not in self.read:
            rows: list[Any]
            if kind == "campaign":
                rows = list(campaigns.offered(self.workspace_id))
            elif kind in ("tag", "group"):
                rows = self._rows(Tag if kind == "tag" else ContactGroup, self._named(kind))
            else:
                rows = [(word, word) for word in self._own(kind.removeprefix(CUSTOM))]
            self.read[kind] = [(str(value), str(label)) for value, label in rows]
        return self.read[kind]

    def _named(self, kind: str) -> list[int]:
        nodes = [node for node in self.draft.nodes() if node.match is None and self.field(node).kind == kind]
        return [int(text) for node in nodes for text in node.texts if text.isdecimal() and len(text) < 19]

    def _rows(self, model: Any, wanted: Iterable[int]) -> list[Any]:
        mine = select(model.id, model.name).where(model.workspace_id == self.workspace_id)
        first = list(db.session.execute(mine.order_by(model.name).limit(MOST_OFFERED)))
        more = set(wanted) - {row.id for row in first}
        return first + (list(db.session.execute(mine.where(model.id.in_(more)))) if more else [])

    def _own(self, key: str) -> list[str]:
        mine = CustomField.workspace_id == self.workspace_id, CustomField.key == key
        return [str(option) for option in db.session.scalar(select(CustomField.options).where(*mine)) or []]
