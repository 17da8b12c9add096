"""Many contacts at once: tags and groups that are asked for first, unsubscribing, deleting; each with its effect before, and undone."""

import re
from typing import Any

import orjson
from sqlalchemy import func, select

from tests.factories.contacts import make_contact, make_group, make_many_contacts, make_tag
from webapp.audit.models import AuditEntry
from webapp.contacts import erasing, notes, service, subscribing
from webapp.contacts.models import Consent, Contact, ContactTag, Engagement, GroupMember, Note, Tag
from webapp.core import counters
from webapp.core.db import begin_writing, db
from webapp.picks.models import PickChange, PickRow
from webapp.suppressions.models import Suppression

BAR = "/picks/contact"


def press(person: Any, action: str, ids: list[int], told: str | None = None, **more: str) -> Any:
    """A button of the bar, pressed with script."""
    fields: dict[str, Any] = {"id": ids, "action": action, "next": "/contacts", **({"told": told} if told is not None else {}), **more}
    return person.page.post(BAR, fields, htmx=True)


def toast(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = orjson.loads(answer.headers["HX-Trigger"])["toast"]
    return found


def undo(person: Any, answer: Any) -> str:
    back = person.page.post(toast(answer)["undo"], htmx=True)
    return str(toast(back)["text"])


def bearing(tag: str) -> list[str]:
    query = select(Contact.email).join(ContactTag, ContactTag.contact_id == Contact.id).join(Tag, Tag.id == ContactTag.tag_id)
    return sorted(email.split("@")[0] for email in db.session.scalars(query.where(Tag.name == tag)))


def test_a_tag_is_asked_for_given_and_taken_back(alice: Any) -> None:
    ada, bea = make_contact(alice, "ada@acme.test", tags=["press"]), make_contact(alice, "bea@acme.test")
    asked = press(alice, "add_tag", [ada.id, bea.id])
    assert asked.status_code == 200 and 'name="told"' in asked.text and "press (1)" in asked.text and bearing("press") == ["ada"]
    assert "Choose one first" in press(alice, "add_tag", [ada.id], "").text
    assert "does not fit" in press(alice, "add_tag", [ada.id], "x" * 60).text
    done = press(alice, "add_tag", [ada.id, bea.id], "Press")
    assert toast(done)["text"] == "1 contact tagged press, 1 left as it was." and bearing("press") == ["ada", "bea"]
    tag = db.session.scalars(select(Tag).where(Tag.name == "press")).one()
    assert counters.read(alice.workspace.id, f"tag:{tag.id}") == 2
    assert undo(alice, done) == "1 contact is as before." and bearing("press") == ["ada"]
    assert counters.read(alice.workspace.id, f"tag:{tag.id}") == 1
    new = press(alice, "add_tag", [bea.id], "big spender")
    assert bearing("big-spender") == ["bea"] and "tagged big-spender" in toast(new)["text"]
    off = press(alice, "remove_tag", [ada.id, bea.id], "big-spender")
    assert bearing("big-spender") == [] and undo(alice, off) == "1 contact is as before." and bearing("big-spender") == ["bea"]
    theirs = AuditEntry.target_type == "contact", AuditEntry.target_id == bea.id
    entries = db.session.scalars(select(AuditEntry.action).where(*theirs).order_by(AuditEntry.id))
    assert list(entries) == ["contact.create", "contact.tag", "contact.untag", "contact.tag", "contact.untag", "contact.tag"]


def test_without_script_the_choice_is_a_page_and_then_the_effect_in_numbers(alice: Any) -> None:
    group = make_group(alice, "Newsletter")
    ada, bea = make_contact(alice, "ada@acme.test", group_ids=[group.id]), make_contact(alice, "bea@acme.test")
    page = alice.page.post(BAR, {"id": [ada.id, bea.id], "action": "add_to_group", "next": "/contacts?q=a"})
    assert page.status_code == 200 and "Newsletter (1)" in page.text and f'name="ids" value="{ada.id},{bea.id}"' in page.text
    fields = {"ids": f"{ada.id},{bea.id}", "action": "add_to_group", "told": str(group.id), "next": "/contacts?q=a"}
    effect = alice.page.post(BAR, fields)
    assert "1 contact comes into the group Newsletter." in effect.text and "1 contact is in it already." in effect.text
    assert f'name="action" value="add_to_group:{group.id}"' in effect.text
    confirmed = {"ids": f"{ada.id},{bea.id}", "action": f"add_to_group:{group.id}", "confirmed": "1", "next": "/contacts?q=a"}
    done = alice.page.post(BAR, confirmed)
    assert done.status_code == 303 and done.location == "/contacts?q=a"
    assert counters.read(alice.workspace.id, f"group:{group.id}") == 2
    assert alice.page.post(BAR, {"id": [ada.id], "action": "add_to_group", "told": "999999"}).status_code == 404


def test_a_group_page_takes_its_members_off_and_comes_back_to_itself(alice: Any) -> None:
    group = make_group(alice, "Newsletter")
    ids = make_many_contacts(alice, 3, group=group)
    here = f"/contact-groups/{group.id}"
    form = {"id": ids[:2], "action": f"remove_from_group:{group.id}", "confirmed": "1", "next": here}
    done = alice.page.post(BAR, form)
    assert done.status_code == 303 and done.location == here
    assert db.session.scalar(select(func.count()).select_from(GroupMember)) == 1
    elsewhere = alice.page.post(BAR, {**form, "id": ids[2:], "next": "/contact-groups/1/../../login"})
    assert elsewhere.location == "/contacts"


def test_everything_that_matches_goes_on_in_the_background_and_comes_back(alice: Any, work_off: Any) -> None:
    tag = make_tag(alice, "many")
    make_many_contacts(alice, 230, tag=tag)
    other = make_contact(alice, "ada@acme.test")
    fields = {"all": "1", "query": "tag=many", "action": "add_tag", "told": "wave", "next": "/contacts"}
    order = alice.page.post(BAR, fields, htmx=True)
    assert order.headers["HX-Redirect"].startswith("/picks/changes/") and bearing("wave") == []
    work_off()
    page = alice.page.get(order.headers["HX-Redirect"])
    assert "230 contacts tagged wave." in page.text and "Add tag wave to 230 contacts" in page.text and len(bearing("wave")) == 230
    assert other.email.split("@")[0] not in bearing("wave")
    change = db.session.scalars(select(PickChange)).one()
    alice.page.post(f"/picks/changes/{change.id}/undo")
    work_off()
    assert bearing("wave") == [] and len(bearing("many")) == 230


def test_unsubscribing_many_keeps_evidence_and_undo_gives_back_the_score(alice: Any) -> None:
    ada = make_contact(alice, "ada@acme.test", lead_score=40)
    bea = make_contact(alice, "bea@acme.test", subscribed=False)
    asked = alice.page.post(BAR, {"id": [ada.id, bea.id], "action": "unsubscribe"})
    assert "1 contact gets no more campaigns" in asked.text
    done = press(alice, "unsubscribe", [ada.id, bea.id])
    assert toast(done)["text"] == "1 contact unsubscribed, 1 left as it was."
    assert not db.session.get_one(Contact, ada.id).subscribed
    assert db.session.scalar(select(func.count()).select_from(Suppression)) == 2
    assert undo(alice, done) == "1 contact is as before."
    ada = db.session.get_one(Contact, ada.id)
    assert ada.subscribed and ada.lead_score == 40 and ada.unsubscribed_at is None
    assert db.session.scalar(select(func.count()).select_from(Suppression)) == 1
    said = db.session.scalars(select(Consent.what).where(Consent.contact_id == ada.id).order_by(Consent.id))
    assert list(said) == ["unsubscribed", "subscribed"]


def hung(model: Any, contact_id: int) -> int:
    return db.session.scalar(select(func.count()).select_from(model).where(model.contact_id == contact_id)) or 0


def test_deleted_contacts_come_back_with_everything_that_hung_on_them(alice: Any) -> None:
    group, tag = make_group(alice, "Newsletter"), make_tag(alice, "press")
    given: dict[str, Any] = {"tags": ["press"], "group_ids": [group.id], "custom_fields": {"plan": "pro"}, "evidence": "At the fair"}
    ada = make_contact(alice, "ada@acme.test", company="Clockworks", **given)
    notes.add_note(alice.actor, ada.id, "Called")
    db.session.add(Engagement(campaign_id=7, contact_id=ada.id, workspace_id=alice.workspace.id, opens=3))
    db.session.commit()
    before = service.snapshot(service.get_contact(alice.actor, ada.id))
    created, contact_id = ada.created_at, ada.id
    asked = press(alice, "delete", [contact_id])
    assert "1 contact goes with tags, groups and notes" in asked.text and db.session.get(Contact, contact_id) is not None
    done = press(alice, "delete", [contact_id], confirmed="1")
    assert toast(done)["text"] == "1 contact deleted." and db.session.get(Contact, contact_id) is None
    assert counters.read_many(alice.workspace.id, ["contacts", f"tag:{tag.id}", f"group:{group.id}"]) == {
        "contacts": 0, f"tag:{tag.id}": 0, f"group:{group.id}": 0,
    }  # fmt: skip
    assert undo(alice, done) == "1 contact is as before."
    back = service.get_contact(alice.actor, contact_id)
    assert service.snapshot(back) == before and back.created_at == created
    assert [hung(model, contact_id) for model in (Note, Consent, Engagement)] == [1, 1, 1]
    assert counters.read_many(alice.workspace.id, ["contacts", f"tag:{tag.id}", f"group:{group.id}"]) == {
        "contacts": 1, f"tag:{tag.id}": 1, f"group:{group.id}": 1,
    }  # fmt: skip
    assert "ada@acme.test" in alice.page.get("/contacts?q=clockw").text


def test_who_came_again_meanwhile_is_not_doubled_and_deleted_tags_stay_deleted(alice: Any) -> None:
    tag = make_tag(alice, "press")
    ada, bea = make_contact(alice, "ada@acme.test", tags=["press"]), make_contact(alice, "bea@acme.test", tags=["press"])
    done = press(alice, "delete", [ada.id, bea.id], confirmed="1")
    make_contact(alice, "ada@acme.test")
    assert alice.page.post(f"/tags/{tag.id}/delete").status_code == 303
    text = undo(alice, done)
    assert "1 contact is as before, 1 could not be changed back." in text and "another contact with the address ada@acme.test" in text
    assert service.get_contact(alice.actor, bea.id).tags == [] and counters.read(alice.workspace.id, "contacts") == 2


def test_c75_an_erased_person_cannot_be_brought_back_from_an_order(alice: Any) -> None:
    ada = make_contact(alice, "ada@acme.test")
    done = press(alice, "delete", [ada.id], confirmed="1")
    again = make_contact(alice, "ada@acme.test")
    begin_writing()
    erasing.erase(alice.actor, again.id)
    db.session.commit()
    assert db.session.scalar(select(func.count()).select_from(PickRow)) == 0
    assert "could not be changed back" in undo(alice, done) and db.session.scalar(select(func.count()).select_from(Contact)) == 0


def test_an_agent_may_delete_and_a_viewer_gets_no_bar(bob: Any, carol: Any, alice: Any) -> None:
    ada = make_contact(alice, "ada@acme.test")
    assert press(carol, "delete", [ada.id], confirmed="1").status_code == 403
    assert press(carol, "add_tag", [ada.id]).status_code == 403
    assert "deleted" in toast(press(bob, "delete", [ada.id], confirmed="1"))["text"]


def test_the_bar_says_who_gets_campaigns(alice: Any) -> None:
    ada, bea = make_contact(alice, "ada@acme.test"), make_contact(alice, "bea@acme.test")
    subscribing.unsubscribe(alice.workspace.id, [bea.id], source="page")
    db.session.commit()
    assert alice.page.get(f"{BAR}?id={ada.id}&id={bea.id}", htmx=True).text.strip() == "1 subscribed, 1 unsubscribed"
    page = alice.page.get("/contacts").text
    buttons = ["add_tag", "remove_tag", "add_to_group", "remove_from_group", "unsubscribe", "delete"]
    assert re.findall(r'name="action" value="(\w+)"', page) == buttons
