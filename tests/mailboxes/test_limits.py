"""Limits over real sockets: what is answered where, exact under parallel sessions, for receiving and for sending."""

import smtplib
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from tests.factories.mailboxes import PASSWORD, make_mailbox
from tests.factories.messages import make_mail, make_raw
from tests.factories.sending import run_drain
from webapp.core.db import db, utcnow
from webapp.mailboxes import flow, limits
from webapp.mailboxes.models import Mailbox, MailboxMinute
from webapp.messages import admission, store
from webapp.messages.models import Message
from webapp.sending.models import Delivery, Outgoing

STRANGERS: dict[str, Any] = {"trusted_networks": ()}


def rcpt(server: Any, address: str, size: int | None = None) -> tuple[int, str]:
    with server.connect() as client:
        client.ehlo("elsewhere.test")
        client.mail("ines@elsewhere.test", [f"SIZE={size}"] if size is not None else [])
        code, text = client.rcpt(address)
    return code, text.decode()


def deliver(server: Any, *addresses: str, text: str = "Good morning.") -> tuple[int, str]:
    with server.connect() as client:
        client.ehlo("elsewhere.test")
        client.mail("ines@elsewhere.test")
        for address in addresses:
            client.rcpt(address)
        code, reply = client.data(make_raw(to=addresses[0], text=text))
    db.session.rollback()
    return code, reply.decode()


def later(**span: float) -> None:
    """Everything that was counted so far becomes older."""
    moved = {"last_at": utcnow() - timedelta(**span), "minute": flow.minute_of(utcnow() - timedelta(**span))}
    db.session.execute(update(MailboxMinute).values(moved))
    db.session.commit()


@pytest.mark.parametrize(("limit", "frees"), [("hourly_limit", {"minutes": 61}), ("daily_limit", {"hours": 25})])
def test_mails_an_hour_and_a_day_are_452_at_rcpt_and_free_again_by_themselves(
    alice: Any, smtp: Any, limit: str, frees: dict[str, float]
) -> None:
    box = make_mailbox(alice, "hello@acme.test", **{limit: 2})
    server = smtp(**STRANGERS)
    assert [deliver(server, "hello@acme.test")[0] for _ in range(2)] == [250, 250]
    code, text = rcpt(server, "hello@acme.test")
    assert code == 452 and text.startswith("4.7.1 ") and " in " in text
    later(**frees)
    assert deliver(server, "hello@acme.test")[0] == 250
    assert flow.read([box.id])[box.id, "received"].hour == 1


def test_deleting_mail_does_not_give_the_hour_back(alice: Any, smtp: Any) -> None:
    make_mailbox(alice, "hello@acme.test", hourly_limit=1)
    server = smtp(**STRANGERS)
    deliver(server, "hello@acme.test")
    message = db.session.scalar(db.select(Message))
    assert alice.page.post(f"/mail/{message.id}/delete").status_code == 303
    assert rcpt(server, "hello@acme.test")[0] == 452


def test_the_number_of_mails_kept_is_552_and_deleting_makes_room(alice: Any, smtp: Any) -> None:
    make_mailbox(alice, "hello@acme.test", total_limit=1)
    server = smtp(**STRANGERS)
    assert deliver(server, "hello@acme.test")[0] == 250
    code, text = rcpt(server, "hello@acme.test")
    assert code == 552 and text.startswith("5.2.2 ")
    alice.page.post(f"/mail/{db.session.scalar(db.select(Message.id))}/delete")
    assert rcpt(server, "hello@acme.test")[0] == 250


def test_storage_is_452_and_counts_the_mail_at_hand(alice: Any, smtp: Any) -> None:
    box = make_mailbox(alice, "hello@acme.test", storage_limit_bytes=6000)
    make_mail(box, text="x" * 3000)
    server = smtp(**STRANGERS)
    assert rcpt(server, "hello@acme.test")[0] == 250
    code, text = rcpt(server, "hello@acme.test", size=4000)
    assert code == 452 and text.startswith("4.2.2 ")
    assert deliver(server, "hello@acme.test", text="y" * 4000) == (452, "4.2.2 The mailbox is full; try again later")
    assert deliver(server, "hello@acme.test", text="small")[0] == 250


