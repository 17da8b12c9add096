"""What comes back about mail that we sent: bounces, delays and receipts of other servers, complaints of readers.

A report is a claim of whoever mailed it. It is believed

    signed    when it came to a return path that we signed (`sending.return_path`): about that one delivery, whatever else it names
    by name   when it came to the sender of a mail of ours and names its Message-ID and a recipient of it; the suppression list believes
              such a one only where the mail had a single recipient, since others would know the Message-ID too

and changes nothing otherwise. Automatic answers and read receipts are no bounces. A report never makes a mail, so a bounce of a bounce
ends here.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from sqlalchemy import func, select

from webapp.core.db import db
from webapp.mail.auto_reply import is_auto_reply
from webapp.mail.bounce import Recipient, Report, read_bounce
from webapp.mail.feedback import Feedback, read_feedback, read_receipt
from webapp.mail.mime_parse import ParsedMail
from webapp.sending import return_path, returned
from webapp.sending.models import Delivery, Outgoing
from webapp.sending.returned import Word

#: kinds of mail whose sender reads a mailbox, and gets reports into it; of all other mail they stay in the archive
READ_BY_PEOPLE = "smtp"
_ORIGINALS = ("message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers")


#: how a sentence goes on
WHAT = {"bounced": "bounced", "delayed": "is delayed", "delivered": "arrived"}


class Arrived(Protocol):
    """What is looked at of a mail that came in, besides its parts."""

    id: int
    workspace_id: int
    envelope_sender: str
    recipient: str | None


class Read(Arrived, Protocol):
    """The same, read."""

    parsed: ParsedMail


def look(mails: Sequence[Read]) -> dict[int, str]:
    """The mails of a batch that stay in the archive because they were reports, each with the sentence about it (`pipeline.look_for`)."""
    found = {mail.id: take(mail, mail.parsed) for mail in mails}
    return {mail_id: sentence for mail_id, sentence in found.items() if sentence is not None}


def take(message: Arrived, parsed: ParsedMail) -> str | None:
    """Look whether a mail reports something about one of ours, and write that down in the caller's transaction.

    returns a sentence when the mail stays in the archive: it was a report to a return path of ours; None for every other mail
    """
    delivery_id = return_path.read(message.recipient or "")
    if delivery_id is None and not _may_report(message, parsed):
        return None
    if feedback := read_feedback(parsed):
        return _complaint(message, parsed, feedback, delivery_id)
    if read_receipt(parsed):
        return None
    report = read_bounce(parsed)
    if report is None or (not report.recipients and is_auto_reply(parsed)):
        return None
    if delivery_id is not None:
        return _signed(message, report, delivery_id)
    _by_name(message, report)
    return None


def _may_report(message: Arrived, parsed: ParsedMail) -> bool:
    """A cheap look, for every mail that comes in."""
    if message.envelope_sender == "" or parsed.header("x-failed-recipients"):
        return True
    return "report" in parsed.header("content-type").lower() or any(item.content_type.startswith("message/") for item in parsed.attachments)


# --- to a return path of ours ---------------------------------------------------------------------------


def _signed(message: Arrived, report: Report, delivery_id: int) -> str | None:
    found = db.session.execute(
        select(Delivery.recipient, Outgoing.kind).join(Outgoing, Outgoing.id == Delivery.outgoing_id).where(
            Delivery.id == delivery_id, Delivery.workspace_id == message.workspace_id
        )
    ).one_or_none()  # fmt: skip
    if found is None:
        return None
    told = _about(found.recipient, report.recipients)
    done = returned.hear(delivery_id, Word(told, message.id, counts=True))
    if found.kind == READ_BY_PEOPLE:
        return None
    return f"It is a report: the mail to {found.recipient} {WHAT.get(done or '', 'was reported before, or it ended otherwise')}."


def _about(recipient: str, told: Sequence[Recipient]) -> Recipient:
    """What a report says of one recipient. It may name the address that the mail was forwarded to, so one that fits nobody is still it."""
    mine = [one for one in told if recipient in (one.address, one.original)]
    rank = {"failed": 0, "delayed": 1, "delivered": 2}
    found = min(mine or told, key=lambda one: rank.get(one.action, 3), default=None)
    return found or Recipient(recipient, kind="other", permanent=True)


# --- by Message-ID ---------------------------------------------------------------------------------------


def _by_name(message: Arrived, report: Report) -> None:
    for delivery_id, told, alone in _named(message, report.original_message_id, report.recipients):
        returned.hear(delivery_id, Word(told, message.id, counts=alone))


def _named(message: Arrived, message_id: str, told: Iterable[Recipient]) -> list[tuple[int, Recipient, bool]]:
    """(delivery, what is told of it, whether its mail had no other recipient) of a mail that whoever got this report had sent."""
    by_address = {address: one for one in told for address in (one.original, one.address) if address}
    rows = _deliveries(message, message_id, list(by_address))
    return [(row.id, by_address[row.recipient], row.number == 1) for row in rows]


def _deliveries(message: Arrived, message_id: str, addresses: Sequence[str]) -> list[Any]:
    name = message_id.strip().strip("<>")
    if not name or not message.recipient:
        return []
    mail = select(Outgoing.id).where(
        Outgoing.workspace_id == message.workspace_id, Outgoing.message_id_header == name, Outgoing.envelope_sender == message.recipient
    )
    mails = list(db.session.scalars(mail.order_by(Outgoing.id.desc()).limit(5)))
    if not mails:
        return []
    others = Delivery.__table__.alias("others")
    number = select(func.count()).select_from(others).where(others.c.outgoing_id == Delivery.outgoing_id).correlate(Delivery)
    query = select(Delivery.id, Delivery.recipient, number.scalar_subquery().label("number")).where(Delivery.outgoing_id.in_(mails))
    query = query.where(Delivery.recipient.in_(addresses)) if addresses else query
    return list(db.session.execute(query.order_by(Delivery.id).limit(1000)))


# --- complaints ------------------------------------------------------------------------------------------


def _complaint(message: Arrived, parsed: ParsedMail, feedback: Feedback, delivery_id: int | None) -> str | None:
    """Of a feedback loop. Which delivery it is about says the return path of the mail, which we signed, or its Message-ID."""
    if not feedback.is_complaint:
        return None
    signed = (delivery_id, return_path.read(feedback.original_mail_from), *_returned_paths(parsed))
    ids = [found for found in signed if found is not None and _is_of(found, message.workspace_id)][:1] or _complained(message, feedback)
    for found in ids:
        returned.complain(found, message_id=message.id, feedback_type=feedback.feedback_type, reporter=feedback.reporter)
    return "It is a report: the reader called the mail spam." if ids and delivery_id is not None else None


def _returned_paths(parsed: ParsedMail) -> list[int | None]:
    """The return path that stands in the copy of our mail."""
    originals = (item.content[:64_000] for item in parsed.attachments if item.content_type in _ORIGINALS)
    lines = (line for head in originals for line in head.decode("latin-1").splitlines() if line[:12].lower() == "return-path:")
    return [return_path.read(line[12:].strip().strip("<>").lower()) for line in lines]


def _is_of(delivery_id: int, workspace_id: int) -> bool:
    mine = select(Delivery.id).where(Delivery.id == delivery_id, Delivery.workspace_id == workspace_id)
    return db.session.scalar(mine) is not None


def _complained(message: Arrived, feedback: Feedback) -> list[int]:
    """By Message-ID: the complaint may come to any mailbox of the workspace, so only those count who are named, or the only recipient."""
    name = feedback.original_message_id.strip().strip("<>")
    if not name:
        return []
    mail = select(Outgoing.id).where(Outgoing.workspace_id == message.workspace_id, Outgoing.message_id_header == name)
    rows = list(db.session.execute(select(Delivery.id, Delivery.recipient).where(Delivery.outgoing_id.in_(mail)).limit(1000)))
    named = [row.id for row in rows if row.recipient in feedback.recipients]
    return named or ([rows[0].id] if len(rows) == 1 and not feedback.recipients else [])
