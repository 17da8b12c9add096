"""Clocks: this machine's against the database's, against its own boot, and who keeps it in step.

Leases go by the database's clock, so that a wrong one here doubles nothing. Links, codes, tokens and what people read go by this one.
"""

import ctypes
import ctypes.util
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select, text

from webapp.core import heartbeat
from webapp.core.config import settings
from webapp.core.db import db, is_sqlite
from webapp.core.heartbeat import Report
from webapp.core.outside import outside
from webapp.messages.models import Message
from webapp.watch.check_database import sqlite_file
from webapp.watch.findings import Finding, fail, ok, warn

#: no clock of this program's time shows an earlier year
EARLIEST_YEAR = 2026
#: half of TOTP's window; more is noticed by people who sign in
MOST_SKEW_S = 15
SET_IT = "Set the clock by NTP: systemd-timesyncd, chrony or the host of this virtual machine."


def clock(said: list[Report] | None) -> Iterator[Finding]:
    """`said`: who reported in, None while Redis is away."""
    now = outside().clock.now()
    wrong = [*_year(now), *_against_database(now), *_against_boot(said)]
    yield from wrong
    if not wrong:
        yield ok("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC, as the database has it.", KEPT[kept_by_ntp()])


KEPT = {True: "It is kept in step.", False: "This machine's kernel knows of no NTP; check that its host keeps the time.", None: ""}


def _year(now: datetime) -> Iterator[Finding]:
    if now.year < EARLIEST_YEAR:
        yield fail("clock", f"This machine believes it is {now:%Y-%m-%d}.", "Certificates, links and signatures are judged by it.", SET_IT)


def _against_database(now: datetime) -> Iterator[Finding]:
    skew_s = _ahead_of_database_s(now)
    if abs(skew_s) <= MOST_SKEW_S:
        return
    which = "ahead of" if skew_s > 0 else "behind"
    there = "the last write to the database" if is_sqlite() else "the database's"
    yield fail(
        "clock", f"It is {now:%Y-%m-%d %H:%M:%S} UTC here, {_span(skew_s)} {which} {there}.",
        "Sign-in codes and links are refused or live too long, and times in lists are wrong. Leases go by the database and are safe.",
        "Set both clocks by NTP. " + SET_IT if not is_sqlite() else SET_IT,
    )  # fmt: skip


def _ahead_of_database_s(now: datetime) -> float:
    """How far this clock is ahead. SQLite has none of its own: there, only a clock behind what was written already can be told."""
    if not is_sqlite():
        there: datetime = db.session.execute(text("SELECT clock_timestamp()")).scalar_one()
        return (now - there).total_seconds()
    file = sqlite_file(settings())
    newest = db.session.scalar(select(Message.created_at).order_by(Message.id.desc()).limit(1))
    written = [newest] if newest is not None else []
    for place in (Path(str(file)), Path(f"{file}-wal")):
        if place.exists():
            written.append(datetime.fromtimestamp(place.stat().st_mtime, UTC))
    return min(0.0, (now - max(written)).total_seconds()) if written else 0.0


def _against_boot(said: list[Report] | None) -> Iterator[Finding]:
    """Whether the clock of this machine was set since one of its processes started."""
    host, base = os.uname().nodename, heartbeat.clock_base()
    for report in said or []:
        moved_s = base - report.clock_base
        if report.host == host and abs(moved_s) > MOST_SKEW_S:
            yield warn(
                "clock", f"The clock was moved by {_span(moved_s)} since {report.part} {report.pid} started.",
                "What was planned for a time comes early or late once; nothing is lost or doubled by it.", SET_IT,
            )  # fmt: skip
            return


def kept_by_ntp() -> bool | None:
    """Whether the kernel says that something keeps its clock in step; None where it does not tell. Source: adjtimex(2), STA_UNSYNC"""
    try:
        libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
        asked = ctypes.create_string_buffer(512)  # struct timex, all zero: modes 0 only reads
        state = libc.adjtimex(asked)
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


_TIME_ERROR = 5


def _span(seconds: float) -> str:
    return str(timedelta(seconds=abs(round(seconds))))
