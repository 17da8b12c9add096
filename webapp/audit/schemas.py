"""Shapes of the audit log on the wire (DESIGN promise 4)."""

import orjson
from marshmallow import fields

from webapp.audit.models import AuditEntry
from webapp.core.shapes import Choice, Count, DayStart, Line, QueryId, Shape, Shown


class AuditActor(Shape):
    type = fields.String(required=True)
    id = fields.Integer(required=True, allow_none=True)
    name = fields.String(required=True)


class AuditToken(Shape):
    id = fields.Integer(required=True)
    name = fields.String(required=True, allow_none=True)
    last_four = fields.String(required=True, allow_none=True)


class AuditTarget(Shape):
    type = fields.String(required=True)
    id = fields.Integer(required=True, allow_none=True)
    name = fields.String(required=True)


class AuditEntrySchema(Shape):
    id = fields.Integer(required=True)
    at = fields.DateTime(required=True)
    actor = Shown(AuditActor, "actor_of", required=True)
    token = Shown(AuditToken, "token_of", required=True, allow_none=True)
    action = fields.String(required=True)
    target = Shown(AuditTarget, "target_of", required=True)
    result = Choice("done", "refused", required=True)
    reason = fields.String(required=True, allow_none=True)
    before = Shown(None, "before_of", required=True, allow_none=True)
    after = Shown(None, "after_of", required=True, allow_none=True)
    ip = fields.String(required=True, allow_none=True)
    request_id = fields.String(required=True, allow_none=True)
    hash = fields.String(required=True)
    previous_hash = fields.String(required=True)

    def actor_of(self, entry: AuditEntry) -> dict[str, object]:
        return {"type": entry.actor_type, "id": entry.actor_id, "name": entry.actor_name}

    def token_of(self, entry: AuditEntry) -> dict[str, object] | None:
        if entry.token_id is None:
            return None
        return {"id": entry.token_id, "name": entry.token_name, "last_four": entry.token_last_four}

    def target_of(self, entry: AuditEntry) -> dict[str, object]:
        return {"type": entry.target_type, "id": entry.target_id, "name": entry.target_name}

    def before_of(self, entry: AuditEntry) -> object:
        return read(entry.before)

    def after_of(self, entry: AuditEntry) -> object:
        return read(entry.after)


def read(text: str | None) -> object:
    """The stored canonical JSON as an object."""
    return None if text is None else orjson.loads(text)


class AuditQuery(Shape):
    q = Line(120, metadata={"description": "Words of any name, the last one by its beginning, or a whole address or request id"})
    actor = Line(120, metadata={"description": "Words of the actor's or its token's name, the last one by its beginning"})
    actor_type = Choice("user", "token", "mailbox", "system")
    actor_id = QueryId()
    token_id = QueryId(metadata={"description": "Everything done with this token, also after it was revoked"})
    action = Line(80, metadata={"description": "`route.create`, or `route` or `route.*` for all actions on routes"})
    target_type = Line(40)
    target_id = QueryId()
    result = Choice("done", "refused")
    ip = Line(64)
    request_id = Line(128)
    after = DayStart()
    before = DayStart(end=True)


class AuditExportQuery(AuditQuery):
    format = Choice("csv", "json", load_default="csv", metadata={"description": "`json` is one object a line (NDJSON)"})
    raw = fields.Boolean(load_default=False, metadata={"description": "Leave CSV cells that a spreadsheet would run as they are"})


class AuditKeeping(Shape):
    """How long the log is kept, and what stands behind it."""

    keep_days = fields.Integer(required=True, allow_none=True, metadata={"description": "null: for ever"})
    entries = fields.Integer(required=True)
    removed = fields.Integer(required=True, metadata={"description": "How many entries retention removed from the front"})
    removed_at = fields.DateTime(required=True, allow_none=True)
    checkpoint_entries = fields.Integer(required=True, metadata={"description": "How long the chain was at its last signed checkpoint"})
    checkpoint_at = fields.DateTime(required=True, allow_none=True)
    verified_at = fields.DateTime(required=True, allow_none=True)
    fault = fields.String(required=True, allow_none=True, metadata={"description": "What the last verification found, if anything"})


class AuditKeepingPatch(Shape):
    keep_days = Count(30, 36_500, required=True, allow_none=True, metadata={"description": "null: for ever"})
