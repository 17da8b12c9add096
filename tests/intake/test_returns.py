"""What comes back about sent mail, from the wire to the ledger, the event stream and the suppression list."""

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_raw
from tests.factories.reports import make_complaint, make_dsn, publish_return_path
from tests.factories.sending import Script, Sink, deliveries, make_due, make_outgoing, run_drain, use_transport
from webapp.core.db import db
from webapp.domains.models import Domain
from webapp.happenings.models import Event
from webapp.messages.models import Message
from webapp.sending.models import Attempt, Outgoing
from webapp.suppressions.models import Suppression

WHO = "ada@example.org"


@pytest.fixture
def mailbox(app: Any, alice: Any) -> Any:
    """A mailbox whose domain brings bounces back here."""
    box = make_mailbox(alice, "news@acme.test")
    publish_return_path(db.session.get_one(Domain, box.domain_id))
    return box


def sent(app: Any, alice: Any, mailbox: Any, *recipients: str, **options: Any) -> tuple[Outgoing, str]:
    """A mail that a server took: (the mail, the sender that it left with)."""
    with Sink() as sink:
        use_transport(app, sink.url)
        outgoing = make_outgoing(alice, *(recipients or (WHO,)), mailbox=mailbox, **options)
        run_drain()
        assert sorted(sink.recipients) == sorted(recipients or (WHO,))
    return outgoing, sink.taken[0].sender


def comes_in(door: Any, to: str, raw: bytes, sender: str = "") -> int:
    """Hand a mail to our own door; returns the code of the answer at RCPT, or 250."""
    with door.connect() as client:
        client.ehlo("mx.elsewhere.test")
        client.mail(sender)
        code, _ = client.rcpt(to)
        if code != 250:
            return int(code)
        return int(client.data(raw)[0])


def events(type: str) -> list[Event]:
    return list(db.session.scalars(select(Event).where(Event.type == type).order_by(Event.id)))


def list_of_suppressed() -> list[Suppression]:
    return list(db.session.scalars(select(Suppression).order_by(Suppression.id)))


def test_a_report_to_a_signed_return_path_bounces_the_row_and_the_next_mail_is_suppressed(
    app: Any, alice: Any, mailbox: Any, smtp: Callable[..., Any], work_off: Any
) -> None:
    with Sink() as sink:
        use_transport(app, sink.url)
        answer = alice.api.post(f"/mailboxes/{mailbox.id}/mail/send", json={"receivers": [WHO], "subject": "Hello", "body": "Hi"})
        assert answer.status_code == 202
        run_drain()
        [taken] = sink.taken
        assert taken.sender.startswith("b-") and taken.sender.endswith("@bounce.acme.test")
        assert b"Return-Path" not in taken.raw and deliveries()[0].state == "sent"
        assert comes_in(smtp(), taken.sender.upper(), make_dsn(taken.sender, WHO)) == 250
        work_off()
        [row] = deliveries()
        assert (row.state, row.bounce, row.bounce_class, row.last_code) == ("bounced", "hard", "unknown-recipient", 550)
        later = list(db.session.scalars(select(Attempt).where(Attempt.delivery_id == row.id).order_by(Attempt.id)))[-1]
        assert later.outcome == "failed" and "came back later" in later.dialogue[0] and "no such user" in later.dialogue[1]
        [bounced], [listed] = events("bounced"), list_of_suppressed()
        assert (bounced.delivery_id, bounced.details["bounce"], bounced.details["reported"]) == (row.id, "hard", True)
        assert (listed.address, listed.reason, listed.source, listed.event_id) == (WHO, "hard_bounce", "report", bounced.id)
        report = db.session.get_one(Message, listed.message_id)
        assert report.folder is None, "mail of a program: its reports stay in the archive"
        both = {"receivers": ["Ada@EXAMPLE.org", "eve@example.org"], "body": "Hi"}
        again = alice.api.post(f"/mailboxes/{mailbox.id}/mail/send", json=both)
        assert again.status_code == 202
        work_off()
        assert sorted(sink.recipients) == [WHO, "eve@example.org"]
    states = {row.recipient: row.state for row in deliveries()[1:]}
    assert states == {WHO: "suppressed", "eve@example.org": "sent"}
    [stopped] = events("suppressed")
    assert stopped.recipient == WHO and "hard bounce" in stopped.details["reason"]


