"""Mail to parsed, searchable and visible: how many a second the workers keep up with, and how far behind they are at an even pace.

    flood   all mails as fast as they are taken; from the first byte until the last one is read (goal: 600 mails/s)
    pace    500 a second come in; how long from the `250` of every tenth of a second's mail until it is processed, found by a word of its
            own and shown in the list of its mailbox (goal: p99 under 2 s)

Over kept SMTP sessions into the whole product, of a trusted network (nothing is asked of the DNS), once with text of 2 KB and once with
letters of 50 KB (text, HTML, a file). The lag is sampled through the API, one request at a time, so that the probe takes little itself.
Run: python -m tests.bench parsed     (MAILROOM_BENCH=quick: a third of the mails)
"""

import base64
import os
import random
import socket
import sqlite3
import threading
import time
from contextlib import closing
from functools import partial
from typing import Any

import httpx

from tests.bench.common import cpu_s, family, installed, median, percentile, say, wait_for

SESSIONS, PER_S, SECONDS, FLOOD = 20, 500, 12, 6000
#: every so manieth mail is looked for, and how long the probe rests between two questions, in seconds
MARKED, REST_S = PER_S // 10, 0.02
WORDS = [f"{first}{middle}{last}" for first in "bdfgklmnprst" for middle in ("a", "en", "ir", "o") for last in ("ta", "rin", "mos", "lek")]
ENVELOPE = b"MAIL FROM:<load@example.test>\r\nRCPT TO:<bench@acme.test>\r\nDATA\r\n"


def body(kind: str) -> bytes:
    """What all mails of a run have in common: 2 KB of words, or a letter with HTML and a file."""
    words = random.Random(7)
    text = "\r\n".join(" ".join(words.choices(WORDS, k=10)) for _ in range(26))
    if kind == "text":
        return f"Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n".encode()
    lines = [" ".join(words.choices(WORDS, k=24)) for _ in range(50)]
    html = "".join(f'<p style="color:#333">{line} <a href="https://acme.test/{n}">more</a></p>\r\n' for n, line in enumerate(lines))
    file = base64.encodebytes(words.randbytes(28_000)).decode().replace("\n", "\r\n")
    return (
        'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="out"\r\n\r\n'
        '--out\r\nContent-Type: multipart/alternative; boundary="in"\r\n\r\n'
        f"--in\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
        f"--in\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body>{html}</body></html>\r\n--in--\r\n"
        '--out\r\nContent-Type: application/pdf; name="bill.pdf"\r\nContent-Transfer-Encoding: base64\r\n'
        f'Content-Disposition: attachment; filename="bill.pdf"\r\n\r\n{file}--out--\r\n'
    ).encode()


class Senders:
    """Kept sessions that share a row of mails; `answered[number]` is the moment of its 250.

    pace  mails a second, or None for all at once
    """

    def __init__(self, port: int, kind: str, first: int, number: int, pace: int | None) -> None:
        self.port, self.first, self.number, self.pace, self.body = port, first, number, pace, body(kind)
        self.answered: dict[int, float] = {}
        self.failure: str | None = None
        self.began = time.perf_counter() + 0.3
        self.threads = [threading.Thread(target=self._run, args=(lane,), daemon=True) for lane in range(SESSIONS)]
        for thread in self.threads:
            thread.start()

    def join(self) -> None:
        for thread in self.threads:
            thread.join()
        if self.failure:
            raise SystemExit(f"A session failed: {self.failure}")

    def _run(self, lane: int) -> None:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=60) as line:
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                answers = line.makefile("rb")
                expect(answers, b"220")
                line.sendall(b"EHLO load.example.test\r\n")
                expect(answers, b"250")
                for place in range(lane, self.number, SESSIONS):
                    if self.pace:
                        time.sleep(max(0.0, self.began + place / self.pace - time.perf_counter()))
                    line.sendall(ENVELOPE)
                    for code in (b"250", b"250", b"354"):
                        expect(answers, code)
                    line.sendall(head(self.first + place) + self.body + b".\r\n")
                    expect(answers, b"250")
                    self.answered[self.first + place] = time.perf_counter()
        except (OSError, ValueError) as error:
            self.failure = repr(error)


def expect(answers: Any, code: bytes) -> None:
    """Read one reply. raises ValueError"""
    while (text := answers.readline())[3:4] == b"-":
        continue
    if not text.startswith(code):
        raise ValueError(f"{text!r} instead of {code!r}")


