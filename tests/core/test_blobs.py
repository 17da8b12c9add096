"""The blob store: what was put is there whole, what cannot be kept is said, what is unpacked is bounded."""

import errno
import io
import os
import stat
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zstandard
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.core import blobs as store
from webapp.core import failpoints
from webapp.core.blobs import BadPack, BlobMissing, FolderBlobs, content_key, pack, unpack
from webapp.core.errors import Unavailable
from webapp.settings import BadSetting


@pytest.fixture
def folder(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "deep" / "blobs")


def test_what_was_put_comes_back_until_it_is_deleted(folder: FolderBlobs) -> None:
    key = content_key(b"hello")
    assert not folder.exists(key)
    folder.put(key, b"hello")
    assert folder.exists(key)
    assert folder.get(key) == b"hello"
    folder.delete(key)
    folder.delete(key)
    assert not folder.exists(key)
    with pytest.raises(BlobMissing):
        folder.get(key)


def test_a_content_key_is_spread_over_two_levels_of_folders() -> None:
    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert content_key(b"hello") == f"2c/f2/{digest}"


def test_a_second_put_takes_the_place_of_the_first(folder: FolderBlobs) -> None:
    folder.put("audit/1/2026-09-01.json", b"one")
    folder.put("audit/1/2026-09-01.json", b"two")
    assert folder.get("audit/1/2026-09-01.json") == b"two"


@pytest.mark.parametrize("key", [
    "", "/etc/passwd", "../x", "a/../../x", "a/..", ".half/x", "a//b", "a/", "A", "a\\b", "a\0b", "a b", "x\n", "a" * 201,
])
def test_a_key_cannot_leave_the_folder(folder: FolderBlobs, key: str) -> None:
    for call in (folder.get, folder.delete, folder.exists, lambda key: folder.put(key, b"x")):
        with pytest.raises(ValueError, match="not a blob key"):
            call(key)


def test_only_this_user_can_read_blobs(folder: FolderBlobs) -> None:
    folder.put("ab/cd/ef", b"secret")
    assert stat.S_IMODE((folder.folder / "ab/cd/ef").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder.folder / "ab").stat().st_mode) == 0o700


@pytest.mark.parametrize("point", ["blob.written=raise", "blob.written=full"])
def test_whatever_ends_a_put_no_half_written_file_stays(folder: FolderBlobs, point: str) -> None:
    failpoints.plant(point)
    try:
        with pytest.raises((failpoints.Planted, Unavailable)):
            folder.put("ab/cd/ef", b"half")
    finally:
        failpoints.plant("")
    assert [file for file in folder.folder.rglob("*") if file.is_file()] == []


