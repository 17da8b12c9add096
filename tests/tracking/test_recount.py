"""Whatever people do and whatever becomes of their contacts, in any order: a recount finds nothing to mend."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from tests.factories.tracking import SentCampaign, make_sent_campaign
from webapp.campaigns.models import Campaign
from webapp.contacts import merging, reviving
from webapp.contacts.models import Alias, Contact, Engagement, LinkClick
from webapp.core import counters
from webapp.core.counters import Counter
from webapp.core.db import begin_writing, db, utcnow
from webapp.core.errors import Invalid
from webapp.suppressions.models import Suppression
from webapp.tracking import counting, keeping, leaving
from webapp.tracking.counting import Hit
from webapp.tracking.models import FormerContact

PLACES = st.integers(0, 3)
#: (what, whose copy, with whom or which link)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(("open", "scan", "unsubscribe", "delete", "undo")), PLACES, st.just(0)),
        st.tuples(st.sampled_from(("click", "probe", "merge")), PLACES, PLACES),
    ),
    min_size=3, max_size=14,
)  # fmt: skip
OF_PEOPLE = ("opened", "clicked", "opens_total", "clicks_total", "machine_opens", "machine_clicks", "machine_opened", "unsubscribed")


class Story:
    """A campaign with four copies, and what happens to their readers."""

    def __init__(self, person: Any) -> None:
        self.person = person
        self.sent: SentCampaign = make_sent_campaign(person, *(f"p{place}@people.test" for place in range(4)))
        self.ids = [contact.id for contact in self.sent.contacts]
        self.deleted: list[Any] = []

    def tell(self, what: str, place: int, other: int) -> None:
        """One step; one that is not possible now (a merge of who is gone) does nothing."""
        campaign_id, contact_id = self.sent.campaign.id, self.ids[place]
        here = db.session.scalar(select(Contact.id).where(Contact.id == contact_id)) is not None
        if what in ("open", "scan", "click", "probe"):
            link = 1 + other % 3 if what in ("click", "probe") else 0
            counting.count([Hit(campaign_id, contact_id, link, utcnow(), "scanner" if what in ("scan", "probe") else None)], {})
        elif what == "unsubscribe":
            leaving.leave(leaving.Mark(campaign_id, contact_id), source="link", ip=None, client=None)
        elif what == "merge" and here and self.ids[other] != contact_id:
            if db.session.scalar(select(Contact.id).where(Contact.id == self.ids[other])) is not None:
                merging.merge(self.person.actor, contact_id, self.ids[other])
        elif what == "delete" and here:
            self.deleted.append(reviving.delete_some(self.person.actor, [contact_id]).changed)
        elif what == "undo" and self.deleted:
            reviving.bring_back(self.person.actor, self.deleted.pop())
        db.session.commit()
        db.session.expire_all()

    def numbers(self) -> dict[str, int]:
        return {name: self.sent.number(name) for name in OF_PEOPLE}


def forget_all() -> None:
    """Examples of one test share its database."""
    begin_writing()
    for model in (Engagement, LinkClick, Alias, FormerContact, Suppression, Campaign, Contact):
        db.session.execute(delete(model))
    db.session.execute(delete(Counter).where(Counter.name.like("campaign:%") | Counter.name.like("tracking:%")))
    db.session.commit()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_order_of_opens_clicks_merges_and_deletions_agrees_with_the_recount(alice: Any, steps: list[tuple[str, int, int]]) -> None:
    forget_all()
    story = Story(alice)
    before = story.numbers()
    for step in steps:
        begin_writing()
        story.tell(*step)
        after = story.numbers()
        if step[0] in ("merge", "delete", "undo"):
            assert after == before, f"{step} changed what the campaign had brought"
        else:
            gone_up = {name for name in OF_PEOPLE if after[name] > before[name]}
            assert all(after[name] >= before[name] or name == "machine_opened" for name in OF_PEOPLE), gone_up
        before = after
    assert keeping.recount() == {}, "counters and rows differ"


def test_merging_readers_keeps_what_each_copy_brought(app: Any, alice: Any) -> None:
    story = Story(alice)
    for step in (("open", 0, 0), ("scan", 1, 0), ("click", 2, 1), ("click", 3, 1), ("unsubscribe", 3, 0)):
        begin_writing()
        story.tell(*step)
    want = story.numbers()
    assert (want["opened"], want["clicked"], want["machine_opened"], want["unsubscribed"]) == (3, 2, 1, 1)
    for place in (1, 2, 3):
        begin_writing()
        story.tell("merge", 0, place)
    assert story.numbers() == want and keeping.recount() == {}
    begin_writing()
    story.tell("open", 3, 0)
    assert story.numbers() == {**want, "opens_total": want["opens_total"] + 1}, "the mark of a merged copy counts for who they are now"


def test_a_merge_that_is_refused_leaves_the_numbers(app: Any, alice: Any) -> None:
    story = Story(alice)
    story.tell("open", 0, 0)
    want = story.numbers()
    begin_writing()
    for source in (story.ids[0], 10**9):
        with pytest.raises(Invalid):
            merging.merge(alice.actor, story.ids[0], source)
        db.session.rollback()
    assert story.numbers() == want and counters.read(alice.workspace.id, f"campaign:{story.sent.campaign.id}:gone:opened") == 0
