"""`/api/v1/mailboxes` and `/api/v1/mailbox` over the wire."""

from typing import Any

import pytest

from tests.factories.domains import make_domain
from tests.factories.mailboxes import PASSWORD, make_mailbox
from webapp.audit.models import AuditEntry
from webapp.core import counters
from webapp.core.db import db
from webapp.domains.models import Domain
from webapp.mailboxes import service
from webapp.mailboxes.models import Mailbox

KEYS = {
    "id", "email", "address", "domain_id", "domain", "local_part", "display_name", "name", "status", "enabled", "can_receive", "can_send",
    "hourly_limit", "daily_limit", "total_limit", "max_message_bytes", "max_message_size", "storage_limit_bytes", "quota_mb",
    "allocation_mb",
    "storage_allocation_mb", "used_mb", "usage", "is_pooled", "is_pooled_storage", "archive_enabled", "archive_retention_days",
    "default_delivery", "log_level", "allow_unauthenticated", "is_system", "mailbox_type", "is_shared", "login_suspended", "imap_enabled",
    "note", "created_at", "updated_at",
}  # fmt: skip
SPELLINGS = ("/mailboxes", "/mailboxes/", "/mailbox", "/mailbox/")


def trail() -> list[str]:
    return list(db.session.scalars(db.select(AuditEntry.action).where(AuditEntry.target_type == "mailbox").order_by(AuditEntry.id)))


@pytest.mark.parametrize("path", SPELLINGS)
def test_a_mailbox_is_created_with_a_generated_password_that_is_shown_once(alice: Any, path: str) -> None:
    domain = make_domain(alice, "acme.test")
    answer = alice.api.post(path, json={"domain_id": domain.id, "local_part": "Orders"})
    assert answer.status_code == 201
    data = answer.json["data"]
    assert set(data) == KEYS | {"password"}
    assert (data["email"], data["local_part"], data["domain_id"], data["domain"]) == ("orders@acme.test", "orders", domain.id, "acme.test")
    assert (data["status"], data["enabled"], data["max_message_bytes"], data["default_delivery"]) == (
        "active",
        True,
        10 * 1024 * 1024,
        "deliver",
    )
    assert len(data["password"]) >= 16
    assert service.check_login("orders@acme.test", data["password"]) is not None
    shown = alice.api.get(f"{path.rstrip('/')}/{data['id']}")
    assert set(shown.json["data"]) == KEYS and data["password"].encode() not in shown.data
    assert db.session.get(Domain, domain.id).mailbox_count == 1  # type: ignore[union-attr]
    assert trail() == ["mailbox.create"]
    entry = db.session.scalar(db.select(AuditEntry).where(AuditEntry.action == "mailbox.create"))
    assert entry is not None and data["password"] not in (entry.after or "") and "argon2" not in (entry.after or "")


