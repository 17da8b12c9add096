"""Hints: what is odd about a token, in the list, on its page and over the API; narrowing to what it used."""

from datetime import timedelta
from typing import Any

from webapp.core.db import db, utcnow
from webapp.tokens import calls, door, hints
from webapp.tokens.models import ApiToken, TokenScopeUse


def codes(person: Any, token_id: int) -> list[str]:
    found = [hint["code"] for hint in person.api.get(f"/tokens/{token_id}").json["data"]["hints"]]
    listed = next(row for row in person.api.get("/tokens?per_page=100").json["data"] if row["id"] == token_id)
    assert [hint["code"] for hint in listed["hints"]] == found, "list and single answer say the same"
    return found


def age(token_id: int, **columns: Any) -> None:
    for name, value in columns.items():
        setattr(db.session.get(ApiToken, token_id), name, value)
    db.session.commit()
    door.forget_all()


def make(person: Any, *scopes: str, **more: Any) -> tuple[int, Any]:
    api = person.token_with(*scopes, **more)
    return db.session.query(ApiToken.id).order_by(ApiToken.id.desc()).limit(1).scalar(), api


def write_lines(person: Any, token_id: int) -> None:
    assert person.api.get(f"/tokens/{token_id}/log").status_code == 200
    calls.forget()


def test_a_token_that_nobody_used_says_so_until_its_first_call(alice: Any) -> None:
    token_id, api = make(alice, "domains:read")
    assert codes(alice, token_id) == ["never_used"]
    api.get("/domains")
    assert codes(alice, token_id) == []


def test_unused_for_30_days(alice: Any) -> None:
    token_id, api = make(alice, "domains:read")
    api.get("/domains")
    age(token_id, last_used_at=utcnow() - timedelta(days=29, hours=23), created_at=utcnow() - timedelta(days=60))
    assert codes(alice, token_id) == []
    age(token_id, last_used_at=utcnow() - timedelta(days=41))
    assert codes(alice, token_id) == ["unused_30_days"]
    assert "Unused for 41 days" in alice.page.get(f"/tokens/{token_id}").get_data(as_text=True)
    assert "unused for 41 days" in alice.page.get("/tokens").get_data(as_text=True)


def test_ending_soon_counts_in_the_last_week_or_the_last_quarter_of_a_short_life(alice: Any) -> None:
    token_id, api = make(alice, "domains:read", expires_in=7_776_000)
    api.get("/domains")
    assert codes(alice, token_id) == []
    age(token_id, created_at=utcnow() - timedelta(days=83, hours=1), expires_at=utcnow() + timedelta(days=6, hours=23))
    assert codes(alice, token_id) == ["expires_soon"]
    age(token_id, created_at=utcnow() - timedelta(hours=1), expires_at=utcnow() + timedelta(hours=3))
    assert codes(alice, token_id) == [], "a workspace token of four hours is not ending all of its life"
    assert alice.page.get("/tokens?state=soon").get_data(as_text=True).count(f'id="token-{token_id}"') == 1


def test_what_has_ended_has_no_hints(alice: Any) -> None:
    token_id, _ = make(alice, "domains:read")
    alice.api.delete(f"/tokens/{token_id}")
    assert codes(alice, token_id) == []


def test_broader_than_used_names_both_sides_and_is_narrowed_with_one_click(alice: Any) -> None:
    token_id, api = make(alice, "*")
    api.get("/domains")
    api.get("/mailboxes")
    api.get("/mailboxes/424242")
    write_lines(alice, token_id)
    assert codes(alice, token_id) == [], "it was watched for a moment only"
    age(token_id, created_at=utcnow() - timedelta(days=7, minutes=1))
    hint = alice.api.get(f"/tokens/{token_id}").json["data"]["hints"][0]
    assert hint["code"] == "broader_than_used" and hint["used"] == ["domains:read", "mailboxes:read"]
    assert "messages:send" in hint["unused"] and "domains:read" not in hint["unused"] and "2 of its" in hint["message"]
    assert "uses 2 of" in alice.page.get("/tokens").get_data(as_text=True)
    page = alice.page.get(f"/tokens/{token_id}").get_data(as_text=True)
    assert "Narrow to what it used" in page
    question = alice.page.get(f"/tokens/{token_id}/narrow").get_data(as_text=True)
    assert "It keeps what it used: domains:read, mailboxes:read" in question
    assert db.session.get(ApiToken, token_id).scopes == ["*"], "a question changes nothing"
    assert alice.page.post(f"/tokens/{token_id}/narrow").status_code == 303
    assert db.session.get(ApiToken, token_id).scopes == ["domains:read", "mailboxes:read"]
    assert codes(alice, token_id) == [] and alice.page.post(f"/tokens/{token_id}/narrow").status_code == 409
    door.forget_all()
    assert api.get("/domains").status_code == 200 and api.get("/routes").status_code == 403


def test_every_scope_that_a_call_needed_counts_as_used_and_those_refused_do_not(alice: Any) -> None:
    token_id, api = make(alice, "rules", "testmail:run", "domains:read")
    rule = api.post("/rules", json={"name": "r", "type": "text_contains", "field": "subject", "value": "x"})
    made = rule.status_code
    api.get("/mailboxes")
    write_lines(alice, token_id)
    used = hints.used_scopes([token_id])[token_id]
    assert "mailboxes:read" not in used and "domains:read" not in used and "rules:write" in used, (made, used)


def test_a_use_is_written_once_an_hour(alice: Any) -> None:
    token_id, api = make(alice, "domains:read")
    api.get("/domains")
    assert alice.api.get(f"/tokens/{token_id}/log").status_code == 200
    first = db.session.query(TokenScopeUse).filter_by(token_id=token_id, scope="domains:read").one().last_at
    api.get("/domains")
    assert alice.api.get(f"/tokens/{token_id}/log").status_code == 200
    row = db.session.query(TokenScopeUse).filter_by(token_id=token_id, scope="domains:read").one()
    assert row.last_at == first == row.first_at
    calls.forget()  # as another process, or an hour later
    api.get("/domains")
    assert alice.api.get(f"/tokens/{token_id}/log").status_code == 200
    db.session.expire_all()
    row = db.session.query(TokenScopeUse).filter_by(token_id=token_id, scope="domains:read").one()
    assert row.last_at > first == row.first_at


def test_editing_on_the_page_takes_scopes_and_adds_limits(alice: Any) -> None:
    token_id, _ = make(alice, "domains:read", "domains:create", "mailboxes:read")
    page = alice.page.get(f"/tokens/{token_id}/edit").get_data(as_text=True)
    assert page.count("checked") == 3 and "messages" not in page.split("<form", 2)[2]
    form = {"name": "Renamed", "expires": "604800", "scopes": ["domains:read"], "allowed_ips": "192.0.2.0/24"}
    assert alice.page.post(f"/tokens/{token_id}/edit", form).status_code == 303
    row = db.session.get(ApiToken, token_id)
    assert (row.name, row.scopes, row.allowed_ips) == ("Renamed", ["domains:read"], ["192.0.2.0/24"])
    assert row.expires_at < utcnow() + timedelta(days=7)
    wider = alice.page.post(f"/tokens/{token_id}/edit", {**form, "scopes": ["domains:read", "mailboxes:read"], "expires": ""})
    assert wider.status_code == 422 and "can only lose scopes" in wider.get_data(as_text=True)
    assert alice.page.post(f"/tokens/{token_id}/edit", {**form, "expires": "2592000"}).status_code == 422, "a later end"
    assert alice.page.post(f"/tokens/{token_id}/edit", {**form, "scopes": [], "expires": ""}).status_code == 422
