"""A small real file system that can be filled and freed, for users who may mount one; and a stand-in for SQLite for those who may not."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SmallDisk:
    """`folder` lies on a file system of so many megabytes; `fill` takes the rest of it, `free` gives it back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.filler = folder / "filler"

    def fill(self) -> None:
        with self.filler.open("wb", buffering=0) as out:
            try:
                while True:
                    out.write(bytes(65536))
            except OSError:
                return

    def free(self) -> None:
        self.filler.unlink(missing_ok=True)


def may_mount() -> bool:
    """Whether this user may mount a file system of its own."""
    with small_disk(1) as disk:
        return disk is not None


@contextmanager
def small_disk(size_mb: int) -> Iterator[SmallDisk | None]:
    """None where it cannot be had."""
    folder = Path(tempfile.mkdtemp(prefix="mr-small-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=755", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield SmallDisk(folder) if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        shutil.rmtree(folder, ignore_errors=True)
