"""Segments over the API: made, changed, counted, listed, deleted, and whom they let in."""

from typing import Any

import pytest
from sqlalchemy import select, update

from webapp.audit.models import AuditEntry
from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, ContactGroup, ContactTag, CustomField, Tag
from webapp.core import counters, patience
from webapp.core.db import db
from webapp.segments import compile as compiling
from webapp.segments import counting, service
from webapp.segments.models import Segment

LUND = [{"field": "city", "operator": "equals", "value": "lund"}]


def people(person: Any, *cities: str, **more: Any) -> list[Contact]:
    """One contact for each city."""
    start = counters.read(person.workspace.id, "contacts")
    rows = [
        Contact(
            workspace_id=person.workspace.id, email=f"p{start + number}@shop.test", address=f"p{start + number}@shop.test",
            domain="shop.test", name=f"Person {number}", city=city, **more,
        )
        for number, city in enumerate(cities)
    ]  # fmt: skip
    db.session.add_all(rows)
    db.session.commit()
    return rows


def make(person: Any, name: str = "In Lund", conditions: Any = None, **more: Any) -> Any:
    answer = person.api.post("/segments", json={"name": name, "conditions": conditions or LUND, **more})
    assert answer.status_code == 201, answer.json
    return answer.json["data"]


def test_a_segment_is_made_shown_changed_and_deleted(bob: Any) -> None:
    people(bob, "Lund", "Malmö", "LUND")
    made = make(bob, description="Those nearby")
    assert made["conditions"] == LUND and made["match"] == "all" and made["description"] == "Those nearby"
    shown = bob.api.get(f"/segments/{made['id']}").json["data"]
    assert shown["contacts_count"] == 2 and shown["is_exact"] is True
    found = bob.api.get(f"/segments/{made['id']}/contacts").json
    assert [row["name"] for row in found["data"]] == ["Person 2", "Person 0"]
    changed = bob.api.put(f"/segments/{made['id']}", json={"name": "South", "match": "any"}).json["data"]
    assert changed["name"] == "South" and changed["match"] == "any" and changed["conditions"] == LUND
    malmo = [{"field": "city", "operator": "equals", "value": "MALMÖ"}]
    assert bob.api.patch(f"/segments/{made['id']}", json={"conditions": malmo}).json["data"]["conditions"] == malmo
    assert bob.api.get(f"/segments/{made['id']}").json["data"]["contacts_count"] == 1
    assert [row["name"] for row in bob.api.get("/segments?search=sou").json["data"]] == ["South"]
    gone = bob.api.delete(f"/segments/{made['id']}")
    assert gone.status_code == 200 and gone.json["data"]["message"] == "Segment deleted successfully."
    assert bob.api.get(f"/segments/{made['id']}").status_code == 404
    assert len(bob.api.get("/contacts").json["data"]) == 3
    actions = list(db.session.scalars(select(AuditEntry.action).where(AuditEntry.target_type == "segment").order_by(AuditEntry.id)))
    assert actions == ["segment.create", "segment.update", "segment.update", "segment.delete"]


def test_contact_lists_take_a_segment_as_a_filter(bob: Any, eve: Any) -> None:
    people(bob, "Lund", "Oslo")
    made = make(bob)
    assert [row["name"] for row in bob.api.get(f"/contacts?segment_id={made['id']}").json["data"]] == ["Person 0"]
    assert eve.api.get(f"/contacts?segment_id={made['id']}").status_code == 422
    assert bob.api.get("/contacts?segment_id=999").status_code == 422


def test_faults_are_told_by_path(bob: Any) -> None:
    broken = [LUND[0], {"match": "any", "conditions": [{"field": "lead_score", "operator": "gt", "value": "many"}]}]
    answer = bob.api.post("/segments", json={"name": "x", "conditions": broken})
    assert answer.status_code == 422
    assert list(answer.json["error"]["details"]) == ["conditions.1.conditions.0.value"]
    make(bob)
    assert "name" in bob.api.post("/segments", json={"name": " In  Lund ", "conditions": LUND}).json["error"]["details"]
    assert bob.api.post("/segments", json={"name": "y", "conditions": {"a": 1}}).status_code == 422
    assert bob.api.post("/segments", json={"name": "y"}).status_code == 422


