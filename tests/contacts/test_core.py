"""Contacts, tags, groups and custom fields as the services keep them: exact counters, events, audit, consent, one workspace."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from tests.factories.contacts import make_contact, make_group, make_many_contacts, make_tag
from webapp.contacts import fields, groups, listing, membership, service, subscribing, tags, words
from webapp.contacts.models import Consent, Contact, CustomField, Tag
from webapp.core import counters
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound
from webapp.core.paging import PageRequest
from webapp.happenings.models import Event
from webapp.suppressions.lookup import barred


def number(person: Any, name: str) -> int:
    return counters.read(person.workspace.id, name)


def events(person: Any, type: str) -> list[Event]:
    db.session.commit()
    return list(db.session.scalars(select(Event).where(Event.workspace_id == person.workspace.id, Event.type == type).order_by(Event.id)))


def test_a_new_contact_brings_its_tags_groups_and_fields_along(alice: Any) -> None:
    group = make_group(alice, "Newsletter")
    contact = service.create_contact(
        alice.actor, email="Jane@ACME.com", name="Jane Smith", company="Acme Corp", phone=" ", tags=["lead", "Big Spender", "LEAD"],
        group_ids=[group.id], custom_fields={"department": "Engineering", "deal_value": 50000, "nothing": None},
    )  # fmt: skip
    assert (contact.email, contact.address, contact.domain) == ("Jane@ACME.com", "jane@acme.com", "acme.com")
    assert (contact.first_name, contact.last_name, contact.phone) == ("Jane", "Smith", None)
    assert [tag.name for tag in contact.tags] == ["lead", "big-spender"] and [row.name for row in contact.groups] == ["Newsletter"]
    assert contact.custom_fields == {"department": "Engineering", "deal_value": 50000}
    assert {field.key: field.type for field in fields.list_fields(alice.actor)} == {"department": "text", "deal_value": "number"}
    assert number(alice, "contacts") == 1 and number(alice, f"group:{group.id}") == 1
    assert [number(alice, f"tag:{tag.id}") for tag in contact.tags] == [1, 1]
    assert [(event.contact_id, event.details) for event in events(alice, "contact.created")] == [(contact.id, {"source": "api"})]


@pytest.mark.parametrize("again", ["jane@acme.com", " JANE@Acme.COM ", '"jane"@acme.com'])
def test_an_address_is_there_once_in_a_workspace(alice: Any, eve: Any, again: str) -> None:
    make_contact(alice, "jane@acme.com")
    with pytest.raises(Invalid) as refused:
        service.create_contact(alice.actor, email=again, name="Jane")
    assert "email" in refused.value.fields and refused.value.more["reason"] == "already_exists"
    assert make_contact(eve, "jane@acme.com").workspace_id == eve.workspace.id
    make_contact(alice, "jane+news@acme.com")
    assert number(alice, "contacts") == 2, "plus-addresses are different people"


def test_an_update_replaces_lists_merges_fields_and_tells_what_changed(alice: Any) -> None:
    first, second = make_group(alice), make_group(alice)
    contact = make_contact(alice, tags=["lead", "old"], group_ids=[first.id], custom_fields={"a": "1", "b": "2"})
    old = next(tag for tag in contact.tags if tag.name == "old")
    changed = service.update_contact(
        alice.actor, contact.id,
        {"company": "Acme", "tags": ["lead", "new"], "group_ids": [second.id], "custom_fields": {"b": None, "c": 3}},
    )  # fmt: skip
    assert [tag.name for tag in changed.tags] == ["lead", "new"] and [row.id for row in changed.groups] == [second.id]
    assert changed.custom_fields == {"a": "1", "c": 3}
    assert (number(alice, f"tag:{old.id}"), number(alice, f"group:{first.id}"), number(alice, f"group:{second.id}")) == (0, 0, 1)
    assert events(alice, "contact.updated")[-1].details == {
        "changed": ["company", "custom_fields", "groups", "tags"], "tags": {"added": ["new"], "removed": ["old"]},
        "groups": {"added": [second.name], "removed": [first.name]},
    }  # fmt: skip
    before = len(events(alice, "contact.updated"))
    service.update_contact(alice.actor, contact.id, {"company": "Acme"})
    assert len(events(alice, "contact.updated")) == before, "nothing changed, nothing is told"


def test_names_follow_their_parts_and_parts_their_names(alice: Any) -> None:
    contact = make_contact(alice, name="Maria da Silva")
    assert (contact.first_name, contact.last_name) == ("Maria da", "Silva")
    assert service.update_contact(alice.actor, contact.id, {"last_name": "Costa"}).name == "Maria da Costa"
    assert service.update_contact(alice.actor, contact.id, {"name": "Cher"}).first_name == "Cher"


def test_deleting_a_contact_keeps_counters_exact_and_the_unsubscription(alice: Any) -> None:
    group = make_group(alice)
    contact = make_contact(alice, "gone@people.test", tags=["lead"], group_ids=[group.id])
    make_contact(alice, tags=["lead"])
    lead = contact.tags[0]
    subscribing.unsubscribe(alice.workspace.id, [contact.id], source="one_click")
    service.delete_contact(alice.actor, contact.id)
    db.session.commit()
    assert (number(alice, "contacts"), number(alice, f"tag:{lead.id}"), number(alice, f"group:{group.id}")) == (1, 1, 0)
    with pytest.raises(NotFound):
        service.get_contact(alice.actor, contact.id)
    assert [event.details for event in events(alice, "contact.deleted")] == [{"email": "gone@people.test"}]
    assert "gone@people.test" in barred(alice.workspace.id, ["gone@people.test"], "bulk")
    again = make_contact(alice, "gone@people.test")
    assert not again.subscribed and again.unsubscribed_at is not None, "who left stays out, also as a new contact"
    assert again.id > contact.id, "ids are never given again"


def test_unsubscribing_leaves_evidence_and_subscribing_lifts_it(alice: Any) -> None:
    contact = make_contact(alice, "kim@people.test")
    done = subscribing.unsubscribe(alice.workspace.id, [contact.id], source="one_click", campaign_id=7, ip="192.0.2.1", client="Mail")
    again = subscribing.unsubscribe(alice.workspace.id, [contact.id], source="page")
    db.session.expire_all()
    assert (done, again) == ([contact.id], []) and not contact.subscribed
    assert not barred(alice.workspace.id, [contact.address], "transactional"), "receipts still reach them"
    assert subscribing.subscribe(alice.workspace.id, [contact.id], source="form", evidence="ticked the box") == [contact.id]
    db.session.expire_all()
    assert contact.subscribed and contact.unsubscribed_at is None and not barred(alice.workspace.id, [contact.address], "bulk")
    assert number(alice, "suppressions") == 0
    kept = db.session.scalars(select(Consent).where(Consent.contact_id == contact.id).order_by(Consent.id)).all()
    assert [(row.what, row.source, row.campaign_id, row.ip) for row in kept] == [
        ("unsubscribed", "one_click", 7, "192.0.2.1"), ("subscribed", "form", None, None),
    ]  # fmt: skip
    assert [(event.recipient, event.campaign_id) for event in events(alice, "unsubscribed")] == [("kim@people.test", 7)]


def test_whom_a_file_had_unsubscribed_is_on_the_suppression_list_once_they_say_so_themselves(alice: Any) -> None:
    contact = make_contact(alice, email="kim@home.test")
    contact.subscribed = False  # as an import leaves somebody whose column says no
    db.session.commit()
    assert barred(alice.workspace.id, ["kim@home.test"], "bulk") == {}
    assert subscribing.unsubscribe(alice.workspace.id, [contact.id], source="one_click") == []
    db.session.commit()
    assert "kim@home.test" in barred(alice.workspace.id, ["kim@home.test"], "bulk")
    assert barred(alice.workspace.id, ["kim@home.test"], "transactional") == {}


def test_members_come_and_go_in_bulk_with_exact_numbers(alice: Any, eve: Any) -> None:
    group, mark = make_group(alice), make_tag(alice)
    ids = make_many_contacts(alice, 300)
    added = membership.add(alice.actor, group.id, ids[:200])
    assert (added.added, added.already_members, added.members_count) == (200, 0, 200)
    added = membership.add(alice.actor, group.id, ids[100:])
    assert (added.added, added.already_members, added.members_count) == (100, 100, 300)
    removed = membership.remove(alice.actor, group.id, [*ids[:50], 10**9])
    assert (removed.removed, removed.members_count) == (50, 250)
    assert membership.tag(alice.actor, mark.id, ids).total == 300 and membership.untag(alice.actor, mark.id, ids[:10]).total == 290
    stranger = make_contact(eve)
    with pytest.raises(Invalid):
        membership.add(alice.actor, group.id, [stranger.id])
    assert membership.add(alice.actor, group.id, [stranger.id], strict=False).added == 0
    with pytest.raises(NotFound):
        membership.add(eve.actor, group.id, [stranger.id])
    service.remove(alice.workspace.id, ids)
    assert (number(alice, f"group:{group.id}"), number(alice, f"tag:{mark.id}"), number(alice, "contacts")) == (0, 0, 0)


def test_deleting_a_tag_or_a_group_leaves_the_contacts(alice: Any) -> None:
    contact = make_contact(alice, tags=["lead"])
    group = make_group(alice, contacts=[contact])
    tags.delete_tag(alice.actor, contact.tags[0].id)
    groups.delete_group(alice.actor, group.id)
    left = service.get_contact(alice.actor, contact.id)
    assert left.tags == [] and left.groups == []
    assert number(alice, f"group:{group.id}") == 0 and db.session.scalar(select(Tag.id)) is None


def test_values_of_fields_are_checked_by_their_type(alice: Any) -> None:
    for label, type in (("Born", "date"), ("Size", "number"), ("Site", "url"), ("Second mail", "email"), ("Member", "checkbox")):
        fields.create_field(alice.actor, label=label, type=type)
    fields.create_field(alice.actor, label="Plan", type="dropdown", options=["free", "paid"], default="free")
    fields.create_field(alice.actor, label="Likes", type="multi_select", options=["tea", "coffee"])
    right = {
        "born": "2000-02-29", "size": "41", "site": "https://x.test/a", "second_mail": "A@X.test", "member": "yes", "likes": "tea, coffee",
    }  # fmt: skip
    contact = make_contact(alice, custom_fields=right)
    assert contact.custom_fields == {
        "born": "2000-02-29", "size": 41, "site": "https://x.test/a", "second_mail": "a@x.test", "member": True, "likes": ["tea", "coffee"],
        "plan": "free",
    }  # fmt: skip
    wrong = {
        "born": "2001-02-29", "size": "big", "site": "javascript:x", "second_mail": "x", "member": "maybe", "plan": "gold", "likes": ["x"],
    }  # fmt: skip
    for key, value in wrong.items():
        with pytest.raises(Invalid) as refused:
            service.update_contact(alice.actor, contact.id, {"custom_fields": {key: value}})
        assert list(refused.value.fields) == [f"custom_fields.{key}"]
    with pytest.raises(Invalid):
        make_contact(alice, custom_fields={"nested": {"a": 1}})
    assert db.session.scalar(select(CustomField.id).where(CustomField.key == "Nested")) is None


def test_search_finds_words_and_beginnings_of_name_address_and_company(alice: Any, eve: Any) -> None:
    jane = make_contact(alice, "jane@acme.com", name="Jané Smith", company="Wonder Works")
    make_contact(alice, "bob@acme.com", name="Bob Johnson")
    make_contact(eve, "jane@acme.com", name="Jane Smith")

    def found(typed: str) -> list[int]:
        return [row.id for row in listing.list_contacts(alice.actor, PageRequest(), {"search": typed}).items]

    for typed in ("jane", "JANE smi", "wond", "work wonder", "jane@acme.com", "smith,"):
        assert found(typed) == [jane.id], typed
        assert list(db.session.scalars(listing.filtered(alice.workspace.id, {"search": typed}))) == [jane], typed
    assert found("acme") and len(found("acme")) == 2 and found("nobody") == [] and found("mith") == []
    service.update_contact(alice.actor, jane.id, {"name": "Ada Lovelace"})
    assert found("jane smith") == [] and found("lovelace") == [jane.id]
    service.delete_contact(alice.actor, jane.id)
    assert found("lovelace") == []


def test_lists_page_by_cursor_in_every_order_without_losing_anybody(alice: Any) -> None:
    make_many_contacts(alice, 23, name=lambda place: f"Name {place % 4}")
    everybody = set(db.session.scalars(select(Contact.id)))
    for sort_by in listing.SORTABLE:
        for descending in (True, False):
            asked, seen = PageRequest(per_page=5, sort_by=sort_by, descending=descending), []
            while True:
                page = listing.list_contacts(alice.actor, asked)
                assert page.total == 23
                seen += [row.id for row in page.items]
                if not page.next_cursor:
                    break
                asked = PageRequest(per_page=5, cursor=page.next_cursor)
            assert len(seen) == 23 and set(seen) == everybody, (sort_by, descending)
    asked, seen = PageRequest(per_page=7), []
    while True:
        page = listing.list_contacts(alice.actor, asked, {"created_after": datetime(2020, 1, 1, tzinfo=UTC)})
        seen += [row.id for row in page.items]
        if not page.next_cursor:
            break
        asked = PageRequest(per_page=7, cursor=page.next_cursor)
    assert seen == sorted(everybody, reverse=True), "narrowed by time it is the same order"
    with pytest.raises(Invalid):
        listing.list_contacts(alice.actor, PageRequest(sort_by="password"))


def test_contacts_of_an_import_are_found_after_the_background_work(alice: Any, work_off: Any) -> None:
    ids = make_many_contacts(alice, 30, indexed=False, company=lambda place: f"Firm Firm{place % 3} Überlin")
    changed = db.session.get_one(Contact, ids[0]).updated_at

    def found(typed: str) -> Any:
        return listing.list_contacts(alice.actor, PageRequest(per_page=100), {"search": typed})

    assert found("firm").items == []
    work_off()
    assert found("uberlin firm").total == 30 and len(found("firm2").items) == 10
    db.session.expire_all()
    assert db.session.get_one(Contact, ids[0]).updated_at == changed, "to be indexed is no change"


@pytest.mark.parametrize("few", [True, False])
def test_rare_and_frequent_words_give_the_same_lists(alice: Any, monkeypatch: pytest.MonkeyPatch, few: bool) -> None:
    make_many_contacts(alice, 12, company=lambda place: "Even Works" if place % 2 else "Odd Works")
    if not few:
        for name in ("RARE", "RARE_SORTED", "FREQUENT", "FREQUENT_SORTED"):
            monkeypatch.setattr(words, name, 0)
    for sort_by in (None, "name", "email"):
        first = listing.list_contacts(alice.actor, PageRequest(per_page=4, sort_by=sort_by), {"search": "even wor"})
        rest = listing.list_contacts(alice.actor, PageRequest(per_page=4, cursor=first.next_cursor), {"search": "even wor"})
        assert (len(first.items), len(rest.items)) == (4, 2) and (first.total == 6 or first.total_is_capped)
        assert len({row.id for row in first.items + rest.items}) == 6 and {row.company for row in first.items} == {"Even Works"}
