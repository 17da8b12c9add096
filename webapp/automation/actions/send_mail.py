"""`send_mail`: a new mail from the mailbox, such as an automatic answer.

What goes back to the sender is an automatic answer: marked as such (RFC 3834 section 5), sent with an empty envelope sender
(section 3.3), never to automatic mail, lists, blind copies or an answer to an earlier one, and once in seven days for a sender and route
unless the action says otherwise.
"""

from collections.abc import Mapping
from typing import Any

from webapp.automation import exchanges, forwarding, loops, mail_state, reply_limits
from webapp.automation.actions import outgoing
from webapp.automation.actions.base import ActionType, Context, Result, Skip, Undone, bad
from webapp.automation.actions.forward import with_original
from webapp.automation.parameters import Parameter
from webapp.core.db import db
from webapp.core.http_guard import HttpClient
from webapp.mail import mime
from webapp.mail.address import BadAddress, normalise
from webapp.mail.message_ids import message_ids, thread_of
from webapp.mailboxes.models import Mailbox

DEFAULT_SUBJECT = "Re: $SUBJECT"
#: seven days, as usual for vacation notices (RFC 5230 section 4.1)
PAUSE_HOURS = 168


class SendMail(ActionType):
    name = "send_mail"
    label = "Send mail"
    icon = "reply"
    summary = "Sends a new mail from the mailbox; to the sender it is an automatic answer, one in seven days."
    parameters = (
        Parameter("to", "To", "list", default=["$SENDER"], variables=True, description="Empty: the sender, as an automatic answer."),
        Parameter("subject", "Subject", default=DEFAULT_SUBJECT, variables=True),
        Parameter("body", "Text", "text", variables=True),
        Parameter("html", "HTML", "text", variables=True, description="Values of variables are escaped."),
        Parameter("attach_original", "Attach the original", "boolean", default=False),
        Parameter(
            "pause_hours", "Hours between answers", "integer", default=PAUSE_HOURS, least=1, most=720,
            description="For one sender, who gets one answer within this time. 168 hours are seven days.",
        ),
    )

    def check(self, values: Mapping[str, Any], http: HttpClient) -> None:
        outgoing.check_addresses(values, "to")
        if not values.get("body") and not values.get("html"):
            raise bad("body", "Write a text, or HTML.")

    def describe(self, values: Mapping[str, Any]) -> str:
        return f"to {', '.join(values.get('to') or [])}"

    def perform(self, context: Context) -> Result:
        if loop := outgoing.going_round(context):
            return Result("failed", error=loop)
        try:
            recipients = outgoing.addresses(context, "to")
        except outgoing.Unsendable as error:
            return outgoing.refused(error)
        people = answered(context, recipients)
        if people and (reason := why_not(context)):
            return Result("skipped", f"No answer was sent. {reason}")
        raw = build(context, recipients)
        envelope_sender = "" if len(people) == len(recipients) else context.run.mailbox_email
        route_id, pause_hours = context.run.route_id, int(context.values.get("pause_hours") or PAUSE_HOURS)

        def deed() -> str | Undone:
            mailbox = db.session.get_one(Mailbox, context.run.mailbox_id)
            if people and answers_an_answer(context, mailbox):
                return Undone("skipped", "No answer was sent. The mail answers an automatic answer of this mailbox.")
            for person in people:
                if reason := exchanges.stopped(mailbox, exchanges.of_reply(person)):
                    return Undone("failed", reason)
                if route_id is not None and (reason := reply_limits.take(route_id, person, pause_hours)):
                    raise Skip(reason)
                if reason := exchanges.take(mailbox, exchanges.of_reply(person)):
                    return Undone("failed", reason)
            return outgoing.hand_over(context, raw=raw, recipients=recipients, envelope_sender=envelope_sender, kind="auto_reply")

        shown = {"envelope_sender": envelope_sender, "to": recipients, "subject": subject_of(context), "size": len(raw)}
        return Result("success", f"Sent to {', '.join(recipients)}.", request=shown, deed=deed)


def why_not(context: Context) -> str | None:
    """Why the sender gets no automatic answer, from what the mail says; None when it may have one."""
    own = frozenset({context.run.mailbox_email, context.variables.receiver.lower()})
    return loops.no_answer_reason(context.mail, own) or loops.not_for_us(context.mail, own)


def answers_an_answer(context: Context, mailbox: Mailbox) -> bool:
    """Whether the mail replies to an automatic answer: programs that mark nothing still quote what they answer."""
    named = message_ids(context.mail.header("In-Reply-To") or "")[:1] + message_ids(context.mail.header("References") or "")[-2:]
    return any(forwarding.sent_before(mailbox, None, name, ("auto_reply",)) for name in dict.fromkeys(named))


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
        sender=run.mailbox_email, to=recipients, subject=subject_of(context), text=text, html=html,
        headers=[*outgoing.traces(context), *([outgoing.loop_mark(context)] if answered(context, recipients) else [])],
        in_reply_to=in_reply_to, references=references, auto_submitted="auto-replied",
    )  # fmt: skip
    return with_original(new, mail.raw) if context.values.get("attach_original") else mime.build(new)
