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
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import BinaryIO

from webapp.mail.address import is_address

#: bytes read at once, and the longest line
BLOCK, LONGEST_LINE = 512 * 1024, 1024 * 1024
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
    """Rows with the lines on which they begin; None stands for a row that cannot be read, with its reason in `broken`."""

    rows: list[list[str] | None] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)
    byte: int = 0
    line: int = 0
    is_last: bool = False


class Rows:
    """The rows of a file in UTF-8 from a byte on; `line` is the number of lines before it."""

    def __init__(self, file: BinaryIO, separator: str, byte: int = 0, line: int = 0) -> None:
        self.file, self.base_line, self.ended = file, line, False
        self.too_long: list[int] = []
        self._skipped = 0
        self._block = io.StringIO("")
        self._block_byte = byte
        self._text = ""
        file.seek(byte)
        self._reader = csv.reader(chain.from_iterable(self._blocks()), delimiter=separator)

    def take(self, number: int) -> Batch:
        """Up to so many rows; `is_last` when there are no more."""
        batch, first = Batch(), self._line()
        while len(batch.rows) < number and not self.ended:
            before = len(batch.rows)
            try:
                batch.rows.extend(islice(self._reader, number - before))
                self.ended = len(batch.rows) < number
            except csv.Error as error:
                batch.broken[len(batch.rows)] = _reason(error)
                batch.rows.append(None)
                batch.lines.append(self._line())
        known, batch.lines = dict(zip(batch.broken, batch.lines, strict=True)), []
        batch.line = self._line()
        if batch.line - first == len(batch.rows):
            batch.lines = list(range(first + 1, batch.line + 1))
        else:
            self._number(batch, first, known)
        batch.byte, batch.is_last = self._byte(), self.ended
        for line in self.too_long:
            batch.broken[len(batch.rows)] = "The line is longer than 1 MB."
            batch.rows.append(None)
            batch.lines.append(line)
        self.too_long = []
        return batch

    def _number(self, batch: Batch, first: int, known: dict[int, int]) -> None:
        """Line numbers of rows of which some have several lines."""
        line = first
        for index, row in enumerate(batch.rows):
            if row is None:
                line = max(line + 1, known[index])
                batch.lines.append(line)
                continue
            batch.lines.append(line + 1)
            line += 1 + sum(len(_LINE_END.findall(cell)) for cell in row if "\n" in cell or "\r" in cell)

    def _line(self) -> int:
        return self.base_line + int(self._reader.line_num) + self._skipped

    def _byte(self) -> int:
        """Where the next row begins: what was taken of the present block, in bytes."""
        place = self._block.tell()
        return self._block_byte + (place if self._text.isascii() else len(self._text[:place].encode()))

    def _blocks(self) -> Iterator[io.StringIO]:
        rest = b""
        start = self._block_byte
        while True:
            read = self.file.read(BLOCK)
            data = rest + read
            cut = len(data) if not read else _cut(data)
            if not cut and len(data) > LONGEST_LINE:
                start, rest = self._skip_line(start + len(data))
                continue
            if cut:
                self._block_byte, self._text = start, data[:cut].decode("utf-8", "replace")
                self._block = io.StringIO(self._text, newline="")
                yield self._block
            if not read:
                return
            start, rest = start + cut, data[cut:]

    def _skip_line(self, place: int) -> tuple[int, bytes]:
        """Go on behind the end of a line without end. returns (byte, what was read beyond it)"""
        self._skipped += 1
        self.too_long.append(self._line())
        while piece := self.file.read(BLOCK):
            end = piece.find(b"\n") + 1
            if end:
                place += end
                rest = piece[end:]
                break
            place += len(piece)
        else:
            rest = b""
        self._block_byte, self._text, self._block = place, "", io.StringIO("")
        return place, rest


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
    while first.rows and first.rows[0] is not None and not any(cell.strip() for cell in first.rows[0]):
        start, line, first = first.byte, first.line, rows.take(1)
    if not first.rows or first.rows[0] is None:
        raise BadFile("The first line cannot be read as CSV.")
    cells = [" ".join(cell.split()) for cell in first.rows[0]]
    if len(cells) > MOST_COLUMNS:
        raise BadFile(f"The file has {len(cells)} columns; an import takes {MOST_COLUMNS}.")
    has_titles = not any(is_address(cell) for cell in cells if "@" in cell)
    if has_titles:
        start, line = first.byte, first.line
    rows = Rows(io.BytesIO(plain[start : start + SAMPLE_BYTES]), separator)
    sample = [[cell.strip()[:200] for cell in row] for row in rows.take(SAMPLE).rows if row and any(row)]
    return Shape("csv", found, separator, named(cells if has_titles else [""] * len(cells)), has_titles, start, line, sample)


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
