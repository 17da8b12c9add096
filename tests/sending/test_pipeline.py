"""From submit to the ledger: transports, states, counters, the archive copy."""

from typing import Any

import dkim
import pytest

from tests.factories.domains import make_domain
from tests.factories.mailboxes import make_mailbox
from tests.factories.sending import Script, Sink, deliveries, hang_up, make_due, make_outgoing, run_drain, use_transport
from webapp.core import counters
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.messages import store
from webapp.messages.models import Message
from webapp.sending import release, service
from webapp.sending.models import Attempt, Outgoing


def copy_of(outgoing: Outgoing) -> Message:
    return db.session.get_one(Message, outgoing.message_id)


def test_under_capture_nothing_leaves_and_no_worker_is_needed(app: Any, alice: Any) -> None:
    outgoing = make_outgoing(alice, "Ada@Example.ORG", "ada@example.org", "bob@example.net")
    rows = deliveries(outgoing)
    assert [(row.recipient, row.state) for row in rows] == [("ada@example.org", "captured"), ("bob@example.net", "captured")]
    assert {row.next_attempt_at for row in rows} == {None}
    assert copy_of(outgoing).delivery_state == "captured" and copy_of(outgoing).direction == "sent"
    assert service.counts(alice.actor)["captured"] == 2
    assert counters.read(alice.workspace.id, "deliveries") == 2
    assert b"It works." in store.raw_of(copy_of(outgoing))


def test_smtp_hands_each_recipient_over_once_and_keeps_the_words_of_the_server(app: Any, alice: Any) -> None:
    with Sink() as sink:
        use_transport(app, sink.url)
        outgoing = make_outgoing(alice, "ada@example.org", "bob@example.net")
        assert copy_of(outgoing).delivery_state == "queued"
        assert run_drain() is True
        assert sorted(sink.recipients) == ["ada@example.org", "bob@example.net"]
        assert sink.listener.accepted == 1, "the connection is kept"
    rows = deliveries(outgoing)
    assert {(row.state, row.attempts, row.last_code, row.lease_owner) for row in rows} == {("sent", 1, 250, None)}
    attempt = db.session.query(Attempt).order_by(Attempt.id).first()
    assert attempt is not None and attempt.outcome == "sent" and attempt.host == sink.url.removeprefix("smtp://")
    assert any(line.startswith("C: RCPT TO:<ada@example.org>") for line in attempt.dialogue)
    assert any("250 2.0.0 taken" in line for line in attempt.dialogue)
    assert copy_of(outgoing).delivery_state == "sent"
    assert service.counts(alice.actor) == {**dict.fromkeys(service.counts(alice.actor), 0), "sent": 2}


