"""Shapes of domains on the wire, in the words of both families (reference/mailtrigger.md 2.1, reference/trekmail.md 4)."""

from typing import Any

from marshmallow import fields, validate

from webapp.core.rest import Meta
from webapp.core.shapes import Choice, Id, Line, Long, Shape, Shown
from webapp.domains import bulk, service
from webapp.domains.models import Domain
from webapp.domains.verification import LABEL, PREFIX, advice

LONGEST_NOTE = 120
HOSTING = ("trekmail", "external")
SIGNATURE_MODES, SIGNATURE_POSITIONS = ("off", "default", "enforced"), ("before_reply", "after_reply")
DNS_STATES = ("not_checked", "right", "missing", "different", "unknown")
TEXT = {"type": "string"}


class CatchAllIn(Shape):
    enabled = fields.Boolean(required=True)
    destination = Line(255, allow_none=True, metadata={"description": "address of a mailbox of this workspace"})


class DomainCreate(Shape):
    name = Line(255, 1, required=True, metadata={"description": "as in example.com; letters of any script"})
    note = Line(LONGEST_NOTE, allow_none=True)
    mail_hosting = Choice(*HOSTING, load_default="trekmail", load_only=True, metadata={"description": "trekmail: mail is kept here"})


class BulkAddIn(Shape):
    domains = fields.List(Line(255, 1), required=True, validate=validate.Length(1, bulk.MOST))


class DomainNoteIn(Shape):
    note = Line(LONGEST_NOTE, required=True, allow_none=True)


class MailHostingIn(Shape):
    mail_hosting = Choice(*HOSTING, required=True, load_only=True)
    confirm_mailboxes_stop_receiving = fields.Boolean(load_default=False)


class SignatureIn(Shape):
    signature_mode = Choice(*SIGNATURE_MODES, required=True)
    signature_position = Choice(*SIGNATURE_POSITIONS)
    signature_html = Long(65_535, allow_none=True)


class SignatureSchema(Shape):
    mode = Choice(*SIGNATURE_MODES, required=True)
    position = Choice(*SIGNATURE_POSITIONS, required=True)
    html = fields.String(required=True)


class MatchingIn(Shape):
    primary_domain_id = Id(required=True)


class MatchingSchema(Shape):
    configured = fields.Boolean(required=True)
    status = Choice("not_configured", "delivering", "paused", required=True)
    delivering = fields.Boolean(required=True)
    primary_domain_id = fields.Integer(required=True, allow_none=True, metadata={"description": "null too when the token does not see it"})
    primary_domain = fields.String(required=True, allow_none=True)


class BulkRow(Shape):
    domain = fields.String(required=True)
    status = fields.String(required=True, metadata={"description": "the status of the new domain, or error"})
    id = fields.Integer()
    reason = fields.String()
    error = fields.String()


class BulkAdded(Shape):
    created = fields.Integer(required=True)
    total = fields.Integer(required=True)
    results = fields.List(fields.Nested(BulkRow), required=True)


class BulkAddAnswer(BulkAdded):
    """The whole answer, as it looks with a status other than 200."""

    success = fields.Boolean(required=True)
    data = fields.Nested(BulkAdded, required=True)
    meta = fields.Nested(Meta, required=True)
    _idempotency_replay_warning = fields.String()


BULK_REFUSED = {"anyOf": [{"$ref": "#/components/schemas/BulkAddAnswer"}, {"$ref": "#/components/schemas/Error"}]}


REFUSES = "Refuse, before it is taken, mail that nothing proves and whose sender's DMARC policy is reject; else it is quarantined"


class DomainPatch(Shape):
    name = Line(255, 1, metadata={"description": "must be the name that it has"})
    note = Line(LONGEST_NOTE, allow_none=True)
    catch_all = fields.Nested(CatchAllIn)
    refuse_unproven = fields.Boolean(metadata={"description": REFUSES})


class DomainPut(DomainPatch):
    """Everything that is not sent goes back to its default."""

    note = Line(LONGEST_NOTE, allow_none=True, load_default=None)
    catch_all = fields.Nested(CatchAllIn, load_default=lambda: {"enabled": False})
    refuse_unproven = fields.Boolean(load_default=False, metadata={"description": REFUSES})


