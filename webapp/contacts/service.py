"""Contacts: create, look up, change, delete. Tags, groups and custom fields come along; events and audit in the same transaction."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import delete, select

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.contacts import field_values, groups, membership, subscribing, tags, telling, values, words
from webapp.contacts.models import Alias, Contact, Engagement, LinkClick
from webapp.core import counters, events
from webapp.core.actor import Actor
from webapp.core.bulk import among
from webapp.core.db import db, utcnow
from webapp.core.errors import Invalid
from webapp.core.lookup import get_mine
from webapp.domains.taken import unless_taken

#: columns that the audit log compares
SHOWN = (
    "email", *values.NAMES, *values.TEXTS, "custom_fields", "lead_score", "subscribed",
)  # fmt: skip
#: columns whose change changes the words of the index
WORDY = {"email", "name", "company"}


def create_contact(
    actor: Actor, *, email: str, name: str = "", tags: Sequence[str] = (), group_ids: Sequence[int] = (),
    custom_fields: dict[str, Any] | None = None, subscribed: bool = True, source: str = "api", evidence: str | None = None, **columns: Any,
) -> Contact:  # fmt: skip
    """Add a person. Tags and custom fields that nobody knows are made; whom the suppression list knows comes in as it says.

    columns   first_name, last_name and any of `values.TEXTS`, lead_score
    evidence  what they agreed to, in words; kept as consent
    returns   the contact with `tags` and `groups`
    raises    Invalid about email (malformed, or in the workspace: reason `already_exists`), tags, group_ids, custom_fields.<key>, …
    """
    actor.require("contacts:write")
    unknown = set(columns) - {*values.NAMES, *values.TEXTS, "lead_score"}
    if unknown:
        raise TypeError(f"no columns of a contact: {', '.join(sorted(unknown))}")
    address = values.checked_email(email)
    _unless_there(actor.workspace_id, address.text)
    plain = {key: value for key, value in columns.items() if value is not None}
    given = {**values.names({**plain, "name": name}), **values.texts(plain), **values.score(plain)}
    fields = field_values.merged(actor.workspace_id, {}, custom_fields, new=True, lenient=source not in ("api", "page", "form"))
    lists = groups.held(actor, group_ids)
    marks = _named(actor, tags)
    state = subscribing.state_of(subscribing.known_reasons(actor.workspace_id, [address.text]).get(address.text, set()), utcnow())
    contact = Contact(
        workspace_id=actor.workspace_id, email=email.strip(), address=address.text, domain=address.domain, custom_fields=fields,
        source=source, is_indexed=True, **given, **state,
    )  # fmt: skip
    with unless_taken("email", _taken(address.text)):
        db.session.add(contact)
    membership.replace(actor.workspace_id, "group", contact.id, [group.id for group in lists])
    membership.replace(actor.workspace_id, "tag", contact.id, [tag.id for tag in marks])
    words.put([contact])
    telling.created(contact)
    if evidence and contact.subscribed:
        subscribing.prove(contact, source, evidence, ip=actor.ip)
    audit.record(actor, "contact.create", target(contact), after=snapshot(contact))
    if not subscribed:
        subscribing.unsubscribe(actor.workspace_id, [contact.id], source=_from(source), ip=actor.ip)
    return loaded(contact)


def get_contact(actor: Actor, contact_id: int) -> Contact:
    """With `tags` and `groups`. raises NotFound, also for one that was merged into another"""
    actor.require("contacts:read")
    return fetch(actor, contact_id)


def fetch(actor: Actor, contact_id: int, *, for_update: bool = False) -> Contact:
    """The same for services, which asked for their scope already."""
    return loaded(get_mine(actor, Contact, contact_id, "contact", for_update=for_update))


def now_called(workspace_id: int, contact_id: int) -> int | None:
    """The id of the contact to whom a link belongs, also after it was merged into another one; None when there is none any more."""
    alias = select(Alias.contact_id).where(Alias.id == contact_id, Alias.workspace_id == workspace_id)
    found = db.session.scalar(alias)
    wanted = select(Contact.id).where(Contact.workspace_id == workspace_id, Contact.id == (contact_id if found is None else found))
    return db.session.scalar(wanted)


def find_contact(workspace_id: int, address: str) -> Contact | None:
    """By normalised address."""
    return db.session.scalar(select(Contact).where(Contact.workspace_id == workspace_id, Contact.address == address))


def update_contact(actor: Actor, contact_id: int, changes: dict[str, Any], *, source: str = "api") -> Contact:
    """Change what is named: `tags` and `group_ids` replace, `custom_fields` is merged by key, None removes one.

    changes  any of `values.WRITABLE`, tags (names), group_ids, custom_fields
    raises   NotFound; Invalid as `create_contact`
    """
    actor.require("contacts:write")
    unknown = set(changes) - {*values.WRITABLE, "tags", "group_ids", "custom_fields"}
    if unknown:
        raise TypeError(f"no columns of a contact: {', '.join(sorted(unknown))}")
    contact = fetch(actor, contact_id, for_update=True)
    before = snapshot(contact)
    _write(contact, changes)
    changed = _differences(before, snapshot(contact))
    if changed:
        with unless_taken("email", _taken(contact.address)):
            db.session.add(contact)
    links = _links(actor, contact, changes)
    changed += links
    if WORDY & set(changed):
        words.put([contact])
    if changed:
        contact.updated_at = utcnow()
        db.session.flush()
        telling.note_updated(contact.workspace_id, [contact.id], changed, **links)
        audit.record(actor, "contact.update", target(contact), before=before, after=snapshot(loaded(contact)))
    if changes.get("subscribed") is not None and bool(changes["subscribed"]) != contact.subscribed:
        change = subscribing.subscribe if changes["subscribed"] else subscribing.unsubscribe
        change(actor.workspace_id, [contact.id], source=_from(source), ip=actor.ip, actor=actor)
    return loaded(contact)


def _write(contact: Contact, changes: dict[str, Any]) -> None:
    """The columns of a change."""
    if changes.get("email") is not None:
        address = values.checked_email(changes["email"])
        if address.text != contact.address:
            _unless_there(contact.workspace_id, address.text)
        contact.email, contact.address, contact.domain = changes["email"].strip(), address.text, address.domain
    given: dict[str, Any] = {**values.names(changes), **values.texts(changes), **values.score(changes)}
    if "name" not in given and {"first_name", "last_name"} & set(given):
        both = given.get("first_name", contact.first_name), given.get("last_name", contact.last_name)
        given["name"] = " ".join(part for part in both if part)
    for key, value in given.items():
        setattr(contact, key, value)
    if changes.get("custom_fields"):
        contact.custom_fields = field_values.merged(contact.workspace_id, contact.custom_fields, changes["custom_fields"])


def _links(actor: Actor, contact: Contact, changes: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Groups and tags of a change; returns which of both changed, with the names that were added and removed."""
    changed = {}
    if changes.get("group_ids") is not None:
        lists = groups.held(actor, changes["group_ids"])
        if membership.replace(actor.workspace_id, "group", contact.id, [group.id for group in lists]):
            changed["groups"] = _came_and_went(contact.groups, lists)
    if changes.get("tags") is not None:
        marks = _named(actor, changes["tags"])
        if membership.replace(actor.workspace_id, "tag", contact.id, [tag.id for tag in marks]):
            changed["tags"] = _came_and_went(contact.tags, marks)
    return changed


