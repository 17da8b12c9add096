"""DMARC aggregate reports (RFC 7489 appendix C, RFC 9990): who sent mail in the name of a domain, and how it fared.

Anybody can mail one, so what it says is a claim of the organisation that it names, and nothing is done because of it alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from webapp.mail.mime_parse import Attachment, ParsedMail
from webapp.mail.unpack import ReportRefused, unpack
from webapp.mail.xml_events import read_xml

MAX_RECORDS = 50_000
_TYPES = (
    "application/gzip", "application/x-gzip", "application/zip", "application/x-zip-compressed", "application/x-zip", "text/xml",
    "application/xml", "application/octet-stream",
)  # fmt: skip
_ENDINGS = (".xml", ".xml.gz", ".xml.zip", ".zip", ".gz")
_SUBJECT = "report domain:"


@dataclass(slots=True)
class Row:
    """Mails of one source with one result. `dkim` and `spf` are the aligned results; the lists hold (domain, result)."""

    source_ip: str = ""
    count: int = 0
    disposition: str = ""
    dkim: str = ""
    spf: str = ""
    header_from: str = ""
    envelope_from: str = ""
    reasons: list[str] = field(default_factory=list)
    dkim_results: list[tuple[str, str]] = field(default_factory=list)
    spf_results: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class DmarcReport:
    """begin and end in seconds since 1970, UTC; percent is None where the report names none."""

    org: str = ""
    email: str = ""
    report_id: str = ""
    begin: int = 0
    end: int = 0
    domain: str = ""
    policy: str = ""
    subdomain_policy: str = ""
    percent: int | None = None
    records: list[Row] = field(default_factory=list)

    @property
    def messages(self) -> int:
        return sum(row.count for row in self.records)


def holds_dmarc_report(mail: ParsedMail) -> bool:
    """Whether a mail looks like the bearer of an aggregate report, judged without unpacking anything."""
    return any(_may_be(item, mail) for item in mail.attachments)


def read_dmarc_report(mail: ParsedMail) -> DmarcReport | None:
    """The first aggregate report of a mail; None when none is attached.

    raises  ReportRefused when there is one that cannot or must not be read
    """
    for item in mail.attachments:
        if _may_be(item, mail):
            return parse_dmarc(unpack(item.content))
    return None


def parse_dmarc(xml: bytes) -> DmarcReport:
    """A report from its XML; raises ReportRefused."""
    reader = _Reader()
    read_xml(xml.lstrip(b"\xef\xbb\xbf \t\r\n"), reader.element)
    report = reader.report
    if reader.root != "feedback" or not report.domain or not report.report_id:
        raise ReportRefused("The file is no DMARC report: it names no domain or has no number.")
    return report


class _Reader:
    """Puts each element where it belongs as it ends."""

    def __init__(self) -> None:
        self.report, self.root = DmarcReport(), ""
        self.row, self.name, self.result, self.reason = Row(), "", "", ""

    def element(self, path: tuple[str, ...], text: str) -> None:
        self.root = path[0]
        match path[1:]:
            case ("report_metadata" | "policy_published", *names) if names:
                self._about(names[-1], text)
            case ("record",):
                if len(self.report.records) >= MAX_RECORDS:
                    raise ReportRefused(f"The report has more than {MAX_RECORDS:,} records.")
                self.report.records.append(self.row)
                self.row = Row()
            case ("record", "auth_results", kind, *names):
                self._result(kind, names[-1] if names else "", text)
            case ("record", *names):
                self._row(names[-2] if len(names) > 1 else "", names[-1], text)

    def _about(self, name: str, text: str) -> None:
        report = self.report
        match name:
            case "org_name":
                report.org = text[:255]
            case "email":
                report.email = text[:320]
            case "report_id":
                report.report_id = text[:255]
            case "begin":
                report.begin = _number(text)
            case "end":
                report.end = _number(text)
            case "domain":
                report.domain = text.lower().rstrip(".")[:255]
            case "p":
                report.policy = text.lower()[:20]
            case "sp":
                report.subdomain_policy = text.lower()[:20]
            case "pct":
                report.percent = min(_number(text), 100)

    def _row(self, above: str, name: str, text: str) -> None:
        row = self.row
        match name:
            case "source_ip":
                row.source_ip = text[:45]
            case "count":
                row.count = _number(text)
            case "disposition":
                row.disposition = text.lower()[:20]
            case "dkim" if above == "policy_evaluated":
                row.dkim = text.lower()[:20]
            case "spf" if above == "policy_evaluated":
                row.spf = text.lower()[:20]
            case "type" if above == "reason" and text and len(row.reasons) < 20:
                row.reasons.append(text.lower()[:40])
            case "header_from":
                row.header_from = text.lower()[:255]
            case "envelope_from":
                row.envelope_from = text.lower()[:255]

    def _result(self, kind: str, name: str, text: str) -> None:
        if name == "domain":
            self.name = text.lower()[:255]
        elif name == "result":
            self.result = text.lower()[:20]
        elif not name:
            results = {"dkim": self.row.dkim_results, "spf": self.row.spf_results}.get(kind)
            if results is not None and len(results) < 100:
                results.append((self.name, self.result))
            self.name = self.result = ""


def _number(text: str) -> int:
    """A count or a moment; 0 for what is none. Some write a fraction."""
    digits = text.partition(".")[0]
    return min(int(digits), 2**53) if digits.isascii() and digits.isdigit() and len(digits) < 20 else 0


def _may_be(item: Attachment, mail: ParsedMail) -> bool:
    if item.content_type not in _TYPES or not item.filename.lower().endswith((*_ENDINGS, ".bin")):
        return False
    name = item.filename.lower()
    subject = mail.subject.lower()
    return name.count("!") >= 3 or _SUBJECT in subject or "dmarc" in subject or b"<feedback" in item.content[:400]
