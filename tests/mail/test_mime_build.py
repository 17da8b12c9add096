"""Writing mail: what is written is read back the same by us and by the standard library, and no value leaves its line (C-68)."""

import email
import email.policy
import re
from email.header import decode_header, make_header
from email.utils import getaddresses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.mail.address import BadAddress, format_address
from webapp.mail.message_ids import thread_of
from webapp.mail.mime import NewAttachment, NewMail, build, check_header, edit, parse

NAMES = [
    "Ann",
    "Doe, John",
    'Jürgen, "x" <evil@x.test>' * 6,
    "<evil@x.test>",
    "=?utf-8?q?=3Cevil=40x=2Etest=3E?=",
    "用户" * 60,
    "a; b: (c)",
]


def _mail(**changes: object) -> NewMail:
    return NewMail(**{"sender": "ann@a.test", "to": ["bob@b.test"], "subject": "Hello", "text": "Hi\n", **changes})


def _check_lines(raw: bytes) -> None:
    assert b"\n" not in raw.replace(b"\r\n", b"") and b"\r" not in raw.replace(b"\r\n", b"")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998


@pytest.mark.parametrize("name", NAMES)
def test_c68_a_display_name_never_becomes_an_address(name: str) -> None:
    raw = build(_mail(sender_name=name))
    _check_lines(raw)
    assert (parse(raw).sender_name, parse(raw).sender) == (name, "ann@a.test")
    written = email.message_from_bytes(raw)["From"].replace("\r\n", "")
    [(theirs, address)] = getaddresses([written])
    assert address == "ann@a.test" and str(make_header(decode_header(theirs))) == name


