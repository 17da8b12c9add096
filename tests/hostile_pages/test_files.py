"""C-10 and C-56: files of mail keep to their place, are saved and never opened, whatever they are called and say they are."""

import re
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.bulk.visit import foreign
from tests.factories.automation import arrive
from tests.factories.mailboxes import make_mailbox
from webapp.automation.contexts import sign_attachment
from webapp.core.db import db

NAMES = {
    "traversal": b"../../../../../../etc/cron.d/owned", "absolute": b"/etc/passwd", "windows": b"..\\\\..\\\\windows\\\\win.ini",
    "drive": b"C:\\\\autoexec.bat", "dots": b"..", "empty": b"", "slash": b"/", "blank": b"   ", "device": b"CON.txt",
    "stream": b"a.txt::$DATA", "nul": b"safe.txt\x00.exe", "quote": b'a\\"; filename=b.html', "long": b"a" * 5000 + b".txt",
    "right to left": "invoice_\u202efdp.exe".encode(), "zero width": "pay\u200bpal.html".encode(),
    "script": b"<img src=x onerror=alert(1)>.txt", "shell": b"$(touch owned);`id`|x.txt", "template": b"{{7*7}}.txt",
    "percent": b"%2e%2e%2f%2e%2e%2fetc%2fpasswd", "latin1": b"caf\xe9.txt", "broken": b"\xc3\x28\xff.txt",
    "overlong": b"\xc0\xae\xc0\xae\xc0\xaf.txt", "emoji": "\U0001f4a9.txt".encode(), "double": b"photo.jpg.exe", "dot file": b".htaccess",
    "trailing dot": b"a.exe.", "formula": b"=1+1.csv", "line separator": "a\u2028b.txt".encode(),
    "encoded word": b"=?utf-8?q?..=2F..=2Fetc=2Fpasswd=0D=0AX-A=3A1?=",
}  # fmt: skip
LYING = {
    "html": ("text/html", b"<script>alert(1)</script>"),
    "svg": ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
    "xhtml": ("application/xhtml+xml", b"<html xmlns='http://www.w3.org/1999/xhtml'><script>alert(1)</script></html>"),
    "html as picture": ("image/png", b"<script>alert(1)</script>"), "script": ("text/javascript", b"alert(1)"),
    "gif and script": ("image/gif", b"GIF89a/*\x00*/=1;alert(1)//"),
    "pdf and html": ("application/pdf", b"%PDF-1.4\n<script>alert(1)</script>"),
    "mail": ("message/rfc822", b"Content-Type: text/html\r\n\r\n<script>alert(1)</script>"),
    "no type": ("nonsense", b"<html><script>alert(1)</script>"), "xml": ("text/xml", b"<?xml-stylesheet href='//x.test/a'?><a/>"),
    "seven bits": ("text/html; charset=utf-7", b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-"),
}  # fmt: skip
DEVICES = re.compile(r"(?i)(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)")


def mail_with(parts: list[tuple[str, bytes, bytes]]) -> bytes:
    """A mail with files: (type, Content-Disposition value, content)."""
    body = b"".join(
        b"--q\r\nContent-Type: %s\r\nContent-Disposition: %s\r\n\r\n%s\r\n" % (kind.encode(), how, content) for kind, how, content in parts
    )
    head = b"From: a@b.test\r\nSubject: files\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n"
    return head + b"--q\r\n\r\nsee the files\r\n" + body + b"--q--\r\n"


@pytest.fixture
def named(alice: Any) -> Any:
    raw = mail_with([("application/octet-stream", b'attachment; filename="%s"' % name, b"harmless") for name in NAMES.values()])
    return arrive(make_mailbox(alice, "orders@acme.test"), raw=raw)


def offered_name(how: str) -> str:
    """What a browser would call the file (RFC 6266: filename* before filename)."""
    found = re.search(r"filename\*=UTF-8''([^;]+)", how)
    assert found, how
    return unquote(found[1])


def test_c10_every_file_is_offered_under_a_name_that_stays_in_its_folder(alice: Any, named: Any, tmp_path: Path) -> None:
    assert len(named.attachments) == len(NAMES)
    for number, item in enumerate(named.attachments, 1):
        for answer in (
            alice.page.get(f"/mail/{named.id}/attachments/{number}"),
            alice.api.get(f"/mailboxes/{named.mailbox_id}/archives/{named.id}/attachments/{number}"),
        ):
            how = answer.headers["Content-Disposition"]
            name = offered_name(how)
            assert answer.status_code == 200 and answer.data == b"harmless" and name == item["filename"]
            assert how.startswith("attachment; ") and how.isascii() and how.count('"') == 2
            assert not set(name) & set('/\\\x00\r\n<>:"|?*') and not name.startswith(".") and not DEVICES.match(name)
            assert len(name.encode()) <= 150 and name == name.strip() and name.isprintable()
            target = (tmp_path / name).resolve()
            target.write_bytes(answer.data)
            assert target.parent == tmp_path.resolve()


def test_c10_names_are_text_on_every_page_and_go_into_an_archive_as_they_are(alice: Any, named: Any, tmp_path: Path) -> None:
    for view in ("", "/attachments"):
        page = alice.page.get(f"/mail/{named.id}{view}").get_data(as_text=True)
        assert foreign(page) == [] and "<img src=x" not in page and "\u202e" not in page
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, item in enumerate(named.attachments):
            archive.writestr(f"{number}/{item['filename']}", b"harmless")
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "out")
        kept = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file())
        assert kept == sorted(archive.namelist()) and all(name.count("/") == 1 for name in kept)


