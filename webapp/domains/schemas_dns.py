"""Shapes of DNS records, checks and DKIM keys on the wire (reference/trekmail.md section 4, DNS)."""

from typing import Any

from marshmallow import fields

from webapp.core.config import settings
from webapp.core.shapes import Choice, Count, Shape, Shown
from webapp.domains import checks, keys, service
from webapp.domains.models import KEY_STATES, DnsCheck, Domain
from webapp.mail import dkim, dns_records

STATES = ("not_checked", "right", "missing", "different", "unknown")
TEXT = {"type": "string"}


class DnsRecord(Shape):
    id = fields.String(required=True)
    type = Choice("TXT", "MX", "CNAME", required=True)
    host = fields.String(required=True)
    value = fields.String(required=True)
    priority = fields.Integer(required=True, allow_none=True)
    purpose = fields.String(required=True)
    required = fields.Boolean(required=True)
    status = Choice(*STATES, required=True, metadata={"description": "unknown: no resolver answered"})
    found = fields.List(fields.String(), required=True, metadata={"description": "every value that stood there"})
    message = fields.String(required=True, allow_none=True, metadata={"description": "what was found where, in a sentence"})
    hints = fields.List(fields.String(), required=True)
    fix = fields.String(required=True, allow_none=True, metadata={"description": "what to publish instead of what stands there"})
    resolver = fields.String(required=True, allow_none=True)
    ttl_s = fields.Integer(required=True, allow_none=True)
    checked_at = fields.DateTime(required=True, allow_none=True)


class DnsRequirements(Shape):
    records = fields.List(fields.Nested(DnsRecord), required=True)
    zone_file = fields.String(required=True, metadata={"description": "the records as lines of a zone file"})
    checked_at = fields.DateTime(required=True, allow_none=True)
    next_check_at = fields.DateTime(required=True, allow_none=True)


class CheckResult(Shape):
    """One record of a check."""

    ok = fields.Boolean(required=True)
    state = Choice(*STATES, required=True)
    type = fields.String(required=True)
    host = fields.String(required=True)
    expected = fields.String(required=True)
    found = fields.List(fields.String(), required=True)
    message = fields.String(required=True)
    hints = fields.List(fields.String(), required=True)
    fix = fields.String(required=True, allow_none=True)
    required = fields.Boolean(required=True)
    resolver = fields.String(required=True)
    answer = Choice("ok", "nxdomain", "no_answer", "servfail", "timeout", required=True)
    ttl_s = fields.Integer(required=True)
    checked_at = fields.DateTime(required=True)


class Progress(Shape):
    done = fields.Integer(required=True)
    total = fields.Integer(required=True)


class DnsCheckSchema(Shape):
    id = fields.Integer(required=True)
    check_id = fields.Integer(attribute="id", required=True, dump_only=True)
    domain_id = fields.Integer(required=True)
    status = Choice("pending", "complete", "failed", required=True)
    reason = Choice("added", "asked", "changed", "schedule", required=True)
    due_at = fields.DateTime(required=True)
    started_at = fields.DateTime(required=True, allow_none=True)
    finished_at = fields.DateTime(required=True, allow_none=True)
    progress = Shown(Progress, "how_far", required=True)
    results = fields.Dict(
        keys=fields.String(), values=fields.Nested(CheckResult), attribute="by_name", required=True, dump_only=True,
        metadata={"description": "verification, mx, spf, dkim, dmarc, return_path; further keys as dkim_<selector>"},
    )  # fmt: skip
    error = fields.String(required=True, allow_none=True)

    def how_far(self, check: DnsCheck) -> dict[str, int]:
        return {"done": check.done, "total": check.total}


