"""What a difference between the marks of two places means: the same database under another name, or a copy of it."""

import os
import shutil
from pathlib import Path

import pytest

from webapp.standstill import place
from webapp.standstill.place import Marks, judge

HERE = Marks("sqlite", machine="m1", file="7/100", path="/srv/a/mailroom.sqlite")
CLUSTER = Marks("postgres", system="7710", database="16384")


def seen(marks: Marks = HERE, **changes: str) -> Marks:
    return Marks(**{**marks.as_json(), **changes})


def verdict(kept: Marks, now: Marks, *there: str) -> str:
    return judge(kept, now, lambda path: path in there).kind


def test_c34_a_folder_that_was_moved_is_the_same_installation() -> None:
    assert verdict(HERE, seen(path="/srv/b/mailroom.sqlite")) == "moved", "renamed: the file is the same one"
    assert verdict(HERE, seen(path="/mnt/b.sqlite", file="9/300")) == "moved", "to another disk of this machine, and gone from the old one"
    assert verdict(HERE, HERE) == "same"


def test_c34_a_copied_folder_and_a_restored_file_are_copies() -> None:
    copied = seen(path="/srv/b/mailroom.sqlite", file="9/300")
    assert verdict(HERE, copied, HERE.path) == "elsewhere" and HERE.path in judge(HERE, copied, lambda path: True).why
    assert verdict(HERE, seen(file="9/300"), HERE.path) == "elsewhere", "another file under the same name"
    assert verdict(HERE, seen(machine="m2", file="9/300")) == "elsewhere"
    assert verdict(HERE, seen(machine="m2")) == "elsewhere", "a disk that went to another machine"


def test_c34_in_a_container_the_file_alone_counts() -> None:
    inside = seen(machine="")
    assert verdict(inside, inside) == "same"
    assert verdict(HERE, seen(machine="", path="/data/mailroom.sqlite")) == "moved", "looked at from inside and from outside"
    assert verdict(inside, seen(machine="", file="9/300")) == "elsewhere", "the volume was filled from a backup, on this host or another"
    assert verdict(inside, seen(machine="", file="9/300", path="/other.sqlite")) == "elsewhere", "nobody can tell whether it was moved"


def test_where_files_have_no_lasting_number_the_path_counts() -> None:
    vague = seen(machine="", file="")
    assert verdict(vague, seen(machine="", file="")) == "same"
    assert verdict(vague, seen(machine="", file="9/300")) == "moved"
    assert verdict(vague, seen(machine="", file="", path="/other.sqlite"), HERE.path) == "elsewhere"


def test_c34_a_restored_dump_is_another_database_and_what_is_unknown_says_nothing() -> None:
    assert verdict(CLUSTER, seen(CLUSTER, system="8811")) == "elsewhere"
    assert verdict(CLUSTER, seen(CLUSTER, database="16999")) == "elsewhere"
    assert verdict(CLUSTER, seen(CLUSTER, system="")) == "moved", "a server that does not tell its identifier"
    assert verdict(HERE, CLUSTER) == "elsewhere", "moved to PostgreSQL by a tool; the old file may still be at work"


def test_marks_that_another_version_kept_can_be_read() -> None:
    assert Marks.read({"kind": "sqlite", "path": "/a", "moon": "full"}) == Marks("sqlite", path="/a")
    assert Marks.read({}).kind == ""


def test_no_copy_of_a_file_has_its_birth_and_a_rename_keeps_it(tmp_path: Path) -> None:
    original = tmp_path / "original"
    original.write_bytes(b"x")
    mark = place._file(original)
    shutil.copy2(original, tmp_path / "copy")
    (tmp_path / "deeper").mkdir()
    os.rename(original, tmp_path / "deeper" / "renamed")
    assert mark and place._file(tmp_path / "deeper" / "renamed") == mark
    assert place._file(tmp_path / "copy") != mark and place._file(tmp_path / "nothing") == ""


def test_in_a_container_the_id_of_the_image_is_no_mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name = tmp_path / "machine-id"
    name.write_text("0123456789abcdef0123456789abcdef\n")
    monkeypatch.setattr(place, "MACHINE_ID", name)
    monkeypatch.setattr(place, "CONTAINER_FILES", ())
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(place.mounts, "file_system", lambda folder: "ext4")
    found = place._machine()
    assert len(found) == 20 and "0123" not in found
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert place._machine() == ""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    name.write_text("uninitialized\n")
    assert place._machine() == ""
