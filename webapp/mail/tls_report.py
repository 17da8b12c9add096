"""SMTP TLS reports (RFC 8460): how often others could send to a domain over TLS, and why not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from webapp.mail.mime_parse import ParsedMail
from webapp.mail.unpack import ReportRefused, unpack

#: Bytes after unpacking: JSON is read in one piece, and small text makes many objects.
MAX_OUTPUT = 2 * 1024 * 1024
MAX_POLICIES, MAX_DETAILS = 1000, 1000
_TYPES = ("application/tlsrpt+gzip", "application/tlsrpt+json")


@dataclass(frozen=True, slots=True)
class Failure:
    result_type: str
    sessions: int
    sending_ip: str
    receiving_host: str
    reason: str


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """policy_type is `tlsa`, `sts` or `no-policy-found`."""

    policy_type: str
    domain: str
    sessions_ok: int
    sessions_failed: int
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TlsReport:
    """begin and end in UTC, None where the report names no moment."""

    org: str
    report_id: str
    contact: str
    begin: datetime | None
    end: datetime | None
    policies: list[TlsPolicy]

    @property
    def sessions_ok(self) -> int:
        return sum(one.sessions_ok for one in self.policies)

    @property
    def sessions_failed(self) -> int:
        return sum(one.sessions_failed for one in self.policies)


def holds_tls_report(mail: ParsedMail) -> bool:
    """Whether a mail bears a TLS report, judged without unpacking anything."""
    return _attached(mail) is not None


def read_tls_report(mail: ParsedMail) -> TlsReport | None:
    """The TLS report of a mail; None when none is attached.

    raises  ReportRefused when there is one that cannot or must not be read
    """
    content = _attached(mail)
    return None if content is None else parse_tls(unpack(content, MAX_OUTPUT))


def parse_tls(data: bytes) -> TlsReport:
    """A report from its JSON; raises ReportRefused."""
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):
        raise ReportRefused("The TLS report is not JSON.") from None
    if not isinstance(whole, dict) or not isinstance(whole.get("policies"), list):
        raise ReportRefused("The file is no TLS report: it has no list of policies.")
    span = _object(whole, "date-range")
    policies = [_policy(one) for one in whole["policies"][:MAX_POLICIES] if isinstance(one, dict)]
    return TlsReport(
        _text(whole, "organization-name"), _text(whole, "report-id"), _text(whole, "contact-info"),
        _moment(_text(span, "start-datetime")), _moment(_text(span, "end-datetime")), policies,
    )  # fmt: skip


def _policy(one: dict[str, Any]) -> TlsPolicy:
    policy, summary, details = _object(one, "policy"), _object(one, "summary"), one.get("failure-details")
    failures = [
        Failure(_text(item, "result-type"), _count(item, "failed-session-count"), _text(item, "sending-mta-ip"),
                _text(item, "receiving-mx-hostname"), _text(item, "failure-reason-code"))
        for item in (details if isinstance(details, list) else [])[:MAX_DETAILS]
        if isinstance(item, dict)
    ]  # fmt: skip
    return TlsPolicy(
        _text(policy, "policy-type"), _text(policy, "policy-domain").lower(), _count(summary, "total-successful-session-count"),
        _count(summary, "total-failure-session-count"), failures,
    )  # fmt: skip


def _attached(mail: ParsedMail) -> bytes | None:
    for item in mail.attachments:
        if item.content_type in _TYPES:
            return item.content
        name = item.filename.lower()
        if name.endswith((".json", ".json.gz")) and (name.count("!") >= 3 or "report-type=tlsrpt" in mail.header("content-type").lower()):
            return item.content
        if name.endswith((".json", ".json.gz")) and (mail.header("tls-report-domain") or "tls-rpt" in name or "tlsrpt" in name):
            return item.content
    return None


def _object(data: dict[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    return value[:500] if isinstance(value, str) else ""


def _count(data: dict[str, Any], name: str) -> int:
    value = data.get(name)
    return min(value, 2**53) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
