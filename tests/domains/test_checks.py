"""DNS checks: claimed rows, what they find, when the next one comes, what is news."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from tests.factories.domains import make_check, make_domain
from webapp.audit.models import AuditEntry
from webapp.core import events
from webapp.core.db import begin_writing, db, utcnow
from webapp.core.dns import DnsAnswer
from webapp.domains import checks, jobs, schedule, service, watch
from webapp.domains.models import DnsCheck, Domain
from webapp.sending.models import Delivery, Outgoing

OURS = "mail.acme.test"


def publish(outside: Any, domain: Domain, *without: str) -> None:
    """Put every record of a domain into the DNS, except those of these kinds."""
    outside.dns.records[(OURS, "A")] = ["192.0.2.10"]
    for record in service.records(domain):
        if record.kind not in without:
            outside.dns.records.setdefault((record.host, record.type), []).append(record.data)


def actions() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(db.select(AuditEntry.action).where(AuditEntry.target_type == "domain").order_by(AuditEntry.id)))


def fresh(domain: Domain) -> Domain:
    db.session.expire_all()
    return db.session.get_one(Domain, domain.id)


def again(domain: Domain, work_off: Any, at: Any = None) -> DnsCheck:
    """Bring the planned look forward and let it be worked."""
    begin_writing()
    db.session.execute(db.update(DnsCheck).where(DnsCheck.domain_id == domain.id, DnsCheck.status == "pending").values(due_at=utcnow()))
    db.session.commit()
    work_off()
    db.session.expire_all()
    found = checks.last_check(domain.id)
    assert found is not None
    return found


def test_a_domain_verifies_by_itself_once_its_record_is_found(alice: Any, outside: Any, work_off: Any, monkeypatch: Any) -> None:
    heard: list[int] = []
    monkeypatch.setitem(events._ears, "domain_verified", [lambda domain_id: heard.append(domain_id)])
    number = alice.api.post("/domains", json={"name": "acme.test"}).json["data"]["id"]
    work_off()
    domain = db.session.get_one(Domain, number)
    assert (domain.status, domain.dns_status, domain.dkim_status) == ("pending_dns", "missing", "missing")
    publish(outside, domain)
    again(domain, work_off)
    domain = fresh(domain)
    assert (domain.status, domain.is_verified, domain.dns_status, domain.dkim_status) == ("active", True, "right", "right")
    assert heard == [number]
    again(domain, work_off)
    assert actions() == ["domain.create", "domain.verify", "domain.dns"], "looking again finds nothing new, so the log is silent"
    verified = db.session.scalar(db.select(AuditEntry).where(AuditEntry.action == "domain.verify"))
    assert verified is not None and (verified.actor_type, verified.workspace_id) == ("system", alice.workspace.id)


def test_a_recheck_answers_202_with_both_ids_and_is_complete_later(alice: Any, outside: Any, work_off: Any) -> None:
    domain = make_domain(alice, "acme.test")
    publish(outside, domain, "mx")
    ops = alice.token_with("domains")
    assert ops.post(f"/domains/{domain.id}/dns-recheck").json["error"]["code"] == "missing_idempotency_key"
    begun = ops.post(f"/domains/{domain.id}/dns-recheck", headers={"Idempotency-Key": "1"})
    assert begun.status_code == 202
    data = begun.json["data"]
    assert data["id"] == data["check_id"] == begun.json["id"] == begun.json["check_id"]
    assert data["status"] == begun.json["status"] == "pending"
    assert (data["results"], data["progress"]) == ({}, {"done": 0, "total": 0})
    second = alice.api.post(f"/domains/{domain.id}/dns-recheck/")
    assert second.json["data"]["id"] == data["id"], "one that waits is not made twice"
    work_off()
    done = alice.api.get(f"/dns-checks/{data['id']}").json["data"]
    assert (done["status"], done["progress"], done["error"]) == ("complete", {"done": 6, "total": 6}, None)
    assert list(done["results"]) == ["verification", "mx", "spf", "dkim", "dmarc", "return_path"]
    mx = done["results"]["mx"]
    assert (mx["ok"], mx["state"], mx["expected"], mx["found"], mx["resolver"]) == (False, "missing", f"10 {OURS}", [], "fake")
    assert done["results"]["dkim"]["ok"] and done["results"]["dkim"]["ttl_s"] == 300 and done["results"]["dkim"]["checked_at"]
    shown = alice.api.get(f"/domains/{domain.id}").json["data"]
    assert (shown["dns_status"], shown["dkim_status"]) == ("missing", "right") and shown["next_check_at"] > shown["dns_checked_at"]
    listed = alice.api.get(f"/domains/{domain.id}/dns-checks").json
    assert [row["status"] for row in listed["data"]] == ["pending", "complete"]
    needs = {row["id"]: row["status"] for row in alice.api.get(f"/domains/{domain.id}/dns-requirements").json["data"]["records"]}
    assert needs == {
        "verification": "right", "mx_primary": "missing", "spf_record": "right", "dkim_primary": "right", "dmarc_main": "right",
        "return_path": "right",
    }  # fmt: skip


def test_a_foreign_check_is_404_and_so_is_one_outside_the_limits_of_a_token(alice: Any, eve: Any, outside: Any) -> None:
    mine, other = make_domain(alice, "acme.test"), make_domain(alice, "other.test")
    check = make_check(alice, other.id)
    narrow = alice.token_with("domains", domain_ids=[mine.id])
    for who in (eve.api, narrow):
        assert who.get(f"/dns-checks/{check.id}").status_code == 404
        assert who.post(f"/domains/{other.id}/dns-recheck", headers={"Idempotency-Key": "x"}).status_code == 404
    assert alice.api.get(f"/dns-checks/{check.id}").status_code == 200


@pytest.mark.parametrize("trouble", ["servfail", "timeout"])
def test_c36_a_resolver_in_trouble_changes_nothing_that_was_known(alice: Any, outside: Any, work_off: Any, trouble: str) -> None:
    domain = make_domain(alice, "acme.test")
    publish(outside, domain)
    make_check(alice, domain.id)
    work_off()
    before = actions()
    outside.dns.records = dict.fromkeys(outside.dns.records, trouble)
    check = again(domain, work_off)
    assert {entry["state"] for entry in check.results} == {"unknown"} and {entry["known"] for entry in check.results} == {"right"}
    domain = fresh(domain)
    assert (domain.is_verified, domain.dns_status, domain.dkim_status, domain.proof_missing_since) == (True, "right", "right", None)
    assert actions() == before
    outside.dns.records = {}
    publish(outside, domain)
    again(domain, work_off)
    assert actions() == before, "back to right is no news either"


def test_a_silent_resolver_is_given_up_after_two_silences(alice: Any, outside: Any, work_off: Any, monkeypatch: Any) -> None:
    asked: list[float | None] = []

    def silent(name: str, type: str, *, timeout_s: float | None = None) -> DnsAnswer:
        asked.append(timeout_s)
        return DnsAnswer(status="timeout", resolver="silent:53")

    monkeypatch.setattr(outside.dns, "lookup", silent)
    domain = make_domain(alice, "acme.test")
    make_check(alice, domain.id)
    work_off()
    check = checks.last_check(domain.id)
    assert check is not None and len(asked) == watch.SILENCES and max(filter(None, asked)) <= watch.QUESTION_S
    assert {entry["resolver"] for entry in check.results} == {"silent:53"}


def test_nothing_is_locked_while_the_dns_thinks_and_progress_is_told(app: Any, alice: Any, outside: Any, work_off: Any) -> None:
    domain = make_domain(alice, "acme.test")
    number, quick, seen = domain.id, outside.dns.lookup, []
    check_id = make_check(alice, domain.id).id
    slow = threading.Event()

    def lookup(name: str, type: str, **more: Any) -> Any:
        """Another connection writes meanwhile; it would wait ten seconds for a lock. The DKIM question waits until progress was told."""
        if name.startswith("mailroom1."):
            slow.wait(5)
        return quick(name, type, **more)

    def write_and_watch() -> None:
        with app.app_context():
            begin_writing()
            db.session.execute(db.update(Domain).where(Domain.id == number).values(note="meanwhile"))
            db.session.commit()
            for _ in range(100):
                done = db.session.scalar(db.select(DnsCheck.done).where(DnsCheck.id == check_id))
                db.session.rollback()
                if done:
                    seen.append(done)
                    break
                slow.wait(0.05)
            slow.set()

    outside.dns.lookup = lookup
    writer = threading.Thread(target=write_and_watch)
    writer.start()
    work_off()
    writer.join(10)
    assert seen == [3], "proof, MX and SPF were looked up when the slow question was asked"
    assert fresh(domain).note == "meanwhile"


def test_several_workers_work_each_check_once(app: Any, alice: Any, outside: Any) -> None:
    for number in range(12):
        make_check(alice, make_domain(alice, f"d{number}.test", commit=False).id)
    db.session.commit()

    def work() -> None:
        with app.app_context():
            begin_writing()
            while watch.work_some():
                pass
            db.session.rollback()

    threads = [threading.Thread(target=work) for _ in range(3)]
    [thread.start() for thread in threads]
    [thread.join(30) for thread in threads]
    db.session.rollback()
    states = list(db.session.execute(db.select(DnsCheck.domain_id, DnsCheck.status)).all())
    assert sorted(states) == sorted([(number, state) for number in range(1, 13) for state in ("complete", "pending")])
    proofs = [name for name, type in outside.dns.asked if name.startswith("_mailroom.")]
    assert len(proofs) == len(set(proofs)) == 12


def test_a_check_whose_worker_died_is_taken_over(alice: Any, outside: Any, work_off: Any) -> None:
    domain = make_domain(alice, "acme.test")
    check = make_check(alice, domain.id)
    dead = watch.claim("dead/1/x")
    assert [plan.check_id for plan in dead] == [check.id] and not checks.has_due()
    db.session.rollback()
    begin_writing()
    db.session.execute(db.update(DnsCheck).values(lease_until=utcnow() - timedelta(seconds=1)))
    db.session.commit()
    work_off()
    db.session.expire_all()
    assert db.session.get_one(DnsCheck, check.id).status == "complete"
    begin_writing()
    watch.record("dead/1/x", dead[0], [], "too late")
    assert db.session.get_one(DnsCheck, check.id).error is None, "whoever lost the claim writes nothing"


def test_a_check_that_breaks_says_so_and_the_next_one_is_planned(alice: Any, outside: Any, work_off: Any, monkeypatch: Any) -> None:
    good, bad = make_domain(alice, "good.test"), make_domain(alice, "bad.test")
    checked = [make_check(alice, domain.id).id for domain in (good, bad)]
    real = watch.judge

    def judge(record: Any, domain: str, *more: Any) -> Any:
        if domain == "bad.test":
            raise RuntimeError("broken")
        return real(record, domain, *more)

    monkeypatch.setattr(watch, "judge", judge)
    work_off()
    shown = [alice.api.get(f"/dns-checks/{number}").json["data"] for number in checked]
    assert [one["status"] for one in shown] == ["complete", "failed"] and "RuntimeError" in shown[1]["error"]
    assert checks.open_check(bad.id) is not None


def test_a_deleted_domain_is_not_looked_up_and_a_restored_one_is(alice: Any, outside: Any, work_off: Any) -> None:
    domain = make_domain(alice, "acme.test")
    make_check(alice, domain.id)
    alice.api.delete(f"/domains/{domain.id}")
    work_off()
    assert outside.dns.asked == [] and checks.open_check(domain.id) is None
    assert alice.page.post(f"/domains/{domain.id}/restore").status_code == 303
    work_off()
    assert outside.dns.asked and fresh(domain).dns_checked_at is not None


def test_a_proof_that_is_gone_for_three_days_counts_no_more_and_the_owners_are_told(alice: Any, outside: Any, work_off: Any) -> None:
    domain = make_domain(alice, "acme.test")
    make_check(alice, domain.id)
    work_off()
    domain = fresh(domain)
    assert domain.is_verified and domain.proof_missing_since is not None
    assert "counts as unproven again" in alice.page.get(f"/domains/{domain.id}").text
    domain.proof_missing_since = utcnow() - timedelta(days=3)
    db.session.commit()
    again(domain, work_off)
    domain = fresh(domain)
    assert (domain.is_verified, domain.status, domain.proof_missing_since) == (False, "pending_dns", None)
    assert "domain.unverify" in actions()
    told = db.session.scalar(db.select(Outgoing).where(Outgoing.kind == "system"))
    assert told is not None and told.subject == "acme.test is no longer verified"
    assert db.session.scalar(db.select(Delivery.recipient)) == "alice@acme.test"


def test_a_domain_that_an_owner_vouched_for_needs_no_proof(alice: Any, outside: Any, work_off: Any) -> None:
    domain = make_domain(alice, "acme.test", verified_by_hand=True, proof_missing_since=utcnow() - timedelta(days=30))
    make_check(alice, domain.id)
    work_off()
    assert fresh(domain).is_verified and "domain.unverify" not in actions()


def test_every_living_domain_gets_a_planned_look_and_old_checks_go_except_the_last(alice: Any, outside: Any, work_off: Any) -> None:
    domains = [make_domain(alice, f"d{number}.test") for number in range(3)]
    jobs.watch_all()
    db.session.commit()
    planned = [fresh(domain).next_check_at for domain in domains]
    assert all(planned) and len(set(planned)) == 3
    assert checks.plan_missing() == 0
    for _ in range(2):
        again(domains[0], work_off)
    begin_writing()
    db.session.execute(db.update(DnsCheck).where(DnsCheck.status == "complete").values(finished_at=utcnow() - timedelta(days=31)))
    db.session.commit()
    assert checks.forget_old() == 1
    db.session.commit()
    last = checks.last_check(domains[0].id)
    assert last is not None and last.results


@pytest.mark.parametrize(
    ("calm", "age", "wait"),
    [
        (False, timedelta(minutes=59), timedelta(minutes=5)), (False, timedelta(hours=2), timedelta(hours=1)),
        (False, timedelta(days=8), timedelta(days=1)), (True, timedelta(minutes=1), timedelta(days=1)), (False, None, timedelta(days=1)),
    ],
)  # fmt: skip
def test_looks_are_frequent_at_first_and_daily_when_all_is_right(calm: bool, age: timedelta | None, wait: timedelta) -> None:
    now = utcnow()
    assert schedule.wait_after(calm, now - age if age is not None else None, now) == wait
    assert schedule.jittered(wait, 0.0) == wait * 0.9 and schedule.jittered(wait, 1.0) == wait * 1.1
    assert wait * 0.9 <= schedule.jittered(wait) <= wait * 1.1
