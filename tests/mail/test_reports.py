"""DMARC and TLS reports, and C-08: packed bombs and XML towers are refused within their limits while the mail can still be read."""

import base64
import gzip
import io
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from webapp.mail.dmarc_report import MAX_RECORDS, parse_dmarc, read_dmarc_report
from webapp.mail.mail_kind import kind_of
from webapp.mail.mime import parse
from webapp.mail.tls_report import parse_tls, read_tls_report
from webapp.mail.unpack import MAX_MEMBERS, MAX_OUTPUT, ReportRefused, unpack

SAMPLES = Path(__file__).parents[1] / "mails" / "reports"
XML = (
    "<feedback xmlns='urn:ietf:params:xml:ns:dmarc-2.0'><report_metadata><org_name>Org</org_name><report_id>1</report_id>"
    "<date_range><begin>10</begin><end>20</end></date_range></report_metadata><policy_published><domain>X.test</domain><p>reject</p>"
    "</policy_published>{records}</feedback>"
)
RECORD = (
    "<record><row><source_ip>192.0.2.1</source_ip><count>3</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim>"
    "<spf>fail</spf><reason><type>forwarded</type></reason></policy_evaluated></row><identifiers><header_from>x.test</header_from>"
    "</identifiers><auth_results><dkim><domain>x.test</domain><result>pass</result></dkim><spf><domain>y.test</domain>"
    "<result>softfail</result></spf></auth_results></record>"
)


def zipped(*files: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, data in enumerate(files):
            archive.writestr(f"{number}.xml", data)
    return target.getvalue()


def mailed(data: bytes, name: str = "a!b!1!2.xml.gz", kind: str = "application/gzip") -> bytes:
    return (
        f"From: dmarc@org.test\r\nSubject: Report Domain: x.test\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n"
        f"--q\r\n\r\nSee the report.\r\n"
        f'--q\r\nContent-Type: {kind}; name="{name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n'.encode()
        + base64.encodebytes(data)
        + b"--q--\r\n"
    )


def test_a_report_is_read_down_to_its_rows() -> None:
    report = parse_dmarc(XML.format(records=RECORD * 2).encode())
    assert (report.org, report.domain, report.policy, report.begin, report.end, report.messages) == ("Org", "x.test", "reject", 10, 20, 6)
    row = report.records[1]
    assert (row.source_ip, row.disposition, row.dkim, row.spf, row.header_from) == ("192.0.2.1", "none", "pass", "fail", "x.test")
    assert (row.reasons, row.dkim_results, row.spf_results) == (["forwarded"], [("x.test", "pass")], [("y.test", "softfail")])


@pytest.mark.parametrize("pack", [gzip.compress, zipped, bytes], ids=["gzip", "zip", "bare"])
def test_a_report_is_read_however_it_is_packed(pack: Callable[[bytes], bytes]) -> None:
    mail = parse(mailed(pack(XML.format(records=RECORD).encode())))
    assert kind_of(mail) == "dmarc-aggregate"
    report = read_dmarc_report(mail)
    assert report and report.messages == 3


def test_a_broken_report_is_refused_with_a_sentence() -> None:
    with pytest.raises(ReportRefused, match="not well-formed"):
        read_dmarc_report(parse((SAMPLES / "parsedmarc-dmarc-invalid-xml.xml-zip.eml").read_bytes()))
    with pytest.raises(ReportRefused, match="no DMARC report"):
        parse_dmarc(b"<feedback/>")


@pytest.mark.parametrize("pack", [gzip.compress, zipped], ids=["gzip", "zip"])
def test_c08_a_thousand_to_one_is_refused_within_the_limit_and_the_mail_is_read(pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(bytes(100 * 1024 * 1024))
    assert len(bomb) < 200_000
    mail = parse(mailed(bomb))
    tracemalloc.start()
    with pytest.raises(ReportRefused, match="longer than 25 MB"):
        read_dmarc_report(mail)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * MAX_OUTPUT
    assert mail.text.strip() == "See the report." and kind_of(mail) == "dmarc-aggregate"


def test_c08_what_is_packed_twice_is_refused() -> None:
    for inner in (gzip.compress(b"x"), zipped(b"x")):
        for outer in (gzip.compress(inner), zipped(inner)):
            with pytest.raises(ReportRefused, match="more than once"):
                unpack(outer)


def test_c08_many_members_are_refused_before_they_are_opened() -> None:
    with pytest.raises(ReportRefused, match="members"):
        unpack(gzip.compress(b"<a/>") * (MAX_MEMBERS + 1))
    with pytest.raises(ReportRefused, match="files"):
        unpack(zipped(*[b"<a/>"] * 5000))
    with pytest.raises(ReportRefused, match="exactly one"):
        unpack(zipped(b"<a/>", b"<b/>"))


def test_c08_members_of_a_gzip_share_one_limit() -> None:
    with pytest.raises(ReportRefused, match="longer"):
        unpack(gzip.compress(bytes(10 * 1024 * 1024)) * 3)
    assert unpack(gzip.compress(b"<a") + gzip.compress(b"/>") + b"\r\n") == b"<a/>"


@pytest.mark.parametrize("cut", [5, 15, 40, -1])
def test_c08_damaged_files_are_refused(cut: int) -> None:
    for whole in (gzip.compress(b"<a>" * 100 + bytes(range(256))), zipped(b"<a>" * 100 + bytes(range(256)))):
        with pytest.raises(ReportRefused):
            unpack(whole[:cut])


def test_c08_a_zip_that_lies_about_its_size_is_cut_at_the_limit() -> None:
    honest = bytearray(zipped(bytes(60 * 1024 * 1024)))
    for mark, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = honest.find(mark) + place
        honest[at : at + 4] = (100).to_bytes(4, "little")
    with pytest.raises(ReportRefused):
        read_dmarc_report(parse(mailed(bytes(honest))))


LAUGHS = "<!DOCTYPE feedback [<!ENTITY a0 'ha'>" + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12)) + "]>"


