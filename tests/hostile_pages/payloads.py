"""Script payloads as mail: each in the HTML, the subject, the sender's name and a file name of a mail of its own."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from tests.bulk.mails import Sample, collect


@dataclass(frozen=True)
class Payload:
    """A piece of HTML that wants to run, ask, or change what is around it."""

    name: str
    html: str


def corpora(folder: Path, every: int = 1) -> list[Payload]:
    """The payloads of every `xss-*.json` below a folder; of long lists each so-manieth."""
    found = []
    for file in sorted(folder.rglob("xss-*.json")):
        rows = json.loads(file.read_text("utf-8"))["payloads"]
        found += [Payload(row["id"], row["payload"]) for row in rows[:: every if len(rows) > 200 else 1]]
    return found


def mail_of(payload: Payload) -> bytes:
    """RFC 5322 with CRLF; the payload in base64, so that it arrives as it is."""
    flat = " ".join(payload.html.split()).encode("utf-8", "replace")[:300]
    word = "=?utf-8?b?" + base64.b64encode(flat).decode() + "?="
    html = base64.encodebytes(payload.html.encode("utf-8", "replace")).replace(b"\n", b"\r\n").decode()
    return (
        f"From: {word} <mallory@example.org>\r\nTo: inbox@example.com\r\nSubject: {word}\r\nX-Payload: {word}\r\n"
        f"Message-ID: <{payload.name}@payload.example.org>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=XSS\r\n\r\n"
        f"--XSS\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{html}"
        f'--XSS\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename="{word}"\r\n\r\n'
        "<script>alert(1)</script>\r\n--XSS--\r\n"
    ).encode()


def samples(payloads: list[Payload], into: Path) -> list[Sample]:
    """The payloads as files that can be handed over."""
    into.mkdir(parents=True)
    found = []
    for payload in payloads:
        path = into / f"{payload.name}.eml"
        path.write_bytes(mail_of(payload))
        found.append(Sample(f"payload/{payload.name}", path))
    return found


def html_mails(folder: Path) -> list[Sample]:
    """The mails of the folders `hostile` and `html`."""
    return collect(folder, ("hostile", "html"))
