"""What campaigns are measured against: the best that bare Python does here, and what one writes first.

    Ceiling         slots in bytes, four pipelined connections, a claim and a result per row in a bare table (synchronous=FULL), a thousand
                    per transaction, signed with `cryptography`; no product around it, nothing that can go wrong
    straightforward email.message, smtplib, dkimpy, a row per mail
"""

import base64
import hashlib
import hmac
import html
import quopri
import re
import smtplib
import socket
import sqlite3
import time
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from operator import itemgetter
from pathlib import Path
from typing import Any

import dkim as dkimpy
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from webapp.core.db import utcnow
from webapp.mail.dkim import load_key

BASE = "https://mail.example.test"
FROM = "Garden News <news@acme.test>"
SECRET = b"a secret for tokens of the ceiling"
BATCH, LANES = 1000, 4
LINKS = tuple(f"https://www.example.test/offers/{n}?ref=newsletter&lang=en" for n in range(5))
_PARA = (
    '<p style="margin:0 0 12px 0;font-family:Arial,Helvetica,sans-serif;font-size:15px;line-height:22px;color:#333333">'
    "Our garden tools survive rain, frost and enthusiastic beginners; this month we tested forty of them &amp; kept nine.</p>\n"
)
HTML = (
    '<!doctype html>\n<html><head><meta charset="utf-8"><title>News for {{contact.first_name}}</title></head>\n<body>\n'
    "<h1>Hello {{contact.first_name}} {{contact.last_name}}</h1>\n<p>News for {{contact.city}}:</p>\n"
    + "".join(f'{_PARA * 7}<p><a href="{html.escape(url)}">Read more {n}</a></p>\n' for n, url in enumerate(LINKS))
    + '<p>Sent to {{contact.email}}. <a href="{{unsubscribe_url}}">Unsubscribe</a></p>\n</body></html>\n'
)
TEXT = "Hello {{contact.first_name}},\n\nNews for {{contact.city}}. Read it online.\n\nUnsubscribe: {{unsubscribe_url}}\n"
SUBJECT = "{{contact.first_name}}, nine tools for {{contact.city}}"
FIRST = ("Anna", "José", "Li", "Mehmet", "Zoë", "John", "Fatima", "Olga")
LAST, CITIES = ("Müller", "Smith", "O'Neill", "Tan"), ("Köln", "Oslo", "Porto")
DOMAINS = tuple(f"example{n}.test" for n in range(60))


def person(number: int) -> tuple[str, str, str, str]:
    """Address, first name, last name, city of the n-th person; the same for everybody who is measured."""
    names = FIRST[number % len(FIRST)], LAST[number % len(LAST)], CITIES[number % len(CITIES)]
    return (f"user{number}@{DOMAINS[number * 7 % len(DOMAINS)]}", *names)


_TAG = re.compile(r"\{\{(?:contact\.)?(\w+)\}\}")


class _Pipe:
    """One connection; what comes next travels with the body before it."""

    def __init__(self, port: int) -> None:
        self.line = socket.create_connection(("127.0.0.1", port), 10)
        self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.line.makefile("rb", 65536)
        self.hear()
        self.line.sendall(b"EHLO bench.test\r\n")
        self.hear()
        self.body: bytes | None = None
        self.owed = 0

    def hear(self) -> None:
        while True:
            line = self.file.readline()
            if line[:1] not in (b"2", b"3"):
                raise SystemExit(f"the sink said {line!r}")
            if line[3:4] != b"-":
                return

    def put(self, recipient: bytes, sender: bytes, wire: bytes) -> None:
        """Answers that are owed are read now, when the sink had time to give them."""
        for _ in range(self.owed):
            self.hear()
        envelope = b"MAIL FROM:<%b>\r\nRCPT TO:<%b>\r\nDATA\r\n" % (sender, recipient)
        self.line.sendall(envelope if self.body is None else b"%b.\r\n%b" % (self.body, envelope))
        self.owed = 3 if self.body is None else 4
        self.body = wire

    def flush(self) -> None:
        for _ in range(self.owed):
            self.hear()
        if self.body is not None:
            self.line.sendall(self.body + b".\r\n")
            self.hear()
        self.body, self.owed = None, 0


