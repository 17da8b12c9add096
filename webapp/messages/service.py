"""What people and programs do with stored mail: find, read, mark, delete, bring back."""

from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, func, select

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import live, lookup, trash
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Conflict, Forbidden, NotFound
from webapp.core.paging import CAP, Page, PageRequest
from webapp.mail.mime import Attachment, ParsedMail
from webapp.mailboxes import contents
from webapp.mailboxes import rows as mailboxes
from webapp.mailboxes.models import Mailbox
from webapp.messages import index, listing, purging, quick, raws, reading, totals
from webapp.messages.models import Message
from webapp.messages.timeline import Step, Why, steps, why
from webapp.messages.totals import Overview

#: chips whose mail is counted -> flag in `listing.FLAGS`
FLAGGED = {"captured": "captured", "quarantined": "quarantined", "test": "is_test", "parked": "parked"}


def list_archive(
    actor: Actor, mailbox_id: int | None, filters: dict[str, Any], asked: PageRequest, overview: Overview | None = None
) -> Page[Any]:
    """Messages of a mailbox, or of all that the actor may see, newest first; filters as in `listing.page_of`.

    raises NotFound for a mailbox that the actor does not see
    """
    actor.require("archives:read")
    if mailbox_id is not None:
        mailboxes.get_seen(actor, mailbox_id)
    elif overview is not None and (found := quick.box_page(actor, filters, asked, overview)):
        return found
    return listing.page_of(actor, mailbox_id, filters, asked, overview)


def overview_of(actor: Actor, mailbox_id: int | None) -> Overview:
    """The numbers that a list and its chips share."""
    actor.require("archives:read")
    return totals.overview(actor.workspace_id, mailbox_id)


def count_boxes(actor: Actor, mailbox_id: int | None, overview: Overview) -> dict[str, Any]:
    """How much mail there is, for the chips above the list: `archive` all, `inbox` unread, `sent`; the rest counted up to 1,000.

    Tokens with limits get no numbers (None) for more than one mailbox.
    """
    numbers: dict[str, Any] = dict.fromkeys(("archive", "inbox", "sent"))
    if mailbox_id is not None or (actor.mailbox_ids is None and actor.domain_ids is None):
        known = overview.numbers
        numbers = {"archive": known[""], "inbox": known["unread"], "sent": known["sent"]}
    counted = db.session.execute(_flag_counts(mailbox_id is not None), {"workspace_id": actor.workspace_id, "mailbox_id": mailbox_id})
    for box, number in zip(FLAGGED, counted.one(), strict=True):
        numbers[box] = number if number <= CAP else f"{CAP:,}+"
    return numbers


@cache
def _flag_counts(of_mailbox: bool) -> Select[Any]:
    """How many mails have each flag of FLAGGED, up to one more than CAP, of a workspace or of one mailbox in it; made once."""
    mail = Message.__table__.c
    narrow: list[Any] = [mail.workspace_id == bindparam("workspace_id"), listing.LIVING]
    if of_mailbox:
        narrow.append(mail.mailbox_id == bindparam("mailbox_id"))
    flagged = [listing.by_flag(select(mail.id).where(*narrow, listing.FLAGS[flag]), flag) for flag in FLAGGED.values()]
    found = [query.limit(CAP + 1).subquery() for query in flagged]
    return select(*[select(func.count()).select_from(rows).scalar_subquery() for rows in found])


def get_message(
    actor: Actor, message_id: int, mailbox_id: int | None = None, *, scope: str = "archives:read", for_update: bool = False
) -> Message:
    """One message.

    mailbox_id  the mailbox that it has to lie in, where the address names one
    raises      NotFound, also for mail of mailboxes outside the limits of the token or in the trash
    """
    actor.require(scope)
    message = lookup.get_mine(actor, Message, message_id, "message", for_update=for_update)
    if not _sees(actor, message) or mailbox_id not in (None, message.mailbox_id):
        raise NotFound(f"There is no message with the id {message_id}.")
    return message


def _sees(actor: Actor, message: Message) -> bool:
    """Mail of the system belongs to no mailbox, so tokens that are limited to some do not see it."""
    if message.mailbox_id is None:
        return actor.mailbox_ids is None and actor.domain_ids is None
    mailbox = db.session.get(Mailbox, message.mailbox_id)
    return mailbox is not None and mailbox.deleted_at is None and actor.sees_mailbox(mailbox.id, mailbox.domain_id)


def mailbox_address(message: Message) -> str | None:
    """The address of the mailbox that it lies in; None for mail of the system."""
    mailbox = db.session.get(Mailbox, message.mailbox_id) if message.mailbox_id else None
    return mailbox.email if mailbox else None


def first_of(message: Message) -> Message | None:
    """The mail that its sender repeated with this one, while it is there."""
    first = db.session.get(Message, message.repeats_id) if message.repeats_id is not None else None
    return first if first is not None and first.deleted_at is None else None


