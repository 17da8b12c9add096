"""The fields of a mail that a rule can look at: their names on the wire, their labels, and the texts they give.

Source: reference/mailtrigger.md section 4: address fields give the bare address and `Name <address>`; `receivers` covers envelope
and To; a field without any value counts as the empty text. What SPF, DKIM, DMARC and ARC said are fields too; mail from a login or a
trusted network is not checked, so these are empty there.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from webapp.automation.mail_view import MailView, Person

Values = Callable[[MailView, str], Iterable[str]]


@dataclass(frozen=True)
class MailField:
    """One field: `values(mail, header_name)` gives its texts, several for fields that repeat.

    choices  the words that it can hold, for forms
    """

    name: str
    label: str
    values: Values
    choices: tuple[str, ...] = ()


def _people(people: Iterable[Person]) -> Iterable[str]:
    for person in people:
        yield person.email
        if person.name:
            yield person.shown


def _receivers(mail: MailView, _header: str) -> Iterable[str]:
    yield from _people(mail.receivers)
    named = {person.email.lower() for person in mail.receivers}
    yield from (email for email in mail.envelope_recipients if email.lower() not in named)


def _result(check: str, more: str) -> Values:
    """The result of one check, bare and with what it is about: `pass` and `pass example.com`; nothing for mail that was not checked."""

    def values(mail: MailView, _header: str) -> Iterable[str]:
        found = mail.origin.get(check)
        if found is None:
            return
        results = found if isinstance(found, list) else [found]
        for one in results or [{"result": "none"}]:
            yield one["result"]
            about = one.get(more) or []
            yield from (f"{one['result']} {text}" for text in ([about] if isinstance(about, str) else about))

    return values


#: results as RFC 7208, 6376, 7489 and 8617 name them
ORIGIN = ("pass", "fail", "none", "temperror")
SPF, DKIM = ("pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"), ("pass", "fail", "none", "temperror", "permerror")
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
        MailField("origin", "Origin of the mail", lambda mail, _: filter(None, [mail.origin.get("overall")]), ORIGIN),
        MailField("spf", "SPF result", _result("spf", "domain"), SPF),
        MailField("dkim", "DKIM result", _result("dkim", "domain"), DKIM),
        MailField("dmarc", "DMARC result", _result("dmarc", "policy"), DKIM),
        MailField("arc", "ARC result", _result("arc", "sealers"), ("pass", "fail", "none")),
        MailField("raw", "Whole source", lambda mail, _: [mail.raw.decode("utf-8", "replace")]),
    )
}


def texts_of(mail: MailView, field: str, header_name: str = "") -> list[str]:
    """The texts that a rule about this field tests; [""] where the mail has none."""
    return list(FIELDS[field].values(mail, header_name)) or [""]