def test_tags_are_named_by_people_and_kept_by_id_so_that_a_new_name_changes_nothing(bob: Any) -> None:
    first, _ = people(bob, "Lund", "Oslo")
    tag = Tag(workspace_id=bob.workspace.id, name="big-spender", color="#112233")
    db.session.add(tag)
    db.session.flush()
    db.session.add(ContactTag(contact_id=first.id, tag_id=tag.id))
    db.session.commit()
    made = make(bob, "Spenders", [{"field": "tag", "operator": "in", "value": ["Big Spender"]}])
    assert made["conditions"][0]["value"] == ["big-spender"]
    db.session.execute(update(Tag).values(name="whale"))
    db.session.commit()
    shown = bob.api.get(f"/segments/{made['id']}").json["data"]
    assert shown["conditions"][0]["value"] == ["whale"] and shown["contacts_count"] == 1
    assert bob.api.put(f"/segments/{made['id']}", json={"conditions": shown["conditions"]}).status_code == 200
    db.session.delete(db.session.get_one(Tag, tag.id))
    db.session.commit()
    shown = bob.api.get(f"/segments/{made['id']}").json["data"]
    assert shown["conditions"][0]["value"] == [tag.id] and shown["contacts_count"] == 0
    refused = bob.api.put(f"/segments/{made['id']}", json={"conditions": shown["conditions"]})
    assert refused.status_code == 422 and "conditions.0.value" in refused.json["error"]["details"]


def test_groups_and_campaigns_of_others_are_nobody(bob: Any, eve: Any) -> None:
    group = ContactGroup(workspace_id=eve.workspace.id, name="Theirs")
    db.session.add(group)
    campaign = add_campaign(eve.workspace.id)
    db.session.commit()
    for field, value in (("group", group.id), ("group", "Theirs"), ("opened_campaign", campaign.id), ("tag", "nobody")):
        answer = bob.api.post("/segments/count", json={"conditions": [{"field": field, "operator": "equals", "value": value}]})
        assert answer.status_code == 422 and "conditions.0.value" in answer.json["error"]["details"], field
    theirs = {"field": "group", "operator": "equals", "value": group.id}
    compiled = compiling.condition(bob.workspace.id, {"match": "all", "conditions": [theirs]})
    assert list(db.session.scalars(select(Contact.id).where(compiled))) == []


def add_campaign(workspace_id: int, **more: Any) -> Campaign:
    given = {"name": "Spring", "from_email": "a@acme.test", "subject": "x", "body_html": "x", **more}
    row = Campaign(workspace_id=workspace_id, **given)
    db.session.add(row)
    db.session.flush()
    return row


def test_a_custom_field_that_changed_its_type_or_went_lets_nobody_in(bob: Any) -> None:
    people(bob, "Lund", custom_fields={"seats": 7})
    field = CustomField(workspace_id=bob.workspace.id, key="seats", label="Seats", type="number")
    db.session.add(field)
    db.session.commit()
    made = make(bob, "Many seats", [{"field": "custom.seats", "operator": "gt", "value": 5}])
    assert bob.api.get(f"/segments/{made['id']}").json["data"]["contacts_count"] == 1
    for change in ("text", None):
        if change is None:
            db.session.delete(db.session.get_one(CustomField, field.id))
        else:
            db.session.get_one(CustomField, field.id).type = change
        db.session.commit()
        assert bob.api.get(f"/segments/{made['id']}").json["data"]["contacts_count"] == 0


def test_a_count_of_what_is_not_saved_changes_nothing(carol: Any) -> None:
    people(carol, "Lund", "Lund", "Oslo")
    answer = carol.api.post("/segments/count", json={"match": "all", "conditions": LUND})
    assert answer.status_code == 200 and answer.json["data"] == {"count": 2, "is_exact": True, "at_least": 2, "at_most": 2}
    again = carol.api.post("/segments/count", json={"conditions": LUND}, headers={"Idempotency-Key": "k1"})
    assert again.json["data"] == {"count": 2, "is_exact": True, "at_least": 2, "at_most": 2}
    assert db.session.scalar(select(Segment.id)) is None
    assert carol.api.post("/segments", json={"name": "x", "conditions": LUND}).status_code == 403


@pytest.mark.parametrize("state", ["scheduled", "sending", "paused"])
def test_a_segment_that_a_campaign_on_its_way_asks_for_stays(bob: Any, state: str) -> None:
    made = make(bob)
    campaign = add_campaign(bob.workspace.id, state=state, **{"exclude_segment_ids" if state == "paused" else "segment_ids": [made["id"]]})
    db.session.commit()
    refused = bob.api.delete(f"/segments/{made['id']}")
    assert refused.status_code == 409 and refused.json["error"]["code"] == "in_use" and "“Spring”" in refused.json["error"]["message"]
    campaign.state = "sent"
    db.session.commit()
    assert bob.api.delete(f"/segments/{made['id']}").status_code == 200


def test_a_question_that_takes_too_long_is_given_up_and_the_callers_transaction_goes_on(bob: Any) -> None:
    people(bob, *(["Lund"] * 300))
    slow = select(Contact.id, Contact.city).join(Tag, Tag.id != 0, isouter=True)
    for _ in range(3):
        other = select(Contact.id).subquery()
        slow = slow.join(other, other.c.id != 0)
    with pytest.raises(patience.TooLong), patience.patient(0.05) as connection:
        connection.execute(slow.order_by(Contact.city)).all()
    assert service.of_workspace(bob.actor) == []
    assert counting.count(bob.workspace.id, {"match": "all", "conditions": LUND}) == counting.Count(300, True)
