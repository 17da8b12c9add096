"""What the event stream hears of an import."""

from typing import Any

from sqlalchemy import select

from tests.imports.files import as_csv, found, upload
from webapp.contacts import service
from webapp.core.db import db
from webapp.happenings.models import Event
from webapp.imports import service as imports

PEOPLE = (["email", "name", "city"], ["ada@example.org", "Ada", "Turin"], ["grace@example.org", "Grace", ""], ["wrong", "Nobody", ""])


def heard(workspace_id: int) -> list[Any]:
    rows = db.session.scalars(select(Event).where(Event.workspace_id == workspace_id).order_by(Event.id))
    return [(row.type, row.contact_id, row.details) for row in rows]


def before(person: Any) -> int:
    """A contact whom the file changes; what happened until then is not asked for."""
    ada = service.create_contact(person.actor, email="ada@example.org", name="Ada")
    db.session.commit()
    return ada.id


def test_an_import_tells_that_it_is_complete_and_names_nobody_unless_it_was_asked_to(app: Any, alice: Any, work_off: Any) -> None:
    before(alice)
    job_id = upload(alice, as_csv(*PEOPLE))
    work_off()
    (_, _, facts), *others = [one for one in heard(alice.workspace.id) if one[0] == "import.completed"]
    assert facts == {
        "import_id": job_id, "filename": "people.csv", "rows": 3, "created": 1, "updated": 1, "unchanged": 0, "skipped": 0,
        "suppressed": 0, "failed": 1,
    }  # fmt: skip
    assert not others
    assert [type for type, _, _ in heard(alice.workspace.id)] == ["contact.created", "import.completed"]


def test_an_import_that_announces_its_contacts_writes_one_event_for_each(app: Any, alice: Any, work_off: Any) -> None:
    ada_id = before(alice)
    job_id = upload(alice, as_csv(*PEOPLE), announce=True, tags=["fair"])
    work_off()
    grace = service.find_contact(alice.workspace.id, "grace@example.org")
    assert grace is not None
    grace_id = grace.id
    about = {"source": "import", "import_id": job_id}
    _, *news = heard(alice.workspace.id)
    single = [one for one in news if one[0].startswith("contact.")]
    assert sorted(single, key=str) == [
        ("contact.created", grace_id, about), ("contact.updated", ada_id, {"changed": ["city", "tags"], **about}),
    ]  # fmt: skip
    imports.undo_import(alice.actor, job_id)
    db.session.commit()
    work_off()
    assert found(job_id).state == "undone"
    undone = [one[:2] for one in heard(alice.workspace.id)[1 + len(news) :]]
    assert undone == [("contact.updated", ada_id), ("contact.deleted", grace_id)]


def test_the_form_of_the_api_switches_the_announcement(app: Any, alice: Any) -> None:
    data = {"file": (as_csv(*PEOPLE), "people.csv"), "announce": "true"}
    answer = alice.api.post("/contacts/imports", data=data, content_type="multipart/form-data")
    assert alice.api.get(f"/contacts/imports/{answer.json['data']['id']}").json["data"]["announce"] is True
    data = {"file": (as_csv(*PEOPLE), "people.csv"), "announce": "perhaps"}
    answer = alice.api.post("/contacts/imports", data=data, content_type="multipart/form-data")
    assert (answer.status_code, "true or false" in answer.text) == (422, True)
