"""Signed-in browsers: listed in words, ended one by one or all others at once."""

from typing import Any

import pytest
from sqlalchemy import select

from tests.people import PageClient
from webapp.accounts import devices, sessions
from webapp.accounts.models import LoginSession
from webapp.audit.models import AuditEntry
from webapp.core.db import db

KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"
WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {KHTML} Chrome/142.0.0.0 Safari/537.36"
IPHONE = f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {KHTML} Version/18.5 Mobile/15E148 Safari/604.1"
ANDROID = f"Mozilla/5.0 (Linux; Android 10; K) {KHTML} Chrome/142.0.0.0 Mobile Safari/537.36"
MACOS = f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {KHTML} Version/26.0 Safari/605.1.15"


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (WINDOWS, "Chrome 142 on Windows"),
        (f"{WINDOWS} Edg/142.0.0.0", "Edge 142 on Windows"),
        (IPHONE, "Safari 18 on iPhone"),
        (IPHONE.replace("Version/18.5", "CriOS/142.0"), "Chrome 142 on iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox 145 on Linux"),
        (ANDROID, "Chrome 142 on Android"),
        (MACOS, "Safari 26 on macOS"),
        ("Mozilla/5.0 (Windows NT 10.0) SomethingNew", "Browser on Windows"),
        ("curl/8.16.0", "curl 8"),
        ("acme-monitor/2 (+https://acme.test)", "acme-monitor/2"),
        ("x" * 500, "x" * 60),
        ("", "Unknown program"),
        (None, "Unknown program"),
    ],
)  # fmt: skip
def test_a_browser_is_named_in_words(user_agent: str | None, words: str) -> None:
    assert devices.in_words(user_agent) == words


def test_the_page_lists_them_with_this_one_marked_and_foreign_names_escaped(app: Any, alice: Any) -> None:
    sessions.start(alice.user, alice.workspace.id, "203.0.113.9", WINDOWS)
    sessions.start(alice.user, alice.workspace.id, None, '<b>"x"</b>')
    page = alice.page.get("/profile").get_data(as_text=True)
    assert "Chrome 142 on Windows" in page and "203.0.113.9" in page and page.count("this browser</span>") == 1
    assert '<b>"x"</b>' not in page and "&lt;b&gt;" in page


def test_all_others_end_at_once_and_this_one_stays(app: Any, alice: Any, bob: Any) -> None:
    others = [PageClient(app, sessions.start(alice.user, alice.workspace.id, None, WINDOWS)) for _ in range(2)]
    assert all(other.get("/profile").status_code == 200 for other in others)
    assert alice.page.post("/profile/sessions/end-others").status_code == 303
    assert "2 other browsers are signed out" in alice.page.get("/profile").get_data(as_text=True)
    assert all(other.get("/profile").status_code == 303 for other in others) and bob.page.get("/profile").status_code == 200
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "session.end")).one()
    assert '"others":2' in str(entry.after)
    assert alice.page.post("/profile/sessions/end-others").status_code == 303


def test_c62_one_browser_ends_and_those_of_others_cannot_be_named(app: Any, alice: Any, eve: Any) -> None:
    other = PageClient(app, sessions.start(alice.user, alice.workspace.id, None, WINDOWS))
    row = db.session.scalars(select(LoginSession).where(LoginSession.user_agent == WINDOWS)).one()
    assert eve.page.post(f"/profile/sessions/{row.id}/end").status_code == 404 and other.get("/profile").status_code == 200
    assert alice.page.post(f"/profile/sessions/{row.id}/end").status_code == 303
    assert other.get("/profile").status_code == 303 and alice.page.get("/profile").status_code == 200


def test_c62_a_session_value_that_nobody_was_given_opens_nothing(app: Any, alice: Any) -> None:
    planted = PageClient(app, "a value that an attacker chose")
    assert planted.get("/profile").status_code == 303
    hashes = set(db.session.scalars(select(LoginSession.secret_hash)))
    assert sessions._hash("a value that an attacker chose") not in hashes
