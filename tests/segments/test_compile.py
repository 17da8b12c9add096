"""What a compiled tree chooses is what a plain evaluation of the same tree chooses, on both databases."""

from typing import Any

from sqlalchemy import select

from tests.segments.crowd import NOW, TYPES, Crowd
from tests.segments.reference import holds
from webapp.contacts.models import Contact
from webapp.core.db import db
from webapp.segments.compile import condition
from webapp.segments.language import checked


def chosen(workspace_id: int, tree: dict[str, Any], **how: bool) -> set[int]:
    found = condition(workspace_id, checked(tree, TYPES), now=NOW, **how)
    return set(db.session.scalars(select(Contact.id).where(Contact.workspace_id == workspace_id, found)))


def test_compiled_trees_choose_whom_the_plain_evaluation_chooses(alice: Any) -> None:
    crowd = Crowd(alice.workspace.id, 60)
    wrong = []
    for number in range(200):
        tree = crowd.tree()
        expected = {person["id"] for person in crowd.people if holds(tree, person)}
        if chosen(alice.workspace.id, tree, few=number % 3 == 1, singly=number % 3 == 2) != expected:
            wrong.append(tree)
    assert not wrong, f"{len(wrong)} trees choose others, such as {min(wrong, key=lambda one: len(str(one)))}"


def test_each_operator_of_each_field_chooses_whom_the_plain_evaluation_chooses(alice: Any) -> None:
    crowd = Crowd(alice.workspace.id, 60, seed=2)
    wrong, some = [], 0
    for _ in range(400):
        leaf = crowd.leaf()
        tree = {"match": "all", "conditions": [leaf]}
        expected = {person["id"] for person in crowd.people if holds(tree, person)}
        some += 0 < len(expected) < len(crowd.people)
        if chosen(alice.workspace.id, tree) != expected:
            wrong.append(leaf)
    assert not wrong, wrong[:5]
    assert some > 120, "too few of the conditions tell people apart"