@pytest.mark.parametrize(
    "head",
    [LAUGHS, "<!DOCTYPE feedback>", "<!DOCTYPE feedback SYSTEM 'http://192.0.2.1/x.dtd'>", "<!DOCTYPE f [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>",
     "<!DOCTYPE f [<!ENTITY % x SYSTEM 'file:///etc/passwd'> %x;]>"],
    ids=["laughs", "doctype", "external-dtd", "file", "parameter"],
)  # fmt: skip
def test_c08_a_document_type_or_an_entity_is_refused(head: str) -> None:
    for encoding in ("utf-8", "utf-16"):
        with pytest.raises(ReportRefused, match="document type or an entity"):
            parse_dmarc((head + XML.format(records="<record>&a9;</record>")).encode(encoding))


def test_c08_deep_and_endless_xml_is_refused() -> None:
    with pytest.raises(ReportRefused, match="nests deeper"):
        parse_dmarc(b"<a>" * 100_000)
    with pytest.raises(ReportRefused, match="records"):
        parse_dmarc(XML.format(records="<record/>" * (MAX_RECORDS + 1)).encode())
    report = parse_dmarc(XML.format(records=RECORD).replace("Org<", "O" * 1_000_000 + "<").encode())
    assert len(report.org) == 255


def test_tls_reports_are_read() -> None:
    report = read_tls_report(parse((SAMPLES / "parsedmarc-tlsrpt-rfc8460.json-gz.eml").read_bytes()))
    assert report and (report.org, report.sessions_ok, report.sessions_failed) == ("Company-X", 5326, 303)
    assert report.begin == datetime(2016, 4, 1, tzinfo=UTC)
    assert sum(one.sessions for one in report.policies[0].failures) == 303


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"[" * 100_000, b'{"policies": 5}', b"\xff\xfe"])
def test_c08_what_is_no_tls_report_is_refused(data: bytes) -> None:
    with pytest.raises(ReportRefused):
        parse_tls(data)


def test_c08_a_tls_report_may_unpack_to_two_megabytes() -> None:
    mail = parse(mailed(gzip.compress(b" " * 3_000_000), "a!b!1!2.json.gz", "application/tlsrpt+gzip"))
    with pytest.raises(ReportRefused, match="longer than 2 MB"):
        read_tls_report(mail)
    odd = parse_tls(b'{"policies": [1, {"summary": {"total-failure-session-count": -5}, "failure-details": [[]]}], "date-range": "x"}')
    assert odd.sessions_failed == 0 and odd.begin is None
