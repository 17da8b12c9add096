"""The chores: what waits for a way out goes on, and the log forgets after 90 days."""

from datetime import timedelta
from typing import Any

from tests.factories.mailboxes import make_mailbox
from tests.factories.sending import Sink, deliveries, make_outgoing, run_drain, use_transport
from webapp.core import counters, queue
from webapp.core.db import db, utcnow
from webapp.messages.models import Message
from webapp.sending import retention, service
from webapp.sending.models import Attempt, Delivery, Outgoing


def test_deliveries_are_forgotten_after_90_days_and_the_archived_mail_stays(app: Any, alice: Any) -> None:
    mailbox = make_mailbox(alice)
    with Sink() as sink:
        use_transport(app, sink.url)
        mails = [make_outgoing(alice, f"{name}@example.org", "both@example.org", mailbox=mailbox) for name in ("old", "half", "new")]
        run_drain()
    old, half, new = mails
    ago = utcnow() - timedelta(days=91)
    db.session.query(Delivery).filter_by(outgoing_id=old.id).update({"finished_at": ago})
    db.session.query(Delivery).filter_by(outgoing_id=half.id, recipient="both@example.org").update({"finished_at": ago})
    db.session.commit()
    assert retention.forget_old() == 3
    db.session.commit()
    assert {row.outgoing_id for row in deliveries()} == {half.id, new.id} and len(deliveries()) == 3
    assert db.session.query(Outgoing).count() == 2 and db.session.query(Attempt).count() == 3
    assert db.session.query(Message).filter_by(direction="sent").count() == 3
    assert counters.read(alice.workspace.id, "deliveries") == 3 and service.counts(alice.actor)["sent"] == 3
    assert retention.forget_old() == 0


def test_the_scheduler_lets_held_mail_go_once_there_is_a_way_out(app: Any, alice: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    outgoing = make_outgoing(alice)
    use_transport(app, "capture")
    run_drain()
    assert deliveries(outgoing)[0].state == "held"
    with Sink() as sink:
        use_transport(app, sink.url)
        queue.chores["sending.release"].do()
        run_drain()
        assert sink.recipients == ["ada@example.org"]


def test_work_off_sends_everything_that_is_due_and_nothing_that_is_not(app: Any, alice: Any, work_off: Any) -> None:
    with Sink() as sink:
        use_transport(app, sink.url)
        make_outgoing(alice, "now@example.org")
        later = make_outgoing(alice, "later@example.org")
        db.session.query(Delivery).filter_by(outgoing_id=later.id).update({"next_attempt_at": utcnow() + timedelta(hours=1)})
        work_off()
        assert sink.recipients == ["now@example.org"]
    assert "goes in 59 min" in service.why(deliveries(later)[0]) or "goes in 1 h" in service.why(deliveries(later)[0])
