"""`forward`: sends the mail on. The envelope sender is the mailbox, From too, so that the mail is signed with its domain's key."""

from collections.abc import Mapping
from typing import Any

from webapp.automation import loops, mail_state
from webapp.automation.actions import outgoing
from webapp.automation.actions.base import ActionType, Context, Result
from webapp.automation.parameters import Parameter
from webapp.core.http_guard import HttpClient
from webapp.mail import mime
from webapp.mail.address import format_address, is_address

#: headers of the original that would be wrong or would give something away once it goes on
DROPPED = (
    "From", "Sender", "Reply-To", "Bcc", "Return-Path", "Delivered-To", "X-Original-To", "DKIM-Signature", "Disposition-Notification-To",
    "Return-Receipt-To", "Message-ID",
)  # fmt: skip
#: people whom answers go to, of a mail that names more
MOST_ANSWERED = 20


class Forward(ActionType):
    name = "forward"
    label = "Forward"
    icon = "forward"
    summary = "Sends the mail on; From is the mailbox, so that it passes the receiver's checks."
    parameters = (
        Parameter("to", "To", "list", required=True, variables=True, description="Addresses, separated by commas or lines."),
        Parameter("subject_prefix", "Text before the subject", variables=True, description="As in [Invoice]; a space follows."),
        Parameter("as_attachment", "As an attachment", "boolean", default=False, description="A new mail that carries the original."),
        Parameter("keep_sender", "Answers go to the sender", "boolean", default=True, description="Adds a Reply-To with the sender."),
    )

    def check(self, values: Mapping[str, Any], http: HttpClient) -> None:
        outgoing.check_addresses(values, "to")

    def describe(self, values: Mapping[str, Any]) -> str:
        return f"to {', '.join(values.get('to') or [])}{', as attachment' if values.get('as_attachment') else ''}"

    def perform(self, context: Context) -> Result:
        if loop := loops.too_many_traces(context.mail):
            return Result("failed", error=loop)
        try:
            recipients = outgoing.addresses(context, "to")
        except outgoing.Unsendable as error:
            return outgoing.refused(error)
        if context.run.mailbox_email in recipients:
            return Result("failed", error=f"{context.run.mailbox_email} would forward to itself.")
        raw = _attached(context) if context.values.get("as_attachment") else _onward(context)
        sender = context.run.mailbox_email

        def deed() -> str:
            return outgoing.hand_over(context, raw=raw, recipients=recipients, envelope_sender=sender, kind="forward")

        shown = {"envelope_sender": sender, "to": recipients, "subject": _subject(context), "size": len(raw)}
        return Result("success", f"Forwarded to {', '.join(recipients)}.", request=shown, deed=deed)


def _subject(context: Context) -> str:
    prefix = context.line("subject_prefix")
    return f"{prefix} {context.mail.subject}".strip() if prefix else context.mail.subject


def _sender_name(context: Context) -> str:
    person = context.mail.sender
    return f"{person.name or person.email} via {context.run.mailbox_email.partition('@')[0]}"


def _answers_to(context: Context) -> str:
    people = context.mail.reply_to or ((context.mail.sender,) if context.mail.sender.email else ())
    known = [person for person in people if is_address(person.email)]
    return ", ".join(format_address(mail_state.one_line(person.name), person.email) for person in known[:MOST_ANSWERED])


def _onward(context: Context) -> bytes:
    """The same mail under a new From; its own signature would not fit any more and goes."""
    headers = [
        outgoing.trace(context),
        ("From", format_address(mail_state.one_line(_sender_name(context)), context.run.mailbox_email)),
        ("Message-ID", mime.new_message_id(context.run.hostname)),
    ]
    if context.values.get("keep_sender", True) and (answers := _answers_to(context)):
        headers.append(("Reply-To", answers))
    if context.mail.message_id:
        headers.append(("X-Forwarded-Message-Id", context.mail.message_id[:900]))
    raw = mail_state.with_headers(context.mail.raw, headers, without=DROPPED)
    subject = _subject(context)
    return raw if subject == context.mail.subject else mail_state.with_subject(raw, subject)


def _attached(context: Context) -> bytes:
    """A new mail that carries the original as it came in."""
    mail, run = context.mail, context.run
    text = f"Forwarded by the route “{run.route_name}” of {run.mailbox_email}.\n\nFrom: {mail.sender.shown}\nSubject: {mail.subject}\n"
    keep = context.values.get("keep_sender", True) and is_address(mail.sender.email)
    return with_original(
        mime.NewMail(
            sender=run.mailbox_email, sender_name=mail_state.one_line(_sender_name(context)), to=outgoing.addresses(context, "to"),
            reply_to=mail.sender.email if keep else None, subject=mail_state.one_line(_subject(context) or "Forwarded mail"), text=text,
            headers=outgoing.traces(context),
        ),
        mail.raw,
    )  # fmt: skip


def with_original(new: mime.NewMail, original: bytes) -> bytes:
    """The new mail with another mail attached whole, as message/rfc822 (RFC 2046 section 5.2.1)."""
    return mail_state.attach_mail(mime.build(new), original)
