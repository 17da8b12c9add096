"""Complaints and read receipts."""

from pathlib import Path

import pytest

from webapp.mail.feedback import read_feedback, read_receipt

SAMPLES = Path(__file__).parents[1] / "mails"
HEAD = (
    "From: fbl@isp.test\r\nSubject: complaint\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n"
    "--b\r\n\r\nA reader complained.\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n{fields}\r\n--b\r\n"
    "Content-Type: message/rfc822\r\n\r\n"
    "Message-ID: <m@news.test>\r\nFrom: News <news@news.test>\r\nTo: {to}\r\nSubject: Offer\r\n\r\nhi\r\n--b--\r\n"
)


def test_a_complaint_names_reader_mail_and_return_path() -> None:
    feedback = read_feedback((SAMPLES / "reports/sisimai-arf-02.eml").read_bytes())
    assert feedback and feedback.feedback_type == "abuse" and feedback.is_complaint
    assert feedback.recipients == ["this-local-part-does-not-exist-on-yahoo@yahoo.com"]
    assert feedback.original_message_id == "<000000000000000000000000.smtp@example.com>"
    assert (feedback.original_mail_from, feedback.reporter) == ("shironeko@example.com", "Yahoo!-Mail-Feedback/1.0")


def test_all_readers_of_one_report_are_read() -> None:
    feedback = read_feedback((SAMPLES / "reports/sisimai-arf-16.eml").read_bytes())
    assert feedback and len(feedback.recipients) == 7 and feedback.recipients[0] == "kijitora@example.com"


def test_who_asks_to_be_taken_off_is_told_from_who_complained() -> None:
    feedback = read_feedback((SAMPLES / "reports/sisimai-arf-12.eml").read_bytes())
    assert feedback and feedback.feedback_type == "opt-out"
    assert (feedback.recipients, feedback.removal) == ([], ["user@example.com"])


def test_reports_without_the_part_of_rfc_5965_are_read() -> None:
    microsoft = read_feedback((SAMPLES / "reports/php-bounce-handler-fbl-hotmail.eml").read_bytes())
    assert microsoft and microsoft.recipients == ["somerecipient@hotmail.com"] and microsoft.is_complaint
    amazon = read_feedback((SAMPLES / "bounces/sisimai-lhost-amazonses-11.eml").read_bytes())
    assert amazon and amazon.recipients == ["complaint@simulator.amazonses.com"]


@pytest.mark.parametrize(
    ("kind", "complaint"), [("abuse", True), ("fraud", True), ("opt-out", True), ("not-spam", False), ("auth-failure", False)]
)
def test_only_a_person_complains(kind: str, complaint: bool) -> None:
    feedback = read_feedback(HEAD.format(fields=f"Feedback-Type: {kind}\r\nAuth-Failure: dmarc", to="a@x.test").encode())
    assert feedback and feedback.is_complaint is complaint
    assert feedback.kind == ("dmarc-failure" if kind == "auth-failure" else "feedback-report")


@pytest.mark.parametrize(
    ("to", "read"), [("a@x.test", ["a@x.test"]), ("a@x.test, b@x.test", []), ("redacted@x.test", []), ("undisclosed", [])]
)
def test_a_report_that_names_nobody_is_about_the_one_who_was_written_to(to: str, read: list[str]) -> None:
    feedback = read_feedback(HEAD.format(fields="Feedback-Type: abuse", to=to).encode())
    assert feedback and feedback.recipients == read


@pytest.mark.parametrize("kind", ["displayed", "deleted", "denied", "dispatched", "processed-error"])
def test_a_read_receipt_says_what_became_of_which_mail(kind: str) -> None:
    receipt = read_receipt((SAMPLES / f"reports/own-mdn-{kind}.eml").read_bytes())
    assert receipt and receipt.disposition == kind.replace("-", "/")
    assert (receipt.recipient, receipt.original_message_id) == ("reader@example.org", "<offer-1@example.com>")


def test_an_ordinary_mail_is_neither() -> None:
    raw = b"From: ann@x.test\r\nSubject: complaint about message from 192.0.2.1\r\n\r\nhi"
    assert read_feedback(raw) is None and read_receipt(raw) is None
