"""Files that are no CSV in UTF-8 are made into one first, a row at a time: XLSX workbooks, and CSV in other encodings.

    shape = look(file)                               of whatever kind the file is
    if needs_converting(shape): convert(file, shape, out, tick)

Of a workbook the first sheet counts. Formulas are never run: what the program that saved the file worked out stands there. What unpacks to
more than a list of people can be is refused before it is unpacked. A row of the sheet is a line of the CSV, so numbers of rows stay true.
"""

import codecs
import csv
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, time
from itertools import islice
from typing import IO, Any, BinaryIO, cast

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from webapp.imports import reading
from webapp.imports.reading import BLOCK, MOST_COLUMNS, SAMPLE, BadFile, Shape, named
from webapp.mail.address import is_address

#: what parts of a workbook may unpack to, in bytes: a sheet is read as a stream, the table of its texts is held
MOST_SHEET, MOST_TEXTS, MOST_OTHER, MOST_PARTS = 1024**3, 64 * 1024**2, 16 * 1024**2, 2000
#: a part that is packed tighter than this is no list of people
MOST_RATIO, RATIO_COUNTS = 400, 16 * 1024**2
MOST_ROWS, LONGEST_CELL = 1_048_576, 20_000
#: rows after which a conversion is heard of; the titles stand in the first so many
TICK = 2000
#: what a damaged or hostile workbook raises inside the library
DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, InvalidFileException, ValueError, LookupError, TypeError, AttributeError, ArithmeticError,
    SyntaxError, EOFError, NotImplementedError, RecursionError, RuntimeError, AssertionError,
)  # fmt: skip


def look(file: BinaryIO, encoding: str | None = None, separator: str | None = None) -> Shape:
    """The shape of any file. raises BadFile"""
    file.seek(0)
    start = file.read(8)
    if start[:4] == b"PK\x03\x04":
        return _look_at_sheet(file)
    if start == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        raise BadFile("This is an old Excel workbook (.xls), or one with a password. Save it as XLSX or CSV without one.")
    if start[:4] == b"%PDF" or start[:2] == b"\x1f\x8b":
        raise BadFile("This is no CSV and no XLSX workbook. Save the list as one of these.")
    return reading.look(file, encoding, separator)


def needs_converting(shape: Shape) -> bool:
    return shape.kind == "xlsx" or shape.encoding != "utf-8"


def convert(file: BinaryIO, shape: Shape, out: IO[bytes], tick: Callable[[], None]) -> Shape:
    """Write it to `out` as CSV in UTF-8; `tick` is called every few thousand rows. returns the shape of that. raises BadFile"""
    file.seek(0)
    if shape.kind == "xlsx":
        _write_sheet(file, out, tick)
        found = reading.look(cast(BinaryIO, out), "utf-8", ",")
        return replace(found, kind=shape.kind, titles=shape.titles, has_titles=shape.has_titles)
    decoder = codecs.getincrementaldecoder(shape.encoding)("replace")
    first = True
    while piece := file.read(BLOCK):
        text = decoder.decode(piece)
        out.write((text.lstrip("\ufeff") if first else text).encode("utf-8", "replace"))
        first = False
        tick()
    out.write(decoder.decode(b"", True).encode("utf-8", "replace"))
    found = reading.look(cast(BinaryIO, out), "utf-8", shape.separator)
    return replace(found, encoding=shape.encoding, titles=shape.titles)


def _look_at_sheet(file: BinaryIO) -> Shape:
    with _sheet(file) as rows:
        first = [[" ".join(cell.split()) for cell in row] for row in islice(rows, TICK)]
    before = next((number for number, cells in enumerate(first) if any(cells)), None)
    if before is None:
        raise BadFile("The first sheet of the workbook is empty.")
    cells = first[before]
    people = any(is_address(cell) for cell in cells if "@" in cell)
    sample = [[cell[:200] for cell in row] for row in first[before + (not people) :] if any(row)][:SAMPLE]
    return Shape("xlsx", "utf-8", ",", named([""] * len(cells) if people else cells), not people, 0, before + (not people), sample)


def _write_sheet(file: BinaryIO, out: IO[bytes], tick: Callable[[], None]) -> None:
    text = io.TextIOWrapper(cast(BinaryIO, out), "utf-8", errors="replace", newline="", write_through=False)
    writer = csv.writer(text, lineterminator="\n")
    with _sheet(file) as rows:
        for number, row in enumerate(rows, 1):
            writer.writerow(row)
            if number % TICK == 0:
                tick()
    text.flush()
    text.detach()


@contextmanager
def _sheet(file: BinaryIO) -> Iterator[Iterator[list[str]]]:
    """The rows of the first sheet that can be seen, as texts."""
    try:
        _check_parts(file)
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        try:
            sheet = next((one for one in book.worksheets if one.sheet_state == "visible"), None)
            if sheet is None:
                raise BadFile("The workbook has no sheet that can be seen.")
            sheet.reset_dimensions()
            yield _rows(sheet)
        finally:
            book.close()
    except DAMAGED as error:
        raise BadFile(f"The workbook cannot be read ({type(error).__name__}). Save it anew as XLSX, or as CSV.") from error


def _check_parts(file: BinaryIO) -> None:
    """Sizes as the archive announces them; its reader gives no more than is announced."""
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
    if len(parts) > MOST_PARTS:
        raise BadFile("The workbook has too many parts. Save the list as CSV.")
    for part in parts:
        most = MOST_SHEET if "worksheets/" in part.filename else MOST_TEXTS if "sharedStrings" in part.filename else MOST_OTHER
        tight = part.file_size > RATIO_COUNTS and part.file_size > MOST_RATIO * max(1, part.compress_size)
        if part.file_size > most or tight:
            raise BadFile("The workbook unpacks to more than an import takes. Save the list as CSV, which may have any size.")


def _rows(sheet: Any) -> Iterator[list[str]]:
    for number, row in enumerate(sheet.iter_rows(values_only=True, max_col=MOST_COLUMNS), 1):
        if number > MOST_ROWS:
            raise BadFile(f"A sheet has at most {MOST_ROWS:,} rows; this one claims more. Save the list as CSV.")
        cells = [_text(value) for value in row]
        while cells and not cells[-1]:
            cells.pop()
        yield cells


def _text(value: Any) -> str:
    """What stands in a cell, on one line."""
    if value is None:
        return ""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        return "yes" if value else "no"
    elif isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    elif isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    elif isinstance(value, date | time):
        return value.isoformat()
    else:
        text = str(value)
    if "\n" in text or "\r" in text:
        text = " ".join(text.split())
    return text[: LONGEST_CELL + 1]
