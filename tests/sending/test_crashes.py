"""C-22, C-28: workers die at every moment, several work at once; nothing is lost, and only what was on the wire is in doubt."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.factories.sending import Script, Sink, deliveries, make_due, make_outgoing, run_drain, use_transport
from webapp.core import queue
from webapp.core.db import begin_writing, database_now, db
from webapp.core.errors import InvalidState
from webapp.sending import ledger, recover, service, wire, work
from webapp.sending.models import Attempt, Delivery

ROOT = Path(__file__).resolve().parents[2]


DRAIN = ("-m", "tests.sending.worker_process")
RQ_WORKER = ("-c", "from webapp.settings import load_settings; from webapp.worker import work; work(load_settings())")


@contextlib.contextmanager
def worker(app: Any, point: str = "", program: tuple[str, ...] = DRAIN) -> Iterator["subprocess.Popen[str]"]:
    """A real worker process on this test's database."""
    settings = app.config["SETTINGS"]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MAILROOM_")},
        "MAILROOM_INSTANCE": str(settings.instance), "DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url,
        "MAILROOM_SECRET_KEY": settings.secret_keys[0], "MAILROOM_TRANSPORT": settings.transport, "MAILROOM_HOSTNAME": settings.hostname,
    }  # fmt: skip
    db.session.commit()
    command = [sys.executable, *program, point]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
        begin_writing()


