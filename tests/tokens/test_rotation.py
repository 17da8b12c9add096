"""Rotation: a successor with the same rights, both values working for as long as was chosen."""

import re
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from tests.factories.mailboxes import make_mailbox
from webapp.audit.models import AuditEntry
from webapp.core.db import db, utcnow
from webapp.tokens import door
from webapp.tokens.models import ApiToken

NEW = {"name": "CI", "kind": "ops", "scopes": ["domains:read", "mailboxes:read"]}


def make(person: Any, **more: Any) -> tuple[dict[str, Any], Any]:
    """(the token, a client that uses it)"""
    data = person.api.post("/tokens", json={**NEW, **more}).json["data"]
    return data, type(person.api)(person.api.app, data["token"])


def works(api: Any) -> bool:
    door.forget_all()
    return bool(api.get("/tokens/current").status_code == 200)


def pass_time(token_id: int, **ago: Any) -> None:
    """As if the token had been made, rotated and set to end so much earlier."""
    row = db.session.get(ApiToken, token_id)
    row.expires_at = row.expires_at - timedelta(**ago)
    db.session.commit()


def test_both_values_work_until_the_overlap_is_over(alice: Any) -> None:
    mailbox = make_mailbox(alice, "own@acme.test")
    old, old_api = make(alice, mailbox_ids=[mailbox.id], allowed_ips=["127.0.0.0/8"])
    answer = alice.api.post(f"/tokens/{old['id']}:rotate", json={"overlap_s": 3600})
    new = answer.json["data"]
    assert answer.status_code == 201 and new["id"] != old["id"] and new["token"] != old["token"]
    same = ("name", "kind", "scopes", "mailbox_ids", "domain_ids", "allowed_ips")
    assert {key: new[key] for key in same} == {key: old[key] for key in same}
    ends = datetime.fromisoformat(new["replaces"]["ends_at"])
    assert new["replaces"]["id"] == old["id"] and abs(ends - utcnow() - timedelta(hours=1)) < timedelta(minutes=1)
    assert works(old_api) and works(type(old_api)(old_api.app, new["token"]))
    shown = alice.api.get(f"/tokens/{old['id']}").json["data"]
    assert shown["replaced_by_id"] == new["id"] and shown["expires_at"] == new["replaces"]["ends_at"]
    pass_time(old["id"], minutes=61)
    assert not works(old_api) and works(type(old_api)(old_api.app, new["token"]))


def test_without_overlap_the_old_value_stops_at_once(alice: Any) -> None:
    old, old_api = make(alice, expires_in=0)
    assert works(old_api)
    new = alice.api.post(f"/tokens/{old['id']}:rotate", json={"overlap_s": 0}).json["data"]
    assert not works(old_api) and works(type(old_api)(old_api.app, new["token"])) and new["expires_at"] is None


def test_an_overlap_never_lengthens_the_old_one_and_the_new_one_lives_as_long_as_it_was_made_for(alice: Any) -> None:
    old, _ = make(alice, expires_in=600)
    new = alice.api.post(f"/tokens/{old['id']}:rotate", json={"overlap_s": 604_800}).json["data"]
    assert new["replaces"]["ends_at"] == old["expires_at"]
    life = datetime.fromisoformat(new["expires_at"]) - datetime.fromisoformat(new["created_at"])
    assert abs(life - timedelta(seconds=600)) < timedelta(seconds=5)


def test_the_overlap_is_an_hour_when_it_is_not_told_and_a_week_at_most(alice: Any) -> None:
    old, _ = make(alice)
    for wrong in (604_801, -1, "soon", 1.5, True):
        refused = alice.api.post(f"/tokens/{old['id']}:rotate", json={"overlap_s": wrong})
        assert refused.status_code == 422 and "overlap_s" in refused.json["error"]["details"], wrong
    new = alice.api.post(f"/tokens/{old['id']}:rotate").json["data"]
    ends = datetime.fromisoformat(new["replaces"]["ends_at"])
    assert abs(ends - utcnow() - timedelta(hours=1)) < timedelta(minutes=1)