class Ceiling:
    """The bare sender; `keys` are PEM texts."""

    def __init__(self, folder: Path, port: int, keys: tuple[str, ...]) -> None:
        self.file, self.port, self.keys = folder / "ceiling.sqlite", port, keys

    def fill(self, number: int) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.file}{suffix}").unlink(missing_ok=True)
        ledger = self._open()
        ledger.executescript(
            "CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, first_name TEXT, last_name TEXT, city TEXT,"
            " state TEXT);"
            "CREATE TABLE ledger (person_id INTEGER PRIMARY KEY, state TEXT, lease INTEGER);"
            "CREATE TABLE sent (id INTEGER PRIMARY KEY, person_id INTEGER, message_id TEXT, at REAL);"
        )
        ledger.execute("BEGIN IMMEDIATE")
        rows = [(n, *person(n)) for n in range(1, number + 1)]
        ledger.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?, 'active')", rows)
        ledger.execute("COMMIT")
        ledger.close()

    def _open(self) -> sqlite3.Connection:
        ledger = sqlite3.connect(self.file, isolation_level=None, timeout=30)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            ledger.execute(f"PRAGMA {pragma}")
        return ledger

    def send(self, first: int, last: int) -> None:
        ledger, make = self._open(), _Maker(self.keys)
        pipes = [_Pipe(self.port) for _ in range(LANES)]
        query = "SELECT id, email, first_name, last_name, city FROM people WHERE id > ? AND id <= ? AND state = 'active'"
        query += " ORDER BY id LIMIT 1000"
        position = first - 1
        while rows := ledger.execute(query, (position, last)).fetchall():
            ledger.execute("BEGIN IMMEDIATE")
            ledger.executemany("INSERT INTO ledger VALUES (?, 'claimed', 1)", [(row[0],) for row in rows])
            ledger.execute("COMMIT")
            done = []
            for place, row in enumerate(rows):
                message_id, wire = make.mail(row)
                pipes[place % LANES].put(row[1].encode(), b"bounce+%d@acme.test" % row[0], wire)
                done.append((row[0], message_id, time.time()))
            for pipe in pipes:
                pipe.flush()
            ledger.execute("BEGIN IMMEDIATE")
            ledger.executemany("UPDATE ledger SET state = 'sent' WHERE person_id = ?", [(one[0],) for one in done])
            ledger.executemany("INSERT INTO sent (person_id, message_id, at) VALUES (?, ?, ?)", done)
            ledger.execute("COMMIT")
            position = rows[-1][0]


