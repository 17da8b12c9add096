"""Export of the audit log, 1,000,000 entries: entries a second, and the memory of the web process that sends them (goal: flat).

CSV and NDJSON through HTTP against a bare `SELECT` with a csv writer on the same file, interleaved in the same run. The memory is that of
the process itself, without the pages of the database file that it maps. Run: python -m tests.bench audit_export
"""

import csv
import io
import re
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from tests.bench.audit_fill import fill
from tests.bench.common import cpu_s, family, installed, median, say
from tests.flows.installation import Installation
from webapp import create_app
from webapp.core.db import begin_writing, db
from webapp.settings import load_settings

ROWS, ROUNDS = 1_000_000, 3


def main() -> None:
    rows = int(sys.argv[1]) if sys.argv[1:] and sys.argv[1].isdigit() else ROWS
    with installed(MAILROOM_RATE_LIMITS="off", MAILROOM_WEB_WORKERS="1") as (installation, api, _):
        file = installation.folder / "instance" / "mailroom.sqlite"
        begun = fill_file(file, rows)
        say(bench="audit_export", what="fill", rows=rows, seconds=round(begun, 1))
        web = web_process(installation)
        before_mb = rss_mb(web)
        seen: dict[str, list[float]] = {"bare": [], "csv": [], "json": []}
        cpu: dict[str, list[float]] = {"csv": [], "json": []}
        peaks: list[float] = []
        for _ in range(ROUNDS):
            seen["bare"].append(rows / bare(file))
            for form in ("csv", "json"):
                used = cpu_s([web])
                rate, lines, peak = take(api, form, web)
                peaks.append(peak)
                seen[form].append(rate)
                cpu[form].append(cpu_s([web]) - used)
                if lines < rows:
                    raise SystemExit(f"{lines} lines instead of {rows}")
        for name, rates in seen.items():
            say(bench="audit_export", what=name, rows_a_second=round(median(rates)))
        say(
            bench="audit_export", csv_to_bare=median([one / two for one, two in zip(seen["csv"], seen["bare"], strict=True)]),
            json_to_bare=median([one / two for one, two in zip(seen["json"], seen["bare"], strict=True)]),
            csv_cpu_s=median(cpu["csv"]), json_cpu_s=median(cpu["json"]),
            rss_before_mb=round(before_mb, 1), rss_peak_of_each_mb=[round(peak, 1) for peak in peaks],
        )  # fmt: skip


def fill_file(file: Path, rows: int) -> float:
    """Exchange the log of workspace 1 for a long one, with an application of our own on the same file."""
    app = create_app(
        load_settings(
            {"DATABASE_URL": f"sqlite:///{file}", "REDIS_URL": "redis://127.0.0.1:1", "MAILROOM_INSTANCE": str(file.parent)}, dotenv=None
        )
    )
    begin_writing()
    with app.app_context():
        for table in ("audit_entries", "audit_heads"):
            db.session.execute(db.text(f"DELETE FROM {table}"))
        db.session.execute(db.text("INSERT INTO audit_fts (audit_fts) VALUES ('delete-all')"))
        seconds = fill(rows)
        db.session.remove()
        db.engine.dispose()
    return seconds


def take(api: httpx.Client, form: str, web: int) -> tuple[float, int, float]:
    """One export: (entries a second, lines, the most memory that the web process had on the way)."""
    started, lines, looked, peak = time.perf_counter(), 0, 0.0, 0.0
    with api.stream("GET", f"/audit-events/export?format={form}", timeout=600) as answer:
        answer.raise_for_status()
        for piece in answer.iter_bytes(1 << 20):
            lines += piece.count(b"\n")
            if time.perf_counter() - looked > 0.2:
                peak, looked = max(peak, rss_mb(web)), time.perf_counter()
    return lines / (time.perf_counter() - started), lines, peak


def bare(file: Path) -> float:
    """Seconds of the plainest program that does it: one SELECT, one csv writer, nothing kept."""
    connection = sqlite3.connect(file)
    started = time.perf_counter()
    names = (
        "id, at, actor_type, actor_id, actor_name, token_id, token_name, token_last_four, action, target_type, target_id, target_name, "
        "result, reason, before, after, ip, request_id, hash, previous_hash"
    )
    cursor = connection.execute(f"SELECT {names} FROM audit_entries WHERE workspace_id = 1 ORDER BY id")
    while batch := cursor.fetchmany(2000):
        text = io.StringIO()
        csv.writer(text).writerows(batch)
        text.getvalue().encode()
    connection.close()
    return time.perf_counter() - started


def web_process(installation: Installation) -> int:
    """The one process that answers requests: the youngest of the web server's."""
    if installation.process is None:
        raise SystemExit("The installation has ended.")
    return max(pid for pid, name in family(installation.process.pid) if name == "mailroom-web")


def rss_mb(pid: int) -> float:
    """What the process holds for itself; the pages of the database file that it maps belong to the machine's cache."""
    found: Any = re.search(r"^RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(found[1]) / 1024


if __name__ == "__main__":
    main()
