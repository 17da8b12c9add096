"""Does work go on: who is there to do it, how long the oldest waits, what needs a person."""

from collections.abc import Iterator

from webapp.core import heartbeat
from webapp.core.config import settings
from webapp.core.heartbeat import Report
from webapp.core.wording import span
from webapp.watch import queues
from webapp.watch.findings import Finding, fail, ok, warn
from webapp.watch.queues import Queues

#: from here on somebody should look; work is rung for every second, so this is no busy minute
LONG_S = 60.0
#: from here on it stands still
STANDS_S = 600.0
PARTS = {
    "smtp": ("SMTP takes no mail", "python app.py smtp"),
    "worker": ("No worker is there, so nothing is read, routed or sent", "python app.py worker"),
    "scheduler": ("No scheduler is there, so what has to wait for its time, and what Redis forgot, is not rung for",
                  "python app.py scheduler"),
}  # fmt: skip


def parts(said: list[Report] | None) -> Iterator[Finding]:
    """Who has reported in within the last minute; nothing while Redis is away, for nobody can report then."""
    if said is None:
        return
    for part, (harm, command) in PARTS.items():
        number = sum(report.part == part for report in said)
        if number:
            yield ok("parts", f"{number} × {part} reported in within the last minute.")
        else:
            do = f"Start it: python app.py up, or {command}"
            yield warn("parts", f"No {part} has reported in within the last minute.", f"{harm}.", do)
    alive = sum(report.part == "worker" for report in said)
    if 0 < alive < settings().workers:
        yield warn(
            "parts", f"{alive} of {settings().workers} workers reported in within the last minute.", "Work goes on, more slowly.",
            "See the log of `up`: a worker that dies is started again, and says there why it died.",
        )  # fmt: skip


def queue(found: Queues, said: list[Report] | None) -> Iterator[Finding]:
    """Whether what is due is worked off, and who holds what."""
    workers = None if said is None else sum(report.part == "worker" for report in said)
    late = [line for line in found.lines if line.oldest_s > LONG_S]
    for line in late:
        what = f"{line.count} waiting ({line.says}), the oldest for {span(line.oldest_s)}."
        if workers == 0:
            yield fail("queue", f"{what} It stands still: no worker is there.", "Nothing is lost, and nothing moves.",
                       "Start one: python app.py worker (or up, which starts all parts).")  # fmt: skip
        elif line.oldest_s > STANDS_S:
            yield fail("queue", f"{what} It stands still although {_there(workers)}.", "Mail comes and goes late.",
                       "Look at the log of the workers; restart them. Nothing is lost by that.")  # fmt: skip
        else:
            yield warn("queue", what, "Mail comes and goes late.", "If it grows, start more workers: MAILROOM_WORKERS, or another machine.")
    if not late:
        waiting = sum(line.waiting for line in found.lines)
        yield ok("queue", f"{waiting:,} waiting, none for longer than {span(LONG_S)}." if waiting else "Nothing waits.")
    yield from _in_hands(found)


def _there(workers: int | None) -> str:
    return "Redis, where workers report in, does not answer" if workers is None else f"{_many(workers, 'worker', 'workers')} reported in"


def _many(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _in_hands(found: Queues) -> Iterator[Finding]:
    if found.leases_gone:
        yield warn(
            "queue", f"{_many(found.leases_gone, 'delivery is', 'deliveries are')} held by a worker that is gone, and nobody took over.",
            "That should take 20 s.", "Start a worker and a scheduler, and look at their logs.",
        )  # fmt: skip
    if found.parked:
        yield warn(
            "queue", f"{_many(found.parked, 'mail is', 'mails are')} parked: reading failed three times.",
            "Parked mail is safe and shown raw; no route ran.", "Open Mail, look at the reason on its page, and report it.",
        )  # fmt: skip
    if found.states["uncertain"]:
        yield warn(
            "queue", f"{_many(found.states['uncertain'], 'delivery is', 'deliveries are')} uncertain: the line was cut before the answer.",
            "They may have arrived. Transactional mail goes once more by itself after a minute, bulk mail does not.",
            "Open Send, filter by uncertain, and choose: treat as sent, or send again.",
        )  # fmt: skip
    if found.states["held"]:
        yield ok("queue", f"{_many(found.states['held'], 'delivery is', 'deliveries are')} held.", "Each says why on its page under Send.")


def worries() -> list[str]:
    """For /readyz: what is slow, in half a sentence each; cheap enough to be asked every few seconds."""
    found = []
    line = queues.look().oldest
    if line.oldest_s > LONG_S:
        found.append(f"the oldest of {line.says} has waited for {span(line.oldest_s)}")
    said = heartbeat.reports()
    if said is not None:
        found += [f"no {part} has reported in within the last minute" for part in PARTS if all(one.part != part for one in said)]
    return found
