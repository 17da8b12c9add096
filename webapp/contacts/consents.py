"""Evidence of consent: when and how a contact came to want mail, or none any more. Read by people, written along with each change."""

from typing import Any

from sqlalchemy import select

from webapp.contacts import service, subscribing
from webapp.contacts.models import Consent, Contact
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import InvalidState
from webapp.core.lookup import get_mine
from webapp.core.paging import Page, PageRequest, keyset

WHATS = ("subscribed", "unsubscribed")


def list_consents(actor: Actor, contact_id: int, asked: PageRequest) -> Page[Consent]:
    """Newest first. raises NotFound"""
    actor.require("contacts:read")
    get_mine(actor, Contact, contact_id, "contact")
    return keyset(select(Consent).where(Consent.contact_id == contact_id), asked, keys=[Consent.id])


def record(
    actor: Actor, contact_id: int, *, what: str, evidence: str | None = None, source: str = "api", ip: str | None = None,
    client: str | None = None,
) -> Consent:  # fmt: skip
    """Subscribe or unsubscribe a contact and keep why. ip, client: of the person, where the sign-up form knows them

    raises  NotFound; InvalidState when it is so already and there is no new evidence
    """
    actor.require("contacts:write")
    contact = service.fetch(actor, contact_id, for_update=True)
    more: dict[str, Any] = {"source": source, "ip": ip, "client": client, "evidence": evidence, "actor": actor}
    change = subscribing.subscribe if what == "subscribed" else subscribing.unsubscribe
    if not change(actor.workspace_id, [contact.id], **more):
        if what != "subscribed" or not evidence:
            raise InvalidState(f"{contact.email} is {what} already.", hint="Send new evidence, or leave it as it is.")
        subscribing.prove(contact, source, evidence, ip=ip, client=client)
    newest = select(Consent).where(Consent.contact_id == contact.id).order_by(Consent.id.desc()).limit(1)
    return db.session.scalars(newest).one()
