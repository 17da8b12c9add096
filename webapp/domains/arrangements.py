"""What a domain does with mail beside its mailboxes: catch-all, hosting here or elsewhere, matching addresses, the signature below mail."""

from typing import Any

from sqlalchemy import select

from webapp.audit import service as audit
from webapp.core import live
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import Invalid, InvalidState, NotFound, invalid
from webapp.domains import checks
from webapp.domains.models import Domain
from webapp.domains.residents import residents
from webapp.domains.rows import get_seen, seen, snapshot, target
from webapp.mail.address import BadAddress, normalise
from webapp.mail.sanitize import safe_html, text_of_html

NO_MAILBOXES = "domain_hosts_no_mailboxes"


def set_catch_all(domain: Domain, enabled: bool, destination: str | None = None, field: str = "catch_all.destination") -> None:
    """Turn the catch-all on or off. raises Invalid about `field`: no mailbox of this workspace, or the domain keeps no mail here"""
    if not enabled:
        domain.catch_all_enabled, domain.catch_all_destination = False, None
        return
    if not domain.is_hosted:
        text = f"Mail for {domain.name} goes elsewhere, so there is nothing to catch."
        raise Invalid(text, fields={field: [text]}, more={"reason": NO_MAILBOXES})
    if not destination:
        raise invalid(field, "Name the mailbox that gets the mail for addresses which do not exist.")
    try:
        address = normalise(destination.strip())
    except BadAddress as error:
        raise invalid(field, str(error)) from None
    if not residents().takes_mail(domain.workspace_id, address):
        raise invalid(field, f"{address} is no mailbox of this workspace. Create it first, or name another.")
    domain.catch_all_enabled, domain.catch_all_destination = True, address


def update_catch_all(actor: Actor, domain_id: int, enabled: bool, destination: str | None = None) -> Domain:
    """raises as `set_catch_all`, about destination"""
    actor.require("domains:write")
    domain = get_seen(actor, domain_id, for_update=True)
    before = snapshot(domain)
    set_catch_all(domain, enabled, destination, "destination")
    return _changed(actor, domain, before)


def set_mail_hosting(actor: Actor, domain_id: int, mail_hosting: str, confirmed: bool = False) -> Domain:
    """Keep the domain's mail here (`trekmail`), or elsewhere (`external`): then its mailboxes stop receiving, and nothing is deleted.

    raises  Invalid (code confirmation_required) when mailboxes would stop receiving and nobody said that this is meant
    """
    actor.require("domains:write")
    domain = get_seen(actor, domain_id, for_update=True)
    before = snapshot(domain)
    if mail_hosting == "external" and domain.is_hosted and domain.mailbox_count and not confirmed:
        count = f"{domain.mailbox_count} mailbox stops" if domain.mailbox_count == 1 else f"{domain.mailbox_count} mailboxes stop"
        text = f"{count} receiving when mail for {domain.name} is kept elsewhere."
        hint = "Send confirm_mailboxes_stop_receiving: true. Nothing is deleted, and it can be turned back."
        fields = {"confirm_mailboxes_stop_receiving": [text]}
        raise Invalid(text, code="confirmation_required", hint=hint, fields=fields)
    domain.mail_hosting = mail_hosting
    if mail_hosting == "external":
        domain.catch_all_enabled, domain.catch_all_destination, domain.primary_domain_id = False, None, None
    if before["mail_hosting"] != mail_hosting:
        checks.plan(domain, "changed")
    return _changed(actor, domain, before)


def set_signature(actor: Actor, domain_id: int, mode: str, position: str | None = None, html: str | None = None) -> Domain:
    """The signature of a domain. html None keeps what is there; an empty text goes with `off` alone.

    raises  Invalid when a mode other than off is left without text once the HTML is made safe
    """
    actor.require("domains:write")
    domain = get_seen(actor, domain_id, for_update=True)
    before = signature(domain)
    if html is not None:
        domain.signature_html = safe_html(html, remote=True).html.strip() if html.strip() else ""
    if mode != "off" and not text_of_html(domain.signature_html).strip() and "<img" not in domain.signature_html:
        raise invalid("signature_html", "Nothing is left of the signature once it is made safe. Write some text, or turn it off.")
    domain.signature_mode, domain.signature_position = mode, position or domain.signature_position
    db.session.flush()
    if signature(domain) != before:
        audit.record(actor, "domain.signature", target(domain), before=before, after=signature(domain))
    return domain


