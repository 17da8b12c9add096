"""What a campaign must be: each field checked as it is saved, and the whole before anything is sent."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from webapp.campaigns.models import Campaign
from webapp.contacts.models import ContactGroup
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import Invalid, invalid
from webapp.core.outside import outside
from webapp.domains.rows import find_domain
from webapp.mail.address import BadAddress, clean_header, normalise
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.rows import seen
from webapp.segments.models import Segment

FORMATS = ("html", "mjml")
#: the body's source, in characters
MOST_BODY = 1_000_000
#: groups or segments of one list
MOST_LISTS = 200
#: mails a minute
FASTEST = 1_000_000
FURTHEST = timedelta(days=366 * 2)
#: column -> its name on the wire
WIRE = {
    "mailbox_id": "email_account_id", "group_ids": "recipient_groups", "segment_ids": "segment_ids",
    "exclude_group_ids": "exclude_group_ids", "exclude_segment_ids": "exclude_segment_ids",
}  # fmt: skip
ONE_LINE = {"name": "The name", "subject": "The subject", "from_name": "The sender's name", "preheader": "The preheader"}


def clean(actor: Actor, values: Mapping[str, Any], mailbox_id: int | None = None) -> dict[str, Any]:
    """The columns as they are kept. raises Invalid that names the field as the API spells it

    mailbox_id  the sending account where `values` does not name another
    """
    found = dict(values)
    for name, what in ONE_LINE.items():
        if found.get(name) is not None:
            found[name] = _line(name, str(found[name]), what)
    if "name" in found and not found["name"]:
        raise invalid("name", "A campaign needs a name; your team finds it by that.")
    if found.get("mailbox_id") is not None:
        _account(actor, found["mailbox_id"])
    if "from_email" in found:
        found["from_email"] = sender(actor, str(found["from_email"] or ""), found.get("mailbox_id", mailbox_id))
    if found.get("reply_to"):
        found["reply_to"] = _address("reply_to", found["reply_to"])
    for name, model, noun in (
        ("group_ids", ContactGroup, "contact group"), ("exclude_group_ids", ContactGroup, "contact group"),
        ("segment_ids", Segment, "segment"), ("exclude_segment_ids", Segment, "segment"),
    ):  # fmt: skip
        if name in found:
            found[name] = own_ids(actor, WIRE[name], found[name] or (), model, noun)
    for name in ("reply_to", "preheader", "body_text"):
        if name in found:
            found[name] = found[name] or None
    return found


def own_ids(actor: Actor, field: str, ids: Iterable[int], model: Any, noun: str) -> list[int]:
    """These ids, each once, in their order. raises Invalid for one that the workspace does not have"""
    wanted = list(dict.fromkeys(ids))
    if len(wanted) > MOST_LISTS:
        raise invalid(field, f"At most {MOST_LISTS} can be named; these are {len(wanted)}.")
    query = select(model.id).where(model.workspace_id == actor.workspace_id, model.id.in_(wanted))
    there = set(db.session.scalars(query)) if wanted else set()
    missing = [str(one) for one in wanted if one not in there]
    if missing:
        raise invalid(field, f"There is no {noun} with the id {', '.join(missing[:5])}; it may be deleted.")
    return wanted


def sender(actor: Actor, text: str, mailbox_id: int | None) -> str:
    """An address that the workspace may write as: at a verified domain of its own, or the sending account's. raises Invalid"""
    if not text.strip():
        raise invalid("from_email", "Write the sender's address.")
    address = _address("from_email", text)
    name = address.rpartition("@")[2]
    domain = find_domain(name)
    if domain is not None and domain.workspace_id == actor.workspace_id and domain.is_verified:
        return address
    if mailbox_id is not None:
        mailbox = db.session.scalar(seen(actor).where(Mailbox.id == mailbox_id))
        if mailbox is not None and mailbox.email == address:
            return address
    raise invalid(
        "from_email", f"{name} is not a verified domain of this workspace. Verify it under Domains, or write as the sending account itself."
    )


