"""A worker in a process of its own, for tests that kill it: drains once with the settings of its environment.

    python -m tests.sending.worker_process [SLEEP_AT]     SLEEP_AT: claimed, recorded (stops there until it is killed)
"""

import sys
import time
from typing import Any

from webapp import create_app
from webapp.core.db import begin_writing
from webapp.sending import ledger, work
from webapp.settings import load_settings


def stop_at(point: str) -> None:
    """Say that the point is reached and wait for the end."""
    print(point, flush=True)
    time.sleep(60)


def main() -> None:
    app = create_app(load_settings())
    point = sys.argv[1] if len(sys.argv) > 1 else ""
    if point == "claimed":
        journey = work.Journey

        def late(*given: Any, **more: Any) -> Any:
            stop_at(point)
            return journey(*given, **more)

        setattr(work, "Journey", late)  # noqa: B010
    if point == "answered":

        def never(owner: str, outcomes: Any) -> None:
            if outcomes:
                stop_at(point)

        ledger.record = never
    with app.app_context():
        begin_writing()
        work.drain(time.monotonic() + 30)
    print("done", flush=True)


if __name__ == "__main__":
    main()
