"""API list of 25 with a token against the bare endpoint, and the deep page against the first (goals: 60 %, under 1.3x).

Both under gunicorn with threads, as many workers and threads, interleaved, the bare one with gunicorn's own class, ours with
`processes.web.Worker`; token check, rate limit, workspace check and request id are on. Processor time per request is
what a busy machine changes least. Needs wrk. Run: python -m tests.bench http_list
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.bench.common import cpu_s, family, installed, median, say, wait_for, wrk
from tests.bench.fill import fill
from tests.flows.installation import ROOT, Installation, free_port

ROUNDS, ROWS, SECONDS = 5, 100_000, 4
GUNICORN = ("-m", "gunicorn", "-k", "gthread", "-w", "2", "--threads", "8", "--keep-alive", "5", "--log-level", "error")


def main() -> None:
    with installed(MAILROOM_RATE_LIMITS="general=10000000/minute") as (installation, api, mailbox):
        file = installation.folder / "instance" / "mailroom.sqlite"
        fill(file, ROWS)
        token = str(api.headers["Authorization"]).split()[1]
        first = f"{installation.url}/api/v1/mailbox/{mailbox['id']}/archives/?per_page=25"
        port = free_port()
        rival = start_rival(port, file)
        try:
            bare, deep = f"http://127.0.0.1:{port}", first + "&cursor=" + deep_cursor(api, mailbox["id"])
            urls = {"bare": f"{bare}/raw", "same_columns": f"{bare}/same", "first": first, "deep": deep}
            seen: dict[str, list[dict[str, float]]] = {name: [] for name in urls}
            for url in urls.values():
                wrk(url, token, 1)
            rivals = [pid for pid, _ in family(rival.pid)]
            ours = [pid for pid, name in family(process_of(installation)) if name == "mailroom-web"]
            for _ in range(ROUNDS):
                for name, url in urls.items():
                    pids = rivals if url.startswith(bare) else ours
                    before = cpu_s(pids)
                    figures = wrk(url, token, SECONDS)
                    seen[name].append({**figures, "cpu_ms": (cpu_s(pids) - before) * 1000 / (figures["rps"] * SECONDS)})
        finally:
            rival.terminate()
            rival.wait(10)
    for name, figures in seen.items():
        medians = {key: median([one[key] for one in figures]) for key in ("rps", "p50_ms", "p99_ms", "cpu_ms", "bad")}
        say(bench="http_list", what=name, **medians)
    say(
        bench="http_list", ratio_to_bare=ratio(seen, "rps", "first", "bare"), goal_ratio=0.6,
        ratio_to_same_columns=ratio(seen, "rps", "first", "same_columns"),
        cpu_ratio_to_bare=ratio(seen, "cpu_ms", "bare", "first"), cpu_ratio_to_same_columns=ratio(seen, "cpu_ms", "same_columns", "first"),
        deep_to_first=ratio(seen, "p50_ms", "deep", "first"), goal_depth=1.3,
    )  # fmt: skip


def ratio(seen: dict[str, list[dict[str, float]]], figure: str, one: str, other: str) -> float:
    """The median of the ratios round by round."""
    return median([mine[figure] / theirs[figure] for mine, theirs in zip(seen[one], seen[other], strict=True)])


def process_of(installation: Installation) -> int:
    if installation.process is None:
        raise SystemExit("The installation has ended.")
    return installation.process.pid


def start_rival(port: int, file: Path) -> subprocess.Popen[bytes]:
    """The bare endpoint under gunicorn, ready."""
    command = [sys.executable, *GUNICORN, "-b", f"127.0.0.1:{port}", "tests.bench.rival_http:app"]
    rival = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "FILE": str(file)})
    wait_for(lambda: httpx.get(f"http://127.0.0.1:{port}/raw").status_code == 200, "the bare endpoint")
    return rival


def deep_cursor(api: Any, mailbox_id: int) -> str:
    """The cursor of a page far down: row 10,000, page 100 at 100 rows a page."""
    answer = api.get(f"/mailbox/{mailbox_id}/archives/?per_page=100&page=100")
    return str(answer.json()["meta"]["next_cursor"])


if __name__ == "__main__":
    main()
