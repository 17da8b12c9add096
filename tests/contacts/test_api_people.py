"""What goes beyond lists: notes, timeline, merging, consent, all that is kept about one person, and erasing them (C-75)."""

from typing import Any

from sqlalchemy import select, text

from tests.factories.contacts import make_contact, make_group
from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail
from tests.factories.sending import make_outgoing
from webapp.contacts import erasing, merging, service, timeline
from webapp.contacts.models import Alias, Contact, Engagement, LinkClick
from webapp.core import counters
from webapp.core.db import Base, db, utcnow
from webapp.happenings import stream
from webapp.messages.models import Message
from webapp.suppressions.lookup import barred


def clicked(contact: Any, campaign: int, opens: int) -> None:
    now = utcnow()
    more = {"workspace_id": contact.workspace_id, "contact_id": contact.id, "campaign_id": campaign}
    db.session.add(Engagement(**more, opened_at=now, opens=opens, clicks=1, machine_opens=0, machine_clicks=0))
    db.session.add(LinkClick(campaign_id=campaign, link=1, contact_id=contact.id, first_at=now, clicks=opens, machine_clicks=0))
    db.session.commit()


def test_notes_are_written_listed_and_deleted(alice: Any, eve: Any) -> None:
    contact = make_contact(alice)
    made = alice.api.post(f"/contacts/{contact.id}/notes", json={"text": "Likes tea.\nAnd cake."})
    assert made.status_code == 201 and made.json["data"]["author"] and made.json["data"]["text"] == "Likes tea.\nAnd cake."
    assert [row["text"] for row in alice.api.get(f"/contacts/{contact.id}/notes").json["data"]] == ["Likes tea.\nAnd cake."]
    path = f"/contacts/{contact.id}/notes/{made.json['data']['id']}"
    assert eve.api.delete(path).status_code == 404 and alice.api.delete(f"/contacts/{contact.id}/notes/999").status_code == 404
    assert alice.api.delete(path).status_code == 200 and alice.api.get(f"/contacts/{contact.id}/notes").json["data"] == []
    assert alice.api.post(f"/contacts/{contact.id}/notes", json={"text": "  "}).status_code == 422


def test_the_timeline_has_what_was_done_to_a_contact_and_its_mail_in_one_order(alice: Any) -> None:
    contact, other = make_contact(alice), make_contact(alice)
    service.update_contact(alice.actor, contact.id, {"company": "Acme"})
    db.session.commit()
    for number in range(3):
        stream.note("sent", workspace_id=alice.workspace.id, delivery_id=number + 1, recipient=contact.address, contact_id=contact.id)
        stream.note("sent", workspace_id=alice.workspace.id, delivery_id=number + 9, recipient=other.address)
    db.session.commit()
    first = alice.api.get(f"/contacts/{contact.id}/timeline?per_page=2").json
    second = alice.api.get(f"/contacts/{contact.id}/timeline?per_page=10&cursor={first['meta']['next_cursor']}").json
    types = [row["type"] for row in first["data"] + second["data"]]
    assert types == ["sent", "sent", "sent", "contact.updated", "contact.created"] and not second["meta"]["has_more"]
    assert second["data"][1]["details"] == {"changed": ["company"]}
    only = alice.api.get(f"/contacts/{contact.id}/timeline?type=contact.created").json["data"]
    assert [row["type"] for row in only] == ["contact.created"]