class _Maker:
    """The letter in bytes with slots, fenced by soft line breaks."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        number = iter(range(1, 6))
        page = re.sub(r'href="https?://www[^"]+"', lambda _: f'href="{BASE}/t/c/{{{{token}}}}/{next(number)}"', HTML)
        page = page.replace("</body>", f'<img src="{BASE}/t/o/{{{{token}}}}.gif" width="1" height="1" alt=""></body>')
        page, text = (part.replace("{{unsubscribe_url}}", BASE + "/u/{{token}}") for part in (page, TEXT))
        places: list[int] = []
        head = b"\r\nContent-Type: %b; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        self.body = b"".join((
            b"--=_b", head % b"text/plain", self._part(text, places, 0), b"\r\n--=_b", head % b"text/html", self._part(page, places, 5),
            b"\r\n--=_b--\r\n",
        ))  # fmt: skip
        self.pick = itemgetter(*places)
        kind = b'multipart/alternative; boundary="=_b"'
        self.head = (
            b"From: " + FROM.encode() + b"\r\nTo: %b\r\nSubject: %b\r\nDate: %b\r\nMessage-ID: %b\r\nList-Unsubscribe: <%b>\r\n"
            b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nMIME-Version: 1.0\r\nContent-Type: " + kind + b"\r\n"
        )
        self.relaxed = (
            b"from:" + FROM.encode() + b"\r\nto:%b\r\nsubject:%b\r\ndate:%b\r\nmessage-id:%b\r\nlist-unsubscribe:<%b>\r\n"
            b"list-unsubscribe-post:List-Unsubscribe=One-Click\r\nmime-version:1.0\r\ncontent-type:" + kind + b"\r\n"
        )
        self.keys = [load_key(key) for key in keys]
        self.known: dict[str, tuple[bytes, bytes]] = {}

    @staticmethod
    def _part(template: str, places: list[int], shift: int) -> bytes:
        order = {"first_name": 0, "last_name": 1, "city": 2, "email": 3, "token": 4}
        made = []
        for place, piece in enumerate(_TAG.split(template)):
            if place % 2:
                made.append(b"=\r\n%b=\r\n")
                places.append(order[piece] + shift)
            else:
                made.append(quopri.encodestring(piece.encode()).replace(b"\n", b"\r\n").replace(b"%", b"%%"))
        return re.sub(rb"(^|\r\n)\.", rb"\1=2E", b"".join(made))

    def _value(self, text: str) -> tuple[bytes, bytes]:
        found = self.known.get(text)
        if found is None:
            plain, escaped = (quopri.encodestring(one.encode(), quotetabs=True).replace(b"\n", b"") for one in (text, html.escape(text)))
            found = self.known[text] = plain, escaped
            if len(self.known) > 20_000:
                self.known.clear()
        return found

    def mail(self, row: Any) -> tuple[str, bytes]:
        number, email, first, last, city = row
        address = email.encode()
        token = b"%d.%b" % (number, base64.urlsafe_b64encode(hmac.digest(SECRET, b"1:%d" % number, "sha256")[:12]))
        values = (self._value(first), self._value(last), self._value(city))
        body = self.body % self.pick((*(one[0] for one in values), address, token, *(one[1] for one in values), address, token))
        subject = f"{first}, nine tools for {city}"
        line = subject.encode() if subject.isascii() else b"=?utf-8?b?" + base64.b64encode(subject.encode()) + b"?="
        message_id = b"<ceiling.%d@acme.test>" % number
        gaps = (address, line, _date(int(time.time())), message_id, BASE.encode() + b"/u/" + token)
        head = self.head % gaps
        return message_id.decode(), b"".join((*self._signatures(gaps, body), head, b"\r\n", body))

    def _signatures(self, gaps: Any, body: bytes) -> list[bytes]:
        if not self.keys:
            return []
        body_hash, relaxed, made = base64.b64encode(hashlib.sha256(body).digest()), self.relaxed % gaps, []
        for key in self.keys:
            is_rsa = hasattr(key, "key_size")
            tags = (
                b"v=1; a=%b-sha256; c=relaxed/simple; d=acme.test; s=bench;"
                b" h=from:to:subject:date:message-id:list-unsubscribe:list-unsubscribe-post:mime-version:content-type; bh=%b; b="
            ) % (b"rsa" if is_rsa else b"ed25519", body_hash)
            data = relaxed + b"dkim-signature:" + tags
            sign: Any = key.sign
            signature = sign(data, padding.PKCS1v15(), hashes.SHA256()) if is_rsa else sign(hashlib.sha256(data).digest())
            made.append(b"DKIM-Signature: %b%b\r\n" % (tags, base64.b64encode(signature)))
        return made


_dated: dict[int, bytes] = {}


def _date(second: int) -> bytes:
    if second not in _dated:
        _dated.clear()
        _dated[second] = format_datetime(utcnow()).encode()
    return _dated[second]


def straightforward(file: Path, port: int, first: int, last: int, key: str | None) -> None:
    """What one writes first, with the same mails: rendered, rewritten, built, signed and recorded one by one."""
    ledger = sqlite3.connect(file, timeout=30)
    line = smtplib.SMTP("127.0.0.1", port, local_hostname="bench.test")
    href = re.compile(r'href="(https?://www[^"]+)"')
    people = ledger.execute("SELECT id, email, first_name, last_name, city FROM people WHERE id BETWEEN ? AND ?", (first, last)).fetchall()
    for number, email, *names in people:
        token = base64.urlsafe_b64encode(hmac.digest(SECRET, b"1:%d" % number, "sha256")[:12]).decode()
        values = dict(zip(("first_name", "last_name", "city"), names, strict=True), email=email, unsubscribe_url=f"{BASE}/u/{token}")
        subject, text, page = (_TAG.sub(lambda tag, values=values: str(values[tag[1]]), one) for one in (SUBJECT, TEXT, HTML))
        page = href.sub(lambda _, token=token: f'href="{BASE}/t/c/{token}/1"', page)
        page = page.replace("</body>", f'<img src="{BASE}/t/o/{token}.gif" width="1" height="1" alt=""></body>')
        mail = EmailMessage(policy=SMTP)
        mail["From"], mail["To"], mail["Subject"], mail["Date"] = FROM, email, subject, format_datetime(utcnow())
        mail["Message-ID"], mail["List-Unsubscribe"] = make_msgid(domain="acme.test"), f"<{BASE}/u/{token}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        mail.set_content(text)
        mail.add_alternative(page, subtype="html")
        raw = mail.as_bytes()
        if key is not None:
            raw = dkimpy.sign(raw, b"bench", b"acme.test", key.encode(), canonicalize=(b"relaxed", b"relaxed")) + raw
        line.sendmail(f"bounce+{number}@acme.test", [email], raw)
        ledger.execute("INSERT INTO sent (person_id, message_id, at) VALUES (?, ?, ?)", (number, mail["Message-ID"], time.time()))
        if number % 100 == 0:
            ledger.commit()
    ledger.commit()
    line.quit()
