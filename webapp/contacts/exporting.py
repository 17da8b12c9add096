"""Contacts as a file: all that a filter lets through, oldest first, read while it is sent.

Each thousand rows are a read of their own that begins where the last one ended, so nothing is locked, no snapshot is held and memory stays
as it is with ten million contacts. A cell that a spreadsheet would take for a formula gets an apostrophe in front in CSV, and is marked
as text in XLSX, unless raw text is wanted. The titles are those that an import maps by itself.
"""

import csv
import io
from collections.abc import Generator, Iterable, Mapping
from typing import Any

from flask import Flask, Response, current_app

from webapp.audit import service as audit
from webapp.audit.export import harmless
from webapp.audit.service import Target
from webapp.contacts import field_values, groups, listing, tags, workbook
from webapp.contacts.models import Contact
from webapp.core.actor import Actor
from webapp.core.db import db, fresh_session, reading, utcnow

BATCH = 1000
#: form -> content type
FORMS = {"csv": "text/csv; charset=utf-8", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
COLUMNS = (
    "id", "email", "name", "first_name", "last_name", "company", "phone", "job_title", "street", "city", "state", "postal_code", "country",
    "lead_score", "subscribed", "unsubscribed_at", "bounced_at", "complained_at", "last_contacted_at", "last_active_at", "source",
    "created_at", "updated_at",
)  # fmt: skip


def export(actor: Actor, filters: Mapping[str, Any], *, raw: bool = False, form: str = "csv") -> Response:
    """The contacts that the filters let through (`filters.filtered`); audited. raises Invalid, NotFound before anything is sent

    form  one of FORMS
    """
    actor.require("contacts:export")
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    given = {name: value for name, value in filters.items() if value not in (None, "")}
    listing.filtered(actor.workspace_id, given)
    custom = [field.key for field in field_values.of_workspace(actor.workspace_id)]
    db.session.rollback()
    with fresh_session():
        noted = {"raw": raw, "form": form, "filters": {name: str(value) for name, value in given.items()}}
        audit.record(actor, "contact.export", Target("contact", None, "Contacts"), after=noted)
    titles = [*COLUMNS, "tags", "groups", *(f"custom.{key}" for key in custom)]
    batches = _batches(app, actor.workspace_id, given, custom)
    made = workbook.pieces(titles, batches, raw=raw) if form == "xlsx" else _csv_pieces(titles, batches, raw)
    response = Response(made, content_type=FORMS[form])
    response.headers["Content-Disposition"] = f'attachment; filename="contacts-{utcnow():%Y%m%dT%H%M%SZ}.{form}"'
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _csv_pieces(titles: list[str], batches: Iterable[list[list[Any]]], raw: bool) -> Generator[bytes]:
    yield _csv([titles], False)
    for rows in batches:
        yield _csv(rows, raw)


def _batches(app: Flask, workspace_id: int, filters: Mapping[str, Any], custom: list[str]) -> Generator[list[list[Any]]]:
    """Each is read in a context of its own, so that nothing is held while the other side reads."""
    beyond = 0
    while True:
        with app.app_context():
            rows = _batch(workspace_id, filters, custom, beyond)
            db.session.rollback()
        if rows:
            beyond = rows[-1][0]
            yield rows
        if len(rows) < BATCH:
            return


def _batch(workspace_id: int, filters: Mapping[str, Any], custom: list[str], beyond: int) -> list[list[Any]]:
    columns = [getattr(Contact, name) for name in COLUMNS]
    query = listing.filtered(workspace_id, filters).with_only_columns(*columns, Contact.custom_fields)
    with reading():
        rows = list(db.session.execute(query.where(Contact.id > beyond).order_by(Contact.id).limit(BATCH)))
        ids = [row.id for row in rows]
        marks, lists = tags.of_contacts(ids), groups.of_contacts(ids)
        return [
            [
                *map(_cell, row[:-1]), ",".join(tag.name for tag in marks[row.id]), ",".join(group.name for group in lists[row.id]),
                *(_cell(row.custom_fields.get(key)) for key in custom),
            ]
            for row in rows
        ]  # fmt: skip


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if hasattr(value, "strftime"):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return ",".join(map(str, value)) if isinstance(value, list) else value


def _csv(rows: Iterable[Iterable[Any]], raw: bool) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([cell if raw or not isinstance(cell, str) else harmless(cell) for cell in row] for row in rows)
    return text.getvalue().replace("\x00", "").encode("utf-8", "replace")