def test_a_given_password_is_taken_and_not_shown(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    answer = alice.api.post(
        "/mailboxes", json={"domain_id": domain.id, "local_part": "orders", "password": "a long enough secret", "display_name": "Orders"}
    )
    assert answer.status_code == 201 and set(answer.json["data"]) == KEYS
    assert service.check_login("orders@acme.test", "a long enough secret") is not None


def test_every_setting_can_be_given_at_creation(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    given = {
        "display_name": "Orders", "can_receive": False, "can_send": False, "hourly_limit": 5, "daily_limit": 50, "total_limit": 500,
        "max_message_bytes": 2048, "archive_enabled": False, "archive_retention_days": 7, "default_delivery": "archive_only",
        "log_level": "verbose", "allow_unauthenticated": True, "note": "the shop",
    }  # fmt: skip
    data = alice.api.post("/mailboxes", json={"domain_id": domain.id, "local_part": "orders", "storage_allocation_mb": 3, **given}).json[
        "data"
    ]
    assert {name: data[name] for name in given} == given
    assert (data["storage_limit_bytes"], data["quota_mb"], data["is_pooled"], data["is_pooled_storage"]) == (
        3 * 1024 * 1024,
        3,
        False,
        False,
    )


def test_an_ops_token_needs_a_key_except_in_mailtriggers_spelling_and_a_replay_masks_the_password(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    ops = alice.token_with("mailboxes")
    body = {"domain_id": domain.id, "local_part": "orders"}
    assert ops.post("/mailboxes", json=body).json["error"]["code"] == "missing_idempotency_key"
    for number, path in enumerate(("/mailboxes/", "/mailbox", "/mailbox/")):
        assert ops.post(path, json={**body, "local_part": f"box{number}"}).status_code == 201, path
    first = ops.post("/mailboxes", json=body, headers={"Idempotency-Key": "k"})
    again = ops.post("/mailboxes", json=body, headers={"Idempotency-Key": "k"})
    assert (first.status_code, again.status_code, again.headers["X-Idempotency-Replayed"]) == (201, 201, "true")
    assert again.json["data"]["password"] == "<redacted>" and again.json["_idempotency_replay_warning"]
    assert again.json["data"]["id"] == first.json["data"]["id"]
    assert first.json["data"]["password"] not in str(list(db.session.execute(db.text("SELECT answer FROM idempotency_keys"))))


@pytest.mark.parametrize(
    "local",
    [
        "",
        " ",
        "a b",
        "-a",
        ".a",
        "a.",
        "a..b",
        "a@acme.test",
        "é",
        "x" * 65,
        'q"q',
        "a,b",
        "a_archived_20261121_101010",
        "a_archived_20261121_101010_1_2",
        None,
        5,
        "+a",
    ],
)
def test_a_name_that_cannot_stand_before_the_at_is_refused(alice: Any, local: Any) -> None:
    domain = make_domain(alice, "acme.test")
    answer = alice.api.post("/mailboxes", json={"domain_id": domain.id, "local_part": local})
    assert (answer.status_code, list(answer.json["error"]["details"])) == (422, ["local_part"])
    assert db.session.scalar(db.select(db.func.count()).select_from(Mailbox)) == 0


@pytest.mark.parametrize("local", ["a", "a.b-c_d", "9", "_x", "a+b", "x" * 64, "UPPER"])
def test_names_of_letters_digits_and_the_usual_signs_are_taken(alice: Any, local: str) -> None:
    domain = make_domain(alice, "acme.test")
    assert alice.api.post("/mailboxes", json={"domain_id": domain.id, "local_part": local}).json["data"]["local_part"] == local.lower()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"password": "short"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"password": "passwordpassword"}, "password"),
        ({"password": "orders@acme.test"}, "password"),
        ({"password": ""}, "password"),
        ({"password": "a long enough secret", "password_mode": "generated_one_time"}, "password"),
        ({"password_mode": "user_supplied"}, "password"),
        ({"hourly_limit": 0}, "hourly_limit"),
        ({"daily_limit": "many"}, "daily_limit"),
        ({"max_message_bytes": 10}, "max_message_bytes"),
        ({"max_message_bytes": 2**35}, "max_message_bytes"),
        ({"max_message_bytes": None}, "max_message_bytes"),
        ({"storage_limit_bytes": 1, "storage_allocation_mb": 1}, "storage_allocation_mb"),
        ({"default_delivery": "nowhere"}, "default_delivery"),
        ({"can_send": "perhaps"}, "can_send"),
        ({"is_system": True}, "is_system"),
        ({"display_name": "a\r\nBcc: eve@evil.test"}, "display_name"),
        ({"note": "x" * 121}, "note"),
    ],
)
def test_a_bad_value_names_its_field_and_leaves_nothing(alice: Any, body: dict[str, Any], field: str) -> None:
    domain = make_domain(alice, "acme.test")
    answer = alice.api.post("/mailboxes", json={"domain_id": domain.id, "local_part": "orders", **body})
    assert (answer.status_code, list(answer.json["error"]["details"])) == (422, [field])
    assert db.session.scalar(db.select(db.func.count()).select_from(Mailbox)) == 0
    assert db.session.get(Domain, domain.id).mailbox_count == 0 and trail() == []  # type: ignore[union-attr]