@pytest.mark.parametrize(
    "subject", ["", "plain", "é" * 300, "x" * 3000, "=?utf-8?q?x?=", "word " * 500, "  two  blanks  ", "📮 post", "a\tb"]
)
def test_subjects_are_read_back_as_a_person_would(subject: str) -> None:
    raw = build(_mail(subject=subject))
    _check_lines(raw)
    assert parse(raw).subject == " ".join(subject.split())[:2000]
    theirs = str(make_header(decode_header(email.message_from_bytes(raw)["Subject"].replace("\r\n", ""))))
    assert " ".join(theirs.split()) == " ".join(subject.split())


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\x00", "\u2028", "\x85", "\x0b"])
@pytest.mark.parametrize(
    "field", ["subject", "sender", "sender_name", "reply_to", "message_id", "in_reply_to", "references", "auto_submitted"]
)
def test_c68_line_ends_of_any_kind_are_refused_in_every_field(field: str, end: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        build(_mail(**{field: f"ann@a.test{end}Bcc: evil@x.test"}))


@pytest.mark.parametrize("end", ["\r\n", "\n", "\u2028"])
def test_c68_line_ends_are_refused_in_headers_recipients_and_file_names(end: str) -> None:
    bad = f"x{end}Bcc: evil@x.test"
    for changes in (
        {"headers": [("X-A", bad)]},
        {"headers": [(bad, "x")]},
        {"to": [bad]},
        {"cc": [bad]},
        {"attachments": [NewAttachment(bad, b"x")]},
        {"attachments": [NewAttachment("a.png", b"x", "image/png", bad)]},
    ):
        with pytest.raises(ValueError, match=r"\w"):
            build(_mail(**changes))
    for changes in ({"subject": bad}, {"prepend": [("X-A", bad)]}, {"prepend": [(bad, "x")]}):
        with pytest.raises(ValueError, match=r"\w"):
            edit(build(_mail()), **changes)


@pytest.mark.parametrize("name", ["From", "to", "Bcc", "Content-Type", "MIME-Version", "Received", "DKIM-Signature", "a b", "a:b", "", "é"])
def test_headers_that_are_ours_or_no_names_are_refused(name: str) -> None:
    with pytest.raises(BadAddress):
        check_header(name, "x")


def test_blind_copies_are_recipients_and_never_written() -> None:
    mail = _mail(cc=["c@c.test"], bcc=["secret@d.test", "bob@b.test"])
    assert mail.recipients == ["bob@b.test", "c@c.test", "secret@d.test"] and b"secret" not in build(mail)


def test_a_long_unsubscribe_address_arrives_as_it_is() -> None:
    value = f"<https://x.test/{'a' * 300}>, <mailto:x@y.test>"
    raw = build(_mail(headers=[("List-Unsubscribe", value), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")]))
    _check_lines(raw)
    assert email.message_from_bytes(raw)["List-Unsubscribe"].replace("\r\n", "") == value
    with pytest.raises(BadAddress):
        build(_mail(headers=[("List-Unsubscribe", f"<https://x.test/{'a' * 2000}>")]))


def test_addresses_in_letters_are_written_as_they_are() -> None:
    raw = build(_mail(sender="jürgen@müller.test", to=["用户@例子.test"]))
    assert parse(raw).sender == "jürgen@xn--mller-kva.test" and parse(raw).to == [("", "用户@xn--fsqu00a.test")]


def test_text_html_and_files_are_one_tree_that_others_read_too() -> None:
    files = [NewAttachment("grüße.pdf", b"%PDF\x00", "application/pdf"), NewAttachment("p.png", b"PNG", "image/png", "p@x")]
    raw = build(_mail(text="Grüße\n.\nFrom me\n" + "x" * 5000, html="<p>ü</p>", attachments=files))
    _check_lines(raw)
    mine, theirs = parse(raw), email.message_from_bytes(raw, policy=email.policy.default)
    assert mine.text.startswith("Grüße\n.\nFrom me\nxxx") and (mine.html or "").strip() == "<p>ü</p>"
    assert [(a.filename, a.content) for a in mine.attachments] == [("grüße.pdf", b"%PDF\x00"), ("p.png", b"PNG")]
    assert theirs.get_body(("plain",)).get_content().splitlines()[:2] == ["Grüße", "."]
    assert [part.get_filename() for part in theirs.iter_attachments()] == ["grüße.pdf", "p.png"]


@given(st.text(max_size=200), st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_text_can_be_written_or_is_refused(subject: str, text: str) -> None:
    try:
        raw = build(_mail(subject=subject, text=text))
    except ValueError:
        return
    _check_lines(raw)
    assert "Bcc" not in [name for name, _ in parse(raw).headers]


def test_an_edited_subject_leaves_the_body_byte_for_byte() -> None:
    raw = build(_mail(text="Hi\n\nthere  \n"))
    changed = edit(raw, subject="Grüße", prepend=[("X-Route", "one")])
    assert parse(changed).subject == "Grüße" and parse(changed).headers[0] == ("X-Route", "one")
    assert changed.partition(b"\r\n\r\n")[2] == raw.partition(b"\r\n\r\n")[2]
    assert changed.lower().count(b"\nsubject:") == 1


def test_an_edited_body_keeps_files_and_added_files_come_last() -> None:
    raw = build(_mail(text="old", html="<p>old</p>", attachments=[NewAttachment("a.txt", b"a", "text/csv")]))
    changed = parse(edit(raw, text="new", attachments=[NewAttachment("b.bin", b"b")]))
    assert changed.text.strip() == "new" and changed.html is None
    assert [(a.filename, a.content) for a in changed.attachments] == [("a.txt", b"a"), ("b.bin", b"b")]
    added = parse(edit(raw, attachments=[NewAttachment("c.bin", b"c")]))
    assert added.text.strip() == "old" and "old" in (added.html or "") and [a.filename for a in added.attachments] == ["a.txt", "c.bin"]


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"just text\r\nand more\r\n", b"just text\r\nand more\r\n"),
        (b"From x@y.test Mon Feb  8 02:00:00 2026\r\nSubject: a\r\n\r\nbody\r\n", b"body\r\n"),
        (b"Subject: a\r\nno field at all\r\n\r\nbody\r\n", b"no field at all\r\n\r\nbody\r\n"),
        (b"Subject: a\r\nX-A\x00B: 1\r\nX-C: 2\r\n b\r\n\r\nbody\r\n", b"body\r\n"),
        (b"\r\nFrom: x@y.test\r\n\r\nbody\r\n", b"From: x@y.test\r\n\r\nbody\r\n"),
        (b" folded\r\nSubject : a\r\n\r\nbody", b"body"),
        (b"", b""),
    ],
)
def test_c68_headers_on_top_of_a_broken_block_make_no_header_of_anything_else(raw: bytes, body: bytes) -> None:
    changed = edit(raw, prepend=[("X-Top", "1")])
    head, _, rest = changed.partition(b"\r\n\r\n")
    assert rest == body
    assert head.split(b"\r\n")[0] == b"X-Top: 1"
    assert all(re.match(rb"[!-9;-~]+[ \t]*:|[ \t]", line) for line in head.split(b"\r\n"))


def test_a_name_or_an_id_that_no_line_can_hold_is_no_reason_not_to_answer() -> None:
    assert max(map(len, format_address("x" * 1000, "a@b.test").split(" "))) <= 76
    long = f"<{'x' * 2000}@y.test>"
    assert thread_of(long, f"{long} <1@x.test> junk") == (None, "<1@x.test>")
    assert thread_of("<2@x.test>", "", "<1@x.test>") == ("<2@x.test>", "<1@x.test> <2@x.test>")
    raw = build(_mail(in_reply_to="<2@x.test>", references=" ".join(f"<{number}@x.test>" for number in range(500))))
    _check_lines(raw)