class VerifyIn(Shape):
    by_hand = fields.Boolean(load_default=False, metadata={"description": "an owner vouches for the domain; the DNS is not asked"})


class ForceQuery(Shape):
    force = fields.Boolean(load_default=False, metadata={"description": "take along what is in use"})


class DomainQuery(Shape):
    status = Choice("pending_dns", "active", "suspended")
    verified = fields.Boolean()
    dns = Choice(*DNS_STATES, "problems", metadata={"description": "what was found in the DNS; problems: missing or different"})
    search = Line(255, metadata={"description": "part of the name or note"})


class VerificationRecord(Shape):
    type = fields.String(required=True)
    host = fields.String(required=True)
    value = fields.String(required=True)


class CatchAll(Shape):
    enabled = fields.Boolean(required=True)
    destination = fields.String(required=True, allow_none=True)


class LastCheck(Shape):
    sentence = fields.String(required=True, metadata={"description": "what was asked and what came back"})
    resolver = fields.String(required=True)
    status = Choice("ok", "nxdomain", "no_answer", "servfail", "timeout", required=True)
    found = fields.List(fields.String(), required=True)


class DomainSchema(Shape):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    domain = fields.String(attribute="name", required=True, dump_only=True)
    status = Choice("pending_dns", "active", "suspended", required=True)
    verified = fields.Boolean(attribute="is_verified", required=True, dump_only=True)
    verified_by_hand = fields.Boolean(required=True)
    verified_at = fields.DateTime(required=True, allow_none=True)
    last_checked_at = fields.DateTime(required=True, allow_none=True)
    last_check = fields.Nested(LastCheck, required=True, allow_none=True)
    verification_token = fields.String(attribute="verify_token", required=True, dump_only=True)
    verification_record = Shown(VerificationRecord, "proof", required=True)
    mail_hosting = Choice(*HOSTING, required=True)
    dkim_selector = fields.String(required=True)
    dkim_public_key = fields.String(attribute="dkim_public", required=True, dump_only=True)
    dkim_status = Choice(*DNS_STATES, required=True)
    dns_status = Choice(*DNS_STATES, required=True, metadata={"description": "of all records that the domain must have"})
    dns_checked_at = fields.DateTime(required=True, allow_none=True)
    next_check_at = fields.DateTime(required=True, allow_none=True)
    spf_hint = fields.Function(lambda domain: hint(domain, "spf_record"), metadata=TEXT)
    dmarc_hint = fields.Function(lambda domain: hint(domain, "dmarc_main"), metadata=TEXT)
    mx_hint = fields.Function(lambda domain: hint(domain, "mx_primary"), metadata={"type": ["string", "null"]})
    catch_all = Shown(CatchAll, "catching", required=True)
    refuse_unproven = fields.Boolean(required=True, metadata={"description": REFUSES})
    note = fields.String(required=True, allow_none=True)
    mailboxes_count = fields.Integer(attribute="mailbox_count", required=True, dump_only=True)
    mailbox_count = fields.Integer(required=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)

    def proof(self, domain: Domain) -> dict[str, str]:
        return {"type": "TXT", "host": f"{LABEL}.{domain.name}", "value": PREFIX + domain.verify_token}

    def catching(self, domain: Domain) -> dict[str, Any]:
        return {"enabled": domain.catch_all_enabled, "destination": domain.catch_all_destination}


class DomainVerified(DomainSchema):
    """The answer of a verification: the domain, and what was found where, in a sentence."""

    message = fields.Function(lambda domain: outcome(domain), metadata=TEXT)


def hint(domain: Domain, record_id: str) -> str | None:
    return next((record.value for record in service.records(domain) if record.id == record_id), None)


def outcome(domain: Domain) -> str:
    if domain.verified_by_hand:
        return f"{domain.name} is verified; an owner vouched for it."
    check = domain.last_check
    if check is None:
        return f"{domain.name} has not been looked up yet."
    if domain.is_verified and check["status"] != "ok":
        return f"{domain.name} stays verified, though this time the record was not seen: {check['sentence']}"
    return str(check["sentence"]) if domain.is_verified else f"{check['sentence']} {advice(domain)}"
