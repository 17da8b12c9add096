"""C-72: what was written cannot be changed unnoticed; what cannot be written did not happen."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import OperationalError

from webapp.accounts.models import Workspace
from webapp.audit import chain, service, verification
from webapp.audit.models import AuditEntry, AuditHead
from webapp.audit.service import Target
from webapp.core.actor import Actor
from webapp.core.db import begin_writing, db

WRITERS, EACH = 20, 100


def write(actor: Actor, number: int) -> None:
    service.record(actor, "thing.update", Target("thing", number, f"Thing {number}"), before={"n": number}, after={"n": number + 1})
    db.session.commit()


def write_though_busy(actor: Actor, number: int) -> None:
    """SQLite's lock is not fair: one of twenty may wait longer than the 10 s of busy_timeout on a slow disk. It asks again, like a client
    that was answered 503."""
    for attempt in range(5):
        try:
            return write(actor, number)
        except OperationalError:
            db.session.rollback()
            if attempt == 4:
                raise
    return None


def some_entries(actor: Actor, count: int = 12) -> None:
    for number in range(count):
        write(actor, number)


def test_c72_20_parallel_writers_make_2000_rows_in_one_unbroken_chain(app: Any, alice: Any) -> None:
    before = verification.verify(alice.actor.workspace_id).count
    problems: list[BaseException] = []

    def writer(name: int) -> None:
        begin_writing()
        with app.app_context():
            try:
                for number in range(EACH):
                    write_though_busy(alice.actor, name * EACH + number)
            except BaseException as error:  # noqa: BLE001  # told to the test below
                problems.append(error)
            finally:
                db.session.remove()

    db.session.commit()
    threads = [threading.Thread(target=writer, args=(name,)) for name in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert not problems
    report = verification.verify(alice.actor.workspace_id)
    assert (report.ok, report.count, report.reason) == (True, before + WRITERS * EACH, None)


def entry_at(actor: Actor, position: int) -> Any:
    return db.session.execute(
        select(AuditEntry.id, AuditEntry.hash, AuditEntry.previous_hash).where(
            AuditEntry.workspace_id == actor.workspace_id, AuditEntry.position == position
        )
    ).one()


def edit(actor: Actor) -> int:
    victim = entry_at(actor, 7).id
    db.session.execute(update(AuditEntry).where(AuditEntry.id == victim).values(after='{"n":99}'))
    return int(victim)


def edit_and_rehash(actor: Actor) -> int:
    """Even with a fitting hash of its own, the entry after it does not follow any more."""
    victim = db.session.execute(select(*AuditEntry.__table__.c).where(AuditEntry.id == entry_at(actor, 7).id)).one()
    values = {**victim._mapping, "actor_name": "somebody else"}
    db.session.execute(update(AuditEntry).where(AuditEntry.id == victim.id).values(actor_name="somebody else", hash=chain.digest(values)))
    return int(entry_at(actor, 8).id)


def remove(actor: Actor) -> int:
    db.session.execute(delete(AuditEntry).where(AuditEntry.id == entry_at(actor, 7).id))
    return int(entry_at(actor, 8).id)


def swap(actor: Actor) -> int:
    """Two entries change places: their ids stay, everything else moves."""
    columns = [c for c in AuditEntry.__table__.c if c.name != "id"]
    first, second = entry_at(actor, 7).id, entry_at(actor, 8).id
    rows = {row: dict(db.session.execute(select(*columns).where(AuditEntry.id == row)).one()._mapping) for row in (first, second)}
    db.session.execute(update(AuditEntry).where(AuditEntry.id == first).values(position=-1))
    db.session.execute(update(AuditEntry).where(AuditEntry.id == second).values(rows[first]))
    db.session.execute(update(AuditEntry).where(AuditEntry.id == first).values(rows[second]))
    return int(first)


def smuggle(actor: Actor) -> int:
    """An entry is put at the end by hand, without the head knowing; the newest true one is still named by the head."""
    last = db.session.execute(
        select(*AuditEntry.__table__.c).where(AuditEntry.workspace_id == actor.workspace_id).order_by(AuditEntry.id.desc()).limit(1)
    ).one()
    values = {**last._mapping, "position": last.position + 1, "previous_hash": last.hash, "action": "thing.forged"}
    values.pop("id")
    values["hash"] = chain.digest(values)
    return int(db.session.execute(insert(AuditEntry).values(values).returning(AuditEntry.id)).scalar_one())


def smuggle_into_the_middle(actor: Actor) -> int:
    """A forged entry takes the place of a true one, the rest moves up by one position."""
    victim = entry_at(actor, 7).id
    later = select(AuditEntry.id, AuditEntry.position).where(AuditEntry.workspace_id == actor.workspace_id, AuditEntry.id >= victim)
    rows = db.session.execute(later.order_by(AuditEntry.id.desc())).all()
    for row in rows:
        db.session.execute(update(AuditEntry).where(AuditEntry.id == row.id).values(position=row.position + 1))
    return int(victim)


@pytest.mark.parametrize("tamper", [edit, edit_and_rehash, remove, swap, smuggle, smuggle_into_the_middle])
def test_c72_verify_names_the_first_bad_row(alice: Any, tamper: Callable[[Actor], int]) -> None:
    some_entries(alice.actor)
    assert verification.verify(alice.actor.workspace_id).ok
    bad = tamper(alice.actor)
    db.session.commit()
    report = verification.verify(alice.actor.workspace_id)
    assert not report.ok and report.first_bad_id == bad and report.reason
    assert verification.verify(0).ok, "the other chains are as they were"


@pytest.mark.parametrize("cut", [1, 5])
def test_c72_a_cut_tail_is_noticed_by_the_position_from_which_it_is_missing(alice: Any, cut: int) -> None:
    some_entries(alice.actor)
    count = verification.verify(alice.actor.workspace_id).count
    gone = select(AuditEntry.id).where(AuditEntry.workspace_id == alice.actor.workspace_id, AuditEntry.position > count - cut)
    db.session.execute(delete(AuditEntry).where(AuditEntry.id.in_(gone)), execution_options={"synchronize_session": False})
    db.session.commit()
    report = verification.verify(alice.actor.workspace_id)
    assert not report.ok and report.first_bad_position == count - cut + 1 and f"last {cut} entries" in (report.reason or "")


def test_c72_everything_gone_is_noticed_too(alice: Any) -> None:
    db.session.execute(delete(AuditEntry))
    db.session.commit()
    assert not verification.verify(alice.actor.workspace_id).ok
    db.session.execute(delete(AuditHead))
    some_entries(alice.actor, 2)
    db.session.execute(delete(AuditHead))
    db.session.commit()
    assert verification.verify(alice.actor.workspace_id).reason == "the head of the chain is missing"


def test_c72_a_clock_that_goes_back_does_not_break_the_chain(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    some_entries(alice.actor, 2)
    early = db.session.scalars(select(AuditEntry.at).limit(1)).one().replace(year=2001)
    monkeypatch.setattr(chain, "utcnow", lambda: early)
    some_entries(alice.actor, 2)
    assert verification.verify(alice.actor.workspace_id).ok


def test_c72_a_change_whose_audit_row_cannot_be_written_does_not_happen(app: Any, alice: Any) -> None:
    """A real refusal of the database: a trigger that stops inserts into the log."""
    if db.engine.dialect.name == "sqlite":
        up = ["CREATE TRIGGER no_audit BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(ABORT, 'no more audit'); END"]
        down = ["DROP TRIGGER no_audit"]
    else:
        up = [
            "CREATE FUNCTION no_audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no more audit'; END $$",
            "CREATE TRIGGER no_audit BEFORE INSERT ON audit_entries FOR EACH ROW EXECUTE FUNCTION no_audit()",
        ]
        down = ["DROP TRIGGER no_audit ON audit_entries", "DROP FUNCTION no_audit()"]
    for statement in up:
        db.session.execute(text(statement))
    db.session.commit()
    try:
        answer = alice.api.patch(f"/workspaces/{alice.workspace.id}", json={"name": "Renamed in silence"})
        assert answer.status_code >= 500 or answer.status_code == 409
        page = alice.page.post("/profile", {"name": "Nobody"})
        assert page.status_code >= 400
    finally:
        db.session.rollback()
        for statement in down:
            db.session.execute(text(statement))
        db.session.commit()
    assert db.session.scalars(select(Workspace.name).where(Workspace.id == alice.workspace.id)).one() == "Acme"
    assert alice.api.get("/me").json["data"]["user"]["name"] == "Alice"


def test_an_entry_of_a_rolled_back_change_is_not_written(alice: Any) -> None:
    before = verification.verify(alice.actor.workspace_id).count
    service.record(alice.actor, "thing.create", Target("thing", 1, "Thing"))
    db.session.rollback()
    write(alice.actor, 1)
    assert verification.verify(alice.actor.workspace_id).count == before + 1


def test_a_refused_attempt_is_kept_although_its_request_was_rolled_back(alice: Any, bob: Any) -> None:
    bob.api.patch(f"/workspaces/{alice.workspace.id}", json={"name": "Mine now"}, headers={"X-Request-Id": "req_refused"})
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.request_id == "req_refused")).one()
    assert entry.result == "refused" and "admin" in (entry.reason or "") and entry.token_last_four == bob.token[-4:]


def test_secrets_are_masked_at_any_depth_and_only_changes_are_kept(alice: Any) -> None:
    service.record(
        alice.actor, "action.update", Target("action", 1, "Call"),
        before={"url": "https://a.test", "auth": {"secret": "hunter2hunter2", "headers": [{"authorization": "Bearer x"}]}},
        after={"url": "https://a.test", "auth": {"secret": "correcthorse", "headers": [{"authorization": "Bearer y"}]}},
    )  # fmt: skip
    db.session.commit()
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "action.update")).one()
    text_of = f"{entry.before}{entry.after}"
    assert "hunter2" not in text_of and "correcthorse" not in text_of and "Bearer" not in text_of
    assert "url" not in text_of, "what did not change is not kept"


def test_no_entry_of_the_log_can_be_reached_by_an_unsafe_method(app: Any) -> None:
    methods = {rule.rule: rule.methods - {"GET", "HEAD", "OPTIONS"} for rule in app.url_map.iter_rules() if "audit" in rule.rule}
    unsafe = {rule for rule, some in methods.items() if some}
    assert unsafe == {"/audit/verify", "/audit/export", "/audit/retention", "/api/v1/audit-retention"}, "none of them names an entry"
    assert not hasattr(service, "delete_entry")
