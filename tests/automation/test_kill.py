"""A worker may die at any moment: what is recorded never runs again, and the rest sees the mail as the finished actions left it."""

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.automation import killing
from tests.factories.automation import arrive, attempts_of, make_action, make_due, make_route, runs_of, steps_of
from tests.factories.mailboxes import make_mailbox
from webapp.automation import data_rows, evaluation
from webapp.automation.models_runs import MOST_DEATHS, RoutePlan
from webapp.core.db import db
from webapp.core.http_guard import HttpClient
from webapp.core.outside import Outside
from webapp.mail import mime
from webapp.messages import store
from webapp.messages.models import Message
from webapp.sending.models import Outgoing

KILLED = -9


class Hook(http.server.BaseHTTPRequestHandler):
    """Answers every POST with the owner of a machine, and keeps what it got."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, dict(self.headers), body))  # type: ignore[attr-defined]
        answer = b'{"owner": "ines@lindgren.example"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: Any) -> None:
        return


@pytest.fixture
def hook(app: Any) -> Iterator[Any]:
    """A real server on loopback, which this installation may call."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.heard = []  # type: ignore[attr-defined]
    server.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    old: Outside = app.extensions["outside"]
    app.extensions["outside"] = Outside(HttpClient(["127.0.0.1"]), old.dns, old.smtp, old.clock)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def box(alice: Any) -> Any:
    return make_mailbox(alice, "books@acme.test")


@pytest.fixture
def five(alice: Any, box: Any, hook: Any) -> Any:
    """Five actions: data, another subject, a webhook whose answer is attached, a forward, a webhook that needs all of it."""
    body = {"subject": "$SUBJECT", "owner": "$ATTACHMENT1", "stage": "$DATA[stage]"}
    return make_route(alice, box, actions=[
        make_action(alice, "set_data", emails=["books@acme.test"], data={"stage": "seen"}),
        make_action(alice, "change_mail", subject="Changed: $SUBJECT"),
        make_action(alice, attach_to_mail=True, url=f"{hook.url}/owner"),
        make_action(alice, "forward", to=["kontor@revisor.example"]),
        make_action(alice, url=f"{hook.url}/last", body=body),
    ])  # fmt: skip


def check_story(message: Any, box: Any, hook: Any) -> None:
    (run,) = runs_of(message)
    assert run.status == "success" and [step.status for step in steps_of(run)] == ["success"] * 5
    assert [path for path, _, _ in hook.heard] == ["/owner", "/last"]
    last = json.loads(hook.heard[1][2])
    assert last == {"subject": "Changed: Hello", "owner": '{"owner": "ines@lindgren.example"}', "stage": "seen"}
    assert json.loads(hook.heard[0][2])["subject"] == "Changed: Hello"
    (outgoing,) = db.session.query(Outgoing).all()
    assert outgoing.subject == "Changed: Hello" and b"ines@lindgren.example" in _decoded(outgoing)
    assert data_rows.lookup(box.id, "books@acme.test") == {"stage": "seen"}
    assert b"Changed" not in store.raw_of(message)


def _decoded(outgoing: Outgoing) -> bytes:
    return b"".join(item.content for item in mime.parse(store.load_raw(outgoing.raw_id)).attachments)


def test_a_worker_killed_after_each_of_five_actions_repeats_none_and_the_rest_sees_the_changed_mail(
    app: Any, five: Any, box: Any, hook: Any
) -> None:
    message = arrive(box)
    for _ in range(5):
        assert killing.work_in_child(app, killing.die_after_record) == KILLED
        make_due()
    assert killing.work_in_child(app) == 0
    check_story(message, box, hook)
    (run,) = runs_of(message)
    assert sorted(a.outcome for a in attempts_of(run)) == ["success"] * 5 + ["uncertain"] * 4  # begun, and cut off before it was performed


def test_a_worker_killed_before_each_action_loses_nothing_and_doubles_nothing(app: Any, five: Any, box: Any, hook: Any) -> None:
    message = arrive(box)
    for _ in range(5):
        assert killing.work_in_child(app, killing.die_before_perform) == KILLED
        make_due()
        assert killing.work_in_child(app, killing.die_after_record) == KILLED
        make_due()
    assert killing.work_in_child(app) == 0
    check_story(message, box, hook)


