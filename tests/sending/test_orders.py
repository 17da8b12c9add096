"""Steps over many deliveries: previewed in numbers, exact beside running workers, audited once; domains and mailboxes on hold."""

import random
import threading
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.factories.mailboxes import make_mailbox
from tests.factories.sending import Script, Sink, deliveries, make_due, make_outgoing, run_drain, use_transport
from webapp.audit.models import AuditEntry
from webapp.core import counters
from webapp.core.db import begin_writing, db
from webapp.core.errors import Invalid, InvalidState
from webapp.sending import holding_back, orders, service
from webapp.sending.models import STATES, Delivery, Hold


def waiting(app: Any, person: Any, *recipients: str, **options: Any) -> Any:
    """A mail whose recipients wait, since nothing listens at the transport."""
    use_transport(app, "smtp://127.0.0.1:1")
    return make_outgoing(person, *recipients, **options)


def states() -> Counter[str]:
    return Counter(row.state for row in deliveries())


def check_counters(person: Any) -> None:
    """The kept numbers are those of the rows."""
    db.session.commit()
    counted = {state: number for state, number in db.session.execute(select(Delivery.state, func.count()).group_by(Delivery.state))}  # noqa: C416
    assert service.counts(person.actor) == {state: counted.get(state, 0) for state in STATES}
    assert counters.read(person.workspace.id, "deliveries") == sum(counted.values())


def test_a_preview_says_the_effect_in_numbers_and_changes_nothing(app: Any, alice: Any) -> None:
    waiting(app, alice, *[f"p{n}@acme.test" for n in range(212)], "other@example.org")
    answer = alice.api.post("/deliveries:cancel", json={"filter": {"domain": "acme.test"}, "preview": True})
    assert answer.status_code == 200
    data = answer.json["data"]
    assert data["sentence"].startswith("212 deliveries to acme.test will be cancelled.") and data["total"] == 212
    assert (data["status"], data["id"], data["by_state"]) == ("preview", None, {"queued": 212})
    assert states() == {"queued": 213}


def test_cancelling_by_domain_is_done_at_once_and_audited_once_with_the_number(app: Any, alice: Any) -> None:
    outgoing = waiting(app, alice, "a@acme.test", "b@acme.test", "c@example.org")
    answer = alice.api.post("/deliveries:cancel", json={"filter": {"domain": "acme.test"}})
    assert answer.status_code == 200 and answer.json["data"]["status"] == "done" and answer.json["data"]["changed"] == 2
    assert answer.json["data"]["sentence"] == "2 deliveries cancelled."
    assert [row.state for row in deliveries(outgoing)] == ["cancelled", "cancelled", "queued"]
    entries = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "deliveries.cancel")).all()
    assert len(entries) == 1 and '"deliveries":2' in str(entries[0].after).replace(" ", "").replace("'", '"')
    check_counters(alice)


def test_many_go_on_in_batches_with_progress_and_can_be_stopped(app: Any, alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "INLINE", 10)
    monkeypatch.setattr(orders, "BATCH", 20)
    waiting(app, alice, *[f"p{n}@acme.test" for n in range(50)])
    answer = alice.api.post("/deliveries:hold", json={"filter": {"stream": "transactional"}})
    assert answer.status_code == 202 and answer.json["data"]["status"] == "running"
    order_id = answer.json["data"]["id"]
    begin_writing()
    orders._batch(orders.get_order(alice.actor, order_id), alice.actor)
    db.session.commit()
    data = alice.api.get(f"/delivery-orders/{order_id}").json["data"]
    assert data["changed"] == 20 and data["sentence"] == "20 deliveries held so far, of 50."
    stopped = alice.api.post(f"/delivery-orders/{order_id}:stop").json["data"]
    assert stopped["status"] == "stopped" and "30 were left as they are" in stopped["sentence"]
    assert alice.api.post(f"/delivery-orders/{order_id}:stop").status_code == 409
    begin_writing()
    assert orders.work_off(1e12) is True
    assert states() == {"held": 20, "queued": 30}
    again = alice.api.post("/deliveries:release", json={"filter": {"state": "held"}}).json["data"]["id"]
    begin_writing()
    assert orders.work_off(1e12) is True
    assert orders.get_order(alice.actor, again).state == "done" and states() == {"queued": 50}
    check_counters(alice)