def test_a_declared_size_is_refused_per_recipient_before_the_body(alice: Any, smtp: Any) -> None:
    make_mailbox(alice, "small@acme.test", max_message_bytes=2048)
    make_mailbox(alice, "large@acme.test")
    make_mailbox(alice, "tiny@acme.test", storage_limit_bytes=2048)
    server = smtp(**STRANGERS)
    with server.connect() as client:
        client.ehlo("elsewhere.test")
        client.mail("ines@elsewhere.test", ["SIZE=5000"])
        answers = [client.rcpt(f"{name}@acme.test") for name in ("small", "large", "tiny")]
    assert [code for code, _ in answers] == [552, 250, 552]
    assert answers[0][1].startswith(b"5.3.4 ") and b"2 KB" in answers[0][1]


def test_one_full_mailbox_of_two_takes_the_mail_for_neither_and_the_sender_comes_again(alice: Any, smtp: Any) -> None:
    make_mailbox(alice, "a@acme.test")
    make_mailbox(alice, "b@acme.test", total_limit=1)
    server = smtp(**STRANGERS)
    with server.connect() as first, server.connect() as second:
        for client in (first, second):
            client.ehlo("elsewhere.test")
            client.mail("ines@elsewhere.test")
        for address in ("a@acme.test", "b@acme.test"):
            assert first.rcpt(address)[0] == 250
        second.rcpt("b@acme.test")
        assert second.data(make_raw(to="b@acme.test"))[0] == 250
        assert first.data(make_raw(to="a@acme.test"))[0] == 452
    db.session.rollback()
    assert db.session.query(Message).count() == 1