IDS = ["<../../etc/passwd@x>", "<a\x00b@x>", "<" + "x" * 4000 + "@x>", '<"><script>alert(1)</script>@x>', "<\u202ex@x>"]


@pytest.mark.parametrize("message_id", IDS)
def test_c10_hostile_message_ids_name_no_file_of_ours(alice: Any, message_id: str) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    message = arrive(box, raw=b"From: a@b.test\r\nMessage-ID: %s\r\nSubject: x\r\n\r\nhi\r\n" % message_id.encode())
    how, name = alice.page.get(f"/mail/{message.id}/source").headers["Content-Disposition"], f"message-{message.id}.eml"
    assert how == f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}"
    assert foreign(alice.page.get(f"/mail/{message.id}").get_data(as_text=True)) == []


@pytest.mark.parametrize("kind", LYING)
def test_c56_whatever_a_file_says_it_is_a_browser_saves_it_and_opens_nothing(alice: Any, kind: str) -> None:
    content_type, content = LYING[kind]
    raw = mail_with([(content_type, b"attachment; filename=page.html", content)])
    message = arrive(make_mailbox(alice, "orders@acme.test"), raw=raw)
    db.session.commit()
    signed = sign_attachment(message.raw_id, 1, message.id)
    answers = {
        "page": alice.page.get(f"/mail/{message.id}/attachments/1"),
        "api": alice.api.get(f"/mailboxes/{message.mailbox_id}/archives/{message.id}/attachments/1"),
        "signed": alice.page.app.test_client().get(f"/attachments/{signed}"),
        "source": alice.page.get(f"/mail/{message.id}/source"),
    }
    for door, answer in answers.items():
        assert answer.status_code == 200, door
        policy, how = answer.headers["Content-Security-Policy"], answer.headers["Content-Disposition"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff" and how.startswith("attachment; "), door
        assert "sandbox" in policy and "default-src 'none'" in policy and "no-store" in answer.headers["Cache-Control"], door
        assert door in ("page", "source") or "Set-Cookie" not in answer.headers, door
        assert answer.mimetype == ("message/rfc822" if door == "source" else "application/octet-stream"), (door, answer.mimetype)


def test_c56_an_inline_picture_that_is_none_is_not_put_into_the_frame(alice: Any) -> None:
    svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
    body = b"".join(
        b"--q\r\nContent-Type: %s\r\nContent-ID: <p%d@x>\r\nContent-Disposition: inline\r\n\r\n%s\r\n" % (kind, number, svg)
        for number, kind in enumerate([b"image/svg+xml", b"text/html", b"image/png;x=<script>", b"application/xml"])
    )
    html = b"".join(b'<img src="cid:p%d@x">' % number for number in range(4))
    head = b"From: a@b.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=q\r\n\r\n"
    raw = head + b"--q\r\nContent-Type: text/html\r\n\r\n"
    message = arrive(make_mailbox(alice, "orders@acme.test"), raw=raw + html + b"\r\n" + body + b"--q--\r\n")
    frame = alice.page.get(f"/mail/{message.id}/html").get_data(as_text=True)
    assert re.findall(r"data:([^;]+);", frame) == ["image/png"] and "svg" not in frame.partition("</style>")[2]
