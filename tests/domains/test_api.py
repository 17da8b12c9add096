"""`/api/v1/domains` over the wire."""

from typing import Any

import pytest

from tests.factories.domains import make_domain
from tests.factories.mailboxes import make_mailbox
from webapp.audit.models import AuditEntry
from webapp.core.db import db
from webapp.domains.models import Domain

KEYS = {
    "id", "name", "domain", "status", "verified", "verified_by_hand", "verified_at", "last_checked_at", "last_check",
    "verification_token",
    "verification_record", "mail_hosting", "dkim_selector", "dkim_public_key", "dkim_status", "dns_status", "dns_checked_at",
    "next_check_at",
    "spf_hint", "dmarc_hint", "mx_hint",
    "catch_all", "refuse_unproven", "note", "mailboxes_count", "mailbox_count", "created_at", "updated_at",
}  # fmt: skip


def actions() -> list[str]:
    return list(db.session.scalars(db.select(AuditEntry.action).where(AuditEntry.target_type == "domain").order_by(AuditEntry.id)))


def test_a_domain_is_added_with_key_token_and_record_and_waits_for_its_proof(alice: Any) -> None:
    answer = alice.api.post("/domains", json={"name": "Büro.Acme.TEST.", "note": "main"}, headers={"Idempotency-Key": "1"})
    assert answer.status_code == 201
    data = answer.json["data"]
    assert set(data) == KEYS
    assert (data["name"], data["domain"], data["status"], data["verified"]) == ("xn--bro-hoa.acme.test",) * 2 + ("pending_dns", False)
    token = data["verification_token"]
    assert data["verification_record"] == {"type": "TXT", "host": "_mailroom.xn--bro-hoa.acme.test", "value": f"mailroom-verify={token}"}
    assert (data["note"], data["mailboxes_count"], data["catch_all"]) == ("main", 0, {"enabled": False, "destination": None})
    assert data["mx_hint"] == "mail.acme.test" and len(data["dkim_public_key"]) > 300
    row = db.session.get(Domain, data["id"])
    assert row is not None and row.keys[0].private.startswith("-----BEGIN") and row.workspace_id == alice.workspace.id
    assert actions() == ["domain.create"]
    kept = db.session.scalar(db.select(AuditEntry).where(AuditEntry.action == "domain.create"))
    assert kept is not None and "PRIVATE KEY" not in (kept.after or "")


def test_an_ops_token_needs_an_idempotency_key_and_one_key_makes_one_domain(alice: Any) -> None:
    ops = alice.token_with("domains")
    assert ops.post("/domains", json={"name": "acme.test"}).json["error"]["code"] == "missing_idempotency_key"
    assert ops.post("/domains/", json={"name": "slash.test"}).status_code == 201
    first = ops.post("/domains", json={"name": "acme.test"}, headers={"Idempotency-Key": "k"})
    again = ops.post("/domains", json={"name": "acme.test"}, headers={"Idempotency-Key": "k"})
    assert (first.status_code, again.status_code, again.headers["X-Idempotency-Replayed"]) == (201, 201, "true")
    assert first.json["data"]["id"] == again.json["data"]["id"]


@pytest.mark.parametrize(
    "body",
    [
        {}, {"name": ""}, {"name": "no spaces.test"}, {"name": "-a.test"}, {"name": "a..test"},
        {"name": "192.0.2.1"}, {"name": "x" * 64 + ".test"},
        {"name": "a@b.test"}, {"name": 7}, {"name": None}, {"name": ["acme.test"]}, {"name": "a\u2028b.test"},
    ],
)  # fmt: skip
def test_a_name_that_is_no_domain_is_refused_with_its_field_and_leaves_nothing(alice: Any, body: dict[str, Any]) -> None:
    answer = alice.api.post("/domains", json=body)
    assert answer.status_code == 422
    assert set(answer.json["error"]["details"]) == {"name"}
    assert db.session.scalar(db.select(db.func.count()).select_from(Domain)) == 0
    assert actions() == []


def test_unknown_fields_are_refused(alice: Any) -> None:
    answer = alice.api.post("/domains", json={"name": "acme.test", "colour": "red", "note": "x" * 121})
    assert (answer.status_code, set(answer.json["error"]["details"])) == (422, {"colour", "note"})


