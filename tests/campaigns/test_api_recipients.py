"""Recipients of a campaign whatever became of the people since: another address, merged into somebody, gone."""

from typing import Any

import pytest
from sqlalchemy import select

from tests.campaigns.test_api_looking import sent
from webapp.campaigns.models import Campaign
from webapp.contacts import merging, service
from webapp.contacts.models import Engagement
from webapp.core.db import db, utcnow
from webapp.sending.models import Delivery

PEOPLE = 3


@pytest.fixture
def campaign(alice: Any, work_off: Any) -> Campaign:
    """Sent to three; the first two opened it."""
    row: Campaign = sent(alice, work_off)
    for copy in copies(row)[:2]:
        did = {"workspace_id": row.workspace_id, "opened_at": utcnow(), "opens": 1}
        db.session.add(Engagement(campaign_id=row.id, contact_id=copy.contact_id, **did))
    db.session.commit()
    return row


def copies(campaign: Campaign) -> list[Delivery]:
    return list(db.session.scalars(select(Delivery).where(Delivery.campaign_id == campaign.id).order_by(Delivery.id)))


def asked(person: Any, campaign: Campaign, query: str) -> list[tuple[str, int | None, bool]]:
    """(address, contact, whether opened) of a filtered list."""
    answer = person.api.get(f"/campaigns/{campaign.id}/recipients?{query}")
    assert answer.status_code == 200, answer.json
    return [(row["email"], row["contact_id"], row["opened_at"] is not None) for row in answer.json["data"]]


def test_who_changed_their_address_since_is_found_by_what_they_did(alice: Any, campaign: Campaign) -> None:
    first, second, _ = copies(campaign)
    assert first.contact_id is not None
    service.update_contact(alice.actor, first.contact_id, {"email": "new@elsewhere.test"})
    db.session.commit()
    expected = [(second.recipient, second.contact_id, True), (first.recipient, first.contact_id, True)]
    assert asked(alice, campaign, "status=opened") == expected
    assert asked(alice, campaign, f"status=opened&email={first.recipient}") == expected[1:]
    assert asked(alice, campaign, f"status=opened&domain={first.domain}") == expected
    assert asked(alice, campaign, f"status=opened&contact_id={first.contact_id}") == expected[1:]


def test_who_was_merged_into_another_is_that_one_with_what_they_did(alice: Any, campaign: Campaign) -> None:
    first, second, third = copies(campaign)
    assert first.contact_id is not None and third.contact_id is not None
    merging.merge(alice.actor, third.contact_id, first.contact_id)
    db.session.commit()
    theirs = [(third.recipient, third.contact_id, True), (first.recipient, third.contact_id, True)]
    everybody = [theirs[0], (second.recipient, second.contact_id, True), theirs[1]]
    assert asked(alice, campaign, "") == everybody
    assert asked(alice, campaign, "status=opened") == everybody[:2]
    assert asked(alice, campaign, f"contact_id={third.contact_id}") == theirs


def test_a_copy_of_who_was_merged_into_somebody_without_one_is_theirs(alice: Any, campaign: Campaign) -> None:
    first, second, _ = copies(campaign)
    other = service.create_contact(alice.actor, email="other@elsewhere.test", name="Other")
    assert first.contact_id is not None
    merging.merge(alice.actor, other.id, first.contact_id)
    db.session.commit()
    assert set(asked(alice, campaign, "status=opened")) == {(first.recipient, other.id, True), (second.recipient, second.contact_id, True)}
    page = alice.page.get(f"/campaigns/{campaign.id}/recipients?status=opened")
    assert f"/contacts/{other.id}\"".encode() in page.data


def test_lists_with_and_without_a_filter_go_on_by_cursor(alice: Any, campaign: Campaign) -> None:
    for query in ("", "status=opened", f"domain={copies(campaign)[0].domain}", f"status=opened&domain={copies(campaign)[0].domain}"):
        whole, found, cursor = asked(alice, campaign, query), list[Any](), ""
        while cursor is not None:
            answer = alice.api.get(f"/campaigns/{campaign.id}/recipients?{query}&per_page=1&cursor={cursor}").json
            found += [row["email"] for row in answer["data"]]
            cursor = answer["meta"]["next_cursor"]
        assert found == [row[0] for row in whole] and len(found) == (2 if "opened" in query else PEOPLE)


def test_a_filter_finds_nobody_of_another_campaign(alice: Any, work_off: Any, campaign: Campaign) -> None:
    other = sent(alice, work_off)
    assert {row[1] for row in asked(alice, campaign, f"domain={copies(other)[0].domain}")} == {copy.contact_id for copy in copies(campaign)}
    assert asked(alice, campaign, f"email={copies(other)[0].recipient}") == []
