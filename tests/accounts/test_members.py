"""Workspaces, members and roles at both doors."""

from typing import Any

import pytest
from sqlalchemy import select

from webapp.accounts.models import Membership, User
from webapp.audit.models import AuditEntry
from webapp.core.db import db
from webapp.core.scopes import SCOPES
from webapp.tokens import door

DORA = {"email": "dora@acme.test", "name": "Dora", "role": "admin", "password": "a long enough one"}


def member_id(person: Any) -> int:
    return db.session.scalars(select(Membership.id).where(Membership.user_id == person.user.id)).one()


def path(person: Any, *more: Any) -> str:
    return "/".join([f"/workspaces/{person.workspace.id}/members", *map(str, more)])


def test_an_owner_adds_changes_and_removes_a_member_over_the_api(alice: Any) -> None:
    made = alice.api.post(path(alice), json=DORA)
    assert made.status_code == 201
    dora = made.json["data"]
    assert (dora["email"], dora["role"], dora["status"]) == ("dora@acme.test", "admin", "active") and "password" not in dora
    assert alice.api.patch(path(alice, dora["id"]), json={"role": "viewer"}).json["data"]["role"] == "viewer"
    assert alice.api.get(path(alice, dora["id"])).json["data"]["role"] == "viewer"
    assert alice.api.delete(path(alice, dora["id"])).json["data"]["id"] == dora["id"]
    assert alice.api.get(path(alice, dora["id"])).status_code == 404
    actions = [row["action"] for row in alice.api.get("/audit-events?target_type=member").json["data"]]
    assert actions == ["member.delete", "member.update", "member.create"]


def test_members_are_listed_with_an_exact_total(alice: Any) -> None:
    body = alice.api.get(path(alice)).json
    assert [row["email"] for row in body["data"]] == ["alice@acme.test", "bob@acme.test", "carol@acme.test"]
    assert body["meta"]["total"] == 3


def test_somebody_new_needs_a_password_and_a_member_is_not_added_twice(alice: Any) -> None:
    refused = alice.api.post(path(alice), json={"email": "dora@acme.test"})
    assert refused.status_code == 422 and "password" in refused.json["error"]["details"]
    assert alice.api.post(path(alice), json={"email": "bob@acme.test"}).json["error"]["details"]["email"]
    assert db.session.scalar(select(User.id).where(User.email == "dora@acme.test")) is None


@pytest.mark.parametrize("who", ["bob", "carol"])
def test_roles_below_admin_change_nobody_at_either_door_and_the_attempt_is_audited(people: Any, who: str) -> None:
    person = people[who]
    assert person.api.post(path(person), json=DORA).json["error"]["code"] == "forbidden"
    assert person.page.get("/members").status_code == 200
    assert person.page.get("/members/new").status_code == 403
    assert person.page.post("/members/new", DORA).status_code == 403
    target = member_id(people["alice"])
    assert person.page.post(f"/members/{target}", {"role": "viewer"}).status_code == 403
    assert person.page.post(f"/members/{target}/remove").status_code == 403
    refused = db.session.scalars(select(AuditEntry.actor_type).where(AuditEntry.result == "refused")).all()
    assert sorted(refused) == ["token", "user", "user", "user", "user"]


def test_an_admin_neither_makes_nor_removes_an_owner(alice: Any, bob: Any) -> None:
    alice.api.patch(path(alice, member_id(bob)), json={"role": "admin"})
    assert bob.api.post(path(bob), json={**DORA, "role": "owner"}).status_code == 403
    assert bob.api.patch(path(bob, member_id(alice)), json={"role": "viewer"}).status_code == 403
    assert bob.api.delete(path(bob, member_id(alice))).status_code == 403
    assert bob.api.post(path(bob), json=DORA).status_code == 201


def test_c64_the_last_owner_can_neither_step_down_nor_go(alice: Any, bob: Any) -> None:
    for answer in (alice.api.patch(path(alice, member_id(alice)), json={"role": "admin"}), alice.api.delete(path(alice, member_id(alice)))):
        assert answer.status_code == 409 and answer.json["error"]["code"] == "invalid_state"
    assert "the only one" in alice.page.get("/members").get_data(as_text=True)
    alice.api.patch(path(alice, member_id(bob)), json={"role": "owner"})
    assert alice.api.patch(path(alice, member_id(alice)), json={"role": "admin"}).status_code == 200


