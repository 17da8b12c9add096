"""The signed mails with known answers, and the DNS that they were made against."""

import json
from pathlib import Path

from tests.mail.fake_dns import Zone
from webapp.mail.line_ends import with_crlf

FOLDER = Path(__file__).parent / "signed"
EXPECTED: dict[str, dict[str, str]] = json.loads((FOLDER / "expected.json").read_text())


def mail_of(name: str) -> bytes:
    return with_crlf((FOLDER / name).read_bytes())


def the_dns(**more: str) -> Zone:
    """The stored TXT records; more by name with `__` for dots."""
    records = json.loads((FOLDER / "dns-txt.json").read_text())["txt"]
    return Zone({(name, "TXT"): [text] for name, text in records.items()})


def named(field: str) -> list[str]:
    return sorted(name for name, expected in EXPECTED.items() if field in expected)
