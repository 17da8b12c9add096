"""SMTP intake, durable before 250: messages a second, 2 KB and 50 KB, 1 and 20 sessions, new and kept connections, against

    postfix   with local maildir delivery, its sender not throttled (`in_flow_delay=0`)
    ceiling   a bare group commit into SQLite (`tests.bench.smtp_rivals`)
    aiosmtpd  with a file a message, synced

all under the load of Postfix's `smtp-source`, in turn within each round; ratios are medians over the rounds. Mailroom is its SMTP process
with route lookup and recipient check; the jobs that read the mail wait meanwhile, `MAILROOM_BENCH=whole` lets the whole product work.
Run: python -m tests.bench smtp_intake     (MAILROOM_BENCH=quick: a tenth of the messages; `pg`: on PostgreSQL)
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.common import installed, median, say, wait_for
from tests.flows.installation import ROOT, free_port
from tests.postfix import PostfixServer
from tests.servers import PostgresServer, RedisServer

ADDRESS = "bench@acme.test"
MESSAGES = {(2048, 20): 2000, (2048, 1): 500, (51200, 20): 800, (51200, 1): 300}
ROUNDS = 3
RIVALS = ("postfix", "ceiling", "aiosmtpd")


def load(port: int, messages: int, size: int, sessions: int, kept: bool) -> float:
    """Messages a second."""
    command = ["smtp-source", "-s", str(sessions), "-m", str(messages), "-l", str(size), "-f", "load@example.test", "-t", ADDRESS]
    started = time.perf_counter()
    subprocess.run([*command, *(["-d"] if kept else []), f"127.0.0.1:{port}"], check=True, timeout=120)
    return messages / (time.perf_counter() - started)


def answers(port: int) -> bool:
    """Whether a server takes one message."""
    command = ["smtp-source", "-m", "1", "-f", "load@example.test", "-t", ADDRESS, f"127.0.0.1:{port}"]
    return subprocess.run(command, capture_output=True, timeout=30).returncode == 0


@contextmanager
def program(*command: str, port: int, environment: dict[str, str] | None = None) -> Iterator[int]:
    """Run it until the end of the block; begins when its port takes mail."""
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        wait_for(lambda: answers(port), command[-3], 40)
        yield port
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def mailroom(folder: Path, how: str) -> Iterator[int]:
    """The port of an installation with a verified domain and a mailbox."""
    with ExitStack() as stack:
        settings = {"MAILROOM_TRUSTED_NETWORKS": "192.0.2.0/24"}
        if "pg" in how:
            postgres = PostgresServer(folder)
            stack.callback(postgres.stop)
            settings["DATABASE_URL"] = postgres.create("bench")
        found, _api, _mailbox = stack.enter_context(installed(**settings))
        if "whole" in how:
            yield found.smtp
            return
        found.stop()
        redis = RedisServer(folder)
        stack.callback(redis.stop)
        environment = {**found.environment, "REDIS_URL": redis.url()}
        yield stack.enter_context(program(sys.executable, str(ROOT / "app.py"), "smtp", port=found.smtp, environment=environment))


def main() -> None:
    if shutil.which("smtp-source") is None and shutil.which("smtp-source", path="/usr/sbin") is None:
        raise SystemExit("This benchmark needs smtp-source and Postfix (Debian: apt-get install postfix).")
    how = os.environ.get("MAILROOM_BENCH", "")
    folder = Path(tempfile.mkdtemp(prefix="mailroom-rival-"))
    try:
        with ExitStack() as stack:
            ports = {"mailroom": stack.enter_context(mailroom(folder, how))}
            for kind in ("ceiling", "aiosmtpd"):
                place, port = folder / kind, free_port()
                place.mkdir()
                ports[kind] = stack.enter_context(
                    program(sys.executable, "-m", "tests.bench.smtp_rivals", kind, str(port), str(place), port=port)
                )
            ports["postfix"] = stack.enter_context(PostfixServer(folder / "postfix", maildirs=[ADDRESS])).port
            for (size, sessions), messages in MESSAGES.items():
                for kept in (False, True):
                    measure(ports, messages // 10 if "quick" in how else messages, size, sessions, kept, how)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(ports: dict[str, int], messages: int, size: int, sessions: int, kept: bool, how: str) -> None:
    rates: dict[str, list[float]] = {name: [] for name in ports}
    for _ in range(ROUNDS):
        for name, port in ports.items():
            rates[name].append(load(port, messages, size, sessions, kept))
    per_s = {f"{name}_per_s": median(found, 0) for name, found in rates.items()}
    ratios = {
        f"to_{name}": median([ours / theirs for ours, theirs in zip(rates["mailroom"], rates[name], strict=True)]) for name in RIVALS
    }
    say(bench="smtp_intake", size=size, sessions=sessions, kept=kept, **({"how": how} if how else {}), **per_s, **ratios)


if __name__ == "__main__":
    main()
