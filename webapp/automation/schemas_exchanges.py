"""Shapes of stopped pairs on the wire."""

from marshmallow import fields

from webapp.automation.models_loops import KINDS
from webapp.core.shapes import Choice, Shape


class StoppedOut(Shape):
    id = fields.Integer(required=True)
    mailbox_id = fields.Integer(required=True)
    mailbox = fields.String(required=True, metadata={"description": "address of the mailbox"})
    kind = Choice(*KINDS, required=True)
    correspondent = fields.String(required=True, metadata={"description": "an address, @domain, or <> for reports"})
    stopped_at = fields.DateTime(required=True)
    reason = fields.String(required=True)