def test_a_taken_address_is_422_with_the_reason_and_free_again_from_the_trash(alice: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    body = {"domain_id": box.domain_id, "local_part": "ORDERS"}
    answer = alice.api.post("/mailboxes", json=body)
    assert (answer.status_code, answer.json["error"]["reason"]) == (422, "already_exists")
    assert "orders@acme.test already exists" in answer.json["error"]["details"]["local_part"][0]
    assert alice.api.delete(f"/mailboxes/{box.id}").status_code == 200
    assert alice.api.post("/mailboxes", json=body).status_code == 201


def test_a_foreign_domain_is_404_and_gets_no_mailbox(alice: Any, eve: Any) -> None:
    domain = make_domain(alice, "acme.test")
    for number in (domain.id, 999):
        answer = eve.api.post("/mailboxes", json={"domain_id": number, "local_part": "orders"})
        assert (answer.status_code, answer.json["error"]["code"]) == (404, "not_found")
    assert db.session.scalar(db.select(db.func.count()).select_from(Mailbox)) == 0


@pytest.mark.parametrize("path", SPELLINGS)
def test_the_list_is_paged_filtered_sorted_and_counted(alice: Any, eve: Any, path: str) -> None:
    one = make_mailbox(alice, "b@acme.test", display_name="Lova Ek")
    two = make_mailbox(alice, "a@acme.test", status="paused")
    other = make_mailbox(alice, "c@other.test", can_send=False)
    make_mailbox(eve, "eve@evil.test")
    counters.bump(alice.workspace.id, f"messages:{one.id}", 2)
    counters.bump(alice.workspace.id, f"messages:{one.id}:bytes", 3 * 1024 * 1024)
    answer = alice.api.get(path).json
    assert [row["id"] for row in answer["data"]] == [other.id, two.id, one.id] and answer["meta"]["total"] == 3
    used = answer["data"][2]["usage"]
    assert (used["total"], used["bytes"], answer["data"][2]["used_mb"]) == (2, 3 * 1024 * 1024, 3.0)
    ids = lambda query: [row["id"] for row in alice.api.get(f"{path}?{query}").json["data"]]  # noqa: E731
    assert ids("sort_by=email") == [two.id, one.id, other.id]
    assert ids(f"domain_id={one.domain_id}&sort_by=id") == [one.id, two.id]
    assert ids("status=paused") == [two.id] and ids("search=lova") == [one.id] and ids("can_send=false") == [other.id]
    assert ids("search=_") == [] and ids("per_page=1&page=2") == [two.id]
    assert alice.api.get(f"{path}?sort_by=password_hash").status_code == 422


def test_patch_changes_what_is_given_and_put_resets_what_is_not(alice: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test", note="old", daily_limit=9)
    data = alice.api.patch(f"/mailbox/{box.id}/", json={"display_name": "Shop", "hourly_limit": 3, "local_part": "Orders"}).json["data"]
    assert (data["display_name"], data["hourly_limit"], data["daily_limit"], data["note"]) == ("Shop", 3, 9, "old")
    data = alice.api.put(f"/mailboxes/{box.id}", json={"display_name": "Shop"}).json["data"]
    assert (data["display_name"], data["hourly_limit"], data["daily_limit"], data["note"], data["status"]) == (
        "Shop",
        None,
        None,
        None,
        "active",
    )
    assert alice.api.patch(f"/mailboxes/{box.id}", json={"enabled": False}).json["data"]["status"] == "paused"
    assert trail() == ["mailbox.update"] * 3
    assert alice.api.patch(f"/mailboxes/{box.id}", json={"enabled": False}).status_code == 200 and len(trail()) == 3


@pytest.mark.parametrize(
    "body", [{"local_part": "other"}, {"domain_id": 99}, {"email": "x@acme.test"}, {"password": "a long enough secret"}]
)
def test_a_mailbox_keeps_its_address_and_its_password_has_a_door_of_its_own(alice: Any, body: dict[str, Any]) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    answer = alice.api.patch(f"/mailboxes/{box.id}", json={"note": "changed", **body})
    assert (answer.status_code, list(answer.json["error"]["details"])) == (422, list(body))
    assert alice.api.get(f"/mailboxes/{box.id}").json["data"]["note"] is None


@pytest.mark.parametrize("path", ["/mailboxes/{}:{}", "/mailbox/{}:{}", "/mailbox/{}:{}/"])
def test_pause_and_resume_answer_the_mailbox_and_repeat_without_harm(alice: Any, path: str) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    for verb, state in (("pause", "paused"), ("pause", "paused"), ("resume", "active"), ("resume", "active")):
        answer = alice.api.post(path.format(box.id, verb))
        assert (answer.status_code, answer.json["data"]["status"]) == (200, state)
    assert trail() == ["mailbox.pause", "mailbox.resume"]


def test_a_password_is_set_or_generated_and_the_old_one_stops_at_once(alice: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    made = alice.api.post(f"/mailboxes/{box.id}/password").json["data"]
    assert (made["status"], made["sync_pending"], made["email"]) == ("updated", False, "orders@acme.test")
    assert service.check_login("orders@acme.test", PASSWORD) is None
    assert service.check_login("orders@acme.test", made["password"]) is not None
    given = alice.api.post(f"/mailbox/{box.id}/password/", json={"password": "a long enough secret"})
    assert given.status_code == 200 and "password" not in given.json["data"]
    assert service.check_login("orders@acme.test", "a long enough secret") is not None
    assert alice.api.post(f"/mailboxes/{box.id}/password", json={"password": "short"}).json["error"]["details"].keys() == {"password"}
    assert trail() == ["mailbox.password"] * 2
    logged = "".join(str(row) for row in db.session.execute(db.text("SELECT before, after FROM audit_entries")))
    assert made["password"] not in logged and "a long enough secret" not in logged


def test_deleting_answers_200_frees_the_address_and_counts_down(alice: Any) -> None:
    box, _ = make_mailbox(alice, "orders@acme.test"), make_mailbox(alice, "other@acme.test")
    answer = alice.api.delete(f"/mailbox/{box.id}/")
    assert (answer.status_code, answer.json["data"]["id"]) == (200, box.id) and "trash" in answer.json["data"]["message"]
    assert alice.api.get(f"/mailboxes/{box.id}").status_code == alice.api.delete(f"/mailboxes/{box.id}").status_code == 404
    assert alice.api.get("/mailboxes").json["meta"]["total"] == 1
    assert alice.api.get(f"/domains/{box.domain_id}").json["data"]["mailboxes_count"] == 1


def test_the_catch_all_of_a_domain_is_in_use_and_force_switches_it_off(alice: Any) -> None:
    domain = make_domain(alice, "acme.test", catch_all_enabled=True, catch_all_destination="rest@acme.test")
    box = make_mailbox(alice, "rest@acme.test")
    refused = alice.api.delete(f"/mailboxes/{box.id}")
    assert (refused.status_code, refused.json["error"]["code"]) == (409, "in_use")
    assert refused.json["error"]["used_by"] == [{"type": "domain", "id": domain.id, "name": "acme.test"}]
    assert alice.api.delete(f"/mailboxes/{box.id}?force=1").status_code == 200
    assert alice.api.get(f"/domains/{domain.id}").json["data"]["catch_all"] == {"enabled": False, "destination": None}


def test_foreign_and_unknown_mailboxes_are_404_at_every_door(alice: Any, eve: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    for number in (box.id, 999, 2**62):
        for base in ("/mailboxes", "/mailbox"):
            for method, path, body in (
                ("GET", "", None), ("PUT", "", {}), ("PATCH", "", {"note": "hers"}), ("DELETE", "?force=true", None),
                ("POST", ":pause", None), ("POST", ":resume", None), ("POST", "/password", {"password": "a long enough secret"}),
            ):  # fmt: skip
                assert eve.api.request(method, f"{base}/{number}{path}", json=body).status_code == 404, (method, path)
    assert service.check_login("orders@acme.test", PASSWORD) is not None
    assert eve.api.get("/mailboxes").json["data"] == []


@pytest.mark.parametrize("who", ["bob", "carol"])
def test_agents_and_viewers_look_but_do_not_change(request: pytest.FixtureRequest, alice: Any, who: str) -> None:
    person = request.getfixturevalue(who)
    box = make_mailbox(alice, "orders@acme.test")
    assert person.api.get("/mailboxes").status_code == person.api.get(f"/mailbox/{box.id}").status_code == 200
    for method, path, body in (
        ("POST", "/mailboxes", {"domain_id": box.domain_id, "local_part": "new"}), ("PATCH", f"/mailboxes/{box.id}", {}),
        ("PUT", f"/mailboxes/{box.id}", {}), ("DELETE", f"/mailboxes/{box.id}", None), ("POST", f"/mailboxes/{box.id}:pause", None),
        ("POST", f"/mailboxes/{box.id}:resume", None), ("POST", f"/mailboxes/{box.id}/password", {}),
    ):  # fmt: skip
        answer = person.api.request(method, path, json=body)
        assert (answer.status_code, answer.json["error"]["code"]) == (403, "forbidden"), path


def test_a_limited_token_sees_and_touches_only_what_is_inside(alice: Any) -> None:
    one, two, other = make_mailbox(alice, "a@acme.test"), make_mailbox(alice, "b@acme.test"), make_mailbox(alice, "c@other.test")
    by_domain = alice.token_with("mailboxes", domain_ids=[one.domain_id])
    by_box = alice.token_with("mailboxes", mailbox_ids=[one.id])
    assert [row["id"] for row in by_domain.get("/mailboxes").json["data"]] == [two.id, one.id]
    listed = by_box.get("/mailboxes").json
    assert ([row["id"] for row in listed["data"]], listed["meta"]["total"]) == ([one.id], 1)
    assert by_domain.get(f"/mailboxes/{other.id}").status_code == by_box.delete(f"/mailboxes/{two.id}").status_code == 404
    assert by_domain.post("/mailboxes/", json={"domain_id": other.domain_id, "local_part": "new"}).status_code == 404
    assert by_domain.post("/mailboxes/", json={"domain_id": one.domain_id, "local_part": "new"}).status_code == 201
    refused = by_box.post("/mailboxes/", json={"domain_id": one.domain_id, "local_part": "newer"})
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "domain_scope_forbidden")
