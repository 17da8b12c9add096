"""People for tests: one by one through the services, many by one statement."""

from itertools import count
from typing import Any

from sqlalchemy import insert

from webapp.contacts import groups, membership, service, tags, words
from webapp.contacts.models import Contact, ContactGroup, ContactTag, GroupMember, Tag
from webapp.core import counters
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow

_numbers = count(1)


def acting(person: Any) -> Actor:
    """The actor of a Person, or the system in a workspace."""
    return Actor.system(person) if isinstance(person, int) else person.actor


def make_contact(
    person: Any, email: str | None = None, *, commit: bool = True, columns: dict[str, Any] | None = None, **given: Any
) -> Contact:
    """One contact; further arguments are those of `create_contact`. columns: set on the row afterwards, such as bounced_at"""
    number = next(_numbers)
    given = {"name": f"Person {number}", **given}
    contact = service.create_contact(acting(person), email=email or f"person{number}@people.test", **given)
    for name, value in (columns or {}).items():
        setattr(contact, name, value)
    db.session.commit() if commit else db.session.flush()
    return contact


def make_tag(person: Any, name: str | None = None, *, color: str | None = None, commit: bool = True) -> Tag:
    tag = tags.create_tag(acting(person), name=name or f"tag-{next(_numbers)}", color=color)
    db.session.commit() if commit else db.session.flush()
    return tag


def make_group(person: Any, name: str | None = None, *, contacts: Any = (), commit: bool = True, **given: Any) -> ContactGroup:
    """contacts: who is on it"""
    group = groups.create_group(acting(person), name=name or f"Group {next(_numbers)}", **given)
    if contacts:
        membership.add(acting(person), group.id, [contact if isinstance(contact, int) else contact.id for contact in contacts])
    db.session.commit() if commit else db.session.flush()
    return group


def make_many_contacts(
    person: Any, number: int, *, domain: str = "many.test", group: ContactGroup | None = None, tag: Tag | None = None, indexed: bool = True,
    commit: bool = True, **columns: Any,
) -> list[int]:  # fmt: skip
    """`number` contacts by bulk insert, p1@domain and so on; returns their ids. columns: the same for all, or functions of the number

    Counters are kept; no events, no audit.
    """
    workspace_id, now, first = acting(person).workspace_id, utcnow(), next(_numbers)
    rows = []
    for place in range(number):
        address = f"p{first}-{place + 1}@{domain}"
        row = {
            "workspace_id": workspace_id, "email": address, "address": address, "domain": domain, "name": f"Person {place + 1}",
            "first_name": "Person", "last_name": str(place + 1), "custom_fields": {}, "source": "import", "is_indexed": indexed,
            "subscribed": True, "lead_score": 0, "created_at": now, "updated_at": now,
        }  # fmt: skip
        rows.append({**row, **{name: value(place + 1) if callable(value) else value for name, value in columns.items()}})
    for start in range(0, number, 5000):
        db.session.execute(insert(Contact), rows[start : start + 5000])
    mine = Contact.workspace_id == workspace_id, Contact.address.in_([row["address"] for row in rows])
    found = list(db.session.execute(db.select(Contact).where(*mine).order_by(Contact.id)).scalars()) if number <= 5000 else []
    ids = [row.id for row in found] or _ids(workspace_id, first, domain)
    counters.bump(workspace_id, "contacts", number)
    for model, owner, name in ((GroupMember, group, "group_id"), (ContactTag, tag, "tag_id")):
        if owner is not None:
            db.session.execute(insert(model), [{"contact_id": contact_id, name: owner.id} for contact_id in ids])
            counters.bump(workspace_id, f"{name.removesuffix('_id')}:{owner.id}", number)
    if indexed and found:
        words.put(found)
    db.session.commit() if commit else db.session.flush()
    return ids


def _ids(workspace_id: int, first: int, domain: str) -> list[int]:
    begins = Contact.address.startswith(f"p{first}-", autoescape=True)
    query = db.select(Contact.id).where(Contact.workspace_id == workspace_id, Contact.domain == domain, begins)
    return list(db.session.scalars(query.order_by(Contact.id)))