def test_an_empty_filter_is_refused_and_newer_mail_is_not_touched(app: Any, alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert alice.api.post("/deliveries:cancel", json={"filter": {}}).status_code == 422
    monkeypatch.setattr(orders, "INLINE", 0)
    waiting(app, alice, "a@acme.test")
    begin_writing()
    orders.give(alice.actor, "cancel", {"domain": "acme.test"})
    db.session.commit()
    waiting(app, alice, "later@acme.test")
    orders.work_off(1e12)
    assert [(row.recipient, row.state) for row in deliveries()] == [("a@acme.test", "cancelled"), ("later@acme.test", "queued")]


def test_somebody_else_s_deliveries_are_never_matched(app: Any, alice: Any, eve: Any) -> None:
    outgoing = waiting(app, alice, "a@acme.test")
    ids = [row.id for row in deliveries(outgoing)]
    answer = eve.api.post("/deliveries:cancel", json={"filter": {"ids": ids}})
    assert answer.json["data"]["total"] == 0 and states() == {"queued": 1}


def test_old_ones_are_found_by_their_age(app: Any, alice: Any) -> None:
    outgoing = waiting(app, alice, "a@acme.test", "b@acme.test")
    old = deliveries(outgoing)[0]
    old.created_at = old.created_at.replace(year=2020)
    db.session.commit()
    changed = alice.api.post("/deliveries:cancel", json={"filter": {"older_than_s": 3600}}).json["data"]
    assert changed["changed"] == 1 and [row.state for row in deliveries(outgoing)] == ["cancelled", "queued"]


def doubt(app: Any, person: Any, *recipients: str) -> Any:
    """A mail that was on the wire when the answer was lost, twice."""
    outgoing = waiting(app, person, *recipients)
    db.session.query(Delivery).filter_by(outgoing_id=outgoing.id).update(
        {"state": "uncertain", "next_attempt_at": None, "sent_again": True, "attempts": 2, "on_wire_at": Delivery.created_at}
    )
    counters.bump(person.workspace.id, "deliveries:queued", -len(recipients))
    counters.bump(person.workspace.id, "deliveries:uncertain", len(recipients))
    db.session.commit()
    return outgoing


def test_one_in_doubt_is_treated_as_sent_by_choice_and_says_by_whom(app: Any, alice: Any) -> None:
    [row] = deliveries(doubt(app, alice, "a@acme.test"))
    answer = alice.api.post(f"/deliveries/{row.id}:treat-as-sent")
    assert answer.status_code == 200 and answer.json["data"]["state"] == "sent"
    assert answer.json["data"]["why"] == "Treated as sent by Alice's token: no answer came, and it is not sent again."
    assert alice.api.post(f"/deliveries/{row.id}:treat-as-sent").status_code == 409
    check_counters(alice)


def test_one_in_doubt_is_sent_again_by_choice_with_the_same_message_id(app: Any, alice: Any) -> None:
    outgoing = doubt(app, alice, "a@acme.test")
    [row] = deliveries(outgoing)
    with Sink() as sink:
        use_transport(app, sink.url)
        assert alice.api.post(f"/deliveries/{row.id}:send-again").json["data"]["state"] == "queued"
        begin_writing()
        run_drain()
        assert f"<{outgoing.message_id_header}>".encode() in sink.taken[0].raw
    assert deliveries(outgoing)[0].state == "sent"


def test_all_in_doubt_are_settled_in_one_go_after_a_warning(app: Any, alice: Any) -> None:
    doubt(app, alice, "a@acme.test", "b@acme.test", "c@example.org")
    asked = alice.api.post("/deliveries:send-again", json={"filter": {"state": "uncertain"}, "preview": True}).json["data"]
    assert "second copy" in asked["sentence"]
    done = alice.api.post("/deliveries:treat-as-sent", json={"filter": {"state": "uncertain", "domain": "acme.test"}}).json["data"]
    assert done["changed"] == 2 and states() == {"sent": 2, "uncertain": 1}
    check_counters(alice)


# --- holds ---------------------------------------------------------------------------------------------------


def test_a_domain_on_hold_keeps_what_waits_and_what_comes_and_all_goes_on_when_it_is_lifted(app: Any, alice: Any, work_off: Any) -> None:
    with Sink() as sink:
        use_transport(app, sink.url)
        first = make_outgoing(alice, "a@acme.test", "x@example.org")
        made = alice.api.post("/delivery-holds", json={"domain": "ACME.test", "reason": "their server moves"})
        assert made.status_code == 201 and made.json["data"]["domain"] == "acme.test"
        begin_writing()
        second = make_outgoing(alice, "b@acme.test")
        work_off()
        assert sink.recipients == ["x@example.org"]
        assert [row.state for row in [*deliveries(first), *deliveries(second)]] == ["held", "sent", "held"]
        assert "acme.test is on hold (by" in service.why(deliveries(second)[0])
        assert alice.api.post(f"/deliveries/{deliveries(second)[0].id}:release").status_code == 409
        assert alice.api.post("/delivery-holds", json={"domain": "acme.test"}).status_code == 422
        check_counters(alice)
        assert alice.api.delete(f"/delivery-holds/{made.json['data']['id']}").status_code == 200
        begin_writing()
        work_off()
        assert sorted(sink.recipients) == ["a@acme.test", "b@acme.test", "x@example.org"]
    assert db.session.query(Hold).count() == 0 and states() == {"sent": 3}
    check_counters(alice)


def test_a_mailbox_on_hold_sends_nothing(app: Any, alice: Any, work_off: Any) -> None:
    mailbox = make_mailbox(alice)
    with Sink() as sink:
        use_transport(app, sink.url)
        begin_writing()
        holding_back.hold(alice.actor, mailbox_id=mailbox.id)
        make_outgoing(alice, "a@example.org", mailbox=mailbox)
        make_outgoing(alice, "b@example.org")
        work_off()
        assert sink.recipients == ["b@example.org"]
    with pytest.raises(Invalid):
        holding_back.hold(alice.actor, domain="x.test", mailbox_id=mailbox.id)


def test_what_a_person_held_stays_held_when_the_hold_of_its_domain_is_lifted(app: Any, alice: Any, work_off: Any) -> None:
    outgoing = waiting(app, alice, "a@acme.test", "b@acme.test")
    service.hold(alice.actor, deliveries(outgoing)[0].id)
    row = holding_back.hold(alice.actor, domain="acme.test")
    db.session.commit()
    holding_back.lift(alice.actor, row.id)
    db.session.commit()
    assert [one.held_by for one in deliveries(outgoing)] == ["person", None]
    with pytest.raises(InvalidState):
        service.treat_as_sent(alice.actor, deliveries(outgoing)[0].id)


# --- beside running workers ------------------------------------------------------------------------------------

VERBS = ("hold", "release", "cancel", "retry")


def test_c30_500_random_operations_while_a_send_runs_leave_an_exact_ledger(app: Any, alice: Any) -> None:
    """Every recipient ends once: sent by the sink once, or cancelled and never sent; the numbers are those of the rows."""
    rng = random.Random(30)
    mailbox = make_mailbox(alice)
    people = [f"p{n}@d{n % 7}.test" for n in range(400)]
    with Sink(Script(rcpt=dict.fromkeys(people[::9], b"450 4.2.1 later\r\n"))) as sink:
        use_transport(app, sink.url)
        for start in range(0, len(people), 40):
            make_outgoing(alice, *people[start : start + 40], mailbox=mailbox)
        stop = threading.Event()
        worker = threading.Thread(target=_work, args=(app, stop), daemon=True)
        worker.start()
        try:
            _operate(alice, rng, len(people))
        finally:
            stop.set()
            worker.join(30)
        assert not worker.is_alive()
        begin_writing()
        orders.give(alice.actor, "release", {"stream": "transactional"})
        sink.script.rcpt = {}
        for _ in range(10):
            make_due()
            run_drain()
        got = Counter(sink.recipients)
    rows = {row.recipient: row for row in deliveries()}
    assert len(rows) == len(people) and set(states()) <= {"sent", "cancelled"}
    assert got == Counter({name: 1 for name, row in rows.items() if row.state == "sent"})
    check_counters(alice)


def _operate(person: Any, rng: random.Random, size: int) -> None:
    first = db.session.scalar(select(func.min(Delivery.id))) or 0
    for number in range(500):
        verb = rng.choice(VERBS)
        begin_writing()
        if number % 10 == 0:
            orders.give(person.actor, verb, {"domain": f"d{rng.randrange(7)}.test", "ids": rng.sample(range(first, first + size), 20)})
        else:
            try:
                service.step(person.actor, first + rng.randrange(size), verb)
            except InvalidState:
                db.session.rollback()
                continue
        db.session.commit()


def _work(app: Any, stop: threading.Event) -> None:
    with app.app_context():
        while not stop.is_set():
            run_drain(1.0)
        db.session.remove()
