"""Steps that matter ask again who sits there: what was typed is kept, the answer counts for 15 minutes, guessing is throttled."""

import io
import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.people import PASSWORD
from webapp.accounts import confirming, passwords, throttle
from webapp.accounts.models import LoginSession
from webapp.audit.models import AuditEntry
from webapp.core.db import db, utcnow
from webapp.tokens.models import ApiToken

NEW_TOKEN = {"name": "Shop & “quotes”\"'", "kind": "ops", "preset": "own", "scopes": ["domains:read", "mailboxes:read"], "expires": ""}


@pytest.fixture
def left_open(alice: Any) -> Any:
    """Alice's browser, signed in a while ago; her password is a real one."""
    alice.user.password_hash = passwords.hash_password(PASSWORD)
    grow_old()
    return alice


def grow_old(minutes: int = 16) -> None:
    db.session.execute(update(LoginSession).values(confirmed_at=utcnow() - timedelta(minutes=minutes)))
    db.session.commit()


def carried(page: str) -> list[tuple[str, str]]:
    """The hidden fields of the page, as a browser would post them."""
    form = page.split('aria-label="Confirm that it is you"')[1].split("</form>")[0]
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form)
    return [(unescape(name), unescape(value)) for name, value in found if name != "csrf_token"]


def as_form(fields: list[tuple[str, str]]) -> dict[str, list[str]]:
    form: dict[str, list[str]] = {}
    for name, value in fields:
        form.setdefault(name, []).append(value)
    return form


def names_of_tokens(person: Any) -> list[str]:
    return list(db.session.scalars(select(ApiToken.name).where(ApiToken.user_id == person.user.id, ApiToken.kind == "ops")))


def test_signing_in_counts_as_proof_and_nothing_is_asked_for_15_minutes(alice: Any) -> None:
    assert alice.page.get("/tokens/new").status_code == 200
    grow_old(14)
    assert alice.page.get("/tokens/new").status_code == 200
    grow_old(16)
    assert alice.page.get("/tokens/new").location == "/confirm?next=/tokens/new"


def test_a_page_asked_for_opens_after_the_password(left_open: Any) -> None:
    asked = left_open.page.get("/tokens/new?kind=message").location
    assert "Confirm that it is you" in left_open.page.get(asked).get_data(as_text=True)
    answer = left_open.page.post(asked, {"_confirm_password": PASSWORD})
    assert (answer.status_code, answer.location) == (303, "/tokens/new?kind=message")
    assert left_open.page.get(answer.location).status_code == 200
    assert left_open.page.get(asked).location == "/tokens/new?kind=message", "who has confirmed is not asked twice"


@pytest.mark.parametrize("target", ["https://evil.test/", "//evil.test", "/\\evil.test", "javascript:alert(1)"])
def test_c60_the_way_on_stays_on_this_host(left_open: Any, target: str) -> None:
    answer = left_open.page.post("/confirm", {"_confirm_password": PASSWORD}, query_string={"next": target})
    assert (answer.status_code, answer.location) == (303, "/")


def test_a_post_waits_with_everything_typed_and_happens_as_soon_as_the_password_is_right(left_open: Any) -> None:
    waiting = left_open.page.post("/tokens/new", NEW_TOKEN)
    text = waiting.get_data(as_text=True)
    assert waiting.status_code == 200 and "What you entered is kept" in text and names_of_tokens(left_open) == []
    fields = carried(text)
    assert sorted(fields) == sorted(
        [
            *[(name, value) for name, value in NEW_TOKEN.items() if isinstance(value, str)],
            ("scopes", "domains:read"),
            ("scopes", "mailboxes:read"),
        ]
    )
    done = left_open.page.post("/tokens/new", {**as_form(fields), "_confirm_user": "x", "_confirm_password": PASSWORD})
    assert done.status_code in (200, 201), done.get_data(as_text=True)[:2000]
    assert names_of_tokens(left_open) == [NEW_TOKEN["name"]]
    token = db.session.scalars(select(ApiToken).where(ApiToken.name == NEW_TOKEN["name"])).one()
    assert set(token.scopes) == {"domains:read", "mailboxes:read"}


