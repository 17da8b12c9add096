"""Shapes of contacts, tags, groups and custom fields on the wire (reference/mailtrixy.md section 3)."""

from typing import Any

from marshmallow import ValidationError, fields, validate

from webapp.contacts import consents, filters, subscribing, values
from webapp.contacts.models import FIELD_TYPES, SOURCES
from webapp.core.shapes import MAX_ID, Choice, Count, DayStart, Id, IdText, Line, Long, Shape
from webapp.happenings.models import TYPES

MANY_IDS = validate.Length(min=1, max=10_000)
ANY_VALUE = {"description": "Key of a custom field -> value; null removes one, unknown keys are made custom fields"}


class Named(Shape):
    id = fields.Integer(required=True)
    name = fields.String(required=True)


class _Written(Shape):
    """What a contact may be given, beside name and email."""

    first_name = Line(200, allow_none=True)
    last_name = Line(200, allow_none=True)
    company = Line(200, allow_none=True)
    phone = Line(50, allow_none=True)
    job_title = Line(200, allow_none=True)
    street = Line(300, allow_none=True)
    city = Line(200, allow_none=True)
    state = Line(200, allow_none=True)
    postal_code = Line(30, allow_none=True)
    country = Line(100, allow_none=True)
    lead_score = Count(0, values.MOST_SCORE)
    tags = fields.List(Line(200), validate=validate.Length(max=100), metadata={"description": "Names; made when missing"})
    group_ids = fields.List(Id(), validate=validate.Length(max=1000))
    custom_fields = fields.Dict(keys=fields.String(), allow_none=True, metadata=ANY_VALUE)


class ContactIn(_Written):
    name = Line(200, 1, required=True)
    email = Line(1000, 3, required=True)
    subscribed = fields.Boolean(load_default=True)
    evidence = Long(2000, allow_none=True, metadata={"description": "What they agreed to, and where; kept as consent"})


class ContactPatch(_Written):
    name = Line(200, 1)
    email = Line(1000, 3)
    subscribed = fields.Boolean()