def may_read_body(actor: Actor, message: Message) -> bool:
    """The text of system mail is for owners alone."""
    return not message.keeps_back or actor.has_role("owner")


def read_message(actor: Actor, message: Message) -> ParsedMail:
    """The mail itself. System mail: nothing of it for whoever is no owner, and its links are cut out for everybody."""
    parsed = reading.parsed_of(message)
    if not message.keeps_back:
        return parsed
    if actor.has_role("owner"):
        return without_links(parsed)
    return ParsedMail(subject=parsed.subject, sender=parsed.sender, date=parsed.date)


def without_links(parsed: ParsedMail) -> ParsedMail:
    """A system mail without what could be used in its reader's place: no HTML, no files, every link cut out of the text."""
    parsed.html, parsed.attachments = None, []
    parsed.text = reading.LINK.sub("[link cut out]", parsed.text)
    parsed.headers = [(name, reading.LINK.sub("[link cut out]", value)) for name, value in parsed.headers]
    return parsed


def source_of(actor: Actor, message: Message) -> bytes:
    """The bytes as they came in. raises Forbidden for system mail, whose links nobody may take"""
    if message.keeps_back:
        raise Forbidden("The source of system mail is not shown: it holds one-time links.", hint="Ask for a new link instead.")
    return raws.load(message.raw_id)


def attachment_of(actor: Actor, message: Message, number: int) -> Attachment:
    """One attachment, counted from 1 in the order of the mail. raises NotFound"""
    files = read_message(actor, message).attachments
    if not 1 <= number <= len(files):
        raise NotFound(f"The message has {len(files)} attachments; there is no number {number}.")
    return files[number - 1]


def timeline(actor: Actor, message: Message) -> list[Step]:
    """What happened to it, newest first; features above add their steps (`messages.timeline`)."""
    return steps(actor, message)


def explain(actor: Actor, message: Message) -> Why:
    return why(actor, message)


def mark_seen(actor: Actor, message_id: int, seen: bool = True) -> Message:
    """Mark as read or unread."""
    message = get_message(actor, message_id, scope="messages:write", for_update=True)
    if message.seen != seen:
        message.seen = seen
        db.session.flush()
        audit.record(actor, "message.update", target(message), before={"seen": not seen}, after={"seen": seen})
        live.notify(message.workspace_id, reading.LIVE_EVENT)
    return message


def delete_message(actor: Actor, message_id: int, mailbox_id: int | None = None) -> Message:
    """To the trash; it comes back for 30 days."""
    message = get_message(actor, message_id, mailbox_id, scope="archives:write", for_update=True)
    message.deleted_at = utcnow()
    index.hide(message)
    audit.record(actor, "message.delete", target(message), before=snapshot(message), after={"deleted_at": message.deleted_at})
    live.notify(message.workspace_id, reading.LIVE_EVENT)
    return message


def restore_message(actor: Actor, message_id: int) -> Message:
    """Out of the trash again. raises NotFound, Conflict when its mailbox is deleted"""
    actor.require("archives:write")
    _, message = trash.find_trashed(actor, "message", message_id)
    _check_place(message)
    if not _sees(actor, message):
        raise NotFound(f"There is no message with the id {message_id} in the trash.")
    trash.restore(actor, "message", message_id)
    audit.record(actor, "message.restore", target(message))
    live.notify(message.workspace_id, reading.LIVE_EVENT)
    return message


def target(message: Message) -> Target:
    return Target("message", message.id, message.subject or "(no subject)")


def snapshot(message: Message) -> dict[str, Any]:
    """What the audit log keeps of a message."""
    return {name: getattr(message, name) for name in ("mailbox_id", "direction", "sender", "subject", "folder", "message_id_header")}


def _lost_mailbox() -> Conflict:
    return Conflict("The mailbox of this message is deleted.", hint="Restore the mailbox first.")


def _restore(actor: Actor, message: Message) -> None:
    """Called by the trash before the row comes back."""
    show_again(message)


def show_again(message: Message) -> None:
    """Before a message comes out of the trash: its mailbox must live; search finds it again. raises Conflict"""
    _check_place(message)
    index.show(message)


def _check_place(message: Message) -> None:
    if message.mailbox_id is not None:
        mailbox = db.session.get(Mailbox, message.mailbox_id)
        if mailbox is None or mailbox.deleted_at is not None:
            raise _lost_mailbox()


def _purge(message: Message) -> None:
    """Called by the trash after 30 days: the row, what search knows of it, and its source unless somebody else needs it."""
    raw_id = message.raw_id
    db.session.delete(message)
    db.session.flush()
    raws.release([raw_id])


def register_trash() -> None:
    trash.register("message", Message, Message.subject, _restore, _purge, "archives:read")
    contents.add(contents.Content("message", "messages", totals.count_in, purging.holds_mail))
