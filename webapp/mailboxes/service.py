"""What can be done with mailboxes: create, look up, change, pause, delete, restore. Which one an address reaches is in `addressing`."""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from webapp.accounts import passwords
from webapp.audit import service as audit
from webapp.core import events, live, trash
from webapp.core.actor import Actor
from webapp.core.config import settings
from webapp.core.db import db, utcnow
from webapp.core.errors import Conflict, Forbidden, InUse, Invalid, invalid
from webapp.core.secrets import random_password
from webapp.domains import service as domains
from webapp.domains.models import Domain
from webapp.domains.taken import unless_taken
from webapp.mail.address import BadAddress, normalise
from webapp.mailboxes import limits, notices, usage
from webapp.mailboxes.addressing import Resolved, check_login, find_mailbox, resolve
from webapp.mailboxes.listing import list_mailboxes, list_with_states
from webapp.mailboxes.models import DEFAULT_MESSAGE_BYTES, Mailbox
from webapp.mailboxes.rows import SETTINGS, get_seen, seen, snapshot, target

__all__ = [
    "Resolved", "bring_back", "catches_for", "check_local_part", "check_login", "create_mailbox", "delete_mailbox", "find_mailbox",
    "get_mailbox", "list_mailboxes", "list_with_states", "pause_mailbox", "purge_mailbox", "resolve", "restore_mailbox",
    "resume_mailbox", "seen", "set_password", "update_mailbox",
]  # fmt: skip

#: letters, digits, _ - and +, single dots between (reference/trekmail.md section 5, and + because plus-tags may have their own mailbox)
LOCAL_PART = re.compile(r"[a-z0-9_][a-z0-9_+-]*(\.[a-z0-9_+-]+)*")
#: names that the reference keeps for archived mailboxes
RESERVED = re.compile(r"_archived_\d{8}_\d{6}(_\d+_\d+)?\Z")
SMALLEST_MESSAGE_BYTES = 1024
GENERATED_LENGTH = 20
#: settings on which it depends whether a mailbox is full
LIMITS = {"total_limit", "storage_limit_bytes"}


def check_local_part(text: str, field: str = "local_part") -> str:
    """What stands before the @, in lower case. raises Invalid about `field`"""
    local = text.strip().lower()
    if not local:
        raise invalid(field, "Write what stands before the @.")
    if "@" in local:
        raise invalid(field, "Write only what stands before the @; the domain is chosen beside it.")
    if len(local) > 64:
        raise invalid(field, f"At most 64 characters stand before the @; this has {len(local)}.")
    if not LOCAL_PART.fullmatch(local):
        raise invalid(field, "Use letters a to z, digits, _, -, + and single dots between them; begin with a letter, a digit or _.")
    if RESERVED.search(local):
        raise invalid(field, "Names that end like this are kept for archived mailboxes; choose another.")
    return local


@dataclass(frozen=True)
class Secret:
    """A password that was checked and hashed; hashing takes tens of milliseconds, so it comes before anything is locked."""

    plain: str
    hashed: str
    generated: bool

    @classmethod
    def of(cls, password: str | None) -> "Secret":
        """Of a password that somebody chose, or a generated one. raises Invalid"""
        plain = passwords.check(password) if password else random_password(GENERATED_LENGTH)
        return cls(plain, passwords.hash_password(plain), not password)


def create_mailbox(
    actor: Actor, *, domain_id: int, local_part: str, password: str | None = None, secret: Secret | None = None, **choices: Any
) -> tuple[Mailbox, str | None]:
    """Create a mailbox; without a password one is generated and returned this once.

    secret   the password where it is hashed already
    choices  any of `rows.SETTINGS`
    returns  (mailbox, generated password or None)
    raises   NotFound for the domain; Invalid about local_part (malformed, or taken: reason `already_exists`), password, max_message_bytes
    """
    actor.require("mailboxes:create")
    if actor.mailbox_ids is not None:
        raise Forbidden("This token is limited to certain mailboxes, so it cannot create one.", code="domain_scope_forbidden")
    local = check_local_part(local_part)
    _check_choices(choices)
    secret = secret or Secret.of(password)
    domain = domains.get_seen(actor, domain_id, for_update=True)
    if not domain.is_hosted:
        text = hosts_none(domain)
        raise Invalid(text, fields={"domain_id": [text]}, more={"reason": "domain_hosts_no_mailboxes"})
    email = address(local, domain)
    if secret.plain.lower() == email:
        raise invalid("password", "The password may not be the address itself; choose another.")
    if find_mailbox(email) is not None:
        raise _taken(email)
    most = min(DEFAULT_MESSAGE_BYTES, settings().max_message_bytes)
    mailbox = Mailbox(
        workspace_id=domain.workspace_id, domain_id=domain.id, local_part=local, email=email, password_hash=secret.hashed,
        **{"max_message_bytes": most, **choices},
    )  # fmt: skip
    with unless_taken("local_part", f"{email} was created by somebody else at this moment."):
        db.session.add(mailbox)
    add_to_count(domain.id, 1)
    audit.record(actor, "mailbox.create", target(mailbox), after=snapshot(mailbox))
    _tell(mailbox.workspace_id)
    return mailbox, secret.plain if secret.generated else None