def test_the_same_report_twice_counts_once(app: Any, alice: Any, mailbox: Any, smtp: Callable[..., Any], work_off: Any) -> None:
    outgoing, path = sent(app, alice, mailbox)
    door = smtp()
    for _ in range(2):
        assert comes_in(door, path, make_dsn(path, WHO, message_id=outgoing.message_id_header)) == 250
    work_off()
    assert len(events("bounced")) == 1 and len(list_of_suppressed()) == 1
    assert db.session.scalar(select(func.count()).select_from(Attempt)) == 2


def test_a_report_to_a_return_path_that_we_did_not_sign_is_refused_and_changes_nothing(
    app: Any, alice: Any, mailbox: Any, smtp: Callable[..., Any], work_off: Any
) -> None:
    _, path = sent(app, alice, mailbox)
    local, _, domain = path.partition("@")
    forged = f"{local[:-1]}{'a' if local[-1] != 'a' else 'b'}@{domain}"
    door = smtp()
    assert comes_in(door, forged, make_dsn(forged, WHO)) == 550
    assert comes_in(door, f"{local}@acme.test", make_dsn(forged, WHO)) == 550
    work_off()
    assert deliveries()[0].state == "sent" and not list_of_suppressed() and not events("bounced")


def test_without_the_record_mail_leaves_with_its_plain_sender(app: Any, alice: Any) -> None:
    plain = make_mailbox(alice, "plain@other.test")
    wrong = make_mailbox(alice, "wrong@wrong.test")
    publish_return_path(db.session.get_one(Domain, wrong.domain_id), "different")
    assert sent(app, alice, plain)[1] == "plain@other.test"
    assert sent(app, alice, wrong)[1] == "wrong@wrong.test"


def test_what_a_passing_trouble_and_a_delay_make(app: Any, alice: Any, mailbox: Any, smtp: Callable[..., Any], work_off: Any) -> None:
    door = smtp()
    _, path = sent(app, alice, mailbox, "slow@example.org")
    comes_in(door, path, make_dsn(path, "slow@example.org", action="delayed", status="4.4.1", diagnostic="smtp; 421 4.4.1 try later"))
    _, path = sent(app, alice, mailbox, "full@example.org")
    comes_in(door, path, make_dsn(path, "full@example.org", status="5.2.2", diagnostic="smtp; 552 5.2.2 mailbox full"))
    _, path = sent(app, alice, mailbox, "here@example.org")
    comes_in(door, path, make_dsn(path, "here@example.org", action="delivered", status="2.0.0", diagnostic="smtp; 250 ok"))
    work_off()
    found = {row.recipient: (row.state, row.bounce) for row in deliveries()}
    assert found == {"slow@example.org": ("sent", None), "full@example.org": ("bounced", "soft"), "here@example.org": ("sent", None)}
    assert [event.recipient for event in events("deferred")] == ["slow@example.org"]
    assert [event.recipient for event in events("delivered")] == ["here@example.org"]
    assert not list_of_suppressed()


def test_five_soft_bounces_in_two_weeks_suppress_and_blocks_never_do(app: Any, alice: Any, mailbox: Any) -> None:
    refusals = {"full@example.org": b"552 5.2.2 Mailbox full\r\n", "block@example.org": b"550 5.7.1 Message blocked as spam\r\n"}
    with Sink(Script(rcpt=dict(refusals))) as sink:
        use_transport(app, sink.url)
        for number in range(1, 6):
            make_outgoing(alice, *refusals, mailbox=mailbox)
            run_drain()
            listed = [row.address for row in list_of_suppressed()]
            assert listed == (["full@example.org"] if number == 5 else []), number
    kinds = {(row.recipient, row.bounce, row.bounce_class) for row in deliveries()}
    assert kinds == {("full@example.org", "soft", "mailbox-full"), ("block@example.org", "soft", "spam")}
    assert list_of_suppressed()[0].source == "repeated"


