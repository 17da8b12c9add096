"""The builder's form: what stands in it between two submits. Read from a form, changed by its buttons, turned into a tree and back.

Names of fields follow the place in the tree: `n-0-field`, `n-0-operator`, `n-0-value`, and `n-2-match`, `n-2-0-field` where the third
condition is a group of its own. Buttons send `do`: add, group, remove and the place, such as `remove-2-0`. Nothing is saved before Save,
so the builder works without script.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from webapp.segments.language import MOST_CONDITIONS, MOST_LEVELS, Field, Tree
from webapp.segments.language import field as field_named

NAME = re.compile(r"n-((?:\d{1,3}-){0,5}\d{1,3})-(field|operator|value|match)\Z")
FIRST_FIELD = "tag"
#: shapes whose value is chosen from lists
CHOSEN = frozenset({"named", "source", "campaign"})


@dataclass
class Node:
    """A condition, or a group of them: then `match` is set."""

    match: str | None = None
    children: list["Node"] = field(default_factory=list)
    name: str = FIRST_FIELD
    operator: str = "equals"
    #: as the form has it: one text, or several of a list
    texts: list[str] = field(default_factory=list)
    #: where it stands, such as `2-0`; set by `Draft.place`
    place: str = ""
    level: int = 1
    errors: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.texts[0] if self.texts else ""

    @property
    def lines(self) -> str:
        return "\n".join(self.texts)


@dataclass
class Draft:
    """The whole form."""

    name: str = ""
    description: str = ""
    root: Node = field(default_factory=lambda: Node(match="all"))
    #: of fields that are no conditions
    errors: dict[str, list[str]] = field(default_factory=dict)

    def nodes(self) -> Iterator[Node]:
        """All below the root, groups before what is in them."""
        todo = list(self.root.children)
        while todo:
            node = todo.pop(0)
            yield node
            todo += node.children

    def placed(self) -> "Draft":
        """Tell each node where it stands."""
        self.root.level = 1
        for parent in [self.root, *self.nodes()]:
            for number, node in enumerate(parent.children):
                node.place = f"{parent.place}-{number}" if parent.place else str(number)
                node.level = parent.level + 1
        return self

    def tree(self, fields: Mapping[str, Field]) -> Tree:
        """What the form says, as `language.checked` reads it."""
        return _tree(self.root, fields)

    def refused(self, errors: Mapping[str, list[str]]) -> None:
        """Put the sentences of a refusal beside what they are about."""
        places = {node.place: node for node in self.nodes()}
        for path, sentences in errors.items():
            numbers = re.findall(r"conditions\.(\d+)", path)
            node = places.get("-".join(numbers))
            (node.errors if node else self.errors.setdefault("conditions" if numbers else path, [])).extend(sentences)

    def apply(self, do: str) -> None:
        """Press a button; one that does not fit changes nothing."""
        what, _, place = do.partition("-")
        parent, node, number = self._find(place)
        if what in ("add", "group") and node is not None and node.match and self.has_room:
            if what == "add":
                node.children.append(Node())
            elif node.level < MOST_LEVELS:
                node.children.append(Node(match="any" if node.match == "all" else "all", children=[Node()]))
        if what == "remove" and parent is not None:
            del parent.children[number]
            if parent is not self.root and not parent.children:
                self.apply(f"remove-{parent.place}")
        self.placed()

    @property
    def has_room(self) -> bool:
        return sum(1 for _ in self.nodes()) < MOST_CONDITIONS

    def _find(self, place: str) -> tuple[Node | None, Node | None, int]:
        """(parent, node, number within it) of a place; the root has none."""
        parent, node, number = None, self.root, 0
        for part in place.split("-") if place else []:
            number = int(part) if part.isdecimal() else -1
            if not 0 <= number < len(node.children):
                return None, None, 0
            parent, node = node, node.children[number]
        return parent, node, number


def _tree(node: Node, fields: Mapping[str, Field]) -> Tree:
    if node.match is not None:
        return {"match": node.match, "conditions": [_tree(child, fields) for child in node.children]}
    one = fields.get(node.name) or field_named(node.name)
    shape = one.operators.get(node.operator, "text") if one else "text"
    return {"field": node.name, "operator": node.operator, "value": value_of(shape, node.texts)}


def value_of(shape: str, texts: list[str]) -> Any:
    """The texts of a form as a value of that shape; what cannot be read stays a text, so that the check says what is wrong with it."""
    if shape == "none":
        return None
    if shape == "days" or not shape.endswith("s"):
        return _one(shape, texts[0] if texts else "")
    if shape.removesuffix("s") in CHOSEN:
        parts = texts
    else:
        parts = [part for text in texts for part in re.split(r"[\r\n]+" if shape == "texts" else r"[\s;,]+", text)]
    return [_one(shape.removesuffix("s"), part) for part in parts if part.strip()]


def _one(shape: str, text: str) -> Any:
    plain = text.strip()
    if shape == "flag":
        return {"true": True, "false": False}.get(plain, plain)
    if shape in ("number", "days"):
        try:
            return int(plain) if re.fullmatch(r"[+-]?\d{1,20}", plain) else float(plain) if len(plain) < 40 else plain
        except ValueError:
            return plain
    return int(plain) if shape in CHOSEN and plain.isdecimal() and len(plain) < 20 else plain


def read(form: Any) -> Draft:
    """The form as it was sent (werkzeug's MultiDict)."""
    draft = Draft(form.get("name", "")[:500], form.get("description", "")[:5000], Node(match=_match(form.get("match", ""))))
    found: dict[tuple[int, ...], Node] = {}
    for key in list(form)[: 5 * MOST_CONDITIONS]:
        known = NAME.match(key)
        if not known:
            continue
        node = found.setdefault(tuple(int(part) for part in known[1].split("-")), Node(operator=""))
        if known[2] == "match":
            node.match = _match(form[key])
        elif known[2] == "value":
            node.texts = [text[:20_000] for text in form.getlist(key)[:200]]
        else:
            setattr(node, "name" if known[2] == "field" else "operator", form[key][:100])
    for place in sorted(found, key=lambda one: (len(one), one)):
        parent = found.get(place[:-1]) if len(place) > 1 else draft.root
        if parent is not None and parent.match is not None:
            parent.children.append(found[place])
    return draft.placed()


def _match(text: str) -> str:
    return "any" if text == "any" else "all"


def of_tree(tree: Tree, name: str = "", description: str | None = None) -> Draft:
    """A form that shows a checked tree."""
    return Draft(name, description or "", _node(tree)).placed()


def _node(tree: Tree) -> Node:
    if "conditions" in tree:
        return Node(match=tree["match"], children=[_node(one) for one in tree["conditions"]])
    value = tree["value"]
    texts = [] if value is None else [_text(one) for one in (value if isinstance(value, list) else [value])]
    return Node(name=tree["field"], operator=tree["operator"], texts=texts)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
