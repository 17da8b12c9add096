"""Estimates hold the truth: on shapes as they occur, the range that is said is wrong at most as often as the documentation admits."""

import random
from collections.abc import Callable
from typing import Any
from unittest.mock import ANY

import pytest
from sqlalchemy import delete, select

from tests.segments.test_service import LUND, people
from webapp.contacts.models import Contact, Tag
from webapp.core import counters
from webapp.core.bulk import insert_rows
from webapp.core.db import db, is_sqlite, utcnow
from webapp.segments import counting, estimating
from webapp.segments.compile import condition
from webapp.segments.counting import Count
from webapp.segments.estimating import between, estimate, rounded

PEOPLE, PIECE, ASKED, DRAWS = 100_000, 10, 500, 200
#: docs/segments.md: in at least 95 of 100 counts the truth lies within the range
ADMITTED = 0.05


def scattered(share: float) -> Callable[[random.Random], list[bool]]:
    return lambda chance: [chance.random() < share for _ in range(PEOPLE)]


def clumped(share: float, length: int) -> Callable[[random.Random], list[bool]]:
    """Runs of people who are alike, as imports leave them."""

    def make(chance: random.Random) -> list[bool]:
        found: list[bool] = []
        while len(found) < PEOPLE:
            found += [chance.random() < share] * (1 + int(chance.expovariate(1 / length)))
        return found[:PEOPLE]

    return make


def newest(share: float) -> Callable[[random.Random], list[bool]]:
    """All of them came last."""
    return lambda _: [place >= PEOPLE * (1 - share) for place in range(PEOPLE)]


def thinning(share: float) -> Callable[[random.Random], list[bool]]:
    """The older, the fewer."""
    return lambda chance: [chance.random() < 2 * share * place / PEOPLE for place in range(PEOPLE)]


