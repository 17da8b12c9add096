"""Both kinds of paging, sorting, filters and totals."""

import base64
from typing import Any

import pytest

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core.db import db
from webapp.tokens import service as tokens


def make_tokens(person: Any, count: int) -> None:
    for number in range(count):
        tokens.create_token(person.actor, name=f"Token {number:03}", kind="ops", scopes=["domains:read"])
    db.session.commit()


def note(person: Any, count: int, action: str = "thing.update") -> None:
    for number in range(count):
        audit.record(person.actor, action, Target("thing", number + 1, f"Thing {number}"))
    db.session.commit()


def test_numbered_pages_cover_everything_once_with_an_exact_total(alice: Any) -> None:
    make_tokens(alice, 27)
    seen: list[int] = []
    for number in (1, 2, 3):
        body = alice.api.get(f"/tokens?per_page=10&page={number}").json
        meta = body["meta"]
        assert (meta["current_page"], meta["per_page"], meta["total"], meta["last_page"]) == (number, 10, 30, 3)
        assert (body["links"]["next"] is None, body["links"]["prev"] is None) == (number == 3, number == 1)
        seen += [row["id"] for row in body["data"]]
    assert len(seen) == len(set(seen)) == 30 and seen == sorted(seen, reverse=True)
    assert alice.api.get("/tokens?per_page=10&page=99").json["data"] == []


def test_links_are_followed_as_they_are_and_use_the_public_address(alice: Any) -> None:
    make_tokens(alice, 5)
    link = alice.api.get("/tokens?per_page=2&kind=ops", headers={"Host": "evil.test"}).json["links"]["next"]
    assert link.startswith("http://localhost/api/v1/tokens?"), "the Host header is never believed (C-61)"
    rows = alice.api.get(link.removeprefix("http://localhost")).json["data"]
    assert len(rows) == 2 and all(row["kind"] == "ops" for row in rows)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("per_page=101", "per_page"), ("per_page=0", "per_page"), ("per_page=ten", "per_page"), ("page=0", "page"), ("page=-1", "page"),
        ("page=99999999999999999999", "page"), ("sort_by=secret_hash", "sort_by"), ("sort_order=up", "sort_order"), ("color=red", "color"),
        ("kind=root", "kind"), ("workspace_id=2", "workspace_id"), ("kind=a%00b", "kind"), ("ordering=-user_id", "sort_by"),
    ],
)  # fmt: skip
def test_what_a_query_cannot_mean_is_422_with_its_name(alice: Any, query: str, field: str) -> None:
    answer = alice.api.get(f"/tokens?{query}")
    assert answer.status_code == 422 and any(key.startswith((field, "query")) for key in answer.json["error"]["details"]), answer.json


def test_sorting_by_name_both_ways_and_by_the_documented_spelling(alice: Any) -> None:
    make_tokens(alice, 3)
    up = [row["name"] for row in alice.api.get("/tokens?kind=ops&sort_by=name&sort_order=asc").json["data"]]
    assert up == ["Token 000", "Token 001", "Token 002"]
    assert [row["name"] for row in alice.api.get("/tokens?kind=ops&sort_by=name&sort_order=desc").json["data"]] == up[::-1]
    assert [row["name"] for row in alice.api.get("/tokens?kind=ops&ordering=-name").json["data"]] == up[::-1]
    assert [row["name"] for row in alice.api.get("/tokens?kind=ops&ordering=createdTime").json["data"]] == up


def test_cursor_pages_have_no_gap_and_no_repetition_while_rows_arrive(alice: Any) -> None:
    note(alice, 60)
    seen: list[int] = []
    query = "action=thing&per_page=25"
    while True:
        body = alice.api.get(f"/audit-events?{query}").json
        seen += [row["id"] for row in body["data"]]
        note(alice, 1)
        if not body["meta"]["has_more"]:
            assert body["meta"]["next_cursor"] is None and body["links"]["next"] is None
            break
        query = body["links"]["next"].partition("?")[2]
        assert f"cursor={body['meta']['next_cursor']}" in query and "action=thing" in query
    assert len(seen) == len(set(seen)) == 60 and seen == sorted(seen, reverse=True)


def test_streams_take_page_numbers_up_to_100_and_not_beyond(alice: Any) -> None:
    note(alice, 5)
    second = alice.api.get("/audit-events?action=thing&per_page=2&page=2").json
    assert second["meta"]["current_page"] == 2 and len(second["data"]) == 2
    assert alice.api.get("/audit-events?page=100").status_code == 200
    deep = alice.api.get("/audit-events?page=101")
    assert deep.status_code == 422 and "cursor" in deep.json["error"]["details"]["page"][0]


def test_a_filtered_total_is_counted_up_to_1000_and_says_so(alice: Any) -> None:
    note(alice, 1003)
    meta = alice.api.get("/audit-events?action=thing").json["meta"]
    assert (meta["total"], meta["total_is_capped"], meta["last_page"]) == (1000, True, None)
    few = alice.api.get("/audit-events?action=token").json["meta"]
    assert few["total"] == 3 and "total_is_capped" not in few


def garbage(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x", "%20", "=", garbage(b"[]"), garbage(b"[true]"), garbage(b'[true,"1"]'), garbage(b"[true,1,2]"), garbage(b"[1,1]"),
        garbage(b"[true,1.5]"), garbage(b"[true,null]"), garbage(b"[true,99999999999999999999]"), garbage(b"[true,true]"), garbage(b"{}"),
        "x" * 513,
    ],
)  # fmt: skip
def test_a_cursor_that_is_not_ours_is_422(alice: Any, cursor: str) -> None:
    answer = alice.api.get(f"/audit-events?cursor={cursor}")
    assert answer.status_code == 422 and answer.json["error"]["details"]["cursor"]


def test_page_and_cursor_together_are_refused(alice: Any) -> None:
    note(alice, 3)
    cursor = alice.api.get("/audit-events?per_page=1").json["meta"]["next_cursor"]
    assert alice.api.get(f"/audit-events?per_page=1&page=2&cursor={cursor}").status_code == 422


@pytest.mark.parametrize("text", ["' OR 1=1 --", "%", "_", "\\", "100%_\\'\"", "🚲", "a" * 120])
def test_search_text_is_text(alice: Any, text: str) -> None:
    note(alice, 2)
    answer = alice.api.get("/audit-events", query_string={"actor": text})
    assert answer.status_code == 200 and answer.json["data"] == []