def test_a_name_is_taken_once_in_the_whole_installation_and_free_again_from_the_trash(alice: Any, eve: Any) -> None:
    make_domain(alice, "acme.test")
    mine, hers = alice.api.post("/domains", json={"name": "ACME.test"}), eve.api.post("/domains", json={"name": "acme.test"})
    for answer in (mine, hers):
        assert (answer.status_code, answer.json["error"]["reason"]) == (422, "domain_already_connected")
        assert "name" in answer.json["error"]["details"]
    assert "another workspace" in hers.json["error"]["message"] and "your domains" in mine.json["error"]["message"]
    assert alice.api.delete("/domains/1").status_code == 200
    assert eve.api.post("/domains", json={"name": "acme.test"}).status_code == 201


def test_the_list_is_paged_filtered_sorted_and_counted(alice: Any, eve: Any) -> None:
    for name in ("b.test", "a.test", "c.test"):
        make_domain(alice, name, verified=name != "c.test", note="shop" if name == "a.test" else None)
    make_domain(eve, "evil.test")
    answer = alice.api.get("/domains").json
    assert [row["name"] for row in answer["data"]] == ["c.test", "a.test", "b.test"]
    assert answer["meta"]["total"] == 3 and set(answer["data"][0]) == KEYS
    names = lambda query: [row["name"] for row in alice.api.get(f"/domains/?{query}").json["data"]]  # noqa: E731
    assert names("sort_by=name") == ["a.test", "b.test", "c.test"]
    assert names("sort_by=name&sort_order=desc&per_page=2&page=2") == ["a.test"]
    assert names("ordering=-createdTime") == ["c.test", "a.test", "b.test"]
    assert names("status=pending_dns") == names("verified=false") == ["c.test"]
    assert names("search=SHOP") == ["a.test"] and names("search=.test&sort_by=name&status=active") == ["a.test", "b.test"]
    assert names("search=%25") == []
    assert alice.api.get("/domains?sort_by=dkim_private").status_code == 422
    assert alice.api.get("/domains?status=odd").status_code == 422


@pytest.mark.parametrize("slash", ["", "/"])
def test_one_domain_is_shown_in_both_slash_forms_without_its_private_key(alice: Any, slash: str) -> None:
    domain = make_domain(alice, "acme.test")
    answer = alice.api.get(f"/domains/{domain.id}{slash}")
    assert answer.status_code == 200 and set(answer.json["data"]) == KEYS
    assert b"PRIVATE" not in answer.data


def test_patch_changes_what_is_given_and_put_resets_what_is_not(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    make_mailbox(alice, "rest@acme.test")
    patched = alice.api.patch(f"/domains/{domain.id}", json={"catch_all": {"enabled": True, "destination": "REST@acme.test"}}).json["data"]
    assert patched["catch_all"] == {"enabled": True, "destination": "rest@acme.test"}
    noted = alice.api.patch(f"/domains/{domain.id}", json={"note": "main", "name": "ACME.test"}).json["data"]
    assert (noted["note"], noted["catch_all"]["enabled"]) == ("main", True)
    put = alice.api.put(f"/domains/{domain.id}", json={"name": "acme.test"}).json["data"]
    assert (put["note"], put["catch_all"]) == (None, {"enabled": False, "destination": None})
    assert actions() == ["domain.update"] * 3
    assert alice.api.patch(f"/domains/{domain.id}", json={}).status_code == 200
    assert len(actions()) == 3, "a change that changes nothing is not in the log"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "other.test"}, "name"),
        ({"catch_all": {"enabled": True}}, "catch_all.destination"),
        ({"catch_all": {"enabled": True, "destination": "nobody@acme.test"}}, "catch_all.destination"),
        ({"catch_all": {"enabled": True, "destination": "eve@evil.test"}}, "catch_all.destination"),
        ({"catch_all": {"destination": "rest@acme.test"}}, "catch_all.enabled"),
        ({"note": "two\nlines"}, "note"),
        ({"status": "active"}, "status"),
    ],
)
def test_a_bad_change_names_its_field_and_changes_nothing(alice: Any, eve: Any, body: dict[str, Any], field: str) -> None:
    domain = make_domain(alice, "acme.test")
    make_mailbox(eve, "eve@evil.test")
    answer = alice.api.patch(f"/domains/{domain.id}", json={"note": "changed", **body})
    assert (answer.status_code, list(answer.json["error"]["details"])) == (422, [field])
    assert alice.api.get(f"/domains/{domain.id}").json["data"]["note"] is None