def head(number: int) -> bytes:
    return (
        f"From: Load <load@example.test>\r\nTo: bench@acme.test\r\nSubject: order mark{number}x of the load\r\n"
        f"Message-ID: <{number}.{time.time_ns()}@example.test>\r\nDate: Sat, 21 Nov 2026 00:00:00 +0000\r\n"
    ).encode()


class Watch:
    """Looks for one marked mail after another; `lags` in milliseconds after their 250."""

    def __init__(self, api: httpx.Client, mailbox_id: int, senders: Senders) -> None:
        self.api, self.path, self.senders = api, f"/mailboxes/{mailbox_id}/archives", senders
        self.lags: list[float] = []
        self.questions = 0

    def run(self) -> None:
        for number in range(self.senders.first, self.senders.first + self.senders.number, MARKED):
            wait_for(partial(self._is_taken, number), "the mail to be taken", 60)
            while not self._is_there(number):
                time.sleep(REST_S)
            self.lags.append((time.perf_counter() - self.senders.answered[number]) * 1000)

    def _is_taken(self, number: int) -> bool:
        return number in self.senders.answered or bool(self.senders.failure)

    def _is_there(self, number: int) -> bool:
        found = self._ask(search=f"mark{number}x", per_page=2)
        if not found or found[0]["state"] != "processed" or found[0]["folder"] != "INBOX":
            return False
        listed = self._ask(per_page=100)
        return found[0]["id"] in {row["id"] for row in listed} or found[0]["id"] < listed[-1]["id"]

    def _ask(self, **question: Any) -> list[dict[str, Any]]:
        self.questions += 1
        rows: list[dict[str, Any]] = self.api.get(self.path, params=question).json()["data"]
        return rows


def unread(database: Any) -> int:
    """How many mails wait to be read."""
    return int(database.execute("SELECT count(*) FROM messages WHERE state = 'received'").fetchone()[0])


def used(found: Any) -> dict[str, float]:
    """Seconds of processor time of each part of the installation so far."""
    parts: dict[str, float] = {}
    for pid, name in family(found.process.pid):
        part = name.removeprefix("mailroom-")
        parts[part] = parts.get(part, 0.0) + cpu_s([pid])
    return parts


def each(found: Any, before: dict[str, float], number: int) -> dict[str, Any]:
    """What a mail cost since then, in milliseconds of processor time, by part and together."""
    spent = {part: (seconds - before.get(part, 0.0)) / number * 1000 for part, seconds in used(found).items()}
    return {"processor_ms_a_mail": round(sum(spent.values()), 2), **{part: round(ms, 2) for part, ms in spent.items() if ms >= 0.05}}


def flood(found: Any, kind: str, first: int, number: int) -> None:
    """As fast as they are taken, and how long until the last is read."""
    before = used(found)
    with closing(sqlite3.connect(f"file:{found.folder}/instance/mailroom.sqlite?mode=ro", uri=True, isolation_level=None)) as database:
        began = time.perf_counter() + 0.3
        senders = Senders(found.smtp, kind, first, number, None)
        senders.join()
        taken = time.perf_counter()
        wait_for(lambda: not unread(database), "the mails to be read", 120)
        read = time.perf_counter()
    say(
        bench="parsed", what="flood", kind=kind, mails=number, taken_per_s=round(number / (taken - began)),
        read_per_s=round(number / (read - began)), goal_per_s=600, **each(found, before, number),
    )  # fmt: skip


def pace(found: Any, api: httpx.Client, mailbox_id: int, kind: str, first: int, number: int) -> None:
    """At an even pace, and how far behind the list and the search are."""
    before = used(found)
    senders = Senders(found.smtp, kind, first, number, PER_S)
    watch = Watch(api, mailbox_id, senders)
    watch.run()
    senders.join()
    taken = max(senders.answered.values()) - senders.began
    say(
        bench="parsed", what="pace", kind=kind, asked_per_s=PER_S, taken_per_s=round(number / taken), samples=len(watch.lags),
        p50_ms=median(watch.lags, 0), p90_ms=percentile(watch.lags, 0.9, 0), p99_ms=percentile(watch.lags, 0.99, 0), goal_p99_ms=2000,
        questions=watch.questions, **each(found, before, number),
    )  # fmt: skip


def main() -> None:
    share = 3 if "quick" in os.environ.get("MAILROOM_BENCH", "") else 1
    for kind, part in (("text", 1), ("letter", 3)):
        with installed() as (found, api, mailbox):
            flood(found, kind, 0, 300)  # warm
            pace(found, api, mailbox["id"], kind, 100_000, PER_S * SECONDS // share)
            flood(found, kind, 200_000, FLOOD // share // part)


if __name__ == "__main__":
    main()
