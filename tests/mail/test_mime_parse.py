"""Reading mail: letters of all charsets, files of all spellings, and who wrote to whom."""

import base64
import json
import re
import struct
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.mail import charsets
from webapp.mail.address import normalise
from webapp.mail.mime import parse, preview, safe_filename, search_text

SAMPLES = Path(__file__).parents[1] / "mails"
EXPECTED = {
    name: wanted
    for name, wanted in json.loads((SAMPLES / "expected.json").read_text("utf-8")).items()
    if wanted.keys() & {"text", "from_"} and wanted["basis"] == "written-so"
}
HEAD = b"From: a@b.test\r\nMIME-Version: 1.0\r\n"


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", text)).strip()


@pytest.mark.parametrize("name", EXPECTED)
def test_text_subject_and_sender_are_read_in_every_charset(name: str) -> None:
    wanted, mail = EXPECTED[name], parse((SAMPLES / name).read_bytes())
    assert _plain(wanted.get("text", "")) in _plain(mail.text)
    assert _plain(wanted.get("subject", mail.subject)) == _plain(mail.subject)
    assert mail.sender == normalise(wanted.get("from_", mail.sender))


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*/*.eml")), ids=lambda path: path.stem)
def test_every_sample_is_read_without_an_inner_failure_and_holds_no_nul(path: Path) -> None:
    mail = parse(path.read_bytes())
    assert "could not be read" not in (mail.problem or "")
    everything = [
        mail.subject,
        mail.text,
        mail.html or "",
        mail.sender,
        *[value for _, value in mail.headers],
        *[a.filename for a in mail.attachments],
    ]
    for text in everything:
        assert "\x00" not in text and text.encode().decode() == text


def test_c11_an_encoded_name_cannot_hide_an_address() -> None:
    mail = parse(
        b"From: =?utf-8?q?boss=40bank=2Etest=3E=2C_x?= <evil@x.test>\r\nTo: =?utf-8?q?a=40spoof=2Etest=2C?= <b@y.test>\r\n"
        b"Reply-To: =?utf-8?q?=3Cc=40spoof=2Etest=3E?= <d@y.test>\r\n\r\nhi"
    )
    assert mail.sender == "evil@x.test" and mail.sender_name == "boss@bank.test>, x"
    assert [address for _, address in mail.to] == ["b@y.test"]
    assert [address for _, address in mail.reply_to] == ["d@y.test"]


def test_c68_an_encoded_line_end_stays_inside_its_header() -> None:
    mail = parse(b"From: =?utf-8?q?a=0D=0ABcc=3A_x=40y=2Etest?= <a@b.test>\r\nSubject: =?utf-8?b?eA0KRXZpbDogMQ==?=\r\n\r\nhi")
    assert [name for name, _ in mail.headers] == ["From", "Subject"]
    assert not set(mail.subject + mail.sender_name + mail.sender_text) & set("\r\n")


def test_headers_keep_their_order_and_repetitions() -> None:
    mail = parse(b"Received: 1\r\nX-A: one\r\nReceived: 2\r\n three\r\nx-a: two\r\n\r\nhi")
    assert mail.headers == [("Received", "1"), ("X-A", "one"), ("Received", "2 three"), ("x-a", "two")]
    assert mail.header("x-a") == "one" and mail.header_all("X-A") == ["one", "two"]


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
def test_parts_are_found_whatever_the_lines_end_with(end: bytes) -> None:
    raw = HEAD + b'Content-Type: multipart/mixed; boundary="q q"\r\n\r\nno\r\n--q q\r\n\r\nhello\r\nyou\r\n--q q\r\n'
    raw += b"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--q q--\r\nno\r\n"
    mail = parse(raw.replace(b"\r\n", end))
    assert mail.text == "hello\nyou"
    assert [(a.filename, a.content_type, a.content, a.size) for a in mail.attachments] == [("a.pdf", "application/pdf", b"%PDF", 4)]


def test_the_alternative_that_people_see_becomes_text_and_html_and_the_calendar_a_file() -> None:
    raw = (
        HEAD
        + b"Content-Type: multipart/alternative; boundary=q\r\n\r\n--q\r\n\r\nplain\r\n--q\r\nContent-Type: text/html\r\n\r\n<p>rich\r\n"
    )
    raw += b"--q\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\n--q--\r\n"
    mail = parse(raw)
    assert (mail.text, mail.html) == ("plain", "<p>rich")
    assert [(a.content_type, a.filename) for a in mail.attachments] == [("text/calendar", "attachment-1.ics")]


def test_a_picture_of_the_html_is_inline_and_a_forwarded_mail_is_one_file() -> None:
    raw = HEAD + b"Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: multipart/related; boundary=r\r\n\r\n"
    raw += b"--r\r\nContent-Type: text/html\r\n\r\n<img src=cid:p@x>\r\n"
    raw += b"--r\r\nContent-Type: image/png\r\nContent-ID: <p@x>\r\n\r\nPNG\r\n--r--\r\n"
    raw += b"--m\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text\r\n--m--\r\n"
    mail = parse(raw)
    assert mail.text == "" and "cid:p@x" in (mail.html or "")
    picture, forwarded = mail.attachments
    assert (picture.content_id, picture.inline, picture.content) == ("p@x", True, b"PNG")
    assert forwarded.content == b"Subject: inner\r\n\r\ninner text" and not forwarded.inline and forwarded.filename.endswith(".eml")


def test_a_mail_of_html_alone_has_text_too() -> None:
    mail = parse(HEAD + b"Content-Type: text/html\r\n\r\n<style>x{}</style><p>Hello</p><p>you &amp; me</p>")
    assert mail.text.split() == ["Hello", "you", "&", "me"]
    assert preview(mail) == "Hello you & me" and preview(mail, 5) == "Hello"


def test_file_names_of_all_spellings_are_read() -> None:
    parts = [
        (b"Content-Disposition: attachment; filename*0*=utf-8''%E2%82%AC; filename*1*=%20rates; filename*2=\" 1.txt\"", "€ rates 1.txt"),
        (b"Content-Disposition: attachment; filename=\"plain.txt\"; filename*=utf-8''%F0%9F%92%A9.txt", "💩.txt"),
        (b"Content-Type: application/pdf; name==?utf-8?q?encoded=20word.pdf?=", "encoded word.pdf"),
        (b"Content-Type: application/pdf; name=two words.pdf", "two words.pdf"),
        (b'Content-Disposition: attachment; filename="=?iso-8859-1?q?gr=FC=DFe?=.pdf"', "grüße.pdf"),
        ('Content-Disposition: attachment; filename="grüße.pdf"'.encode(), "grüße.pdf"),
        (b'Content-Disposition: attachment; filename="C:\\temp\\x.doc"', "x.doc"),
    ]
    body = b"".join(b"--q\r\n" + header + b"\r\n\r\nx\r\n" for header, _ in parts)
    mail = parse(HEAD + b"Content-Type: multipart/mixed; boundary=q\r\n\r\n" + body + b"--q--\r\n")
    assert [a.filename for a in mail.attachments] == [name for _, name in parts]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\x.txt", "x.txt"),
        ("/", "attachment-7.pdf"),
        ("..", "attachment-7.pdf"),
        ("a\x00b.txt", "ab.txt"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("con", "_con"),
        ("NUL.txt", "_NUL.txt"),
        ("com1.log", "_com1.log"),
        ("console.txt", "console.txt"),
        (".htaccess", "htaccess"),
        ("a\r\nb.txt", "a b.txt"),
        ('a"<b>|.txt', "a__b__.txt"),
        ("  x  .txt ", "x .txt"),
        ("", "attachment-7.pdf"),
        ("x.txt. . ", "x.txt"),
        ("a\u2028b", "a b"),
    ],
)
def test_c10_file_names_stay_in_their_folder_and_show_what_they_are(name: str, safe: str) -> None:
    assert safe_filename(name, 7, "application/pdf") == safe


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_c10_no_name_leaves_its_folder(name: str) -> None:
    safe = safe_filename(name)
    assert safe and len(safe.encode()) <= 150 and not set(safe) & set('/\\\x00\r\n<>:"|?*') and not safe.startswith((".", " "))
    assert safe_filename(safe) == safe


def test_a_long_file_name_keeps_its_ending() -> None:
    assert safe_filename("é" * 4000 + ".pdf").endswith("é.pdf")


def test_uuencoded_files_in_the_text_become_attachments() -> None:
    mail = parse(HEAD + b"\r\nbefore\r\nbegin 644 a.txt\r\n#86)C\r\n`\r\nend\r\nafter\r\n")
    assert [(a.filename, a.content) for a in mail.attachments] == [("a.txt", b"abc")]
    assert "before" in mail.text and "after" in mail.text and "86)C" not in mail.text


def test_files_in_winmail_dat_are_unpacked() -> None:
    def attribute(name: int, value: bytes) -> bytes:
        return b"\x02" + struct.pack("<II", name, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)

    stream = struct.pack("<IH", 0x223E9F78, 1) + attribute(0x00069002, bytes(14)) + attribute(0x00018010, b"notes.txt\x00")
    stream += (
        attribute(0x0006800F, b"hello")
        + attribute(0x00069002, bytes(14))
        + attribute(0x00018010, b"../b.bin\x00")
        + attribute(0x0006800F, b"x")
    )
    for data in (stream, *(stream[:cut] for cut in range(len(stream)))):
        mail = parse(HEAD + b'Content-Type: application/ms-tnef; name="winmail.dat"\r\nContent-Transfer-Encoding: binary\r\n\r\n' + data)
        assert mail.attachments[0].filename == "winmail.dat" and "could not be read" not in (mail.problem or "")
    mail = parse(HEAD + b'Content-Type: application/ms-tnef; name="winmail.dat"\r\nContent-Transfer-Encoding: binary\r\n\r\n' + stream)
    assert [(a.filename, a.content) for a in mail.attachments[1:]] == [("notes.txt", b"hello"), ("b.bin", b"x")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"Mon, 14 Sep 2026 12:00:00 +0200", datetime(2026, 9, 14, 10, tzinfo=UTC)),
        (b"14 Sep 2026 12:00:00 -0000", datetime(2026, 9, 14, 12, tzinfo=UTC)),
        (b"yesterday", None),
        (b"", None),
        (b"Mon, 99 Sep 99999 12:00:00 +9999", None),
        (b"1" * 100_000, None),
    ],
)
def test_dates_are_utc_or_absent(text: bytes, expected: datetime | None) -> None:
    assert parse(b"Date: " + text + b"\r\n\r\nx").date == expected


def test_the_words_to_search_for_are_bounded_in_bytes() -> None:
    mail = parse(
        HEAD + b"To: Ann <ann@x.test>\r\nSubject: Needle\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + "é".encode() * 300_000
    )
    words = search_text(mail)
    assert len(words.encode()) <= 200_000 and "Needle" in words and "ann@x.test" in words


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_bytes_make_the_reader_raise(raw: bytes) -> None:
    for mail in (parse(raw), parse(HEAD + b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n" + raw)):
        assert "could not be read" not in (mail.problem or "")


@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0, 400), st.sampled_from([b"=", b"\0", b" ", b"A", b"\r\n"])), max_size=4))
@settings(max_examples=150, deadline=None)
def test_base64_read_in_pieces_says_what_it_says_at_once(data: bytes, strange: list[tuple[int, bytes]]) -> None:
    text = base64.encodebytes(data)
    for place, sign in strange:
        text = text[:place] + sign + text[place:]
    at_once = charsets.lenient_base64(text)
    with mock.patch.object(charsets, "_PIECE", 64):
        assert charsets.lenient_base64(text) == at_once == charsets.lenient_base64(b"before" + text + b"behind", 6, 6 + len(text))
