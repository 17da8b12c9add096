"""Tokens over the API."""

from datetime import timedelta
from typing import Any

from webapp.core.db import db, utcnow
from webapp.tokens import door
from webapp.tokens import format as form
from webapp.tokens.models import ApiToken

NEW = {"name": "CI", "kind": "ops", "scopes": ["domains:read", "mailboxes"]}


def test_a_new_token_is_shown_once_and_works(alice: Any) -> None:
    made = alice.api.post("/tokens", json=NEW)
    assert made.status_code == 201
    data = made.json["data"]
    assert form.check(data["token"]) == ("ops", True)
    assert data["token"].startswith("tm_live_") and data["last_four"] == data["token"][-4:]
    assert data["scopes"] == ["domains:read", "mailboxes"]
    shown = alice.api.get(f"/tokens/{data['id']}").json["data"]
    assert "token" not in shown and shown["status"] == "never used"
    assert data["token"] not in alice.api.get("/tokens").get_data(as_text=True)
    assert db.session.get(ApiToken, data["id"]).secret_hash == form.digest(data["token"])


def test_the_default_lives_are_90_days_for_ops_and_4_hours_for_workspace(alice: Any) -> None:
    ops = alice.api.post("/tokens", json=NEW).json["data"]
    workspace = alice.api.post("/tokens", json={**NEW, "kind": "workspace"}).json["data"]
    never = alice.api.post("/tokens", json={**NEW, "expires_in": 0}).json["data"]
    rows = {row.id: row for row in db.session.query(ApiToken)}
    assert abs(rows[ops["id"]].expires_at - utcnow() - timedelta(days=90)) < timedelta(minutes=1)
    assert abs(rows[workspace["id"]].expires_at - utcnow() - timedelta(hours=4)) < timedelta(minutes=1)
    assert never["expires_at"] is None


def test_unknown_scopes_and_kinds_are_refused_with_the_field(alice: Any) -> None:
    answer = alice.api.post("/tokens", json={**NEW, "scopes": ["domains:rule"]})
    assert answer.status_code == 422 and "scopes" in answer.json["error"]["details"]
    answer = alice.api.post("/tokens", json={**NEW, "kind": "root"})
    assert answer.status_code == 422 and "kind" in answer.json["error"]["details"]
    answer = alice.api.post("/tokens", json={**NEW, "workspace_id": 2})
    assert answer.status_code == 422 and "workspace_id" in answer.json["error"]["details"]
    assert db.session.query(ApiToken).count() == 4


def test_a_token_cannot_make_a_wider_one(alice: Any) -> None:
    narrow = alice.token_with("tokens:write", "domains:read")
    assert narrow.post("/tokens", json={**NEW, "scopes": ["domains:read"]}).status_code == 201
    refused = narrow.post("/tokens", json={**NEW, "scopes": ["mailboxes:read"]})
    assert refused.status_code == 403 and refused.json["error"]["code"] == "insufficient_scope"


def test_a_revoked_token_is_401_at_once_and_the_attempt_is_audited(alice: Any) -> None:
    made = alice.api.post("/tokens", json=NEW).json["data"]
    api = type(alice.api)(alice.api.app, made["token"])
    assert api.get("/tokens/current").status_code == 200
    assert alice.api.delete(f"/tokens/{made['id']}").status_code == 200
    door.forget_all()
    refused = api.get("/tokens/current")
    assert refused.status_code == 401 and refused.json["error"]["code"] == "unauthenticated"
    events = alice.api.get("/audit-events?result=refused").json["data"]
    assert [event["action"] for event in events] == ["token.use"]
    assert events[0]["token"]["last_four"] == made["last_four"]


def test_an_expired_token_is_401(alice: Any) -> None:
    made = alice.api.post("/tokens", json=NEW).json["data"]
    db.session.get(ApiToken, made["id"]).expires_at = utcnow() - timedelta(seconds=1)
    db.session.commit()
    assert type(alice.api)(alice.api.app, made["token"]).get("/tokens/current").status_code == 401


def test_a_token_only_works_from_its_networks(alice: Any) -> None:
    made = alice.api.post("/tokens", json={**NEW, "allowed_ips": ["192.0.2.0/24"]}).json["data"]
    api = type(alice.api)(alice.api.app, made["token"])
    assert api.get("/tokens/current").status_code == 401
    assert api.get("/tokens/current", environ_base={"REMOTE_ADDR": "192.0.2.9"}).status_code == 200


def test_last_use_is_noted(alice: Any) -> None:
    made = alice.api.post("/tokens", json=NEW).json["data"]
    type(alice.api)(alice.api.app, made["token"]).get("/tokens/current", headers={"User-Agent": "curl/8"})
    shown = alice.api.get(f"/tokens/{made['id']}").json["data"]
    assert shown["last_used_ip"] == "127.0.0.1" and shown["last_used_client"] == "curl/8" and shown["status"] == "active"


def test_agents_see_and_revoke_only_their_own(alice: Any, bob: Any) -> None:
    theirs = alice.api.post("/tokens", json=NEW).json["data"]
    assert bob.api.get(f"/tokens/{theirs['id']}").status_code == 404
    assert bob.api.delete(f"/tokens/{theirs['id']}").status_code == 404
    assert all(row["id"] != theirs["id"] for row in bob.api.get("/tokens").json["data"])


def test_narrowing_works_and_widening_does_not(alice: Any) -> None:
    made = alice.api.post("/tokens", json=NEW).json["data"]
    narrowed = alice.api.patch(f"/tokens/{made['id']}", json={"scopes": ["domains:read"], "name": "CI 2"})
    assert narrowed.status_code == 200 and narrowed.json["data"]["scopes"] == ["domains:read"]
    widened = alice.api.patch(f"/tokens/{made['id']}", json={"scopes": ["domains:read", "domains:write"]})
    assert widened.status_code == 422 and widened.json["error"]["code"] == "token_cannot_widen"


def test_a_foreign_token_is_404(alice: Any, eve: Any) -> None:
    made = alice.api.post("/tokens", json=NEW).json["data"]
    for method in ("get", "delete"):
        assert getattr(eve.api, method)(f"/tokens/{made['id']}").status_code == 404
    assert eve.api.patch(f"/tokens/{made['id']}", json={"name": "mine"}).status_code == 404


def test_scopes_are_listed_with_role_and_meaning(alice: Any) -> None:
    rows = alice.api.get("/scopes?per_page=100").json["data"]
    found = next(row for row in rows if row["name"] == "audit:read")
    assert (found["family"], found["role"]) == ("audit", "admin") and "audit log" in found["meaning"]