def test_a_hard_refusal_on_the_wire_suppresses_at_once(app: Any, alice: Any, mailbox: Any) -> None:
    with Sink(Script(rcpt_default=b"550 5.1.1 No such user\r\n")) as sink:
        use_transport(app, sink.url)
        make_outgoing(alice, WHO, mailbox=mailbox)
        run_drain()
    [listed], [row] = list_of_suppressed(), deliveries()
    assert (listed.source, listed.delivery_id, listed.said) == ("smtp", row.id, row.last_reply)


def test_an_address_that_is_suppressed_after_submitting_is_not_sent_to(app: Any, alice: Any, mailbox: Any) -> None:
    with Sink(Script(rcpt_default=b"451 4.7.1 later\r\n")) as sink:
        use_transport(app, sink.url)
        make_outgoing(alice, WHO, mailbox=mailbox)
        run_drain()
        assert deliveries()[0].state == "deferred"
        assert alice.api.post("/suppressions", json={"address": "ADA@example.org"}).status_code == 201
        make_due()
        sink.script.rcpt_default = b"250 ok\r\n"
        run_drain()
        assert sink.recipients == [] and deliveries()[0].state == "suppressed"
    assert "manual" in deliveries()[0].last_error and len(events("suppressed")) == 1


def test_a_report_without_a_signed_path_is_believed_by_message_id(
    app: Any, alice: Any, smtp: Callable[..., Any], work_off: Any
) -> None:
    box, door = make_mailbox(alice, "plain@other.test"), smtp()
    alone, _ = sent(app, alice, box, WHO)
    many, _ = sent(app, alice, box, "one@example.org", "two@example.org")
    wrong_name = make_dsn(box.email, WHO, message_id="somebody-elses@other.test")
    assert comes_in(door, box.email, wrong_name) == 250
    work_off()
    assert not events("bounced"), "it names no mail of ours"
    assert comes_in(door, box.email, make_dsn(box.email, "x@forward.test", original=WHO, message_id=alone.message_id_header)) == 250
    assert comes_in(door, box.email, make_dsn(box.email, "two@example.org", message_id=many.message_id_header)) == 250
    work_off()
    assert {row.recipient: row.state for row in deliveries()} == {WHO: "bounced", "one@example.org": "sent", "two@example.org": "bounced"}
    assert [row.address for row in list_of_suppressed()] == [WHO], "of several recipients each knows the Message-ID"


def test_a_report_that_comes_to_another_workspace_changes_nothing(
    app: Any, alice: Any, eve: Any, mailbox: Any, smtp: Callable[..., Any], work_off: Any
) -> None:
    outgoing, _ = sent(app, alice, mailbox)
    theirs = make_mailbox(eve, "eve@evil.test")
    assert comes_in(smtp(), theirs.email, make_dsn(theirs.email, WHO, message_id=outgoing.message_id_header)) == 250
    work_off()
    assert deliveries(outgoing)[0].state == "sent" and not list_of_suppressed()


@pytest.mark.parametrize("signed", [True, False], ids=["by return path", "by Message-ID"])
def test_a_complaint_ends_bulk_mail_and_leaves_transactional_mail(
    app: Any, alice: Any, mailbox: Any, smtp: Callable[..., Any], work_off: Any, signed: bool
) -> None:
    outgoing, path = sent(app, alice, mailbox, stream="bulk")
    told = {"mail_from": path} if signed else {"message_id": outgoing.message_id_header}
    assert comes_in(smtp(), mailbox.email, make_complaint(mailbox.email, WHO, **told), "feedback@loop.elsewhere.test") == 250
    work_off()
    [event], [listed] = events("complained"), list_of_suppressed()
    assert event.delivery_id == deliveries(outgoing)[0].id and (listed.reason, listed.scope) == ("complaint", "bulk")
    assert deliveries(outgoing)[0].state == "sent"
    bulk, other = make_outgoing(alice, WHO, mailbox=mailbox, stream="bulk"), make_outgoing(alice, WHO, mailbox=mailbox)
    assert deliveries(bulk)[0].state == "suppressed" and deliveries(other)[0].state == "queued"


