"""The home page: real state, bounded work, nothing that leads nowhere."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from markupsafe import escape
from sqlalchemy import event, update

from tests.factories.automation import make_route
from tests.factories.domains import make_domain
from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail
from tests.factories.sending import make_outgoing, use_transport
from webapp.accounts.models_security import SecondFactor
from webapp.automation.models_runs import RouteDay
from webapp.core import rollups
from webapp.core.counters import Counter
from webapp.core.db import db, utcnow
from webapp.dashboard import service
from webapp.dashboard.keys import KEYS
from webapp.tokens import service as tokens
from webapp.tokens.models import ApiToken


def steps(person: Any) -> dict[str, str]:
    return {step.title: step.state for step in service.look(person.actor).steps}


def figure(person: Any, name: str) -> Any:
    return next((item["value"] for item in service.look(person.actor).figures if item["name"] == name), None)


def test_a_fresh_workspace_has_everything_to_do(eve: Any) -> None:
    assert steps(eve) == {
        "Receive a mail": "todo", "Send a mail": "todo", "Create a token": "next", "Make a route": "todo", "Add a domain": "todo",
        "Invite people": "todo", "Turn on second factor": "todo",
    }  # fmt: skip
    page = eve.page.get("/").get_data(as_text=True)
    assert "0 of 7 done" in page and 'href="/domains/new"' in page and 'href="/members/invite"' in page
    make_domain(eve, "evil.test")
    assert 'href="/mailboxes/new"' in eve.page.get("/").get_data(as_text=True)


def test_the_second_factor_is_a_step_of_the_person_who_looks(alice: Any, bob: Any) -> None:
    db.session.add(SecondFactor(user_id=alice.user.id, seed="JBSWY3DPEHPK3PXP", last_step=0, created_at=utcnow()))
    assert steps(alice)["Turn on second factor"] == "done" and steps(bob)["Turn on second factor"] == "todo"
    assert 'href="/profile/second-factor"' in bob.page.get("/").get_data(as_text=True)


def test_each_step_is_done_by_the_thing_itself(app: Any, alice: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:9")
    make_domain(alice, "waiting.test", verified=False)
    assert steps(alice)["Add a domain: waiting.test"] == "next" and steps(alice)["Invite people"] == "done"
    mailbox = make_mailbox(alice, "orders@acme.test")
    assert steps(alice)["Add a domain"] == "done" and steps(alice)["Receive a mail"] == "next"
    make_mail(mailbox, subject="<b>Welcome</b>")
    make_route(alice, mailbox)
    make_outgoing(alice, mailbox=mailbox)
    alice.api.get("/me")
    found = steps(alice)
    assert found["Receive a mail"] == found["Make a route"] == found["Create a token"] == "done" and found["Send a mail"] == "next"
    use_transport(app, "capture")
    make_outgoing(alice, mailbox=mailbox)
    assert steps(alice)["Send a mail"] == "done"
    page = alice.page.get("/").get_data(as_text=True)
    assert "&lt;b&gt;Welcome" in page and "<b>Welcome" not in page


def test_numbers_that_matter_come_from_the_rows(app: Any, alice: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:9")
    assert [figure(alice, name) for name in ("Waiting to leave", "Failing routes", "Domains with problems", "Tokens to rotate")] == [
        0,
        0,
        0,
        0,
    ]
    mailbox = make_mailbox(alice, "orders@acme.test")
    make_outgoing(alice, "a@example.org", "b@example.org", mailbox=mailbox)
    make_domain(alice, "waiting.test", verified=False)
    token, _ = tokens.create_token(alice.actor, name="Soon", kind="ops", scopes=["domains:read"], expires_in=86400)
    route = make_route(alice, mailbox)
    db.session.add(RouteDay(route_id=route.id, day=utcnow().date(), status="failed", number=3))
    db.session.commit()
    assert figure(alice, "Waiting to leave") == 2 and figure(alice, "Oldest waiting")
    assert [figure(alice, name) for name in ("Failing routes", "Domains with problems", "Tokens to rotate")] == [1, 1, 1]
    db.session.execute(update(RouteDay).values(day=(utcnow() - timedelta(days=2)).date()))
    db.session.execute(update(ApiToken).where(ApiToken.id == token.id).values(expires_at=utcnow() + timedelta(days=60)))
    db.session.commit()
    assert [figure(alice, name) for name in ("Failing routes", "Tokens to rotate")] == [0, 0]


def test_another_workspace_adds_nothing(alice: Any, eve: Any) -> None:
    mailbox = make_mailbox(eve, "orders@evil.test")
    make_mail(mailbox)
    make_outgoing(eve, mailbox=mailbox)
    assert steps(alice)["Add a domain"] == "todo" and figure(alice, "Waiting to leave") == 0
    assert service.look(alice.actor).chart.received == 0 and service.look(eve.actor).chart.received == 1
    assert "evil" not in alice.page.get("/").get_data(as_text=True)


def test_activity_is_for_admins_and_the_fragment_refreshes_itself(alice: Any, carol: Any) -> None:
    assert "Recent activity" in alice.page.get("/").get_data(as_text=True)
    assert "Recent activity" not in carol.page.get("/").get_data(as_text=True)
    fragment = alice.page.get("/", htmx=True)
    assert "<html" not in fragment.get_data(as_text=True) and "First steps" in fragment.get_data(as_text=True)
    assert fragment.headers["Vary"].count("HX-Request") == 1


def test_buttons_stand_there_only_for_those_who_may(carol: Any) -> None:
    page = carol.page.get("/").get_data(as_text=True)
    assert "/domains/new" not in page and "/tokens/new" not in page


def test_captured_mail_is_said_on_every_page(alice: Any) -> None:
    for page in ("/", "/tokens", "/profile"):
        assert "Outgoing mail is captured" in alice.page.get(page).get_data(as_text=True), page


def test_the_number_of_queries_does_not_grow_with_the_data(alice: Any) -> None:
    def count() -> int:
        seen: list[str] = []
        note = lambda *args: seen.append(args[2])  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", note)
        try:
            service.look(alice.actor)
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
        return sum("SELECT" in statement for statement in seen)

    mailbox = make_mailbox(alice, "orders@acme.test")
    make_mail(mailbox)
    make_outgoing(alice, mailbox=mailbox)
    few = count()
    for number in range(5):
        make_mail(mailbox, subject=f"Mail {number}")
        make_outgoing(alice, f"c{number}@example.org", mailbox=mailbox)
    assert count() == few <= 25


def test_a_sample_arrives_on_request_and_the_step_is_done(alice: Any, carol: Any, work_off: Any) -> None:
    refused = alice.page.post("/sample-mail")
    assert refused.status_code == 303 and "No mailbox takes mail yet" in alice.page.get("/").get_data(as_text=True)
    make_mailbox(alice, "orders@acme.test")
    assert "Send me a sample" in alice.page.get("/").get_data(as_text=True)
    assert carol.page.post("/sample-mail").status_code == 403
    answer = alice.page.post("/sample-mail", htmx=True)
    assert answer.status_code == 201 and "messages-changed" in answer.headers["HX-Trigger"]
    work_off()
    found = alice.api.get("/search", query_string={"q": "2026-0042"}).json["data"]["groups"]
    assert [group["kind"] for group in found] == ["mail"] and found[0]["items"][0]["name"] == "Sample: your invoice 2026-0042"
    assert steps(alice)["Receive a mail"] == "done"


def test_the_chart_says_in_words_what_it_draws(alice: Any) -> None:
    assert service.look(alice.actor).chart.sentence == "No mail came or went within the last 24 hours."
    mailbox = make_mailbox(alice, "orders@acme.test")
    for number in range(3):
        make_mail(mailbox, subject=f"Mail {number}")
    chart = service.look(alice.actor).chart
    assert (chart.received, chart.sent, len(chart.bars), chart.top) == (3, 0, 1, 4)
    page = alice.page.get("/").get_data(as_text=True)
    assert f'aria-label="{chart.sentence}"' in page and "3 received" in page


def test_the_bounce_rate_is_that_of_seven_days_and_needs_enough_mail(alice: Any) -> None:
    assert figure(alice, "Bounce rate, 7 days") == "–"
    rollups.note("day", alice.workspace.id, "sent", 97)
    rollups.note("day", alice.workspace.id, "bounced", 3)
    db.session.commit()
    found = next(item for item in service.look(alice.actor).figures if item["name"].startswith("Bounce"))
    assert (found["value"], found["max"], found["tone"]) == (3.0, 2.0, "bad")
    assert 'role="meter"' in alice.page.get("/").get_data(as_text=True)


def test_old_hours_are_forgotten_and_recent_ones_stay(alice: Any) -> None:
    db.session.add(Counter(workspace_id=alice.workspace.id, name=rollups.name("hour", utcnow() - timedelta(days=9), "sent"), number=5))
    rollups.note("hour", alice.workspace.id, "sent", 2)
    db.session.commit()
    assert rollups.forget([alice.workspace.id]) == 1
    assert rollups.read(alice.workspace.id, "hour", 24, ["sent"])[-1].numbers == {"sent": 2}


def test_what_a_rolled_back_transaction_noted_does_not_count(alice: Any) -> None:
    make_domain(alice, "gone.test", commit=False)
    rollups.note("hour", alice.workspace.id, "sent", 2)
    db.session.rollback()
    db.session.commit()
    assert rollups.read(alice.workspace.id, "hour", 1, ["sent"])[0].numbers == {"sent": 0}


def test_every_key_in_the_help_is_heard_by_the_script(app: Any, alice: Any) -> None:
    script = (Path(app.static_folder) / "mailroom.js").read_text()
    page = alice.page.get("/keys")
    assert page.status_code == 200 and alice.page.get("/keys", htmx=True).get_data(as_text=True).count("<dialog") == 1
    for title, lines in KEYS:
        for pressed, what in lines:
            assert escape(what) in page.get_data(as_text=True)
            if title == "Go to":
                assert re.search(rf"\b{pressed[-1]}: \"/", script), pressed
            elif len(pressed) == 1 and pressed.isascii():
                assert f'event.key === "{pressed}"' in script, pressed
