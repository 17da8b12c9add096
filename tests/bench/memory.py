"""Memory: the whole idle installation, and the most that each part needs with mails of 25 MB.

    idle    web, workers, scheduler, SMTP, Redis and the supervisor together (goal: 250 MB PSS)
    large   twelve mails of 25 MB over four SMTP sessions, with a file each, read by the workers; and one that goes out to 50 recipients
            into a sink (goal: at most 150 MB in any worker, at its highest)

Of `large` the most that a process had resident (`rss`, which counts what all parts share each time) and its proportional share (`pss`, read
ten times a second) are told.

Run: python -m tests.bench memory     (MAILROOM_BENCH=quick: three mails in, 10 recipients)
"""

import base64
import os
import random
import re
import smtplib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.bench.common import family, installed, pss_mb, pss_of, say, wait_for

SIZE, SESSIONS = 25_000_000, 4
END = b"\r\n.\r\n"
WORDS = {b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n", b"DATA": b"354 go\r\n", b"QUIT": b"221 bye\r\n"}


class Sink:
    """An SMTP server that takes everything and keeps nothing; `count` mails came."""

    def __init__(self) -> None:
        self.count = 0
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        connection.sendall(b"220 sink\r\n")
        data, in_body = b"", False
        while piece := connection.recv(262_144):
            data += piece
            while (end := data.find(END if in_body else b"\r\n")) >= 0:
                if in_body:
                    self.count += 1
                    data, in_body = data[end + len(END) :], False
                    connection.sendall(b"250 2.0.0 taken\r\n")
                    continue
                verb, data = data[:4].upper(), data[end + 2 :]
                connection.sendall(WORDS.get(verb, b"250 2.1.0 ok\r\n"))
                in_body = verb == b"DATA"
            if in_body:
                data = data[-len(END) :]


def large(number: int) -> bytes:
    """A mail of 25 MB: a line of text and a file that does not pack."""
    head = (
        f"From: Load <load@example.test>\r\nTo: bench@acme.test\r\nSubject: large {number}\r\nMessage-ID: <large.{number}@example.test>\r\n"
        "Date: Sat, 21 Nov 2026 00:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=out\r\n\r\n"
        "--out\r\nContent-Type: text/plain\r\n\r\nThe file.\r\n--out\r\nContent-Type: application/octet-stream; name=large.bin\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n"
    ).encode()
    lines = base64.encodebytes(random.Random(number).randbytes(SIZE // 78 * 57)).replace(b"\n", b"\r\n")
    return head + lines + b"--out--\r\n"


def highest_mb(root: int) -> dict[str, float]:
    """The most resident memory that each process of an installation has had, in MB; of parts with several processes the largest."""
    found: dict[str, float] = {}
    for pid, name in family(root):
        match = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
        part = name.removeprefix("mailroom-")
        found[part] = max(found.get(part, 0.0), round(int(match[1]) / 1024, 1) if match else 0.0)
    return found


class Shares(threading.Thread):
    """Reads the proportional memory of every process again and again; `most` is the highest of each part, in MB."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root, self.most, self._ends = root, dict[str, float](), threading.Event()

    def run(self) -> None:
        while not self._ends.wait(0.1):
            for pid, name in family(self.root):
                part, share = name.removeprefix("mailroom-"), pss_of(pid)
                self.most[part] = round(max(self.most.get(part, 0.0), share), 1)

    def stop(self) -> dict[str, float]:
        self._ends.set()
        self.join()
        return self.most


def take(port: int, number: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=120) as smtp:
        smtp.sendmail("load@example.test", ["bench@acme.test"], large(number))


def are_read(api: Any, mailbox_id: int, number: int) -> bool:
    rows = api.get(f"/mailboxes/{mailbox_id}/archives", params={"per_page": 100, "folder": "INBOX"}).json()["data"]
    return len([row for row in rows if row["state"] == "processed"]) >= number


def measure(found: Any, api: Any, mailbox: dict[str, Any], sink: Sink, mails: int, recipients: int) -> None:
    root = found.process.pid
    api.patch(f"/mailboxes/{mailbox['id']}", json={"max_message_bytes": 26_214_400}).raise_for_status()
    idle = highest_mb(root)
    shares = Shares(root)
    shares.start()
    began = time.perf_counter()
    with ThreadPoolExecutor(SESSIONS) as pool:
        for sent in [pool.submit(take, found.smtp, number) for number in range(mails)]:
            sent.result()
    wait_for(lambda: are_read(api, mailbox["id"], mails), "the mails to be read", 120)
    took = round(time.perf_counter() - began, 1)
    found_most = {"idle_rss": idle, "rss": highest_mb(root), "pss": shares.stop()}
    say(bench="memory", what="large in", mails=mails, seconds=took, goal_mb=150, **found_most)
    receivers = [f"r{number}@example.org" for number in range(recipients)]
    files = [{"filename": "large.bin", "content": base64.b64encode(random.Random(1).randbytes(SIZE // 78 * 57)).decode()}]
    mail = {"receivers": receivers, "subject": "large", "body": "The file.", "attachments": files}
    shares = Shares(root)
    shares.start()
    began = time.perf_counter()
    api.post(f"/mailboxes/{mailbox['id']}/mail/send", json=mail, timeout=120).raise_for_status()
    wait_for(lambda: sink.count >= recipients, "the mail at the sink", 120)
    took = round(time.perf_counter() - began, 1)
    say(bench="memory", what="large out", recipients=recipients, seconds=took, goal_mb=150, rss=highest_mb(root), pss=shares.stop())


def main() -> None:
    mails, recipients = (3, 10) if "quick" in os.environ.get("MAILROOM_BENCH", "") else (12, 50)
    sink = Sink()
    with installed(MAILROOM_TRANSPORT=f"smtp://127.0.0.1:{sink.port}") as (installation, api, mailbox):
        for _ in range(50):
            api.get("/domains").raise_for_status()
        time.sleep(5)
        if installation.process is None:
            raise SystemExit("The installation has ended.")
        parts = pss_mb(installation.process.pid)
        shares = {name: round(size, 1) for name, size in sorted(parts.items())}
        say(bench="memory", what="idle", pss_mb=round(sum(parts.values()), 1), goal_mb=250, **shares)
        measure(installation, api, mailbox, sink, mails, recipients)
    sink.close()


if __name__ == "__main__":
    main()
