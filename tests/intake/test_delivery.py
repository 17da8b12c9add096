"""Mail over real sockets: who gets it, what is answered, and what is on disk when it is."""

import smtplib
import socket
import threading
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from tests.factories.domains import make_domain
from tests.factories.mailboxes import PASSWORD, make_mailbox
from tests.factories.messages import make_mail, make_raw
from webapp.core.db import db
from webapp.intake import service
from webapp.messages import store
from webapp.messages.models import Message

STRANGERS: dict[str, Any] = {"trusted_networks": ()}


def messages() -> list[Message]:
    db.session.rollback()
    return list(db.session.scalars(select(Message).order_by(Message.id)))


def send(server: Any, *recipients: str, raw: bytes | None = None, sender: str = "ines@elsewhere.test") -> None:
    with server.connect() as client:
        client.sendmail(sender, list(recipients), raw or make_raw(to=recipients[0]))


def test_a_mail_is_stored_parsed_filed_and_found(alice: Any, smtp: Any, work_off: Any, outside: Any) -> None:
    outside.dns.records[("elsewhere.test", "TXT")] = ["v=spf1 ip4:127.0.0.1 -all"]
    box = make_mailbox(alice, "hello@acme.test")
    raw = make_raw(to="hello@acme.test", subject="Drive kit", text="twelve pieces", files={"kit.pdf": b"%PDF"})
    send(smtp(**STRANGERS), "Hello+shop@Acme.test", raw=raw)
    (message,) = messages()
    assert message.state == "received" and message.mailbox_id == box.id and not message.trusted
    assert store.raw_of(message).endswith(raw) and store.raw_of(message).startswith(b"Received: from ")
    work_off()
    (message,) = messages()
    assert (message.state, message.subject, message.folder) == ("processed", "Drive kit", "INBOX")
    assert message.recipient == "hello+shop@acme.test"
    assert message.envelope_sender == "ines@elsewhere.test" and message.has_attachments and message.preview == "twelve pieces"


def test_one_mail_for_two_mailboxes_is_one_source_and_two_messages(alice: Any, smtp: Any) -> None:
    make_mailbox(alice, "a@acme.test")
    make_mailbox(alice, "b@acme.test")
    send(smtp(**STRANGERS), "a@acme.test", "b@acme.test", "a+tag@acme.test")
    found = messages()
    assert [message.recipient for message in found] == ["a@acme.test", "b@acme.test"]
    assert len({message.raw_id for message in found}) == 1
    assert found[0].envelope_recipients == ["a@acme.test", "b@acme.test", "a+tag@acme.test"]


@pytest.mark.parametrize(
    ("address", "code", "enhanced"),
    [
        ("nobody@acme.test", 550, b"5.1.1"),
        ("someone@elsewhere.test", 550, b"5.7.1"),
        ("paused@acme.test", 450, b"4.2.1"),
        ("deaf@acme.test", 550, b"5.2.1"),
        ("x@unproven.test", 550, b"5.7.1"),
        ("full@acme.test", 452, b"4.2.2"),
        ("busy@acme.test", 452, b"4.7.1"),
        ("not an address", 501, b"5."),
    ],
)
def test_recipients_are_refused_in_the_session(alice: Any, smtp: Any, address: str, code: int, enhanced: bytes) -> None:
    make_mailbox(alice, "paused@acme.test", status="paused")
    make_mailbox(alice, "deaf@acme.test", can_receive=False)
    make_mailbox(alice, domain=make_domain(alice, "unproven.test", verified=False), email="x@unproven.test")
    make_mail(make_mailbox(alice, "full@acme.test", storage_limit_bytes=10))
    make_mail(make_mailbox(alice, "busy@acme.test", hourly_limit=1))
    with smtp(**STRANGERS).connect() as client:
        client.helo("elsewhere.test")
        client.mail("ines@elsewhere.test")
        answer = client.docmd(f"RCPT TO:<{address}>")
    assert answer[0] == code and answer[1].startswith(enhanced), answer


def test_an_unproven_domain_takes_mail_from_trusted_networks(alice: Any, smtp: Any) -> None:
    domain = make_domain(alice, "unproven.test", verified=False)
    make_mailbox(alice, "x@unproven.test", domain=domain)
    send(smtp(), "x@unproven.test")
    assert [message.trusted for message in messages()] == [True]


def test_the_catch_all_and_postmaster_get_their_mail(alice: Any, smtp: Any) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    domain = make_domain(alice, "catch.test", catch_all_enabled=True, catch_all_destination="hello@acme.test")
    assert domain.id
    server = smtp(**STRANGERS)
    send(server, "anything@catch.test")
    send(server, "postmaster@acme.test")
    assert [message.mailbox_id for message in messages()] == [box.id, box.id]
    assert [message.recipient for message in messages()] == ["anything@catch.test", "postmaster@acme.test"]


def test_a_mailbox_that_takes_less_answers_552_and_stores_nothing(alice: Any, smtp: Any) -> None:
    make_mailbox(alice, "small@acme.test", max_message_bytes=2000)
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(smtp(**STRANGERS), "small@acme.test", raw=make_raw(text="x" * 3000))
    assert refused.value.recipients["small@acme.test"][0] == 552 and messages() == []


def test_mail_that_goes_in_circles_is_refused(alice: Any, smtp: Any) -> None:
    make_mailbox(alice, "hello@acme.test")
    loop = b"Received: from a by b; Mon, 1 Sep 2026 10:00:00 +0000\r\n" * 60 + make_raw()
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(smtp(**STRANGERS), "hello@acme.test", raw=loop)
    assert refused.value.smtp_code == 554 and messages() == []


