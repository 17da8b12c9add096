"""Rows that were not taken, as a CSV that can be mended and sent again: packed by the batch, in the transaction that passed over them."""

import csv
import io
from collections.abc import Callable, Sequence

from sqlalchemy import select

from webapp.audit.export import harmless
from webapp.core.blobs import pack, unpack
from webapp.core.db import db, reading
from webapp.imports.cleaning import Problem
from webapp.imports.models import ImportProblem

#: one packed part holds at most so many
PART = 2000


def keep(import_id: int, problems: Sequence[Problem], kind: str = "row") -> None:
    """Within the caller's transaction."""
    for start in range(0, len(problems), PART):
        some = problems[start : start + PART]
        lines = [[one.line, one.address, one.message, *one.cells] for one in some]
        db.session.add(ImportProblem(import_id=import_id, kind=kind, number=len(some), packed=pack(_csv(lines))))


def first(import_id: int, most: int, kind: str = "row") -> list[Problem]:
    """The first ones."""
    found: list[Problem] = []
    for packed in _parts(import_id, kind, 0, (most - 1) // PART + 1)[1]:
        found += [Problem(int(row[0]), row[1], row[2], row[3:]) for row in csv.reader(io.StringIO(unpack(packed).decode(), newline=""))]
    return found[:most]


def heading(titles: Sequence[str], kind: str = "row") -> bytes:
    """The first line of the file."""
    return _csv([["line", "address", "problem", *titles]] if kind == "row" else [["contact", "address", "problem"]], safe=True)


def piece(import_id: int, kind: str, beyond: int) -> tuple[int, bytes]:
    """The next lines behind a part, and the part that was the last; b"" at the end. A spreadsheet runs none of the cells."""
    with reading():
        last, parts = _parts(import_id, kind, beyond, 5)
        db.session.rollback()
    return last, b"".join(_csv(csv.reader(io.StringIO(unpack(packed).decode(), newline="")), safe=True) for packed in parts)


def _parts(import_id: int, kind: str, beyond: int, most: int) -> tuple[int, list[bytes]]:
    query = select(ImportProblem.id, ImportProblem.packed).where(ImportProblem.import_id == import_id, ImportProblem.kind == kind)
    rows = list(db.session.execute(query.where(ImportProblem.id > beyond).order_by(ImportProblem.id).limit(most)))
    return (rows[-1].id if rows else beyond), [row.packed for row in rows]


def _csv(rows: object, *, safe: bool = False) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    for row in rows:  # type: ignore[attr-defined]
        writer.writerow([harmless(cell) if safe and isinstance(cell, str) else cell for cell in row])
    return text.getvalue().encode("utf-8", "replace")


def forget(part_id: int, is_gone: Callable[[str], bool]) -> int:
    """Take the rows of an erased person out of a part, by their address; says how many."""
    part = db.session.get_one(ImportProblem, part_id)
    rows = list(csv.reader(io.StringIO(unpack(part.packed).decode(), newline="")))
    kept = [row for row in rows if not is_gone(row[1])]
    if len(kept) == len(rows):
        return 0
    part.packed = pack(_csv(kept))
    return len(rows) - len(kept)
