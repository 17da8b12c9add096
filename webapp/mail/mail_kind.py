"""What a mail is, before anybody decides what to do with it: a person's mail, or a report about one that was sent."""

from __future__ import annotations

from typing import Literal

from webapp.mail.auto_reply import is_auto_reply
from webapp.mail.bounce import BounceKind, read_bounce
from webapp.mail.dmarc_report import holds_dmarc_report
from webapp.mail.feedback import read_feedback, read_receipt
from webapp.mail.mime_parse import ParsedMail
from webapp.mail.tls_report import holds_tls_report

MailKind = (
    BounceKind
    | Literal["feedback-report", "dmarc-failure", "read-receipt", "dmarc-aggregate", "tls-report", "autoreply", "human"]
)  # fmt: skip


def kind_of(mail: ParsedMail) -> MailKind:
    """One word for a mail; `human` for everything that nothing else claims."""
    if feedback := read_feedback(mail):
        return feedback.kind
    if read_receipt(mail):
        return "read-receipt"
    if holds_tls_report(mail):
        return "tls-report"
    if holds_dmarc_report(mail):
        return "dmarc-aggregate"
    if report := read_bounce(mail):
        return report.kind
    return "autoreply" if is_auto_reply(mail) else "human"
