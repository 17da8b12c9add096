"""API list of 25 with a token against the bare endpoint, and the deep page against the first (goals: 60 %, under 1.3x).

Both under gunicorn with the same workers and threads, interleaved, 3 rounds; needs wrk. Run: python -m tests.bench http_list
"""

import os
import subprocess
import sys

from tests.bench.common import installed, median, say, wait_for, wrk
from tests.bench.fill import fill
from tests.flows.installation import ROOT, free_port

ROUNDS, ROWS = 3, 100_000


def main() -> None:
    with installed() as (installation, api, mailbox):
        file = installation.folder / "instance" / "mailroom.sqlite"
        fill(file, ROWS)
        token = str(api.headers["Authorization"]).split()[1]
        port = free_port()
        command = [sys.executable, "-m", "gunicorn", "-w", "2", "--threads", "8", "-b", f"127.0.0.1:{port}", "--log-level", "error"]
        rival = subprocess.Popen([*command, "tests.bench.rival_http:app"], cwd=ROOT, env={**os.environ, "FILE": str(file)})
        try:
            bare, first = f"http://127.0.0.1:{port}/raw", f"{installation.url}/api/v1/mailbox/{mailbox['id']}/archives/?per_page=25"
            deep = first + "&cursor=" + deep_cursor(api, mailbox["id"])
            wait_for(lambda: wrk(bare, token, 1)["bad"] == 0, "the bare endpoint")
            seen: dict[str, list[dict[str, float]]] = {"bare": [], "first": [], "deep": []}
            for _ in range(ROUNDS):
                for name, url in (("bare", bare), ("first", first), ("deep", deep)):
                    seen[name].append(wrk(url, token))
        finally:
            rival.terminate()
            rival.wait(10)
    for name, figures in seen.items():
        say(bench="http_list", what=name, **{key: median([one[key] for one in figures]) for key in ("rps", "p50_ms", "p99_ms", "bad")})
    shares = [ours["rps"] / theirs["rps"] for ours, theirs in zip(seen["first"], seen["bare"], strict=True)]
    depth = [far["p50_ms"] / near["p50_ms"] for far, near in zip(seen["deep"], seen["first"], strict=True)]
    say(bench="http_list", ratio_to_bare=median(shares), goal_ratio=0.6, deep_to_first=median(depth), goal_depth=1.3)


def deep_cursor(api: object, mailbox_id: int) -> str:
    """The cursor of a page far down, taken from page 100 at 100 rows a page."""
    answer = api.get(f"/mailbox/{mailbox_id}/archives/?per_page=100&page=100")  # type: ignore[attr-defined]
    return str(answer.json()["meta"]["next_cursor"])


if __name__ == "__main__":
    main()