def test_verification_finds_the_record_at_the_label_or_at_the_name_itself(alice: Any, outside: Any) -> None:
    for name, host in (("one.test", "_mailroom.one.test"), ("two.test", "two.test")):
        domain = make_domain(alice, name, verified=False)
        outside.dns.records[(host, "TXT")] = ["v=spf1 -all", f"mailroom-verify={domain.verify_token}"]
        data = alice.api.post(f"/domains/{domain.id}/verify").json["data"]
        assert (data["verified"], data["status"], data["verified_by_hand"]) == (True, "active", False)
        assert host in data["message"] and "fake" in data["message"]
        assert data["verified_at"] and data["last_checked_at"] and data["last_check"]["status"] == "ok"


@pytest.mark.parametrize(
    ("records", "status", "says"),
    [
        ({}, "nxdomain", "knows no name"),
        ({("acme.test", "TXT"): ["v=spf1 -all"]}, "no_answer", "1 other TXT record"),
        ({("_mailroom.acme.test", "TXT"): ["mailroom-verify=wrong"]}, "no_answer", "mailroom-verify=wrong"),
        ({("_mailroom.acme.test", "A"): ["192.0.2.1"], ("acme.test", "A"): ["192.0.2.1"]}, "no_answer", "no TXT record"),
        ({("_mailroom.acme.test", "TXT"): "timeout"}, "timeout", "did not answer in time"),
        ({("acme.test", "TXT"): "servfail"}, "servfail", "could not answer"),
    ],
)
def test_a_failed_verification_answers_200_and_says_what_was_found_at_which_resolver(
    alice: Any, outside: Any, records: dict[Any, Any], status: str, says: str
) -> None:
    domain = make_domain(alice, "acme.test", verified=False)
    outside.dns.records.update(records)
    answer = alice.api.post(f"/domains/{domain.id}/verify/")
    assert answer.status_code == 200
    data = answer.json["data"]
    assert (data["verified"], data["status"], data["last_check"]["status"]) == (False, "pending_dns", status)
    assert says in data["message"] and "fake" in data["message"]
    assert actions() == ["domain.check"]


def test_a_verified_domain_stays_so_when_the_record_is_gone(alice: Any, outside: Any) -> None:
    domain = make_domain(alice, "acme.test")
    data = alice.api.post(f"/domains/{domain.id}/verify", json={}).json["data"]
    assert data["verified"] is True and "stays verified" in data["message"]


def test_an_owner_vouches_by_hand_and_nobody_else_may(alice: Any, outside: Any) -> None:
    domain = make_domain(alice, "acme.test", verified=False)
    outside.dns.records[("acme.test", "TXT")] = "timeout"
    data = alice.api.post(f"/domains/{domain.id}/verify", json={"by_hand": True}).json["data"]
    assert (data["verified"], data["verified_by_hand"], data["status"]) == (True, True, "active")
    assert outside.dns.asked == []
    again = alice.api.post(f"/domains/{domain.id}/verify", json={"by_hand": True})
    assert again.status_code == 200 and actions() == ["domain.verify"]


def test_an_admin_may_look_up_but_not_vouch(alice: Any, bob: Any, outside: Any) -> None:
    domain = make_domain(alice, "acme.test", verified=False)
    db.session.execute(db.text("UPDATE memberships SET role = 'admin' WHERE user_id = :id"), {"id": bob.user.id})
    db.session.commit()
    refused = bob.api.post(f"/domains/{domain.id}/verify", json={"by_hand": True})
    assert (refused.status_code, refused.json["error"]["code"], refused.json["error"]["required_role"]) == (403, "forbidden", "owner")
    assert bob.api.post(f"/domains/{domain.id}/verify").status_code == 200
    assert alice.api.get(f"/domains/{domain.id}").json["data"]["verified"] is False


def test_the_dns_requirements_name_each_record_with_what_is_known_about_it(alice: Any, outside: Any) -> None:
    domain = make_domain(alice, "acme.test", verified=False)
    records = {row["id"]: row for row in alice.api.get(f"/domains/{domain.id}/dns-requirements").json["data"]["records"]}
    assert set(records) >= {"verification", "mx_primary", "spf_record", "dkim_primary", "dmarc_main"}
    assert records["mx_primary"] == {
        "id": "mx_primary", "type": "MX", "host": "acme.test", "value": "mail.acme.test", "priority": 10, "required": True,
        "purpose": records["mx_primary"]["purpose"], "status": "not_checked", "found": [], "message": None, "hints": [], "fix": None,
        "resolver": None, "ttl_s": None, "checked_at": None,
    }  # fmt: skip
    assert domain.dkim_public in records["dkim_primary"]["value"]
    alice.api.post(f"/domains/{domain.id}/verify")
    later = alice.api.get(f"/domains/{domain.id}/dns-requirements/").json["data"]["records"]
    assert next(row["status"] for row in later if row["id"] == "verification") == "missing"


