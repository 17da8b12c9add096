"""From a mail to what its routes did: evaluation, filing, order, retries (reference/mailtrigger.md section 6)."""

from typing import Any

import pytest

from tests.factories.automation import Noting, arrive, attempts_of, make_action, make_due, make_route, make_rule, runs_of, steps_of
from tests.factories.domains import make_domain
from tests.factories.mailboxes import make_mailbox
from webapp.automation import actions, runs
from webapp.automation.actions import Result
from webapp.automation.models import MOST_TIMEOUTS, Rule
from webapp.automation.models_runs import RoutePlan
from webapp.core.db import db
from webapp.core.http_guard import HttpAnswer
from webapp.core.outside import Outside
from webapp.messages.models import Message


@pytest.fixture
def box(alice: Any) -> Any:
    return make_mailbox(alice, "books@acme.test")


@pytest.fixture
def noting() -> Any:
    yield actions.register(Noting())
    actions._types.pop("noting")


def folder_of(message: Message) -> str | None:
    db.session.expire_all()
    return db.session.get_one(Message, message.id).folder


def test_a_matching_route_runs_its_actions_and_the_log_tells_it(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    rule, action = make_rule(alice, name="Names an invoice"), make_action(alice)
    route = make_route(alice, box, rules=[rule], actions=[action])
    message = arrive(box, subject="Invoice 7")
    work_off()
    (run,) = runs_of(message)
    assert (run.status, run.matched, run.route_version, run.route_id) == ("success", True, 1, route.id)
    assert run.verdicts[0]["matched"] is True and "Invoice" in run.verdicts[0]["excerpt"]
    (step,) = steps_of(run)
    assert (step.status, step.attempts, step.type) == ("success", 1, "webhook")
    (attempt,) = attempts_of(run)
    assert attempt.outcome == "success" and attempt.status_code == 200 and attempt.request["url"] == "https://hooks.example.com/in"
    assert folder_of(message) == "INBOX"
    assert len(outside.http.sent) == 1


def test_a_mail_that_no_route_matches_leaves_no_log_unless_the_mailbox_is_verbose(alice: Any, box: Any, work_off: Any) -> None:
    make_route(alice, box, rules=[make_rule(alice)])
    quiet = arrive(box, subject="Lunch")
    work_off()
    assert runs_of(quiet) == [] and folder_of(quiet) == "INBOX"
    box.log_level = "verbose"
    db.session.commit()
    told = arrive(box, subject="Lunch")
    work_off()
    (run,) = runs_of(told)
    assert run.status == "skipped" and run.matched is False and run.verdicts[0]["matched"] is False


def test_a_mailbox_without_routes_has_nothing_to_wait_for(alice: Any, box: Any) -> None:
    message = arrive(box)
    assert db.session.query(RoutePlan).count() == 0 and folder_of(message) == "INBOX"


def test_routes_of_an_unverified_domain_do_not_run_and_that_is_noted(alice: Any, work_off: Any) -> None:
    box = make_mailbox(alice, domain=make_domain(alice, "new.test", verified=False))
    make_route(alice, box)
    message = arrive(box)
    work_off()
    (run,) = runs_of(message)
    assert run.status == "skipped" and "not verified" in (run.error or "")
    assert folder_of(message) == "INBOX"


def test_a_quarantined_mail_runs_no_action(alice: Any, box: Any, work_off: Any) -> None:
    make_route(alice, box, actions=[make_action(alice)])
    message = arrive(box, columns={"quarantined": True})
    work_off()
    assert [run.status for run in runs_of(message)] == ["quarantined"]


def test_a_route_without_actions_absorbs_the_mail_and_it_shows_in_no_folder_before(alice: Any, box: Any, work_off: Any) -> None:
    make_route(alice, box, rules=[make_rule(alice)])
    matched, other = arrive(box, subject="Invoice"), arrive(box, subject="Lunch")
    assert folder_of(matched) is None and folder_of(other) is None
    work_off()
    assert folder_of(matched) is None and folder_of(other) == "INBOX"
    assert [run.status for run in runs_of(matched)] == ["success"]


def test_drop_absorbs_when_it_runs_and_other_actions_do_not(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    make_route(alice, box, rules=[make_rule(alice)], actions=[make_action(alice), make_action(alice, "drop")])
    matched, other = arrive(box, subject="Invoice"), arrive(box, subject="Lunch")
    assert folder_of(other) is None
    work_off()
    assert folder_of(matched) is None and folder_of(other) == "INBOX"


def test_a_drop_that_is_never_reached_lets_the_mail_into_its_folder(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    outside.http.script = [400]
    make_route(alice, box, actions=[make_action(alice, on_error="stop"), make_action(alice, "drop")])
    message = arrive(box)
    work_off()
    (run,) = runs_of(message)
    assert run.status == "failed" and [step.status for step in steps_of(run)] == ["failed", "skipped"]
    assert folder_of(message) == "INBOX"


def test_routes_run_by_position_each_on_its_own_copy(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    change = make_action(alice, "change_mail", subject_prefix="[A]")
    first = make_route(alice, box, actions=[change, make_action(alice)], position=5)
    second = make_route(alice, box, actions=[make_action(alice)], position=1)
    message = arrive(box, subject="Hello")
    work_off()
    bodies = [sent.body.decode() for sent in outside.http.sent]
    assert [run.route_id for run in runs_of(message)] == [second.id, first.id]
    assert sorted('"subject": "[A] Hello"' in body for body in bodies) == [False, True]


def test_stop_on_match_ends_the_walk(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    make_route(alice, box, actions=[make_action(alice)], stop_on_match=True)
    make_route(alice, box, actions=[make_action(alice)])
    message = arrive(box)
    work_off()
    assert len(runs_of(message)) == 1


def test_pass_to_next_false_ends_the_route_as_a_success(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    first, second = make_action(alice, pass_to_next=False), make_action(alice)
    make_route(alice, box, actions=[first, second])
    make_route(alice, box, actions=[{"action_id": first.id, "pass_to_next": True}, second])
    message = arrive(box)
    work_off()
    ended, went_on = runs_of(message)
    assert ended.status == "success" and [step.status for step in steps_of(ended)] == ["success", "skipped"]
    assert [step.status for step in steps_of(went_on)] == ["success", "success"]


def test_a_delivering_action_that_fails_lets_the_others_run_and_the_route_is_failed(
    alice: Any, box: Any, outside: Outside, work_off: Any
) -> None:
    outside.http.script = [404, 200]
    make_route(alice, box, actions=[make_action(alice), make_action(alice)])
    message = arrive(box)
    work_off()
    (run,) = runs_of(message)
    assert run.status == "failed" and [step.status for step in steps_of(run)] == ["failed", "success"]
    assert "404" in (run.error or "")


def test_an_answer_that_was_to_be_attached_stops_the_route_when_it_fails(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    outside.http.script = [404]
    make_route(alice, box, actions=[make_action(alice, attach_to_mail=True), make_action(alice)])
    message = arrive(box)
    work_off()
    (run,) = runs_of(message)
    assert [step.status for step in steps_of(run)] == ["failed", "skipped"]


def test_a_rule_that_goes_wrong_fails_the_route_and_runs_no_action(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    rule = make_rule(alice, name="Odd")
    make_route(alice, box, rules=[rule], actions=[make_action(alice)])
    db.session.query(Rule).filter_by(id=rule.id).update({"type": "gone"})
    db.session.commit()
    message = arrive(box, subject="Invoice")
    work_off()
    (run,) = runs_of(message)
    assert run.status == "failed" and "Odd" in (run.error or "") and outside.http.sent == []
    assert folder_of(message) == "INBOX"


def test_c18_a_rule_that_is_always_too_slow_is_switched_off_with_a_notice(alice: Any, box: Any, work_off: Any) -> None:
    slow = make_rule(alice, type="regex", value=r"^(?=a)(?:a|aa)+[bc]")
    make_route(alice, box, rules=[slow], actions=[make_action(alice)])
    for _ in range(MOST_TIMEOUTS):
        arrive(box, subject="a" * 400 + "!c")
    work_off()
    db.session.expire_all()
    assert "Switched off" in (db.session.get_one(Rule, slow.id).problem or "")
    assert {run.status for run in runs_of()} == {"failed"}
    late = arrive(box, subject="a" * 400 + "!c")
    work_off()
    assert "Switched off" in (runs_of(late)[0].error or "") and folder_of(late) == "INBOX"


def test_a_transient_failure_comes_again_with_growing_waits_and_the_same_delivery(
    alice: Any, box: Any, outside: Outside, work_off: Any
) -> None:
    outside.http.script = [503, HttpAnswer(error="No answer.", error_kind="timeout"), 200]
    make_route(alice, box, actions=[make_action(alice)])
    message = arrive(box)
    work_off()
    (run,) = runs_of(message)
    first_wait = (run.next_attempt_at - run.updated_at).total_seconds()
    assert run.status == "running" and 9 < first_wait < 12
    make_due()
    work_off()
    (run,) = runs_of(message)
    assert 59 < (run.next_attempt_at - run.updated_at).total_seconds() < 67
    make_due()
    work_off()
    (run,) = runs_of(message)
    assert run.status == "success" and [attempt.outcome for attempt in attempts_of(run)] == ["retry", "retry", "success"]
    sent = outside.http.sent
    assert len({request.headers["x-mailroom-delivery"] for request in sent}) == 1
    assert [request.headers["x-mailroom-attempt"] for request in sent] == ["1", "2", "3"]


def test_retry_after_is_respected_up_to_an_hour(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    asking = [HttpAnswer(status=status, headers=[("retry-after", wait)]) for status, wait in ((429, "120"), (503, "999999"))]
    outside.http.script = list(asking)
    make_route(alice, box, actions=[make_action(alice)])
    message = arrive(box)
    work_off()
    (run,) = runs_of(message)
    assert 118 < (run.next_attempt_at - run.updated_at).total_seconds() < 125
    make_due()
    work_off()
    (run,) = runs_of(message)
    assert 3590 < (run.next_attempt_at - run.updated_at).total_seconds() < 3605


def test_attempts_end_at_max_attempts(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    outside.http.script = [500, 500, 500]
    make_route(alice, box, actions=[make_action(alice, max_attempts=2)])
    message = arrive(box)
    work_off()
    make_due()
    work_off()
    (run,) = runs_of(message)
    assert run.status == "failed" and "Given up after 2 attempts" in (run.error or "") and len(outside.http.sent) == 2


def test_a_retried_route_goes_on_at_the_failing_action(alice: Any, box: Any, noting: Noting, work_off: Any) -> None:
    noting.answers = [Result("success"), Result("retry", error="Busy."), Result("success"), Result("success")]
    step = {"action_id": make_action(alice, "noting").id}
    make_route(alice, box, actions=[step, step, step])
    message = arrive(box)
    work_off()
    make_due()
    work_off()
    (run,) = runs_of(message)
    assert [(s.status, s.attempts) for s in steps_of(run)] == [("success", 1), ("success", 2), ("success", 1)]
    assert len(noting.seen) == 4


def test_c20_a_run_follows_the_route_as_it_was_when_it_matched(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    outside.http.script = [503]
    action = make_action(alice)
    route = make_route(alice, box, rules=[make_rule(alice)], actions=[action])
    message = arrive(box, subject="Invoice")
    work_off()
    alice.api.patch(f"/actions/{action.id}", json={"parameters": {"url": "https://other.example.com/"}})
    alice.api.delete(f"/routes/{route.id}")
    make_due()
    work_off()
    (run,) = runs_of(message)
    assert run.status == "success" and run.route_version == 1
    assert [sent.url for sent in outside.http.sent] == ["https://hooks.example.com/in"] * 2
    assert run.snapshot["rules"][0]["value"] == "Invoice"


def test_an_action_type_that_breaks_fails_its_step_alone(alice: Any, box: Any, noting: Noting, outside: Outside, work_off: Any) -> None:
    noting.perform = lambda context: 1 / 0  # type: ignore[method-assign]
    make_route(alice, box, actions=[make_action(alice, "noting"), make_action(alice)])
    message = arrive(box)
    work_off()
    (run,) = runs_of(message)
    assert run.status == "failed" and "ZeroDivisionError" in (run.error or "") and len(outside.http.sent) == 1


def test_one_run_for_a_mail_and_route_however_often_the_job_comes(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    make_route(alice, box, actions=[make_action(alice)])
    message = arrive(box)
    work_off()
    work_off()
    make_due()
    work_off()
    assert len(runs_of(message)) == 1 and len(outside.http.sent) == 1


def test_mail_for_two_mailboxes_is_handled_once_for_each(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    other = make_mailbox(alice, "shop@acme.test")
    for mailbox in (box, other):
        make_route(alice, mailbox, actions=[make_action(alice)])
        arrive(mailbox)
    work_off()
    assert [run.mailbox_id for run in runs_of()] == [box.id, other.id]


def test_outgoing_routes_see_sent_mail_only(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    make_route(alice, box, name="in", actions=[make_action(alice)])
    make_route(alice, box, name="out", actions=[make_action(alice)], direction="outgoing")
    make_route(alice, box, name="all", actions=[make_action(alice)], direction="both")
    received, sent = arrive(box), arrive(box, direction="sent")
    work_off()
    assert [run.route_name for run in runs_of(received)] == ["in", "all"]
    assert [run.route_name for run in runs_of(sent)] == ["out", "all"]


def test_a_disabled_route_never_runs(alice: Any, box: Any, work_off: Any) -> None:
    make_route(alice, box, enabled=False)
    message = arrive(box)
    work_off()
    assert runs_of(message) == [] and folder_of(message) == "INBOX"


def test_replay_runs_the_routes_again_as_new_runs(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    make_route(alice, box, actions=[make_action(alice)])
    message = arrive(box)
    work_off()
    asked = runs.replay(alice.actor, box.id, message.id)
    db.session.commit()
    work_off()
    first, again = runs_of(message)
    assert (first.round, again.round, again.status) == (0, 1, "success") and [run.id for run in asked.runs] == [again.id]
    assert len(outside.http.sent) == 2
