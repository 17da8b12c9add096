"""The blob store: large bodies beside the database, a folder of this machine by default, an S3 bucket (`core.s3`) to scale.

    blobs().put_file(key, file), .open(key)    the same a piece at a time, for what memory should not hold
    blobs().put(key, data)     back only when the bytes are safe on disk: then the row that names them may be committed
    content_key(data)          the key for what is found by its content: "ab/cd/abcd…", from SHA-256
    pack(raw), unpack(packed)  Zstandard, with a bound on what comes out

A key is a relative path of plain lower case segments. A crash leaves either the whole blob or none; what was written for a
transaction that never committed is an orphan, harmless and without a name.
"""

import errno
import hashlib
import io
import os
import secrets
import threading
from pathlib import Path
from typing import IO, BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

import zstandard
from flask import Flask, current_app

from webapp.core import failpoints
from webapp.core.blob_keys import BlobMissing as BlobMissing
from webapp.core.blob_keys import checked
from webapp.core.errors import Unavailable
from webapp.core.s3 import PIECE, S3Blobs
from webapp.settings import BadSetting, Settings

#: The most that `unpack` gives unless told otherwise, in bytes: ten times the default limit of a mail.
MOST_UNPACKED_BYTES = 268_435_456
_LEVEL = 3
_HALF = ".half"  # no key may begin with a dot, so what lies here is never taken for a blob
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


S3_REMEDY = "Write s3://key:secret@bucket/prefix?endpoint=https://…&region=…, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write file:///absolute/folder."


class BadPack(ValueError):
    """Bytes that `pack` did not make, or that are damaged, or that unpack to more than is wanted."""


class Blobs(Protocol):
    """What every store can do; processes and threads share it."""

    def put(self, key: str, data: bytes) -> None:
        """Keep the bytes, in place of what the key held before; durable when this returns. Raises Unavailable if they cannot be kept."""

    def put_file(self, key: str, source: IO[bytes]) -> int:
        """As `put`, from the beginning of a file that can be read twice, never more than a piece of it in memory; says how many bytes."""

    def open(self, key: str) -> BinaryIO:
        """The bytes of a key as a file to read and seek in; to be closed. Raises as `get`."""

    def get(self, key: str) -> bytes:
        """The bytes of a key. Raises BlobMissing, or Unavailable while the store cannot be read."""

    def delete(self, key: str) -> None:
        """Forget a key; nothing happens if there is none."""

    def exists(self, key: str) -> bool:
        """Whether the key holds bytes."""

    def keys(self, prefix: str) -> list[str]:
        """The keys below a folder, sorted; for the few places that must find what they did not write down elsewhere."""