def test_concurrent_sessions_share_commits_and_each_gets_its_own_answer(alice: Any, smtp: Any) -> None:
    make_mailbox(alice, "hello@acme.test")
    make_mailbox(alice, "small@acme.test", max_message_bytes=1500)
    server = smtp(**STRANGERS)
    answers: dict[int, int] = {}

    def one(number: int) -> None:
        to = "small@acme.test" if number % 5 == 0 else "hello@acme.test"
        with smtplib.SMTP("127.0.0.1", server.ports["mx"], timeout=15) as client:
            client.helo("x.test")
            client.mail("a@b.test")
            client.rcpt(to)
            answers[number] = client.data(make_raw(to=to, subject=f"n{number}", text="y" * 2000))[0]

    threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answers == {number: 552 if number % 5 == 0 else 250 for number in range(20)}
    assert len(messages()) == 16


def test_c02_a_store_that_fails_answers_452_and_the_repeat_is_stored_once(
    alice: Any, smtp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_mailbox(alice, "hello@acme.test")
    server = smtp(**STRANGERS)
    real = service.store.store_many

    def broken(rows: Any) -> Any:
        real(rows)
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    monkeypatch.setattr(service.store, "store_many", broken)
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(server, "hello@acme.test")
    assert refused.value.smtp_code == 452
    monkeypatch.setattr(service.store, "store_many", real)
    assert messages() == []
    send(server, "hello@acme.test")
    assert len(messages()) == 1


def test_c01_the_line_cut_between_commit_and_reply_leaves_exactly_one_message(
    alice: Any, smtp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_mailbox(alice, "hello@acme.test")
    server = smtp(**STRANGERS)
    committed = threading.Event()
    committer = server.door.desk.committer
    monkeypatch.setattr(committer, "_answer", lambda batch, replies: committed.set())
    db.session.commit()
    line = socket.create_connection(("127.0.0.1", server.ports["mx"]), timeout=10)
    reader = line.makefile("rb")
    for command in (b"", b"HELO x.test\r\n", b"MAIL FROM:<a@b.test>\r\n", b"RCPT TO:<hello@acme.test>\r\n", b"DATA\r\n"):
        line.sendall(command)
        assert reader.readline()[:1] in b"23"
    line.sendall(make_raw() + b".\r\n")
    assert committed.wait(10)
    line.close()
    assert len(messages()) == 1


def test_a_restart_keeps_what_was_taken_and_answers_again(alice: Any, smtp: Any, work_off: Any) -> None:
    make_mailbox(alice, "hello@acme.test")
    first = smtp(**STRANGERS)
    send(first, "hello@acme.test")
    first.stop()
    with pytest.raises(OSError):
        first.connect()
    send(smtp(**STRANGERS), "hello@acme.test")
    work_off()
    assert [message.state for message in messages()] == ["processed", "processed"]


def test_a_mail_in_data_is_finished_while_the_server_stops(alice: Any, smtp: Any) -> None:
    make_mailbox(alice, "hello@acme.test")
    server = smtp(**STRANGERS)
    client = server.connect()
    client.helo("x.test")
    client.mail("a@b.test")
    client.rcpt("hello@acme.test")
    client.putcmd("data")
    assert client.getreply()[0] == 354
    stopper = threading.Thread(target=server.stop)
    stopper.start()
    client.send(make_raw() + b".\r\n")
    assert client.getreply()[0] == 250
    stopper.join(15)
    assert len(messages()) == 1


def test_mail_of_a_login_is_archived_sent_delivered_here_and_audited(alice: Any, smtp: Any, work_off: Any) -> None:
    box, other = make_mailbox(alice, "hello@acme.test"), make_mailbox(alice, "other@acme.test")
    with smtp().connect("submission") as client:
        client.login("hello@acme.test", PASSWORD)
        raw = make_raw(sender="Me <hello@acme.test>", to="other@acme.test")
        client.sendmail("hello@acme.test", ["other@acme.test", "far@elsewhere.test"], raw)
    work_off()
    found = {(message.mailbox_id, message.direction): message for message in messages()}
    assert set(found) == {(box.id, "sent"), (other.id, "received")}
    assert found[box.id, "sent"].subject == "Hello" and found[box.id, "sent"].folder is None
    copy = found[other.id, "received"]
    assert copy.folder == "INBOX" and copy.trusted and store.raw_of(copy).startswith(b"Delivered-To: other@acme.test\r\n")
    answer = alice.api.get("/audit-events?action=message.send").json["data"]
    assert [(entry["actor"]["type"], entry["actor"]["name"]) for entry in answer] == [("mailbox", "hello@acme.test")]


def test_the_same_local_copy_does_not_come_round_twice(alice: Any, smtp: Any, work_off: Any) -> None:
    make_mailbox(alice, "hello@acme.test")
    raw = b"Delivered-To: hello@acme.test\r\n" + make_raw(sender="hello@acme.test")
    with smtp().connect("submission") as client:
        client.login("hello@acme.test", PASSWORD)
        client.sendmail("hello@acme.test", ["hello@acme.test"], raw)
    work_off()
    written = [message for message in messages() if not message.is_system and not (message.subject or "").startswith("Not delivered")]
    assert [message.direction for message in written] == ["sent"], "the sender is told, and the mail does not come back"


def test_messages_are_counted_whichever_way_they_came(alice: Any, smtp: Any) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    send(smtp(**STRANGERS), "hello@acme.test")
    db.session.rollback()
    assert store.totals.read(box.workspace_id, box.id)["received"] == db.session.scalar(select(func.count()).select_from(Message)) == 1
