"""The mail as rules, variables and actions see it: decoded values, no database, no network."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Person:
    """One address of a header: the display name (may be empty) and the bare address."""

    name: str
    email: str

    @property
    def shown(self) -> str:
        """`Name <address>`, or the bare address when there is no name."""
        return f"{self.name} <{self.email}>" if self.name else self.email


@dataclass(frozen=True)
class Attached:
    """One attachment; `number` counts from 1 in the order of the mail."""

    number: int
    filename: str
    content_type: str
    content: bytes
    text: str | None = None

    @property
    def size(self) -> int:
        return len(self.content)


@dataclass(frozen=True)
class MailView:
    """One state of one mail.

    receivers   people of the To header; `envelope_recipients` are those of the SMTP envelope
    headers     (name, decoded value) in their order, repeated ones included
    text        the plain part, or text made from the HTML part
    origin      what SPF, DKIM, DMARC and ARC said (`mail.authentication.Verdict.as_json`); empty for mail that is not checked
    """

    sender: Person
    receivers: tuple[Person, ...] = ()
    cc: tuple[Person, ...] = ()
    reply_to: tuple[Person, ...] = ()
    envelope_sender: str = ""
    envelope_recipients: tuple[str, ...] = ()
    subject: str = ""
    text: str = ""
    html: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attached, ...] = ()
    date: datetime | None = None
    message_id: str = ""
    raw: bytes = field(default=b"", repr=False)
    direction: str = "received"
    origin: Mapping[str, Any] = field(default_factory=dict)

    def header_values(self, name: str) -> list[str]:
        """All values of one header, in order; names compare without case."""
        wanted = name.lower()
        return [value for found, value in self.headers if found.lower() == wanted]

    def header(self, name: str) -> str | None:
        return next(iter(self.header_values(name)), None)

    def all_receivers(self) -> Iterator[str]:
        """Bare addresses of the envelope, then those of To that are not among them."""
        seen: set[str] = set()
        for email in (*self.envelope_recipients, *(person.email for person in self.receivers)):
            if email and email.lower() not in seen:
                seen.add(email.lower())
                yield email