def hosts_none(domain: Domain) -> str:
    return f"Mail for {domain.name} is kept elsewhere, so it has no mailboxes here."


def address(local: str, domain: Domain) -> str:
    """The whole address in normal form. raises Invalid about local_part"""
    try:
        return normalise(f"{local}@{domain.name}")
    except BadAddress as error:
        raise invalid("local_part", str(error)) from None


def _taken(email: str) -> Invalid:
    text = f"{email} already exists. Choose another name."
    return Invalid(text, fields={"local_part": [text]}, more={"reason": "already_exists"})


def _check_choices(choices: dict[str, Any]) -> None:
    """Bounds that depend on the installation; shapes are checked by the schema. An empty name or note counts as none."""
    unknown = set(choices) - set(SETTINGS)
    if unknown:
        raise TypeError(f"no settings of a mailbox: {', '.join(sorted(unknown))}")
    for name in ("display_name", "note"):
        if name in choices:
            choices[name] = (choices[name] or "").strip() or None
    most = settings().max_message_bytes
    size = choices.get("max_message_bytes", SMALLEST_MESSAGE_BYTES)
    if size is None or not SMALLEST_MESSAGE_BYTES <= size <= most:
        text = f"Choose between {SMALLEST_MESSAGE_BYTES} bytes and the {most} that this server takes (MAILROOM_MAX_MESSAGE_BYTES)."
        raise invalid("max_message_bytes", text)


def get_mailbox(actor: Actor, mailbox_id: int, *, for_update: bool = False) -> Mailbox:
    """raises NotFound, also for one outside the limits of the token"""
    actor.require("mailboxes:read")
    return get_seen(actor, mailbox_id, for_update=for_update)


def update_mailbox(actor: Actor, mailbox_id: int, changes: dict[str, Any]) -> Mailbox:
    """Change settings (`rows.SETTINGS`), and `enabled`, which pauses or resumes.

    raises  Invalid about a setting, and about local_part and domain_id, which never change
    """
    actor.require("mailboxes:write")
    changes = dict(changes)
    mailbox = get_seen(actor, mailbox_id, for_update=True)
    _keeps_its_address(mailbox, changes)
    enabled = changes.pop("enabled", None)
    _check_choices(changes)
    before = snapshot(mailbox)
    for name, value in changes.items():
        setattr(mailbox, name, value)
    if enabled is not None:
        mailbox.status = "active" if enabled else "paused"
    db.session.flush()
    if set(changes) & LIMITS:
        notices.set_filling(mailbox, limits.filling(mailbox, usage.of(mailbox)))
    if snapshot(mailbox) != before:
        audit.record(actor, "mailbox.update", target(mailbox), before=before, after=snapshot(mailbox))
        _tell(mailbox.workspace_id)
    return mailbox


def _keeps_its_address(mailbox: Mailbox, changes: dict[str, Any]) -> None:
    local, domain_id = changes.pop("local_part", None), changes.pop("domain_id", None)
    if local is not None and local.strip().lower() != mailbox.local_part:
        raise invalid("local_part", "A mailbox keeps its address. Create another mailbox for the other name.")
    if domain_id is not None and domain_id != mailbox.domain_id:
        raise invalid("domain_id", "A mailbox keeps its domain. Create another mailbox there.")


def set_password(actor: Actor, mailbox_id: int, password: str | None = None) -> tuple[Mailbox, str | None]:
    """Set the SMTP password, or generate one (returned this once); the old one stops working at once. raises Invalid about password"""
    actor.require("mailboxes:write")
    secret = Secret.of(password)
    mailbox = get_seen(actor, mailbox_id, for_update=True)
    if secret.plain.lower() == mailbox.email:
        raise invalid("password", "The password may not be the address itself; choose another.")
    mailbox.password_hash = secret.hashed
    db.session.flush()
    audit.record(actor, "mailbox.password", target(mailbox), after={"password": "set", "generated": secret.generated})
    return mailbox, secret.plain if secret.generated else None


def pause_mailbox(actor: Actor, mailbox_id: int) -> Mailbox:
    """Neither take nor send mail for now; senders are told to try again later. Repeating it changes nothing."""
    return _set_status(actor, mailbox_id, "paused", "mailbox.pause")