def kill(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(10)


def wait_for(process: "subprocess.Popen[str]", word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == word:
            return
    raise AssertionError(f"the worker ended before it said {word!r}")


def test_c22_killed_after_the_claim_every_row_goes_back_and_out_once(app: Any, alice: Any) -> None:
    with Sink() as sink:
        use_transport(app, sink.url)
        outgoing = make_outgoing(alice, "a@example.org", "b@example.org")
        with worker(app, "claimed") as process:
            wait_for(process, "claimed")
            assert {row.state for row in deliveries(outgoing)} == {"leased"}
            assert run_drain() is True and sink.taken == [], "nobody takes over from a living holder"
            kill(process)
        assert recover.has_left()
        run_drain()
        assert sorted(sink.recipients) == ["a@example.org", "b@example.org"]
    assert {(row.state, row.attempts) for row in deliveries(outgoing)} == {("sent", 1)}
    assert wire.files(wire.folder_of(app.config["SETTINGS"].instance)) == []


def test_c22_killed_with_the_body_on_the_wire_that_row_alone_is_uncertain(app: Any, alice: Any) -> None:
    """The server has the whole mail and says nothing; the rest of the batch was never begun."""
    silent = threading.Event()

    def say_nothing(connection: Any) -> bool:
        silent.wait(30)
        return False

    with Sink(Script(dot=say_nothing)) as sink:
        use_transport(app, sink.url)
        outgoing = make_outgoing(alice, *[f"p{number}@example.org" for number in range(5)])
        with worker(app) as process:
            assert sink.body_seen.wait(40)
            kill(process)
        silent.set()
        recover.recover()
        states = sorted((row.state, row.recipient) for row in deliveries(outgoing))
        assert [state for state, _ in states] == ["queued"] * 4 + ["uncertain"]
        uncertain = next(row for row in deliveries(outgoing) if row.state == "uncertain")
        assert uncertain.recipient == sink.taken[0].recipients[0]
        assert uncertain.host == sink.url.removeprefix("smtp://") and "may have arrived" in service.why(uncertain)
        assert service.counts(alice.actor)["uncertain"] == 1 and service.counts(alice.actor)["queued"] == 4
        sink.script.dot = b"250 2.0.0 taken\r\n"
        run_drain()
        assert len(sink.taken) == 5, "the one in doubt waits its minute"
        make_due()
        run_drain()
    assert {row.state for row in deliveries(outgoing)} == {"sent"}
    assert len({mail.raw.split(b"Message-ID: ")[1].split(b"\r\n")[0] for mail in sink.taken}) == 1


def test_c22_killed_between_the_answer_and_its_record_nothing_is_sent_again(app: Any, alice: Any) -> None:
    with Sink(Script(rcpt={"no@example.org": b"550 5.1.1 unknown\r\n"})) as sink:
        use_transport(app, sink.url)
        outgoing = make_outgoing(alice, "a@example.org", "no@example.org", "b@example.org")
        with worker(app, "answered") as process:
            wait_for(process, "answered")
            kill(process)
        assert {row.state for row in deliveries(outgoing)} == {"leased"}
        run_drain()
        assert sorted(sink.recipients) == ["a@example.org", "b@example.org"]
    found = {row.recipient: (row.state, row.last_code) for row in deliveries(outgoing)}
    assert found == {"a@example.org": ("sent", 250), "b@example.org": ("sent", 250), "no@example.org": ("bounced", 550)}
    attempts = db.session.query(Attempt).all()
    assert len(attempts) == 3 and all(attempt.dialogue for attempt in attempts), "the dialogue survived too"


def _leased_by(owner: str, boot: str, outgoing: Any, late_s: float) -> None:
    """Rows as a holder left them whose lease ran out so long ago."""
    ended = database_now() - timedelta(seconds=late_s)
    values = {"state": "leased", "next_attempt_at": None, "lease_owner": owner, "boot_id": boot, "lease_until": ended}
    db.session.query(Delivery).filter_by(outgoing_id=outgoing.id).update(values)
    ledger.count_moves([(outgoing.workspace_id, "queued", "leased")])
    db.session.commit()


def test_a_dead_holder_on_another_machine_leaves_its_rows_in_doubt_after_a_grace(app: Any, alice: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    outgoing = make_outgoing(alice)
    _leased_by("elsewhere/77/abc", "another boot", outgoing, late_s=5)
    recover.recover()
    assert deliveries(outgoing)[0].state == "leased", "the other machine may look after its own dead first"
    _leased_by("elsewhere/77/abc", "another boot", outgoing, late_s=60)
    recover.recover()
    [row] = deliveries(outgoing)
    assert row.state == "uncertain" and row.next_attempt_at is not None and row.lease_owner is None


def test_after_a_power_loss_everything_that_was_claimed_is_in_doubt(app: Any, alice: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    outgoing = make_outgoing(alice)
    owner = "this/1/power"
    wire.Notes.start(wire.folder_of(app.config["SETTINGS"].instance), owner).let_go()
    _leased_by(owner, "the boot before", outgoing, late_s=-10)
    recover.recover()
    assert deliveries(outgoing)[0].state == "uncertain"


def test_c28_ten_drains_at_once_send_every_mail_exactly_once(app: Any, alice: Any) -> None:
    people = [f"p{number}@example.org" for number in range(300)]
    with Sink() as sink:
        use_transport(app, sink.url)
        outgoing = make_outgoing(alice, *people)
        ends = time.monotonic() + 20
        finished: list[bool] = []

        def one() -> None:
            with app.app_context():
                begin_writing()
                finished.append(work.drain(ends))
                db.session.remove()

        threads = [threading.Thread(target=one) for _ in range(10)]
        db.session.commit()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        begin_writing()
        assert len(finished) == 10, "a drain failed"
        assert sorted(sink.recipients) == sorted(people)
    assert {row.state for row in deliveries(outgoing)} == {"sent"}
    assert service.counts(alice.actor)["sent"] == 300


def test_the_lease_is_extended_while_a_slow_server_answers(app: Any, alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.sending.holding.EVERY_S", 0.05)
    seen: list[Any] = []

    def slowly(connection: Any) -> bool:
        with app.app_context():
            first = db.session.query(Delivery.lease_until).one()[0]
            db.session.rollback()
            limit = time.monotonic() + 5
            while time.monotonic() < limit:
                later = db.session.query(Delivery.lease_until).one()[0]
                db.session.rollback()
                if later > first:
                    seen.append(later)
                    break
                time.sleep(0.02)
            db.session.remove()
        connection.sendall(b"250 2.0.0 taken\r\n")
        return True

    with Sink(Script(dot=slowly)) as sink:
        use_transport(app, sink.url)
        make_outgoing(alice)
        run_drain()
    assert seen, "the lease stayed as it was"
    assert deliveries()[0].state == "sent"


def test_c30_hold_cancel_and_release_while_a_drain_runs_add_up(app: Any, alice: Any) -> None:
    """Whatever happens at the same moment: each recipient is sent once or not at all, and the counters agree with the rows."""
    people = [f"p{number}@example.org" for number in range(120)]
    with Sink() as sink:
        use_transport(app, sink.url)
        outgoing = make_outgoing(alice, *people)
        ids = [row.id for row in deliveries(outgoing)]
        db.session.commit()
        running = threading.Thread(target=_drain_in_thread, args=(app,))
        running.start()
        steps: list[Callable[..., Any]] = [service.hold, service.cancel, service.retry, service.release]
        for number, delivery_id in enumerate(ids):
            begin_writing()
            try:
                steps[number % 3](alice.actor, delivery_id)
                db.session.commit()
            except InvalidState:
                db.session.rollback()
        running.join(30)
        run_drain()
        sent = [row.recipient for row in deliveries(outgoing) if row.state == "sent"]
        assert sorted(sink.recipients) == sorted(sent)
    found = dict.fromkeys(service.counts(alice.actor), 0)
    for row in deliveries(outgoing):
        found[row.state] += 1
    assert service.counts(alice.actor) == found
    assert {row.state for row in deliveries(outgoing)} <= {"sent", "held", "cancelled"}


def _drain_in_thread(app: Any) -> None:
    with app.app_context():
        begin_writing()
        work.drain(time.monotonic() + 20)
        db.session.remove()


def test_1000_recipients_are_one_ring_and_no_job_for_each(app: Any, alice: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    make_outgoing(alice, *[f"p{number}@example.org" for number in range(1000)])
    client = app.extensions["redis"]
    jobs = [queue.Queue(name, connection=client).count for name in queue.QUEUES]
    assert sum(jobs) <= 2, "one bell for sending, one for reading the archive copy"


def test_a_real_rq_worker_hears_the_bell_and_sends(app: Any, alice: Any) -> None:
    with Sink() as sink:
        use_transport(app, sink.url)
        with worker(app, program=RQ_WORKER) as process:
            make_outgoing(alice)
            assert sink.body_seen.wait(40)
            limit = time.monotonic() + 10
            while deliveries()[0].state != "sent" and time.monotonic() < limit:
                db.session.rollback()
                time.sleep(0.05)
            process.terminate()
            assert process.wait(20) == 0
        assert sink.recipients == ["ada@example.org"] and deliveries()[0].state == "sent"


def test_c27_without_redis_a_submit_still_succeeds_and_the_sweep_finds_it(app: Any, alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.extensions, "redis", queue.connection("redis://127.0.0.1:1/0"))
    with Sink() as sink:
        use_transport(app, sink.url)
        make_outgoing(alice)
        assert queue.drains["sending.drain"].due()
        db.session.rollback()
        run_drain()
        assert sink.recipients == ["ada@example.org"]
