"""DKIM keys: rotation with overlap, by the DNS and by hand, and what signs meanwhile."""

from datetime import timedelta
from typing import Any

import dkim as independent
import pytest

from tests.factories.domains import make_check, make_domain
from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_raw
from webapp.audit.models import AuditEntry
from webapp.core.db import begin_writing, db, utcnow
from webapp.domains import jobs, keys, service
from webapp.domains.models import DkimKey, Domain
from webapp.sending.submitting import sign


def states(domain: Domain) -> dict[str, str]:
    db.session.expire_all()
    return {key.selector: key.state for key in db.session.get_one(Domain, domain.id).keys}


def story() -> list[str]:
    query = db.select(AuditEntry.action).where(AuditEntry.action.like("dkim.%")).order_by(AuditEntry.id)
    return list(db.session.scalars(query))


def selectors_of(raw: bytes) -> list[str]:
    head = raw.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").split(b"\r\n")
    return [line.split(b"s=")[1].split(b";")[0].decode() for line in head if line.startswith(b"DKIM-Signature:")]


def signed(domain: Domain) -> list[str]:
    return selectors_of(sign(make_raw(sender=f"ann@{domain.name}"), f"ann@{domain.name}", domain.workspace_id))


def publish(outside: Any, domain: Domain) -> None:
    for record in service.records(domain):
        outside.dns.records[(record.host, record.type)] = [record.data]


def test_a_key_signs_from_the_moment_its_record_is_found_and_the_old_one_stays_for_the_overlap(
    alice: Any, outside: Any, work_off: Any
) -> None:
    domain = make_domain(alice, "acme.test")
    answer = alice.api.post(f"/domains/{domain.id}/dkim:rotate", json={"overlap_days": 3})
    assert answer.status_code == 201
    data = answer.json["data"]
    assert (data["selector"], data["state"], data["algorithm"], data["overlap_days"]) == ("mailroom2", "pending", "rsa", 3)
    assert data["host"] == "mailroom2._domainkey.acme.test" and data["value"].startswith("v=DKIM1; k=rsa; p=MII")
    assert "private" not in data and b"PRIVATE" not in answer.data
    work_off()
    assert states(domain) == {"mailroom1": "active", "mailroom2": "pending"} and signed(domain) == ["mailroom1"]
    domain = db.session.get_one(Domain, domain.id)
    needs = {record.id: record.required for record in service.records(domain)}
    assert (needs["dkim_primary"], needs["dkim_mailroom2"]) == (True, False), "the next key is shown, and not demanded"
    publish(outside, domain)
    make_check(alice, domain.id)
    work_off()
    assert states(domain) == {"mailroom1": "retiring", "mailroom2": "active"} and signed(domain) == ["mailroom2"]
    old = db.session.get_one(Domain, domain.id).keys[0]
    assert old.retires_at is not None and timedelta(days=2.9) < old.retires_at - utcnow() <= timedelta(days=3)
    assert "mailroom1._domainkey.acme.test" in {record.host for record in service.records(db.session.get_one(Domain, domain.id))}
    jobs.retire_keys()
    db.session.commit()
    assert states(domain)["mailroom1"] == "retiring"
    begin_writing()
    db.session.execute(db.update(DkimKey).where(DkimKey.selector == "mailroom1").values(retires_at=utcnow() - timedelta(seconds=1)))
    jobs.retire_keys()
    db.session.commit()
    assert states(domain)["mailroom1"] == "retired" and db.session.get_one(Domain, domain.id).keys[0].private == ""
    assert story() == ["dkim.rotate", "dkim.retire", "dkim.activate", "dkim.retire"]
    assert "mailroom1._domainkey.acme.test" not in {record.host for record in service.records(db.session.get_one(Domain, domain.id))}


def test_a_key_signs_by_hand_and_a_retiring_one_can_sign_again(alice: Any, outside: Any) -> None:
    domain = make_domain(alice, "acme.test")
    new = alice.api.post(f"/domains/{domain.id}/dkim:rotate").json["data"]["id"]
    active = alice.api.post(f"/domains/{domain.id}/dkim-keys/{new}:activate").json["data"]
    assert (active["state"], active["activated_by"]) == ("active", "hand") and signed(domain) == ["mailroom2"]
    again = alice.api.post(f"/domains/{domain.id}/dkim-keys/{new}:activate")
    assert (again.status_code, again.json["error"]["code"]) == (409, "invalid_state")
    old = next(key.id for key in db.session.get_one(Domain, domain.id).keys if key.state == "retiring")
    assert alice.api.post(f"/domains/{domain.id}/dkim-keys/{old}:activate").status_code == 200
    assert states(domain) == {"mailroom1": "active", "mailroom2": "retiring"} and signed(domain) == ["mailroom1"]


def test_what_was_known_of_the_old_key_is_not_believed_of_the_new_one(alice: Any, outside: Any, work_off: Any) -> None:
    domain = make_domain(alice, "acme.test")
    publish(outside, domain)
    make_check(alice, domain.id)
    work_off()
    new = keys.rotate(alice.actor, domain.id)
    keys.activate(alice.actor, domain.id, new.id)
    db.session.commit()
    outside.dns.records = dict.fromkeys(outside.dns.records, "servfail")
    outside.dns.records[("mailroom2._domainkey.acme.test", "TXT")] = "servfail"
    work_off()
    db.session.expire_all()
    assert db.session.get_one(Domain, domain.id).dkim_status == "unknown"