def test_mail_of_our_domain_is_signed_and_an_independent_verifier_agrees(app: Any, alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    mailbox = make_mailbox(alice, "box@acme.test", domain=domain)
    with Sink() as sink:
        use_transport(app, sink.url)
        make_outgoing(alice, mailbox=mailbox)
        run_drain()
        [mail] = sink.taken
    record = f"v=DKIM1; k=rsa; p={domain.dkim_public}".encode()
    assert dkim.verify(mail.raw, dnsfunc=lambda name, timeout=5: record if name.startswith(b"mailroom1._domainkey.acme.test") else None)


def test_a_domain_of_another_workspace_signs_nothing(app: Any, alice: Any, eve: Any) -> None:
    make_domain(eve, "evil.test")
    mailbox = make_mailbox(alice)
    outgoing = make_outgoing(alice, mailbox=mailbox, raw=b"From: someone@evil.test\r\n\r\nhi\r\n")
    assert b"DKIM-Signature" not in store.raw_of(copy_of(outgoing))


def test_c25_one_refused_recipient_leaves_the_other_999_alone(app: Any, alice: Any) -> None:
    people = [f"p{number}@example.org" for number in range(1000)]
    with Sink(Script(rcpt={people[0]: b"554 5.7.1 go away\r\n"})) as sink:
        use_transport(app, sink.url)
        outgoing = make_outgoing(alice, *people)
        while not run_drain(20):
            pass
        assert sorted(sink.recipients) == sorted(people[1:])
    states = {row.recipient: row.state for row in deliveries(outgoing)}
    assert states.pop(people[0]) == "bounced"
    assert set(states.values()) == {"sent"} and len(states) == 999
    assert copy_of(outgoing).delivery_state == "bounced"


def test_one_mail_that_cannot_be_read_does_not_take_its_neighbours_along(app: Any, alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sink() as sink:
        use_transport(app, sink.url)
        bad, good = make_outgoing(alice, "bad@example.org"), make_outgoing(alice, "good@example.org")
        load = store.load_raw
        monkeypatch.setattr(store, "load_raw", lambda raw_id: 1 / 0 if raw_id == bad.raw_id else load(raw_id))
        run_drain()
        assert sink.recipients == ["good@example.org"]
    assert deliveries(good)[0].state == "sent"
    assert deliveries(bad)[0].state == "deferred" and "could not be prepared" in (deliveries(bad)[0].last_error or "")


@pytest.mark.parametrize(
    ("script", "state", "code"),
    [
        (Script(rcpt_default=b"450 4.2.0 greylisted\r\n"), "deferred", 450),
        (Script(rcpt_default=b"452 4.5.3 too many\r\n"), "deferred", 452),
        (Script(rcpt_default=b"550 4.2.2 full, says 4 but means 5\r\n"), "bounced", 550),
        (Script(mail=b"421 4.7.0 slow down\r\n"), "deferred", 421),
        (Script(dot=b"554 5.7.1 spam\r\n"), "bounced", 554),
        (Script(dot=b"451-4.3.0 first\r\n451 4.3.0 second\r\n"), "deferred", 451),
        (Script(banner=b"554 no service for you\r\n"), "deferred", 554),
        (Script(banner=b"220 " + b"x" * 8_000_000), "deferred", None),
        (Script(banner=b"\x00\xff\x16\x03 junk\r\n"), "deferred", None),
        (Script(rcpt_default=hang_up), "deferred", None),
        (Script(data=hang_up), "deferred", None),
        (Script(ehlo=b"250 sink.test\r\n"), "sent", 250),
    ],
    ids=[
        "greylisting", "452", "550-with-4", "421-mid-session", "554-after-dot", "multi-line", "554-banner", "8-MB-banner", "junk",
        "cut-at-rcpt", "cut-at-data", "plain",
    ],
)
def test_c24_reply_zoo(app: Any, alice: Any, script: Script, state: str, code: int | None) -> None:
    """Permanent is not tried again, transient is not dropped, and what the relay says about us bounces nobody's mail."""
    with Sink(script) as sink:
        use_transport(app, sink.url)
        outgoing = make_outgoing(alice)
        run_drain()
    [row] = deliveries(outgoing)
    assert (row.state, row.last_code, row.attempts) == (state, code, 1)
    assert (row.next_attempt_at is not None) == (state == "deferred")


def test_c23_stored_and_then_no_reply_is_uncertain_and_goes_once_more_with_the_same_message_id(app: Any, alice: Any) -> None:
    with Sink(Script(dot=hang_up)) as sink:
        use_transport(app, sink.url)
        outgoing = make_outgoing(alice)
        run_drain()
        [row] = deliveries(outgoing)
        assert row.state == "uncertain" and row.next_attempt_at is not None
        assert 55 < (row.next_attempt_at - row.updated_at).total_seconds() < 65
        assert copy_of(outgoing).delivery_state == "uncertain"
        make_due()
        run_drain()
        [row] = deliveries(outgoing)
        assert row.state == "uncertain" and row.next_attempt_at is None, "a second doubt waits for a person"
        assert run_drain() is True and len(sink.taken) == 2
        assert sink.taken[0].raw == sink.taken[1].raw


def test_c23_bulk_mail_in_doubt_is_never_sent_again_by_itself(app: Any, alice: Any) -> None:
    with Sink(Script(dot=hang_up)) as sink:
        use_transport(app, sink.url)
        outgoing = make_outgoing(alice, stream="bulk")
        run_drain()
    [row] = deliveries(outgoing)
    assert row.state == "uncertain" and row.next_attempt_at is None


def test_c04_on_the_wire_stand_crlf_alone_and_stuffed_dots(app: Any, alice: Any) -> None:
    raw = b"From: x@acme.test\nTo: a@example.org\nSubject: s\n\n.\r\none\r.\rtwo\n.\n..three\r\n.\r\nMAIL FROM:<evil@x>\r\n"
    with Sink() as sink:
        use_transport(app, sink.url)
        make_outgoing(alice, "a@example.org", raw=raw)
        run_drain()
        [mail] = sink.taken
        verbs = [line.split()[0] for line in sink.lines]
    wire = mail.wire
    assert b"\r" not in wire.replace(b"\r\n", b"") and b"\n" not in wire.replace(b"\r\n", b"")
    assert mail.raw.endswith(b"\r\n\r\n.\r\none\r\n.\r\ntwo\r\n.\r\n..three\r\n.\r\nMAIL FROM:<evil@x>\r\n")
    assert verbs.count(b"MAIL") == 1, "the body never becomes commands"


def test_a_relay_that_is_down_defers_all_and_is_asked_once(app: Any, alice: Any) -> None:
    with Sink() as gone:
        url = gone.url
    use_transport(app, url)
    outgoing = make_outgoing(alice, *[f"p{number}@example.org" for number in range(30)])
    run_drain()
    rows = deliveries(outgoing)
    assert {row.state for row in rows} == {"deferred"}
    assert len({row.next_attempt_at for row in rows}) > 10, "they do not all come back in the same moment"
    assert "could not be reached" in service.why(rows[0])


def test_after_five_days_it_bounces_as_expired(app: Any, alice: Any) -> None:
    with Sink(Script(rcpt_default=b"450 later\r\n")) as sink:
        use_transport(app, sink.url)
        outgoing = make_outgoing(alice)
        [row] = deliveries(outgoing)
        row.created_at = row.created_at.replace(year=2020)
        db.session.commit()
        run_drain()
    [row] = deliveries(outgoing)
    assert (row.state, row.bounce) == ("bounced", "expired") and "five days" in service.why(row)


def test_the_relay_s_password_never_stands_in_a_dialogue(app: Any, alice: Any) -> None:
    script = Script(ehlo=b"250-sink.test\r\n250 AUTH PLAIN LOGIN\r\n")
    with Sink(script) as sink:
        use_transport(app, sink.url.replace("smtp://", "smtp://relay:s3cr%40t@"))
        make_outgoing(alice)
        run_drain()
        assert any(line.startswith(b"AUTH PLAIN ") for line in sink.lines)
    [attempt] = db.session.query(Attempt).all()
    said = "\n".join(attempt.dialogue)
    assert "AUTH PLAIN ••••" in said and "s3cr" not in said and "AHJlbGF5" not in said


def test_c35_mail_that_waits_is_held_with_a_reason_when_the_way_out_vanishes(app: Any, alice: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    outgoing = make_outgoing(alice)
    use_transport(app, "capture")
    run_drain()
    [row] = deliveries(outgoing)
    assert row.state == "held" and "capture" in service.why(row) and row.attempts == 0
    with Sink() as sink:
        use_transport(app, sink.url)
        release.release_waiting()
        run_drain()
        assert sink.recipients == ["ada@example.org"]


def test_a_kept_connection_that_the_server_closed_is_opened_again_without_an_attempt_lost(app: Any, alice: Any) -> None:
    def one_mail(connection: Any) -> bool:
        connection.sendall(b"250 2.0.0 taken\r\n")
        connection.close()
        return False

    with Sink(Script(dot=one_mail)) as sink:
        use_transport(app, sink.url)
        outgoing = make_outgoing(alice, "a@example.org", "b@example.org", "c@example.org")
        run_drain()
        assert sink.recipients == ["a@example.org", "b@example.org", "c@example.org"]
    assert [(row.state, row.attempts) for row in deliveries(outgoing)] == [("sent", 1)] * 3


@pytest.mark.parametrize(
    "bad", ["", "ada", "ada@example.org\r\nRCPT TO:<x@y>", "<ada@example.org>", "ada@example.org>", "a b@example.org", "ada@\u2028x.org"]
)
def test_c68_a_bad_recipient_is_refused_and_nothing_is_kept(app: Any, alice: Any, bad: str) -> None:
    with pytest.raises(Invalid) as refused:
        make_outgoing(alice, "good@example.org", bad)
    assert "recipients" in refused.value.fields
    db.session.rollback()
    assert deliveries() == [] and db.session.query(Message).count() == 0


def test_system_mail_belongs_to_no_mailbox_and_lands_in_the_recipient_s_workspace(app: Any, alice: Any, eve: Any) -> None:
    outgoing = service.send_system_mail("eve@evil.test", "Your link", "Open it.")
    db.session.commit()
    copy = copy_of(outgoing)
    assert copy.workspace_id == eve.workspace.id and copy.mailbox_id is None
    raw = store.raw_of(copy)
    assert b"Auto-Submitted: auto-generated" in raw and b"From: Mailroom <postmaster@mail.acme.test>" in raw
    assert outgoing.envelope_sender == ""
