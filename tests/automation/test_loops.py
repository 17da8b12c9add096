"""C-17: every form of mail that goes round ends, within its budget; who is stopped is told, and a person lets it go on."""

from itertools import count
from typing import Any

import pytest

from tests.automation.far_side import FarSide, come_in, without
from tests.factories.automation import attempts_of, make_action, make_route, runs_of
from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_raw
from tests.factories.sending import Script, Taken, deliveries
from webapp.audit.models import AuditEntry
from webapp.automation import exchanges
from webapp.automation.exchanges import DAY, HOUR, Budget
from webapp.automation.models_loops import Exchange
from webapp.core.db import db
from webapp.core.errors import NotFound
from webapp.core.paging import PageRequest
from webapp.messages.models import Message
from webapp.sending.models import Outgoing

_numbers = count(1)


def sent(kind: str) -> list[Outgoing]:
    db.session.expire_all()
    return db.session.query(Outgoing).filter_by(kind=kind).order_by(Outgoing.id).all()


def stopped_of(person: Any) -> list[Any]:
    return list(exchanges.list_stopped(person.actor, PageRequest()).items)


def stops() -> list[AuditEntry]:
    return db.session.query(AuditEntry).filter_by(action="exchange.stop").order_by(AuditEntry.id).all()


def rude(taken: Taken) -> list[tuple[str, str, bytes]]:
    """A responder that answers everything from one address and marks nothing."""
    return [("robot@far.test", "hello@acme.test", make_raw(sender="robot@far.test", subject=f"I got it {next(_numbers)}"))]


def test_c17_two_responders_of_ours_end_after_one_answer(app: Any, alice: Any, eve: Any, outside: Any, work_off: Any) -> None:
    hello, other = make_mailbox(alice, "hello@acme.test"), make_mailbox(eve, "robot@evil.test")
    for person, box in ((alice, hello), (eve, other)):
        make_route(person, box, actions=[make_action(person, "send_mail", body="I got it.")])
    come_in("robot@evil.test", "hello@acme.test", make_raw(sender="robot@evil.test"))
    work_off()
    assert [(row.from_address, row.envelope_sender) for row in sent("auto_reply")] == [("hello@acme.test", "")]
    assert db.session.query(Message).filter_by(direction="received").count() == 2
    assert "empty envelope sender" in attempts_of(runs_of()[-1])[0].detail


def test_c17_a_responder_that_marks_nothing_gets_one_answer(app: Any, alice: Any, outside: Any, work_off: Any) -> None:
    make_route(alice, make_mailbox(alice, "hello@acme.test"), actions=[make_action(alice, "send_mail", body="I got it.")])
    with FarSide(app, work_off, rude) as far:
        come_in("robot@far.test", "hello@acme.test", make_raw(sender="robot@far.test"))
        far.play()
        assert len(far.sink.taken) == 1
    assert "had one from this route within the last 7 days" in attempts_of(runs_of()[-1])[0].detail


def test_c17_a_slow_responder_uses_up_its_budget_and_the_pair_is_stopped_until_a_person_releases_it(
    app: Any, alice: Any, outside: Any, work_off: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchanges, "REPLIES", Budget(3, DAY))
    box = make_mailbox(alice, "hello@acme.test")
    make_route(alice, box, actions=[make_action(alice, "send_mail", body="I got it.", pause_hours=1)])
    with FarSide(app, work_off, rude) as far:
        come_in("robot@far.test", "hello@acme.test", make_raw(sender="robot@far.test"))
        far.play(between=lambda: outside.clock.pass_time(3601))
        assert len(far.sink.taken) == exchanges.REPLIES.most
        last = runs_of()[-1]
        assert last.status == "failed" and "stopped" in (last.error or "") and "Stopped mail" in (last.error or "")
        (entry,) = stops()
        assert entry.target_name == "hello@acme.test" and "robot@far.test" in str(entry.after)
        (row,) = stopped_of(alice)
        assert (row.mailbox, row.kind, row.correspondent) == ("hello@acme.test", "reply", "robot@far.test")
        outside.clock.pass_time(7 * 86_400)
        come_in("robot@far.test", "hello@acme.test", make_raw(sender="robot@far.test"))
        far.play()
        assert len(far.sink.taken) == exchanges.REPLIES.most and len(stops()) == 1
        exchanges.release(alice.actor, row.id)
        come_in("robot@far.test", "hello@acme.test", make_raw(sender="robot@far.test"))
        far.play()
        assert len(far.sink.taken) == exchanges.REPLIES.most + 1 and stopped_of(alice) == []
    assert db.session.query(AuditEntry).filter_by(action="exchange.release").count() == 1
    with pytest.raises(NotFound):
        exchanges.release(alice.actor, row.id)


