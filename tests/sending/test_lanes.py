"""Two lanes and what hangs: bulk mail never holds transactional mail up, and a server that is silent holds nobody but its own letters."""

import threading
import time
from typing import Any

import pytest

from tests.factories.sending import LONG_AGO, Script, Sink, deliveries, make_due, make_outgoing, run_drain, use_transport
from webapp.core import queue
from webapp.core.db import db
from webapp.messages import store
from webapp.sending import jobs, work
from webapp.sending.fleet import fleet
from webapp.sending.models import Attempt, Delivery


def test_a_transactional_mail_goes_while_a_bulk_mail_waits_for_its_answer(app: Any, alice: Any) -> None:
    """The server answers the first bulk mail only when the transactional one is there."""
    first = threading.Lock()

    def answer(connection: Any) -> bool:
        if first.acquire(blocking=False):
            with app.app_context():
                db.session.query(Delivery).filter_by(recipient="now@example.org").update({"next_attempt_at": LONG_AGO})
                db.session.commit()
                db.session.remove()
            limit = time.monotonic() + 20
            while "now@example.org" not in sink.recipients and time.monotonic() < limit:
                time.sleep(0.01)
        connection.sendall(b"250 2.0.0 taken\r\n")
        return True

    with Sink(Script(dot=answer)) as sink:
        use_transport(app, sink.url)
        urgent = make_outgoing(alice, "now@example.org")
        db.session.query(Delivery).filter_by(outgoing_id=urgent.id).update({"next_attempt_at": None})
        make_outgoing(alice, *[f"p{number}@example.org" for number in range(50)], stream="bulk")
        run_drain(20)
        if len(sink.recipients) < 51:
            run_drain(20)
        assert sink.recipients.index("now@example.org") <= 4, "it overtook all but the bulk mails that were under way"
        assert len(sink.recipients) == 51
    assert {row.state for row in deliveries()} == {"sent"}


def test_bulk_mail_has_its_own_bell_and_gives_way_to_the_queue_mail(app: Any, alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(work.BATCHES, "bulk", 10)
    client = app.extensions["redis"]
    with Sink() as sink:
        use_transport(app, sink.url)
        make_outgoing(alice, *[f"p{number}@example.org" for number in range(30)], stream="bulk")
        assert client.exists("ring:sending.bulk") and not client.exists("ring:sending.drain")
        queue.Queue("mail", connection=client).enqueue("webapp.worker.perform", "sending.drain")
        assert jobs.send_bulk(time.monotonic() + 20) is False and len(sink.recipients) == 10, "one batch, then others"
        queue.Queue("mail", connection=client).empty()
        assert jobs.send_bulk(time.monotonic() + 20) is True and len(sink.recipients) == 30
    assert fleet.wait(10)


def test_a_relay_that_hangs_on_one_mail_does_not_keep_the_drain(app: Any, alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "PATIENCE_S", 0.1)
    released = threading.Event()
    first = threading.Lock()

    def answer(connection: Any) -> bool:
        if first.acquire(blocking=False):
            released.wait(30)
        connection.sendall(b"250 2.0.0 taken\r\n")
        return True

    with Sink(Script(dot=answer)) as sink:
        use_transport(app, sink.url)
        slow = make_outgoing(alice, "slow@example.org")
        db.session.commit()
        assert work.drain(time.monotonic() + 20) is True, "the drain ended although one mail is not answered"
        assert deliveries(slow)[0].state == "leased"
        db.session.rollback()
        quick = make_outgoing(alice, "quick@example.org")
        assert work.drain(time.monotonic() + 20) is True
        assert deliveries(quick)[0].state == "sent"
        db.session.rollback()
        released.set()
        assert fleet.wait(20)
        assert sink.recipients == ["slow@example.org", "quick@example.org"]
    [row] = deliveries(slow)
    assert (row.state, row.attempts, row.lease_owner) == ("sent", 1, None)


def test_c25_a_mail_whose_source_is_gone_spoils_nobody_else_s(app: Any, alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sink() as sink:
        use_transport(app, sink.url)
        bad = make_outgoing(alice, "bad@example.org")
        good = [make_outgoing(alice, f"p{number}@example.org") for number in range(3)]
        load = store.load_raw

        def fail(raw_id: int) -> bytes:
            if raw_id == bad.raw_id:
                raise LookupError("gone")
            return load(raw_id)

        monkeypatch.setattr(store, "load_raw", fail)
        run_drain()
        assert sorted(sink.recipients) == ["p0@example.org", "p1@example.org", "p2@example.org"]
    assert deliveries(bad)[0].state == "deferred" and {deliveries(one)[0].state for one in good} == {"sent"}


def test_of_sent_bulk_mail_the_final_reply_alone_is_kept_and_of_others_everything(app: Any, alice: Any) -> None:
    with Sink(Script(rcpt={"no@example.org": b"550 5.1.1 unknown\r\n"})) as sink:
        use_transport(app, sink.url)
        make_outgoing(alice, "yes@example.org", "no@example.org", stream="bulk")
        make_outgoing(alice, "paid@example.org")
        run_drain()
    kept = {row.recipient: row.dialogue for row in db.session.query(Delivery.recipient, Attempt.dialogue).join(Attempt)}
    assert kept["yes@example.org"] == ["S: 250 2.0.0 taken"]
    assert any("RCPT TO:<no@example.org>" in line for line in kept["no@example.org"])
    assert kept["paid@example.org"][0].startswith("-- connect") and kept["paid@example.org"][-1] == "S: 250 2.0.0 taken"


def test_a_connection_is_kept_for_the_next_batch_and_the_next_stream_has_its_own(app: Any, alice: Any) -> None:
    with Sink() as sink:
        use_transport(app, sink.url)
        for stream in ("transactional", "bulk"):
            make_outgoing(alice, f"{stream}@example.org", stream=stream)
        make_due()
        run_drain()
        assert sink.listener.accepted == 2 and len(sink.recipients) == 2
