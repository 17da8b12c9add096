"""What keeps mail from going round for ever: trace headers, and the mails that get no automatic answer. Pure.

Sources: reference/mailtrigger.md section 6.5; RFC 3834 sections 2 and 5 (responders answer no automatic mail and no lists).
"""

from webapp.automation.mail_view import MailView

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


def no_answer_reason(mail: MailView) -> str | None:
    """Why this mail gets no automatic answer, as a sentence; None when it may have one."""
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
    return None
