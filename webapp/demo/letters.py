"""Mails as the people of the sample write them: bytes, made from a seeded chance so that a test sees the same ones."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from html import escape
from random import Random

from webapp.demo.cast import CUSTOMERS, DOMAIN, GOODS, SUPPLIERS, Person

#: the smallest PDF that viewers take for one
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


@dataclass(frozen=True)
class Letter:
    """One mail on its way to us: envelope and raw source."""

    sender: str
    recipient: str
    raw: bytes


def write(chance: Random, now: datetime | None = None) -> Letter:
    """The next mail that arrives: most are orders, some are urgent, some are noise."""
    makers: list[Callable[[Random], tuple[Person, str, EmailMessage]]] = [_order, _question, _urgent, _invoice, _newsletter]
    sender, local_part, mail = chance.choices(makers, weights=(9, 5, 2, 4, 3))[0](chance)
    recipient = f"{local_part}@{DOMAIN}"
    mail["From"] = formataddr((sender.name, sender.address))
    mail["To"] = recipient
    mail["Date"] = format_datetime(now or datetime.now(UTC))
    mail["Message-ID"] = f"<{chance.getrandbits(64):x}@{sender.address.split('@')[1]}>"
    return Letter(sender.address, recipient, mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


def _mail(subject: str, paragraphs: list[str], sender: Person, table: list[tuple[str, str]] | None = None) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = subject
    lines = [f"{one}: {other}" for one, other in table or []]
    mail.set_content("\n\n".join([*paragraphs, *(["\n".join(lines)] if lines else []), f"Kind regards\n{sender.name}"]) + "\n")
    rows = "".join(f"<tr><td>{escape(one)}</td><td style='text-align:right'>{escape(other)}</td></tr>" for one, other in table or [])
    body = "".join(f"<p>{escape(text)}</p>" for text in paragraphs)
    mail.add_alternative(
        f"<html><body style='font-family:sans-serif;max-width:36em'><h2 style='color:#1f5f7a'>{escape(subject)}</h2>{body}"
        f"{f'<table cellpadding=6>{rows}</table>' if rows else ''}<p>Kind regards<br>{escape(sender.name)}</p></body></html>",
        subtype="html",
    )
    return mail


def _order(chance: Random) -> tuple[Person, str, EmailMessage]:
    sender, number = chance.choice(CUSTOMERS), chance.randint(10000, 99999)
    goods = [(name, f"{chance.randint(8, 900)}.00 EUR") for name in chance.sample(GOODS, chance.randint(1, 3))]
    return sender, "orders", _mail(f"Order {number}", [f"I would like to order the following under the number {number}."], sender, goods)


def _question(chance: Random) -> tuple[Person, str, EmailMessage]:
    sender, thing = chance.choice(CUSTOMERS), chance.choice(GOODS)
    subject, text = chance.choice(
        (
            (f"Does the {thing} fit a frame of 1998?", f"I have an old frame and wonder whether the {thing} fits."),
            ("When will my parcel arrive?", f"I ordered a {thing} last week and have heard nothing since."),
            (f"Return of a {thing}", f"The {thing} is the wrong size. How do I send it back?"),
        )
    )
    return sender, "support", _mail(subject, [text], sender)


def _urgent(chance: Random) -> tuple[Person, str, EmailMessage]:
    sender, thing = chance.choice(CUSTOMERS), chance.choice(GOODS)
    return sender, "support", _mail(f"URGENT: {thing} broke on the road", [f"The {thing} broke today. I need help before Monday."], sender)


def _invoice(chance: Random) -> tuple[Person, str, EmailMessage]:
    sender, number = chance.choice(SUPPLIERS[:3]), chance.randint(1000, 9999)
    total = [("Total", f"{chance.randint(90, 4000)}.00 EUR")]
    mail = _mail(f"Invoice {number}", ["Please find our invoice attached. It is due within 30 days."], sender, total)
    mail.add_attachment(PDF, maintype="application", subtype="pdf", filename=f"invoice-{number}.pdf")
    return sender, "orders", mail


def _newsletter(chance: Random) -> tuple[Person, str, EmailMessage]:
    sender = SUPPLIERS[3]
    mail = _mail("Newsletter: parcels in autumn", ["Our rates change on the first of next month."], sender)
    mail["List-Id"] = "Parcel news <news.parcel.example>"
    mail["List-Unsubscribe"] = "<https://parcel.example/leave?u=1>"
    return sender, "orders", mail