def test_an_automatic_answer_to_a_return_path_is_no_bounce(
    app: Any, alice: Any, mailbox: Any, smtp: Callable[..., Any], work_off: Any
) -> None:
    outgoing, path = sent(app, alice, mailbox)
    headers = {"Auto-Submitted": "auto-replied", "In-Reply-To": f"<{outgoing.message_id_header}>"}
    away = make_raw(sender=WHO, to=path, subject="Out of office: Hello", text="I am away until Monday.", headers=headers)
    assert comes_in(smtp(trusted_networks=(ip_network("127.0.0.0/8"),)), path, away) == 250
    work_off()
    [came] = db.session.scalars(select(Message).where(Message.direction == "received"))
    assert deliveries()[0].state == "sent" and (came.mailbox_id, came.folder) == (mailbox.id, "INBOX")


def test_a_report_about_mail_of_a_login_lies_in_its_inbox(
    app: Any, alice: Any, mailbox: Any, smtp: Callable[..., Any], work_off: Any
) -> None:
    _, path = sent(app, alice, mailbox, kind="smtp")
    assert comes_in(smtp(), path, make_dsn(path, WHO)) == 250
    work_off()
    [came] = db.session.scalars(select(Message).where(Message.direction == "received"))
    assert (came.folder, deliveries()[0].state) == ("INBOX", "bounced")


def test_c17_a_bounce_of_a_bounce_makes_nothing(app: Any, alice: Any, mailbox: Any, smtp: Callable[..., Any], work_off: Any) -> None:
    report, path = sent(app, alice, mailbox, envelope_sender="", kind="system")
    assert path == "", "a mail without a sender gets no return path"
    raw = make_dsn(mailbox.email, WHO, message_id=report.message_id_header)
    assert comes_in(smtp(), mailbox.email, raw) == 250
    work_off()
    assert deliveries()[0].state == "sent" and len(deliveries()) == 1
    assert not events("bounced") and not list_of_suppressed()


def test_c16_a_report_for_nobody_is_refused_in_the_session_and_makes_no_mail(
    app: Any, alice: Any, mailbox: Any, smtp: Callable[..., Any], work_off: Any
) -> None:
    outgoing, path = sent(app, alice, mailbox)
    door = smtp()
    db.session.delete(db.session.get_one(Outgoing, outgoing.id))
    db.session.commit()
    assert comes_in(door, path, make_dsn(path, WHO)) == 550, "nobody knows that delivery any more"
    assert comes_in(door, "nobody@acme.test", make_dsn("nobody@acme.test", WHO)) == 550
    work_off()
    assert not deliveries() and db.session.scalar(select(Message.id).where(Message.direction == "received")) is None


def test_addresses_are_compared_as_everywhere_whatever_their_spelling(app: Any, alice: Any, mailbox: Any) -> None:
    assert alice.api.post("/suppressions", json={"address": "Jörg.Müller@BÜCHER.example"}).status_code == 201
    spelled = ["jörg.müller@bücher.example", "JÖRG.MÜLLER@xn--bcher-kva.EXAMPLE", '"jörg.müller"@bücher.example']
    other = "jorg.muller@bücher.example"
    for text in spelled:
        assert deliveries(make_outgoing(alice, text, mailbox=mailbox))[0].state == "suppressed", text
    assert deliveries(make_outgoing(alice, other, mailbox=mailbox))[0].state != "suppressed"
