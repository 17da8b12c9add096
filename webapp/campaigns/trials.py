"""Looking at a letter before it is sent: the preview for one person, what an author should know, and test copies."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from sqlalchemy import select

from webapp.audit import service as audit
from webapp.campaigns import letters
from webapp.campaigns.models import Campaign
from webapp.campaigns.rows import get, target
from webapp.contacts.models import Contact
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import Invalid, InvalidState, invalid
from webapp.mail.address import BadAddress, normalise
from webapp.mail.letter.checks import checks
from webapp.mail.letter.compiled import compile_letter
from webapp.mail.letter.model import Finding, Letter, LetterError
from webapp.mail.letter.preview import preview
from webapp.mailboxes.models import Mailbox
from webapp.sending.submitting import submit
from webapp.sending.writing import check_may_send

MARK = "[Test] "
MOST = 5
#: place in a letter -> field on the wire
FIELD = {"html": "body_html", "text": "body_text"}


@dataclass(frozen=True)
class Look:
    """One letter as one person would read it, with what is wrong with it; without content where it cannot be compiled."""

    subject: str
    html: str
    text: str
    missing: list[str]
    unknown: list[str]
    findings: list[Finding]


def look(actor: Actor, given: dict[str, Any]) -> Look:
    """A letter that need not be saved, for one contact or a made-up person. given: the fields of `schemas.PreviewIn`

    raises  NotFound for the campaign; Invalid for a contact that is not there, and for a letter that cannot be read
    """
    actor.require("campaigns:read")
    campaign = get(actor, given["campaign_id"]) if given.get("campaign_id") else None
    contact = find_contact(actor, given["contact_id"]) if given.get("contact_id") else None
    letter = letters.letter_of(_sketch(actor, given, campaign), known_links=())
    try:
        shown = preview(letter, letters.nobody(campaign.id if campaign else 0, contact=contact))
    except LetterError as error:
        raise refused(error) from None
    return Look(shown.subject, shown.html, shown.text, shown.missing, shown.unknown, checks(letter))


def look_at(actor: Actor, campaign: Campaign) -> Look:
    """A saved letter for a made-up person; what cannot be read has its problems as findings and no content."""
    actor.require("campaigns:read")
    letter = letters.letter_of(campaign, known_links=())
    try:
        shown = preview(letter, letters.nobody(campaign.id))
    except LetterError as error:
        return Look(campaign.subject, "", "", [], [], [Finding("error", "unreadable", f"{one.place}: {one}") for one in error.problems])
    return Look(shown.subject, shown.html, shown.text, shown.missing, shown.unknown, checks(letter))


def _sketch(actor: Actor, given: dict[str, Any], campaign: Campaign | None) -> SimpleNamespace:
    """What looks like a campaign, made of what was typed and the rest of a saved one."""
    base = {
        "id": campaign.id if campaign else 0, "workspace_id": actor.workspace_id, "created_at": None, "reply_to": None,
        "name": campaign.name if campaign else "Preview", "track_opens": False, "track_clicks": False, "web_view": True,
        "mailbox_id": campaign.mailbox_id if campaign else None,
        "from_name": campaign.from_name if campaign else "", "from_email": campaign.from_email if campaign else "",
    }  # fmt: skip
    written = {name: given.get(name) for name in ("subject", "body_html", "body_format", "body_text", "preheader")}
    named = {name: given[name] for name in ("from_name", "from_email") if given.get(name)}
    sketch = SimpleNamespace(**{**base, **written, **named})
    sketch.from_email = sketch.from_email or "preview@example.com"
    return sketch


def find_contact(actor: Actor, contact_id: int) -> Contact:
    """raises Invalid about contact_id"""
    actor.require("contacts:read")
    contact = db.session.scalar(select(Contact).where(Contact.workspace_id == actor.workspace_id, Contact.id == contact_id))
    if contact is None:
        raise invalid("contact_id", f"There is no contact with the id {contact_id}.")
    return contact


def refused(error: LetterError) -> Invalid:
    """The letter's problems beside their fields."""
    found: dict[str, list[str]] = {}
    for problem in error.problems:
        found.setdefault(FIELD.get(problem.place, problem.place), []).append(str(problem))
    return Invalid("The letter cannot be read: " + " ".join(text for texts in found.values() for text in texts), fields=found)


def send_test(actor: Actor, campaign_id: int, *, emails: Sequence[str], contact_id: int | None = None) -> dict[str, Any]:
    """Send a copy of the letter as it is saved now, marked in its subject, through the ordinary pipeline; it is counted nowhere.

    contact_id  whose values fill it; else those of a made-up person. Links lead straight on, its way to unsubscribe changes nothing
    raises      Invalid about emails or the letter; InvalidState without a sending account; what `check_may_send` raises
    """
    actor.require("campaigns:write")
    campaign = get(actor, campaign_id)
    addresses = _addresses(emails)
    mailbox = db.session.get(Mailbox, campaign.mailbox_id) if campaign.mailbox_id else None
    if mailbox is None or mailbox.deleted_at is not None:
        text = "No account sends this campaign yet. Choose one, save, and test again."
        raise InvalidState(text, fields={"email_account_id": ["Choose the account that sends it."]})
    check_may_send(mailbox)
    contact = find_contact(actor, contact_id) if contact_id else None
    letter = _marked(letters.letter_of(campaign))
    try:
        compiled, missing = compile_letter(letter), preview(letter, letters.nobody(campaign.id, contact=contact)).missing
    except LetterError as error:
        raise refused(error) from None
    copies = []
    for number, address in enumerate(addresses, 1):
        person = letters.nobody(campaign.id, address, contact=contact)._replace(number=number)
        copies.append(_submit(actor, campaign, mailbox, address, compiled.fill(person)))
    audit.record(actor, "campaign.test", target(campaign), after={"emails": addresses})
    return {"emails": addresses, "archive_ids": copies, "missing": missing}


def _submit(actor: Actor, campaign: Campaign, mailbox: Mailbox, address: str, raw: bytes) -> int:
    """Its copy in the archive."""
    outgoing = submit(
        workspace_id=campaign.workspace_id, mailbox_id=mailbox.id, envelope_sender=mailbox.email, recipients=[address], raw=raw,
        kind="api", source_type="campaign_test", source_id=campaign.id, request_id=actor.request_id, from_address=campaign.from_email,
        is_test=True,
    )  # fmt: skip
    return outgoing.message_id or 0


def _marked(letter: Letter) -> Letter:
    """With a Message-ID of its own each time, and without tracking: there is nobody to count."""
    key = f"{letter.key}-t{secrets.token_hex(4)}"
    return replace(letter, subject=f"{MARK}{letter.subject}", key=key, track_opens=False, track_clicks=False)


def _addresses(texts: Sequence[str]) -> list[str]:
    found: dict[str, None] = {}
    for place, text in enumerate(texts):
        try:
            found[normalise(text)] = None
        except BadAddress as error:
            raise invalid(f"emails.{place}", str(error)) from None
    if not found:
        raise invalid("emails", "Name at least one address.")
    if len(found) > MOST:
        raise invalid("emails", f"A test goes to at most {MOST} addresses; these are {len(found)}.")
    return list(found)