def test_a_removed_member_loses_pages_and_tokens_at_once(alice: Any, bob: Any) -> None:
    assert bob.api.get("/tokens").status_code == 200
    assert alice.page.post(f"/members/{member_id(bob)}/remove").status_code == 303
    door.forget_all()
    assert bob.api.get("/tokens").status_code == 401
    assert bob.page.get("/tokens").status_code == 303


def test_another_workspace_is_404_whatever_is_asked_of_it(alice: Any, eve: Any) -> None:
    for method, suffix, body in (
        ("get", "", None), ("patch", "", {"name": "Mine"}), ("get", "/members", None), ("post", "/members", DORA),
        ("patch", f"/members/{member_id(alice)}", {"role": "viewer"}), ("delete", f"/members/{member_id(alice)}", None),
    ):  # fmt: skip
        answer = getattr(eve.api, method)(f"/workspaces/{alice.workspace.id}{suffix}", **({"json": body} if body else {}))
        assert answer.status_code == 404, (method, suffix)
    mixed = f"/workspaces/{eve.workspace.id}/members/{member_id(alice)}"
    assert eve.api.delete(mixed).status_code == 404
    assert eve.page.post(f"/members/{member_id(alice)}", {"role": "viewer"}).status_code == 404
    assert eve.page.post(f"/workspaces/{alice.workspace.id}/open").status_code == 404


def test_a_workspace_is_renamed_and_a_further_one_made(alice: Any) -> None:
    renamed = alice.api.patch(f"/workspaces/{alice.workspace.id}", json={"name": "Acme Ltd"}).json["data"]
    assert renamed["name"] == "Acme Ltd" and renamed["current"] and renamed["role"] == "owner"
    made = alice.api.post("/workspaces", json={"name": "Second"})
    assert made.status_code == 201 and made.json["data"]["current"] is False
    assert [row["name"] for row in alice.api.get("/workspaces").json["data"]] == ["Acme Ltd", "Second"]
    assert alice.api.get(f"/workspaces/{made.json['data']['id']}").status_code == 404


def test_the_switcher_opens_another_workspace_and_creating_one_is_for_admins(alice: Any, carol: Any) -> None:
    assert alice.page.post("/workspaces/new", {"name": "Second"}).status_code == 303
    assert "Second · Mailroom" in alice.page.get("/").get_data(as_text=True)
    assert alice.page.post(f"/workspaces/{alice.workspace.id}/open").status_code == 303
    assert "Acme · Mailroom" in alice.page.get("/").get_data(as_text=True)
    assert carol.page.post("/workspaces/new", {"name": "Third"}).status_code == 403


def test_me_has_the_shape_that_the_client_reads(alice: Any, carol: Any) -> None:
    body = alice.token_with("domains:read", "mailboxes").get("/me").json
    assert body["capabilities"] == body["data"]["capabilities"]
    assert body["capabilities"]["effective_scopes"] == ["domains:read", *(name for name in SCOPES if name.startswith("mailboxes:"))]
    assert body["data"]["token"]["type"] == "ops" and body["data"]["account"]["name"] == "Acme"
    assert body["data"]["token"]["constraints"] == {"domain_ids": None, "mailbox_ids": None}
    viewer = carol.api.get("/me").json["capabilities"]["effective_scopes"]
    assert "domains:read" in viewer and "domains:write" not in viewer, "the role limits what * gives"


def test_c55_hostile_names_are_escaped_on_every_page_that_shows_them(alice: Any) -> None:
    hostile = "<script>alert(1)</script>\"'>"
    alice.page.post("/profile", {"name": hostile})
    alice.page.post("/workspaces/new", {"name": hostile})
    for page in ("/", "/profile", "/members", "/audit", "/workspaces/new"):
        text = alice.page.get(page).get_data(as_text=True)
        assert "<script>alert(1)" not in text and "&lt;script&gt;" in text, page
