"""A folder of mails through a real installation: handed over, worked off, looked at, compared; and the report of it.

    run(folder, home)  ──▶ Report   (`python -m tests.bulk FOLDER` prints it)
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.bulk import compare, refusals
from tests.bulk.compare import Check
from tests.bulk.house import House
from tests.bulk.mails import Sample, collect, crlf, expectations, made
from tests.bulk.visit import Seen, look_at_all, outgoing_problems
from tests.bulk.wire import Handed, Talk, deliver, is_served, talk
from webapp.mail.mime import parse
from webapp.mail.sanitize import safe_html

SLOWEST = 10


@dataclass
class Report:
    """What was done with a folder, and what was wrong."""

    handed: list[Handed] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    not_routed: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    unserved: list[str] = field(default_factory=list)
    unclean: list[str] = field(default_factory=list)
    #: processor seconds of reading a mail and making its HTML safe, slowest first
    slowest: list[tuple[float, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def refused(self) -> list[Handed]:
        return [one for one in self.handed if one.code != 250]

    @property
    def unasked(self) -> list[Handed]:
        """Refusals that nothing asks for."""
        return [one for one in self.refused if refusals.reason(one) is None]

    @property
    def wrong(self) -> list[str]:
        return [f"{one.name}: {what}" for one in self.seen for what in one.wrong] + [
            *(f"{one.sample.name}: {what}" for one in self.talks for what in refusals.wrong_with(one)), *self.unclean,
        ]  # fmt: skip

    @property
    def missed(self) -> list[Check]:
        return [one for one in self.checks if not one.right]

    @property
    def server_errors(self) -> list[str]:
        return [what for what in self.wrong if " answered 5" in what]


def run(folder: Path, home: Path, *, only: tuple[str, ...] = (), small: bool = False, thorough: bool = True, **settings: str) -> Report:
    """Everything below the folder through an installation in `home`."""
    samples = collect(folder, only)
    if not only or "made" in only:
        (home / "made").mkdir(parents=True)
        samples += made(folder, home / "made", small=small)
    house = House(home, light=not thorough, **settings)
    try:
        house.start()
        return _through(house, samples, expectations(folder), thorough)
    finally:
        house.stop()


def _through(house: House, samples: list[Sample], wanted: dict[str, dict[str, object]], thorough: bool) -> Report:
    report = Report()
    clock = time.monotonic()

    def lap(name: str) -> None:
        nonlocal clock
        now = time.monotonic()
        report.seconds[name], clock = now - clock, now

    report.handed = deliver(house, [one for one in samples if one.steps is None])
    lap("handing over")
    for sample in samples:
        if sample.steps is not None:
            report.talks.append(talk(house, sample))
            if not is_served(house):
                report.unserved.append(sample.name)
    lap("raw dialogues")
    report.counts = house.wait_until_worked_off()
    lap("reading and routing")
    report.not_routed = [one.sample.name for one in report.handed if one.message_id and one.message_id not in house.hook.seen]
    report.seen = look_at_all(house, report.handed, thorough=thorough)
    lap("looking")
    report.unclean = outgoing_problems(house, 1 if thorough else 3)
    lap("what was sent")
    for one in report.seen:
        if one.told and one.handed.sample.folder in compare.FOLDERS and one.name in wanted:
            report.checks += compare.checks(one, wanted[one.name])
    report.slowest = sorted(((cpu_s(one.sample), one.sample.name) for one in report.handed if one.code == 250), reverse=True)[:SLOWEST]
    lap("measuring")
    report.tracebacks = house.tracebacks()
    return report


def cpu_s(sample: Sample) -> float:
    """Processor seconds that reading this mail and making its HTML safe cost."""
    raw = crlf(sample.read())
    began = time.process_time()
    mail = parse(raw)
    if mail.html:
        safe_html(mail.html)
    return time.process_time() - began


def lines(report: Report) -> list[str]:
    """The report for people."""
    answers, compared = sum(one.answers for one in report.seen), len({one.name for one in report.checks})
    said = [
        f"mails handed over      {len(report.handed)}, taken {len(report.handed) - len(report.refused)}",
        f"raw dialogues          {len(report.talks)}",
        f"states and runs        {', '.join(f'{name} {number}' for name, number in sorted(report.counts.items()))}",
        f"no route ran on        {len(report.not_routed)}",
        f"answers looked at      {answers}, HTTP 5xx {len(report.server_errors)}, wrong in any way {len(report.wrong)}",
        f"tracebacks in the logs {len(report.tracebacks)}",
        f"clients not served     {len(report.unserved)}",
        f"compared               {len(report.checks)} facts of {compared} mails, missed {len(report.missed)}",
        f"seconds                {', '.join(f'{name} {seconds:.0f}' for name, seconds in report.seconds.items())}",
        "", "Refused, and why:",
    ]  # fmt: skip
    why = Counter((one.reply, refusals.reason(one) or "NOTHING ASKS FOR IT") for one in report.refused)
    said += [f"  {number:4}  {reply}  ({reason})" for (reply, reason), number in why.most_common()]
    said += [f"        {one.sample.name}: {one.reply}" for one in report.refused]
    said += ["", "Slowest to read (processor seconds):", *(f"  {seconds:6.2f}  {name}" for seconds, name in report.slowest)]
    pages = sorted(((*one.slowest, one.name) for one in report.seen), reverse=True)[:SLOWEST]
    said += ["", "Slowest answers (seconds on the clock):", *(f"  {seconds:6.2f}  {path}  {name}" for seconds, path, name in pages)]
    for title, rows in (
        ("Missed", [f"{one.name} {one.what}: wanted {one.wanted!r}, found {one.found!r}"[:400] for one in report.missed]),
        ("Wrong", report.wrong), ("No route ran on", report.not_routed), ("Not served after", report.unserved),
        ("Tracebacks", report.tracebacks),
    ):  # fmt: skip
        said += ["", f"{title}: {len(rows) or 'none'}", *(f"  {row}" for row in rows[:60])]
    return said
