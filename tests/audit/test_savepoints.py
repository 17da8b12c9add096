"""A savepoint that is rolled back takes along what was recorded inside it, and leaves the transaction around it whole."""

from typing import Any

from webapp.audit import service as audit
from webapp.audit.models import AuditEntry
from webapp.audit.service import Target
from webapp.core import queue
from webapp.core.db import db


def test_a_rolled_back_savepoint_drops_its_own_entries_alone(alice: Any) -> None:
    audit.record(alice.actor, "thing.before", Target("thing", 1, "one"))
    savepoint = db.session.begin_nested()
    audit.record(alice.actor, "thing.inside", Target("thing", 2, "two"))
    savepoint.rollback()
    audit.record(alice.actor, "thing.after", Target("thing", 3, "three"))
    db.session.commit()
    found = [entry.action for entry in db.session.query(AuditEntry).order_by(AuditEntry.id) if entry.action.startswith("thing.")]
    assert found == ["thing.before", "thing.after"]


def test_a_kept_savepoint_keeps_its_entries(alice: Any) -> None:
    with db.session.begin_nested():
        audit.record(alice.actor, "thing.inside", Target("thing", 2, "two"))
    db.session.commit()
    assert db.session.query(AuditEntry).filter_by(action="thing.inside").count() == 1


def test_a_ring_survives_the_roll_back_of_a_savepoint(app: Any, alice: Any) -> None:
    queue.ring("sending.drain")
    savepoint = db.session.begin_nested()
    savepoint.rollback()
    db.session.commit()
    assert app.extensions["redis"].exists("ring:sending.drain")
