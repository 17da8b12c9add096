"""Imports at work: what becomes of rows."""

from typing import Any

from sqlalchemy import select

from tests.imports.files import as_csv, as_xlsx, counts, found, upload
from webapp.contacts.models import Contact, ContactTag, Tag
from webapp.core import counters
from webapp.core.db import db


def people(workspace_id: int) -> dict[str, Contact]:
    return {row.address: row for row in db.session.scalars(select(Contact).where(Contact.workspace_id == workspace_id))}


def test_people_of_a_file_become_contacts_with_their_fields_tags_and_counters(app: Any, alice: Any, work_off: Any) -> None:
    file = as_csv(
        ["E-Mail Address", "Full name", "Organisation", "Tags", "Shoe size"],
        ["Ada@Example.org", " Ada  Lovelace ", "Engines", "Math; big spender", "38"],
        ["grace@müller.example", "Grace Hopper", "", "", ""],
    )
    mapping = {"E-Mail Address": "email", "Full name": "name", "Organisation": "company", "Tags": "tags", "Shoe size": "new"}
    job = found(upload(alice, file, mapping=mapping, tags=["from-fair"]))
    work_off()
    job = found(job.id)
    assert (job.state, counts(job)) == ("finished", {"position": 2, "created": 2})
    ada, grace = people(alice.workspace.id).values()
    assert (ada.email, ada.address, ada.domain) == ("Ada@Example.org", "ada@example.org", "example.org")
    assert (ada.name, ada.first_name, ada.last_name) == ("Ada Lovelace", "Ada", "Lovelace")
    assert (ada.company, ada.custom_fields) == ("Engines", {"shoe_size": "38"})
    assert (grace.address, grace.company, grace.custom_fields, grace.source) == ("grace@xn--mller-kva.example", None, {}, "import")
    tags = {tag.name: tag.id for tag in db.session.scalars(select(Tag))}
    assert set(tags) == {"from-fair", "math", "big-spender"}
    assert counters.read(alice.workspace.id, f"tag:{tags['from-fair']}") == 2
    assert counters.read(alice.workspace.id, f"tag:{tags['math']}") == 1
    assert counters.read(alice.workspace.id, "contacts") == 2
    borne = db.session.execute(select(ContactTag.contact_id, ContactTag.tag_id)).all()
    assert len(borne) == 4


def test_a_workbook_is_read_like_a_csv(app: Any, alice: Any, work_off: Any) -> None:
    job = found(upload(alice, as_xlsx(["Email", "Name", "Phone"], ["ada@example.org", "Ada", 4711.0]), name="people.xlsx"))
    work_off()
    assert counts(found(job.id)) == {"position": 1, "created": 1}
    assert people(alice.workspace.id)["ada@example.org"].phone == "4711"
