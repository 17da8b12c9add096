"""Memory of the whole idle installation: web, workers, scheduler, SMTP, Redis and the supervisor (goal: 250 MB PSS).

Run: python -m tests.bench memory
"""

import time

from tests.bench.common import installed, pss_mb, say


def main() -> None:
    with installed() as (installation, api, _mailbox):
        for _ in range(50):
            api.get("/domains").raise_for_status()
        time.sleep(5)
        if installation.process is None:
            raise SystemExit("The installation has ended.")
        parts = pss_mb(installation.process.pid)
    say(bench="memory", pss_mb=round(sum(parts.values()), 1), goal_mb=250, **{name: round(size, 1) for name, size in sorted(parts.items())})


if __name__ == "__main__":
    main()
