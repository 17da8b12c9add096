"""What keeps mail from going round for ever: marks of mail that was here before, and the mails that get no automatic answer. Pure.

Sources: reference/mailtrigger.md section 6.5; RFC 3834 sections 2 and 5 (responders answer no automatic mail and no lists); the mark
X-Loop is what procmail and others have used since the 1990s. Budgets for loops that wash their marks off are in `exchanges`.
"""

from collections.abc import Iterable

from webapp.automation.mail_view import MailView
from webapp.mail import mime
from webapp.mail.auto_reply import why_not_to_answer

LOOP = "X-Loop"
TRACE = "X-Mailroom-Trace"
TEST = "X-Mailroom-Test"
#: a mail that went through more routes than this is going in circles
MOST_TRACES = 10
BULK = frozenset({"bulk", "list", "junk", "auto_reply"})


def too_many_traces(mail: MailView) -> str | None:
    """A sentence when the mail went through more than ten Mailroom routes already, else None."""
    count = len(mail.header_values(TRACE))
    if count <= MOST_TRACES:
        return None
    return f"This mail went through {count} Mailroom routes already ({TRACE} headers); it is going in circles and is not sent on."


def was_here(mail: MailView, mailbox: str, hostname: str) -> str | None:
    """A sentence when this mailbox sent the mail on or answered it before, by the marks that it left; else None."""
    marks = (value.strip().lower() for value in mail.header_values(LOOP))
    traces = ([part.strip().lower() for part in value.split(";")] for value in mail.header_values(TRACE))
    if mailbox in marks or any(trace[1:] == [mailbox, hostname.lower()] for trace in traces):
        return f"{mailbox} sent this mail on before and it came back; it is going in circles and is not sent on again."
    return None


def not_for_us(mail: MailView, own: Iterable[str]) -> str | None:
    """A sentence when none of our addresses stands in To or Cc, as with blind copies and lists (RFC 3834 section 2); else None."""
    named = {person.email.lower() for person in (*mail.receivers, *mail.cc)}
    if named & {address.lower() for address in own if address}:
        return None
    return "The mail names this mailbox neither in To nor in Cc, so it may be from a list or a blind copy."


def no_answer_reason(mail: MailView, own: frozenset[str] = frozenset()) -> str | None:
    """Why this mail gets no automatic answer, as a sentence; None when it may have one. own: addresses that answer by themselves"""
    if not mail.envelope_sender.strip("<> "):
        return "The mail has an empty envelope sender: it is a report or itself an automatic answer."
    submitted = (mail.header("Auto-Submitted") or "no").split(";")[0].strip().lower()
    if submitted != "no":
        return f"The mail says Auto-Submitted: {submitted}; automatic mail gets no automatic answer."
    if mail.header_values("List-Id"):
        return "The mail comes from a mailing list (List-Id)."
    precedence = (mail.header("Precedence") or "").strip().lower()
    if precedence in BULK:
        return f"The mail says Precedence: {precedence}; bulk mail gets no automatic answer."
    if (mail.header("X-Auto-Response-Suppress") or "").strip().lower() not in ("", "none"):
        return "The mail asks for no automatic answers (X-Auto-Response-Suppress)."
    name = mail.envelope_sender.strip("<> ").partition("@")[0].lower()
    if name in ("mailer-daemon", "postmaster", "noreply", "no-reply") or name.startswith(("owner-", "bounce")):
        return f"The mail comes from {mail.envelope_sender.strip('<> ')}, which is no person."
    return why_not_to_answer(mime.parse(mail.raw), mail.envelope_sender, own) if mail.raw else None
