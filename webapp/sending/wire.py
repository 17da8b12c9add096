"""Notes of which rows are on the wire: one small file per claimed batch, for whoever takes over when its holder dies.

    notes = Notes.start(folder, owner)            before the claim is committed
    notes.body_begins(delivery_id, host)          before the first byte of the body
    notes.answered(delivery_id, result)           the answer is known, its row not yet written
    …results committed…
    notes.finish()                                the file goes away

The holder keeps the file locked (flock) for its life, so that anybody on this machine learns of its death at once and never takes
over from a living one. Writes are not synced: they outlive the process, not a power cut; a row whose boot id is of another boot is
therefore in doubt as a whole (DESIGN, promise 2).
"""

import ctypes
import fcntl
import mmap
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from webapp.core import failpoints
from webapp.mail.smtp_out import SendResult

SUFFIX = ".wire"
#: so many bytes are set aside for each row of a large batch; from so many rows on that is worth it
ROW_BYTES, LARGE = 400, 50


def folder_of(instance: Path) -> Path:
    return instance / "wire"


def _file_name(owner: str) -> str:
    return owner.replace("/", "+") + SUFFIX


def _owner(file: Path) -> str:
    return file.name.removesuffix(SUFFIX).replace("+", "/")


class Notes:
    """The notes of one batch; the holder's side. Threads share it."""

    def __init__(self, file: Path, descriptor: int) -> None:
        self._file, self._descriptor = file, descriptor
        self._lock = threading.Lock()
        #: answers that wait for the next body, so that a pipe's answer and its next beginning are one write
        self._answers: list[bytes] = []
        self._page: mmap.mmap | None = None
        self._at = 0

    @classmethod
    def start(cls, folder: Path, owner: str) -> Self:
        """Make the file, locked before it gets the name under which others look."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / _file_name(owner)
        draft = file.with_name(f".{file.name}")
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.rename(file)
        return cls(file, descriptor)

    def expect(self, rows: int) -> None:
        """So many rows are going to be noted: many of them are written into memory that is the file, without a call of the system each.

        The bytes are set aside before, since a disk that is full would otherwise end the process where it writes.
        """
        if rows < LARGE or not hasattr(os, "posix_fallocate"):
            return
        with suppress(OSError):
            os.posix_fallocate(self._descriptor, 0, rows * ROW_BYTES)
            self._page = mmap.mmap(self._descriptor, rows * ROW_BYTES)

    def body_begins(self, delivery_id: int, host: str) -> None:
        """On disk as far as this process's death is concerned, together with every answer that waited."""
        failpoints.hit("wire.before_note")
        line = b'{"id":%d,"host":%s}\n' % (delivery_id, _quoted(host))
        with self._lock:
            if self._answers:
                line = b"".join([*self._answers, line])
                self._answers.clear()
            self._write(line)
        failpoints.hit("wire.noted")

    def answered(self, delivery_id: int, result: SendResult, *, later: bool = False) -> None:
        """What became of it.

        later  with the next body of this batch, or `flush`: until then a death leaves this row in doubt, as it was a moment before
        """
        said = _said(result.outcome, result.code, result.text, result.tls, tuple(result.dialogue))
        line = b'{"id":%d,"answer":{"recipient":%s,"seconds":%.3f,%s\n' % (
            delivery_id, orjson.dumps(result.recipient), result.seconds, said,
        )  # fmt: skip
        with self._lock:
            self._answers.append(line)
        if not later:
            self.flush()

    def flush(self) -> None:
        """Write the answers that wait."""
        with self._lock:
            if self._answers and self._descriptor >= 0:
                self._write(b"".join(self._answers))
            self._answers.clear()

    def _write(self, lines: bytes) -> None:
        """Into the page while there is room, then behind it."""
        end = self._at + len(lines)
        if self._page is not None and end <= len(self._page):
            self._page[self._at : end] = lines
            self._at = end
        else:
            os.write(self._descriptor, lines)

    def finish(self) -> None:
        """Every result is committed: the notes are no longer needed."""
        with suppress(FileNotFoundError):
            self._file.unlink()
        failpoints.hit("wire.notes_gone")
        self.let_go()

    def let_go(self) -> None:
        """Give the lock up and leave the file, as death does."""
        with self._lock:
            page, self._page = self._page, None
        if page is not None:
            page.close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.finish()
        else:
            self.let_go()


@lru_cache(maxsize=256)
def _quoted(host: str) -> bytes:
    return orjson.dumps(host)


@lru_cache(maxsize=64)
def _said(outcome: str, code: int | None, text: str, tls: str | None, dialogue: tuple[str, ...]) -> bytes:
    """What an answer tells that many letters share, up to both of its closing braces."""
    return orjson.dumps({"outcome": outcome, "code": code, "text": text, "tls": tls, "dialogue": dialogue})[1:] + b"}"


@dataclass
class Note:
    """What the notes say of one row: where it went, and the answer where one had come."""

    host: str = ""
    answer: SendResult | None = None


@dataclass(frozen=True)
class Left:
    """What a dead holder left: the rows that it had begun with."""

    owner: str
    notes: dict[int, Note]


@contextmanager
def taken_over(file: Path) -> Iterator[Left | None]:
    """The notes of a dead holder, locked so that two do not take over at once; None while the holder lives or somebody else was first.

    The file is removed when the block ends well.
    """
    try:
        descriptor = os.open(file, os.O_RDWR)
    except FileNotFoundError:
        yield None
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
            return
        if not file.exists():
            yield None
            return
        yield Left(_owner(file), _read(file))
        with suppress(FileNotFoundError):
            file.unlink()
    finally:
        os.close(descriptor)


def files(folder: Path) -> list[Path]:
    """The notes that lie there, of living and dead holders."""
    return sorted(file for file in folder.glob(f"*{SUFFIX}") if not file.name.startswith("."))


def is_known(folder: Path, owner: str) -> bool:
    """Whether this machine has the notes of that holder."""
    return (folder / _file_name(owner)).exists()


def is_abandoned(file: Path) -> bool:
    """Whether the holder of these notes is dead and nobody has taken over yet."""
    try:
        descriptor = os.open(file, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return file.exists()
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _read(file: Path) -> dict[int, Note]:
    found: dict[int, Note] = {}
    for line in file.read_bytes().splitlines():
        try:
            said = orjson.loads(line.strip(b"\0"))
        except orjson.JSONDecodeError:  # the last line of one that died while writing; what it was about stands in the line before
            continue
        note = found.setdefault(said["id"], Note())
        note.host = said.get("host", note.host)
        if "answer" in said:
            note.answer = SendResult(**said["answer"])
    return found


@lru_cache(maxsize=1)
def boot_id() -> str:
    """Names this boot of the machine; empty where the system does not say, which counts as another boot each time."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return _darwin_boot_id() if sys.platform == "darwin" else ""


def _darwin_boot_id() -> str:
    size = ctypes.c_size_t(128)
    text = ctypes.create_string_buffer(size.value)
    failed = ctypes.CDLL(None).sysctlbyname(b"kern.bootsessionuuid", text, ctypes.byref(size), None, 0)
    return "" if failed else text.value.decode()
