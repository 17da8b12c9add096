"""Counts tests per database, leaves parts out when `WITHOUT` says so, and says both in the last line of the run.

`make test` gives a failed test a second try, as browsers and real servers on a busy machine may need one; each test that needed it is
named with what its first try said, so that nobody takes it for a sound one.

A test counts for a database when its parameters name it: test_x[sqlite], test_x[postgres-3]. Tests marked `postgres`, `browser`,
`postfix` or `s3` are left out by WITHOUT=postgres,browser,postfix,s3.
"""

import os
from collections import Counter
from collections.abc import Mapping
from textwrap import indent

import pytest

PARTS = ("postgres", "browser", "postfix", "s3")
WHY_LONGEST = 2000
DATABASES = ("sqlite", "postgres")


def left_out(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The parts that this run leaves out, in the order of PARTS; raises UsageError for one that does not exist."""
    named = {part.strip() for part in environ.get("WITHOUT", "").split(",") if part.strip()}
    if unknown := named - set(PARTS):
        raise pytest.UsageError(f"WITHOUT={','.join(sorted(unknown))}: there is no such part. Parts are {', '.join(PARTS)}.")
    return [part for part in PARTS if part in named]


def database_of(nodeid: str) -> str:
    """The database that a test's parameters name, or `other`."""
    parameters = nodeid.partition("[")[2].rstrip("]").split("-")
    return next((database for database in DATABASES if database in parameters), "other")


def sentence(counts: Counter[str], parts: list[str]) -> str:
    """The last line: tests that ran per database, failures and skips, and what was left out."""
    ran = ", ".join(f"{database} {counts[database]}" for database in DATABASES)
    text = f"Tests that ran: {ran}, without a database {counts['other']}. Failed: {counts['failed']}. Skips: {counts['skipped']}."
    if counts["again"]:
        text += f" Passed or failed at a second try: {counts['again']}."
    return f"{text} Left out: {', '.join(parts)}." if parts else text


def why(report: pytest.TestReport) -> str:
    """How a try failed, short enough for the end of a run: a test that needs a second try is mended by what its first one said."""
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash else report.longrepr)[:WHY_LONGEST]


class Counting:
    """Registered once in the process that prints; with xdist the reports of all workers arrive there."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.again: list[tuple[str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome == "rerun":  # type: ignore[comparison-overlap]  # pytest-rerunfailures' own outcome
            self.again.append((report.nodeid, why(report)))
            self.counts["again"] += 1
            return
        if report.when == "call" and not report.skipped:
            self.counts[database_of(report.nodeid)] += 1
        self.counts["failed"] += report.failed
        self.counts["skipped"] += report.skipped


def pytest_configure(config: pytest.Config) -> None:
    left_out()
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Counting(), "mailroom-counting")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    parts = left_out()
    out = [item for item in items if any(item.get_closest_marker(part) for part in parts)]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in set(out)]


def pytest_unconfigure(config: pytest.Config) -> None:
    counting = config.pluginmanager.get_plugin("mailroom-counting")
    if counting is not None and counting.counts:
        for name, reason in counting.again:
            print(f"Second try: {name}\n{indent(reason, '    ')}")
        print(sentence(counting.counts, left_out()))
