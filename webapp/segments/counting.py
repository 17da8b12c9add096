"""How many contacts a tree chooses, and some of them, within a bounded time whatever the tree is.

Counted exactly where that is cheap: PostgreSQL's planner says what it expects, and either database is stopped after PATIENCE_S. A single
tag or group has a counter. Everything else is estimated from a random sample, with the range that the true number lies in
(`segments.estimating`).
"""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from webapp.contacts.models import Contact, ContactGroup, Tag
from webapp.core import counters
from webapp.core.bulk import among
from webapp.core.db import db, is_sqlite
from webapp.core.patience import TooLong, cost, patient
from webapp.segments.compile import condition, tag_name
from webapp.segments.estimating import estimate
from webapp.segments.language import Tree

#: seconds that an exact count may take, and that finding examples may
PATIENCE_S, SAMPLE_S = 0.08, 0.06
#: a count that PostgreSQL expects to be dearer is not tried; it reads so much in about PATIENCE_S
MOST_COST = 25_000
SAMPLE = 10
#: fields whose numbers are kept -> table of what they name
KEPT: dict[str, Any] = {"tag": Tag, "group": ContactGroup}


@dataclass(frozen=True)
class Count:
    """How many; when it is not exact, about how many, hardly ever fewer than `at_least` or more than `at_most`."""

    count: int
    is_exact: bool
    at_least: int = -1
    at_most: int = -1
    #: ids of some who were met in the sample
    examples: tuple[int, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if self.is_exact:
            object.__setattr__(self, "at_least", self.count)
            object.__setattr__(self, "at_most", self.count)

    @property
    def said(self) -> str:
        """In words: 1,234; about 480,000 (±3 %); 100 to 900; fewer than 700.

        >>> Count(480_000, False, 470_000, 494_000).said, Count(0, False, 0, 700).said, Count(400, False, 200, 900).said
        ('about 480,000 (±3 %)', 'few or none, fewer than 700', 'about 400 (200 to 900)')
        """
        if self.is_exact:
            return f"{self.count:,}"
        if not self.count:
            return f"few or none, fewer than {self.at_most:,}"
        away = max(self.count - self.at_least, self.at_most - self.count) / self.count
        range_ = f"±{max(1, round(100 * away))} %" if away < 0.2 else f"{self.at_least:,} to {self.at_most:,}"
        return f"about {self.count:,} ({range_})"


def count(workspace_id: int, tree: Tree, patience_s: float = PATIENCE_S) -> Count:
    """How many contacts of the workspace a checked tree chooses, as of the last commit."""
    chosen = select(func.count()).select_from(Contact).where(Contact.workspace_id == workspace_id, condition(workspace_id, tree))
    found = _counted(chosen, patience_s)
    if found is None:
        found = _kept(workspace_id, tree)
    if found is not None:
        return Count(found, True)
    about = estimate(workspace_id, condition(workspace_id, tree, singly=True))
    return Count(about.number, about.is_exact, about.at_least, about.at_most, about.examples)


def _counted(chosen: Select[Any], patience_s: float) -> int | None:
    """The exact count; None where it takes too long."""
    try:
        with patient(patience_s) as connection:
            if not is_sqlite() and cost(connection, chosen) > MOST_COST:
                return None
            return connection.scalar(chosen) or 0
    except TooLong:
        return None


def _kept(workspace_id: int, tree: Tree) -> int | None:
    """What a counter knows: of a tree with one condition, on one tag or group."""
    leaf = tree
    while "conditions" in leaf:
        if len(leaf["conditions"]) != 1:
            return None
        leaf = leaf["conditions"][0]
    owner, value = KEPT.get(leaf["field"]), leaf["value"]
    if owner is None or leaf["operator"] not in ("equals", "not_equals"):
        return None
    named = owner.id == value if isinstance(value, int) else owner.name == (tag_name(value) if owner is Tag else value)
    row_id = db.session.scalar(select(owner.id).where(owner.workspace_id == workspace_id, named))
    if row_id is None:
        return None
    number = counters.read(workspace_id, f"{leaf['field']}:{row_id}")
    return number if leaf["operator"] == "equals" else counters.read(workspace_id, Contact.__tablename__) - number


def sample(workspace_id: int, tree: Tree, columns: tuple[Any, ...], found: Count | None = None) -> list[Any] | None:
    """Up to ten of them, whichever are found first; None when finding them takes too long.

    found  the count that was made just before: those whom its sample met are the examples
    """
    if found is not None and not found.is_exact:
        return _rows(columns, workspace_id, among(Contact.id, found.examples)) if found.examples else None
    try:
        return _rows(columns, workspace_id, condition(workspace_id, tree))
    except TooLong:
        return None


def _rows(columns: tuple[Any, ...], workspace_id: int, wanted: ColumnElement[bool]) -> list[Any]:
    """raises TooLong"""
    query = select(*columns).where(Contact.workspace_id == workspace_id, wanted).limit(SAMPLE)
    with patient(SAMPLE_S) as connection:
        return sorted(connection.execute(query), key=lambda row: -row.id)
