"""C-29: the clock jumps; nothing bursts, nothing freezes."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from tests.factories.sending import Sink, deliveries, make_outgoing, run_drain, use_transport
from webapp.core import jumps
from webapp.core.db import database_now, db
from webapp.sending import ledger
from webapp.sending.models import Delivery

DAY = timedelta(days=1)


def written(outgoing: Any, ahead: timedelta, wait: timedelta, **values: Any) -> None:
    """The rows as a clock wrote them that was so far ahead."""
    moment = database_now() + ahead
    changes = {"next_attempt_at": moment + wait, "updated_at": moment, **values}
    db.session.execute(update(Delivery).where(Delivery.outgoing_id == outgoing.id).values(changes))
    db.session.commit()


def test_c29_what_was_queued_while_the_clock_was_a_day_ahead_goes_out_once_it_is_right_again(app: Any, alice: Any) -> None:
    with Sink() as sink:
        use_transport(app, sink.url)
        written(make_outgoing(alice), DAY, timedelta(0))
        run_drain()
        assert sink.recipients == [], "it is not due by the right clock"
        assert jumps.bring_forward() == 1
        run_drain()
        assert sink.recipients == ["ada@example.org"]


def test_c29_a_wait_of_an_hour_stays_one_of_an_hour_and_a_right_one_is_left_alone(app: Any, alice: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    late, right = make_outgoing(alice), make_outgoing(alice, "bob@example.org")
    written(late, DAY, timedelta(hours=1), state="deferred")
    written(right, timedelta(0), timedelta(hours=3), state="deferred")
    before = deliveries(right)[0].next_attempt_at
    assert jumps.bring_forward() == 1
    wait = deliveries(late)[0].next_attempt_at - database_now()
    assert timedelta(minutes=59) < wait <= timedelta(hours=1)
    assert deliveries(right)[0].next_attempt_at == before


def test_c29_a_lease_of_a_holder_who_died_in_another_day_ends(app: Any, alice: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    outgoing = make_outgoing(alice)
    values = {"state": "leased", "next_attempt_at": None, "lease_until": database_now() + DAY, "lease_owner": "elsewhere/1/x"}
    db.session.execute(update(Delivery).where(Delivery.outgoing_id == outgoing.id).values(values))
    db.session.commit()
    assert not ledger.has_expired()
    jumps.bring_forward()
    assert ledger.has_expired()


def test_c29_the_watch_notices_a_step_back_and_nothing_else(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = {"now": 0.0}
    real = jumps.database_now
    monkeypatch.setattr(jumps, "database_now", lambda: real() + timedelta(seconds=moments["now"]))
    watch = jumps.Watch()
    assert watch.set_back_s() is None
    assert watch.set_back_s() == 0.0
    moments["now"] = 86_400.0
    assert watch.set_back_s() == 0.0, "forward needs nothing"
    moments["now"] = 0.0
    assert watch.set_back_s() == pytest.approx(86_400, abs=1)


def test_c29_a_clock_that_went_ahead_and_back_between_two_questions_is_noticed(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = jumps.Watch()
    assert watch.set_back_s() is None
    real, ahead = jumps.time.time, {"s": 86_400.0}
    with monkeypatch.context() as patch:
        patch.setattr(jumps.time, "time", lambda: real() + ahead["s"])
        watch.sample()
    assert watch.set_back_s() == pytest.approx(86_400, abs=1)
    assert watch.set_back_s() == 0.0, "told once"
