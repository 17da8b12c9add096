"""The steps of mail after its 250: a kill between any two, poison that ends the interpreter, and what a person sees and can do about it."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from tests.automation import killing
from tests.factories.automation import make_action, make_due, make_route, runs_of, steps_of
from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail
from webapp.automation import evaluation
from webapp.automation.models_runs import RoutePlan
from webapp.core import failpoints
from webapp.core.db import db, utcnow
from webapp.happenings.models import Event
from webapp.intake import jobs, parked, pipeline
from webapp.messages import journal, service
from webapp.messages.models import MOST_DEATHS, Message
from webapp.sending.models import Outgoing

KILLED = -9
POINTS = (
    "process.before_claim_commit", "process.claimed", "process.read", "process.checked", "process.planned", "process.before_commit",
    "process.committed", "evaluate.before_claim_commit", "evaluate.claimed", "evaluate.judged", "evaluate.plan_taken",
    "evaluate.before_commit", "evaluate.committed", "step.before_claim_commit", "step.claimed", "step.before_perform", "step.performed",
    "step.before_commit", "step.committed",
)  # fmt: skip


def fresh(message: Message) -> Message:
    db.session.rollback()
    db.session.expire_all()
    return db.session.get_one(Message, message.id)


def leases_run_out() -> None:
    """As if the time of every dead worker were over."""
    past = utcnow() - timedelta(seconds=1)
    for table in (Message, RoutePlan):
        db.session.execute(update(table).values(lease_until=past).where(table.lease_until.is_not(None)))
    make_due()
    db.session.commit()


def die_reading_poison() -> None:
    real = pipeline.mime.parse
    pipeline.mime.parse = lambda raw: killing.die() if b"Subject: Poison" in raw else real(raw)  # type: ignore[assignment,return-value]


@pytest.fixture
def box(alice: Any) -> Any:
    return make_mailbox(alice, "orders@acme.test")


def test_a_kill_between_any_two_steps_goes_on_at_the_right_one_and_does_nothing_twice(app: Any, alice: Any, box: Any) -> None:
    make_route(alice, box, name="Forward", actions=[make_action(alice, "forward", to=["kontor@revisor.example"])])
    for number, point in enumerate(POINTS, 1):
        message = make_mail(box, subject=point, read=False)
        assert killing.work_in_child(app, lambda: failpoints.plant(f"{point}=kill@1")) == KILLED, point  # noqa: B023 (called at once)
        leases_run_out()
        assert killing.work_in_child(app) == 0
        found = fresh(message)
        assert (found.state, found.folder, found.deaths) == ("processed", "INBOX", 0), point
        assert [entry.step for entry in journal.read(found.journal)] == ["read", "planned", "filed", "judged"], point
        assert [run.status for run in runs_of(message)] == ["success"], point
        assert db.session.query(Outgoing).filter(Outgoing.kind == "forward").count() == number, point
        noted = select(Event.type, func.count()).where(Event.message_id == message.id, Event.type.in_(["received", "route.ran"]))
        assert dict(db.session.execute(noted.group_by(Event.type)).all()) == {"received": 1, "route.ran": 1}, point


def test_c26_a_mail_that_kills_the_interpreter_is_parked_after_three_deaths_with_the_step_and_its_neighbours_go_on(
    app: Any, alice: Any, box: Any
) -> None:
    before, poison, after = (make_mail(box, subject=subject, read=False) for subject in ("Before", "Poison", "After"))
    assert killing.work_in_child(app, die_reading_poison) == KILLED
    assert {fresh(one).state for one in (before, poison, after)} == {"received"}, "they died together"
    for _ in range(2):
        leases_run_out()
        assert killing.work_in_child(app, die_reading_poison) == KILLED
    leases_run_out()
    assert killing.work_in_child(app, die_reading_poison) == 0
    assert {fresh(before).state, fresh(after).state} == {"processed"}
    found = fresh(poison)
    assert (found.state, found.folder) == ("parked", "INBOX")
    assert found.problem == f"A worker ended without a word {MOST_DEATHS} times while reading the mail."
    assert "parked" in service.explain(alice.actor, found).sentence
    assert "Parked" in [step.title for step in service.timeline(alice.actor, found)]


def test_c26_a_route_evaluation_that_kills_the_interpreter_leaves_the_mail_read_and_filed(app: Any, alice: Any, box: Any) -> None:
    make_route(alice, box, name="Forward", actions=[make_action(alice, "forward", to=["kontor@revisor.example"])])
    poison, fine = (make_mail(box, subject=subject, read=False) for subject in ("Poison", "Fine"))

    def die_judging() -> None:
        real = evaluation.judge
        evaluation.judge = lambda work: killing.die() if work.message.subject == "Poison" else real(work)  # type: ignore[assignment,return-value]

    for _ in range(MOST_DEATHS):
        assert killing.work_in_child(app, die_judging) == KILLED
        leases_run_out()
    assert killing.work_in_child(app, die_judging) == 0
    assert (fresh(poison).state, fresh(poison).folder) == ("processed", "INBOX")
    assert ([run.status for run in runs_of(poison)], [run.status for run in runs_of(fine)]) == (["failed"], ["success"])
    assert "1 route failed" in service.explain(alice.actor, fresh(poison)).sentence


def test_c26_an_action_that_kills_the_interpreter_is_parked_and_can_be_tried_again(app: Any, alice: Any, box: Any) -> None:
    make_route(alice, box, actions=[make_action(alice, "forward", to=["kontor@revisor.example"])])
    message = make_mail(box, read=False)
    for _ in range(MOST_DEATHS):
        assert killing.work_in_child(app, killing.die_before_perform) == KILLED
        leases_run_out()
    assert killing.work_in_child(app, killing.die_before_perform) == 0
    (run,) = runs_of(message)
    assert (run.status, [step.status for step in steps_of(run)]) == ("failed", ["failed"])
    assert "died 3 times" in (run.error or "")
    assert alice.api.post(f"/mailboxes/{box.id}/logs/{run.id}:retry").status_code == 202
    assert killing.work_in_child(app) == 0
    db.session.expire_all()
    assert [one.status for one in runs_of(message)] == ["success"]


def test_a_mail_that_somebody_died_over_is_worked_on_alone_and_says_so(app: Any, alice: Any, box: Any) -> None:
    poison = make_mail(box, subject="Poison", read=False)
    for _ in range(2):
        killing.work_in_child(app, die_reading_poison)
        leases_run_out()
    found = fresh(poison)
    assert (found.deaths, found.at_step) == (2, "read")
    why = service.explain(alice.actor, found)
    assert "2 workers ended without a word over it" in why.sentence and "reading the mail" in why.detail


def park(message: Message) -> None:
    jobs.park(db.session.merge(message), "It failed.")
    db.session.commit()


def test_a_parked_mail_is_sent_through_again_by_api_and_page(alice: Any, carol: Any, eve: Any, box: Any, work_off: Any) -> None:
    message = make_mail(box, read=False)
    park(message)
    path = f"/mailboxes/{box.id}/archives/{message.id}:read-again"
    assert carol.api.post(path).status_code == 403
    assert eve.api.post(path).status_code == 404
    assert [row["id"] for row in alice.api.get(f"/mailboxes/{box.id}/archives?parked=true").json["data"]] == [message.id]
    assert alice.api.get(f"/mailboxes/{box.id}/archives?parked=false").json["data"] == []
    assert f"/mail/{message.id}/read-again" in alice.page.get(f"/mail/{message.id}").text
    answer = alice.api.post(path)
    assert (answer.status_code, answer.json["data"]["state"]) == (200, "received")
    work_off()
    assert (fresh(message).state, fresh(message).folder, fresh(message).problem) == ("processed", "INBOX", None)
    assert alice.api.post(path).status_code == 409
    assert alice.api.get("/audit-events").json["data"][0]["action"] == "message.read_again"
    park(fresh(message))
    assert alice.page.post(f"/mail/{message.id}/read-again").status_code in (200, 204, 302, 303)
    work_off()
    assert fresh(message).state == "processed"
    assert alice.api.get(f"/mailboxes/{box.id}/archives?search=hello").json["data"], "search finds it once"


def test_parked_and_quarantined_mail_is_let_go_in_bulk(alice: Any, box: Any, work_off: Any) -> None:
    made = [make_mail(box, read=False) for _ in range(3)]
    for message in made:
        park(message)
    assert "Read again" in alice.page.get("/mail?box=parked").text and "Read again" not in alice.page.get("/mail").text
    picked = {"action": "read_again", "id": [str(message.id) for message in made], "next": "/mail", "query": "", "confirmed": "1"}
    assert alice.page.post("/picks/message", picked).status_code in (200, 204, 302, 303)
    work_off()
    assert {fresh(message).state for message in made} == {"processed"}
    shut = [make_mail(box, columns={"quarantined": True}, folder=None) for _ in range(2)]
    assert "Release" in alice.page.get("/mail?box=quarantined").text
    picked |= {"action": "release", "id": [str(message.id) for message in shut]}
    assert alice.page.post("/picks/message", picked).status_code in (200, 204, 302, 303)
    work_off()
    assert {(fresh(message).quarantined, fresh(message).folder) for message in shut} == {(False, "INBOX")}


def test_what_reading_is_waiting_for_is_one_sentence(alice: Any, box: Any) -> None:
    message = make_mail(box, read=False)

    def sentence(**columns: Any) -> str:
        found = fresh(message)
        for name, value in columns.items():
            setattr(found, name, value)
        db.session.commit()
        return service.explain(alice.actor, found).sentence

    soon = utcnow() + timedelta(seconds=30)
    assert "about to be read" in sentence()
    assert "no worker has reported in" in sentence(created_at=utcnow() - timedelta(minutes=1))
    assert "being read right now" in sentence(lease_until=soon, deaths=1)
    assert "being read alone, because 1 worker ended" in sentence(deaths=2)
    assert "reading it failed twice, and it goes again" in sentence(problem="It failed.")


def test_reports_and_repeats_go_no_further_than_the_archive(
    alice: Any, box: Any, work_off: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_route(alice, box, actions=[make_action(alice, "forward", to=["kontor@revisor.example"])])
    monkeypatch.setitem(pipeline._looks, "return", lambda copies: {one.id: "It is a report." for one in copies if one.subject == "Bounce"})
    taken, other = (make_mail(box, subject=subject, read=False) for subject in ("Bounce", "Order"))
    work_off()
    assert (fresh(taken).state, fresh(taken).folder, fresh(other).folder) == ("processed", None, "INBOX")
    assert (runs_of(taken), [run.status for run in runs_of(other)]) == ([], ["success"])
    assert "It is a report." in [step.text for step in service.timeline(alice.actor, fresh(taken))]


def test_a_mail_that_a_person_sends_through_again_keeps_the_story_of_its_first_way(alice: Any, box: Any, work_off: Any) -> None:
    message = make_mail(box, read=False)
    park(message)
    parked.read_again(alice.actor, message.id)
    work_off()
    assert [entry.step for entry in journal.read(fresh(message).journal)] == ["parked", "again", "read", "filed"]
