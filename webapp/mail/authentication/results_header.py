"""The field Authentication-Results (RFC 8601): written so that nothing a sender chose can end it or begin another."""

import re

from webapp.mail.authentication.arc import ArcResult
from webapp.mail.authentication.dkim_verify import SignatureResult
from webapp.mail.authentication.dmarc import DmarcResult
from webapp.mail.authentication.spf import SpfResult

#: a value that needs no quotation marks: a token, with the @ of an address
_PLAIN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~@-]+\Z")
_MOST = 300


def header(hostname: str, spf: SpfResult, signatures: list[SignatureResult], arc: ArcResult, dmarc: DmarcResult, mail_from: str) -> str:
    """The value of the field, folded with CRLF; `none` where nothing was done (RFC 8601 section 2.2)."""
    parts = [_part("spf", spf.result, spf.reason, {f"smtp.{spf.identity}": mail_from if spf.identity == "mailfrom" else spf.domain})]
    for one in signatures:
        properties = {"header.d": one.domain, "header.s": one.selector, "header.i": one.identity, "header.b": one.signature}
        parts.append(_part("dkim", one.result, one.reason, properties))
    if not signatures:
        parts.append("dkim=none")
    parts.append(_part("arc", arc.result if arc.result != "temperror" else "fail", arc.reason, {}))
    asked = f"p={dmarc.policy} dis={dmarc.disposition}" if dmarc.policy else ""
    parts.append(_part("dmarc", dmarc.result, asked, {"header.from": dmarc.domain}))
    return ";\r\n ".join([_value(hostname or "localhost"), *parts])


def _part(method: str, result: str, reason: str, properties: dict[str, str]) -> str:
    comment = f" ({_comment(reason)})" if reason else ""
    said = "".join(f"\r\n  {name}={_value(value)}" for name, value in properties.items() if value)
    return f"{method}={result}{comment}{said}"


def _comment(text: str) -> str:
    plain = text.replace("“", '"').replace("”", '"').encode("ascii", "replace").decode()
    return re.sub(r"[^ !-'*-\[\]-~]", "?", plain)[:_MOST]


def _value(text: str) -> str:
    text = text[:_MOST]
    if _PLAIN.match(text):
        return text
    clean = re.sub(r"[^ -~]", "?", text)
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"') + '"'
