"""A mail's bytes into its parts, by offsets, with a limit on everything that grows (C-07).

No part is copied until it is wanted, no level is searched twice, nothing recurses deeper than MAX_DEPTH. What is broken is read as
well as a person would: a missing boundary makes text, a missing end ends where the parent ends.

source  RFC 2045, RFC 2046 section 5.1
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field

from webapp.mail.charsets import lenient_base64
from webapp.mail.mime_fields import Block, parameters, read_block

MAX_PARTS, MAX_DEPTH = 1000, 50
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,80}/[a-z0-9!#$&^_.+-]{1,120}\Z")
_AFTER_BOUNDARY = re.compile(rb"(--)?[ \t]*(?:\r*\n|\r|\Z)")
_GUESSED = re.compile(rb"(?:\A|[\r\n])--([!-,.-~][!-~]{2,69})[ \t]*(?:\r*\n|\r)")


@dataclass(slots=True)
class Part:
    """One entity of a mail: a leaf has its body at data[start:end], a multipart has children."""

    type: str
    parameters: dict[str, str]
    disposition: str
    filename: str
    block: Block
    start: int
    end: int
    children: list[Part] = field(default_factory=list)


@dataclass(slots=True)
class Notes:
    """What was met on the way: how many parts, whether a limit cut something, the first thing that was wrong."""

    parts: int = 0
    limited: bool = False
    problem: str | None = None

    def say(self, problem: str) -> None:
        self.problem = self.problem or problem

    def limit(self, problem: str) -> None:
        self.problem = problem if not self.limited else self.problem
        self.limited = True


def split(data: bytes, notes: Notes) -> Part:
    """The tree of parts of a whole mail."""
    return _part(data, 0, len(data), "text/plain", 0, notes)


def content(data: bytes, part: Part, most: int | None = None) -> bytes:
    """The decoded bytes of a leaf; of its first `most` encoded bytes when that is told."""
    end = part.end if most is None else min(part.end, part.start + most)
    coding = part.block.text("content-transfer-encoding").partition(";")[0].strip().lower()
    if coding == "base64":
        return lenient_base64(data, part.start, end)
    body = data[part.start : end]
    if coding == "quoted-printable":
        return binascii.a2b_qp(body)
    if coding in ("x-uuencode", "uuencode", "x-uue"):
        return uudecoded(body.splitlines()[1:])
    return body


def uudecoded(lines: list[bytes]) -> bytes:
    """The bytes of uuencoded lines, up to `end` or the first line that is none."""
    data = []
    for line in lines:
        if line.strip() in (b"end", b"`", b""):
            break
        try:
            data.append(binascii.a2b_uu(line))
        except binascii.Error:
            size = (((line[0] - 32) & 63) * 4 + 5) // 3  # encoders that fill up the last group, as in Python's own `uu`
            try:
                data.append(binascii.a2b_uu(line[:size]))
            except binascii.Error:
                break
    return b"".join(data)


def _part(data: bytes, start: int, end: int, default_type: str, depth: int, notes: Notes) -> Part:
    notes.parts += 1
    block = read_block(data, start, end)
    if block.limited:
        notes.limit("The header is longer than is read.")
    kind, arguments = parameters(block.text("content-type"))
    disposition, more = parameters(block.text("content-disposition"))
    name = more.get("filename") or arguments.get("name") or more.get("name") or ""
    if not _TYPE.match(kind):
        # "text", "plain", nothing at all: a body is text; with a file name it is a file.
        kind = default_type if not name and disposition != "attachment" else "application/octet-stream"
    part = Part(kind, arguments, disposition, name, block, block.body_at, end)
    if kind.startswith("multipart/"):
        if depth >= MAX_DEPTH:
            notes.limit("The parts are nested deeper than is read.")
            part.type = "application/octet-stream"
        else:
            _children(data, part, depth, notes)
    return part


def _children(data: bytes, part: Part, depth: int, notes: Notes) -> None:
    boundary = part.parameters.get("boundary", "").encode("utf-8", "replace").rstrip()
    inner = "message/rfc822" if part.type == "multipart/digest" else "text/plain"
    if len(boundary) > 1000:
        notes.limit("The boundary between the parts is longer than is read.")
        boundary = b""
    if not boundary:
        guessed = _GUESSED.search(data, part.start, min(part.end, part.start + 100_000))
        boundary = guessed[1] if guessed else b""
        notes.say("The parts have no boundary.")
    pieces = _pieces(data, part, boundary, notes) if boundary else []
    if not pieces:
        notes.say("The boundary between the parts is not in the mail.")
        part.type = "text/plain"
        return
    for start, end in pieces:
        if notes.parts >= MAX_PARTS:
            notes.limit("The mail has more parts than are read.")
            break
        part.children.append(_part(data, start, end, inner, depth + 1, notes))


def _pieces(data: bytes, part: Part, boundary: bytes, notes: Notes) -> list[tuple[int, int]]:
    """Where each piece between boundary lines begins and ends; the line end before a boundary belongs to the boundary."""
    wanted = b"--" + boundary
    pieces: list[tuple[int, int]] = []
    opened: int | None = None
    position = part.start
    while (at := data.find(wanted, position, part.end)) >= 0:
        position = at + len(wanted)
        if at > part.start and data[at - 1] not in b"\r\n":
            continue
        rest = _AFTER_BOUNDARY.match(data, position, part.end)
        if not rest:
            continue
        if opened is not None:
            stop = at
            if data[stop - 1 : stop] == b"\n":
                stop -= 1
            if data[stop - 1 : stop] == b"\r":
                stop -= 1
            pieces.append((opened, max(opened, stop)))
            if notes.parts + len(pieces) > MAX_PARTS:
                return pieces
        position = rest.end()
        opened = None if rest[1] else rest.end()
        if rest[1]:
            break
    if opened is not None:
        notes.say("The mail ends before its last part does.")
        pieces.append((opened, part.end))
    return pieces
