"""Merging two contacts that are one person, the data of a person as a file, and erasing a person, in the browser."""

from typing import Any

import orjson
from sqlalchemy import select

from tests.factories.contacts import make_contact, make_group
from webapp.audit.models import AuditEntry
from webapp.contacts import fields, notes, service
from webapp.contacts.models import Contact, Erasure
from webapp.core.db import db


def test_merging_shows_both_side_by_side_and_takes_what_was_chosen(alice: Any) -> None:
    fields.create_field(alice.actor, label="Plan")
    group = make_group(alice, "Newsletter")
    ada = make_contact(alice, "ada@acme.test", name="Ada Alder", company="Clockworks", tags=["press"], custom_fields={"plan": "free"})
    twin = make_contact(
        alice, "ada@home.test", name="Ada Alder", company="Clocks & Co", city="Malmö", tags=["press", "vip"], group_ids=[group.id],
        custom_fields={"plan": "pro"}, subscribed=False,
    )  # fmt: skip
    notes.add_note(alice.actor, twin.id, "Called")
    db.session.commit()
    gone = twin.id
    choose = alice.page.get(f"/contacts/{ada.id}/merge").text
    assert "ada@home.test" in choose and f"/contacts/{ada.id}/merge?with={twin.id}" in choose
    by_address = alice.page.get(f"/contacts/{ada.id}/merge?address=ADA@home.test")
    assert "ada@home.test goes, and ada@acme.test stays." in by_address.text
    assert "no contact with the address" in alice.page.get(f"/contacts/{ada.id}/merge?address=zoe@home.test").text
    assert "That is the same contact" in alice.page.get(f"/contacts/{ada.id}/merge?with={ada.id}").text
    page = alice.page.get(f"/contacts/{ada.id}/merge?with={twin.id}").text
    for text in ("Clockworks", "Clocks &amp; Co", "Malmö", "1 note", "1 tag (vip)", "1 group (Newsletter)", "gets no campaigns either"):
        assert text in page, text
    assert "First name" not in page and db.session.get(Contact, twin.id) is not None
    form = {
        "with": str(twin.id), "confirmed": "1", "email": "source", "company": "target", "city": "source", "custom_fields.plan": "source",
    }  # fmt: skip
    merged = alice.page.post(f"/contacts/{ada.id}/merge", form)
    assert merged.status_code == 303 and merged.location == f"/contacts/{ada.id}"
    kept = service.get_contact(alice.actor, ada.id)
    assert (kept.email, kept.company, kept.city, kept.custom_fields) == ("ada@home.test", "Clockworks", "Malmö", {"plan": "pro"})
    assert sorted(tag.name for tag in kept.tags) == ["press", "vip"] and [one.name for one in kept.groups] == ["Newsletter"]
    assert not kept.subscribed and db.session.get(Contact, gone) is None
    assert "Ada Alder is merged into this contact" in alice.page.get(merged.location).text


def test_strangers_cannot_be_merged(alice: Any, eve: Any) -> None:
    ada, theirs = make_contact(alice, "ada@acme.test"), make_contact(eve, "eve@acme.test")
    assert alice.page.get(f"/contacts/{ada.id}/merge?with={theirs.id}").status_code == 404
    assert alice.page.post(f"/contacts/{ada.id}/merge", {"with": str(theirs.id), "confirmed": "1"}).status_code == 404
    assert "no contact with the address" in alice.page.get(f"/contacts/{ada.id}/merge?address=eve@acme.test").text


def test_likely_duplicates_are_found_by_name(alice: Any, eve: Any) -> None:
    assert "No duplicates" in alice.page.get("/contacts/duplicates").text
    oldest = make_contact(alice, "ada@acme.test", name="Ada Alder")
    twins = [make_contact(alice, f"ada{number}@acme.test", name="Ada Alder") for number in range(6)]
    make_contact(alice, "bea@acme.test", name="Bea Berg")
    make_contact(alice, "nameless@acme.test", name="")
    make_contact(alice, "nameless2@acme.test", name="")
    make_contact(eve, "eva@acme.test", name="Bea Berg")
    page = alice.page.get("/contacts/duplicates").text
    assert "7 contacts" in page and f"/contacts/{oldest.id}/merge?with={twins[0].id}" in page and "ada5@acme.test" not in page
    assert "bea@" not in page and "nameless" not in page
    for number in range(25):
        for place in "ab":
            make_contact(alice, f"{place}{number}@acme.test", name=f"Name {number:02}", commit=False)
    db.session.commit()
    first = alice.page.get("/contacts/duplicates").text
    assert "Name 18" in first and "Name 19" not in first and "after=Name+18" in first
    second = alice.page.get("/contacts/duplicates?after=Name+18").text
    assert "Name 19" in second and "Name 24" in second and '"row">Name 18' not in second


def test_the_data_of_one_person_comes_as_a_file(alice: Any, bob: Any) -> None:
    ada = make_contact(alice, "ada@acme.test", name="Ada Alder", tags=["press"], evidence="At the fair")
    notes.add_note(alice.actor, ada.id, "Called")
    db.session.commit()
    assert "A JSON file with everything" in alice.page.get(f"/contacts/{ada.id}/export").text
    file = alice.page.post(f"/contacts/{ada.id}/export")
    assert file.status_code == 200 and f"contact-{ada.id}.json" in file.headers["Content-Disposition"]
    found = orjson.loads(file.get_data())
    assert found["contact"]["email"] == "ada@acme.test" and found["tags"] == ["press"] and found["notes"][0]["text"] == "Called"
    assert found["consents"][0]["evidence"] == "At the fair" and found["events"] and "workspace_id" not in found["contact"]
    assert "contact.export" in db.session.scalars(select(AuditEntry.action)).all()
    assert bob.page.post(f"/contacts/{ada.id}/export").status_code == 403


def test_c75_erasing_asks_for_the_address_and_answers_with_a_receipt(alice: Any, bob: Any) -> None:
    ada = make_contact(alice, "ada@acme.test", name="Ada Alder")
    assert bob.page.post(f"/contacts/{ada.id}/erase", {"typed": "ada@acme.test"}).status_code == 403
    assert "Type ada@acme.test to go on" in alice.page.get(f"/contacts/{ada.id}/erase").text
    wrong = alice.page.post(f"/contacts/{ada.id}/erase", {"typed": "ada", "messages": "1"})
    assert wrong.status_code == 422 and "exactly" in wrong.text and 'value="1" checked' in wrong.text and db.session.get(Contact, ada.id)
    done = alice.page.post(f"/contacts/{ada.id}/erase", {"typed": "Ada@acme.test"})
    receipt = db.session.scalars(select(Erasure)).one()
    assert done.status_code == 303 and done.location == f"/erasures/{receipt.id}"
    page = alice.page.get(done.location).text
    assert receipt.hash in page and "A person was erased" in page and "ada@acme.test" not in page and "Ada Alder" not in page
    assert f"Receipt {receipt.id}" in alice.page.get("/erasures?q=ADA@acme.test").text
    assert "No receipt" in alice.page.get("/erasures?q=bea@acme.test").text
    assert "ada@acme.test" not in alice.page.get("/contacts").text
