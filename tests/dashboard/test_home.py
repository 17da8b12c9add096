"""The home page: real state, bounded work, nothing that leads nowhere."""

from datetime import timedelta
from typing import Any

from sqlalchemy import event, update

from tests.factories.automation import make_route
from tests.factories.domains import make_domain
from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail
from tests.factories.sending import make_outgoing, use_transport
from webapp.accounts.models_security import SecondFactor
from webapp.automation.models_runs import Run
from webapp.core.db import db, utcnow
from webapp.dashboard import service
from webapp.tokens import service as tokens
from webapp.tokens.models import ApiToken


def steps(person: Any) -> dict[str, str]:
    return {step.title: step.state for step in service.look(person.actor).steps}


def figure(person: Any, name: str) -> Any:
    return next((item["value"] for item in service.look(person.actor).figures if item["name"] == name), None)


def test_a_fresh_workspace_has_everything_to_do(eve: Any) -> None:
    assert steps(eve) == {
        "Add a domain": "todo", "Add a mailbox": "todo", "Receive a mail": "todo", "Make a route": "todo", "Send a mail": "todo",
        "Create a token": "next", "Turn on second factor": "todo",
    }  # fmt: skip
    page = eve.page.get("/").get_data(as_text=True)
    assert "0 of 7 done" in page and 'href="/domains/new"' in page and 'href="/mailboxes/new"' in page


def test_the_second_factor_is_a_step_of_the_person_who_looks(alice: Any, bob: Any) -> None:
    db.session.add(SecondFactor(user_id=alice.user.id, seed="JBSWY3DPEHPK3PXP", last_step=0, created_at=utcnow()))
    assert steps(alice)["Turn on second factor"] == "done" and steps(bob)["Turn on second factor"] == "todo"
    assert 'href="/profile/second-factor"' in bob.page.get("/").get_data(as_text=True)


def test_each_step_is_done_by_the_thing_itself(app: Any, alice: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:9")
    make_domain(alice, "waiting.test", verified=False)
    assert steps(alice)["Add a domain"] == "next"
    mailbox = make_mailbox(alice, "orders@acme.test")
    assert steps(alice)["Add a domain"] == "done" and steps(alice)["Add a mailbox"] == "done" and steps(alice)["Receive a mail"] == "next"
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
    db.session.add(Run(workspace_id=alice.workspace.id, mailbox_id=mailbox.id, route_id=route.id, route_name=route.name, status="failed"))
    db.session.commit()
    assert figure(alice, "Waiting to leave") == 2 and figure(alice, "Oldest waiting")
    assert [figure(alice, name) for name in ("Failing routes", "Domains with problems", "Tokens to rotate")] == [1, 1, 1]
    db.session.execute(update(Run).values(created_at=utcnow() - timedelta(hours=25)))
    db.session.execute(update(ApiToken).where(ApiToken.id == token.id).values(expires_at=utcnow() + timedelta(days=60)))
    db.session.commit()
    assert [figure(alice, name) for name in ("Failing routes", "Tokens to rotate")] == [0, 0]


def test_another_workspace_adds_nothing(alice: Any, eve: Any) -> None:
    mailbox = make_mailbox(eve, "orders@evil.test")
    make_mail(mailbox)
    make_outgoing(eve, mailbox=mailbox)
    assert steps(alice)["Add a domain"] == "todo" and figure(alice, "Waiting to leave") == 0
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
    assert count() == few <= 20