def test_a_domain_with_mailboxes_is_in_use_and_force_takes_them_along(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    boxes = [make_mailbox(alice, f"{name}@acme.test") for name in ("a", "b")]
    refused = alice.api.delete(f"/domains/{domain.id}")
    assert (refused.status_code, refused.json["error"]["code"]) == (409, "in_use")
    assert refused.json["error"]["used_by"] == [{"type": "mailbox", "id": box.id, "name": box.email} for box in boxes]
    assert alice.api.get(f"/domains/{domain.id}").status_code == 200
    gone = alice.api.delete(f"/domains/{domain.id}?force=true")
    assert gone.status_code == 200 and gone.json["data"]["id"] == domain.id and "trash" in gone.json["data"]["message"]
    for path in (f"/domains/{domain.id}", f"/mailboxes/{boxes[0].id}"):
        assert alice.api.get(path).status_code == 404
    assert alice.api.get("/domains").json["meta"]["total"] == alice.api.get("/mailboxes").json["meta"]["total"] == 0
    trail = list(db.session.scalars(db.select(AuditEntry.action).order_by(AuditEntry.id)))
    assert trail.count("mailbox.delete") == 2 and trail.count("domain.delete") == 1


@pytest.mark.parametrize("call", ["get", "patch", "put", "delete"])
def test_a_foreign_or_unknown_domain_is_404(alice: Any, eve: Any, call: str) -> None:
    domain = make_domain(alice, "acme.test")
    options = {} if call in ("get", "delete") else {"json": {"note": "hers"}}
    for number in (domain.id, 999, 2**62):
        assert getattr(eve.api, call)(f"/domains/{number}", **options).status_code == 404
    assert eve.api.post(f"/domains/{domain.id}/verify").status_code == 404
    assert eve.api.post(f"/domains/{domain.id}/verify", json={"by_hand": True}).status_code == 404
    assert eve.api.get(f"/domains/{domain.id}/dns-requirements").status_code == 404
    assert eve.api.get("/domains").json["data"] == []
    assert db.session.get(Domain, domain.id).note is None  # type: ignore[union-attr]


@pytest.mark.parametrize("who", ["bob", "carol"])
def test_agents_and_viewers_look_but_do_not_change(request: pytest.FixtureRequest, alice: Any, who: str) -> None:
    person = request.getfixturevalue(who)
    domain = make_domain(alice, "acme.test")
    assert person.api.get("/domains").status_code == person.api.get(f"/domains/{domain.id}/dns-requirements").status_code == 200
    for method, path, body in (
        ("POST", "/domains", {"name": "new.test"}), ("PATCH", f"/domains/{domain.id}", {"note": "x"}), ("PUT", f"/domains/{domain.id}", {}),
        ("DELETE", f"/domains/{domain.id}", None), ("POST", f"/domains/{domain.id}/verify", {}),
    ):  # fmt: skip
        answer = person.api.request(method, path, json=body)
        assert (answer.status_code, answer.json["error"]["code"]) == (403, "forbidden"), path


def test_a_token_limited_to_domains_sees_no_others_and_adds_none(alice: Any) -> None:
    mine, other = make_domain(alice, "acme.test"), make_domain(alice, "other.test")
    narrow = alice.token_with("domains", domain_ids=[mine.id])
    listed = narrow.get("/domains").json
    assert ([row["id"] for row in listed["data"]], listed["meta"]["total"]) == ([mine.id], 1)
    assert narrow.get(f"/domains/{other.id}").status_code == narrow.post(f"/domains/{other.id}/verify").status_code == 404
    refused = narrow.post("/domains/", json={"name": "new.test"})
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "domain_scope_forbidden")


def test_a_token_limited_to_mailboxes_sees_their_domains_only(alice: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    make_domain(alice, "other.test")
    narrow = alice.token_with("domains", "mailboxes", mailbox_ids=[box.id])
    assert [row["id"] for row in narrow.get("/domains").json["data"]] == [box.domain_id]


def test_scopes_are_told_apart(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    reader = alice.token_with("domains:read")
    assert reader.get(f"/domains/{domain.id}").status_code == 200
    for path in ("/dns-requirements",):
        assert reader.get(f"/domains/{domain.id}{path}").json["error"]["required_scope"] == "domains:dns:read"
    assert reader.delete(f"/domains/{domain.id}").json["error"]["required_scope"] == "domains:delete"
    assert alice.token_with("domains:write").post(f"/domains/{domain.id}/verify", json={"by_hand": True}).status_code == 200
