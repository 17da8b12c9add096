"""The mails of a folder as they would come in: `.eml` files, the single mails of `.mbox` files, and what a maker script writes.

    collect(folder)            every mail below a folder
    made(folder, into)         runs `make_hostile.py` of the folder and answers its mails and socket dialogues
    crlf(raw)                  line ends as a sending server writes them

Bytes are read when they are wanted: a folder may hold more than memory.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webapp.mail.line_ends import with_crlf

MAKER = "make_hostile.py"
_ENVELOPE = re.compile(rb"(?m)(?:\A|(?<=\n\n)|(?<=\r\n\r\n))From \S+ *(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b[^\r\n]*)?\r?\n")


@dataclass(frozen=True)
class Sample:
    """One mail, or (with `steps`) raw bytes for a socket.

    name      folder/file.eml, or folder/file.mbox#2 for the second mail of an mbox
    span      where in its file it lies; None: all of it
    steps     length of each write to the socket
    facts     what the maker's manifest says of it
    """

    name: str
    path: Path
    span: tuple[int, int] | None = None
    steps: tuple[int, ...] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        return self.name.partition("/")[0]

    def read(self) -> bytes:
        data = self.path.read_bytes()
        return data if self.span is None else data[slice(*self.span)]

    def writes(self) -> Iterator[bytes]:
        """The pieces of a dialogue."""
        data, position = self.read(), 0
        for size in self.steps or (len(data),):
            yield data[position : position + size]
            position += size


def crlf(raw: bytes) -> bytes:
    """The mail with CRLF line ends, the last line ended too."""
    text = with_crlf(raw)
    return text if text.endswith(b"\r\n") else text + b"\r\n"


def collect(folder: Path, only: tuple[str, ...] = ()) -> list[Sample]:
    """Every mail below a folder, in the order of their names; `only` names folders at its top."""
    found = [Sample(path.relative_to(folder).as_posix(), path) for path in folder.rglob("*.eml")]
    for path in folder.rglob("*.mbox"):
        found += _mbox(path, path.relative_to(folder).as_posix())
    return sorted((one for one in found if not only or one.folder in only), key=lambda one: one.name)


def _mbox(path: Path, name: str) -> list[Sample]:
    data = path.read_bytes()
    marks = list(_ENVELOPE.finditer(data))
    ends = [mark.start() for mark in marks[1:]] + [len(data)]
    return [Sample(f"{name}#{number}", path, (mark.end(), end)) for number, (mark, end) in enumerate(zip(marks, ends, strict=True), 1)]


def made(folder: Path, into: Path, *, small: bool = False) -> list[Sample]:
    """The awkward mails that the folder's maker script writes; none when it has no such script."""
    script = folder / MAKER
    if not script.exists():
        return []
    command = [sys.executable, str(script), str(into), *(["--small"] if small else [])]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)
    manifest: dict[str, dict[str, Any]] = json.loads((into / "manifest.json").read_text("utf-8"))
    samples = []
    for name, facts in sorted(manifest.items()):
        steps = tuple(facts["steps"]) if name.endswith(".smtp") else None
        samples.append(Sample(f"made/{name}", into / name, steps=steps, facts=facts))
    return samples


def expectations(folder: Path) -> dict[str, dict[str, Any]]:
    """What a correct reader finds, by the name of the mail; empty when the folder does not say."""
    file = folder / "expected.json"
    found: dict[str, dict[str, Any]] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return found
