"""Delivery reports: what they say is read as it is meant, in the form of RFC 3464 and in words."""

import time
from pathlib import Path

import pytest

from tests.mails.judge import Verdict, run
from tests.mails.readings import EXPLAINED
from webapp.mail.bounce import read_bounce
from webapp.mail.bounce_class import class_of, is_hard, reply_in, status_in
from webapp.mail.bounce_fields import MAX_RECIPIENTS
from webapp.mail.mail_kind import kind_of
from webapp.mail.mime import parse

SAMPLES = Path(__file__).parents[1] / "mails"
REPORT = (
    "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.test\r\nSubject: Undelivered Mail\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n--b\r\n\r\nIt did not arrive.\r\n--b\r\n'
    "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.test\r\n\r\n{fields}\r\n--b\r\n"
    "Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <first@news.test>\r\n"
    "From: News <news@news.test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n--b--\r\n"
)


@pytest.fixture(scope="module")
def verdicts() -> list[Verdict]:
    return run(SAMPLES)


def test_every_carried_report_is_read_right_or_its_miss_is_explained(verdicts: list[Verdict]) -> None:
    missed = {one.name.rpartition("/")[2]: one.misses for one in verdicts if one.misses}
    assert len(verdicts) > 140
    assert missed.keys() <= EXPLAINED.keys(), missed


def test_no_mail_of_another_kind_is_taken_for_a_report() -> None:
    folders = ("plain", "html", "lists", "calendar", "charsets", "attachments", "hostile")
    paths = [path for folder in folders for path in (SAMPLES / folder).glob("*.eml")]
    taken = [path.name for path in paths if read_bounce(path.read_bytes()) is not None]
    assert len(paths) > 300 and taken == []


def _fields(*lines: str) -> bytes:
    return REPORT.format(fields="\r\n".join(lines)).encode()


def test_a_report_names_the_mail_that_it_is_about() -> None:
    report = read_bounce(_fields("Final-Recipient: rfc822; A@X.test", "Action: failed", "Status: 5.1.1", "Remote-MTA: dns; mx.x.test"))
    assert report and report.kind == "bounce"
    assert (report.original_message_id, report.original_from, report.original_subject) == ("<first@news.test>", "news@news.test", "Grüße")
    one = report.recipients[0]
    assert (one.address, one.status, one.remote_host, one.kind, one.hard) == ("a@x.test", "5.1.1", "mx.x.test", "unknown-recipient", True)


@pytest.mark.parametrize(
    ("action", "kind"),
    [("delayed", "delay"), ("delivered", "delivery-receipt"), ("relayed", "relay-receipt"), ("expanded", "expansion-receipt")],
)
def test_what_is_no_failure_gives_no_address_up(action: str, kind: str) -> None:
    status = "4.4.1" if action == "delayed" else "2.0.0"
    report = read_bounce(_fields("Final-Recipient: rfc822; a@x.test", f"Action: {action}", f"Status: {status}"))
    assert report and report.kind == kind
    assert not report.recipients[0].hard and not report.recipients[0].permanent


def test_the_worst_of_several_recipients_is_the_kind_of_the_report() -> None:
    fields = ["Final-Recipient: rfc822; a@x.test", "Action: delivered", "Status: 2.0.0", "", "Final-Recipient: rfc822; b@x.test",
              "Action: failed", "Status: 5.2.2", "Diagnostic-Code: smtp; 552 5.2.2 Mailbox full"]  # fmt: skip
    report = read_bounce(_fields(*fields))
    assert report and report.kind == "bounce"
    assert [(one.address, one.action, one.kind, one.hard) for one in report.recipients] == [
        ("a@x.test", "delivered", None, False),
        ("b@x.test", "failed", "mailbox-full", False),
    ]


def test_a_final_address_that_is_none_gives_way_to_the_original_one() -> None:
    report = read_bounce(
        _fields("Original-Recipient: rfc822; a@x.test", "Final-Recipient: rfc822; a@ims-daemon", "Action: failed", "Status: 5.0.0")
    )
    assert report and [one.address for one in report.recipients] == ["a@x.test"]


def test_an_international_address_is_read_in_both_spellings_of_rfc_6533() -> None:
    for written in ("utf-8; \\x{7528}\\x{6237}@x.test", "utf-8; 用户@x.test"):
        report = read_bounce(_fields(f"Final-Recipient: {written}", "Action: failed", "Status: 5.1.1"))
        assert report and report.recipients[0].address == "用户@x.test"


def test_a_report_in_words_gives_each_recipient_its_own_reason() -> None:
    report = read_bounce(
        b"From: MAILER-DAEMON@q.test\r\nSubject: failure notice\r\n\r\nHi. This is the qmail-send program at q.test.\r\n"
        b"I'm afraid I wasn't able to deliver your message to the following addresses.\r\nThis is a permanent error.\r\n\r\n"
        b"<a@x.test>:\r\nRemote host said: 550 5.1.1 No such user\r\n\r\n<b@x.test>:\r\nRemote host said: 552 5.2.2 Over quota\r\n\r\n"
        b"--- Below this line is a copy of the message.\r\n\r\nFrom: news@news.test\r\nTo: c@x.test\r\nMessage-ID: <m@news.test>\r\n\r\nhi"
    )
    assert report and report.original_message_id == "<m@news.test>"
    assert [(one.address, one.status, one.reply_code, one.kind, one.hard) for one in report.recipients] == [
        ("a@x.test", "5.1.1", "550", "unknown-recipient", True),
        ("b@x.test", "5.2.2", "552", "mailbox-full", False),
    ]


