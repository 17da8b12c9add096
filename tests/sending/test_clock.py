"""C-28, C-29 and C-35 for deliveries: clocks that jump or differ neither freeze the queue nor make a burst, ways out that vanish hold."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.factories.sending import Script, Sink, deliveries, make_outgoing, run_drain, use_transport
from webapp.core import jumps
from webapp.core.db import database_now, db
from webapp.sending import ledger, release, service, wire
from webapp.sending.waits import MOST_WAIT, WAITS_S, wait_s


def deferred(app: Any, person: Any, *recipients: str) -> Any:
    """A mail whose recipients were all asked to come back later."""
    with Sink(Script(rcpt_default=b"450 4.2.0 later\r\n")) as sink:
        use_transport(app, sink.url)
        outgoing = make_outgoing(person, *recipients)
        run_drain()
    assert {row.state for row in deliveries(outgoing)} == {"deferred"}
    return outgoing


def shift(**by: float) -> None:
    """Every row's times as if the clock of the machine had since then been set the other way."""
    for row in deliveries():
        row.created_at, row.updated_at = row.created_at + timedelta(**by), row.updated_at + timedelta(**by)
        if row.next_attempt_at is not None:
            row.next_attempt_at += timedelta(**by)
    db.session.commit()


def test_c29_a_clock_set_back_by_a_day_does_not_freeze_what_waits(app: Any, alice: Any) -> None:
    outgoing = deferred(app, alice, "a@example.org", "b@example.org")
    planned = {row.id: row.next_attempt_at - row.updated_at for row in deliveries(outgoing)}
    fresh = make_outgoing(alice, "c@example.org")
    shift(days=1)
    assert jumps.bring_forward() == 3, "both deferred rows, and the fresh one, which would have waited for a day"
    db.session.commit()
    now = database_now()
    for row in deliveries(outgoing):
        assert row.next_attempt_at is not None and abs(row.next_attempt_at - now - planned[row.id]) < timedelta(seconds=20)
    assert ledger.has_due() and deliveries(fresh)[0].next_attempt_at <= database_now()
    assert jumps.bring_forward() == 0


def test_c29_a_clock_set_forward_by_a_day_makes_each_row_go_once(app: Any, alice: Any) -> None:
    outgoing = deferred(app, alice, *[f"p{n}@example.org" for n in range(30)])
    shift(days=-1)
    assert jumps.bring_forward() == 0
    with Sink() as sink:
        use_transport(app, sink.url)
        assert run_drain() is True
        assert sorted(sink.recipients) == sorted(row.recipient for row in deliveries(outgoing))
    assert {(row.state, row.attempts) for row in deliveries(outgoing)} == {("sent", 2)}


def test_c29_waits_grow_to_four_hours_and_never_beyond(app: Any) -> None:
    assert list(WAITS_S) == sorted(WAITS_S) and timedelta(seconds=max(wait_s(n) for n in range(1, 60))) <= MOST_WAIT


def test_c28_ten_claims_at_once_share_the_rows_without_an_overlap(app: Any, alice: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    make_outgoing(alice, *[f"p{n}@example.org" for n in range(200)])
    taken: list[list[int]] = []
    failed: list[BaseException] = []

    def take(number: int) -> None:
        with app.app_context():
            try:
                rows = ledger.claim(f"worker-{number}", wire.boot_id(), 30)
                db.session.commit()
                taken.append([row.id for row in rows])
            except BaseException as error:  # noqa: BLE001
                failed.append(error)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=take, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    ids = [row_id for some in taken for row_id in some]
    assert not failed and len(ids) == len(set(ids)) and len(ids) >= 100
    assert sum(row.state == "leased" for row in deliveries()) == len(ids)


def test_c28_leases_go_by_the_clock_of_the_database(app: Any, alice: Any, outside: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    make_outgoing(alice)
    outside.clock.moment = datetime(2031, 1, 1, tzinfo=UTC)
    ledger.claim("me", wire.boot_id())
    db.session.commit()
    [row] = deliveries()
    assert row.lease_until is not None and timedelta(0) < row.lease_until - database_now() <= timedelta(seconds=ledger.LEASE_S)
    assert ledger.has_expired() is False


@pytest.mark.parametrize("way", ["mx", "smtp://127.0.0.1:1"])
def test_c35_what_was_queued_for_a_way_that_vanished_goes_by_the_one_that_is_there(app: Any, alice: Any, way: str) -> None:
    use_transport(app, way)
    outgoing = make_outgoing(alice)
    with Sink() as sink:
        use_transport(app, sink.url)
        release.release_waiting()
        run_drain()
        assert sink.recipients == ["ada@example.org"]
    assert deliveries(outgoing)[0].state == "sent"


def test_c35_without_any_way_out_it_is_held_with_a_reason_and_goes_on_later(app: Any, alice: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    outgoing = make_outgoing(alice)
    use_transport(app, "capture")
    run_drain()
    [row] = deliveries(outgoing)
    assert row.state == "held" and row.held_by == "transport" and "goes on by itself" in service.why(row)
    with Sink() as sink:
        use_transport(app, sink.url)
        assert release.release_waiting() == 1
        run_drain()
    assert deliveries(outgoing)[0].state == "sent"
