"""The list as a file: importing one, with a look at it first, and exporting all of it while it is read."""

import csv
import io
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, current_app
from sqlalchemy import select

from webapp.audit import service as audit
from webapp.audit.export import harmless
from webapp.audit.service import Target
from webapp.core.actor import Actor
from webapp.core.db import db, fresh_session, reading, utcnow
from webapp.core.errors import invalid
from webapp.suppressions import adding, files
from webapp.suppressions.adding import New
from webapp.suppressions.files import BadFile, Wrong
from webapp.suppressions.models import Suppression
from webapp.suppressions.service import filtered

#: rows that go in with one statement, rows that go out with one query, errors that are told
BATCH, OUT, MOST_TOLD = 5000, 1000, 100
LIST = Target("suppression", None, "Suppression list")
COLUMNS = ("id", "address", "reason", "scope", "source", "created_at", "added_by", "note", "said")


@dataclass(frozen=True)
class Imported:
    """What an import does, or would do.

    new, known   rows that come on the list, and those that are on it already
    repeated     rows that stand in the file twice
    errors       the first rows that were wrong; `wrong` is how many there are
    """

    preview: bool
    rows: int
    new: int
    known: int
    repeated: int
    wrong: int
    errors: list[Wrong]


def import_file(actor: Actor, content: bytes, *, preview: bool = False) -> Imported:
    """Take a file: what is right goes on the list, what is wrong is told. preview: look only. raises Invalid about `file`"""
    actor.require("suppressions:write")
    try:
        rows, wrong = files.read(content)
    except BadFile as error:
        raise invalid("file", str(error)) from None
    new = {(row.address, row.reason, row.scope): row for row in reversed(rows)}  # what stands twice counts as it stands first
    wanted = [New(row.address, row.reason, row.scope, "import", actor.name or None, row.note or None) for row in reversed(new.values())]
    number = sum(_take(actor, wanted[start : start + BATCH], preview) for start in range(0, len(wanted), BATCH))
    told = Imported(
        preview, len(rows) + len(wrong), number, len(wanted) - number, len(rows) - len(wanted), len(wrong), wrong[:MOST_TOLD]
    )
    if number and not preview:
        audit.record(actor, "suppression.import", LIST, after={"new": number, "known": told.known, "wrong": told.wrong})
    return told


def _take(actor: Actor, rows: list[New], preview: bool) -> int:
    if not preview:
        return len(adding.add_many(actor.workspace_id, rows))
    return len(rows) - adding.count_known(actor.workspace_id, rows)


def export(actor: Actor, filters: dict[str, Any]) -> Response:
    """The list as CSV, sent while it is read; a spreadsheet runs none of its cells."""
    actor.require("suppressions:read")
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    db.session.rollback()
    with fresh_session():
        audit.record(actor, "suppression.export", LIST, after={name: str(value) for name, value in filters.items() if value})
    response = Response(_pieces(app, actor.workspace_id, filters), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="suppressions-{utcnow():%Y%m%dT%H%M%SZ}.csv"'
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _pieces(app: Flask, workspace_id: int, filters: dict[str, Any]) -> Generator[bytes]:
    """Each piece is made in a context of its own, so that nothing is held while the other side reads."""
    yield _csv([COLUMNS])
    beyond = 0
    while True:
        with app.app_context():
            rows = list(_batch(workspace_id, filters, beyond))
            db.session.rollback()
        if rows:
            beyond = rows[-1][0]
            yield _csv([harmless(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
        if len(rows) < OUT:
            return


def _batch(workspace_id: int, filters: dict[str, Any], beyond: int) -> Iterator[list[Any]]:
    columns = [getattr(Suppression, name) for name in COLUMNS]
    query = filtered(select(*columns).where(Suppression.workspace_id == workspace_id), workspace_id, filters)
    with reading():
        for row in db.session.execute(query.where(Suppression.id > beyond).order_by(Suppression.id).limit(OUT)):
            yield [f"{cell:%Y-%m-%dT%H:%M:%SZ}" if name == "created_at" else cell for name, cell in zip(COLUMNS, row, strict=True)]


def _csv(rows: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().replace("\x00", "").encode("utf-8", "replace")