def _account(actor: Actor, mailbox_id: int) -> Mailbox:
    mailbox: Mailbox | None = db.session.scalar(seen(actor).where(Mailbox.id == mailbox_id))
    if mailbox is None:
        raise invalid("email_account_id", f"There is no sending account with the id {mailbox_id}; GET /email-accounts lists them.")
    if not mailbox.can_send:
        raise invalid("email_account_id", f"{mailbox.email} may not send. Switch sending on for it, or choose another account.")
    if not mailbox.may_send:
        raise invalid("email_account_id", f"{mailbox.email} is paused. Resume it, or choose another account.")
    return mailbox


def _line(field: str, text: str, what: str) -> str:
    try:
        return clean_header(text.strip(), what)
    except ValueError as error:
        raise invalid(field, str(error)) from None


def _address(field: str, text: str) -> str:
    try:
        return normalise(text)
    except BadAddress as error:
        raise invalid(field, str(error)) from None


def moment(at: datetime | None) -> datetime:
    """A time to which sending can be put off. raises Invalid about schedule_at"""
    if at is None:
        raise invalid("schedule_at", "Write when it is to be sent, as ISO 8601 with a zone, such as 2026-09-14T09:00:00Z.")
    now = outside().clock.now()
    if at <= now:
        raise invalid("schedule_at", f"{at:%Y-%m-%d %H:%M} UTC is in the past. Choose a later time, or send now.")
    if at > now + FURTHEST:
        raise invalid("schedule_at", "Choose a time within two years.")
    return at


def zone(name: str | None) -> str | None:
    """The name of a zone as given with a schedule; what is no zone is dropped."""
    try:
        return ZoneInfo(name).key if name and len(name) <= 64 else None
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return None


def local_moment(text: str, zone_name: str) -> datetime:
    """What a person wrote as day and time, in their zone. raises Invalid about schedule_at"""
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=ZoneInfo(zone(zone_name) or "UTC"))
    except ValueError:
        raise invalid("schedule_at", "Write day and time, such as 2026-09-14 09:00.") from None


def problems(campaign: Campaign) -> dict[str, list[str]]:
    """What is missing before it can be sent, by field; empty when nothing is."""
    found: dict[str, list[str]] = {}
    for name, text in (
        ("subject", "Write a subject; mail without one is taken for spam."), ("body_html", "Write the letter."),
        ("from_email", "Write the sender's address."),
    ):  # fmt: skip
        if not (getattr(campaign, name) or "").strip():
            found[name] = [text]
    mailbox = account_of(campaign)
    if mailbox is None:
        found["email_account_id"] = ["Choose the account that sends it."]
    elif not mailbox.may_send:
        found["email_account_id"] = [f"{mailbox.email} may not send now: it is paused or sending is switched off."]
    if not campaign.group_ids and not campaign.segment_ids:
        found["recipient_groups"] = ["Choose at least one group or segment; a campaign that names none goes to nobody."]
    return found


def require_ready(campaign: Campaign) -> None:
    """raises Invalid that names all that is missing"""
    found = problems(campaign)
    if found:
        raise Invalid(" ".join(text for texts in found.values() for text in texts), fields=found)


def still_there(actor: Actor, name: str, ids: Iterable[int]) -> list[int]:
    """Of the groups or segments that a column of a campaign names, those that were not deleted since."""
    model: Any = ContactGroup if name.endswith("group_ids") else Segment
    wanted = list(ids)
    there = set(db.session.scalars(select(model.id).where(model.workspace_id == actor.workspace_id, model.id.in_(wanted))))
    return [one for one in wanted if one in there]


def may_still_send(actor: Actor, mailbox_id: int | None) -> bool:
    """Whether there is such a mailbox that may send now."""
    mailbox = db.session.scalar(seen(actor).where(Mailbox.id == mailbox_id)) if mailbox_id is not None else None
    return mailbox is not None and bool(mailbox.may_send)


def account_of(campaign: Campaign) -> Mailbox | None:
    """The mailbox that sends it, while it is there."""
    mailbox = db.session.get(Mailbox, campaign.mailbox_id) if campaign.mailbox_id else None
    return mailbox if mailbox is not None and mailbox.deleted_at is None else None


def in_zone(at: datetime, zone_name: str | None) -> str:
    """A moment as the field of a form holds it, in its zone: `2026-09-14T09:00`."""
    return at.astimezone(ZoneInfo(zone(zone_name) or "UTC")).strftime("%Y-%m-%dT%H:%M")