@pytest.mark.parametrize(
    ("columns", "code"),
    [({"hourly_limit": 5}, 452), ({"daily_limit": 5}, 452), ({"total_limit": 5}, 552), ({"storage_limit_bytes": 15_000}, 452)],
    ids=str,
)
def test_parallel_sessions_never_pass_a_limit(alice: Any, smtp: Any, columns: dict[str, int], code: int) -> None:
    box = make_mailbox(alice, "hello@acme.test", **columns)
    servers = [smtp(**STRANGERS), smtp(**STRANGERS)]
    ready, answers = threading.Barrier(12), []

    def one(number: int) -> None:
        with smtplib.SMTP("127.0.0.1", servers[number % 2].ports["mx"], timeout=30) as client:
            client.helo("x.test")
            client.mail("a@b.test")
            client.rcpt("hello@acme.test")
            ready.wait(20)
            answers.append(client.data(make_raw(to="hello@acme.test", subject=f"n{number}", text="y" * 2300))[0])

    db.session.commit()
    threads = [threading.Thread(target=one, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    db.session.rollback()
    assert sorted(answers) == [250] * 5 + [code] * 7
    used = admission.numbers([box])[box.id]
    assert (used.kept.total, used.received.hour) == (5, 5) and limits.over(box, used, "received", 2300) is not None


def login(server: Any, address: str) -> smtplib.SMTP:
    client: smtplib.SMTP = server.connect("submission")
    client.ehlo("program.test")
    client.login(address, PASSWORD)
    return client


@pytest.mark.parametrize(
    ("columns", "code", "enhanced"),
    [({"hourly_limit": 1}, 452, b"4.7.1"), ({"daily_limit": 1}, 452, b"4.7.1"), ({"total_limit": 1}, 552, b"5.2.2"),
     ({"storage_limit_bytes": 400}, 452, b"4.2.2")],
    ids=str,
)  # fmt: skip
def test_a_login_is_told_its_limit_at_mail_from(alice: Any, smtp: Any, columns: dict[str, int], code: int, enhanced: bytes) -> None:
    make_mailbox(alice, "shop@acme.test", **columns)
    raw = b"From: shop@acme.test\r\nTo: a@example.org\r\nSubject: x\r\n\r\nx\r\n"
    with login(smtp(), "shop@acme.test") as client:
        client.sendmail("shop@acme.test", ["a@example.org"], raw)
        answer = client.mail("shop@acme.test", ["SIZE=300"])
    assert answer[0] == code and answer[1].startswith(enhanced) and b"shop@acme.test" in answer[1], answer
    db.session.rollback()
    assert db.session.query(Outgoing).count() == 1


def test_a_login_whose_mail_is_larger_than_its_mailbox_takes_hears_it_before_the_body(alice: Any, smtp: Any) -> None:
    make_mailbox(alice, "shop@acme.test", max_message_bytes=2048)
    with login(smtp(), "shop@acme.test") as client:
        assert client.mail("shop@acme.test", ["SIZE=9000"])[0] == 552
        assert client.mail("shop@acme.test", ["SIZE=900"])[0] == 250


def test_parallel_logins_never_send_more_than_the_hour_allows(alice: Any, smtp: Any) -> None:
    make_mailbox(alice, "shop@acme.test", hourly_limit=3)
    server, answers = smtp(), []
    raw = b"From: shop@acme.test\r\nTo: a@example.org\r\nSubject: x\r\n\r\nx\r\n"
    clients = [login(server, "shop@acme.test") for _ in range(8)]
    for client in clients:
        client.mail("shop@acme.test")
        client.rcpt("a@example.org")
    ready = threading.Barrier(8)

    def one(client: smtplib.SMTP) -> None:
        ready.wait(20)
        answers.append(client.data(raw)[0])
        client.close()

    threads = [threading.Thread(target=one, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    db.session.rollback()
    assert sorted(answers) == [250] * 3 + [452] * 5 and db.session.query(Outgoing).count() == 3


def test_the_api_answers_429_for_each_limit_and_says_when(alice: Any) -> None:
    body = {"receivers": ["a@example.org"], "body": "x"}
    for columns, waits in (({"hourly_limit": 1}, True), ({"daily_limit": 1}, True), ({"total_limit": 1}, False)):
        box = make_mailbox(alice, **columns)
        answers = [alice.api.post(f"/mailboxes/{box.id}/mail/send", json=body) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 429], columns
        assert ("Retry-After" in answers[1].headers) == waits and box.email in answers[1].json["error"]["message"]


def test_mail_between_mailboxes_waits_while_the_receiver_is_at_its_limit(alice: Any) -> None:
    sender = make_mailbox(alice, "shop@acme.test")
    make_mailbox(alice, "hello@acme.test", hourly_limit=1)
    for _ in range(2):
        sent = alice.api.post(f"/mailboxes/{sender.id}/mail/send", json={"receivers": ["hello@acme.test"], "body": "x"})
        assert sent.status_code == 202
    run_drain()
    rows = db.session.query(Delivery).order_by(Delivery.id).all()
    assert [(row.state, row.last_code) for row in rows] == [("sent", 250), ("deferred", 452)]
    assert rows[1].last_reply.startswith("4.7.1 ")


def test_what_a_savepoint_takes_back_is_not_counted(alice: Any) -> None:
    box = make_mailbox(alice)
    flow.note(box.id, "received")
    with pytest.raises(RuntimeError), db.session.begin_nested():
        flow.note(box.id, "received", 5)
        raise RuntimeError("the savepoint ends here")
    db.session.commit()
    assert flow.read([box.id]) == {(box.id, "received"): flow.Flow(1, 1)}
    later(hours=30)
    assert flow.read([box.id]) == {} and flow.forget_old() == 1 and db.session.query(MailboxMinute).count() == 0


def test_the_limit_is_read_anew_under_the_lock(alice: Any) -> None:
    box = make_mailbox(alice, hourly_limit=5)
    db.session.execute(update(Mailbox).values(hourly_limit=1), execution_options={"synchronize_session": False})
    db.session.commit()
    asked = [[admission.Asked(box, "received", 10)] for _ in range(2)]
    first, second = admission.admit(asked)
    assert first is None and second is not None and (second.limit, second.allowed) == ("hour", 1)


def test_a_failure_in_a_savepoint_leaves_the_counters_of_the_mail_before_it(alice: Any) -> None:
    box = make_mailbox(alice)
    raw = make_raw(to=box.email)
    store.store_message(workspace_id=box.workspace_id, mailbox_id=box.id, direction="received", raw=raw)
    with pytest.raises(RuntimeError), db.session.begin_nested():
        store.store_message(workspace_id=box.workspace_id, mailbox_id=box.id, direction="received", raw=raw)
        raise RuntimeError("the second copy fails")
    db.session.commit()
    assert admission.numbers([box])[box.id].kept == (1, len(raw)) and db.session.query(Message).count() == 1