def resume_mailbox(actor: Actor, mailbox_id: int) -> Mailbox:
    """Take and send mail again. Repeating it changes nothing."""
    return _set_status(actor, mailbox_id, "active", "mailbox.resume")


def _set_status(actor: Actor, mailbox_id: int, status: str, action: str) -> Mailbox:
    actor.require("mailboxes:write")
    mailbox = get_seen(actor, mailbox_id, for_update=True)
    if mailbox.status != status:
        before = {"status": mailbox.status}
        mailbox.status = status
        db.session.flush()
        audit.record(actor, action, target(mailbox), before=before, after={"status": status})
        _tell(mailbox.workspace_id)
    return mailbox


def delete_mailbox(actor: Actor, mailbox_id: int, force: bool = False) -> Mailbox:
    """Put a mailbox into the trash; its address is free again.

    raises  InUse while it is the catch-all of a domain; with `force` that catch-all is switched off
    """
    actor.require("mailboxes:delete")
    # The domain's row is locked first, as in create_mailbox, so that the two never wait for each other.
    domain_id = get_seen(actor, mailbox_id).domain_id
    db.session.execute(select(Domain.id).where(Domain.id == domain_id).with_for_update())
    mailbox = get_seen(actor, mailbox_id, for_update=True)
    catching = catches_for(mailbox)
    if catching and not force:
        names = ", ".join(domain.name for domain in catching)
        used_by = [{"type": "domain", "id": domain.id, "name": domain.name} for domain in catching]
        raise InUse(f"{mailbox.email} is the catch-all of {names}.", more={"used_by": used_by, "used_by_count": len(catching)})
    for domain in catching:
        before = domains.snapshot(domain)
        domain.catch_all_enabled, domain.catch_all_destination = False, None
        audit.record(actor, "domain.update", domains.target(domain), before=before, after=domains.snapshot(domain))
    trash_mailbox(actor, mailbox, utcnow())
    add_to_count(domain_id, -1)
    return mailbox


def catches_for(mailbox: Mailbox) -> list[Domain]:
    """The domains whose catch-all it is."""
    query = select(Domain).where(Domain.workspace_id == mailbox.workspace_id, Domain.deleted_at.is_(None), Domain.catch_all_enabled)
    return list(db.session.scalars(query.where(Domain.catch_all_destination == mailbox.email).order_by(Domain.name)))


def trash_mailbox(actor: Actor, mailbox: Mailbox, moment: Any) -> None:
    """The part of deleting that one mailbox and a whole domain share; the caller keeps the domain's count."""
    mailbox.deleted_at = moment
    db.session.flush()
    audit.record(actor, "mailbox.delete", target(mailbox), before=snapshot(mailbox), after={"deleted_at": moment})
    events.send("mailbox_deleted", mailbox_id=mailbox.id)
    _tell(mailbox.workspace_id)


def restore_mailbox(actor: Actor, mailbox: Mailbox) -> None:
    """Before a mailbox comes back from the trash: its domain must live and its address be free. raises Conflict"""
    domain = db.session.scalar(select(Domain).where(Domain.id == mailbox.domain_id, Domain.deleted_at.is_(None)).with_for_update())
    if domain is None:
        raise Conflict(f"The domain of {mailbox.email} is deleted.", hint="Restore the domain first.")
    if find_mailbox(mailbox.email) is not None:
        raise Conflict(f"{mailbox.email} exists again meanwhile.", hint="Delete that one first, or keep it.")
    add_to_count(domain.id, 1)
    _tell(mailbox.workspace_id)


def bring_back(actor: Actor, mailbox_id: int) -> Mailbox:
    """Take a mailbox out of the trash. raises NotFound (it is not there), Conflict (its address is in use again, its domain is deleted)"""
    actor.require("trash:write")
    mailbox: Mailbox = trash.restore(actor, "mailbox", mailbox_id)
    audit.record(actor, "mailbox.restore", target(mailbox))
    return mailbox


def purge_mailbox(mailbox: Mailbox) -> None:
    """Remove a trashed mailbox for good; what hangs on it goes by its foreign keys."""
    db.session.delete(mailbox)


def add_to_count(domain_id: int, by: int) -> None:
    """Keep the domain's number of living mailboxes exact; `updated_at` of the domain stays."""
    values = {"mailbox_count": Domain.mailbox_count + by, "updated_at": Domain.updated_at}
    domain = db.session.execute(update(Domain).where(Domain.id == domain_id).values(**values).returning(Domain.workspace_id)).scalar()
    if domain is not None:
        live.notify(domain, "domains-changed")


def _tell(workspace_id: int) -> None:
    live.notify(workspace_id, "mailboxes-changed")
