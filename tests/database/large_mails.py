"""Reads and sends mails of 25 MB in a process of its own and says how much memory that took: `python -m tests.database.large_mails FOLDER`.

Prints {"mail": …, "read": …, "sent": …}: the size of the mail, and by how much the most resident memory of each step lay above what was
resident before it, in bytes. Linux alone can say it.
"""

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.memory import Sink, large
from tests.database.nodes import node, settings_of
from tests.factories.mailboxes import make_mailbox
from tests.people import make_people
from webapp.core import migrate, queue
from webapp.core.db import begin_writing, db
from webapp.messages import store
from webapp.processes import heap
from webapp.sending import service as sending

RECIPIENTS = 3


def resident(what: str) -> int:
    """VmRSS, or its highest value so far VmHWM, of this process in bytes."""
    match = re.search(rf"^{what}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    return int(match[1]) * 1024 if match else 0


def grown(work: Callable[[], object]) -> int:
    """By how much the memory was above what it is now, at its highest."""
    Path("/proc/self/clear_refs").write_text("5")  # the highest value begins anew
    before = resident("VmRSS")
    work()
    return resident("VmHWM") - before


def come_in(workspace_id: int, mailbox_id: int, raw: bytes) -> None:
    store.store_message(
        workspace_id=workspace_id, mailbox_id=mailbox_id, direction="received", raw=raw, recipient="box@acme.test", trusted=True,
        envelope_sender="load@example.test",
    )  # fmt: skip
    db.session.commit()


def go_out(workspace_id: int, mailbox_id: int, raw: bytes) -> None:
    recipients = [f"r{number}@example.org" for number in range(RECIPIENTS)]
    sending.submit(
        workspace_id=workspace_id, mailbox_id=mailbox_id, envelope_sender="box@acme.test", recipients=recipients, raw=raw, kind="api"
    )
    db.session.commit()


def main(folder: Path) -> None:
    heap.give_back_large_blocks()
    folder.mkdir(parents=True, exist_ok=True)
    sink = Sink()
    with node(settings_of(folder, MAILROOM_TRANSPORT=f"smtp://127.0.0.1:{sink.port}", MAILROOM_ALLOW_PRIVATE_TARGETS="127.0.0.1")) as app:
        migrate.upgrade(app)
        begin_writing()
        person = make_people(app)["alice"]
        box = make_mailbox(person, "box@acme.test")
        size, most = 0, {"read": 0, "sent": 0}
        for number in range(2):
            raw = large(number) if number else b"Subject: small\r\n\r\nHello.\r\n"  # the small one loads what is loaded once
            size = len(raw)
            come_in(box.workspace_id, box.id, raw)
            most["read"] = grown(queue.run_all)
            go_out(box.workspace_id, box.id, raw)
            del raw
            most["sent"] = grown(queue.run_all)
            ends = time.monotonic() + 30
            while sink.count < (number + 1) * RECIPIENTS and time.monotonic() < ends:
                time.sleep(0.05)
    print(json.dumps({"mail": size, "came": sink.count, **most}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
