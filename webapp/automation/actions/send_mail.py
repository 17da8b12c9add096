"""`send_mail`: a new mail from the mailbox, such as an automatic answer.

What goes back to the sender is an automatic answer: marked as such (RFC 3834 section 5), sent with an empty envelope sender
(section 3.3), never to automatic mail or lists, and at most once an hour for a sender and route.
"""

from collections.abc import Mapping
from typing import Any

from webapp.automation import loops, mail_state, reply_limits
from webapp.automation.actions import outgoing
from webapp.automation.actions.base import ActionType, Context, Result, Skip, bad
from webapp.automation.actions.forward import with_original
from webapp.automation.parameters import Parameter
from webapp.core.http_guard import HttpClient
from webapp.mail import mime
from webapp.mail.address import BadAddress, normalise
from webapp.mail.message_ids import thread_of

DEFAULT_SUBJECT = "Re: $SUBJECT"


class SendMail(ActionType):
    name = "send_mail"
    label = "Send mail"
    icon = "reply"
    summary = "Sends a new mail from the mailbox; to the sender it is an automatic answer, at most one an hour."
    parameters = (
        Parameter("to", "To", "list", default=["$SENDER"], variables=True, description="Empty: the sender, as an automatic answer."),
        Parameter("subject", "Subject", default=DEFAULT_SUBJECT, variables=True),
        Parameter("body", "Text", "text", variables=True),
        Parameter("html", "HTML", "text", variables=True, description="Values of variables are escaped."),
        Parameter("attach_original", "Attach the original", "boolean", default=False),
    )

    def check(self, values: Mapping[str, Any], http: HttpClient) -> None:
        outgoing.check_addresses(values, "to")
        if not values.get("body") and not values.get("html"):
            raise bad("body", "Write a text, or HTML.")

    def describe(self, values: Mapping[str, Any]) -> str:
        return f"to {', '.join(values.get('to') or [])}"

    def perform(self, context: Context) -> Result:
        if loop := loops.too_many_traces(context.mail):
            return Result("failed", error=loop)
        try:
            recipients = outgoing.addresses(context, "to")
        except outgoing.Unsendable as error:
            return outgoing.refused(error)
        people = answered(context, recipients)
        if people and (reason := loops.no_answer_reason(context.mail)):
            return Result("skipped", f"No answer was sent. {reason}")
        raw = build(context, recipients)
        envelope_sender = "" if len(people) == len(recipients) else context.run.mailbox_email
        route_id = context.run.route_id

        def deed() -> str:
            for person in people:
                if route_id is not None and (reason := reply_limits.take(route_id, person)):
                    raise Skip(reason)
            return outgoing.hand_over(context, raw=raw, recipients=recipients, envelope_sender=envelope_sender, kind="auto_reply")

        shown = {"envelope_sender": envelope_sender, "to": recipients, "subject": subject_of(context), "size": len(raw)}
        return Result("success", f"Sent to {', '.join(recipients)}.", request=shown, deed=deed)


def answered(context: Context, recipients: list[str]) -> list[str]:
    """Those recipients from whom the mail came: for them this is an automatic answer."""
    mail = context.mail
    origins = set()
    for text in (mail.sender.email, mail.envelope_sender, *(person.email for person in mail.reply_to)):
        try:
            origins.add(normalise(text.strip("<> ")))
        except BadAddress:
            continue
    return [email for email in recipients if email in origins]


def subject_of(context: Context) -> str:
    template = context.values.get("subject") or DEFAULT_SUBJECT
    subject = mail_state.one_line(context.line("subject") if context.values.get("subject") else "")
    if not subject or template == DEFAULT_SUBJECT:
        before = mail_state.one_line(context.mail.subject)
        subject = before if before.lower().startswith("re:") else f"Re: {before}".strip()
    return subject[:900]


def build(context: Context, recipients: list[str]) -> bytes:
    mail, run = context.mail, context.run
    text, html = context.text("body") or None, context.html("html") if context.values.get("html") else None
    in_reply_to, references = thread_of(mail.message_id, mail.header("References") or "", mail.header("In-Reply-To") or "")
    new = mime.NewMail(
        sender=run.mailbox_email, to=recipients, subject=subject_of(context), text=text, html=html, headers=outgoing.traces(context),
        in_reply_to=in_reply_to, references=references, auto_submitted="auto-replied",
    )  # fmt: skip
    return with_original(new, mail.raw) if context.values.get("attach_original") else mime.build(new)