def test_c17_a_responder_with_changing_addresses_stops_its_whole_domain(
    app: Any, alice: Any, outside: Any, work_off: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchanges, "REPLIES_TO_DOMAIN", Budget(3, HOUR))
    make_route(alice, make_mailbox(alice, "hello@acme.test"), actions=[make_action(alice, "send_mail", body="I got it.")])

    def changing(_taken: Taken) -> list[tuple[str, str, bytes]]:
        address = f"robot-{next(_numbers)}@far.test"
        return [(address, "hello@acme.test", make_raw(sender=address))]

    with FarSide(app, work_off, changing) as far:
        come_in("robot@far.test", "hello@acme.test", make_raw(sender="robot@far.test"))
        far.play()
        assert len(far.sink.taken) == 3
    (row,) = stopped_of(alice)
    assert row.correspondent == "@far.test" and len(stops()) == 1


def test_c17_a_program_that_answers_our_answer_gets_none_whatever_its_address(app: Any, alice: Any, outside: Any, work_off: Any) -> None:
    make_route(alice, make_mailbox(alice, "hello@acme.test"), actions=[make_action(alice, "send_mail", body="I got it.")])

    def quoting(taken: Taken) -> list[tuple[str, str, bytes]]:
        name = next(line[12:].strip() for line in taken.raw.decode().splitlines() if line.lower().startswith("message-id: "))
        address = f"robot-{next(_numbers)}@far{next(_numbers)}.test"
        return [(address, "hello@acme.test", make_raw(sender=address, headers={"In-Reply-To": name}))]

    with FarSide(app, work_off, quoting) as far:
        come_in("robot@far.test", "hello@acme.test", make_raw(sender="robot@far.test"))
        far.play()
        assert len(far.sink.taken) == 1
    assert "answers an automatic answer" in attempts_of(runs_of()[-1])[0].detail


@pytest.mark.parametrize("unchanged", [False, True])
def test_c17_two_mailboxes_that_forward_to_each_other_end(
    app: Any, alice: Any, eve: Any, outside: Any, work_off: Any, unchanged: bool
) -> None:
    hello, other = make_mailbox(alice, "hello@acme.test"), make_mailbox(eve, "other@evil.test")
    make_route(alice, hello, actions=[make_action(alice, "forward", to=["other@evil.test"], unchanged=unchanged)])
    make_route(eve, other, actions=[make_action(eve, "forward", to=["hello@acme.test"], unchanged=unchanged)])
    come_in("ines@far.test", "hello@acme.test", make_raw(sender="ines@far.test"))
    work_off()
    assert [row.from_address for row in sent("forward")] == ["hello@acme.test", "other@evil.test"]
    failed = [run for run in runs_of() if run.status == "failed"]
    assert len(failed) == 1 and "circles" in (failed[0].error or "")
    assert all(row.state == "sent" for row in deliveries())


WASHED = {
    "everything is kept": (), "the trace is washed off": ("X-Mailroom-Trace", "X-Loop"),
    "the Message-ID is new as well": ("X-Mailroom-Trace", "X-Loop", "Message-ID", "X-Forwarded-Message-Id"),
}  # fmt: skip


