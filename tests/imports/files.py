"""Files to import, and imports that are done with them."""

import csv
import io
from typing import Any

import openpyxl

from webapp.core.db import begin_writing, db
from webapp.imports import service
from webapp.imports.models import ContactImport
from webapp.imports.service import Settings


def as_csv(*rows: Any, separator: str = ",", encoding: str = "utf-8") -> io.BytesIO:
    """Each row a list of cells; a text is a line as it stands."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator)
    for row in rows:
        if isinstance(row, str):
            text.write(row + "\r\n")
        else:
            writer.writerow(row)
    return io.BytesIO(text.getvalue().encode(encoding))


def as_xlsx(*rows: Any) -> io.BytesIO:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    file.seek(0)
    return file


def upload(person: Any, file: io.BytesIO, *, state: str = "queued", name: str = "people.csv", **settings: Any) -> int:
    """The id of the import, committed."""
    db.session.commit()
    begin_writing()
    job = service.create_import(person.actor, file, name, Settings(**settings), state=state)
    db.session.commit()
    return job.id


def found(import_id: int) -> ContactImport:
    db.session.rollback()
    return db.session.get_one(ContactImport, import_id, populate_existing=True)


def counts(job: ContactImport) -> dict[str, int]:
    """What is not nothing."""
    names = ("position", "created", "updated", "unchanged", "skipped", "suppressed", "failed")
    return {name: getattr(job, name) for name in names if getattr(job, name)}
