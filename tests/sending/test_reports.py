"""What senders are told: one notice of a delay, one report per mail about all that failed together, and strangers never."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.factories.mailboxes import make_mailbox
from tests.factories.sending import LONG_AGO, Script, Sink, deliveries, make_due, make_outgoing, run_drain, use_transport
from webapp.core.db import database_now, db
from webapp.mail.bounce import Report, read_bounce
from webapp.messages import store
from webapp.messages.models import Message
from webapp.sending import reports
from webapp.sending.models import Delivery, Outgoing

NO = Script(rcpt={"no@example.org": b"550 5.1.1 no such user\r\n", "full@example.org": b"552 5.2.2 full\r\n"})


def told(mailbox: Any) -> list[tuple[Message, Report]]:
    """The reports that lie in this mailbox, as our own reader reads them."""
    query = select(Message).where(Message.mailbox_id == mailbox.id, Message.direction == "received").order_by(Message.id)
    found = []
    for message in db.session.scalars(query):
        report = read_bounce(store.raw_of(message))
        assert report is not None
        found.append((message, report))
    return found


def bounce(app: Any, person: Any, *recipients: str, **options: Any) -> Outgoing:
    with Sink(NO) as sink:
        use_transport(app, sink.url)
        outgoing = make_outgoing(person, *recipients, **options)
        run_drain()
    return outgoing


def late(*, hours: float) -> None:
    """Every delivery was accepted so many hours ago, and is due to be told about."""
    db.session.query(Delivery).update({"created_at": database_now() - timedelta(hours=hours)})
    db.session.query(Delivery).filter(Delivery.report_at.is_not(None)).update({"report_at": LONG_AGO})
    db.session.commit()


def test_one_report_names_everybody_who_failed_and_lies_in_the_sender_s_mailbox(app: Any, alice: Any, work_off: Any) -> None:
    mailbox = make_mailbox(alice)
    outgoing = bounce(app, alice, "yes@example.org", "no@example.org", "full@example.org", mailbox=mailbox)
    work_off()
    [(message, report)] = told(mailbox)
    assert [(one.address, one.status) for one in report.recipients] == [("no@example.org", "5.1.1"), ("full@example.org", "5.2.2")]
    assert report.kind == "bounce" and report.original_message_id == f"<{outgoing.message_id_header}>"
    assert message.envelope_sender == "" and message.subject == "Not delivered: Hello"
    assert {row.report_at for row in deliveries(outgoing)} == {None}
    work_off()
    assert len(told(mailbox)) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"envelope_sender": ""}, {"envelope_sender": "stranger@elsewhere.example"}, {"stream": "bulk"}, {"kind": "auto_reply"},
        {"kind": "system"},
    ],
)  # fmt: skip
def test_c16_strangers_machines_and_the_null_sender_are_never_told(app: Any, alice: Any, work_off: Any, options: dict[str, Any]) -> None:
    mailbox = make_mailbox(alice)
    outgoing = bounce(app, alice, "no@example.org", mailbox=mailbox, **options)
    work_off()
    assert deliveries(outgoing)[0].state == "bounced" and deliveries(outgoing)[0].report_at is None
    assert told(mailbox) == [] and db.session.query(Outgoing).count() == 1


def test_a_report_that_cannot_be_delivered_is_not_reported_about(app: Any, alice: Any, work_off: Any) -> None:
    mailbox = make_mailbox(alice, can_receive=False)
    bounce(app, alice, "no@example.org", mailbox=mailbox)
    work_off()
    make_due()
    work_off()
    assert db.session.query(Outgoing).count() == 2
    assert db.session.query(Delivery).filter(Delivery.report_at.is_not(None)).count() == 0


def delay(app: Any, person: Any, **options: Any) -> Outgoing:
    with Sink(Script(rcpt_default=b"450 4.7.1 come back later\r\n")) as sink:
        use_transport(app, sink.url)
        outgoing = make_outgoing(person, "a@example.org", "b@example.org", **options)
        run_drain()
    return outgoing


def test_a_sender_hears_of_a_delay_once_and_not_before_four_hours(app: Any, alice: Any, work_off: Any) -> None:
    mailbox = make_mailbox(alice)
    outgoing = delay(app, alice, mailbox=mailbox)
    rows = deliveries(outgoing)
    assert {row.report_at - row.created_at for row in rows if row.report_at} == {timedelta(hours=4)}
    assert reports.has_due() is False
    late(hours=5)
    work_off()
    [(message, report)] = told(mailbox)
    assert report.kind == "delay" and {one.address for one in report.recipients} == {"a@example.org", "b@example.org"}
    assert message.subject == "Delayed: Hello"
    with Sink(Script(rcpt_default=b"450 4.7.1 still later\r\n")) as sink:
        use_transport(app, sink.url)
        make_due()
        run_drain()
    assert {row.report_at for row in deliveries(outgoing)} == {None} and {row.state for row in deliveries(outgoing)} == {"deferred"}


@pytest.mark.parametrize("header", [b"Auto-Submitted: auto-generated", b"Precedence: bulk", b"List-Id: <x.example>"])
def test_nobody_hears_of_the_delay_of_a_mail_that_a_program_wrote(app: Any, alice: Any, header: bytes) -> None:
    mailbox = make_mailbox(alice)
    raw = b"From: %s\r\n%s\r\nSubject: Hi\r\n\r\nx\r\n" % (mailbox.email.encode(), header)
    outgoing = delay(app, alice, mailbox=mailbox, raw=raw)
    assert {row.report_at for row in deliveries(outgoing)} == {None} and outgoing.reports == "failures"


def test_what_is_given_up_after_five_days_is_reported(app: Any, alice: Any, work_off: Any) -> None:
    mailbox = make_mailbox(alice)
    outgoing = delay(app, alice, mailbox=mailbox)
    with Sink(Script(rcpt_default=b"450 4.7.1 still later\r\n")) as sink:
        use_transport(app, sink.url)
        late(hours=24 * 6)
        make_due()
        run_drain()
    assert {(row.state, row.bounce) for row in deliveries(outgoing)} == {("bounced", "expired")}
    work_off()
    assert [report.kind for _, report in told(mailbox)] == ["bounce"]
    assert [one.status for one in told(mailbox)[0][1].recipients] == ["4.7.1", "4.7.1"]


def test_a_report_waits_for_recipients_of_the_same_mail_that_are_still_being_tried(app: Any, alice: Any) -> None:
    mailbox = make_mailbox(alice)
    outgoing = bounce(app, alice, "no@example.org", "other@example.org", mailbox=mailbox)
    other = deliveries(outgoing)[1]
    other.state, other.attempts, other.next_attempt_at = "queued", 0, database_now()
    db.session.commit()
    assert reports.has_due() is False
    other.state, other.next_attempt_at = "cancelled", None
    db.session.commit()
    assert reports.has_due() is True