def test_what_has_ended_or_was_rotated_already_is_409(alice: Any) -> None:
    old, _ = make(alice)
    assert alice.api.post(f"/tokens/{old['id']}:rotate").status_code == 201
    again = alice.api.post(f"/tokens/{old['id']}:rotate")
    assert (again.status_code, again.json["error"]["code"]) == (409, "invalid_state")
    gone, _ = make(alice)
    alice.api.delete(f"/tokens/{gone['id']}")
    assert alice.api.post(f"/tokens/{gone['id']}:rotate").status_code == 409


def test_a_token_rotates_itself_and_the_audit_log_tells_of_both(alice: Any) -> None:
    old, api = make(alice, scopes=["tokens:write", "domains:read"])
    new = api.post(f"/tokens/{old['id']}:rotate", json={"overlap_s": 60}).json["data"]
    rows = {row.action: row for row in db.session.scalars(select(AuditEntry).where(AuditEntry.token_id == old["id"]))}
    assert rows["token.rotate"].target_id == old["id"] and rows["token.create"].target_id == new["id"]
    told = alice.api.get("/audit-events?action=token.rotate").json["data"][0]["after"]
    assert told["replaced_by"] == new["id"] and told["overlap_s"] == 60 and "expires_at" in told
    made = alice.api.get("/audit-events?action=token.create").json["data"][0]["after"]
    assert made["replaces"] == old["id"] and made["last_four"] == new["last_four"]
    assert new["token"] not in alice.api.get("/audit-events").get_data(as_text=True)


def test_a_replay_of_a_rotation_masks_the_value_and_makes_no_second_successor(alice: Any) -> None:
    old, _ = make(alice)
    key = {"Idempotency-Key": "rotate once"}
    first = alice.api.post(f"/tokens/{old['id']}:rotate", json={}, headers=key).json["data"]
    again = alice.api.post(f"/tokens/{old['id']}:rotate", json={}, headers=key).json["data"]
    assert again["id"] == first["id"] and again["token"] == "<redacted>"


def test_c46_nobody_gets_a_wider_value_by_rotating(alice: Any, bob: Any) -> None:
    wide, _ = make(alice, scopes=["*"])
    narrow = alice.token_with("tokens:write", "domains:read")
    refused = narrow.post(f"/tokens/{wide['id']}:rotate")
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "insufficient_scope")
    fenced = alice.token_with("*", allowed_ips=["127.0.0.1"])
    assert fenced.post(f"/tokens/{wide['id']}:rotate").status_code == 403, "its network would be widened"
    mailbox = make_mailbox(alice, "own@acme.test")
    limited = alice.token_with("*", mailbox_ids=[mailbox.id])
    assert limited.post(f"/tokens/{wide['id']}:rotate").status_code == 404
    bobs = db.session.scalar(select(ApiToken.id).where(ApiToken.user_id == bob.user.id))
    of_another = alice.api.post(f"/tokens/{bobs}:rotate")
    assert (of_another.status_code, of_another.json["error"]["code"]) == (403, "forbidden"), "its value acts as Bob"
    assert db.session.query(ApiToken).filter(ApiToken.rotated_at.is_not(None)).count() == 0


def test_the_page_rotates_and_shows_the_value_once_and_when_the_old_one_ends(alice: Any) -> None:
    old, old_api = make(alice)
    assert works(old_api)
    assert "Both work for" in alice.page.get(f"/tokens/{old['id']}/rotate").get_data(as_text=True)
    assert alice.page.post(f"/tokens/{old['id']}/rotate", {"overlap": "5"}).status_code == 422
    answer = alice.page.post(f"/tokens/{old['id']}/rotate", {"overlap": "86400"})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 201 and "The old value works until" in page
    value = re.search(r'<code id="secret">([^<]+)</code>', page)
    assert value and works(type(old_api)(old_api.app, value[1])) and works(old_api)
    shown = alice.page.get(f"/tokens/{old['id']}").get_data(as_text=True)
    assert "was rotated and ends in" in shown and "Open successor" in shown and "Rotate token" not in shown
    assert "rotated" in alice.page.get("/tokens").get_data(as_text=True)


def test_making_and_rotating_ask_who_sits_there_when_that_was_long_ago(alice: Any) -> None:
    for endpoint in ("tokens.new_page", "tokens.rotate"):
        assert alice.api.app.view_functions[endpoint].needs_fresh, endpoint
