"""Marks of the place where the database lies, and what a difference between two sets of them means.

    SQLite      the file: inode number and moment of birth, which a rename keeps and no copy, archive or restore takes along; its path; the
                machine's id, but not inside a container, where it is that of the image
    PostgreSQL  the cluster's system identifier and the number of the database in it, the same for every machine that uses it, also after a
                fail-over, and another one after pg_restore or CREATE DATABASE … TEMPLATE

Where a mark cannot be had it is empty and says nothing. A copy of whole disks (a snapshot of the volume, a base backup of the cluster)
takes all marks along, so it cannot be told from the original.
"""

import ctypes
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from webapp.core import mounts
from webapp.core.db import db, is_sqlite

MACHINE_ID = Path("/etc/machine-id")
CONTAINER_FILES = (Path("/.dockerenv"), Path("/run/.containerenv"))
#: file systems whose inode numbers do not outlive a mount
FICKLE = mounts.SHARED | {"virtiofs", "vboxsf", "fuse", "fuseblk", "fuse.grpcfuse", "fuse.osxfs", "fakeowner"}
#: struct statx of Linux: its size, and where in it the birth time stands
_STATX_BYTES, _BIRTH_AT, _STATX_BTIME, _AT_FDCWD = 256, 80, 0x800, -100


@dataclass(frozen=True)
class Marks:
    """What tells one place from another.

    kind      sqlite or postgres
    machine   digest of the machine's id; "" in a container, or where there is none
    file      inode number and birth of the database file; "" where the file system promises neither
    path      of the database file
    system    PostgreSQL's system identifier; "" where the server does not say
    database  number of the database in its cluster
    """

    kind: str
    machine: str = ""
    file: str = ""
    path: str = ""
    system: str = ""
    database: str = ""

    def as_json(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def read(cls, kept: dict[str, Any]) -> "Marks":
        """From what was kept; names of other versions are left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{"kind": "", **{name: str(value) for name, value in kept.items() if name in known}})


@dataclass(frozen=True)
class Verdict:
    """same: nothing happened · moved: the same database under another name, to be noted · elsewhere: a copy, and why we think so"""

    kind: Literal["same", "moved", "elsewhere"]
    why: str = ""


def judge(kept: Marks, seen: Marks, is_there: Callable[[str], bool] = os.path.exists) -> Verdict:
    """What it means that the database with these kept marks is seen here.

    is_there  whether a file lies at a path of this machine
    """
    if kept == seen:
        return Verdict("same")
    if kept.kind != seen.kind:
        return Verdict("elsewhere", "The data was in another kind of database before.")
    return _of_cluster(kept, seen) if seen.kind == "postgres" else _of_file(kept, seen, is_there)


def _of_cluster(kept: Marks, seen: Marks) -> Verdict:
    if _differ(kept.system, seen.system):
        return Verdict("elsewhere", "The data was in another PostgreSQL server before, as after restoring a backup.")
    if _differ(kept.database, seen.database):
        return Verdict("elsewhere", "The data was in another database of this PostgreSQL server before, as after a copy or a restore.")
    return Verdict("moved")


def _of_file(kept: Marks, seen: Marks, is_there: Callable[[str], bool]) -> Verdict:
    if _differ(kept.machine, seen.machine):
        return Verdict("elsewhere", "The data was on another machine before.")
    if kept.file and kept.file == seen.file:
        return Verdict("moved")
    if kept.path == seen.path:
        if not _differ(kept.file, seen.file):
            return Verdict("moved")
        return Verdict("elsewhere", "The database file was replaced by another one, as after restoring a backup.")
    if is_there(kept.path):
        return Verdict("elsewhere", f"The database file is a copy: the one before still lies at {kept.path}.")
    if kept.machine and kept.machine == seen.machine:
        return Verdict("moved")
    return Verdict("elsewhere", f"The database file lay at {kept.path} before, on this machine or another.")


def _differ(one: str, other: str) -> bool:
    """Two marks that say something, and not the same."""
    return bool(one and other and one != other)


def observe() -> Marks:
    """The marks of the place where the database lies now. Asks PostgreSQL within the current transaction."""
    if not is_sqlite():
        return _cluster()
    path = Path(db.engine.url.database or "").resolve()
    return Marks("sqlite", machine=_machine(), file=_file(path), path=str(path))


def _cluster() -> Marks:
    number = db.session.execute(text("SELECT oid FROM pg_database WHERE datname = current_database()")).scalar()
    system: Any = None
    try:
        with db.session.begin_nested():
            system = db.session.execute(text("SELECT system_identifier FROM pg_control_system()")).scalar()
    except DBAPIError:
        system = None  # a server that is not PostgreSQL itself, or that keeps it to its administrator
    return Marks("postgres", system=str(system or ""), database=str(number or ""))


def _machine() -> str:
    if is_container():
        return ""
    try:
        name = MACHINE_ID.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
    return sha256(f"mailroom {name}".encode()).hexdigest()[:20] if len(name) >= 32 else ""


def is_container() -> bool:
    """Whether this process sees the files of an image instead of those of a machine."""
    if "KUBERNETES_SERVICE_HOST" in os.environ or any(file.exists() for file in CONTAINER_FILES):
        return True
    return mounts.file_system(Path("/")) == "overlay"


def _file(path: Path) -> str:
    try:
        inode = path.stat().st_ino
    except OSError:
        return ""
    return "" if mounts.file_system(path.parent) in FICKLE else f"{inode}/{birth(path)}"


def birth(path: Path) -> int:
    """When a file was made, in nanoseconds since 1970; 0 where its file system or the C library does not say (statx(2), stat(2))."""
    known = getattr(path.stat(), "st_birthtime_ns", None) or getattr(path.stat(), "st_birthtime", None)
    if known:
        return int(known) if isinstance(known, int) else int(known * 1_000_000_000)
    try:
        statx = ctypes.CDLL(None).statx
    except (OSError, AttributeError):
        return 0
    found = ctypes.create_string_buffer(_STATX_BYTES)
    if statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, found) != 0:
        return 0
    mask = int.from_bytes(found.raw[:4], "little")
    seconds, nanos = (int.from_bytes(found.raw[at : at + size], "little") for at, size in ((_BIRTH_AT, 8), (_BIRTH_AT + 8, 4)))
    return seconds * 1_000_000_000 + nanos if mask & _STATX_BTIME else 0
