"""What readers send back: complaints by feedback loops (ARF, RFC 5965), failure reports (RFC 6591), and read receipts (MDN, RFC 8098).

All of them can be written by anybody. A complaint counts for a mail that was sent when it names one: by its return path or Message-ID.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from webapp.mail.bounce_fields import address_in, clean_address
from webapp.mail.bounce_notices import notice_data
from webapp.mail.bounce_parts import MAIL_TYPES, header_fields
from webapp.mail.charsets import decode_text, decode_words
from webapp.mail.mime_fields import read_block, unfold
from webapp.mail.mime_parse import ParsedMail, parse

MAX_RECIPIENTS = 1000
_MOST = 64_000


@dataclass(frozen=True, slots=True)
class Feedback:
    """A report of a reader, or of the provider of one.

    feedback_type     abuse, fraud, virus, not-spam, opt-out, auth-failure, other … as written, in lower case
    recipients        who complained, in normal form; empty where the provider hides them
    removal           addresses that ask to be taken off (opt-out)
    original_mail_from  the return path of the mail, which names its delivery when it is one of ours
    auth_failure      of an auth-failure report: dmarc, dkim, spf, bodyhash …
    """

    feedback_type: str
    recipients: list[str]
    removal: list[str]
    original_message_id: str = ""
    original_from: str = ""
    original_subject: str = ""
    original_mail_from: str = ""
    source_ip: str = ""
    reporter: str = ""
    auth_failure: str = ""

    @property
    def kind(self) -> Literal["feedback-report", "dmarc-failure"]:
        return "dmarc-failure" if self.feedback_type == "auth-failure" and self.auth_failure == "dmarc" else "feedback-report"

    @property
    def is_complaint(self) -> bool:
        """Whether a person does not want such mail: a failed check and a rescue from the junk folder are none."""
        return self.feedback_type not in ("auth-failure", "not-spam")


@dataclass(frozen=True, slots=True)
class Receipt:
    """A read receipt. `disposition` is displayed, deleted, denied, dispatched or processed, with `/error` and the like behind it."""

    recipient: str
    disposition: str
    original_message_id: str
    automatic: bool


def read_feedback(mail: bytes | ParsedMail) -> Feedback | None:
    """The feedback report that a mail is; None for a mail of any other kind."""
    mail = parse(mail.lstrip()) if isinstance(mail, bytes) else mail
    part = next((item for item in mail.attachments if item.content_type == "message/feedback-report"), None)
    original = next((item for item in mail.attachments if item.content_type in MAIL_TYPES), None)
    header = header_fields(original.content if original else b"")
    subject = " ".join(decode_words(header.get("subject")).split())[:1000]
    about = (header.get("message-id")[:500], clean_address(decode_words(header.get("from"))), subject)
    if part is None:
        return _from_notice(mail) or _hotmail(mail, header.get("x-hmxmroriginalrecipient"), about)
    fields = _fields(part.content)
    first = {name: values[0] for name, values in fields.items()}
    aligned = "dmarc" if "identity-alignment" in first else ""
    return Feedback(
        first.get("feedback-type", "other").lower()[:40],
        _addresses(fields.get("original-rcpt-to", [])) or _written_to(header.get("to")),
        _addresses(fields.get("removal-recipient", [])),
        *about,
        original_mail_from=clean_address(first.get("original-mail-from", "")),
        source_ip=first.get("source-ip", "")[:45],
        reporter=first.get("user-agent", "")[:200],
        auth_failure=first.get("auth-failure", aligned).lower()[:40],
    )


def read_receipt(mail: bytes | ParsedMail) -> Receipt | None:
    """The read receipt that a mail is; None for a mail of any other kind.

    source  RFC 8098 section 3.2
    """
    mail = parse(mail.lstrip()) if isinstance(mail, bytes) else mail
    kinds = ("message/disposition-notification", "message/global-disposition-notification")
    part = next((item for item in mail.attachments if item.content_type in kinds), None)
    if part is None:
        return None
    fields = {name: values[0] for name, values in _fields(part.content).items()}
    mode, _, what = fields.get("disposition", "").lower().partition(";")
    recipient = address_in(fields.get("final-recipient", "")) or address_in(fields.get("original-recipient", ""))
    return Receipt(recipient, "".join(what.split())[:100], fields.get("original-message-id", "")[:500], "automatic-action" in mode)


def _fields(data: bytes) -> dict[str, list[str]]:
    """The fields of a report by their names in lower case, all values of each; empty lines between them do no harm."""
    text = "\n".join(line for line in decode_text(data[:_MOST], None).splitlines() if line.strip())
    raw = text.encode("utf-8", "replace")
    fields: dict[str, list[str]] = {}
    for name, value in read_block(raw, 0, len(raw)).fields:
        fields.setdefault(name.lower(), []).append(unfold(value))
    return fields


def _addresses(values: list[str]) -> list[str]:
    found = (clean_address(value) for value in values[:MAX_RECIPIENTS])
    return list(dict.fromkeys(address for address in found if address))


def _written_to(value: str) -> list[str]:
    """The one address of a To field, for reports that name nobody; none when the provider has blackened it."""
    found = _addresses([decode_words(value)]) if value.count("@") == 1 else []
    return [address for address in found if not address.startswith("redacted")]


def _hotmail(mail: ParsedMail, recipient: str, about: tuple[str, str, str]) -> Feedback | None:
    """Reports of Microsoft's programme, which come without the part that RFC 5965 asks for."""
    address = clean_address(recipient)
    if not address or not mail.subject.lower().startswith("complaint about message from"):
        return None
    return Feedback("abuse", [address], [], *about, source_ip=mail.subject.split()[-1][:45], reporter="Microsoft")


def _from_notice(mail: ParsedMail) -> Feedback | None:
    """Complaints that Amazon SES mails as JSON."""
    data = notice_data(mail.text)
    complaint, sent = data.get("complaint"), data.get("mail")
    if data.get("notificationType") != "Complaint" or not isinstance(complaint, dict):
        return None
    sent = sent if isinstance(sent, dict) else {}
    listed = complaint.get("complainedRecipients")
    names = [str(one.get("emailAddress", "")) for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    kind = str(complaint.get("complaintFeedbackType") or "abuse").lower()[:40]
    source = clean_address(str(sent.get("source", "")))
    return Feedback(kind, _addresses(names), [], str(sent.get("messageId", ""))[:500], source, reporter="Amazon SES")
