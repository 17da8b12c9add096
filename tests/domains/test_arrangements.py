"""Bulk adding, catch-all, note, hosting, signature and matching addresses, over the wire and in effect."""

from typing import Any

import pytest

from tests.factories.domains import make_domain
from tests.factories.mailboxes import make_mailbox
from webapp.audit.models import AuditEntry
from webapp.core.db import db
from webapp.domains.models import Domain
from webapp.mailboxes import addressing

KEY = {"Idempotency-Key": "1"}


def test_several_domains_are_added_each_by_itself(alice: Any, eve: Any) -> None:
    make_domain(eve, "taken.test")
    ops = alice.token_with("domains:create")
    assert ops.post("/domains:bulk-add", json={"domains": ["a.test"]}).json["error"]["code"] == "missing_idempotency_key"
    every = ops.post("/domains:bulk-add", json={"domains": ["a.test", "B.test"]}, headers={"Idempotency-Key": "1"})
    assert every.status_code == 200 and every.json["created"] == every.json["data"]["created"] == 2
    assert [(row["domain"], row["status"]) for row in every.json["results"]] == [("a.test", "pending_dns"), ("b.test", "pending_dns")]
    names = ["c.test", "a.test", "taken.test", "no domain", "c.test"]
    some = ops.post("/domains:bulk-add", json={"domains": names}, headers={"Idempotency-Key": "2"})
    assert (some.status_code, some.json["created"], some.json["total"]) == (207, 1, 5)
    assert [row.get("reason") for row in some.json["results"]] == [
        None, "domain_already_connected", "domain_already_connected", "validation_error", "domain_already_connected",
    ]  # fmt: skip
    assert all(row["error"] for row in some.json["results"][1:]) and some.json["results"][0]["id"]
    none = ops.post("/domains:bulk-add", json={"domains": ["a.test"]}, headers={"Idempotency-Key": "3"})
    assert none.status_code == 422 and "error" not in none.json and none.json["results"][0]["status"] == "error"
    assert set(db.session.scalars(db.select(Domain.name))) == {"taken.test", "a.test", "b.test", "c.test"}


@pytest.mark.parametrize("body", [{}, {"domains": []}, {"domains": [f"d{number}.test" for number in range(21)]}, {"domains": "a.test"}])
def test_a_bad_list_of_domains_is_refused_with_an_error(alice: Any, body: dict[str, Any]) -> None:
    answer = alice.api.post("/domains:bulk-add", json=body)
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "validation_error")