def test_merging_takes_everything_over_and_old_links_work_on(alice: Any) -> None:
    first, second = make_group(alice), make_group(alice)
    target = make_contact(alice, "kim@work.test", name="Kim", tags=["lead"], group_ids=[first.id], custom_fields={"a": "1"})
    source = make_contact(
        alice, "kim@home.test", name="Kim Lee", phone="12", tags=["lead", "vip"], group_ids=[first.id, second.id],
        custom_fields={"a": "2", "b": "3"}, subscribed=False,
    )  # fmt: skip
    for who, campaign, opens in ((target, 1, 2), (source, 1, 3), (source, 2, 1)):
        clicked(who, campaign, opens)
    alice.api.post(f"/contacts/{source.id}/notes", json={"text": "from home"})
    outgoing = make_outgoing(alice, "kim@home.test")
    db.session.execute(text("UPDATE deliveries SET contact_id = :id"), {"id": source.id})
    lead, old = target.tags[0].id, source.id
    assert [row.id for row in merging.candidates(alice.actor, target.id)] == [source.id]
    merged = alice.api.post(f"/contacts/{target.id}/merge", json={"source_id": source.id})
    assert merged.status_code == 200, merged.json
    data = merged.json["data"]
    assert [tag["name"] for tag in data["tags"]] == ["lead", "vip"] and [row["id"] for row in data["groups"]] == [first.id, second.id]
    assert (data["name"], data["phone"], data["custom_fields"]) == ("Kim", "12", {"a": "1", "b": "3"})
    assert data["subscribed"] is False, "whoever said no with either address stays out"
    assert alice.api.get(f"/contacts/{old}").status_code == 404 and service.now_called(alice.workspace.id, old) == target.id
    counts = counters.read_many(alice.workspace.id, ["contacts", f"tag:{lead}", f"group:{first.id}", f"group:{second.id}"])
    assert list(counts.values()) == [1, 1, 1, 1]
    opens = {row.campaign_id: row.opens for row in db.session.scalars(select(Engagement).where(Engagement.contact_id == target.id))}
    assert opens == {1: 5, 2: 1} and {row.contact_id for row in db.session.scalars(select(LinkClick))} == {target.id}
    assert [row["text"] for row in alice.api.get(f"/contacts/{target.id}/notes").json["data"]] == ["from home"]
    assert db.session.scalar(text("SELECT contact_id FROM deliveries")) == target.id and outgoing.id
    assert timeline.addresses_of(db.session.get_one(Contact, target.id)) == ["kim@work.test", "kim@home.test"]
    third = make_contact(alice)
    service_merge(alice, third.id, target.id)
    assert service.now_called(alice.workspace.id, old) == third.id, "a chain of merges leads to its end"
    assert {row.contact_id for row in db.session.scalars(select(Alias))} == {third.id}
    for wrong in (third.id, old, 999_999):
        assert alice.api.post(f"/contacts/{third.id}/merge", json={"source_id": wrong}).status_code == 422


def service_merge(person: Any, target_id: int, source_id: int) -> None:
    assert person.api.post(f"/contacts/{target_id}/merge", json={"source_id": source_id}).status_code == 200


def test_consent_is_given_and_taken_with_evidence(alice: Any) -> None:
    contact = make_contact(alice)
    path = f"/contacts/{contact.id}/consents"
    gone = alice.api.post(path, json={"what": "unsubscribed", "evidence": "called us"})
    assert gone.status_code == 201 and gone.json["data"]["evidence"] == "called us"
    assert alice.api.post(path, json={"what": "unsubscribed"}).status_code == 409
    back = alice.api.post(path, json={"what": "subscribed", "source": "form", "evidence": "box ticked", "ip": "192.0.2.7"})
    assert (back.json["data"]["what"], back.json["data"]["source"], back.json["data"]["ip"]) == ("subscribed", "form", "192.0.2.7")
    assert [row["what"] for row in alice.api.get(path).json["data"]] == ["subscribed", "unsubscribed"]
    put = alice.api.put(f"/contacts/{contact.id}", json={"subscribed": False})
    assert put.json["data"]["subscribed"] is False and put.json["data"]["unsubscribed_at"]


def test_all_that_is_kept_about_one_person_is_told_and_that_is_audited(alice: Any, bob: Any) -> None:
    contact = make_contact(alice, "ines@people.test", tags=["lead"], custom_fields={"shoe": 41})
    make_outgoing(alice, "ines@people.test")
    clicked(contact, 1, 2)
    answer = alice.api.get(f"/contacts/{contact.id}/export")
    assert answer.status_code == 200, answer.json
    data = answer.json["data"]
    assert data["contact"]["email"] == "ines@people.test" and data["contact"]["custom_fields"] == {"shoe": 41} and data["tags"] == ["lead"]
    assert data["engagements"][0]["opens"] == 2 and [row["recipient"] for row in data["deliveries"]] == ["ines@people.test"]
    assert {row["type"] for row in data["events"]} >= {"contact.created"}
    done = db.session.scalar(text("SELECT count(*) FROM audit_entries WHERE action = 'contact.export'"))
    assert done == 1 and bob.api.get(f"/contacts/{contact.id}/export").status_code == 403


def everything_with(word: str) -> dict[str, int]:
    """Table -> rows that hold this text anywhere, whatever the columns; the audit log apart, which nobody may rewrite."""
    found = {}
    for name, table in Base.metadata.tables.items():
        if name.startswith("audit_"):
            continue
        rows = sum(word in str(tuple(row)) for row in db.session.execute(select(table)))
        if rows:
            found[name] = rows
    return found


