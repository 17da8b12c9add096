"""C-72: what somebody cut from the database is still known outside of it; retention is allowed to cut, and nobody else."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from webapp.audit import chain, checkpoints, jobs, retention, service, verification
from webapp.audit.models import AuditEntry, AuditHead
from webapp.audit.service import Target
from webapp.core import queue, secrets
from webapp.core.blobs import FolderBlobs
from webapp.core.db import begin_writing, db, utcnow

KEY = "a key for tests that is long enough to be one"


@pytest.fixture
def keys() -> Iterator[None]:
    yield
    secrets.configure((KEY,))


def write(alice: Any, count: int, name: str = "Thing") -> None:
    for number in range(count):
        service.record(alice.actor, "thing.update", Target("thing", number, f"{name} {number}"))
    db.session.commit()


def empty_chain(alice: Any) -> None:
    """What the fixtures wrote is of today; a test of old entries begins with none."""
    for model in (AuditEntry, AuditHead):
        db.session.execute(delete(model).where(model.workspace_id == alice.actor.workspace_id))
    db.session.commit()


def report(alice: Any) -> verification.Report:
    found = verification.verify(alice.actor.workspace_id)
    db.session.rollback()
    begin_writing()
    return found


def cut_by_hand(alice: Any, keep: int) -> None:
    """A thief who knows the tables: the newest entries go, and the head is made to fit."""
    whose = alice.actor.workspace_id
    gone = select(AuditEntry.id).where(AuditEntry.workspace_id == whose, AuditEntry.position > keep)
    db.session.execute(delete(AuditEntry).where(AuditEntry.id.in_(gone)), execution_options={"synchronize_session": False})
    newest = AuditEntry.workspace_id == whose, AuditEntry.position == keep
    last = db.session.execute(select(AuditEntry.id, AuditEntry.hash).where(*newest)).one()
    values = {"count": keep, "last_id": last.id, "hash": last.hash, "checkpoint_count": 0, "checkpoint_at": None}
    db.session.execute(update(AuditHead).where(AuditHead.workspace_id == whose).values(values))
    db.session.commit()


def test_c72_a_tail_cut_together_with_its_head_is_noticed_by_the_signed_checkpoint(alice: Any) -> None:
    write(alice, 10)
    assert checkpoints.write_due() >= 1
    count = report(alice).count
    cut_by_hand(alice, count - 4)
    found = report(alice)
    assert not found.ok and found.first_bad_position == count - 3
    assert "the last 4 entries are missing" in (found.reason or "") and "checkpoint" in (found.reason or "")


def test_c72_a_chain_that_was_cut_and_grew_again_is_not_the_one_that_was_signed(alice: Any) -> None:
    write(alice, 10)
    checkpoints.write_due()
    count = report(alice).count
    cut_by_hand(alice, count - 4)
    write(alice, 8, "Another")
    found = report(alice)
    assert not found.ok and found.first_bad_position == count and "not the entry that the checkpoint" in (found.reason or "")


def test_c72_a_chain_that_is_gone_from_both_tables_is_still_reported(alice: Any) -> None:
    write(alice, 3)
    checkpoints.write_due()
    db.session.execute(delete(AuditEntry))
    db.session.execute(delete(AuditHead))
    db.session.commit()
    reports, _ = verification.verify_all()
    assert alice.actor.workspace_id in [one.workspace_id for one in reports if not one.ok]


def test_c72_a_checkpoint_that_was_changed_or_taken_away_is_noticed(alice: Any, blob_store: FolderBlobs) -> None:
    write(alice, 3)
    checkpoints.write_due()
    key = blob_store.keys(checkpoints.FOLDER)[0]
    lines = blob_store.get(key).splitlines()
    forged = [json.dumps({**json.loads(line), "count": 999}).encode() for line in lines]
    blob_store.put(key, b"\n".join([*forged, b"{", b"[]", b'{"signature": 1}']) + b"\n")
    found = checkpoints.read_all()
    assert not found.signed and len(found.doubtful) == len(lines) + 3 and found.doubtful[0].endswith("line 1")
    assert "checkpoint is missing" in (report(alice).reason or "")


def test_a_rotated_key_still_proves_as_long_as_it_is_listed(alice: Any, keys: None) -> None:
    write(alice, 3)
    checkpoints.write_due()
    secrets.configure(("a newer key that is long enough to be one too", KEY))
    assert report(alice).ok and report(alice).checkpoints == 1
    write(alice, 1)
    assert checkpoints.write_due(utcnow() + timedelta(days=1)) >= 1
    secrets.configure(("a newer key that is long enough to be one too",))
    found = checkpoints.read_all()
    assert found.doubtful and {one.workspace_id for one in found.signed} >= {alice.actor.workspace_id}
    assert report(alice).ok, "the newest one is enough"


def test_each_day_has_one_file_and_each_chain_that_grew_one_line(alice: Any, eve: Any, blob_store: FolderBlobs, caplog: Any) -> None:
    day = datetime(2030, 3, 1, 0, 5, tzinfo=UTC)
    with caplog.at_level(logging.INFO, "mailroom.audit"):
        first = checkpoints.write_due(day)
    assert first >= 2 and checkpoints.write_due(day + timedelta(hours=3)) == 0
    write(alice, 2)
    assert checkpoints.write_due(day + timedelta(hours=20)) == 0, "once a day"
    assert checkpoints.write_due(day + timedelta(days=1)) == 1, "only the chain that grew"
    assert blob_store.keys(checkpoints.FOLDER) == [f"audit/checkpoints/2030-03-0{number}.jsonl" for number in (1, 2)]
    lines = blob_store.get("audit/checkpoints/2030-03-01.jsonl").splitlines()
    assert len(lines) == first and all(line.decode() in caplog.text for line in lines), "the log of the process has them too"
    values = json.loads(lines[0])
    assert set(values) == {"workspace_id", "last_id", "count", "hash", "at", "kind", "signature"} and values["at"] == "2030-03-01T00:05:00Z"


def test_retention_cuts_from_the_front_and_the_rest_verifies(alice: Any, monkeypatch: pytest.MonkeyPatch, blob_store: FolderBlobs) -> None:
    monkeypatch.setattr(retention, "BATCH", 4)
    long_ago = utcnow() - timedelta(days=90)
    with monkeypatch.context() as then:
        then.setattr(chain, "utcnow", lambda: long_ago)
        empty_chain(alice)
        write(alice, 10, "Old")
    write(alice, 5, "Young")
    assert retention.cut_due() == 0, "for ever is the default"
    retention.set_keep_days(alice.actor, 60)
    db.session.commit()
    assert retention.would_go(alice.actor, 60) == 10
    assert retention.cut_due() == 10 and retention.cut_due() == 0
    found = report(alice)
    assert found.ok and found.removed == 10 and found.checkpoints == 1
    head = db.session.get_one(AuditHead, alice.actor.workspace_id, populate_existing=True)
    rows = alice.api.get("/audit-events?per_page=100").json
    assert rows["meta"]["total"] == len(rows["data"]) == head.kept == head.by_user + head.by_system
    assert {row["target"]["name"] for row in rows["data"] if row["action"] == "thing.update"} == {f"Young {n}" for n in range(5)}
    assert not alice.api.get("/audit-events?q=old").json["data"], "the index of words forgot them"
    told = alice.api.get("/audit-events?action=audit.cut").json["data"]
    assert len(told) == 1 and told[0]["after"]["removed"] == 10 and told[0]["actor"]["type"] == "system"
    page = alice.page.get("/audit").get_data(as_text=True)
    assert "Entries 1 to 10 were removed" in page and "Kept for 60 days" in page


def test_c72_a_front_cut_by_hand_is_noticed_although_the_head_says_retention(alice: Any) -> None:
    write(alice, 10)
    whose = alice.actor.workspace_id
    fifth = db.session.execute(select(AuditEntry.hash).where(AuditEntry.workspace_id == whose, AuditEntry.position == 5)).scalar_one()
    db.session.execute(delete(AuditEntry).where(AuditEntry.workspace_id == whose, AuditEntry.position <= 5))
    db.session.execute(update(AuditHead).where(AuditHead.workspace_id == whose).values(cut_position=5, cut_hash=fifth))
    db.session.commit()
    found = report(alice)
    assert not found.ok and found.first_bad_position == 1 and "no signed checkpoint" in (found.reason or "")


def test_c72_a_cut_that_died_half_way_verifies_and_goes_on(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    empty_chain(alice)
    with monkeypatch.context() as then:
        then.setattr(chain, "utcnow", lambda: datetime(2020, 1, 1, tzinfo=UTC))
        write(alice, 7)
    write(alice, 2, "Young")
    monkeypatch.setattr(retention, "BATCH", 3)
    real, batches = retention._cut_batch, iter([True])
    with monkeypatch.context() as dying:
        dying.setattr(retention, "_cut_batch", lambda whose, up_to: real(whose, up_to) if next(batches, None) else 1 // 0)
        with pytest.raises(ZeroDivisionError):
            retention.cut(alice.actor.workspace_id, datetime(2020, 2, 1, tzinfo=UTC))
    db.session.rollback()
    begin_writing()
    assert report(alice).ok and report(alice).removed == 3
    assert retention.cut(alice.actor.workspace_id, datetime(2020, 2, 1, tzinfo=UTC)) == 4
    begin_writing()
    assert report(alice).ok and report(alice).removed == 7


def test_a_clock_that_was_wrong_once_keeps_too_much_never_too_little(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    empty_chain(alice)
    for number, ago in enumerate([300, 290, 5, 200, 5]):
        moment = utcnow() - timedelta(days=ago)
        with monkeypatch.context() as then:
            then.setattr(chain, "utcnow", lambda moment=moment: moment)
            service.record(alice.actor, "thing.update", Target("thing", number, "Thing"))
            db.session.commit()
    retention.cut(alice.actor.workspace_id, utcnow() - timedelta(days=92))
    begin_writing()
    kept = list(db.session.scalars(select(AuditEntry.target_id).where(AuditEntry.action == "thing.update").order_by(AuditEntry.id)))
    assert kept == [2, 3, 4] and report(alice).ok


def test_retention_is_for_owners_and_never_below_a_month(alice: Any, bob: Any) -> None:
    assert alice.api.patch("/audit-retention", json={"keep_days": 7}).status_code == 422
    assert bob.api.patch("/audit-retention", json={"keep_days": 90}).json["error"]["code"] == "forbidden"
    answer = alice.api.patch("/audit-retention", json={"keep_days": 90})
    assert answer.status_code == 200 and answer.json["data"]["keep_days"] == 90
    assert alice.api.get("/audit-retention").json["data"]["keep_days"] == 90
    assert alice.api.patch("/audit-retention", json={"keep_days": None}).json["data"]["keep_days"] is None
    entries = alice.api.get("/audit-events?action=audit.retention").json["data"]
    assert [entry["after"] for entry in entries] == [{"keep_days": None}, {"keep_days": 90}]


def test_the_page_says_what_a_shorter_time_removes_before_it_is_taken(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whose = alice.actor.workspace_id
    db.session.execute(update(AuditEntry).where(AuditEntry.workspace_id == whose).values(at=utcnow() - timedelta(days=50)))
    db.session.commit()
    asked = alice.page.post("/audit/retention", {"keep": "days", "days": "40"})
    assert asked.status_code == 200 and "do not come back" in asked.get_data(as_text=True)
    assert alice.api.get("/audit-retention").json["data"]["keep_days"] is None
    assert alice.page.post("/audit/retention", {"keep": "days", "days": "40", "sure": "40"}).status_code == 303
    assert alice.api.get("/audit-retention").json["data"]["keep_days"] == 40
    assert alice.page.post("/audit/retention", {"keep": "days", "days": "3"}).status_code == 422
    assert alice.page.post("/audit/retention", {"keep": "days", "days": ""}).status_code == 422


def test_verifying_from_the_page_walks_in_pieces_and_tells_what_it_found(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "BATCH", 4)
    write(alice, 10)
    assert alice.page.post("/audit/verify").status_code == 303
    assert jobs.is_asked()
    assert not queue.drains["audit.verify"].work(0.0), "no time, no piece"
    assert queue.drains["audit.verify"].work(1e12)
    assert "intact" in alice.page.get("/audit/chain").get_data(as_text=True)
    victim = db.session.scalars(select(AuditEntry.id).where(AuditEntry.target_name == "Thing 7")).one()
    db.session.execute(update(AuditEntry).where(AuditEntry.id == victim).values(target_name="Nothing"))
    db.session.commit()
    assert alice.page.post("/audit/verify").status_code == 303
    queue.drains["audit.verify"].work(1e12)
    page = alice.page.get("/audit").get_data(as_text=True)
    assert "The log is not as it was written" in page and f"Entry {victim}: its content was changed" in page


def test_a_walk_in_pieces_comes_to_the_end_of_the_chain(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "BATCH", 4)
    write(alice, 10)
    checkpoints.write_due()
    whole, stops = report(alice), [0]
    while not (found := verification.verify(alice.actor.workspace_id, start=stops[-1], until=0.0)).finished:
        stops.append(found.count)
    assert found.ok and found.count == whole.count and stops == list(range(0, whole.count, 4))