@pytest.mark.parametrize("unchanged", [False, True])
@pytest.mark.parametrize("form", WASHED)
def test_c17_forwarding_to_oneself_through_another_provider_ends(
    app: Any, alice: Any, outside: Any, work_off: Any, monkeypatch: pytest.MonkeyPatch, form: str, unchanged: bool
) -> None:
    monkeypatch.setattr(exchanges, "FORWARDS", Budget(2, HOUR))
    box = make_mailbox(alice, "hello@acme.test")
    make_route(alice, box, actions=[make_action(alice, "forward", to=["me@back.test"], unchanged=unchanged)])

    def provider(taken: Taken) -> list[tuple[str, str, bytes]]:
        raw = without(taken.raw, *WASHED[form])
        if "Message-ID" in WASHED[form]:
            raw = f"Message-ID: <{next(_numbers)}@back.test>\r\n".encode() + raw
        return [(taken.sender, "hello@acme.test", raw)]

    with FarSide(app, work_off, provider) as far:
        come_in("ines@far.test", "hello@acme.test", make_raw(sender="ines@far.test"))
        far.play()
        forwarded = len(far.sink.taken)
    assert forwarded == 1 if "Message-ID" not in WASHED[form] else forwarded <= 3
    last = runs_of()[-1]
    assert last.status == "failed"
    if "Message-ID" in WASHED[form]:
        assert len(stops()) == 1 and "more would look like a loop" in (last.error or "")
    else:
        assert "going in circles" in (last.error or "") and stops() == []


@pytest.mark.parametrize("unchanged", [False, True])
def test_c17_a_bounce_of_a_bounce_is_never_sent(app: Any, alice: Any, outside: Any, work_off: Any, unchanged: bool) -> None:
    """The address that we forward to refuses everything: reports come in, are sent on without a sender, and are refused for good."""
    box = make_mailbox(alice, "hello@acme.test")
    make_route(alice, box, actions=[make_action(alice, "forward", to=["gone@far.test"], unchanged=unchanged)])
    script = Script(rcpt={"gone@far.test": b"550 5.1.1 no such mailbox\r\n"})
    with FarSide(app, work_off, lambda taken: [], script) as far:
        come_in("ines@elsewhere.test", "hello@acme.test", make_raw(sender="ines@elsewhere.test"))
        far.play(most=10)
        assert [taken.recipients for taken in far.sink.taken if taken.sender and taken.recipients] == []
        assert len([row for row in deliveries() if row.recipient == "gone@far.test"]) <= 2
        assert {row.state for row in deliveries()} <= {"bounced", "sent"}
        report = make_raw(sender="MAILER-DAEMON@far.test", subject="Undelivered")
        come_in("", "hello@acme.test", report)
        far.play(most=10)
    assert [row.envelope_sender for row in sent("forward")][-1] == ""
    assert len(sent("forward")) <= 3


def test_c17_a_budget_is_counted_anew_after_its_window(app: Any, alice: Any, outside: Any) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    asked = [exchanges.Asked("reply", "a@far.test", Budget(2, DAY))]
    assert [exchanges.take(box, asked) for _ in range(2)] == [None, None]
    outside.clock.pass_time(86_400)
    assert [exchanges.take(box, asked) is None for _ in range(3)] == [True, True, False]
    db.session.commit()
    row = db.session.query(Exchange).one()
    outside.clock.pass_time(40 * 86_400)
    exchanges.forget_old()
    assert db.session.query(Exchange).count() == 1
    exchanges.release(alice.actor, row.id)
    exchanges.forget_old()
    db.session.commit()
    assert db.session.query(Exchange).count() == 0


def test_nobody_of_another_workspace_sees_or_releases_a_stopped_pair(app: Any, alice: Any, eve: Any, carol: Any, outside: Any) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    asked = [exchanges.Asked("reply", "a@far.test", Budget(0, DAY))]
    assert "stopped" in (exchanges.take(box, asked) or "")
    db.session.commit()
    (row,) = stopped_of(alice)
    assert stopped_of(eve) == [] and exchanges.number_stopped(eve.actor) == 0
    with pytest.raises(NotFound):
        exchanges.release(eve.actor, row.id)