def test_a_wrong_password_keeps_what_was_typed_and_does_nothing(left_open: Any) -> None:
    fields = carried(left_open.page.post("/tokens/new", NEW_TOKEN).get_data(as_text=True))
    wrong = left_open.page.post("/tokens/new", {**as_form(fields), "_confirm_password": "not the password"})
    text = wrong.get_data(as_text=True)
    assert wrong.status_code == 422 and "This is not your password." in text
    assert carried(text) == fields and "not the password" not in text and names_of_tokens(left_open) == []
    refused = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "session.confirm", AuditEntry.result == "refused")).one()
    assert refused.reason == "wrong password" and "not the password" not in str(vars(refused))


def test_the_proof_counts_even_when_the_step_itself_is_refused(left_open: Any) -> None:
    refused = left_open.page.post("/tokens/new", {**NEW_TOKEN, "name": "", "_confirm_password": PASSWORD})
    assert refused.status_code == 422 and "Confirm that it is you" not in refused.get_data(as_text=True)
    assert left_open.page.post("/tokens/new", NEW_TOKEN).status_code in (200, 201)
    assert names_of_tokens(left_open) == [NEW_TOKEN["name"]]


def test_guessing_the_password_is_throttled_like_signing_in(left_open: Any) -> None:
    for _ in range(throttle.PER_ACCOUNT):
        assert left_open.page.post("/confirm", {"_confirm_password": "wrong"}).status_code == 422
    closed = left_open.page.post("/confirm", {"_confirm_password": PASSWORD})
    assert closed.status_code == 429 and "Too many failed attempts" in closed.get_data(as_text=True)
    assert left_open.page.post("/tokens/new", {**NEW_TOKEN, "_confirm_password": PASSWORD}).status_code == 429
    assert names_of_tokens(left_open) == []


def test_with_htmx_it_opens_as_a_dialog_whose_form_is_a_plain_one(left_open: Any) -> None:
    for answer in (left_open.page.post("/tokens/new", NEW_TOKEN, htmx=True), left_open.page.get("/tokens/new", htmx=True)):
        text = answer.get_data(as_text=True)
        assert answer.status_code == 200 and text.lstrip().startswith("<dialog") and "hx-post" not in text
        assert answer.headers["HX-Retarget"] == "#dialog" and answer.headers["HX-Reswap"] == "innerHTML"
    assert 'action="/confirm?next=/tokens/new"' in text


def test_a_file_that_was_asked_for_comes_while_the_page_says_so_and_leads_back(left_open: Any) -> None:
    asked = "/confirm?next=/audit/export.csv%3Faction%3Dtoken.create&back=/audit"
    page = left_open.page.post(asked, {"_confirm_password": PASSWORD}).get_data(as_text=True)
    assert '<meta http-equiv="refresh" content="0; url=/audit/export.csv?action=token.create">' in page and 'href="/audit"' in page
    away = left_open.page.post("/confirm?next=/audit/export.csv&back=//evil.test", {"_confirm_password": PASSWORD})
    assert "evil.test" not in away.get_data(as_text=True)


def test_files_do_not_travel_and_the_page_says_so(left_open: Any) -> None:
    page = left_open.page.post("/tokens/new", {**NEW_TOKEN, "list": (io.BytesIO(b"secret content"), "list.csv")}).get_data(as_text=True)
    assert "choose list.csv again" in page and "secret content" not in page


def test_somebody_else_cannot_answer_and_a_proof_counts_for_one_browser_only(left_open: Any, bob: Any) -> None:
    left_open.page.post("/confirm", {"_confirm_password": PASSWORD})
    fresh = db.session.execute(select(LoginSession.user_id, LoginSession.confirmed_at)).all()
    assert [user_id for user_id, at in fresh if confirming.is_fresh(at)] == [left_open.user.id]
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "session.confirm")).one()
    assert (entry.result, entry.actor_name) == ("done", "alice@acme.test")


def test_tokens_are_not_asked_and_a_missing_role_is_said_first(left_open: Any, carol: Any) -> None:
    grow_old()
    assert left_open.api.post("/tokens", json={"name": "by a program", "kind": "ops", "scopes": ["domains:read"]}).status_code == 201
    assert carol.page.post("/tokens/new", NEW_TOKEN).status_code == 403