def test_a_second_key_of_the_same_kind_waits_for_the_first_and_selectors_are_never_used_again(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    waiting = keys.rotate(alice.actor, domain.id)
    refused = alice.api.post(f"/domains/{domain.id}/dkim:rotate", json={})
    assert (refused.status_code, refused.json["error"]["code"]) == (409, "invalid_state")
    assert "mailroom2" in refused.json["error"]["message"]
    gone = alice.api.delete(f"/domains/{domain.id}/dkim-keys/{waiting.id}")
    assert gone.status_code == 200 and "mailroom2 is gone" in gone.json["data"]["message"]
    assert alice.api.post(f"/domains/{domain.id}/dkim:rotate").json["data"]["selector"] == "mailroom3"
    listed = alice.api.get(f"/domains/{domain.id}/dkim-keys").json["data"]["keys"]
    assert [(key["selector"], key["state"]) for key in listed] == [
        ("mailroom3", "pending"), ("mailroom2", "retired"), ("mailroom1", "active"),
    ]  # fmt: skip


def test_the_rsa_key_that_signs_is_not_given_up(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    refused = alice.api.delete(f"/domains/{domain.id}/dkim-keys/{domain.keys[0].id}")
    assert (refused.status_code, refused.json["error"]["code"]) == (409, "invalid_state") and "Rotate" in refused.json["error"]["hint"]
    assert signed(domain) == ["mailroom1"]


def test_an_ed25519_key_signs_beside_the_rsa_key_and_both_verify(alice: Any, outside: Any, work_off: Any) -> None:
    domain = make_domain(alice, "acme.test")
    alice.api.post(f"/domains/{domain.id}/dkim:rotate", json={"algorithm": "ed25519"})
    domain = db.session.get_one(Domain, domain.id)
    publish(outside, domain)
    make_check(alice, domain.id)
    work_off()
    assert states(domain) == {"mailroom1": "active", "mailroom2": "active"} and signed(domain) == ["mailroom1", "mailroom2"]
    raw = sign(make_raw(sender="ann@acme.test"), "ann@acme.test", domain.workspace_id)
    values = {f"{host}.".encode(): data[0].encode() for (host, type), data in outside.dns.records.items() if "_domainkey" in host}
    mail = independent.DKIM(raw)
    for number in range(2):
        assert mail.verify(number, dnsfunc=lambda name, timeout=5: values[name]), number
    second = next(key for key in db.session.get_one(Domain, domain.id).keys if key.algorithm == "ed25519")
    assert alice.api.delete(f"/domains/{domain.id}/dkim-keys/{second.id}").status_code == 200
    assert states(domain)["mailroom2"] == "retiring" and signed(domain) == ["mailroom1"]


def test_without_overlap_the_old_key_is_gone_at_once(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    new = keys.rotate(alice.actor, domain.id, overlap_days=0)
    keys.activate(alice.actor, domain.id, new.id)
    db.session.commit()
    assert states(domain) == {"mailroom1": "retired", "mailroom2": "active"}


def test_retry_looks_again_and_makes_a_key_where_none_signs(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    ops = alice.token_with("domains")
    assert ops.post(f"/domains/{domain.id}/dkim:retry").json["error"]["code"] == "missing_idempotency_key"
    answer = ops.post(f"/domains/{domain.id}/dkim:retry", headers={"Idempotency-Key": "1"})
    assert answer.status_code == 202
    data = answer.json["data"]
    assert (data["id"], data["status"], data["dkim_selector"], data["dkim_status"]) == (domain.id, "pending", "mailroom1", "not_checked")
    assert alice.api.get(f"/dns-checks/{data['check_id']}").status_code == 200
    begin_writing()
    db.session.execute(db.update(DkimKey).values(state="retired"))
    db.session.commit()
    made = ops.post(f"/domains/{domain.id}/dkim:retry", headers={"Idempotency-Key": "2"}).json["data"]
    assert made["dkim_selector"] == "mailroom2" and signed(domain) == ["mailroom2"]


BAD = [{"algorithm": "dsa"}, {"overlap_days": -1}, {"overlap_days": 91}, {"overlap_days": "7"}, {"selector": "x"}]


@pytest.mark.parametrize("body", BAD)
def test_a_bad_rotation_is_refused_with_its_field(alice: Any, body: dict[str, Any]) -> None:
    domain = make_domain(alice, "acme.test")
    answer = alice.api.post(f"/domains/{domain.id}/dkim:rotate", json=body)
    assert (answer.status_code, list(answer.json["error"]["details"])) == (422, list(body))
    assert states(domain) == {"mailroom1": "active"}


def test_a_strangers_domain_signs_nothing_of_ours(alice: Any, eve: Any) -> None:
    make_mailbox(eve, "eve@evil.test")
    raw = make_raw(sender="eve@evil.test")
    assert sign(raw, "eve@evil.test", alice.workspace.id) == raw
    assert keys.signing_keys("not a domain", alice.workspace.id) == []
