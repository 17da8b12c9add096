"""Tags, contact groups and custom fields in the browser."""

from typing import Any

from sqlalchemy import select

from tests.factories.contacts import make_contact, make_group, make_tag
from tests.factories.tracking import make_sent_campaign
from webapp.contacts import fields, service
from webapp.contacts.models import ContactGroup, CustomField, Tag
from webapp.core.db import db


def test_tags_are_made_renamed_recoloured_and_deleted(alice: Any) -> None:
    assert "No tags yet" in alice.page.get("/tags").text
    assert alice.page.post("/tags/new", {"name": "Big Spender", "color": "#10b981"}).status_code == 303
    tag = db.session.scalars(select(Tag)).one()
    assert (tag.name, tag.color) == ("big-spender", "#10B981")
    make_contact(alice, "ada@acme.test", tags=["big-spender"])
    page = alice.page.get("/tags").text
    assert "big-spender" in page and 'fill="#10B981"' in page and "/contacts?tag=big-spender" in page
    again = alice.page.post("/tags/new", {"name": "big-spender", "color": "#000000"})
    assert again.status_code == 422 and "There is a tag big-spender already" in again.text
    wrong = alice.page.post(f"/tags/{tag.id}/edit", {"name": "vip", "color": "red"})
    assert wrong.status_code == 422 and "six hexadecimal digits" in wrong.text
    assert alice.page.post(f"/tags/{tag.id}/edit", {"name": "VIP", "color": "#ff0000"}).status_code == 303
    db.session.refresh(tag)
    assert (tag.name, tag.color) == ("vip", "#FF0000") and "1 contact bears it" in alice.page.get(f"/tags/{tag.id}/edit").text
    assert "1 contact bears it and stays." in alice.page.get(f"/tags/{tag.id}/delete").text
    assert alice.page.post(f"/tags/{tag.id}/delete").status_code == 303
    assert db.session.scalars(select(Tag)).all() == [] and "ada@acme.test" in alice.page.get("/contacts").text


def test_a_colour_that_is_none_is_painted_like_text(alice: Any) -> None:
    tag = make_tag(alice, "press")
    tag.color = "url(https://evil.test/#x)"
    db.session.commit()
    make_contact(alice, "ada@acme.test", tags=["press"])
    for path in ("/tags", "/contacts", f"/tags/{tag.id}/edit"):
        assert 'fill="url' not in alice.page.get(path).text, path
    assert 'fill="currentColor"' in alice.page.get("/tags").text


def test_groups_are_made_changed_filled_and_deleted(alice: Any) -> None:
    assert "No groups yet" in alice.page.get("/contact-groups").text
    made = alice.page.post("/contact-groups/new", {"name": "Newsletter", "description": "Monthly"})
    group = db.session.scalars(select(ContactGroup)).one()
    assert made.location == f"/contact-groups/{group.id}" and "Nobody is on it yet" in alice.page.get(made.location).text
    ada, bea = make_contact(alice, "ada@acme.test"), make_contact(alice, "bea@acme.test", group_ids=[group.id])
    missing = alice.page.post(f"{made.location}/add", {"addresses": "ada@acme.test, nobody@acme.test"})
    assert missing.status_code == 422 and "No contact has: nobody@acme.test" in missing.text
    assert service.get_contact(alice.actor, ada.id).groups == []
    added = alice.page.post(f"{made.location}/add", {"addresses": "<Ada@acme.test>\nbea@acme.test"})
    assert added.status_code == 303
    page = alice.page.get(made.location).text
    assert "1 contact added to Newsletter; 1 contact was there already" in page and "2 members" in page and bea.email in page
    assert alice.page.post(f"{made.location}/edit", {"name": "News", "description": ""}).status_code == 303
    make_group(alice, "Dealers")
    assert alice.page.post(f"{made.location}/edit", {"name": "Dealers"}).status_code == 422
    assert "2 contacts are on it and stay contacts" in alice.page.get(f"{made.location}/delete").text
    assert alice.page.post(f"{made.location}/delete").status_code == 303
    assert "Dealers" in alice.page.get("/contact-groups").text and "2 contacts" in alice.page.get("/contacts").text


