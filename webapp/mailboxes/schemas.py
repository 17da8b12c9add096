"""Shapes of mailboxes on the wire, in the words of both families (reference/mailtrigger.md 2.2, reference/trekmail.md 5)."""

from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from webapp.core.config import settings
from webapp.core.rest import Meta
from webapp.core.shapes import MAX_ID, Choice, Count, Id, Line, Shape, Shown, Time
from webapp.mailboxes import meters, usage
from webapp.mailboxes.creating import MOST_ITEMS
from webapp.mailboxes.limits import LABELS
from webapp.mailboxes.models import DEFAULT_MESSAGE_BYTES, MEBIBYTE, Mailbox

LONGEST_NOTE = 120
TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
LARGEST = 2**40


def limit(meaning: str, most: int = 2**31 - 1, **more: Any) -> Count:
    return Count(1, most, allow_none=True, metadata={"description": f"{meaning}; null: no limit"}, **more)


class Settings(Shape):
    """What can be set on a mailbox."""

    display_name = Line(255, allow_none=True)
    can_receive = fields.Boolean()
    can_send = fields.Boolean()
    hourly_limit = limit("most mails an hour")
    daily_limit = limit("most mails a day")
    total_limit = limit("most mails altogether", 2**53)
    max_message_bytes = Count(1, LARGEST, metadata={"description": "largest mail it takes"})
    storage_limit_bytes = limit("most bytes that its mail may fill", 2**53)
    storage_allocation_mb = limit("the same in MB of 1024 x 1024 bytes", LARGEST // MEBIBYTE, load_only=True)
    archive_enabled = fields.Boolean()
    archive_retention_days = Count(1, 36_500, allow_none=True, metadata={"description": "days in the archive; null: for ever"})
    default_delivery = Choice("deliver", "archive_only")
    log_level = Choice("normal", "verbose")
    allow_unauthenticated = fields.Boolean(metadata={"description": "run routes on mail that fails SPF, DKIM and DMARC too"})
    note = Line(LONGEST_NOTE, allow_none=True)

    @post_load
    def one_storage_limit(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Both spellings of the storage limit become one."""
        if "storage_allocation_mb" in data:
            megabytes = data.pop("storage_allocation_mb")
            if data.get("storage_limit_bytes") is not None:
                raise ValidationError("Send either storage_limit_bytes or storage_allocation_mb.", "storage_allocation_mb")
            data["storage_limit_bytes"] = None if megabytes is None else megabytes * MEBIBYTE
        return data


class MailboxCreate(Settings):
    domain_id = Id(required=True)
    local_part = Line(255, 1, required=True, metadata={"description": "what stands before the @"})
    password = fields.String(allow_none=True, metadata={"description": "12 to 128 characters; without one it is generated"})
    password_mode = Choice("generated_one_time", "user_supplied", load_only=True)

    @post_load
    def passwords_fit(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """The mode only repeats what the presence of a password says."""
        mode = data.pop("password_mode", None)
        if mode == "generated_one_time" and data.get("password"):
            raise ValidationError("Leave the password out, or send password_mode user_supplied.", "password")
        if mode == "user_supplied" and not data.get("password"):
            raise ValidationError("Send the password, or password_mode generated_one_time.", "password")
        if data.get("password") == "":
            raise ValidationError("Leave it out to have one generated.", "password")
        return data


class BulkItem(Settings):
    """One mailbox of many."""

    domain_id = Id(metadata={"description": "may be left out where `address` holds a whole address"})
    local_part = Line(255, metadata={"description": "what stands before the @"})
    address = Line(320, metadata={"description": "the whole address, instead of domain_id and local_part"})
    password = fields.String(allow_none=True, metadata={"description": "12 to 128 characters; without one it is generated"})

    @post_load
    def has_a_name(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if bool(data.get("address")) == bool(data.get("local_part")):
            raise ValidationError("Send either local_part (with domain_id) or address.", "local_part")
        return data


class BulkCreate(Shape):
    items = fields.List(fields.Nested(BulkItem), required=True, validate=validate.Length(1, MOST_ITEMS))
    password_mode = Choice("generated_one_time", "user_supplied", metadata={"description": "only repeats what the items say"})
    create_app_password = fields.Boolean(load_default=False, validate=validate.Equal(False, error="App passwords are not offered here."))


class BulkCounts(Shape):
    created = fields.Integer(required=True)
    failed = fields.Integer(required=True)


class BulkResult(Shape):
    email = fields.String(required=True)
    status = Choice("created", "failed", required=True)
    mailbox_id = fields.Integer()
    one_time_password = fields.String(metadata={"description": "the generated one, this once"})
    app_password = fields.String(required=True, allow_none=True)
    reason = fields.String(metadata={"description": "why it failed: already_exists, validation_error, not_found …"})
    error = fields.String(metadata={"description": "the same in words"})


class BulkMade(Shape):
    counts = fields.Nested(BulkCounts, required=True)
    results = fields.List(fields.Nested(BulkResult), required=True, metadata={"description": "in the order of the items"})


class BulkMadeAnswer(BulkMade):
    """The whole answer, as it looks with a status other than 200."""

    success = fields.Boolean(required=True)
    data = fields.Nested(BulkMade, required=True)
    meta = fields.Nested(Meta, required=True)
    _idempotency_replay_warning = fields.String()


BULK_REFUSED = {"anyOf": [{"$ref": "#/components/schemas/BulkMadeAnswer"}, {"$ref": "#/components/schemas/Error"}]}


class MailboxPatch(Settings):
    domain_id = Id(metadata={"description": "must be the domain that it has"})
    local_part = Line(255, 1, metadata={"description": "must be the name that it has"})
    enabled = fields.Boolean(metadata={"description": "false pauses, true resumes"})


class MailboxPut(MailboxPatch):
    """Everything that is not sent goes back to its default."""

    display_name = Line(255, allow_none=True, load_default=None)
    can_receive = fields.Boolean(load_default=True)
    can_send = fields.Boolean(load_default=True)
    hourly_limit = limit("most mails an hour", load_default=None)
    daily_limit = limit("most mails a day", load_default=None)
    total_limit = limit("most mails altogether", 2**53, load_default=None)
    max_message_bytes = Count(1, LARGEST, load_default=lambda: min(DEFAULT_MESSAGE_BYTES, settings().max_message_bytes))
    storage_limit_bytes = limit("most bytes that its mail may fill", 2**53, load_default=None)
    archive_enabled = fields.Boolean(load_default=True)
    archive_retention_days = Count(1, 36_500, allow_none=True, load_default=None)
    default_delivery = Choice("deliver", "archive_only", load_default="deliver")
    log_level = Choice("normal", "verbose", load_default="normal")
    allow_unauthenticated = fields.Boolean(load_default=False)
    note = Line(LONGEST_NOTE, allow_none=True, load_default=None)
    enabled = fields.Boolean(load_default=True)


class MailboxQuery(Shape):
    domain_id = fields.Integer(validate=validate.Range(min=1, max=MAX_ID))
    status = Choice("active", "paused")
    can_send = fields.Boolean()
    can_receive = fields.Boolean()
    filling = Choice("near", "full", metadata={"description": "near: from 80 % of what it may keep on; full: at the limit"})
    search = Line(255, metadata={"description": "words; each is part of the address, the display name or the note"})


class MeterShape(Shape):
    name = Choice(*LABELS, required=True)
    used = fields.Integer(required=True)
    limit = fields.Integer(required=True)
    level = Choice("near", "full", required=True, allow_none=True, metadata={"description": "near from 80 % on; null: room enough"})
    frees_at = Time(required=True, allow_none=True, metadata={"description": "when an hour or a day that is used up has room again"})


class UsageShape(Shape):
    hour = fields.Integer(required=True, metadata={"description": "mails received and sent in the last hour"})
    day = fields.Integer(required=True, metadata={"description": "mails received and sent in the last day"})
    total = fields.Integer(required=True, metadata={"description": "messages kept, sent and received"})
    bytes = fields.Integer(required=True, metadata={"description": "what they fill; mail in the trash does not count"})
    received_hour = fields.Integer(required=True)
    received_day = fields.Integer(required=True)
    sent_hour = fields.Integer(required=True)
    sent_day = fields.Integer(required=True)
    limits = fields.List(fields.Nested(MeterShape), required=True, metadata={"description": "each limit that is set"})
    counted_at = Time(
        required=True, allow_none=True, metadata={"description": "when the counters were last compared with the messages one by one"}
    )


class MailboxSchema(Shape):
    id = fields.Integer(required=True)
    email = fields.String(required=True)
    address = fields.String(attribute="email", required=True, dump_only=True)
    domain_id = fields.Integer(required=True)
    domain = fields.String(attribute="domain_name", required=True, dump_only=True)
    local_part = fields.String(required=True)
    display_name = fields.String(required=True, allow_none=True)
    name = fields.String(attribute="display_name", required=True, dump_only=True, allow_none=True)
    status = Choice("active", "paused", required=True)
    enabled = fields.Function(lambda box: box.status == "active", metadata={"type": "boolean"})
    can_receive = fields.Boolean(required=True)
    can_send = fields.Boolean(required=True)
    hourly_limit = fields.Integer(required=True, allow_none=True)
    daily_limit = fields.Integer(required=True, allow_none=True)
    total_limit = fields.Integer(required=True, allow_none=True)
    max_message_bytes = fields.Integer(required=True)
    max_message_size = fields.Integer(attribute="max_message_bytes", required=True, dump_only=True)
    storage_limit_bytes = fields.Integer(required=True, allow_none=True)
    quota_mb = fields.Function(lambda box: megabytes(box), metadata={"type": ["integer", "null"]})
    allocation_mb = fields.Function(lambda box: megabytes(box), metadata={"type": ["integer", "null"]})
    storage_allocation_mb = fields.Function(lambda box: megabytes(box), metadata={"type": ["integer", "null"]})
    used_mb = fields.Function(lambda box: round(usage.of(box).bytes / MEBIBYTE, 2), metadata={"type": "number"})
    usage = Shown(UsageShape, "used", required=True)
    is_pooled = fields.Function(lambda box: box.storage_limit_bytes is None, metadata={"type": "boolean"})
    is_pooled_storage = fields.Function(lambda box: box.storage_limit_bytes is None, metadata={"type": "boolean"})
    archive_enabled = fields.Boolean(required=True)
    archive_retention_days = fields.Integer(required=True, allow_none=True)
    default_delivery = Choice("deliver", "archive_only", required=True)
    log_level = Choice("normal", "verbose", required=True)
    allow_unauthenticated = fields.Boolean(required=True)
    is_system = fields.Boolean(required=True)
    mailbox_type = fields.Function(lambda box: "user", metadata=TEXT)
    is_shared = fields.Function(lambda box: False, metadata={"type": "boolean"})
    login_suspended = fields.Function(lambda box: False, metadata={"type": "boolean"})
    imap_enabled = fields.Function(lambda box: False, metadata={"type": "boolean"})
    note = fields.String(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)

    def used(self, mailbox: Mailbox) -> dict[str, Any]:
        found = usage.numbers(mailbox)
        received, sent = found.received, found.sent
        return {
            "hour": received.hour + sent.hour, "day": received.day + sent.day, "total": found.kept.total, "bytes": found.kept.bytes,
            "received_hour": received.hour, "received_day": received.day, "sent_hour": sent.hour, "sent_day": sent.day,
            "limits": [
                {"name": one.name, "used": one.used, "limit": one.limit, "level": one.level, "frees_at": one.frees_at}
                for one in meters.of(mailbox)
            ],
            "counted_at": mailbox.counted_at,
        }  # fmt: skip


class MailboxMade(MailboxSchema):
    """The answer of a creation: with the generated password, this once."""

    password = fields.String()


class NoteIn(Shape):
    note = Line(LONGEST_NOTE, allow_none=True, required=True, metadata={"description": "for people; null removes it"})


class PasswordIn(Shape):
    password = fields.String(allow_none=True, metadata={"description": "12 to 128 characters; without one it is generated"})


class PasswordSet(Shape):
    id = fields.Integer(required=True)
    email = fields.String(required=True)
    status = Choice("updated", required=True)
    sync_pending = fields.Boolean(required=True)
    password = fields.String(metadata={"description": "the generated one, this once"})


class Made:
    """A mailbox together with its generated password, if there is one, for its one showing."""

    def __init__(self, mailbox: Mailbox, password: str | None) -> None:
        self.mailbox = mailbox
        if password is not None:
            self.password = password

    def __getattr__(self, name: str) -> Any:
        if name == "password":
            raise AttributeError(name)
        return getattr(self.mailbox, name)


def megabytes(mailbox: Mailbox) -> int | None:
    return None if mailbox.storage_limit_bytes is None else mailbox.storage_limit_bytes // MEBIBYTE
