"""A forgotten password: one answer for every address, the link by mail, and everything that ends when it is used."""

from datetime import timedelta
from statistics import median
from time import monotonic, perf_counter
from typing import Any

import pytest
from sqlalchemy import event, select

from tests.accounts.coming_in import links_to, plain_body, sources, stranger, with_transport
from tests.people import PASSWORD, PageClient
from webapp.accounts import links, passwords, resets, throttle
from webapp.accounts.models import OneTimeLink, ResetRequest, User
from webapp.audit.models import AuditEntry
from webapp.core import queue
from webapp.core.db import begin_writing, db, utcnow

NEW = "a brand new passphrase"


@pytest.fixture
def known(alice: Any) -> User:
    """Alice with a real password."""
    alice.user.password_hash = passwords.hash_password(PASSWORD)
    db.session.commit()
    return alice.user


@pytest.fixture
def leaving(app: Any) -> Any:
    """The application with a real transport."""
    with_transport(app)
    return app


def answer_requests() -> None:
    """What the job does."""
    db.session.commit()
    begin_writing()
    assert queue.drains[resets.DRAIN].due() and queue.drains[resets.DRAIN].work(monotonic() + 5)
    db.session.commit()


def forget_throttle(app: Any) -> None:
    app.extensions["redis"].flushdb()


def test_the_link_comes_by_mail_works_once_and_ends_every_session(leaving: Any, alice: Any, known: User) -> None:
    browser = stranger(leaving)
    assert "/forgot" in browser.get("/login").get_data(as_text=True)
    assert browser.post("/forgot", {"email": "Alice@ACME.test"}).status_code == 200
    assert sources("alice@acme.test") == [], "nothing is written while the page answers"
    answer_requests()
    (link,) = links_to("alice@acme.test")
    assert browser.post(link, {"password": "short"}).status_code == 422
    assert browser.post(link, {"password": NEW}).location == "/login"
    assert alice.page.get("/profile").status_code == 303, "signed out everywhere"
    assert browser.get(link).status_code == 404 and browser.post(link, {"password": "yet another passphrase"}).status_code == 404
    assert passwords.matches(db.session.get_one(User, known.id).password_hash, NEW)
    told = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "user.reset")).one()
    assert (told.result, told.target_name, told.ip) == ("done", "alice@acme.test", "127.0.0.1")


def test_a_forgotten_password_does_not_wait_for_the_throttle_once_it_is_set_anew(leaving: Any, alice: Any, known: User) -> None:
    browser = stranger(leaving)
    for _ in range(throttle.PER_ACCOUNT):
        browser.post("/login", {"email": "alice@acme.test", "password": "wrong but long enough"})
    assert browser.post("/login", {"email": "alice@acme.test", "password": PASSWORD}).status_code == 429
    browser.post("/forgot", {"email": "alice@acme.test"})
    answer_requests()
    browser.post(links_to("alice@acme.test")[0], {"password": NEW})
    assert browser.post("/login", {"email": "alice@acme.test", "password": NEW}).status_code == 303


def test_a_link_ends_after_an_hour_and_with_the_use_of_another(leaving: Any, alice: Any, known: User) -> None:
    browser = stranger(leaving)
    for _ in range(2):
        browser.post("/forgot", {"email": "alice@acme.test"})
    answer_requests()
    first, second = links_to("alice@acme.test")
    life = db.session.scalars(select(OneTimeLink)).first()
    assert life is not None and timedelta(minutes=59) < life.expires_at - utcnow() <= timedelta(hours=1)
    assert browser.get(first).status_code == browser.get(second).status_code == 200
    assert browser.post(second, {"password": NEW}).status_code == 303
    assert browser.get(first).status_code == 404
    browser.post("/forgot", {"email": "alice@acme.test"})
    answer_requests()
    third = links_to("alice@acme.test")[-1]
    db.session.scalars(select(OneTimeLink).where(OneTimeLink.used_at.is_(None))).one().expires_at = utcnow() - timedelta(seconds=1)
    db.session.commit()
    assert browser.get(third).status_code == 404


def test_a_stranger_who_asks_for_links_does_not_end_the_one_that_the_operator_gave(leaving: Any, alice: Any, known: User) -> None:
    given = links.reset_link("alice@acme.test", "http://localhost").removeprefix("http://localhost")
    db.session.commit()
    stranger(leaving).post("/forgot", {"email": "alice@acme.test"})
    answer_requests()
    assert stranger(leaving).get(given).status_code == 200


def test_c61_the_link_has_the_configured_base_whatever_the_request_says(leaving: Any, alice: Any, known: User) -> None:
    browser = stranger(leaving)
    forged = {"X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https", "X-Host": "evil.test", "Forwarded": "host=evil.test"}
    assert browser.post("/forgot", {"email": "alice@acme.test"}, headers=forged).status_code == 200
    evil = PageClient(leaving, None)
    evil.get("/login", headers={"Host": "evil.test"})
    evil.post("/forgot", {"email": "alice@acme.test"}, headers={"Host": "evil.test"})
    answer_requests()
    assert links_to("alice@acme.test") and not any(b"evil.test" in raw for raw in sources("alice@acme.test"))


