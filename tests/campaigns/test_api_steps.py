"""The steps in the life of a campaign over the API: which state allows which, who may, and what a stranger sees."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.factories.contacts import make_group
from tests.factories.drafts import make_draft
from tests.factories.mailboxes import make_mailbox
from webapp.campaigns import life, service
from webapp.campaigns.models import STATES, Campaign
from webapp.core.db import db, utcnow
from webapp.messages.models import Message
from webapp.sending.models import Delivery

#: step -> states in which it is possible, and what it answers there
POSSIBLE = {
    "send": (202, {"draft", "scheduled"}), "schedule": (200, {"draft", "scheduled"}), "unschedule": (200, {"scheduled"}),
    "pause": (202, {"sending"}), "resume": (202, {"paused"}), "cancel": (202, {"scheduled", "sending", "paused"}),
}  # fmt: skip
AFTER = {"send": "sending", "schedule": "scheduled", "unschedule": "draft", "pause": "paused", "resume": "sending", "cancel": "cancelled"}


def in_state(person: Any, state: str) -> Campaign:
    """A campaign that came there by the steps themselves."""
    campaign = make_draft(person, send_rate=1)
    if state == "scheduled":
        service.schedule(person.actor, campaign.id, utcnow() + timedelta(days=1), "Europe/Berlin")
    elif state != "draft":
        life.send(person.actor, campaign.id)
        if state == "paused":
            life.pause(person.actor, campaign.id)
        elif state == "cancelled":
            life.cancel(person.actor, campaign.id)
        elif state == "sent":
            campaign.state, campaign.sent_at = "sent", utcnow()
    db.session.commit()
    return campaign


def body_of(step: str) -> dict[str, Any]:
    return {"schedule_at": (utcnow() + timedelta(days=2)).isoformat()} if step == "schedule" else {}


@pytest.mark.parametrize("state", STATES)
def test_each_state_allows_its_steps_and_refuses_the_others(alice: Any, state: str) -> None:
    for step, (status, states) in POSSIBLE.items():
        campaign = in_state(alice, state)
        answer = alice.api.post(f"/campaigns/{campaign.id}/{step}", json=body_of(step))
        if state in states:
            assert (answer.status_code, answer.json["data"]["status"]) == (status, AFTER[step]), (step, answer.json)
        else:
            assert (answer.status_code, answer.json["error"]["code"]) == (409, "invalid_state"), (step, answer.json)
            assert alice.api.get(f"/campaigns/{campaign.id}").json["data"]["status"] == state


@pytest.mark.parametrize("state", STATES)
def test_what_may_be_changed_and_deleted_in_each_state(alice: Any, state: str) -> None:
    campaign = in_state(alice, state)
    changed = alice.api.put(f"/campaigns/{campaign.id}", json={"subject": "Another"})
    assert changed.status_code == (200 if state in ("draft", "scheduled", "paused") else 409), changed.json
    gone = alice.api.delete(f"/campaigns/{campaign.id}")
    assert gone.status_code == (409 if state == "sending" else 200), gone.json
    assert alice.api.get(f"/campaigns/{campaign.id}").status_code == (200 if state == "sending" else 404)


def test_a_change_while_paused_is_a_new_version_and_its_audience_stays(alice: Any) -> None:
    campaign = in_state(alice, "paused")
    path = f"/campaigns/{campaign.id}"
    assert alice.api.patch(path, json={"body_html": "<p>Better</p>"}).json["data"]["version"] == 2
    assert alice.api.patch(path, json={"body_html": "<p>Better</p>"}).json["data"]["version"] == 2  # nothing changed
    other = make_group(alice)
    answer = alice.api.patch(path, json={"recipient_groups": [other.id]})
    assert answer.status_code == 409 and "recipient_groups" in answer.json["error"]["details"]


def test_schedule_moves_with_put_and_null_makes_a_draft(alice: Any) -> None:
    campaign = make_draft(alice)
    path, at = f"/campaigns/{campaign.id}", (utcnow() + timedelta(days=3)).replace(microsecond=0)
    data = alice.api.put(path, json={"schedule_at": at.isoformat(), "schedule_zone": "Europe/Berlin"}).json["data"]
    assert (data["status"], data["schedule_zone"]) == ("scheduled", "Europe/Berlin")
    assert datetime.fromisoformat(data["schedule_at"]) == at
    assert alice.api.put(path, json={"schedule_at": None}).json["data"]["status"] == "draft"
    assert alice.api.put(path, json={"schedule_at": "2020-01-01T00:00:00Z"}).status_code == 422


@pytest.mark.parametrize(
    ("missing", "field"), [({"group_ids": []}, "recipient_groups"), ({"subject": ""}, "subject"), ({"body_html": " "}, "body_html")]
)
def test_send_and_schedule_name_what_is_missing(alice: Any, missing: dict[str, Any], field: str) -> None:
    campaign = make_draft(alice, **missing)
    for step in ("send", "schedule"):
        answer = alice.api.post(f"/campaigns/{campaign.id}/{step}", json=body_of(step))
        assert answer.status_code == 422 and field in answer.json["error"]["details"], answer.json
    assert alice.api.get(f"/campaigns/{campaign.id}").json["data"]["status"] == "draft"


def test_nobody_eligible_is_refused_on_send(alice: Any) -> None:
    campaign = make_draft(alice, people=0)
    assert alice.api.post(f"/campaigns/{campaign.id}/send").status_code == 422


def test_an_agent_writes_drafts_and_does_not_send(alice: Any, bob: Any, carol: Any) -> None:
    campaign = make_draft(alice)
    path = f"/campaigns/{campaign.id}"
    assert bob.api.put(path, json={"subject": "Bob's"}).status_code == 200
    assert bob.api.post(f"{path}/duplicate").status_code == 201
    for step in POSSIBLE:
        assert bob.api.post(f"{path}/{step}", json=body_of(step)).status_code == 403, step
    assert bob.api.put(path, json=body_of("schedule")).status_code == 403
    assert carol.api.get(path).status_code == 200
    assert carol.api.put(path, json={"subject": "Carol's"}).status_code == 403
    assert alice.api.post(f"{path}/schedule", json=body_of("schedule")).status_code == 200
    assert bob.api.put(path, json={"subject": "Slipped in"}).status_code == 403


def test_a_stranger_finds_nothing(alice: Any, eve: Any) -> None:
    campaign = make_draft(alice)
    path = f"/campaigns/{campaign.id}"
    for answer in (
        eve.api.get(path), eve.api.put(path, json={"name": "mine"}), eve.api.delete(path), eve.api.get(f"{path}/stats"),
        eve.api.get(f"{path}/recipients"), eve.api.post(f"{path}/duplicate"),
        eve.api.post(f"{path}/test", json={"emails": ["eve@evil.test"]}),
        *(eve.api.post(f"{path}/{step}", json=body_of(step)) for step in POSSIBLE),
    ):  # fmt: skip
        assert answer.status_code == 404, answer.json
    mine = make_mailbox(eve, "news@evil.test")
    foreign = {"name": "x", "subject": "x", "from_email": mine.email, "from_name": "x", "body_html": "x", "email_account_id": mine.id}
    answer = eve.api.post("/campaigns", json={**foreign, "recipient_groups": campaign.group_ids})
    assert answer.status_code == 422 and "recipient_groups" in answer.json["error"]["details"]
    answer = eve.api.post("/campaigns", json={**foreign, "recipient_groups": [], "from_email": campaign.from_email})
    assert answer.status_code == 422 and "from_email" in answer.json["error"]["details"]


def test_sends_have_a_rate_limit_of_their_own(alice: Any, app: Any) -> None:
    campaign = make_draft(alice)
    app.config["RATE_LIMITS"] = {"general": 60, "campaign_sends": 2, "ops": 120, "message": 60}
    answers = [alice.api.post(f"/campaigns/{campaign.id}/pause") for _ in range(3)]
    if len({answer.headers["X-RateLimit-Reset"] for answer in answers}) == 1:  # all within one minute of the clock
        assert [answer.status_code for answer in answers] == [409, 409, 429]
    assert answers[0].headers["X-RateLimit-Limit"] == "2"
    assert alice.api.get(f"/campaigns/{campaign.id}").headers["X-RateLimit-Limit"] == "60"


def test_deleted_ones_come_back_as_drafts_or_cancelled(alice: Any) -> None:
    for state, back in (("scheduled", "draft"), ("paused", "cancelled")):
        campaign = in_state(alice, state)
        assert alice.api.delete(f"/campaigns/{campaign.id}").status_code == 200
        assert alice.api.post(f"/trash/campaign/{campaign.id}:restore").status_code == 200
        assert alice.api.get(f"/campaigns/{campaign.id}").json["data"]["status"] == back


def test_a_copy_is_a_draft_without_what_is_gone(alice: Any) -> None:
    campaign = make_draft(alice, name="March news")
    spare = make_group(alice)
    alice.api.put(f"/campaigns/{campaign.id}", json={"exclude_group_ids": [spare.id]})
    assert alice.api.delete(f"/contact-groups/{spare.id}").status_code == 200
    one = alice.api.post(f"/campaigns/{campaign.id}/duplicate").json["data"]
    two = alice.api.post(f"/campaigns/{campaign.id}/duplicate").json["data"]
    assert (one["name"], two["name"], one["status"]) == ("March news (copy)", "March news (copy 2)", "draft")
    assert one["exclude_group_ids"] == [] and one["recipient_groups"] == campaign.group_ids
    assert one["body_html"] == campaign.body_html and one["recipients_count"] == 3


def test_a_group_that_a_scheduled_campaign_names_is_not_deleted(alice: Any) -> None:
    campaign = in_state(alice, "scheduled")
    answer = alice.api.delete(f"/contact-groups/{campaign.group_ids[0]}")
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "in_use")
    alice.api.post(f"/campaigns/{campaign.id}/unschedule")
    assert alice.api.delete(f"/contact-groups/{campaign.group_ids[0]}").status_code == 200


def test_a_test_copy_is_marked_and_counted_nowhere(alice: Any, work_off: Any) -> None:
    campaign = make_draft(alice)
    answer = alice.api.post(f"/campaigns/{campaign.id}/test", json={"emails": ["ada@example.org", "bo@example.org", "ADA@example.org"]})
    assert answer.status_code == 202, answer.json
    data = answer.json["data"]
    assert data["emails"] == ["ada@example.org", "bo@example.org"] and len(data["archive_ids"]) == 2
    copies = db.session.query(Message).filter(Message.id.in_(data["archive_ids"])).all()
    assert {copy.is_test for copy in copies} == {True}
    assert {copy.subject for copy in copies} == {"[Test] Hello Ada"}
    assert len({copy.message_id_header for copy in copies}) == 2
    work_off()
    assert {row.campaign_id for row in db.session.query(Delivery)} == {None}
    assert alice.api.get(f"/campaigns/{campaign.id}").json["data"]["stats"]["delivered"] == 0


@pytest.mark.parametrize("emails", [[], [f"p{number}@example.org" for number in range(6)], ["no address"]])
def test_a_test_goes_to_one_to_five_addresses(alice: Any, emails: list[str]) -> None:
    campaign = make_draft(alice)
    assert alice.api.post(f"/campaigns/{campaign.id}/test", json={"emails": emails}).status_code == 422


def test_times_are_utc_for_programs(alice: Any) -> None:
    campaign = make_draft(alice)
    data = alice.api.post(f"/campaigns/{campaign.id}/schedule", json={"schedule_at": "2027-07-01T09:00:00+02:00"}).json["data"]
    assert data["schedule_at"] == "2027-07-01T07:00:00Z"
    assert db.session.get_one(Campaign, campaign.id).schedule_at == datetime(2027, 7, 1, 7, tzinfo=UTC)