class ContactRow(Shape):
    """A contact in a list."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    email = fields.String(required=True)
    company = fields.String(required=True, allow_none=True)
    phone = fields.String(required=True, allow_none=True)
    tags = fields.List(fields.Nested(Named), required=True)
    subscribed = fields.Boolean(required=True)
    unsubscribed_at = fields.DateTime(required=True, allow_none=True)
    bounced_at = fields.DateTime(required=True, allow_none=True)
    complained_at = fields.DateTime(required=True, allow_none=True)
    lead_score = fields.Integer(required=True)
    last_contacted_at = fields.DateTime(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


class ContactOut(Shape):
    """A contact with everything."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    email = fields.String(required=True)
    company = fields.String(required=True, allow_none=True)
    phone = fields.String(required=True, allow_none=True)
    tags = fields.List(fields.Nested(Named), required=True)
    groups = fields.List(fields.Nested(Named), required=True)
    custom_fields = fields.Dict(required=True, metadata={"description": "Key of a custom field -> value"})
    conversations_count = fields.Function(lambda contact: 0, metadata={"type": "integer"})
    last_contacted_at = fields.DateTime(required=True, allow_none=True)
    first_name = fields.String(required=True)
    last_name = fields.String(required=True)
    job_title = fields.String(required=True, allow_none=True)
    street = fields.String(required=True, allow_none=True)
    city = fields.String(required=True, allow_none=True)
    state = fields.String(required=True, allow_none=True)
    postal_code = fields.String(required=True, allow_none=True)
    country = fields.String(required=True, allow_none=True)
    lead_score = fields.Integer(required=True)
    subscribed = fields.Boolean(required=True)
    unsubscribed_at = fields.DateTime(required=True, allow_none=True)
    bounced_at = fields.DateTime(required=True, allow_none=True)
    complained_at = fields.DateTime(required=True, allow_none=True)
    last_active_at = fields.DateTime(required=True, allow_none=True)
    source = Choice(*SOURCES, required=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


class ContactQuery(Shape):
    search = Line(200, metadata={"description": "Words or beginnings of words of name, email or company"})
    tag = Line(200, metadata={"description": "Name of a tag"})
    group_id = IdText()
    segment_id = IdText()
    subscribed = fields.Boolean()
    status = Choice(*filters.STATES, metadata={"description": "subscribed leaves out who bounced or complained"})
    email = Line(254, metadata={"description": "The whole address"})
    created_after = DayStart()
    created_before = DayStart(end=True)
    updated_after = DayStart()
    updated_before = DayStart(end=True)


class TagIn(Shape):
    name = Line(50, 1, required=True)
    color = Line(7, allow_none=True, metadata={"description": "# and six hexadecimal digits; chosen by the system when missing"})


class TagPatch(Shape):
    name = Line(50, 1)
    color = Line(7, allow_none=True)


class TagOut(Shape):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    color = fields.String(required=True)
    contacts_count = fields.Integer(required=True)
    created_at = fields.DateTime(required=True)


class GroupIn(Shape):
    name = Line(100, 1, required=True)
    description = Long(1000, allow_none=True)


class GroupPatch(Shape):
    name = Line(100, 1)
    description = Long(1000, allow_none=True)


class GroupOut(Shape):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    description = fields.String(required=True, allow_none=True)
    members_count = fields.Integer(required=True)
    created_at = fields.DateTime(required=True)


class ListQuery(Shape):
    search = Line(100, metadata={"description": "A part of the name"})


class Members(Shape):
    contact_ids = fields.List(Id(), required=True, validate=MANY_IDS)


class MembersGone(Shape):
    contact_ids = fields.List(Id(), validate=MANY_IDS)


class IdList(fields.Field[list[int]]):
    """Ids in a query string, with commas between them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"type": "string", "description": "Ids with commas between them"}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[int]:
        parts = [part.strip() for part in str(value).split(",")]
        if not all(part.isascii() and part.isdecimal() and 0 < int(part[:20]) <= MAX_ID for part in parts) or len(parts) > 10_000:
            raise ValidationError("Write ids with commas between them, at most 10,000.")
        return [int(part) for part in parts]


class MembersNamed(Shape):
    contact_ids = IdList()


class MembersAdded(Shape):
    added = fields.Integer(required=True)
    already_members = fields.Integer(required=True)
    members_count = fields.Integer(required=True)


class MembersRemoved(Shape):
    removed = fields.Integer(required=True)
    members_count = fields.Integer(required=True)


class FieldIn(Shape):
    label = Line(100, 1, required=True)
    key = Line(63, 1, allow_none=True, metadata={"description": "Made from the label when missing; never changes"})
    type = Choice(*FIELD_TYPES, load_default="text")
    options = fields.List(Line(200, 1), validate=validate.Length(max=200), allow_none=True)
    placeholder = Line(200, allow_none=True)
    required = fields.Boolean(load_default=False)
    default = fields.Raw(allow_none=True, metadata={"description": "For contacts that come without a value"})
    position = Count(0, 10_000, allow_none=True)


class FieldPatch(Shape):
    label = Line(100, 1)
    key = Line(63, 1)
    type = Choice(*FIELD_TYPES)
    options = fields.List(Line(200, 1), validate=validate.Length(max=200))
    placeholder = Line(200, allow_none=True)
    required = fields.Boolean()
    default = fields.Raw(allow_none=True)
    position = Count(0, 10_000)


class FieldOut(Shape):
    id = fields.Integer(required=True)
    label = fields.String(required=True)
    key = fields.String(required=True)
    type = Choice(*FIELD_TYPES, required=True)
    options = fields.List(fields.String(), required=True)
    placeholder = fields.String(required=True, allow_none=True)
    required = fields.Boolean(required=True)
    default = fields.String(required=True, allow_none=True)
    position = fields.Integer(required=True)
    created_at = fields.DateTime(required=True)


class ContactNoteIn(Shape):
    text = Long(20_000, required=True)


class ContactNoteOut(Shape):
    id = fields.Integer(required=True)
    text = fields.String(required=True)
    author = fields.String(required=True)
    created_at = fields.DateTime(required=True)


class HappeningQuery(Shape):
    type = Choice(*TYPES)


class HappeningOut(Shape):
    """One line of a timeline."""

    id = fields.Integer(required=True)
    at = fields.DateTime(required=True)
    type = Choice(*TYPES, required=True)
    campaign_id = fields.Integer(required=True, allow_none=True)
    delivery_id = fields.Integer(required=True, allow_none=True)
    archive_id = fields.Integer(required=True, allow_none=True, attribute="message_id")
    details = fields.Dict(required=True, allow_none=True)


class MergeIn(Shape):
    source_id = Id(required=True, metadata={"description": "The contact that goes; what it has comes over"})


class ConsentIn(Shape):
    what = Choice(*consents.WHATS, required=True)
    source = Choice(*subscribing.SOURCES, load_default="api")
    evidence = Long(2000, allow_none=True)
    ip = Line(45, allow_none=True)
    client = Line(200, allow_none=True)


class ConsentOut(Shape):
    id = fields.Integer(required=True)
    at = fields.DateTime(required=True)
    what = Choice(*consents.WHATS, required=True)
    source = Choice(*subscribing.SOURCES, required=True)
    ip = fields.String(required=True, allow_none=True)
    client = fields.String(required=True, allow_none=True)
    campaign_id = fields.Integer(required=True, allow_none=True)
    evidence = fields.String(required=True, allow_none=True)


class EraseIn(Shape):
    messages = fields.Boolean(load_default=False, metadata={"description": "Also mail from them, and mail to them alone"})


class ErasureOut(Shape):
    """The receipt; it names nobody."""

    id = fields.Integer(required=True)
    at = fields.DateTime(required=True)
    by = fields.String(required=True)
    hash = fields.String(required=True, metadata={"description": "Keyed hash of the address"})
    counts = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True, metadata={"description": "What went -> how many"})


class ErasureQuery(Shape):
    address = Line(254, metadata={"description": "A whole address: was this person erased?"})


def _rows(name: str) -> Any:
    return fields.List(fields.Dict(), required=True, metadata={"description": f"All {name} as they are kept"})


class PortraitOut(Shape):
    """All that is kept about one person."""

    contact = fields.Dict(required=True)
    tags = fields.List(fields.String(), required=True)
    groups = fields.List(fields.String(), required=True)
    former_addresses = fields.List(fields.String(), required=True)
    notes = _rows("notes")
    consents = _rows("pieces of evidence of consent")
    engagements = _rows("opens and clicks by campaign")
    link_clicks = _rows("clicks by link")
    suppressions = _rows("entries of the suppression list")
    events = _rows("events, the newest 10,000")
    deliveries = _rows("deliveries to the address, the newest 10,000")
