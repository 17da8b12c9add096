"""The disks: room left, how fast it goes, and SQLite's log beside the database."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from flask import current_app

from webapp.core.config import settings
from webapp.core.wording import human_bytes
from webapp.settings import Settings
from webapp.watch.check_database import sqlite_file
from webapp.watch.findings import Finding, fail, ok, warn

LITTLE_BYTES = 2_000_000_000
#: below this, or below the room for a few mails, taking mail is at risk
NONE_BYTES = 200_000_000
#: SQLite's log is cut at each checkpoint; one that is larger has a reader that never ends
MOST_WAL_BYTES = 256_000_000
#: warn when what grows fills the disk within so many days
SOON_DAYS = 7
_SAMPLES, _KEPT = "watch:disk", 24 * 8


@dataclass(frozen=True)
class Disk:
    """One place that data is written to."""

    what: str
    folder: Path
    free_bytes: int
    total_bytes: int


def usage(folder: Path) -> tuple[int, int]:
    """(free bytes for this user, all bytes) of the file system below a folder."""
    found = shutil.disk_usage(folder)
    return found.free, found.total


def now_s() -> float:
    return time.time()


def disks(known: Settings) -> list[Disk]:
    """The instance folder and, where it is a folder elsewhere, the blob store; each file system once."""
    places = [("the instance folder", known.instance)]
    blobs = urlsplit(known.blob_url)
    if blobs.scheme == "file":
        places.append(("the blob store", Path(blobs.path)))
    found: dict[int, Disk] = {}
    for what, folder in places:
        there = next(place for place in (folder, *folder.parents) if place.exists())
        device = there.stat().st_dev
        if device not in found:
            found[device] = Disk(what, folder, *usage(there))
    return list(found.values())


def disk(known: Settings) -> Iterator[Finding]:
    for one in disks(known):
        text = f"{human_bytes(one.free_bytes)} free of {human_bytes(one.total_bytes)} at {one.folder} ({one.what})."
        if one.free_bytes < NONE_BYTES:
            yield fail("disk", text, "When it is full, mail is answered with 452 and waits with its senders.",
                       "Make room, or move the folder to a larger disk. Mail is taken again by itself.")  # fmt: skip
        elif one.free_bytes < LITTLE_BYTES:
            yield warn("disk", text, "When it is full, mail is refused until there is room.", "Make room before it is full.")
        else:
            yield ok("disk", text)
    yield from _log(known)


def _log(known: Settings) -> Iterator[Finding]:
    file = sqlite_file(known)
    wal = Path(f"{file}-wal")
    if file is None or not wal.exists():
        return
    size = wal.stat().st_size
    if size > MOST_WAL_BYTES:
        yield warn(
            "disk", f"SQLite's write-ahead log has {human_bytes(size)}.", "Reads become slower, and the disk fills.",
            "A reader that never ends keeps it from being cut: end long exports and foreign tools, then restart Mailroom.",
        )  # fmt: skip


def sample() -> None:
    """Note how much room there is; the scheduler does it each hour, for a week. What Redis forgets begins anew."""
    client: Any = current_app.extensions["redis"]
    noted = json.dumps({"at": now_s(), "free": {str(one.folder): one.free_bytes for one in disks(settings())}})
    try:
        client.lpush(_SAMPLES, noted)
        client.ltrim(_SAMPLES, 0, _KEPT - 1)
    except redis.RedisError:
        return


def growth() -> Iterator[Finding]:
    """How soon the disks are full, by what `sample` noted."""
    client: Any = current_app.extensions["redis"]
    try:
        first = client.lindex(_SAMPLES, -1)
    except redis.RedisError:
        return
    if first is None:
        return
    before = json.loads(first)
    days = (now_s() - before["at"]) / 86400
    for one in disks(settings()):
        was = before["free"].get(str(one.folder))
        if was is None or days < 1 / 24:
            continue
        per_day = (was - one.free_bytes) / days
        left = one.free_bytes / per_day if per_day > 0 else None
        if left is not None and left < SOON_DAYS:
            yield warn(
                "disk", f"{one.folder} loses {human_bytes(per_day)} a day and is full in {left:.1f} days.", "Then mail is refused.",
                "Shorten retention, delete what is not needed, or give it a larger disk.",
            )  # fmt: skip
