"""The DNS records that a domain publishes so that its mail arrives and is believed (RFC 7208, 6376, 8463, 7489).

What stands in the DNS is compared with them in `dns_verdicts`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from webapp.mail import dkim

SIGNATURE, REPORTS = "lets receivers check our signature", "asks receivers to report what fails"
PROOF_LABEL, PROOF_PREFIX = "_mailroom", "mailroom-verify="
#: what a string of a TXT record holds at most (RFC 1035 section 3.3)
LONGEST_STRING = 255
ZONE_TTL_S = 3600


@dataclass(frozen=True)
class PublicKey:
    """A DKIM key as it is published. algorithm: rsa or ed25519; `public` is base64; `signs` tells the keys in use from the others"""

    selector: str
    public: str
    algorithm: str = "rsa"
    signs: bool = True

    @property
    def value(self) -> str:
        """The text of its TXT record."""
        return dkim.dns_value(self.public, self.algorithm)


@dataclass(frozen=True)
class Record:
    """One record to publish. `host` is the full name; `id` is stable over time (ids as in reference/trekmail.md)."""

    id: str
    type: str
    host: str
    value: str
    purpose: str
    required: bool
    priority: int | None = None

    @property
    def kind(self) -> str:
        """verification, mx, spf, dkim, dmarc or return_path"""
        return self.id if self.id in ("verification", "return_path") else self.id.partition("_")[0]

    @property
    def data(self) -> str:
        """The value with its priority, where there is one: as `DnsAnswer.values` spells it."""
        return f"{self.priority} {self.value}" if self.priority is not None else self.value


def records_for(domain: str, hostname: str, keys: Iterable[PublicKey], verify_token: str, *, hosted: bool = True) -> list[Record]:
    """All records of one domain, the ones without which nothing works first.

    keys    those to be published, oldest first: of the ones that sign, the first is `dkim_primary`
    hosted  whether its mail is kept here; else MX is nobody's business of ours
    """
    found = [
        Record("verification", "TXT", f"{PROOF_LABEL}.{domain}", f"{PROOF_PREFIX}{verify_token}", "proves that the domain is yours", True)
    ]
    if hosted:
        found.append(Record("mx_primary", "MX", domain, hostname, "brings the domain's mail here", True, 10))
    spf = f"v=spf1 a:{hostname} {'mx ' if hosted else ''}~all"
    found.append(Record("spf_record", "TXT", domain, spf, "says who may send for the domain", True))
    found += _key_records(domain, list(keys))
    dmarc = f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}" if hosted else "v=DMARC1; p=none"
    found.append(Record("dmarc_main", "TXT", f"_dmarc.{domain}", dmarc, REPORTS, False))
    found.append(Record("return_path", "CNAME", f"bounce.{domain}", hostname, "brings bounces back here", False))
    return found


def _key_records(domain: str, keys: Sequence[PublicKey]) -> list[Record]:
    primary = next((key for key in keys if key.signs and key.algorithm == "rsa"), None) or next(iter(keys), None)
    found = []
    for key in sorted(keys, key=lambda one: one is not primary):
        record_id = "dkim_primary" if key is primary else f"dkim_{key.selector}"
        required = key.signs and key.algorithm == "rsa"
        found.append(Record(record_id, "TXT", f"{key.selector}._domainkey.{domain}", key.value, SIGNATURE, required))
    return found


def zone_file(records: Iterable[Record], note: str = "") -> str:
    """The records in the form of RFC 1035 section 5, to be pasted into a zone; long texts are cut into strings of 255 bytes."""
    lines = [f"; {line}" for line in note.splitlines()]
    for record in records:
        data = f"{record.data}." if record.type in ("MX", "CNAME") else " ".join(_strings(record.value))
        lines.append(f"{record.host}. {ZONE_TTL_S} IN {record.type} {data}")
    return "\n".join(lines) + "\n"


def _strings(text: str) -> list[str]:
    pieces = [text[start : start + LONGEST_STRING] for start in range(0, len(text), LONGEST_STRING)]
    return ['"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in pieces]