def test_c65_known_unknown_and_suspended_addresses_get_the_same_answer_for_the_same_work(leaving: Any, people: Any, known: User) -> None:
    people["bob"].user.status = "suspended"
    db.session.commit()
    statements: list[str] = []
    note = lambda *args: statements.append(args[2].split()[0])  # noqa: E731
    event.listen(db.engine, "before_cursor_execute", note)
    seen = []
    try:
        for email in ("alice@acme.test", "nobody@acme.test", "bob@acme.test"):
            browser = stranger(leaving)
            statements.clear()
            answer = browser.post("/forgot", {"email": email})
            seen.append((answer.status_code, plain_body(answer), list(statements)))
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert seen[0][0] == 200 and "If that address has an account here" in seen[0][1]
    assert seen[0] == seen[1] == seen[2]
    answer_requests()
    assert len(sources("alice@acme.test")) == 1 and sources("nobody@acme.test") == sources("bob@acme.test") == []
    refused = db.session.scalars(select(AuditEntry.reason).where(AuditEntry.result == "refused").order_by(AuditEntry.id)).all()
    assert refused == ["the address has no account", "the account is suspended"]
    assert db.session.scalar(select(ResetRequest.id)) is None


def test_c65_asking_for_a_link_takes_the_same_time_for_both(leaving: Any, alice: Any, known: User) -> None:
    times: dict[str, list[float]] = {"alice@acme.test": [], "nobody@acme.test": []}
    browser = stranger(leaving)
    for _ in range(8):
        for email, taken in times.items():
            forget_throttle(leaving)
            began = perf_counter()
            assert browser.post("/forgot", {"email": email}).status_code == 200
            taken.append(perf_counter() - began)
    fast, slow = sorted(median(taken) for taken in times.values())
    assert slow < 4 * fast + 0.02, times


def test_c65_signing_in_takes_the_same_time_for_both(app: Any, alice: Any, known: User) -> None:
    """The hash is computed for an address that nobody has, too; without it the unknown one would be many times faster."""
    times: dict[str, list[float]] = {"alice@acme.test": [], "nobody@acme.test": []}
    browser = stranger(app)
    for _ in range(6):
        for email, taken in times.items():
            forget_throttle(app)
            began = perf_counter()
            assert browser.post("/login", {"email": email, "password": "wrong but long enough"}).status_code == 422
            taken.append(perf_counter() - began)
    fast, slow = sorted(median(taken) for taken in times.values())
    assert slow < 4 * fast + 0.02, times


def test_five_requests_for_one_address_close_it_for_a_while_known_or_not(leaving: Any, alice: Any, known: User) -> None:
    browser = stranger(leaving)
    for email in ("alice@acme.test", "nobody@acme.test"):
        for _ in range(throttle.PER_ACCOUNT):
            assert browser.post("/forgot", {"email": email}).status_code == 200
        closed = browser.post("/forgot", {"email": email})
        assert closed.status_code == 429 and "asked for too often" in closed.get_data(as_text=True)
    answer_requests()
    assert len(sources("alice@acme.test")) == throttle.PER_ACCOUNT


def test_text_that_is_no_address_is_said_to_be_none(leaving: Any, alice: Any) -> None:
    answer = stranger(leaving).post("/forgot", {"email": "not an address"})
    assert answer.status_code == 422 and 'value="not an address"' in answer.get_data(as_text=True)
    assert db.session.scalar(select(ResetRequest.id)) is None


def test_while_mail_is_captured_the_page_says_how_and_makes_no_link(app: Any, alice: Any, known: User) -> None:
    browser = stranger(app)
    for answer in (browser.get("/forgot"), browser.post("/forgot", {"email": "alice@acme.test"})):
        assert answer.status_code == 200 and "python app.py user reset" in answer.get_data(as_text=True)
    assert db.session.scalar(select(ResetRequest.id)) is None and not queue.drains[resets.DRAIN].due()


def test_two_workers_on_one_request_write_one_mail(leaving: Any, alice: Any, known: User) -> None:
    stranger(leaving).post("/forgot", {"email": "alice@acme.test"})
    row_id = db.session.scalars(select(ResetRequest.id)).one()
    resets.answer(row_id)
    resets.answer(row_id)
    assert len(links_to("alice@acme.test")) == 1


def test_the_operator_s_link_is_told_in_each_workspace_of_the_person(app: Any, alice: Any, bob: Any, eve: Any) -> None:
    links.reset_link("bob@acme.test", "http://localhost")
    db.session.commit()
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "user.reset")).one()
    assert (entry.workspace_id, entry.actor_type, entry.actor_name) == (alice.workspace.id, "system", "command line")
    assert alice.api.get("/audit-events?action=user.reset").json["data"][0]["target"]["name"] == "bob@acme.test"