def test_c19_killed_between_the_call_and_its_record_the_call_is_made_again_with_the_same_key_and_marked(
    app: Any, alice: Any, box: Any, hook: Any
) -> None:
    make_route(alice, box, actions=[make_action(alice, url=hook.url), make_action(alice, "forward", to=["a@b.example"])])
    message = arrive(box)
    assert killing.work_in_child(app, killing.die_before_record) == KILLED
    make_due()
    assert killing.work_in_child(app) == 0
    (run,) = runs_of(message)
    assert [(a.number, a.outcome) for a in attempts_of(run)][:2] == [(1, "uncertain"), (2, "success")]
    assert "may have run" in (attempts_of(run)[0].error or "")
    first, second = (headers for _, headers, _ in hook.heard)
    assert first["X-Mailroom-Delivery"] == second["X-Mailroom-Delivery"]
    assert (first["X-Mailroom-Attempt"], second["X-Mailroom-Attempt"]) == ("1", "2")


def test_what_happens_in_our_own_database_happens_once_even_when_the_worker_dies_before_the_record(app: Any, alice: Any, box: Any) -> None:
    make_route(alice, box, actions=[make_action(alice, "forward", to=["a@b.example"])])
    message = arrive(box)
    assert killing.work_in_child(app, killing.die_before_record) == KILLED
    make_due()
    assert killing.work_in_child(app) == 0
    assert db.session.query(Outgoing).count() == 1
    first = attempts_of(runs_of(message)[0])[0]
    assert (first.outcome, first.detail) == ("uncertain", "did not run")


def test_c26_an_action_that_kills_its_worker_is_parked_after_three_deaths_and_its_neighbours_go_on(
    app: Any, alice: Any, box: Any, hook: Any
) -> None:
    make_route(alice, box, actions=[make_action(alice, url=hook.url), make_action(alice, url=f"{hook.url}/never")])
    message = arrive(box, subject="Poison")
    for _ in range(MOST_DEATHS):
        assert killing.work_in_child(app, killing.die_before_perform) == KILLED
        make_due()
    neighbour = arrive(box, subject="Fine")
    assert killing.work_in_child(app) == 0
    (run,), (other,) = runs_of(message), runs_of(neighbour)
    assert run.status == "failed" and "died 3 times" in (run.error or "")
    assert [step.status for step in steps_of(run)] == ["failed", "skipped"]
    assert other.status == "success"


def test_c26_a_mail_whose_evaluation_kills_the_worker_is_parked_and_filed(app: Any, alice: Any, box: Any) -> None:
    make_route(alice, box)
    message = arrive(box, subject="Poison")
    judge = evaluation.judge
    try:
        evaluation.judge = lambda found: killing.die() if found.message.subject == "Poison" else judge(found)  # type: ignore[assignment,return-value]
        neighbours = [arrive(box, subject="Fine") for _ in range(3)]
        for _ in range(8):
            killing.work_in_child(app)
            make_due()
    finally:
        evaluation.judge = judge
    assert killing.work_in_child(app) == 0
    (run,) = runs_of(message)
    assert run.status == "failed" and "Parked" in (run.error or "")
    assert [r.status for other in neighbours for r in runs_of(other)] == ["success"] * 3
    assert db.session.query(RoutePlan).count() == 0
    assert db.session.get_one(Message, message.id).folder == "INBOX"


def test_two_workers_at_once_do_every_action_once(app: Any, alice: Any, box: Any, hook: Any) -> None:
    make_route(alice, box, actions=[make_action(alice, url=hook.url)])
    for number in range(12):
        arrive(box, subject=f"Mail {number}")
    results: list[int] = []
    threads = [threading.Thread(target=_drain, args=(app, results)) for _ in range(2)]
    db.session.commit()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == [0, 0]
    subjects = [json.loads(body)["subject"] for _, _, body in hook.heard]
    assert sorted(subjects) == sorted(f"Mail {number}" for number in range(12))
    assert {run.status for run in runs_of()} == {"success"}


def _drain(app: Any, results: list[int]) -> None:
    with app.app_context():
        killing.begin_writing()
        killing.queue.run_all()
        results.append(0)
