"""SMTP intake, durable before 250, against a plain aiosmtpd that writes each message to a file and fsyncs it (figure only).

Run: python -m tests.bench smtp_intake
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from aiosmtpd.smtp import SMTP

from tests.bench.common import installed, median, say, smtp_load, wait_for
from tests.flows.installation import free_port

CASES = ((1, True), (20, True), (20, False))
MESSAGES, ROUNDS, SIZE = 1000, 3, 2000


class FileAndSync:
    """The rival's handler: one file per message, file and folder synced before 250."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0

    async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:
        self.number += 1
        handle = os.open(self.folder / f"{self.number}.eml", os.O_WRONLY | os.O_CREAT)
        os.write(handle, envelope.content)  # type: ignore[attr-defined]
        os.fsync(handle)
        os.close(handle)
        folder = os.open(self.folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        return "250 OK"


def serve(port: int, folder: str) -> None:
    """Run the rival; called in a process of its own."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        handler = FileAndSync(Path(folder))
        await loop.create_server(lambda: SMTP(handler, loop=loop, enable_SMTPUTF8=True), "127.0.0.1", port)
        await asyncio.Event().wait()

    asyncio.run(run())


def main() -> None:
    folder, port = tempfile.mkdtemp(prefix="mailroom-rival-"), free_port()
    rival = subprocess.Popen([sys.executable, "-m", "tests.bench.smtp_intake", str(port), folder])
    try:
        with installed(MAILROOM_TRUSTED_NETWORKS="127.0.0.0/8") as (installation, _api, _mailbox):
            wait_for(lambda: smtp_load(port, messages=1, sessions=1, size=SIZE, keep=True) > 0, "the rival")
            for sessions, keep in CASES:
                ours: list[float] = []
                theirs: list[float] = []
                for _ in range(ROUNDS):
                    ours.append(smtp_load(installation.smtp, messages=MESSAGES, sessions=sessions, size=SIZE, keep=keep))
                    theirs.append(smtp_load(port, messages=MESSAGES, sessions=sessions, size=SIZE, keep=keep))
                ratio = median([mine / other for mine, other in zip(ours, theirs, strict=True)])
                figures = {"mailroom_per_s": median(ours, 0), "aiosmtpd_fsync_per_s": median(theirs, 0), "ratio": ratio}
                say(bench="smtp_intake", sessions=sessions, kept=keep, **figures)
    finally:
        rival.kill()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        serve(int(sys.argv[1]), sys.argv[2])
    else:
        main()