@pytest.mark.parametrize(
    ("text", "status", "kind", "hard"),
    [
        ("550 5.7.26 Unauthenticated email from x.test is not accepted due to its DMARC policy", "5.7.26", "auth", False),
        ("550 5.1.8 <a@b.test>: Sender address rejected: Domain not found", "5.1.8", "policy", False),
        ("550-5.7.25 The IP address sending this message does not have a PTR record", "5.7.25", "blocked", False),
        ("554 5.7.1 Service unavailable; client host [192.0.2.1] blocked using zen.spamhaus.org", "5.7.1", "blocked", False),
        ("550 5.1.1 <spam-virus-quota@x.test>: Recipient address rejected: User unknown", "5.1.1", "unknown-recipient", True),
        ("450 4.2.2 <a@x.test>: mailbox is full", "4.2.2", "mailbox-full", False),
        ("550 5.2.1 The email account that you tried to reach is disabled", "5.2.1", "recipient-disabled", True),
        ("450 5.1.1 User unknown", "4.1.1", "unknown-recipient", False),
        ("552 5.3.4 Message size exceeds fixed limit", "5.3.4", "too-big", False),
        ("421 too many connections, slow down", "", "rate-limited", False),
        ("Host or domain name not found. Name service error for name=x.test: Host not found", "5.4.4", "unknown-host", True),
        ("550 Requested action not taken", "", "other", False),
    ],
)
def test_words_decide_what_a_refusal_means_and_names_in_it_do_not(text: str, status: str, kind: str, hard: bool) -> None:
    read = class_of(text, status, reply_in(text))
    assert (read, is_hard(read, status, reply_in(text))) == (kind, hard)


@pytest.mark.parametrize(
    ("text", "status", "reply"),
    [
        ("host mx[192.0.2.5] said: 550 5.1.1 no", "5.1.1", "550"),
        ("connect to mx[192.0.2.5]:25: Connection timed out", "", ""),
        ("552-5.2.2 full\n552 5.2.2 see", "5.2.2", "552"),
        ("250 2.0.0 Ok, then 554 5.0.0 then 5.7.1", "5.7.1", "554"),
        ("version 4.2.2.1 at 14:450 on 2.0.12", "", ""),
    ],
)
def test_codes_are_told_from_addresses_versions_and_ports(text: str, status: str, reply: str) -> None:
    assert (status_in(text), reply_in(text)) == (status, reply)


def test_a_person_who_writes_about_a_report_writes_no_report() -> None:
    mail = parse(b"From: Ann <ann@x.test>\r\nSubject: Fwd: Undelivered Mail\r\n\r\nLook what I got:\r\n> <a@x.test>: 550 User unknown\r\n")
    assert kind_of(mail) == "human"


def test_c17_a_bounce_of_a_bounce_and_a_report_in_reports_end() -> None:
    inner = _fields("Final-Recipient: rfc822; a@x.test", "Action: failed", "Status: 5.1.1")
    for _ in range(40):
        inner = (
            b"From: MAILER-DAEMON@x.test\r\nSubject: Undeliverable\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n"
            b"--q\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--q--\r\n"
        )
    report = read_bounce(inner)
    assert report and report.recipients == []


def test_a_report_with_more_recipients_than_are_read_is_cut() -> None:
    blocks = "\r\n\r\n".join(f"Final-Recipient: rfc822; a{n}@x.test\r\nAction: failed\r\nStatus: 5.1.1" for n in range(3000))
    report = read_bounce(REPORT.format(fields=blocks).encode())
    assert report and 500 < len(report.recipients) <= MAX_RECIPIENTS


@pytest.mark.parametrize("piece", ["a@b.c ", "5.1.", "<", "\n ", "delivered to ", '"', "host.", "* ", "\n- ", "@", "450 "])
def test_c18_no_text_of_a_stranger_makes_the_patterns_slow(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    raw = f"From: MAILER-DAEMON@x.test\r\nSubject: Undeliverable\r\n\r\ncould not be delivered\r\n{text}".encode()
    began = time.process_time()
    read_bounce(raw)
    assert time.process_time() - began < 3


def test_what_a_report_holds_stays_on_one_line_and_short() -> None:
    report = read_bounce((SAMPLES / "bounces/own-dsn-forged-diag-de.eml").read_bytes())
    assert report and "<script>" in report.recipients[0].diagnostic
    long = read_bounce(_fields("Final-Recipient: rfc822; a@x.test", "Action: failed", "Diagnostic-Code: smtp; " + "x " * 9000))
    assert long and len(long.recipients[0].diagnostic) <= 1000 and "\n" not in long.recipients[0].diagnostic
