"""How many an audience reaches: the same number however it is found, and an estimate that says so when there is no time."""

import random
from typing import Any

import pytest

from tests.factories.contacts import make_contact, make_group
from tests.factories.drafts import make_draft
from webapp.campaigns import measuring, reach
from webapp.campaigns.models import Campaign
from webapp.core.db import db, utcnow
from webapp.core.patience import TooLong
from webapp.suppressions import service as suppressions


@pytest.fixture
def campaign(alice: Any) -> Campaign:
    """To sixteen people of whom some are left out for each reason."""
    everybody = [make_contact(alice) for _ in range(16)]
    out = make_group(alice, contacts=everybody[:2])
    everybody[2].subscribed = False
    everybody[3].bounced_at = everybody[4].complained_at = utcnow()
    suppressions.create_suppression(alice.actor, address=everybody[5].email, scope="bulk")
    row: Campaign = make_draft(alice, group_ids=[make_group(alice, contacts=everybody).id], exclude_group_ids=[out.id])
    db.session.commit()
    return row


@pytest.fixture
def in_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting everybody at once takes too long, looking at stretches of two does not."""
    plain = measuring.patient

    def patient(seconds: float) -> Any:
        if seconds == measuring.EXACT_S:
            raise TooLong
        return plain(seconds)

    monkeypatch.setattr(measuring, "patient", patient)
    monkeypatch.setattr(measuring, "SAMPLE_S", 30.0)
    monkeypatch.setattr(measuring, "STRETCH", 2)


NUMBERS = {"gets": 10, "excluded": 2, "unsubscribed": 1, "bounced": 1, "complained": 1, "suppressed": 1}


def numbers(found: reach.Breakdown) -> dict[str, int]:
    return {name: getattr(found, name) for name in NUMBERS}


def test_everybody_is_in_one_of_the_numbers(alice: Any, campaign: Campaign) -> None:
    found = reach.breakdown(campaign)
    assert numbers(found) == NUMBERS and found.is_exact
    assert reach.of_campaign(campaign).recipients_count == NUMBERS["gets"] + NUMBERS["suppressed"]


@pytest.mark.usefixtures("in_stretches")
def test_stretches_that_leave_nobody_out_give_the_same_numbers(alice: Any, campaign: Campaign) -> None:
    found = reach.breakdown(campaign)
    assert numbers(found) == NUMBERS and found.is_exact
    audience = {"recipient_groups": campaign.group_ids, "exclude_group_ids": campaign.exclude_group_ids}
    answer = alice.api.post("/campaigns/count", json=audience)
    assert (answer.json["data"]["recipients_count"], answer.json["data"]["is_exact"]) == (11, True)


@pytest.mark.usefixtures("in_stretches")
def test_some_of_the_stretches_give_an_estimate_which_is_never_nobody(
    alice: Any, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "sample", lambda starts, _: list(starts)[-2:])
    found = reach.breakdown(campaign)
    assert not found.is_exact and found.gets > NUMBERS["gets"] and found.left_out == 0
    monkeypatch.setattr(random, "sample", lambda starts, _: list(starts)[:1])
    found = reach.breakdown(campaign)
    assert (found.gets, found.is_exact) == (1, False) and found.excluded > 2