class DkimKeySchema(Shape):
    id = fields.Integer(required=True)
    domain_id = fields.Integer(required=True)
    selector = fields.String(required=True)
    algorithm = Choice(*dkim.ALGORITHMS, required=True)
    state = Choice(*KEY_STATES, required=True, metadata={"description": "retiring: published, but signs no more"})
    host = fields.Function(lambda key: f"{key.selector}._domainkey.{key.domain.name}", metadata=TEXT)
    value = fields.Function(lambda key: dkim.dns_value(key.public, key.algorithm), metadata=TEXT)
    public_key = fields.String(attribute="public", required=True, dump_only=True)
    overlap_days = fields.Integer(required=True)
    created_at = fields.DateTime(required=True)
    activated_at = fields.DateTime(required=True, allow_none=True)
    activated_by = Choice("dns", "hand", "start", required=True, allow_none=True)
    retires_at = fields.DateTime(required=True, allow_none=True)
    retired_at = fields.DateTime(required=True, allow_none=True)


class DkimKeyList(Shape):
    keys = fields.List(fields.Nested(DkimKeySchema), required=True)


class RotateIn(Shape):
    algorithm = Choice(*dkim.ALGORITHMS, load_default="rsa", load_only=True, metadata={"description": "ed25519 signs beside the RSA key"})
    overlap_days = Count(0, keys.LONGEST_OVERLAP_DAYS, load_default=keys.OVERLAP_DAYS, load_only=True)


class DkimRetried(Shape):
    id = fields.Integer(required=True, metadata={"description": "of the domain"})
    domain_id = fields.Integer(required=True)
    status = Choice("pending", required=True)
    check_id = fields.Integer(required=True, allow_none=True)
    dkim_status = Choice(*STATES, required=True)
    dkim_selector = fields.String(required=True)


def retried(domain: Domain) -> dict[str, Any]:
    """The answer of `dkim:retry`."""
    check = checks.open_check(domain.id)
    return {
        "id": domain.id, "domain_id": domain.id, "status": "pending", "check_id": check.id if check else None,
        "dkim_status": domain.dkim_status, "dkim_selector": domain.dkim_selector,
    }  # fmt: skip


def known_records(domain: Domain, last: DnsCheck | None) -> list[dict[str, Any]]:
    """The records to publish, each with what was found last; proof that was looked up by itself since then counts."""
    found = {(entry["host"], entry["type"]): entry for entry in last.results} if last else {}
    shown = []
    for record in service.records(domain):
        entry = found.get((record.host, record.type))
        if entry is not None and entry["expected"] != record.data:
            entry = None
        if record.id == "verification" and domain.last_check and (last is None or domain.last_checked_at != last.finished_at):
            entry = {**(entry or {}), **_proof(domain)}
        shown.append({
            "id": record.id, "type": record.type, "host": record.host, "value": record.value, "priority": record.priority,
            "purpose": record.purpose, "required": record.required, "status": "not_checked", "found": [], "message": None, "hints": [],
            "fix": None, "resolver": None, "ttl_s": None, "checked_at": None, **_found(entry),
        })  # fmt: skip
    return shown


def _found(entry: dict[str, Any] | None) -> dict[str, Any]:
    if entry is None:
        return {}
    names = ("found", "message", "hints", "fix", "resolver", "ttl_s", "checked_at")
    return {"status": entry["state"], **{name: entry[name] for name in names if name in entry}}


def _proof(domain: Domain) -> dict[str, Any]:
    """What `verify` found, as an entry of a check."""
    check: dict[str, Any] = domain.last_check or {}
    state = {"ok": "right", "nxdomain": "missing", "no_answer": "missing"}.get(check["status"], "unknown")
    return {
        "state": state, "found": check["found"], "message": check["sentence"], "resolver": check["resolver"],
        "checked_at": domain.last_checked_at, "hints": [], "fix": None, "ttl_s": None,
    }  # fmt: skip


def requirements(domain: Domain) -> dict[str, Any]:
    """The records to publish, each with what is known about it."""
    return {
        "records": known_records(domain, checks.last_check(domain.id)), "zone_file": zone_file(domain),
        "checked_at": domain.dns_checked_at, "next_check_at": domain.next_check_at,
    }  # fmt: skip


def zone_file(domain: Domain) -> str:
    """The records as text for a zone."""
    return dns_records.zone_file(service.records(domain), f"{domain.name}, for the mail server {settings().hostname}")
