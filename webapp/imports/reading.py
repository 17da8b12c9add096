"""Reading CSV of any size in batches, from any byte where a row begins. Pure.

    shape = look(file)                        encoding, separator, titles and where the rows begin
    rows = Rows(file, ",", byte, line)        a file in UTF-8 (`converting` makes one of everything else)
    batch = rows.take(5000)                   rows with their line numbers; batch.byte and batch.line say where the next one begins

What memory holds is bounded whatever the file holds: a line ends after 1 MiB, a cell after 128 KiB, and both are told as broken rows.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, repeat
from typing import Any, BinaryIO

from webapp.mail.address import is_address

#: bytes read at once, and the longest line
BLOCK, LONGEST_LINE = 512 * 1024, 1024 * 1024
#: characters that are held at once
MOST_TEXT = 4 * 1024 * 1024
#: bytes in which the shape of a file is looked for
HEAD = 256 * 1024
#: rows that are shown as examples, and where they are looked for
SAMPLE, SAMPLE_BYTES = 5, 64 * 1024
MOST_COLUMNS, LONGEST_TITLE = 300, 200
SEPARATORS = (",", ";", "\t", "|")
_SEP_LINE = re.compile(rb"\s*\"?sep=(.)\"?\r?\n", re.I)
_LINE_END = re.compile(r"\r\n|\r|\n")


class BadFile(Exception):
    """The file cannot be read at all; the sentence says why and what to do."""


@dataclass(frozen=True)
class Shape:
    """How a file is built.

    kind       csv or xlsx
    encoding   utf-8, or what it must be converted from
    titles     of its columns; made up where the first row is a person already
    byte, line where the first row of people begins, once the file is UTF-8
    sample     the first rows of people
    """

    kind: str
    encoding: str
    separator: str
    titles: list[str]
    has_titles: bool
    byte: int
    line: int
    sample: list[list[str]] = field(default_factory=list)


@dataclass
class Batch:
    """Rows with the lines on which they begin.

    columns  cells by column, when all rows have as many; else None, and they stand in `rows`, where None is a row that cannot be read
    broken   index -> why it cannot be read
    """

    lines: Sequence[int] = ()
    columns: list[list[str]] | None = None
    rows: list[list[str] | None] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)
    byte: int = 0
    line: int = 0
    is_last: bool = False


class Rows:
    """The rows of a file in UTF-8 from a byte on; `line` is the number of lines before it.

    Where no quotation mark is near, lines and cells are cut by the plain text functions, whole columns at once; else by the csv module.
    """

    def __init__(self, file: BinaryIO, separator: str, byte: int = 0, line: int = 0) -> None:
        self.file, self.separator = file, separator
        self._blocks = self._read_blocks(byte)
        self._start, self._text, self._place = byte, "", 0  # of the text at hand: its byte, and what was taken of it
        self._line, self._dry = line, False
        self._ahead: tuple[int, str] | None = None
        self._too_long: list[int] = []
        file.seek(byte)

    def take(self, number: int) -> Batch:
        """Up to so many rows; `is_last` when there are no more."""
        while (lines := self._text.count("\n", self._place)) < number and len(self._text) - self._place < MOST_TEXT and self._add_block():
            pass
        quoted = self._text.find('"', self._place) >= 0
        returns, pairs = self._text.count("\r", self._place), self._text.count("\r\n", self._place)
        is_even = pairs == lines and self._text.endswith("\r\n")
        batch = self._careful(number) if quoted or returns != pairs else self._quick(number, "\r\n" if is_even else "\n")
        if self._place >= len(self._text):
            self._add_block()  # tells whether there is more
        batch.byte, batch.line = self._byte(), self._line
        batch.is_last = self._dry and self._place >= len(self._text)
        if self._too_long:
            batch.rows = list(batch.rows) if batch.columns is None else [list(row) for row in zip(*batch.columns, strict=True)]
            batch.columns, batch.lines = None, list(batch.lines) + self._too_long
            batch.broken |= {len(batch.rows) + index: "The line is longer than 1 MB." for index in range(len(self._too_long))}
            batch.rows += [None] * len(self._too_long)
            self._too_long = []
        return batch

    def _quick(self, number: int, end_of_line: str) -> Batch:
        parts = self._text[self._place :].split(end_of_line, number)
        rest = parts.pop()
        if rest and len(parts) < number:
            parts, rest = [*parts, rest], ""
        end = len(self._text) - len(rest)
        if end_of_line == "\n" and "\r" in self._text:
            parts = "\n".join(parts).replace("\r\n", "\n").removesuffix("\r").split("\n") if parts else []
        self._place, first = end, self._line
        self._line += len(parts)
        batch = Batch(range(first + 1, self._line + 1))
        separator = self.separator
        widths = set(map(str.count, parts, repeat(separator)))
        if len(widths) == 1 and (0 not in widths or all(parts)):
            width = widths.pop() + 1
            cells = separator.join(parts).split(separator)
            batch.columns = [cells[place::width] for place in range(width)]
        else:
            batch.rows = [part.split(separator) if part else [] for part in parts]
        return batch

    def _careful(self, number: int) -> Batch:
        batch, first = Batch(), self._line
        block = io.StringIO(self._text[self._place :], newline="")
        behind = self._place

        def blocks() -> Iterator[io.StringIO]:
            nonlocal block, behind
            yield block
            while not self._dry:
                self._start, self._text, self._place = self._byte_at(len(self._text)), "", 0
                self._add_block()
                block, behind = io.StringIO(self._text, newline=""), 0
                yield block

        reader = csv.reader(chain.from_iterable(blocks()), delimiter=self.separator)
        known: list[int] = []
        while (before := len(batch.rows)) < number:
            try:
                batch.rows.extend(islice(reader, number - before))
                break
            except csv.Error as error:
                batch.broken[len(batch.rows)] = _reason(error)
                batch.rows.append(None)
                known.append(first + reader.line_num)
        self._place = behind + block.tell()
        self._line = first + reader.line_num + len(self._too_long)
        if reader.line_num == len(batch.rows):
            batch.lines = range(first + 1, first + 1 + len(batch.rows))
        else:
            batch.lines = _numbered(batch, first, dict(zip(batch.broken, known, strict=True)))
        if len(set(map(len, filter(None, batch.rows)))) == 1 and all(batch.rows):
            batch.columns, batch.rows = list(map(list, zip(*batch.rows, strict=True))), []
        return batch

    def _byte(self) -> int:
        return self._byte_at(self._place)

    def _byte_at(self, place: int) -> int:
        """The byte of a place in the text at hand."""
        return self._start + (place if self._text.isascii() else len(self._text[:place].encode()))

    def _add_block(self) -> bool:
        """More of the file behind what is left of the text at hand; False when there is no more, or something was left out between."""
        found = self._ahead or next(self._blocks, None)
        self._ahead = None
        if found is None:
            self._dry = True
            return False
        start, text = found
        left = self._text[self._place :]
        if left and start != self._byte_at(len(self._text)):
            self._ahead = found
            return False
        self._start, self._text, self._place = self._byte() if left else start, left + text, 0
        return True

    def _read_blocks(self, start: int) -> Iterator[tuple[int, str]]:
        """(byte, text) of pieces that end with a line."""
        rest = b""
        while True:
            read = self.file.read(BLOCK)
            data = rest + read
            cut = len(data) if not read else _cut(data)
            if not cut and len(data) > LONGEST_LINE:
                start, rest = self._skip_line(start + len(data))
                continue
            if cut:
                yield start, data[:cut].decode("utf-8", "replace")
            if not read:
                return
            start, rest = start + cut, data[cut:]

    def _skip_line(self, place: int) -> tuple[int, bytes]:
        """Go on behind the end of a line without end. returns (byte, what was read beyond it)"""
        self._too_long.append(self._line + self._text.count("\n", self._place) + len(self._too_long) + 1)
        while piece := self.file.read(BLOCK):
            end = piece.find(b"\n") + 1
            if end:
                return place + end, piece[end:]
            place += len(piece)
        return place, b""


def _numbered(batch: Batch, first: int, known: dict[int, int]) -> list[int]:
    """Line numbers of rows of which some have several lines."""
    lines, line = [], first
    for index, row in enumerate(batch.rows):
        lines.append(line + 1)
        if row is None:
            line = max(line + 1, known[index])
        else:
            line += 1 + sum(len(_LINE_END.findall(cell)) for cell in row if "\n" in cell or "\r" in cell)
    return lines


def _cut(data: bytes) -> int:
    """Where the last whole line ends; 0 when none does. A CR at the very end may be half of a line end."""
    return (data.rfind(b"\n") + 1) or (data.rfind(b"\r", 0, len(data) - 1) + 1)


def _reason(error: csv.Error) -> str:
    if "field limit" in str(error):
        return "A cell is longer than 128 KB; probably a quotation mark is never closed."
    return f"The row is not CSV: {error}."


# --- how a file is built ------------------------------------------------------------------------------


def look(file: BinaryIO, encoding: str | None = None, separator: str | None = None) -> Shape:
    """The shape of a CSV file. encoding and separator: what somebody chose instead of what is found. raises BadFile"""
    file.seek(0)
    head = file.read(HEAD)
    if not head.strip(b"\x00\r\n\t \xef\xbb\xbf"):
        raise BadFile("The file is empty.")
    found = encoding or _encoding(head, file)
    skip = 3 if found == "utf-8" and head.startswith(codecs.BOM_UTF8) else 0
    plain = head if found == "utf-8" else codecs.getincrementaldecoder(found)("replace").decode(head).lstrip("\ufeff").encode()
    if b"\x00" in plain[:4096]:
        raise BadFile("This is no text file. Send CSV or XLSX.")
    told = _SEP_LINE.match(plain[skip:])
    before = told.end() if told else 0
    separator = separator or (told[1].decode("latin-1") if told else _separator(plain[skip:]))
    rows = Rows(io.BytesIO(plain), separator, skip + before, 1 if told else 0)
    start, line, first = skip + before, 1 if told else 0, rows.take(1)
    while not first.is_last and not any(map(str.strip, _first_row(first))):
        start, line, first = first.byte, first.line, rows.take(1)
    cells = [" ".join(cell.split()) for cell in _first_row(first)]
    if len(cells) > MOST_COLUMNS:
        raise BadFile(f"The file has {len(cells)} columns; an import takes {MOST_COLUMNS}.")
    has_titles = not any(is_address(cell) for cell in cells if "@" in cell)
    if has_titles:
        start, line = first.byte, first.line
    rows = Rows(io.BytesIO(plain[start : start + SAMPLE_BYTES]), separator)
    some = rows.take(SAMPLE)
    people: Any = some.rows if some.columns is None else zip(*some.columns, strict=True)
    sample = [[cell.strip()[:200] for cell in row] for row in people if row and any(row)]
    return Shape("csv", found, separator, named(cells if has_titles else [""] * len(cells)), has_titles, start, line, sample)


def _first_row(batch: Batch) -> list[str]:
    """raises BadFile"""
    row = batch.rows[0] if batch.rows else [column[0] for column in batch.columns or []]
    if row is None:
        raise BadFile("The first line cannot be read as CSV.")
    return row


def named(cells: list[str]) -> list[str]:
    """Titles that differ from each other; those without one get a number.

    >>> named(["Name", "", "Name"])
    ['Name', 'Column 2', 'Name (2)']
    """
    titles: list[str] = []
    for number, cell in enumerate(cells, 1):
        title = base = "".join(sign for sign in cell if sign.isprintable())[:LONGEST_TITLE] or f"Column {number}"
        again = 2
        while title in titles:
            title, again = f"{base} ({again})", again + 1
        titles.append(title)
    return titles


def _encoding(head: bytes, file: BinaryIO) -> str:
    for mark, name in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if head.startswith(mark):
            return name if name != "utf-8" or _is_utf8(file) else "cp1252"
    if head[:200].count(0) > len(head[:200]) // 4:
        return "utf-16-le" if head[1:200:2].count(0) > head[0:200:2].count(0) else "utf-16-be"
    return "utf-8" if _is_utf8(file) else "cp1252"


def _is_utf8(file: BinaryIO) -> bool:
    """The whole file, a piece at a time."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while piece := file.read(BLOCK):
            decoder.decode(piece)
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def _separator(plain: bytes) -> str:
    """The one that cuts the first lines into most columns of the same number."""
    text = plain[: 64 * 1024].decode("utf-8", "replace")

    def score(separator: str) -> tuple[int, int]:
        try:
            rows = [row for row in islice(csv.reader(io.StringIO(text, newline=""), delimiter=separator), 20) if row]
        except csv.Error:
            return (0, 0)
        widths = [len(row) for row in rows[:-1] or rows]
        same = sum(width == widths[0] for width in widths)
        return (same * 10 // len(widths) if widths[0] > 1 else 0, widths[0])

    return max(SEPARATORS, key=score)
