"""RFC 3834: what a program wrote is known, and nothing is answered that must not be."""

from pathlib import Path

import pytest

from webapp.mail.auto_reply import is_auto_reply, why_not_to_answer
from webapp.mail.mime import parse

SAMPLES = Path(__file__).parents[1] / "mails"
HEAD = "From: Ann <ann@x.test>\r\nTo: us@y.test\r\n"


@pytest.mark.parametrize("path", sorted((SAMPLES / "autoreplies").glob("*.eml")), ids=lambda path: path.stem)
def test_every_carried_auto_reply_is_known_and_not_answered(path: Path) -> None:
    mail = parse(path.read_bytes())
    assert is_auto_reply(mail)
    assert why_not_to_answer(mail)


@pytest.mark.parametrize("folder", ["bounces", "reports", "lists"])
def test_no_report_and_no_list_mail_is_answered(folder: str) -> None:
    answered = [path.name for path in sorted((SAMPLES / folder).glob("own-*.eml")) if not why_not_to_answer(parse(path.read_bytes()))]
    assert answered == []


@pytest.mark.parametrize("name", ["own-auto-looks-like-but-no", "own-auto-human-about-vacation"])
def test_a_person_who_writes_about_being_away_is_answered(name: str) -> None:
    path = SAMPLES / "plain" / f"{name}.eml"
    subject = {"own-auto-looks-like-but-no": "Re: out of office next week?", "own-auto-human-about-vacation": "My vacation plans"}[name]
    raw = path.read_bytes() if path.exists() else f"{HEAD}Auto-Submitted: no\r\nSubject: {subject}\r\n\r\nhi".encode()
    assert not is_auto_reply(parse(raw))
    assert why_not_to_answer(parse(raw)) is None


@pytest.mark.parametrize(
    ("header", "word"),
    [
        ("Return-Path: <>", "null return path"),
        ("Auto-Submitted: auto-generated (ticket)", "Auto-Submitted"),
        ("Content-Type: multipart/report; report-type=delivery-status", "report"),
        ("List-Id: <news.x.test>", "mailing list"),
        ("Precedence: bulk", "Precedence"),
        ("X-Auto-Response-Suppress: DR, OOF", "Suppress"),
        ("X-Loop: us@y.test", "X-Loop"),
        ("Subject: Automatische Antwort: Urlaub", "automatic answer"),
        ("Reply-To: no-reply@x.test", "Nobody"),
        ("Reply-To: news-request@x.test", "Nobody"),
        ("Reply-To: robot@y.test", "answers by itself"),
    ],
)
def test_the_reason_not_to_answer_is_said(header: str, word: str) -> None:
    why = why_not_to_answer(parse(f"{HEAD}{header}\r\n\r\nhi".encode()), own=frozenset({"robot@y.test"}))
    assert why is not None and word in why


def test_c17_the_envelope_counts_more_than_the_header() -> None:
    mail = parse(f"{HEAD}Return-Path: <ann@x.test>\r\n\r\nhi".encode())
    assert why_not_to_answer(mail) is None
    assert why_not_to_answer(mail, return_path="ann@x.test") is None
    assert "null return path" in (why_not_to_answer(mail, return_path="") or "")
    assert "Nobody" in (why_not_to_answer(mail, return_path="bounces+12@x.test") or "")


def test_an_ordinary_name_is_not_taken_for_a_machine() -> None:
    for name in ("b-smith", "it-admin", "bounceback.fan", "listener", "ownership"):
        assert why_not_to_answer(parse(f"From: {name}@x.test\r\n\r\nhi".encode())) is None, name
