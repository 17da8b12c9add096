"""C-15: a sender that lost our 250 sends again: kept and shown, routes run once; what only looks alike is no repeat."""

import socket
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_raw
from webapp.automation.models import Run
from webapp.core.db import db
from webapp.intake import repeats
from webapp.messages.models import Message

STRANGERS: dict[str, Any] = {"trusted_networks": ()}


def named(name: str = "one@there.test", text: str = "hello") -> bytes:
    return f"Message-ID: <{name}>\r\n".encode() + make_raw(text=text)


def send(server: Any, raw: bytes, to: str = "hello@acme.test") -> None:
    with server.connect() as client:
        client.sendmail("ines@elsewhere.test", [to], raw)


def mails() -> list[Message]:
    db.session.rollback()
    return list(db.session.scalars(select(Message).where(Message.direction == "received").order_by(Message.id)))


def send_and_cut(server: Any, raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand a mail over and cut the line after the commit, before the answer."""
    committed = threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(server.door.desk.committer, "_answer", lambda batch, replies: committed.set())
        db.session.commit()
        with socket.create_connection(("127.0.0.1", server.ports["mx"]), timeout=15) as line:
            reader = line.makefile("rb")
            for command in (b"", b"HELO x.test\r\n", b"MAIL FROM:<ines@elsewhere.test>\r\n", b"RCPT TO:<hello@acme.test>\r\n", b"DATA\r\n"):
                line.sendall(command)
                assert reader.readline()[:1] in b"23"
            line.sendall(raw + b".\r\n")
            assert committed.wait(15)


def test_c15_the_repeat_after_a_lost_answer_is_kept_and_named_and_its_routes_run_once(
    alice: Any, smtp: Any, work_off: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = make_mailbox(alice, "hello@acme.test", allow_unauthenticated=True)
    server = smtp(**STRANGERS)
    raw = named()
    send_and_cut(server, raw, monkeypatch)
    work_off()
    send(server, raw)
    work_off()
    first, again = mails()
    assert (first.repeats_id, again.repeats_id) == (None, first.id)
    assert (first.folder, again.folder, again.state) == ("INBOX", None, "processed")
    assert db.session.scalar(select(Run.id).where(Run.message_id == again.id)) is None
    shown = alice.api.get(f"/mailboxes/{box.id}/archives/{again.id}").json["data"]
    assert shown["repeats_id"] == first.id
    assert [step["text"] for step in shown["timeline"] if step["title"] == "Known already"] == [
        f"The sender sent message {first.id} again, probably because our answer was lost. No route runs for it."
    ]
    assert "no route runs for it a second time" in shown["why"]
    page = alice.page.get(f"/mail/{again.id}").get_data(as_text=True)
    assert "Its sender had sent the same mail before" in page and f'href="/mail/{first.id}"' in page and "Show the first one" in page
    assert "repetition" in alice.page.get("/mail?box=archive").get_data(as_text=True)
    assert {row["id"] for row in alice.api.get(f"/mailboxes/{box.id}/archives").json["data"]} >= {first.id, again.id}
    assert alice.page.post(f"/mail/{first.id}/delete").status_code < 400
    page = alice.page.get(f"/mail/{again.id}").get_data(as_text=True)
    assert "is in the trash or gone" in page and f'href="/mail/{first.id}"' not in page


def test_c15_a_repeat_that_waits_beside_its_first_is_found_in_the_same_batch(alice: Any, smtp: Any, work_off: Any) -> None:
    make_mailbox(alice, "hello@acme.test", allow_unauthenticated=True)
    server = smtp(**STRANGERS)
    raw = named()
    for _ in range(3):
        send(server, raw)
    work_off()
    first, *others = mails()
    assert [mail.repeats_id for mail in (first, *others)] == [None, first.id, first.id]


def test_c15_what_differs_in_bytes_recipient_or_name_is_no_repeat(alice: Any, smtp: Any, work_off: Any) -> None:
    make_mailbox(alice, "hello@acme.test", allow_unauthenticated=True)
    make_mailbox(alice, "other@acme.test", allow_unauthenticated=True)
    server = smtp(**STRANGERS)
    send(server, named(text="first"))
    send(server, named(text="second"))
    send(server, named(text="first"), "other@acme.test")
    send(server, named("two@there.test", text="first"))
    send(server, make_raw(text="without a name"))
    send(server, make_raw(text="without a name"))
    work_off()
    assert [(mail.repeats_id, mail.folder) for mail in mails()] == [(None, "INBOX")] * 6


def test_c15_after_a_day_the_same_mail_is_a_new_one(alice: Any, smtp: Any, work_off: Any) -> None:
    make_mailbox(alice, "hello@acme.test", allow_unauthenticated=True)
    server, raw = smtp(**STRANGERS), named()
    send(server, raw)
    work_off()
    (first,) = mails()
    db.session.execute(update(Message).values(created_at=first.created_at - timedelta(hours=24, minutes=1)))
    db.session.commit()
    send(server, raw)
    work_off()
    assert [mail.repeats_id for mail in mails()] == [None, None]


def test_only_our_own_lines_on_top_are_left_out_of_the_content() -> None:
    mail = b"Received: from far by near;\r\n\tSat, 21 Nov 2026\r\nSubject: x\r\n\r\nbody\r\n"
    ours = b"Received: from a by us id 1;\r\n\tnow\r\n"
    assert repeats.content(ours + mail) == repeats.content(b"Received: from b by us id 2;\r\n later\r\n" + mail)
    assert repeats.content(b"Delivered-To: x\r\n" + ours + mail) == repeats.content(ours + mail)
    assert repeats.content(ours + mail) != repeats.content(ours + b"Received: from b by us\r\n" + mail)
