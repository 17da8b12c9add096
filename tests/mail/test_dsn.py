"""Reports that we write: the fields of RFC 3464, the words for people, and our own reader's answer to them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from webapp.mail.bounce import read_bounce
from webapp.mail.dsn import Gone, Told, status_of, write_report
from webapp.mail.mime_parse import parse

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HEAD = b"From: ada@acme.test\r\nMessage-ID: <one@acme.test>\r\nSubject: Hello\r\n"


def told(action: Any = "failed", **changes: Any) -> Told:
    values: dict[str, Any] = {
        "action": action, "to": "ada@acme.test", "hostname": "mail.acme.test", "date": NOW, "arrived": NOW - timedelta(hours=4),
        "subject": "Hello", "message_id": "one@acme.test", "head": HEAD,
    }  # fmt: skip
    return Told(**{**values, **changes})


def gone(recipient: str = "bob@example.org", **changes: Any) -> Gone:
    values: dict[str, Any] = {"status": "5.1.1", "said": "550 5.1.1 no such user here", "smtp": True, "host": "mx.example.org", "at": NOW}
    return Gone(recipient, **{**values, **changes})


def test_our_own_reader_understands_a_report_about_two_people() -> None:
    raw = write_report(told(), [gone(), gone("eve@example.net", said="552 5.2.2 mailbox full", status="5.2.2")])
    report = read_bounce(raw)
    assert report is not None and report.kind == "bounce" and report.original_message_id == "<one@acme.test>"
    assert [(one.address, one.status, one.action, one.remote_host) for one in report.recipients] == [
        ("bob@example.org", "5.1.1", "failed", "mx.example.org"), ("eve@example.net", "5.2.2", "failed", "mx.example.org"),
    ]  # fmt: skip
    assert report.recipients[0].hard and report.recipients[0].diagnostic == "550 5.1.1 no such user here"


def test_a_delay_says_until_when_it_is_tried() -> None:
    raw = write_report(told("delayed"), [gone(status="4.4.1", said="450 4.4.1 busy", until=NOW + timedelta(days=5))])
    report = read_bounce(raw)
    assert report is not None and report.kind == "delay" and report.recipients[0].action == "delayed"
    assert b"Will-Retry-Until: Thu, 26 Nov 2026 12:00:00 +0000" in raw and b"26 November 2026, 12:00 UTC" in raw


def test_a_report_is_marked_as_automatic_and_has_the_three_parts() -> None:
    mail = parse(write_report(told(), [gone()]))
    assert mail.header("auto-submitted") == "auto-replied" and "report-type=delivery-status" in mail.header("content-type")
    raw = write_report(told(), [gone()])
    for kind in (b"text/plain", b"message/delivery-status", b"text/rfc822-headers"):
        assert b"Content-Type: " + kind in raw
    assert b"Subject: Hello\r\n" in raw and "bob@example.org" in (mail.text or "")


def test_addresses_with_letters_travel_as_utf8() -> None:
    raw = write_report(told(), [gone("jörg@example.org")])
    assert b"message/global-delivery-status" in raw and "Final-Recipient: utf-8; jörg@example.org".encode() in raw
    report = read_bounce(raw)
    assert report is not None and report.recipients[0].address == "jörg@example.org"


@pytest.mark.parametrize("said", ["550 \r\nX-Evil: 1", "550 a\x00b\u2028c", "x" * 9000, "550 grüß gott", ""])
def test_no_words_of_a_server_break_out_of_their_field(said: str) -> None:
    raw = write_report(told(subject="a\r\nBcc: x\x00", message_id="a b\r\nc"), [gone(said=said, host="evil\r\nX-Evil: 2")])
    lines = raw.split(b"\r\n")
    assert not any(line.startswith((b"X-Evil", b"Bcc")) for line in lines)
    assert max(map(len, lines)) < 998 and b"\0" not in raw
    report = read_bounce(raw)
    assert report is not None and [one.address for one in report.recipients] == ["bob@example.org"]


def test_a_header_that_is_endless_is_cut_at_the_end_of_a_line() -> None:
    raw = write_report(told(head=HEAD + b"X-Long: %s\r\n" % (b"y" * 70) * 5000), [gone()])
    assert len(raw) < 60_000 and b"Message-ID: <one@acme.test>" in raw


@pytest.mark.parametrize(
    ("code", "said", "expired", "status"),
    [
        (550, "550 5.1.1 no such user", False, "5.1.1"), (554, "554 go away", False, "5.0.0"), (450, "450 greylisted", True, "4.0.0"),
        (None, "connection refused", True, "4.4.7"), (None, "it cannot be sent", False, "5.0.0"),
    ],
)  # fmt: skip
def test_the_status_is_the_server_s_own_or_made_of_its_code(code: int | None, said: str, expired: bool, status: str) -> None:
    assert status_of(code, said, expired=expired) == status
