"""One contact in the browser: adding, editing, tags and groups, notes, consent, deleting."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from tests.factories.contacts import make_contact, make_group, make_tag
from tests.factories.tracking import make_sent_campaign
from webapp.contacts import fields, service
from webapp.contacts.models import Consent, Contact, Engagement, Note
from webapp.core.db import begin_writing, db


def only_one() -> Contact:
    return db.session.scalars(select(Contact)).one()


def names(rows: Any) -> list[str]:
    return [row.name for row in rows]


def test_a_contact_is_added_with_everything_and_refusals_keep_what_was_typed(alice: Any) -> None:
    group = make_group(alice, "Newsletter")
    fields.create_field(alice.actor, label="Plan", type="dropdown", options=["free", "pro"])
    fields.create_field(alice.actor, label="Age", type="number")
    fields.create_field(alice.actor, label="Interests", type="multi_select", options=["road", "city"])
    db.session.commit()
    page = alice.page.get(f"/contacts/new?email=ada@acme.test&tag=press&group={group.id}").text
    assert 'value="ada@acme.test"' in page and 'value="press"' in page and f'value="{group.id}" checked' in page
    form: dict[str, Any] = {
        "email": "Ada@Acme.test", "first_name": "Ada", "last_name": "Alder", "company": "Clockworks",
        "tags": "press, Big Spender", "group_ids": [str(group.id)], "custom_fields.plan": "pro", "custom_fields.age": "forty",
        "custom_fields.interests": ["road", "city"], "subscribed": "y", "evidence": "Form no. 12", "lead_score": "30",
    }  # fmt: skip
    refused = alice.page.post("/contacts/new", form)
    assert refused.status_code == 422 and "Write a number" in refused.text and 'value="forty"' in refused.text
    assert 'id="custom_fields.age-error"' in refused.text
    made = alice.page.post("/contacts/new", {**form, "custom_fields.age": "40"})
    contact = service.get_contact(alice.actor, only_one().id)
    assert made.status_code == 303 and made.location == f"/contacts/{contact.id}"
    assert (contact.name, contact.company, contact.source, contact.lead_score) == ("Ada Alder", "Clockworks", "page", 30)
    assert contact.custom_fields == {"plan": "pro", "age": 40, "interests": ["road", "city"]}
    assert names(contact.tags) == ["press", "big-spender"] and names(contact.groups) == ["Newsletter"]
    assert db.session.scalars(select(Consent.evidence)).all() == ["Form no. 12"]
    shown = alice.page.get(made.location).text
    for text in ("Ada Alder", "Clockworks", "road, city", "Form no. 12", "Campaigns go to this person", "Came in", "created contact"):
        assert text in shown, text
    taken = alice.page.post("/contacts/new", {"email": "ADA@acme.test"})
    assert taken.status_code == 422 and "There is a contact with the address ada@acme.test already" in taken.text
    assert "Write the address" in alice.page.post("/contacts/new", {"email": ""}).text


def test_editing_changes_what_differs_and_nothing_else(alice: Any) -> None:
    fields.create_field(alice.actor, label="Plan", type="text")
    fields.create_field(alice.actor, label="Paper", type="checkbox")
    ada = make_contact(alice, "ada@acme.test", name="Ada Maria Alder", company="Clockworks", custom_fields={"plan": "pro", "loose": "x"})
    page = alice.page.get(f"/contacts/{ada.id}/edit").text
    assert 'value="Ada Maria"' in page and 'value="pro"' in page
    same = {"email": "ada@acme.test", "name": "Ada Maria Alder", "first_name": "Ada Maria", "last_name": "Alder", "company": "Clockworks"}
    kept = {"lead_score": "0", "custom_fields.plan": "pro", "custom_fields.loose": "x"}
    before = ada.updated_at
    assert alice.page.post(f"/contacts/{ada.id}/edit", {**same, **kept}).status_code == 303 and only_one().updated_at == before
    changed = {**same, **kept, "name": "Ada Berg", "company": "", "custom_fields.plan": "", "custom_fields.paper": "y", "city": "Malmö"}
    assert alice.page.post(f"/contacts/{ada.id}/edit", changed).status_code == 303
    ada = only_one()
    assert (ada.name, ada.first_name, ada.last_name, ada.company, ada.city) == ("Ada Berg", "Ada", "Berg", None, "Malmö")
    assert ada.custom_fields == {"loose": "x", "paper": True}
    wrong = alice.page.post(f"/contacts/{ada.id}/edit", {**same, "email": "nobody"})
    assert wrong.status_code == 422 and 'value="nobody"' in wrong.text and only_one().address == "ada@acme.test"


def test_tags_and_groups_come_and_go_one_by_one(alice: Any, eve: Any) -> None:
    ada, group, theirs = make_contact(alice, "ada@acme.test"), make_group(alice, "Newsletter"), make_group(eve, "Theirs")
    page = f"/contacts/{ada.id}"
    alice.page.post(f"{page}/tags", {"tag": "Big Spender"})
    assert "has the tag big-spender" in alice.page.get(page).text
    tag = service.get_contact(alice.actor, ada.id).tags[0]
    assert "1 to 50 characters" in alice.page.get(alice.page.post(f"{page}/tags", {"tag": " "}).location).text
    alice.page.post(f"{page}/groups", {"group_id": str(group.id)})
    assert names(service.get_contact(alice.actor, ada.id).groups) == ["Newsletter"]
    assert alice.page.post(f"{page}/groups", {"group_id": str(theirs.id)}).status_code == 404
    assert "Choose a group first" in alice.page.get(alice.page.post(f"{page}/groups", {"group_id": ""}).location).text
    alice.page.post(f"{page}/groups/{group.id}/leave")
    alice.page.post(f"{page}/tags/{tag.id}/remove")
    contact = service.get_contact(alice.actor, ada.id)
    assert contact.tags == [] and contact.groups == []
    assert alice.page.post(f"{page}/tags/999999/remove").status_code == 404


def test_notes_are_written_shown_and_deleted(alice: Any, eve: Any) -> None:
    ada = make_contact(alice, "ada@acme.test")
    empty = alice.page.post(f"/contacts/{ada.id}/notes", {"text": " "})
    assert empty.status_code == 422 and "Write something." in empty.text
    assert alice.page.post(f"/contacts/{ada.id}/notes", {"text": "Called.\n<b>Bold</b>"}).status_code == 303
    page = alice.page.get(f"/contacts/{ada.id}").text
    assert "&lt;b&gt;Bold&lt;/b&gt;" in page and "<b>Bold" not in page and "wrote a note about" in page
    note = db.session.scalars(select(Note)).one()
    assert eve.page.post(f"/contacts/{ada.id}/notes/{note.id}/delete").status_code == 404
    assert alice.page.post(f"/contacts/{ada.id}/notes/{note.id}/delete").status_code == 303
    assert db.session.scalars(select(Note)).all() == []


def test_consent_is_taken_back_and_given_again_with_evidence(alice: Any) -> None:
    ada = make_contact(alice, "ada@acme.test")
    asked = alice.page.get(f"/contacts/{ada.id}/unsubscribe")
    assert "No campaign goes to them any more" in asked.text and only_one().subscribed
    done = alice.page.post(f"/contacts/{ada.id}/unsubscribe")
    assert done.status_code == 303 and not only_one().subscribed
    page = alice.page.get(f"/contacts/{ada.id}").text
    assert "they are unsubscribed" in page and "Unsubscribed" in page and "Show suppression" in page and "/undo" in page
    assert alice.page.post(f"/contacts/{ada.id}/subscribe", {"evidence": ""}).status_code == 422 and not only_one().subscribed
    dialog = alice.page.get(f"/contacts/{ada.id}/subscribe", htmx=True).text
    assert "<dialog" in dialog and 'name="evidence"' in dialog
    assert alice.page.post(f"/contacts/{ada.id}/subscribe", {"evidence": "Asked by phone"}).status_code == 303 and only_one().subscribed
    assert [row.evidence for row in db.session.scalars(select(Consent).order_by(Consent.id))] == [None, "Asked by phone"]
    assert "Asked by phone" in alice.page.get(f"/contacts/{ada.id}").text


def test_a_suppressed_address_says_so_on_its_page(alice: Any) -> None:
    ada = make_contact(alice, "ada@acme.test")
    assert alice.api.post("/suppressions", json={"address": "ada@acme.test", "reason": "hard_bounce", "scope": "all"}).status_code == 201
    page = alice.page.get(f"/contacts/{ada.id}").text
    assert "No mail at all reaches them" in page and "/suppressions?q=ada@acme.test" in page


def test_a_deleted_contact_can_be_undone_from_its_toast(alice: Any) -> None:
    path = f"/contacts/{make_contact(alice, 'ada@acme.test').id}"
    assert "Undo brings it back for 30 days" in alice.page.get(f"{path}/delete").text
    gone = alice.page.post(f"{path}/delete")
    assert gone.status_code == 303 and gone.location == "/contacts" and db.session.scalars(select(Contact)).all() == []
    assert "/picks/changes/" in alice.page.get("/contacts").text
    assert alice.page.get(path).status_code == 404
    assert alice.page.post("/picks/changes/1/undo").status_code == 303 and only_one().email == "ada@acme.test"


def test_the_timeline_goes_on_page_by_page(alice: Any) -> None:
    ada = make_contact(alice, "ada@acme.test")
    for number in range(30):
        begin_writing()
        service.update_contact(alice.actor, ada.id, {"company": f"Company {number}"})
        db.session.commit()
    page = alice.page.get(f"/contacts/{ada.id}").text
    older = page.partition('rel="next">Older')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    assert page.count("<h3><span>Changed") == 25 and "cursor=" in older
    rest = alice.page.get(older.partition("#")[0]).text
    assert rest.count("<h3><span>Changed") == 5 and "Came in" in rest and "Newest" in rest


def test_the_timeline_says_which_tags_and_groups_came_and_went(alice: Any) -> None:
    ada, news = make_contact(alice, "ada@acme.test", tags=["old"]), make_group(alice, "News")
    alice.page.post(f"/contacts/{ada.id}/tags", {"tag": "vip"})
    alice.api.post(f"/contact-groups/{news.id}/members", json={"contact_ids": [ada.id]})
    alice.page.post("/picks/contact", {"action": f"remove_from_group:{news.id}", "ids": str(ada.id), "confirmed": "1", "next": "/contacts"})
    begin_writing()
    service.update_contact(alice.actor, ada.id, {"tags": ["press", "dealer"], "company": "Acme"})
    db.session.commit()
    page = alice.page.get(f"/contacts/{ada.id}").text
    for step in ("tagged vip", "joined News", "left News", "company, tagged press and dealer, no longer tagged old and vip"):
        assert f"<p>{step}</p>" in page, step


def test_the_page_shows_the_campaigns_that_somebody_got(alice: Any) -> None:
    sent = make_sent_campaign(alice, "ada@acme.test", name="Autumn news")
    ada, campaign = sent.contacts[0], sent.campaign
    opened = datetime(2026, 3, 25, 9, 30, tzinfo=UTC)
    db.session.add(Engagement(campaign_id=campaign.id, contact_id=ada.id, workspace_id=alice.workspace.id, opened_at=opened, opens=1))
    db.session.commit()
    page = alice.page.get(f"/contacts/{ada.id}").text
    assert "Autumn news" in page and f'href="/campaigns/{campaign.id}"' in page and "2026-03-25T09:30:00Z" in page
    assert "No campaign went to them yet" in alice.page.get(f"/contacts/{make_contact(alice, 'bea@acme.test').id}").text


def test_search_finds_people(alice: Any, eve: Any) -> None:
    ada = make_contact(alice, "ada@clock.test", name="Ada Alder", company="Clockworks")
    make_tag(alice, "press")
    found = alice.page.get("/search?q=clockwor").text
    assert f"/contacts/{ada.id}" in found and "Ada Alder" in found
    assert f"/contacts/{ada.id}" in alice.page.get("/search?q=in:contacts+ada").text
    assert "Ada Alder" not in eve.page.get("/search?q=alder").text
