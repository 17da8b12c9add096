"""What the benchmarks share: medians, an installation that is set up, processes and their memory, a load of SMTP sessions."""

import json
import os
import re
import shutil
import smtplib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.flows.installation import OWNER, PASSWORD, Installation
from tests.flows.installation import wait_for as wait_for

MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def say(**figures: Any) -> None:
    """One JSON line."""
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


def median(values: list[float], digits: int = 2) -> float:
    return round(statistics.median(values), digits)


def percentile(values: list[float], share: float, digits: int = 2) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], digits)


@contextmanager
def installed(**settings: str) -> Iterator[tuple[Installation, Any, dict[str, Any]]]:
    """A running installation with a verified domain and a mailbox: (installation, API client, mailbox)."""
    folder = Path(tempfile.mkdtemp(prefix="mailroom-bench-"))
    found = Installation(folder, MAILROOM_ADMIN_EMAIL=OWNER, MAILROOM_ADMIN_PASSWORD=PASSWORD, **settings)
    try:
        found.start(60)
        token = found.run("token", "create", "--kind", "workspace", "--expires", "1d").stdout.strip()
        with found.client(token) as api:
            domain = api.post("/domains", json={"name": "acme.test"}).json()["data"]
            api.post(f"/domains/{domain['id']}/verify", json={"by_hand": True}).raise_for_status()
            mailbox = api.post("/mailbox/", json={"domain_id": domain["id"], "local_part": "bench"}).json()["data"]
            yield found, api, mailbox
    finally:
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)


def wrk(url: str, token: str, seconds: int = 4, connections: int = 8, script: str | None = None) -> dict[str, float]:
    """Requests a second, p50 and p99 in milliseconds, and how many answers were no 2xx. Needs the program wrk.

    script  file in Lua that says what each request is
    """
    if not shutil.which("wrk"):
        raise SystemExit("This benchmark needs the program wrk (Debian: apt-get install wrk).")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-H", f"Authorization: Bearer {token}", url]
    command[1:1] = ["-s", script] if script else []
    text = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True).stdout
    shares = {share: float(number) * MS[unit] for share, number, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", text)}
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    return {"rps": float(rate[1]) if rate else 0.0, "p50_ms": shares["50"], "p99_ms": shares["99"], "bad": float(bad[1]) if bad else 0.0}


def message(size: int, number: int = 0) -> bytes:
    """A plain mail of about `size` bytes."""
    head = (
        f"From: Load <load@example.test>\r\nTo: bench@acme.test\r\nSubject: load {number}\r\n"
        f"Message-ID: <{number}.{time.time_ns()}@example.test>\r\nDate: Sat, 21 Nov 2026 00:00:00 +0000\r\n\r\n"
    ).encode()
    line = b"The quick brown fox jumps over the lazy dog 0123456789 abcdefgh\r\n"
    return head + line * max(1, (size - len(head)) // len(line))


def smtp_load(port: int, *, messages: int, sessions: int, size: int, keep: bool) -> float:
    """Send so many messages over parallel sessions; returns messages a second."""
    each = messages // sessions
    failures: list[str] = []

    def one(index: int) -> None:
        smtp = None
        try:
            for number in range(each):
                if smtp is None or not keep:
                    smtp = smtplib.SMTP("127.0.0.1", port, timeout=60)
                smtp.sendmail("load@example.test", ["bench@acme.test"], message(size, index * each + number))
                if not keep:
                    smtp.quit()
        except (OSError, smtplib.SMTPException) as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=one, args=(index,)) for index in range(sessions)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise SystemExit(f"{len(failures)} sessions failed: {failures[0]}")
    return each * sessions / (time.perf_counter() - started)


def family(root: int) -> list[tuple[int, str]]:
    """A process and all below it: (pid, command)."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid=,comm="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in table.splitlines()]
    found, grown = {root}, True
    while grown:
        more = {int(pid) for pid, parent, _ in rows if int(parent) in found} - found
        found |= more
        grown = bool(more)
    return [(int(pid), name) for pid, _, name in rows if int(pid) in found]


def pss_mb(root: int) -> dict[str, float]:
    """Proportional memory of a process and all its children, by command, in MB."""
    found: dict[str, float] = {}
    for pid, name in family(root):
        found[name] = found.get(name, 0.0) + pss_of(pid)
    return found


def pss_of(pid: int) -> float:
    """Proportional memory of one process, in MB; what it shares with others counts in parts."""
    match = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
    return int(match[1]) / 1024 if match else 0.0


def cpu_s(pids: list[int]) -> float:
    """Seconds of processor time that these processes have used so far."""
    ticks = 0
    for pid in pids:
        ticks += sum(int(number) for number in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")