def test_file_and_every_new_folder_are_synced_before_put_returns(
    folder: FolderBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Power may go as soon as put returned: then the bytes, the file's name and the names of its folders are on disk, in that order."""
    steps: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(handle: int) -> None:
        steps.append(os.path.relpath(os.readlink(f"/proc/self/fd/{handle}"), tmp_path))
        real_fsync(handle)

    def replace(source: Any, place: Any) -> None:
        steps.append("rename")
        real_replace(source, place)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    folder.put("ab/cd", b"x")
    assert {".", "deep", "deep/blobs"} <= set(steps)
    rename = steps.index("rename")
    assert steps[rename - 1].startswith("deep/blobs/.half/")
    assert steps[rename + 1:] == ["deep/blobs/ab"]


@pytest.mark.parametrize(("code", "words"), [
    (errno.ENOSPC, "full"), (errno.EDQUOT, "full"), (errno.EROFS, "could not be kept"), (errno.EIO, "could not be kept"),
])
def test_c39_a_full_or_broken_disk_is_said_politely_and_leaves_nothing_behind(
    folder: FolderBlobs, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    folder.put("ab/old", b"old")

    def fail(_handle: int) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(Unavailable, match=words) as refused:
            folder.put("ab/new", b"new")
        with pytest.raises(Unavailable):
            folder.put("ab/old", b"changed")
    assert refused.value.retryable
    assert not folder.exists("ab/new")
    assert folder.get("ab/old") == b"old"
    assert list((folder.folder / ".half").iterdir()) == []
    folder.put("ab/new", b"new")
    assert folder.get("ab/new") == b"new"


def test_readers_never_see_half_a_blob(folder: FolderBlobs) -> None:
    first, second = b"a" * 300_000, b"b" * 300_000
    folder.put("ab/x", first)
    stop = threading.Event()
    torn: list[bytes] = []

    def read() -> None:
        while not stop.is_set():
            if (seen := folder.get("ab/x")) not in (first, second):
                torn.append(seen)

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(30):
        folder.put("ab/x", second if n % 2 else first)
    stop.set()
    reader.join()
    assert not torn


def test_threads_that_put_the_same_new_key_all_succeed(folder: FolderBlobs) -> None:
    failed: list[Unavailable] = []

    def put() -> None:
        try:
            folder.put("ab/cd/ef/same", b"same")
        except Unavailable as error:
            failed.append(error)

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert folder.get("ab/cd/ef/same") == b"same"


def test_sweep_takes_old_halves_and_nothing_else(folder: FolderBlobs) -> None:
    folder.put("ab/x", b"x")
    old, young = folder.folder / ".half" / "old", folder.folder / ".half" / "young"
    for half in (old, young):
        half.write_bytes(b"half")
    now_s = time.time()
    os.utime(old, (now_s - 7200, now_s - 7200))
    assert folder.sweep(3600, now_s) == 1
    assert not old.exists()
    assert young.exists()
    assert folder.exists("ab/x")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=20_000))
def test_what_is_packed_unpacks_to_the_same_bytes(raw: bytes) -> None:
    assert unpack(pack(raw)) == raw
    assert unpack(pack(raw), len(raw)) == raw


def test_a_bomb_is_refused_by_its_announced_size() -> None:
    bomb = pack(bytes(50_000_000))
    assert len(bomb) < 10_000
    with pytest.raises(BadPack, match="more than 1000000"):
        unpack(bomb, 1_000_000)


def test_a_frame_without_a_size_is_refused() -> None:
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(b"x" * 1000)
    with pytest.raises(BadPack, match="size"):
        unpack(frame)


@pytest.mark.parametrize("spoil", [
    lambda b: b[:-1], lambda b: b[: len(b) // 2], lambda b: b + b"x", lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b"",
    lambda b: b"plain",
])
def test_damaged_bytes_are_noticed(spoil: Any) -> None:
    with pytest.raises(BadPack):
        unpack(spoil(pack(os.urandom(3000) + b"tail" * 100)))


def test_the_application_gets_the_folder_that_the_setting_names(tmp_path: Path) -> None:
    app = Flask("test")
    store.init_app(app, SimpleNamespace(blob_url=(tmp_path / "with blank").as_uri()))  # type: ignore[arg-type]
    with app.app_context():
        store.blobs().put("ab/x", b"x")
    assert (tmp_path / "with blank" / "ab" / "x").read_bytes() == b"x"


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "s3://k:s@bucket?endpoint=ftp://x", "ftp://x/y", "blobs", ""])
def test_a_store_that_cannot_be_used_stops_the_start_with_a_sentence(url: str) -> None:
    with pytest.raises(BadSetting, match="MAILROOM_BLOB_URL") as bad:
        store.open_store(url)
    assert "file:///absolute/folder" in str(bad.value)


def test_a_file_goes_in_and_comes_out_a_piece_at_a_time_and_can_be_read_from_the_middle(folder: FolderBlobs) -> None:
    source = io.BytesIO(b"0123456789" * 1000)
    source.seek(77)  # wherever it stands, all of it is kept
    assert folder.put_file("imports/one", source) == 10_000
    with folder.open("imports/one") as kept:
        kept.seek(9_995)
        assert kept.read() == b"56789"
    with pytest.raises(BlobMissing):
        folder.open("imports/none")
