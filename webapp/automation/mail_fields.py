"""The fields of a mail that a rule can look at: their names on the wire, their labels, and the texts they give.

Source: reference/mailtrigger.md section 4: address fields give the bare address and `Name <address>`; `receivers` covers envelope
and To; a field without any value counts as the empty text.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from webapp.automation.mail_view import MailView, Person

Values = Callable[[MailView, str], Iterable[str]]


@dataclass(frozen=True)
class MailField:
    """One field: `values(mail, header_name)` gives its texts, several for fields that repeat."""

    name: str
    label: str
    values: Values


def _people(people: Iterable[Person]) -> Iterable[str]:
    for person in people:
        yield person.email
        if person.name:
            yield person.shown


def _receivers(mail: MailView, _header: str) -> Iterable[str]:
    yield from _people(mail.receivers)
    named = {person.email.lower() for person in mail.receivers}
    yield from (email for email in mail.envelope_recipients if email.lower() not in named)


FIELDS: dict[str, MailField] = {
    item.name: item
    for item in (
        MailField("sender", "Sender", lambda mail, _: _people([mail.sender])),
        MailField("receivers", "Receivers", _receivers),
        MailField("cc", "Cc", lambda mail, _: _people(mail.cc)),
        MailField("subject", "Subject", lambda mail, _: [mail.subject]),
        MailField("body", "Body", lambda mail, _: [mail.text]),
        MailField("header", "Header", lambda mail, header: mail.header_values(header)),
        MailField("attachment_name", "Attachment name", lambda mail, _: [item.filename for item in mail.attachments]),
        MailField("attachment_type", "Attachment type", lambda mail, _: [item.content_type for item in mail.attachments]),
        MailField("has_attachment", "Has attachment", lambda mail, _: ["true" if mail.attachments else "false"]),
        MailField("raw", "Whole source", lambda mail, _: [mail.raw.decode("utf-8", "replace")]),
    )
}


def texts_of(mail: MailView, field: str, header_name: str = "") -> list[str]:
    """The texts that a rule about this field tests; [""] where the mail has none."""
    return list(FIELDS[field].values(mail, header_name)) or [""]
