"""Large lists are sought in ways that small ones need not: each way gives the same pages."""

from typing import Any

import pytest
from sqlalchemy import select

from webapp.contacts import groups, listing, membership, seeking, service, words
from webapp.contacts.models import Contact
from webapp.core.db import db, is_sqlite, utcnow
from webapp.core.errors import Unavailable
from webapp.core.paging import PageRequest
from webapp.core.patience import TooLong
from webapp.segments import service as segments

NUMBER = 23
FILTERS: tuple[dict[str, Any], ...] = (
    {"subscribed": True}, {"status": "unsubscribed"}, {"subscribed": True, "tag": "odd"}, {"status": "unsubscribed", "group_id": 0},
    {"subscribed": True, "group_id": 0, "tag": "odd"}, {"segment_id": 0},
    {"segment_id": 0, "group_id": 0},
)  # fmt: skip
ORDERS = (PageRequest(per_page=7), PageRequest(per_page=7, sort_by="name"), PageRequest(per_page=6, sort_by="updated_at", descending=False),
          PageRequest(per_page=3, page=2))  # fmt: skip


def crowd(person: Any) -> dict[str, int]:
    """People with tags, a third of them on a list, and a segment: the ids of both."""
    for number in range(NUMBER):
        service.create_contact(person.actor, email=f"p{number}@shop.test", name=f"P{number * 7 % 10}", tags=["odd"] if number % 2 else [])
    group = groups.create_group(person.actor, name="News")
    ids = list(db.session.scalars(select(Contact.id).order_by(Contact.id)))
    membership.add(person.actor, group.id, ids[::3])
    for row in db.session.scalars(select(Contact).where(Contact.id.in_(ids[::4]))):
        row.subscribed, row.unsubscribed_at = False, utcnow()
    conditions = [{"field": "tag", "operator": "equals", "value": "odd"}, {"field": "name", "operator": "equals", "value": "P4"}]
    segment = segments.create_segment(person.actor, name="Some", match="any", conditions=conditions)
    db.session.commit()
    return {"group_id": group.id, "segment_id": segment.id}


def pages(person: Any, asked: PageRequest, given: dict[str, Any]) -> list[Any]:
    """Ids of all pages from there on, and the total of the first."""
    page = listing.list_contacts(person.actor, asked, given)
    found: list[Any] = [page.total, [row.id for row in page.items]]
    while page.next_cursor:
        page = listing.list_contacts(person.actor, PageRequest(per_page=asked.per_page, cursor=page.next_cursor), given)
        found.append([row.id for row in page.items])
    return found


def too_long(*_: Any) -> Any:
    raise TooLong


@pytest.mark.parametrize("way", ["cheap", "walk", "few", "everybody"])
def test_each_way_gives_the_pages_of_a_small_list(bob: Any, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    ids = crowd(bob)
    asked = [({name: value or ids[name] for name, value in given.items()}, order) for given in FILTERS for order in ORDERS]
    expected = [pages(bob, order, given) for given, order in asked]
    assert sum(len(found) > 2 for found in expected) > 8, "most lists have a second page"
    monkeypatch.setattr(seeking, "SMALL", -1)
    monkeypatch.setattr(seeking, "MOST_COST", 1e9 if way == "cheap" else -1)
    for name in ("WALK_S", "COUNT_S"):
        monkeypatch.setattr(seeking, name, 30.0)
    if way in ("few", "everybody"):
        plain = seeking.walked
        monkeypatch.setattr(seeking, "walked", lambda *given: too_long() if len(given) == 4 else plain(*given))
    if way == "everybody":
        monkeypatch.setattr(seeking, "FEW", -1)
    assert [pages(bob, order, given) for given, order in asked] == expected


def test_a_total_that_takes_too_long_is_left_open(bob: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd(bob)
    monkeypatch.setattr(seeking, "SMALL", -1)
    monkeypatch.setattr(seeking, "MOST_COST", -1)
    monkeypatch.setattr(seeking, "WALK_S", 30.0)
    plain = seeking.patient
    monkeypatch.setattr(seeking, "patient", lambda seconds: too_long() if seconds == seeking.COUNT_S else plain(seconds))
    answer = bob.api.get("/contacts?subscribed=true&per_page=5").json
    assert len(answer["data"]) == 5 and answer["meta"]["total"] is None
    shown = bob.page.get("/contacts?state=subscribed")
    assert shown.status_code == 200 and b"P3" in shown.data


def test_contacts_that_take_too_long_to_be_found_say_so(bob: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd(bob)
    monkeypatch.setattr(seeking, "SMALL", -1)
    monkeypatch.setattr(seeking, "patient", too_long)
    with pytest.raises(Unavailable, match="takes too long"):
        listing.list_contacts(bob.actor, PageRequest(), {"subscribed": True})
    answer = bob.api.get("/contacts?subscribed=true")
    assert answer.status_code == 503 and "leaves fewer" in str(answer.json["error"])


def test_members_of_a_large_list_are_walked_along_with_the_contacts_in_other_orders(bob: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"group_id": crowd(bob)["group_id"]}
    expected = [pages(bob, order, given) for order in ORDERS]
    monkeypatch.setattr(listing, "LARGE", 0)
    assert [pages(bob, order, given) for order in ORDERS] == expected
    if is_sqlite():
        order = listing.order_of(PageRequest(sort_by="name"))
        assert listing._members(bob.workspace.id, given, order)[0] == "group_id"


@pytest.mark.parametrize("is_long", [False, True])
def test_one_word_finds_the_same_in_a_large_workspace(bob: Any, monkeypatch: pytest.MonkeyPatch, is_long: bool) -> None:
    crowd(bob)
    asked = [({"search": typed}, order) for typed in ("p4", "P", "shop", "nobody") for order in ORDERS]
    expected = [pages(bob, order, given) for given, order in asked]
    monkeypatch.setattr(words, "FREQUENT", -1)
    monkeypatch.setattr(words.Found, "_expected", lambda _: -2)
    if is_long:
        monkeypatch.setattr(words, "patient", too_long)
    assert [pages(bob, order, given) for given, order in asked] == expected