class FolderBlobs:
    """Blobs as files below one folder, readable by this user alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, key: str, data: bytes) -> None:
        """See `Blobs.put`: file synced, renamed into place, then the folder synced, so that the name survives a power cut too."""
        self.put_file(key, io.BytesIO(data))

    def put_file(self, key: str, source: IO[bytes]) -> int:
        """See `Blobs.put_file`."""
        place = self._place(key)
        half = self.folder / _HALF / f"{os.getpid()}-{secrets.token_hex(8)}"
        try:
            _make_folder(half.parent)
            _make_folder(place.parent)
            size = _write_synced(half, source)
            failpoints.hit("blob.written")
            os.replace(half, place)
            failpoints.hit("blob.named")
            _sync_folder(place.parent)
        except BaseException as error:  # a job's time limit too: only a crash leaves a half-written file
            half.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise _trouble(error, "kept") from error
            raise
        return size

    def open(self, key: str) -> BinaryIO:
        """See `Blobs.open`."""
        try:
            return self._place(key).open("rb")
        except (FileNotFoundError, NotADirectoryError):
            raise BlobMissing(key) from None
        except OSError as error:
            raise _trouble(error, "read") from error

    def get(self, key: str) -> bytes:
        """See `Blobs.get`."""
        try:
            return self._place(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise BlobMissing(key) from None
        except OSError as error:
            raise _trouble(error, "read") from error

    def delete(self, key: str) -> None:
        """See `Blobs.delete`; its folder stays, because another blob may be on its way into it."""
        try:
            self._place(key).unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise _trouble(error, "deleted") from error

    def exists(self, key: str) -> bool:
        """See `Blobs.exists`."""
        return self._place(key).is_file()

    def keys(self, prefix: str) -> list[str]:
        """See `Blobs.keys`."""
        return sorted(file.relative_to(self.folder).as_posix() for file in self._place(prefix).rglob("*") if file.is_file())

    def sweep(self, older_than_s: float, now_s: float) -> int:
        """Delete what crashes left half-written more than so many seconds before `now_s` (Unix time); says how many files went."""
        swept = 0
        for half in (self.folder / _HALF).glob("*"):
            try:
                if half.stat().st_mtime < now_s - older_than_s:
                    half.unlink()
                    swept += 1
            except FileNotFoundError:
                continue  # another process was faster
        return swept

    def _place(self, key: str) -> Path:
        return self.folder / checked(key)


def content_key(data: bytes) -> str:
    """The key under which bytes lie that are found by their content; two levels of folders keep each folder small."""
    digest = hashlib.sha256(data).hexdigest()
    return f"{digest[:2]}/{digest[2:4]}/{digest}"


# --- compression --------------------------------------------------------------------------------------

_own = threading.local()  # a compressor is dear to make and not for two threads at once


def pack(raw: bytes) -> bytes:
    """Compress with Zstandard; the size of the original and a checksum go along."""
    if not hasattr(_own, "compressor"):
        _own.compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True, write_content_size=True)
    packed: bytes = _own.compressor.compress(raw)
    return packed


def unpack(packed: bytes, most_bytes: int = MOST_UNPACKED_BYTES) -> bytes:
    """What was packed. Looks at the announced size before it makes room, so a small bomb stays small.

    raises  BadPack if it is damaged, cut, not from `pack`, or larger than `most_bytes`
    """
    if not hasattr(_own, "decompressor"):
        _own.decompressor = zstandard.ZstdDecompressor()
    try:
        size = zstandard.get_frame_parameters(packed).content_size
        if size == zstandard.CONTENTSIZE_UNKNOWN:
            raise BadPack("the packed bytes do not tell their size")
        if size > most_bytes:
            raise BadPack(f"the packed bytes unpack to {size} bytes, more than {most_bytes}")
        raw: bytes = _own.decompressor.decompress(packed, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise BadPack(f"the packed bytes are damaged: {error}") from None
    if len(raw) != size:
        raise BadPack("the packed bytes are cut")
    return raw


# --- files --------------------------------------------------------------------------------------------


def _write_synced(file: Path, source: IO[bytes]) -> int:
    source.seek(0)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0) as out:
        while piece := source.read(PIECE):
            rest = memoryview(piece)
            while rest:
                rest = rest[out.write(rest) or 0 :]
        size = out.tell()
        os.fsync(out.fileno())
    return size


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it; each new name is synced into its parent."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _trouble(error: OSError, verb: str) -> Unavailable:
    if error.errno in _FULL:
        return Unavailable("The disk that holds large bodies is full.", hint="Free space on it; waiting work goes on by itself.")
    return Unavailable(
        f"A large body could not be {verb}: {error.strerror or error}.", hint="Check the folder of MAILROOM_BLOB_URL and its permissions."
    )


# --- wiring -------------------------------------------------------------------------------------------


def blobs() -> Blobs:
    """The blob store of the current application."""
    store: Blobs = current_app.extensions["blobs"]
    return store


def open_store(url: str) -> Blobs:
    """The store that a URL names; opens nothing yet. Raises BadSetting for what this version cannot use."""
    parts = urlsplit(url)
    if parts.scheme == "s3":
        try:
            return S3Blobs.of(url, os.environ)
        except ValueError as error:
            raise BadSetting("MAILROOM_BLOB_URL", str(error), S3_REMEDY) from None
    if parts.scheme != "file" or not parts.path.startswith("/"):
        raise BadSetting("MAILROOM_BLOB_URL", "is not a blob store", "Write file:///absolute/folder.")
    return FolderBlobs(Path(unquote(parts.path)))


def init_app(app: Flask, settings: Settings) -> None:
    """Give the application its blob store; one that is there already (a test's) stays."""
    if "blobs" not in app.extensions:
        app.extensions["blobs"] = open_store(settings.blob_url)
