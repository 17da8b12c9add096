"""Shapes of imports on the wire."""

from types import SimpleNamespace
from typing import Any

from marshmallow import fields

from webapp.core.shapes import Choice, Shape
from webapp.imports import service
from webapp.imports.models import DUPLICATES, STATES, ContactImport

#: columns that are shown as they are
KEPT = (
    "id", "state", "filename", "size_bytes", "mapping", "duplicates", "tag_ids", "group_ids", "consent", "announce", "total", "position",
    "created", "updated", "unchanged", "skipped", "suppressed", "failed", "problem", "started_at", "finished_at", "created_at",
    "updated_at",
)  # fmt: skip
COUNTED = ("rows", "new", "changed", "unchanged", "skipped", "suppressed", "invalid", "duplicate")


class ContactImportProblemOut(Shape):
    line = fields.Integer(required=True, metadata={"description": "Line of the file, from 1"})
    address = fields.String(required=True)
    message = fields.String(required=True)


class ContactImportShown(Shape):
    line = fields.Integer(required=True)
    email = fields.String(required=True)
    becomes = fields.String(required=True, metadata={"description": "new, changed, unchanged or skipped"})
    subscribed = fields.Boolean(required=True)
    values = fields.Dict(keys=fields.String(), required=True)
    was = fields.Dict(keys=fields.String(), required=True)
    different = fields.List(fields.String(), required=True)
    tags = fields.List(fields.String(), required=True)


class ContactImportPreview(Shape):
    """rows is the sum of new, changed, unchanged, skipped, invalid and duplicate; suppressed counts across them."""

    rows = fields.Integer(required=True)
    new = fields.Integer(required=True)
    changed = fields.Integer(required=True)
    unchanged = fields.Integer(required=True)
    skipped = fields.Integer(required=True)
    suppressed = fields.Integer(required=True, metadata={"description": "On the suppression list or unsubscribed: never subscribed by it"})
    invalid = fields.Integer(required=True)
    complete = fields.Boolean(required=True, metadata={"description": "False: the file goes on behind these rows, unchecked so far"})
    duplicate = fields.Integer(required=True, metadata={"description": "Rows whose address stands further up in the file"})
    first = fields.List(fields.Nested(ContactImportShown), required=True, metadata={"description": "The first rows as they would become"})
    errors = fields.List(fields.Nested(ContactImportProblemOut), required=True)


class ContactImportTaken(Shape):
    id = fields.Integer(required=True)
    status = Choice(*STATES, required=True)


class ContactImportErrors(Shape):
    count = fields.Integer(required=True)
    url = fields.String(required=True, allow_none=True, metadata={"description": "Where the refused rows are, as CSV"})


class ContactImportUndo(Shape):
    offered = fields.Boolean(required=True, metadata={"description": "For 30 days after the end"})
    restored = fields.Integer(required=True)
    removed = fields.Integer(required=True)
    left = fields.Integer(required=True, metadata={"description": "Changed by somebody since, so left as they are"})
    undone_at = fields.DateTime(required=True, allow_none=True)


class ContactImportOut(Shape):
    id = fields.Integer(required=True)
    status = Choice(*STATES, required=True, attribute="state")
    filename = fields.String(required=True)
    size_bytes = fields.Integer(required=True)
    columns = fields.List(fields.String(), required=True, metadata={"description": "Titles of the columns of the file"})
    mapping = fields.Dict(keys=fields.String(), required=True, metadata={"description": "Column -> field; empty for one that is left out"})
    duplicates = Choice(*DUPLICATES, required=True)
    tag_ids = fields.List(fields.Integer(), required=True)
    group_ids = fields.List(fields.Integer(), required=True)
    consent = fields.String(required=True, allow_none=True)
    announce = fields.Boolean(required=True, metadata={"description": "Whether each contact has an event of its own"})
    total = fields.Integer(required=True, allow_none=True, metadata={"description": "Rows, once they are counted"})
    processed = fields.Integer(required=True, attribute="position")
    created = fields.Integer(required=True)
    updated = fields.Integer(required=True)
    unchanged = fields.Integer(required=True)
    skipped = fields.Integer(required=True)
    suppressed = fields.Integer(required=True)
    failed = fields.Integer(required=True)
    progress = fields.Float(required=True, allow_none=True, metadata={"description": "0 to 1, as far as it is known"})
    rate = fields.Float(required=True, allow_none=True, metadata={"description": "Rows a second"})
    remaining_s = fields.Integer(required=True, allow_none=True)
    preview = fields.Nested(ContactImportPreview, required=True, allow_none=True)
    errors = fields.Nested(ContactImportErrors, required=True)
    undo = fields.Nested(ContactImportUndo, required=True)
    problem = fields.String(required=True, allow_none=True)
    started_at = fields.DateTime(required=True, allow_none=True)
    finished_at = fields.DateTime(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


def present(job: ContactImport) -> SimpleNamespace:
    """An import as ContactImportOut shows it."""
    done, rate, left = service.progress(job)
    undo = {"offered": service.may_undo(job), "restored": job.restored, "removed": job.removed, "left": job.left_alone}
    return SimpleNamespace(
        **{name: getattr(job, name) for name in KEPT}, columns=job.shape["titles"], undo=SimpleNamespace(**undo, undone_at=job.undone_at),
        progress=None if done is None else round(done, 4), rate=None if rate is None else round(rate, 1), remaining_s=left,
        preview=_preview(job.preview), errors=SimpleNamespace(count=job.failed, url=_errors(job)),
    )  # fmt: skip


def _errors(job: ContactImport) -> str | None:
    return f"/api/v1/contacts/imports/{job.id}/errors" if job.failed else None


def _preview(found: dict[str, Any] | None) -> SimpleNamespace | None:
    if not found or "new" not in found:
        return None
    counts = {name: found[name] for name in COUNTED}
    first, errors = ([SimpleNamespace(**one) for one in found[name]] for name in ("shown", "problems"))
    return SimpleNamespace(**counts, complete=found.get("is_whole", True), first=first, errors=errors)


class ContactImportQuery(Shape):
    status = Choice(*STATES)
