"""A mail made ready to leave: CRLF alone, nothing that must stay here, a Message-ID and a Date; the rest byte for byte."""

from datetime import UTC, datetime

import pytest

from webapp.sending.source import prepare

NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)


def ready(raw: bytes) -> bytes:
    return prepare(raw, hostname="mail.acme.test", now=NOW).raw


def test_c04_every_kind_of_line_end_becomes_crlf() -> None:
    raw = ready(b"From: a@x.test\nSubject: s\r\nTo: b@y.test\rMessage-ID: <1@x>\nDate: x\n\none\rtwo\nthree\r\n.\n")
    assert b"\r" not in raw.replace(b"\r\n", b"") and b"\n" not in raw.replace(b"\r\n", b"")
    assert raw.endswith(b"one\r\ntwo\r\nthree\r\n.\r\n")


def test_blind_copies_and_return_path_do_not_leave_folded_ones_included() -> None:
    head = b"Return-Path: <a@x.test>\r\nFrom: a@x.test\r\nBcc: secret@y.test,\r\n\tother@y.test\r\nTo: b@y.test\r\n"
    raw = ready(head + b"\r\nBcc: stays in the body\r\n")
    assert b"secret" not in raw and b"other@" not in raw and b"Return-Path" not in raw
    assert b"Bcc: stays in the body" in raw


def test_a_message_id_and_a_date_are_added_once_and_kept_where_they_are() -> None:
    made = prepare(b"From: a@x.test\r\n\r\nhi", hostname="mail.acme.test", now=NOW)
    assert made.message_id.endswith("@mail.acme.test") and f"Message-ID: <{made.message_id}>\r\n".encode() in made.raw
    assert b"Date: Tue, 01 Sep 2026 12:00:00 +0000\r\n" in made.raw
    again = prepare(made.raw, hostname="other.test", now=NOW)
    assert again.raw == made.raw and again.message_id == made.message_id


def test_a_message_id_that_is_none_is_replaced() -> None:
    made = prepare(b"From: a@x.test\r\nMessage-ID: nonsense\r\n\r\nhi", hostname="mail.acme.test", now=NOW)
    assert made.raw.lower().count(b"message-id:") == 1 and b"nonsense" not in made.raw


def test_sender_and_subject_are_read_decoded() -> None:
    head = b"From: =?utf-8?q?J=C3=B6rg?= <Joerg@X.Test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n folded\r\n\r\n"
    made = prepare(head, hostname="h.test", now=NOW)
    assert (made.sender, made.subject) == ("joerg@x.test", "Grüße folded")


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"\r\n\r\nbody only", b"no header at all", b"From: a@x.test", b"\xff\xfe\x00: x\r\n\r\n\x00"]
)
def test_whatever_comes_gets_a_header_block_and_keeps_its_body(raw: bytes) -> None:
    made = ready(raw)
    head, _, body = made.partition(b"\r\n\r\n")
    assert b"Message-ID: <" in head and b"Date: " in head
    assert body == (raw[2:] if raw.startswith(b"\r\n") else raw.partition(b"\r\n\r\n")[2])