def test_c75_an_erased_person_is_nowhere_but_as_a_hash_that_keeps_mail_from_them(alice: Any, work_off: Any) -> None:
    mailbox = make_mailbox(alice, "hello@acme.test")
    contact = make_contact(alice, "zoe@secretlife.test", name="Zoe Unmistakable", tags=["lead"], custom_fields={"wish": "Unmistakable"})
    alice.api.post("/tags", json={"name": "zoe-unrelated"})
    alice.api.patch(f"/contacts/{contact.id}", json={"company": "Unmistakable Ltd"}, headers={"Idempotency-Key": "one"})
    make_mail(mailbox, sender="zoe@secretlife.test", text="hello")
    make_outgoing(alice, "zoe@secretlife.test", mailbox=mailbox)
    work_off()
    person = contact.id
    kept = make_mail(mailbox, sender="other@people.test")
    clicked(contact, 4, 1)
    alice.api.post(f"/contacts/{contact.id}/notes", json={"text": "Unmistakable"})
    assert {"contacts", "events", "messages", "deliveries", "idempotency_keys"} <= set(everything_with("zoe@secretlife.test"))
    answer = alice.api.post(f"/contacts/{person}/erase", json={"messages": True})
    assert answer.status_code == 201, answer.json
    receipt = answer.json["data"]
    assert receipt["counts"]["contacts"] == 1 and receipt["counts"]["messages"] >= 1 and receipt["counts"]["deliveries"] == 1
    assert everything_with("zoe@secretlife.test") == {} and everything_with("Unmistakable") == {}
    words = "SELECT count(*) FROM contact_fts" if db.engine.dialect.name == "sqlite" else "SELECT count(*) FROM contact_words"
    assert db.session.scalar(text(words)) == 0
    assert db.session.get(Message, kept.id) is not None, "other people's mail stays"
    assert "zoe@secretlife.test" in barred(alice.workspace.id, ["zoe@secretlife.test"], "transactional")
    mine = alice.api.get("/erasures?address=ZOE@secretlife.test").json["data"]
    assert [row["id"] for row in mine] == [receipt["id"]] and alice.api.get("/erasures?address=a@b.test").json["data"] == []
    assert alice.api.get(f"/erasures/{receipt['id']}").json["data"]["hash"] == receipt["hash"]
    assert alice.api.get(f"/contacts/{person}").status_code == 404


def test_c75_a_restored_backup_brings_nobody_back(alice: Any) -> None:
    contact, other = make_contact(alice, "zoe@secretlife.test"), make_contact(alice)
    made = contact.created_at
    assert alice.api.post(f"/contacts/{contact.id}/erase").status_code == 201
    back = make_contact(alice, "zoe@secretlife.test")
    assert not back.subscribed
    assert erasing.again(alice.workspace.id).erased == 0, "who came after the erasure came by themselves"
    back.created_at = made
    db.session.commit()
    assert erasing.again(alice.workspace.id).erased == 1 and erasing.again(alice.workspace.id).erased == 0
    assert list(db.session.scalars(select(Contact.id))) == [other.id]


def test_a_person_to_whom_mail_is_on_the_way_is_not_erased_under_it(alice: Any, bob: Any) -> None:
    contact = make_contact(alice, "zoe@secretlife.test")
    make_outgoing(alice, "zoe@secretlife.test")
    db.session.execute(text("UPDATE deliveries SET state = 'deferred'"))
    refused = alice.api.post(f"/contacts/{contact.id}/erase")
    assert (refused.status_code, refused.json["error"]["code"]) == (409, "invalid_state")
    assert alice.api.get(f"/contacts/{contact.id}").status_code == 200
    assert bob.api.post(f"/contacts/{contact.id}/erase").status_code == 403


def test_nobody_reaches_the_people_of_another_workspace(alice: Any, eve: Any) -> None:
    contact = make_contact(alice)
    group = make_group(alice, contacts=[contact])
    stranger = make_contact(eve)
    for path in ("", "/notes", "/timeline", "/consents", "/export"):
        assert eve.api.get(f"/contacts/{contact.id}{path}").status_code == 404, path
    assert eve.api.post(f"/contacts/{contact.id}/erase").status_code == 404
    assert eve.api.post(f"/contacts/{contact.id}/merge", json={"source_id": stranger.id}).status_code == 404
    assert eve.api.post(f"/contacts/{stranger.id}/merge", json={"source_id": contact.id}).status_code == 422
    assert eve.api.get(f"/contact-groups/{group.id}/members").status_code == 404
    refused = eve.api.get(f"/contacts?group_id={group.id}")
    assert refused.status_code == 422 and "group_id" in refused.json["error"]["details"]
    assert eve.api.post("/contacts", json={"name": "X", "email": "x@y.test", "group_ids": [group.id]}).status_code == 422
