"""`forward`: sends the mail on, in one of two forms.

    from the mailbox (usual)   From and the envelope sender are the mailbox, so that the mail is signed with its domain's key
    unchanged                  byte for byte with a trace on top, so that the sender's signature holds; bounces go to the sender (SRS)

A report goes on without an envelope sender in either form (RFC 5321 section 4.5.5): a bounce of it makes no further mail.
"""

from collections.abc import Mapping
from typing import Any

from webapp.automation import exchanges, forwarding, mail_state
from webapp.automation.actions import outgoing
from webapp.automation.actions.base import ActionType, Context, Result, Undone, bad
from webapp.automation.parameters import Parameter
from webapp.core.db import db
from webapp.core.http_guard import HttpClient
from webapp.mail import mime
from webapp.mail.address import format_address, is_address
from webapp.mailboxes.models import Mailbox
from webapp.messages.models import Message

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
    summary = "Sends the mail on: from the mailbox, so that it passes the receiver's checks, or unchanged."
    parameters = (
        Parameter("to", "To", "list", required=True, variables=True, description="Addresses, separated by commas or lines."),
        Parameter("subject_prefix", "Text before the subject", variables=True, description="As in [Invoice]; a space follows."),
        Parameter("as_attachment", "As an attachment", "boolean", default=False, description="A new mail that carries the original."),
        Parameter("keep_sender", "Answers go to the sender", "boolean", default=True, description="Adds a Reply-To with the sender."),
        Parameter(
            "unchanged", "Unchanged", "boolean", default=False,
            description="As it came, with its signature; From stays, and bounces go back to the sender.",
        ),
    )  # fmt: skip

    def check(self, values: Mapping[str, Any], http: HttpClient) -> None:
        outgoing.check_addresses(values, "to")
        if values.get("unchanged") and (values.get("as_attachment") or values.get("subject_prefix")):
            raise bad("unchanged", "A mail that goes on unchanged is no attachment and keeps its subject.")

    def describe(self, values: Mapping[str, Any]) -> str:
        return f"to {', '.join(values.get('to') or [])}{', as attachment' if values.get('as_attachment') else ''}"

    def perform(self, context: Context) -> Result:
        if loop := outgoing.going_round(context):
            return Result("failed", error=loop)
        try:
            recipients = outgoing.addresses(context, "to")
        except outgoing.Unsendable as error:
            return outgoing.refused(error)
        if context.run.mailbox_email in recipients:
            return Result("failed", error=f"{context.run.mailbox_email} would forward to itself.")
        unchanged = bool(context.values.get("unchanged"))
        raw = _unchanged(context) if unchanged else _attached(context) if context.values.get("as_attachment") else _onward(context)
        sender = context.mail.envelope_sender.strip("<> ")

        def deed() -> str | Undone:
            mailbox = db.session.get_one(Mailbox, context.run.mailbox_id)
            if forwarding.sent_before(mailbox, context.run.message_id, context.mail.message_id):
                return Undone("failed", f"{mailbox.email} sent a mail with this Message-ID on before; it is going in circles.")
            if reason := exchanges.take(mailbox, exchanges.of_forward(_origin(context), recipients)):
                return Undone("failed", reason)
            path = mailbox.email if sender else ""
            if unchanged:
                message = db.session.get(Message, context.run.message_id) if context.run.message_id else None
                path = forwarding.return_path(mailbox, message, sender)
            done = outgoing.hand_over(context, raw=raw, recipients=recipients, envelope_sender=path, kind="forward")
            return f"{done} Reports about it go to {path}." if path != mailbox.email else done

        shown = {"unchanged": unchanged, "to": recipients, "subject": _subject(context), "size": len(raw)}
        return Result("success", f"Forwarded to {', '.join(recipients)}.", request=shown, deed=deed)


def _origin(context: Context) -> str:
    """Whose mail is sent on, for the budget: the address of From, which stays the same where return paths change with each mail."""
    return context.mail.sender.email.lower() or context.mail.envelope_sender.strip("<> ").lower()


def _unchanged(context: Context) -> bytes:
    """The source as it came in below a trace, so that signatures hold (RFC 6376 section 5.4: fields on top do not count)."""
    name, value = outgoing.trace(context)
    return f"{name}: {mail_state.one_line(value)}\r\n".encode() + context.mail.raw


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