def signature(domain: Domain) -> dict[str, str]:
    """As it goes over the wire."""
    return {"mode": domain.signature_mode, "position": domain.signature_position, "html": domain.signature_html}


# --- matching addresses: name@this reaches name@primary ---------------------------------------------------


def matching(actor: Actor, domain_id: int) -> dict[str, Any]:
    """Whether mail for local parts here goes to the same ones of another domain; one that the token does not see is not named."""
    actor.require("domains:read")
    return shown_matching(actor, get_seen(actor, domain_id))


def shown_matching(actor: Actor, domain: Domain) -> dict[str, Any]:
    """As `matching`, of a domain at hand."""
    primary = None
    if domain.primary_domain_id is not None:
        primary = db.session.scalar(seen(actor).where(Domain.id == domain.primary_domain_id))
    configured = domain.primary_domain_id is not None
    delivering = configured and domain.is_hosted and _living(domain.primary_domain_id)
    status = "delivering" if delivering else "paused" if configured else "not_configured"
    return {
        "configured": configured, "status": status, "delivering": delivering,
        "primary_domain_id": primary.id if primary else None, "primary_domain": primary.name if primary else None,
    }  # fmt: skip


def _living(domain_id: int | None) -> bool:
    living = select(Domain.id).where(Domain.id == domain_id, Domain.deleted_at.is_(None), Domain.mail_hosting == "trekmail")
    return db.session.scalar(living) is not None


def set_matching(actor: Actor, domain_id: int, primary_domain_id: int) -> Domain:
    """Let every local part here receive as the same one of the primary domain; mailboxes that stand here come first.

    raises  NotFound, Invalid (itself, or a chain of such domains), InvalidState (mail is kept elsewhere)
    """
    actor.require("domains:write")
    domain = get_seen(actor, domain_id, for_update=True)
    field = "primary_domain_id"
    primary = db.session.scalar(seen(actor).where(Domain.id == primary_domain_id))
    if primary is None:
        raise NotFound(f"There is no domain with the id {primary_domain_id}.", fields={field: ["There is no such domain."]})
    if primary.id == domain.id:
        raise invalid(field, f"{domain.name} is this domain itself; name another one.")
    if primary.primary_domain_id is not None:
        raise invalid(field, f"{primary.name} matches the addresses of another domain itself. Name that one.")
    if db.session.scalar(select(Domain.id).where(Domain.primary_domain_id == domain.id, Domain.deleted_at.is_(None)).limit(1)):
        raise invalid(field, f"Another domain matches the addresses of {domain.name}; chains are not followed.")
    if not domain.is_hosted:
        raise InvalidState(f"Mail for {domain.name} goes elsewhere, so no address here receives.")
    before = {"primary_domain_id": domain.primary_domain_id}
    domain.primary_domain_id = primary.id
    return _matched(actor, domain, before)


def remove_matching(actor: Actor, domain_id: int) -> Domain:
    """Addresses here stand for themselves again; harmless when they do already."""
    actor.require("domains:write")
    domain = get_seen(actor, domain_id, for_update=True)
    before = {"primary_domain_id": domain.primary_domain_id}
    domain.primary_domain_id = None
    return _matched(actor, domain, before)


def _matched(actor: Actor, domain: Domain, before: dict[str, Any]) -> Domain:
    db.session.flush()
    after = {"primary_domain_id": domain.primary_domain_id}
    if after != before:
        audit.record(actor, "domain.match", target(domain), before=before, after=after)
        live.notify(actor.workspace_id, "domains-changed")
    return domain


def _changed(actor: Actor, domain: Domain, before: dict[str, Any]) -> Domain:
    db.session.flush()
    if snapshot(domain) != before:
        audit.record(actor, "domain.update", target(domain), before=before, after=snapshot(domain))
        live.notify(actor.workspace_id, "domains-changed")
    return domain
