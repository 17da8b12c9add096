"""Previews, counts, statistics and recipients of campaigns over the API."""

from typing import Any

import pytest

from tests.factories.contacts import make_contact, make_group
from tests.factories.drafts import make_draft
from webapp.campaigns import life
from webapp.contacts.models import Engagement
from webapp.core.db import db, utcnow
from webapp.sending.models import STATES, Delivery
from webapp.suppressions import service as suppressions


def sent(person: Any, work_off: Any, **given: Any) -> Any:
    """A campaign that is done; the tests' transport keeps mail here."""
    campaign = make_draft(person, **given)
    life.send(person.actor, campaign.id)
    db.session.commit()
    work_off()
    return campaign


def test_preview_fills_in_one_contact_and_names_what_is_missing(alice: Any) -> None:
    contact = make_contact(alice, "ann@people.test", name="Ann <b>Arbor</b>")
    body = {
        "subject": "For {{contact.first_name}}", "body_html": "<p>{{contact.name}} of {{contact.company}}, {{contact.nothing}}</p>",
        "contact_id": contact.id,
    }  # fmt: skip
    data = alice.api.post("/campaigns/preview", json=body).json["data"]
    assert data["subject"] == "For Ann"
    assert "Ann &lt;b&gt;Arbor&lt;/b&gt;" in data["body_html"]
    assert any("company" in name for name in data["missing"]) and any("nothing" in name for name in data["unknown"])
    assert {finding["level"] for finding in data["findings"]} <= {"error", "warning", "note"}


def test_preview_of_a_broken_letter_names_the_place(alice: Any) -> None:
    answer = alice.api.post("/campaigns/preview", json={"subject": "x", "body_html": "<p>{{contact.first_name</p>"})
    assert answer.status_code in (200, 422)
    found = answer.json["data"]["findings"] if answer.status_code == 200 else answer.json["error"]["details"]
    assert found, answer.json


def test_preview_does_not_show_contacts_of_others(alice: Any, eve: Any) -> None:
    contact = make_contact(eve, "eve@people.test")
    answer = alice.api.post("/campaigns/preview", json={"subject": "x", "body_html": "<p>x</p>", "contact_id": contact.id})
    assert answer.status_code == 422 and "contact_id" in answer.json["error"]["details"]
    campaign = make_draft(eve)
    answer = alice.api.post("/campaigns/preview", json={"subject": "x", "body_html": "<p>x</p>", "campaign_id": campaign.id})
    assert answer.status_code == 404


def test_count_says_how_many_before_anything_is_sent(alice: Any) -> None:
    contacts = [make_contact(alice) for _ in range(4)]
    everybody, some = make_group(alice, contacts=contacts), make_group(alice, contacts=contacts[:1])
    contacts[3].subscribed = False
    db.session.commit()
    audience = {"recipient_groups": [everybody.id, some.id], "exclude_group_ids": [some.id]}
    data = alice.api.post("/campaigns/count", json=audience).json["data"]
    assert (data["recipients_count"], data["is_exact"]) == (2, True)
    assert alice.api.post("/campaigns/count", json={}).json["data"]["recipients_count"] == 0


def test_stats_have_every_state_and_every_deed(alice: Any, work_off: Any) -> None:
    campaign = sent(alice, work_off)
    numbers = alice.api.get(f"/campaigns/{campaign.id}").json["data"]["stats"]
    named = {*STATES, "delivered", "opened", "clicked", "bounced", "unsubscribed", "complained"}
    assert named <= set(numbers) and all(type(number) is int for number in numbers.values())
    assert numbers["captured"] == 3 and numbers["sent"] == 0
    data = alice.api.get(f"/campaigns/{campaign.id}/stats").json["data"]
    assert data["status"] == "sent" and data["stats"]["captured"] == 3
    assert [link["url"] for link in data["links"]] == ["https://shop.test/news"]
    assert data["rates"]["open_rate"] == 0 and sum(row["total"] for row in data["domains"]) == 3
    assert sum(span["sent"] for span in data["timeline"]) == 3


def test_recipients_say_why_each_is_where_it_is(alice: Any, work_off: Any) -> None:
    campaign = sent(alice, work_off)
    page = alice.api.get(f"/campaigns/{campaign.id}/recipients").json
    assert page["meta"]["total"] == 3
    row = page["data"][0]
    assert row["status"] == "captured" and "on purpose" in row["why"] and row["name"].startswith("Person")
    assert alice.api.get(f"/campaigns/{campaign.id}/recipients?status=captured&per_page=2").json["meta"]["has_more"] is True
    assert alice.api.get(f"/campaigns/{campaign.id}/recipients?status=bounced").json["data"] == []
    assert alice.api.get(f"/campaigns/{campaign.id}/recipients?email={row['email']}").json["meta"]["total"] == 1
    assert alice.api.get(f"/campaigns/{campaign.id}/recipients?status=nothing").status_code == 422


@pytest.mark.parametrize("deed", ["opened", "clicked", "unsubscribed", "complained"])
def test_recipients_are_found_by_what_they_did(alice: Any, work_off: Any, deed: str) -> None:
    campaign = sent(alice, work_off)
    who = db.session.query(Delivery).filter_by(campaign_id=campaign.id).order_by(Delivery.id).limit(1).one()
    done = {f"{deed}_at": utcnow()}
    db.session.add(Engagement(campaign_id=campaign.id, contact_id=who.contact_id, workspace_id=campaign.workspace_id, **done))
    db.session.commit()
    rows = alice.api.get(f"/campaigns/{campaign.id}/recipients?status={deed}").json["data"]
    assert [(row["email"], row[f"{deed}_at"] is not None) for row in rows] == [(who.recipient, True)]


def test_a_suppressed_person_is_left_out(alice: Any, work_off: Any) -> None:
    contacts = [make_contact(alice) for _ in range(2)]
    group = make_group(alice, contacts=contacts)
    suppressions.create_suppression(alice.actor, address=contacts[0].email, scope="bulk")
    db.session.commit()
    campaign = sent(alice, work_off, group_ids=[group.id])
    numbers = alice.api.get(f"/campaigns/{campaign.id}").json["data"]["stats"]
    assert numbers["captured"] == 1 and numbers["suppressed"] + numbers["skipped"] >= 1