def test_catch_all_and_note_have_paths_of_their_own(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    box = make_mailbox(alice, "rest@acme.test")
    on = alice.api.patch(f"/domains/{domain.id}/catch-all", json={"enabled": True, "destination": "REST@acme.test"})
    assert on.json["data"]["catch_all"] == {"enabled": True, "destination": "rest@acme.test"}
    assert addressing.resolve("nobody@acme.test").mailbox == box
    for body in ({"enabled": True}, {"enabled": True, "destination": "x@elsewhere.test"}, {"enabled": True, "destination": "no"}):
        refused = alice.api.patch(f"/domains/{domain.id}/catch-all", json=body)
        assert (refused.status_code, list(refused.json["error"]["details"])) == (422, ["destination"])
    assert alice.api.patch(f"/domains/{domain.id}/catch-all", json={"enabled": False}).json["data"]["catch_all"]["enabled"] is False
    assert alice.api.patch(f"/domains/{domain.id}/note", json={"note": "x" * 120}).json["data"]["note"] == "x" * 120
    assert alice.api.patch(f"/domains/{domain.id}/note", json={"note": "x" * 121}).status_code == 422
    assert alice.api.patch(f"/domains/{domain.id}/note/", json={"note": None}).json["data"]["note"] is None
    assert alice.api.patch(f"/domains/{domain.id}/note", json={}).status_code == 422


def test_mail_that_is_kept_elsewhere_stops_the_mailboxes_after_a_confirmation_and_can_be_turned_back(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    box = make_mailbox(alice, "a@acme.test")
    path = f"/domains/{domain.id}/mail-hosting"
    asked = alice.api.patch(path, json={"mail_hosting": "external"})
    assert (asked.status_code, asked.json["error"]["code"]) == (422, "confirmation_required") and "1 mailbox stops" in asked.text
    done = alice.api.patch(path, json={"mail_hosting": "external", "confirm_mailboxes_stop_receiving": True})
    assert done.json["data"]["mail_hosting"] == "external" and done.json["data"]["mx_hint"] is None
    assert addressing.resolve("a@acme.test").reason == "unknown_domain"
    made = alice.api.post("/mailboxes", json={"domain_id": domain.id, "local_part": "b"})
    assert (made.status_code, made.json["error"]["reason"]) == (422, "domain_hosts_no_mailboxes")
    caught = alice.api.patch(f"/domains/{domain.id}/catch-all", json={"enabled": True, "destination": "a@acme.test"})
    assert (caught.status_code, caught.json["error"]["reason"]) == (422, "domain_hosts_no_mailboxes")
    needs = [row["id"] for row in alice.api.get(f"/domains/{domain.id}/dns-requirements").json["data"]["records"]]
    assert "mx_primary" not in needs and "spf_record" in needs
    assert alice.api.patch(path, json={"mail_hosting": "trekmail"}).status_code == 200
    assert addressing.resolve("a@acme.test").mailbox == box
    created = alice.api.post("/domains", json={"name": "only.test", "mail_hosting": "external"}).json["data"]
    assert created["mail_hosting"] == "external"


def test_a_signature_is_made_safe_and_needs_text_unless_it_is_off(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    path = f"/domains/{domain.id}/signature"
    assert alice.api.get(path).json["data"] == {"mode": "off", "position": "before_reply", "html": ""}
    html = '<p onclick="x()">Ann<script>alert(1)</script></p>'
    put = alice.api.patch(path, json={"signature_mode": "enforced", "signature_position": "after_reply", "signature_html": html})
    assert put.json["data"]["html"] == "<p>Ann</p>" and put.json["data"]["position"] == "after_reply"
    assert alice.api.patch(path, json={"signature_mode": "default"}).json["data"]["html"] == "<p>Ann</p>", "left out: kept"
    for empty in ("", "<script>x</script>", "<p> </p>"):
        refused = alice.api.patch(path, json={"signature_mode": "default", "signature_html": empty})
        assert (refused.status_code, list(refused.json["error"]["details"])) == (422, ["signature_html"])
    assert alice.api.patch(path, json={"signature_mode": "off", "signature_html": ""}).json["data"]["html"] == ""
    assert alice.api.patch(path, json={"signature_mode": "loud"}).status_code == 422


def test_matching_addresses_let_a_domain_receive_as_another(alice: Any, eve: Any) -> None:
    primary, other = make_domain(alice, "acme.test"), make_domain(alice, "acme2.test")
    box = make_mailbox(alice, "orders@acme.test", domain=primary)
    path = f"/domains/{other.id}/matching-addresses"
    off = {"configured": False, "status": "not_configured", "delivering": False, "primary_domain_id": None, "primary_domain": None}
    assert alice.api.get(path).json["data"] == off
    on = alice.api.put(path, json={"primary_domain_id": primary.id}, headers=KEY).json["data"]
    assert on == {
        "configured": True, "status": "delivering", "delivering": True, "primary_domain_id": primary.id, "primary_domain": "acme.test",
    }  # fmt: skip
    for address in ("orders@acme2.test", "Orders+shop@acme2.test"):
        found = addressing.resolve(address)
        assert (found.mailbox, found.reason) == (box, None) and found.domain is not None and found.domain.name == "acme2.test"
    assert addressing.resolve("nobody@acme2.test").reason == "unknown_mailbox"
    own = make_mailbox(alice, "orders@acme2.test", domain=other)
    assert addressing.resolve("orders@acme2.test").mailbox == own, "a mailbox that stands here comes first"
    narrow = alice.token_with("domains", domain_ids=[other.id])
    assert narrow.get(path).json["data"] == {**on, "primary_domain_id": None, "primary_domain": None}
    alice.api.patch(f"/domains/{primary.id}/mail-hosting", json={"mail_hosting": "external", "confirm_mailboxes_stop_receiving": True})
    assert alice.api.get(path).json["data"]["status"] == "paused"
    for _ in range(2):
        assert alice.api.delete(path).json["data"]["id"] == other.id
    assert alice.api.get(path).json["data"] == off
    log = db.select(db.func.count()).select_from(AuditEntry).where(AuditEntry.action == "domain.match")
    assert db.session.scalar(log) == 2


def test_matching_refuses_itself_chains_and_strangers(alice: Any, eve: Any) -> None:
    one, two, three = (make_domain(alice, f"d{number}.test") for number in range(3))
    hers = make_domain(eve, "evil.test")
    put = lambda which, primary: alice.api.put(f"/domains/{which.id}/matching-addresses", json={"primary_domain_id": primary})  # noqa: E731
    assert put(one, one.id).status_code == 422
    assert put(one, hers.id).status_code == 404
    assert put(two, one.id).status_code == 200
    assert put(three, two.id).status_code == 422 and put(one, three.id).status_code == 422