def test_a_group_that_a_campaign_needs_stays_and_the_page_says_why(alice: Any) -> None:
    group = make_group(alice, "Newsletter")
    sent = make_sent_campaign(alice, state="paused", group_ids=[group.id])
    refused = alice.page.post(f"/contact-groups/{group.id}/delete")
    assert refused.status_code == 303 and refused.location == f"/contact-groups/{group.id}"
    assert f"Campaigns still need this group: {sent.campaign.name} (paused)" in alice.page.get(refused.location).text
    assert db.session.get_one(ContactGroup, group.id).name == "Newsletter"


def keys() -> list[str]:
    return list(db.session.scalars(select(CustomField.key).order_by(CustomField.position)))


def test_custom_fields_are_made_ordered_changed_and_deleted(alice: Any) -> None:
    assert "No custom fields yet" in alice.page.get("/custom-fields").text
    assert alice.page.post("/custom-fields/new", {"label": "Shoe size (EU)", "type": "number"}).status_code == 303
    plan = {"label": "Plan", "type": "dropdown", "options": "free\r\n\r\npro\r\n", "required": "y", "default": "free"}
    assert alice.page.post("/custom-fields/new", plan).status_code == 303
    taken = alice.page.post("/custom-fields/new", {"label": "Plan", "type": "text"})
    assert taken.status_code == 422 and "There is a field with the key plan already" in taken.text
    none = alice.page.post("/custom-fields/new", {"label": "Colour", "type": "dropdown", "options": ""})
    assert none.status_code == 422 and "needs at least one option" in none.text and keys() == ["shoe_size_eu", "plan"]
    field = db.session.scalars(select(CustomField).where(CustomField.key == "plan")).one()
    assert (field.options, field.required, field.default) == (["free", "pro"], True, "free")
    assert alice.page.post(f"/custom-fields/{field.id}/move", {"to": "up"}).status_code == 303 and keys() == ["plan", "shoe_size_eu"]
    assert alice.page.post(f"/custom-fields/{field.id}/move", {"to": "up"}).status_code == 303 and keys() == ["plan", "shoe_size_eu"]
    assert alice.page.post(f"/custom-fields/{field.id}/move", {"to": "down"}).status_code == 303 and keys() == ["shoe_size_eu", "plan"]
    make_contact(alice, "ada@acme.test", custom_fields={"plan": "pro"})
    page = alice.page.get(f"/custom-fields/{field.id}/edit").text
    assert "free\npro" in page and "so it stays" in page and "Values that contacts hold stay" in page
    assert alice.page.post(f"/custom-fields/{field.id}/edit", {"label": "Tariff", "type": "text"}).status_code == 303
    db.session.refresh(field)
    assert (field.label, field.key, field.type, field.options) == ("Tariff", "plan", "text", [])
    assert "1 contact holds a value (of the newest 10,000)." in alice.page.get(f"/custom-fields/{field.id}/delete").text
    assert alice.page.post(f"/custom-fields/{field.id}/delete").status_code == 303 and keys() == ["shoe_size_eu"]


def test_things_of_another_workspace_are_not_found(alice: Any, eve: Any) -> None:
    field = fields.create_field(alice.actor, label="Plan")
    tag, group = make_tag(alice), make_group(alice)
    for path in (
        f"/tags/{tag.id}/edit", f"/tags/{tag.id}/delete", f"/contact-groups/{group.id}/edit", f"/contact-groups/{group.id}/add",
        f"/contact-groups/{group.id}/delete", f"/custom-fields/{field.id}/edit", f"/custom-fields/{field.id}/delete",
    ):  # fmt: skip
        assert eve.page.get(path).status_code == 404 and eve.page.post(path, {"name": "x", "label": "x"}).status_code == 404, path
    assert eve.page.post(f"/custom-fields/{field.id}/move", {"to": "up"}).status_code == 404
