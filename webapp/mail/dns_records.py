"""The DNS records that a domain publishes so that its mail arrives and is believed (RFC 7208, 6376, 7489)."""

from dataclasses import dataclass

from webapp.mail import dkim

SIGNATURE, REPORTS = "lets receivers check our signature", "asks receivers to report what fails"


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


def records_for(domain: str, hostname: str, dkim_selector: str, dkim_public: str, verify_token: str) -> list[Record]:
    """All records of one domain, the ones without which nothing works first."""
    return [
        Record("verification", "TXT", f"_mailroom.{domain}", f"mailroom-verify={verify_token}", "proves that the domain is yours", True),
        Record("mx_primary", "MX", domain, hostname, "brings the domain's mail here", True, 10),
        Record("spf_record", "TXT", domain, f"v=spf1 a:{hostname} mx ~all", "says who may send for the domain", True),
        Record("dkim_primary", "TXT", f"{dkim_selector}._domainkey.{domain}", dkim.dns_value(dkim_public), SIGNATURE, True),
        Record("dmarc_main", "TXT", f"_dmarc.{domain}", f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}", REPORTS, False),
        Record("return_path", "CNAME", f"bounce.{domain}", hostname, "brings bounces back here", False),
    ]
