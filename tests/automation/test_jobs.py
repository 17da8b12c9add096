"""Budgets, retention, and the outgoing side."""

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from tests.factories.automation import Noting, arrive, make_action, make_route, runs_of, steps_of
from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail
from webapp.automation import actions, evaluation, jobs, steps, story
from webapp.automation.models_runs import RoutePlan, Run
from webapp.core import events
from webapp.core.db import db, utcnow
from webapp.core.outside import Outside


def test_a_job_whose_time_is_up_leaves_the_rest_to_the_next_one(alice: Any, work_off: Any) -> None:
    box = make_mailbox(alice)
    noting = actions.register(Noting())
    try:
        step = {"action_id": make_action(alice, "noting").id}
        make_route(alice, box, actions=[step, step])
        message = arrive(box)
        evaluation.work(float("inf"))
        owner_gone = steps._begin(steps.leases.claim(Run, Run.id > 0, limit=1, lease_s=30, order=Run.id, owner="me")[0], "me", 0.0)
        db.session.commit()
        assert steps._attempt(owner_gone) is None and len(noting.seen) == 1
        (run,) = runs_of(message)
        assert run.lease_until is None and run.next_attempt_at is not None and [s.status for s in steps_of(run)] == ["success", "waiting"]
        work_off()
        assert runs_of(message)[0].status == "success" and len(noting.seen) == 2
    finally:
        actions._types.pop("noting")


def test_plans_beyond_the_time_are_given_back_at_once(alice: Any, work_off: Any) -> None:
    box = make_mailbox(alice)
    make_route(alice, box)
    for _ in range(3):
        arrive(box)
    assert evaluation.work(0.0) is False, "no time at all: nothing is even claimed"
    ids = evaluation._claim("me")
    evaluation._give_back(ids[1:], "me")
    db.session.expire_all()
    assert [plan.deaths for plan in db.session.query(RoutePlan).order_by(RoutePlan.id)] == [1, 0, 0]
    work_off()
    assert len(runs_of()) == 2


def test_logs_go_after_ninety_days_and_what_waits_stays(alice: Any, outside: Outside, work_off: Any) -> None:
    outside.http.script = [200, 503]
    box = make_mailbox(alice)
    make_route(alice, box, actions=[make_action(alice)])
    done, waiting = arrive(box), arrive(box)
    work_off()
    db.session.execute(update(Run).values(created_at=utcnow() - timedelta(days=91)))
    db.session.commit()
    jobs.forget_old()
    assert runs_of(done) == [] and len(runs_of(waiting)) == 1


def test_submitted_mail_runs_the_outgoing_routes_of_its_mailbox(alice: Any, outside: Outside, work_off: Any) -> None:
    box = make_mailbox(alice)
    make_route(alice, box, name="out", actions=[make_action(alice)], direction="outgoing")
    message = make_mail(box, direction="sent", subject="To a customer")
    events.send("mail_submitted", message_id=message.id)
    work_off()
    (run,) = runs_of(message)
    assert (run.status, run.direction, run.subject) == ("success", "sent", "To a customer")
    assert b'"event": "mail.sent"' in outside.http.sent[0].body


def test_the_timeline_of_a_mail_tells_what_its_routes_did(alice: Any, outside: Outside, work_off: Any) -> None:
    outside.http.script = [404]
    box = make_mailbox(alice)
    make_route(alice, box, name="Orders", actions=[make_action(alice)])
    message = arrive(box)
    assert story.clause(alice.actor, message) == "its routes are about to be evaluated"
    work_off()
    (step,) = story.steps(alice.actor, message)
    assert "Orders" in step.title and step.state == "failed" and "404" in step.text
    assert story.clause(alice.actor, message) == "1 route failed"
