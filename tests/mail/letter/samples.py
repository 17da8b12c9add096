"""Letters, keys and readers that the tests of letters share."""

import email
import email.policy
from email.message import EmailMessage

import dkim as independent

from webapp.mail import dkim
from webapp.mail.letter import Letter, Person, SigningKey
from webapp.mail.smtp_out import wire_form

RSA, RSA_PUBLIC = dkim.new_key()
EDWARDS, EDWARDS_PUBLIC = dkim.new_key("ed25519")
KEYS = (SigningKey("acme.test", "s1", RSA), SigningKey("acme.test", "s2", EDWARDS))
RECORDS = {
    b"s1._domainkey.acme.test.": dkim.dns_value(RSA_PUBLIC).encode(),
    b"s2._domainkey.acme.test.": dkim.dns_value(EDWARDS_PUBLIC, "ed25519").encode(),
}
HTML = (
    '<h1>Hello {{contact.first_name|default:"there"}}</h1><p>News for {{contact.city}} & more: '
    '<a href="https://shop.test/offers?a=1&amp;who={{contact.email}}" title="for {{contact.first_name}}">Offers</a> '
    '<a href="https://shop.test/">Shop</a> <a href="mailto:help@acme.test">Help</a></p>'
)
ANN = Person("ann@people.test", {"first_name": "Ann", "city": "Köln"}, 7, "tok-7_a")


def letter(**changes: object) -> Letter:
    """A small letter with some of everything."""
    known: dict[str, object] = {
        "subject": "{{contact.first_name}}, nine tools for {{contact.city}}", "html": HTML, "from_email": "news@acme.test",
        "from_name": "Acme News", "workspace_name": "Acme, Inc", "campaign_name": "Spring", "base_url": "https://mail.acme.test",
        "key": "c12-ab34", "date": "21 November 2026",
    }  # fmt: skip
    return Letter(**{**known, **changes})  # type: ignore[arg-type]


def read(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def part(raw: bytes, kind: str) -> str:
    """The decoded text or HTML, with LF line ends."""
    found = read(raw).get_body((kind,))
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n")


def over_smtp(raw: bytes) -> bytes:
    """The mail after dots were stuffed and taken out again, as the receiver has it."""
    wire = wire_form(raw)
    assert wire.endswith(b"\r\n.\r\n")
    return b"".join(line[1:] if line.startswith(b".") else line for line in wire[:-3].splitlines(keepends=True))


def signatures_hold(raw: bytes, number: int = 2) -> bool:
    """Whether an independent implementation accepts every signature."""
    asked = independent.DKIM(raw)
    return raw.count(b"DKIM-Signature:") == number and all(
        asked.verify(index, dnsfunc=lambda name, timeout=5: RECORDS[name]) for index in range(number)
    )