SHAPES = {
    "half, scattered": scattered(0.5), "one in ten, scattered": scattered(0.1), "one in 5,000, scattered": scattered(0.0002),
    "nearly all": scattered(0.999), "one in ten, in runs of 8": clumped(0.1, 8), "one in ten, in runs of 300": clumped(0.1, 300),
    "one in 300, in runs of 10": clumped(0.003, 10), "the newest fifth": newest(0.2), "the newest 0.2 %": newest(0.002),
    "a third, ever fewer": thinning(0.33), "nobody": scattered(0.0),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_the_truth_lies_in_the_range_as_often_as_admitted(shape: str) -> None:
    chance = random.Random(7)
    people = SHAPES[shape](chance)
    pieces = [(PIECE, sum(people[start : start + PIECE])) for start in range(0, PEOPLE, PIECE)]
    truth, missed, widths = sum(people) / PEOPLE, 0, []
    for _ in range(DRAWS):
        low, high = between(chance.sample(pieces, ASKED), ASKED / len(pieces))
        missed += not low <= truth <= high
        widths.append(high - low)
    assert missed <= ADMITTED * DRAWS
    assert sorted(widths)[DRAWS // 2] < 0.15, "a range that says nothing is never wrong"


def test_pieces_that_hold_more_or_fewer_contacts_are_weighed_by_them() -> None:
    chance = random.Random(3)
    sizes = [chance.choice((0, 1, 5, 40)) for _ in range(10_000)]
    pieces = [(size, sum(chance.random() < (0.8 if size == 40 else 0.1) for _ in range(size))) for size in sizes]
    truth = sum(chosen for _, chosen in pieces) / sum(sizes)
    missed = 0
    for _ in range(DRAWS):
        low, high = between([piece for piece in chance.sample(pieces, ASKED) if piece[0]], ASKED / len(pieces))
        missed += not low <= truth <= high
    assert missed <= ADMITTED * DRAWS


def test_numbers_have_as_many_digits_as_their_range_leaves_meaning_in() -> None:
    assert rounded(483_211, 474_100, 492_300) == estimating.Estimate(483_000, 474_000, 493_000)
    assert rounded(411, 180, 930) == estimating.Estimate(400, 100, 1000)
    assert rounded(3, 1, 7) == estimating.Estimate(3, 1, 7)


def test_counts_are_said_with_what_is_known_of_them() -> None:
    assert Count(1234, True).said == "1,234"
    assert Count(480_000, False, 470_000, 494_000).said == "about 480,000 (±3 %)"
    assert Count(400, False, 200, 900).said == "about 400 (200 to 900)"
    assert Count(0, False, 0, 700).said == "few or none, fewer than 700"


def many(person: Any, number: int) -> int:
    """Contacts of whom runs of 20 live in Lund, with some gone between them; how many live there."""
    now = utcnow()
    names = [
        "workspace_id", "domain", "name", "source", "subscribed", "is_indexed", "custom_fields", "created_at", "updated_at", "email",
        "address", "city",
    ]  # fmt: skip
    same = person.workspace.id, "shop.test", "", "api", True, False, dict[str, Any](), now, now
    addresses = [f"m{n}@shop.test" for n in range(number)]
    insert_rows(Contact, names, [(*same, one, one, "Lund" if n // 20 % 4 == 1 else "Oslo") for n, one in enumerate(addresses)])
    db.session.execute(delete(Contact).where(Contact.id % 7 == 3))
    left = list(db.session.scalars(select(Contact.city).where(Contact.workspace_id == person.workspace.id)))
    counters.bump(person.workspace.id, "contacts", len(left))
    db.session.commit()
    return left.count("Lund")


def test_estimates_of_a_database_hold_the_truth_and_name_people_who_fit(bob: Any, eve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    people(eve, "Lund", "Lund")
    truth = many(bob, 3000)
    monkeypatch.setattr(estimating, "MOST", 120)
    random.seed(11)
    wanted = condition(bob.workspace.id, {"match": "all", "conditions": LUND}, singly=True)
    found = [estimate(bob.workspace.id, wanted, 5.0) for _ in range(12)]
    assert sum(one.at_least <= truth <= one.at_most for one in found) >= 11
    assert not any(one.is_exact for one in found)
    assert max(one.number for one in found) < 2 * truth
    shown = db.session.scalars(select(Contact.city).where(Contact.id.in_(found[0].examples)))
    assert set(shown) == {"Lund"} and len(found[0].examples) == estimating.SHOWN


@pytest.mark.parametrize("sparse", [16, 0])
def test_a_sample_that_leaves_nobody_out_is_exact(bob: Any, eve: Any, monkeypatch: pytest.MonkeyPatch, sparse: int) -> None:
    people(eve, "Lund")
    truth = many(bob, 600)
    monkeypatch.setattr(estimating, "SPARSE", sparse)
    wanted = condition(bob.workspace.id, {"match": "all", "conditions": LUND}, singly=True)
    assert estimate(bob.workspace.id, wanted, 5.0) == estimating.Estimate(truth, truth, truth, ANY, is_exact=True)


def test_a_count_that_takes_too_long_comes_from_a_counter_or_a_sample(bob: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_counted", lambda *_: None)
    truth = many(bob, 700)
    tag = Tag(workspace_id=bob.workspace.id, name="big-spender", color="#112233")
    db.session.add(tag)
    db.session.flush()
    counters.bump(bob.workspace.id, f"tag:{tag.id}", 41)
    db.session.commit()
    bears = {"field": "tag", "operator": "equals", "value": "Big Spender"}
    total = counters.read(bob.workspace.id, "contacts")
    one = {"match": "any", "conditions": [{"match": "all", "conditions": [bears]}]}
    assert counting.count(bob.workspace.id, one) == Count(41, True)
    without = {"match": "all", "conditions": [{**bears, "operator": "not_equals"}]}
    assert counting.count(bob.workspace.id, without) == Count(total - 41, True)
    found = counting.count(bob.workspace.id, {"match": "all", "conditions": LUND})
    assert found.at_least <= truth <= found.at_most
    some = counting.sample(bob.workspace.id, {"match": "all", "conditions": LUND}, (Contact.id, Contact.city), found)
    assert some and {row.city for row in some} == {"Lund"}


def test_postgresql_does_not_begin_what_it_expects_to_be_dear(bob: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    people(bob, "Lund", "Oslo")
    monkeypatch.setattr(counting, "MOST_COST", 0)
    chosen = select(Contact.id).where(condition(bob.workspace.id, {"match": "all", "conditions": LUND}))
    assert (counting._counted(chosen, 5.0) is None) is not is_sqlite()
