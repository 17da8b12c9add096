"""The way in and out: no enumeration, a throttle, sessions that end everywhere, links that work once."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import event, select

from tests.people import PASSWORD, PageClient
from webapp.accounts import links, passwords, service, throttle
from webapp.accounts.models import LoginSession, Membership, OneTimeLink, User
from webapp.audit.models import AuditEntry
from webapp.core.db import db, utcnow


@pytest.fixture
def browser(app: Any) -> PageClient:
    return PageClient(app, None)


@pytest.fixture
def known(alice: Any) -> User:
    """Alice with a real password."""
    alice.user.password_hash = passwords.hash_password(PASSWORD)
    db.session.commit()
    return alice.user


def sign_in(browser: PageClient, email: str, password: str, path: str = "/login") -> Any:
    browser.get("/login")
    page = browser.get(path).get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    return browser.post(path, {"email": email, "password": password, "csrf_token": token[1]}, headers={"X-CSRFToken": token[1]})


def cookie(browser: PageClient) -> str:
    found = browser.client.get_cookie("mailroom")
    assert found is not None
    return str(found.value)


def test_the_right_password_opens_the_home_page_and_is_audited(browser: PageClient, known: User) -> None:
    answer = sign_in(browser, "Alice@ACME.test", PASSWORD)
    assert answer.status_code == 303 and answer.location == "/"
    assert browser.get("/profile").status_code == 200
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "session.create")).one()
    assert (entry.result, entry.actor_name, entry.ip) == ("done", "alice@acme.test", "127.0.0.1")


def test_c65_a_wrong_password_and_an_unknown_address_get_the_same_answer_for_the_same_work(
    browser: PageClient, known: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    verify = passwords._hasher.verify

    class Counting:
        def verify(self, stored: str, given: str) -> bool:
            checked.append(stored)
            return bool(verify(stored, given))

    monkeypatch.setattr(passwords, "_hasher", Counting())
    statements: list[str] = []
    note = lambda *args: statements.append(args[2])  # noqa: E731
    event.listen(db.engine, "before_cursor_execute", note)
    seen = []
    sign_in(browser, "somebody@acme.test", "wrong but long enough")  # the first refusal of all begins the chain of its log
    checked.clear()
    try:
        for email in ("alice@acme.test", "nobody@acme.test", "not an address"):
            statements.clear()
            answer = sign_in(browser, email, "wrong but long enough")
            body = re.sub(r'value="[^"]*"|req_[0-9a-f]+|X-CSRFToken": "[^"]*"', "", answer.get_data(as_text=True))
            seen.append((answer.status_code, body, len(checked), [s.split()[0] for s in statements if "SELECT" in s]))
            checked.clear()
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert seen[0][0] == 422 and service.BAD_SIGN_IN in seen[0][1]
    assert seen[0] == seen[1], "a known address must cost and say the same as an unknown one"
    assert seen[2][:3] == seen[1][:3]


def test_failed_sign_ins_are_audited_without_the_password(browser: PageClient, known: User) -> None:
    sign_in(browser, "alice@acme.test", "my secret guess 123")
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.result == "refused")).one()
    assert (entry.workspace_id, entry.action, entry.target_name) == (0, "session.create", "alice@acme.test")
    assert "my secret guess" not in str(vars(entry))


def test_after_five_failures_even_the_right_password_waits_and_unknown_addresses_behave_alike(browser: PageClient, known: User) -> None:
    for email in ("alice@acme.test", "nobody@acme.test"):
        for _ in range(throttle.PER_ACCOUNT):
            assert sign_in(browser, email, "wrong but long enough").status_code == 422
        closed = sign_in(browser, email, PASSWORD)
        assert closed.status_code == 429 and "Too many failed attempts" in closed.get_data(as_text=True)
    assert db.session.scalar(select(LoginSession.id).where(LoginSession.user_agent.like("Werkzeug%"))) is None


def test_a_guesser_is_stopped_by_address_over_many_accounts(browser: PageClient, known: User) -> None:
    for number in range(throttle.PER_ADDRESS):
        sign_in(browser, f"user{number}@acme.test", "wrong but long enough")
    assert sign_in(browser, "another@acme.test", "wrong but long enough").status_code == 429


def test_c62_signing_in_gives_a_fresh_session_and_keeps_nothing_planted(browser: PageClient, known: User) -> None:
    with browser.client.session_transaction() as planted:
        planted["_user_id"] = "chosen by the attacker"
        planted["extra"] = "planted"
    before = cookie(browser)
    sign_in(browser, "alice@acme.test", PASSWORD)
    assert cookie(browser) != before
    with browser.client.session_transaction() as now:
        assert now["_user_id"] != "chosen by the attacker" and "extra" not in now


def test_c62_a_cookie_is_worthless_after_signing_out(app: Any, alice: Any) -> None:
    stolen = cookie(alice.page)
    assert alice.page.get("/profile").status_code == 200
    assert alice.page.post("/logout").status_code == 303
    thief = PageClient(app, None)
    thief.client.set_cookie("mailroom", stolen)
    assert thief.get("/profile").location.startswith("/login")


def test_c62_a_password_change_ends_every_other_session_and_keeps_this_one(app: Any, alice: Any, known: User) -> None:
    other = PageClient(app, None)
    sign_in(other, "alice@acme.test", PASSWORD)
    assert other.get("/profile").status_code == 200
    changed = alice.page.post("/profile/password", {"current": PASSWORD, "new": "another long passphrase"})
    assert changed.status_code == 303
    assert alice.page.get("/profile").status_code == 200
    assert other.get("/profile").status_code == 303
    assert sign_in(PageClient(app, None), "alice@acme.test", "another long passphrase").status_code == 303


def test_changing_the_password_needs_the_current_one_and_counts_failures(alice: Any, known: User) -> None:
    for _ in range(throttle.PER_ACCOUNT):
        assert alice.page.post("/profile/password", {"current": "wrong", "new": "another long passphrase"}).status_code == 422
    assert alice.page.post("/profile/password", {"current": PASSWORD, "new": "another long passphrase"}).status_code == 429
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "user.password", AuditEntry.result == "refused")).first()
    assert entry is not None and entry.actor_name == "alice@acme.test"


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("short", "12 to 128"),
        ("x" * 129, "12 to 128"),
        ("passwordpassword", "first that are guessed"),
        ("alice@acme.test", "first that are guessed"),
    ],
)
def test_bad_new_passwords_are_refused_with_the_rule(alice: Any, known: User, password: str, says: str) -> None:
    answer = alice.page.post("/profile/password", {"current": PASSWORD, "new": password})
    assert answer.status_code == 422 and says in answer.get_data(as_text=True)


def test_c62_losing_a_role_ends_the_sessions_of_that_person(alice: Any, bob: Any) -> None:
    member = db.session.scalars(select(Membership).where(Membership.user_id == bob.user.id)).one()
    assert bob.page.get("/").status_code == 200
    assert alice.page.post(f"/members/{member.id}", {"role": "viewer"}).status_code == 303
    assert bob.page.get("/").status_code == 303


def test_sessions_end_after_their_life_and_without_use(alice: Any) -> None:
    row = db.session.scalars(select(LoginSession).where(LoginSession.user_id == alice.user.id)).one()
    row.last_seen_at = utcnow() - timedelta(days=8)
    db.session.commit()
    assert alice.page.get("/profile").status_code == 303


def test_another_browser_can_be_signed_out_but_not_one_of_somebody_else(app: Any, alice: Any, bob: Any, known: User) -> None:
    other = PageClient(app, None)
    sign_in(other, "alice@acme.test", PASSWORD)
    rows = db.session.scalars(select(LoginSession).where(LoginSession.user_id == alice.user.id).order_by(LoginSession.id)).all()
    assert bob.page.post(f"/profile/sessions/{rows[-1].id}/end").status_code == 404
    assert alice.page.post(f"/profile/sessions/{rows[-1].id}/end").status_code == 303
    assert other.get("/profile").status_code == 303 and alice.page.get("/profile").status_code == 200


def test_the_cookie_is_httponly_and_lax(browser: PageClient, known: User) -> None:
    header = next(value for name, value in sign_in(browser, "alice@acme.test", PASSWORD).headers if name == "Set-Cookie")
    assert "HttpOnly" in header and "SameSite=Lax" in header


@pytest.mark.parametrize(
    "target", ["//evil.test", "/\\evil.test", "https://evil.test", "javascript:alert(1)", "/\t/evil.test", "\\\\evil.test", "/a\nb"]
)
def test_c60_after_signing_in_only_paths_of_ours_are_followed(app: Any, known: User, target: str) -> None:
    browser = PageClient(app, None)
    answer = sign_in(browser, "alice@acme.test", PASSWORD, f"/login?next={quote(target, safe='')}")
    assert answer.status_code == 303 and answer.location == "/"


def test_whoever_wanted_a_page_comes_back_to_it(app: Any, known: User) -> None:
    browser = PageClient(app, None)
    asked = browser.get("/tokens?kind=ops")
    assert asked.status_code == 303
    answer = sign_in(browser, "alice@acme.test", PASSWORD, asked.location)
    assert answer.location == "/tokens?kind=ops"


def test_a_htmx_request_without_a_session_sends_the_whole_page_to_sign_in(browser: PageClient, known: User) -> None:
    answer = browser.get("/tokens", htmx=True)
    assert answer.status_code == 200 and answer.headers["HX-Redirect"].startswith("/login")


def test_the_start_page_leads_to_set_up_then_to_sign_in(app: Any, browser: PageClient) -> None:
    assert browser.get("/").location == "/setup"
    assert "python app.py user create" in browser.get("/setup").get_data(as_text=True)


NEW_OWNER = {"name": "Maja", "workspace": "Lindgren Cycles", "email": "maja@posthuset.example", "password": "bicycles in the rain"}


def setup_path(app: Any) -> str:
    url = links.setup_url(app)
    assert url is not None and url.startswith("http://localhost/setup?key="), "links use the configured address (C-61)"
    return url.removeprefix("http://localhost")


def test_the_setup_link_makes_one_owner_and_then_is_dead(app: Any, browser: PageClient) -> None:
    path = setup_path(app)
    assert "Set up this Mailroom" in browser.get(path).get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(path).get_data(as_text=True))
    assert token
    made = browser.post(path, {**NEW_OWNER, "csrf_token": token[1]}, headers={"X-CSRFToken": token[1]})
    assert made.status_code == 303 and made.location == "/"
    assert "Lindgren Cycles" in browser.get("/").get_data(as_text=True)
    assert service.has_owner()
    late = PageClient(app, None)
    assert "is set up" in late.get(path).get_data(as_text=True)
    assert links.setup_url(app) is None


def test_a_wrong_setup_link_is_no_way_in(app: Any, browser: PageClient) -> None:
    setup_path(app)
    assert browser.get("/setup?key=guess").status_code == 404
    browser.post("/setup?key=guess", NEW_OWNER)
    assert not service.has_owner()


def test_setup_refuses_a_weak_password_keeps_the_input_and_the_link(app: Any, browser: PageClient) -> None:
    path = setup_path(app)
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(path).get_data(as_text=True))
    assert token
    answer = browser.post(path, {**NEW_OWNER, "password": "short", "csrf_token": token[1]}, headers={"X-CSRFToken": token[1]})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422 and "maja@posthuset.example" in page and "12 to 128" in page
    assert links.find("setup", path.partition("key=")[2]) is not None and not service.has_owner()


def test_a_reset_link_works_once_within_an_hour_and_ends_sessions(app: Any, alice: Any, known: User) -> None:
    url = links.reset_link("alice@acme.test", "http://localhost")
    db.session.commit()
    path, browser = url.removeprefix("http://localhost"), PageClient(app, None)
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(path).get_data(as_text=True))
    assert token
    form = {"password": "a brand new passphrase", "csrf_token": token[1]}
    assert browser.post(path, form, headers={"X-CSRFToken": token[1]}).status_code == 303
    assert alice.page.get("/profile").status_code == 303
    assert browser.get(path).status_code == 404
    stale = links.reset_link("alice@acme.test", "http://localhost").removeprefix("http://localhost")
    link = db.session.scalars(select(OneTimeLink).where(OneTimeLink.used_at.is_(None))).one()
    link.expires_at = utcnow() - timedelta(seconds=1)
    db.session.commit()
    assert browser.get(stale).status_code == 404


def test_a_one_time_link_cannot_be_used_twice_at_the_same_moment(app: Any) -> None:
    value = links.make("setup")
    db.session.commit()
    link = links.find("setup", value)
    assert link is not None
    links.use(link)
    with pytest.raises(Exception, match="used already"):
        links.use(link)