def _came_and_went(before: Iterable[Any], after: Iterable[Any]) -> dict[str, list[str]]:
    """Names of tags or groups."""
    old, new = {row.id: row.name for row in before}, {row.id: row.name for row in after}
    found = {"added": [new[key] for key in new if key not in old], "removed": [old[key] for key in old if key not in new]}
    return {way: names for way, names in found.items() if names}


def delete_contact(actor: Actor, contact_id: int) -> Contact:
    """For good, with notes, consents and engagement. An unsubscription stays on the suppression list. raises NotFound"""
    actor.require("contacts:delete")
    contact = fetch(actor, contact_id, for_update=True)
    audit.record(actor, "contact.delete", target(contact), before=snapshot(contact))
    remove(actor.workspace_id, [contact.id])
    db.session.expunge(contact)
    return contact


def remove(workspace_id: int, contact_ids: Iterable[int], *, nameless: bool = False, counted: bool = True) -> dict[int, str]:
    """Delete contacts of the workspace for good, any number, with exact counters and events; no audit.

    nameless  the events name no address
    counted   False for somebody who lowered the counter first: all take counters in the order of contacts, groups, tags
    returns   id -> address of who went
    """
    mine = Contact.workspace_id == workspace_id, among(Contact.id, contact_ids)
    held = select(Contact.id, Contact.address).where(*mine).order_by(Contact.id).with_for_update()
    gone = {row.id: row.address for row in db.session.execute(held)}
    if gone:
        events.send("contacts_leaving", workspace_id=workspace_id, gone=gone)
        if counted:
            counters.bump(workspace_id, Contact.__tablename__, -len(gone))
        membership.unlink_all(workspace_id, list(gone))
        for model in (Engagement, LinkClick):
            db.session.execute(delete(model).where(among(model.contact_id, gone)), execution_options={"synchronize_session": False})
        db.session.execute(delete(Contact).where(among(Contact.id, gone)), execution_options={"synchronize_session": False})
        telling.note_deleted(workspace_id, dict.fromkeys(gone) if nameless else gone)
    return gone


def loaded(contact: Contact) -> Contact:
    """The same contact, with its `tags` and `groups` read anew."""
    contact.tags = tags.of_contacts([contact.id])[contact.id]
    contact.groups = groups.of_contacts([contact.id])[contact.id]
    return contact


def target(contact: Contact) -> Target:
    return Target("contact", contact.id, contact.name or contact.email)


def snapshot(contact: Contact) -> dict[str, Any]:
    """What the audit log keeps of it."""
    kept = {key: getattr(contact, key) for key in SHOWN}
    kept["custom_fields"] = dict(contact.custom_fields)
    for key in ("tags", "groups"):
        if getattr(contact, key) is not None:
            kept[key] = [row.name for row in getattr(contact, key)]
    return kept


def _differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [key for key in SHOWN if before[key] != after[key]]


def _named(actor: Actor, names: Sequence[str]) -> list[Any]:
    return tags.named(actor, names)


def _from(source: str) -> str:
    return source if source in subscribing.SOURCES else "api"


def _taken(address: str) -> str:
    return f"There is a contact with the address {address} already."


def _unless_there(workspace_id: int, address: str) -> None:
    if find_contact(workspace_id, address) is not None:
        text = f"{_taken(address)} Change that one, or merge both."
        raise Invalid(text, fields={"email": [text]}, more={"reason": "already_exists"})
