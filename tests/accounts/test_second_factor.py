"""The second factor: turned on with a proof, asked for at sign-in, every code once, removed only by whoever sits there."""

import re
import threading
import time
from datetime import timedelta
from html import unescape
from typing import Any

import pyotp
import pytest
from sqlalchemy import select, update

from tests.people import PASSWORD, PageClient
from webapp.accounts import by_hand, confirming, links, passwords, second_factor, sessions, throttle
from webapp.accounts.models import LoginSession
from webapp.accounts.models_security import RecoveryCode, SecondFactor
from webapp.audit.models import AuditEntry
from webapp.core import secrets
from webapp.core.db import begin_writing, db, utcnow
from webapp.core.errors import InvalidState

SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code_at(steps: int = 0, seed: str = SEED) -> str:
    """The code of now, or of some steps of 30 s later."""
    return pyotp.TOTP(seed).at(time.time() + 30 * steps)


def wrong_code(seed: str = SEED) -> str:
    """Six digits that no step near now has."""
    near = {code_at(step, seed) for step in range(-3, 4)}
    return next(code for code in ("000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777") if code not in near)


def give_factor(person: Any) -> list[str]:
    """Turn it on behind the page; returns the recovery codes."""
    db.session.add(SecondFactor(user_id=person.user.id, seed=SEED, last_step=0, created_at=utcnow()))
    codes = second_factor._replace_codes(person.user.id)
    person.user.password_hash = passwords.hash_password(PASSWORD)
    db.session.commit()
    return codes


@pytest.fixture
def codes(alice: Any) -> list[str]:
    """Alice has a second factor and these recovery codes."""
    return give_factor(alice)


@pytest.fixture
def browser(app: Any) -> PageClient:
    return PageClient(app, None)


def post(browser: PageClient, path: str, **data: str) -> Any:
    """What a browser does: open the page, send its form."""
    page = browser.get(path).get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token, page
    return browser.post(path, {**data, "csrf_token": token[1]}, headers={"X-CSRFToken": token[1]})


def give_password(browser: PageClient, path: str = "/login", password: str = PASSWORD) -> Any:
    return post(browser, path, email="alice@acme.test", password=password)


def is_in(browser: PageClient) -> bool:
    return bool(browser.get("/profile").status_code == 200)


def entries(action: str) -> list[tuple[str, str | None]]:
    query = select(AuditEntry.result, AuditEntry.reason).where(AuditEntry.action == action).order_by(AuditEntry.id)
    return [tuple(row) for row in db.session.execute(query)]


# ---------------------------------------------------------------- turning it on


def begun(page: str) -> tuple[str, str]:
    """The sealed text of the form and the key that a person may type."""
    sealed = re.search(r'name="begun" type="hidden" value="([^"]+)"', page) or re.search(r'name="begun"[^>]* value="([^"]+)"', page)
    key = re.search(r'<code id="seed">([^<]+)</code>', page)
    assert sealed and key
    return unescape(sealed[1]), key[1].replace(" ", "")


def test_it_is_turned_on_with_a_picture_a_key_and_the_code_that_proves_it(alice: Any) -> None:
    page = alice.page.get("/profile/second-factor").get_data(as_text=True)
    sealed, key = begun(page)
    assert "<svg" in page and key not in sealed and db.session.get(SecondFactor, alice.user.id) is None
    done = alice.page.post("/profile/second-factor", {"begun": sealed, "code": code_at(seed=key)})
    text = done.get_data(as_text=True)
    shown = re.search(r'<pre id="codes"[^>]*>([^<]+)</pre>', text)
    assert done.status_code == 200 and shown and len(set(shown[1].split())) == 10
    stored = db.session.get(SecondFactor, alice.user.id)
    assert stored is not None and stored.seed == key and entries("second_factor.enable") == [("done", None)]
    assert "10 of 10 recovery codes left" in alice.page.get("/profile").get_data(as_text=True)
    assert alice.page.get("/profile/second-factor").status_code == 303


def test_a_wrong_first_code_keeps_the_same_picture_and_turns_nothing_on(alice: Any) -> None:
    sealed, key = begun(alice.page.get("/profile/second-factor").get_data(as_text=True))
    refused = alice.page.post("/profile/second-factor", {"begun": sealed, "code": wrong_code(key)})
    assert refused.status_code == 422 and "not the code that the app shows" in refused.get_data(as_text=True)
    assert begun(refused.get_data(as_text=True)) == (sealed, key)
    assert db.session.get(SecondFactor, alice.user.id) is None


def test_a_seed_that_was_not_made_here_for_this_person_is_not_taken(alice: Any, bob: Any) -> None:
    forged = secrets.sign("something else", {"user": alice.user.id, "seed": secrets.encrypt(SEED)})
    for sealed in (second_factor.begin(bob.user.id), forged, "nonsense"):
        answer = alice.page.post("/profile/second-factor", {"begun": sealed, "code": code_at()})
        assert answer.status_code == 422, sealed
    assert db.session.get(SecondFactor, alice.user.id) is None


def test_c73_the_seed_and_the_recovery_codes_cannot_be_read_in_the_database(alice: Any, codes: list[str]) -> None:
    raw = db.session.connection().exec_driver_sql("SELECT seed FROM second_factors").scalar_one()
    hashes = list(db.session.scalars(select(RecoveryCode.code_hash)))
    assert SEED not in raw and secrets.decrypt(raw) == SEED
    assert not {code.replace("-", "") for code in codes} & set(hashes) and len(set(hashes)) == 10


# ---------------------------------------------------------------- signing in


def test_signing_in_asks_for_the_code_after_the_password_and_only_then_opens(browser: PageClient, codes: list[str]) -> None:
    asked = give_password(browser, "/login?next=/tokens")
    assert asked.location == "/login/code?next=/tokens" and not is_in(browser)
    assert db.session.scalar(select(LoginSession.id).where(LoginSession.user_agent.like("Werkzeug%"))) is None
    assert entries("session.create") == []
    answer = post(browser, asked.location, code=code_at())
    assert (answer.status_code, answer.location) == (303, "/tokens") and is_in(browser)
    assert entries("session.create") == [("done", None)]


def test_the_code_page_is_closed_to_whoever_did_not_give_the_password(browser: PageClient, codes: list[str]) -> None:
    assert browser.get("/login/code").location.startswith("/login")
    with browser.client.session_transaction() as cookie:
        cookie["second_step"] = secrets.sign("something else", {"user": 1, "stamp": "x"})
    assert browser.get("/login/code").location.startswith("/login")
    give_password(browser, password="wrong but long enough")
    assert browser.get("/login/code").location.startswith("/login")


def test_a_password_given_before_it_changed_or_ten_minutes_ago_opens_no_second_step(
    browser: PageClient, alice: Any, codes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_password(browser)
    assert browser.get("/login/code").status_code == 200
    monkeypatch.setattr("webapp.accounts.pages.entrance.PENDING_LIFE_S", -1)
    assert browser.get("/login/code").status_code == 303
    monkeypatch.undo()
    alice.user.password_hash = passwords.hash_password("another long passphrase")
    db.session.commit()
    assert browser.get("/login/code").status_code == 303


def test_c63_a_code_works_once_also_an_older_one_after_a_newer(app: Any, browser: PageClient, codes: list[str]) -> None:
    now = code_at()
    give_password(browser)
    assert post(browser, "/login/code", code=f"{now[:3]} {now[3:]}").status_code == 303
    again = PageClient(app, None)
    give_password(again)
    for used in (now, code_at(-1)):
        refused = post(again, "/login/code", code=used)
        assert refused.status_code == 422 and "was used already" in refused.get_data(as_text=True)
    assert not is_in(again) and ("refused", "wrong one-time code") in entries("session.create")
    assert post(again, "/login/code", code=code_at(1)).status_code == 303, "the next code is good"


def test_c63_codes_cannot_be_guessed_neither_one_by_one_nor_over_a_day(app: Any, browser: PageClient, codes: list[str]) -> None:
    give_password(browser)
    for _ in range(throttle.PER_ACCOUNT):
        assert post(browser, "/login/code", code=wrong_code()).status_code == 422
    assert post(browser, "/login/code", code=code_at()).status_code == 429
    assert post(browser, "/login/code", recovery=codes[0]).status_code == 429, "recovery codes share the count"
    redis = app.extensions["redis"]
    for _ in range(throttle.PER_DAY // throttle.PER_ACCOUNT):
        for key in redis.scan_iter("guess:*:account:*"):
            redis.delete(key)
        for key in redis.scan_iter("guess:*:ip:*"):
            redis.delete(key)
        for _ in range(throttle.PER_ACCOUNT):
            answer = post(browser, "/login/code", code=wrong_code())
    assert answer.status_code == 429 and "hours" in answer.get_data(as_text=True)


def test_c63_many_guesses_at_the_same_moment_get_no_more_tries(app: Any) -> None:
    passed: list[bool] = []

    def guess() -> None:
        with app.app_context():
            try:
                throttle.take("second_factor", "alice@acme.test", "192.0.2.1")
                passed.append(True)
            except Exception:  # noqa: BLE001  # TooMany is the point
                passed.append(False)

    together([guess] * 20)
    assert len(passed) == 20 and sum(passed) == throttle.PER_ACCOUNT


def together(jobs: list[Any]) -> None:
    """Run them in threads that begin at the same moment."""
    barrier = threading.Barrier(len(jobs))

    def run(job: Any) -> None:
        barrier.wait(10)
        job()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)


# ---------------------------------------------------------------- recovery codes


def test_a_recovery_code_stands_in_once_however_it_is_typed(app: Any, browser: PageClient, codes: list[str]) -> None:
    give_password(browser)
    typed = codes[0].upper().replace("-", " ").replace("0", "o")
    assert post(browser, "/login/code", recovery=typed).status_code == 303
    assert "9 of 10 recovery codes left" in browser.get("/profile").get_data(as_text=True)
    assert entries("recovery_codes.use") == [("done", None)]
    again = PageClient(app, None)
    give_password(again)
    assert post(again, "/login/code", recovery=codes[0]).status_code == 422
    assert ("refused", "wrong recovery code") in entries("session.create")


def test_c63_of_many_requests_with_one_code_at_the_same_moment_one_wins(app: Any, alice: Any, codes: list[str]) -> None:
    user_id, now = alice.user.id, code_at()
    for use, value in ((second_factor.use_recovery_code, codes[3]), (second_factor.use_app_code, now)):
        won: list[bool] = []

        def attempt(use: Any = use, value: str = value, won: list[bool] = won) -> None:
            with app.app_context():
                begin_writing()
                good = use(user_id, value)
                db.session.commit()
                won.append(good)

        db.session.commit()
        together([attempt] * 8)
        assert sorted(won) == [False] * 7 + [True], use.__name__
        begin_writing()


def test_new_recovery_codes_end_the_old_ones(alice: Any, codes: list[str]) -> None:
    page = alice.page.post("/profile/recovery-codes").get_data(as_text=True)
    shown = re.search(r'<pre id="codes"[^>]*>([^<]+)</pre>', page)
    assert shown and len(set(shown[1].split())) == 10 and not set(shown[1].split()) & set(codes)
    assert not second_factor.use_recovery_code(alice.user.id, codes[0])
    assert second_factor.use_recovery_code(alice.user.id, shown[1].split()[9])
    assert codes[0] not in alice.page.get("/profile").get_data(as_text=True)


# ---------------------------------------------------------------- changing and removing it


def test_c62_turning_it_on_or_off_signs_the_other_browsers_out(app: Any, alice: Any) -> None:
    for _ in range(2):
        other = PageClient(app, sessions.start(alice.user, alice.workspace.id, None, "other"))
        assert is_in(other)
        if second_factor.is_on(alice.user.id):
            assert alice.page.post("/profile/second-factor/remove").status_code == 303
        else:
            sealed, key = begun(alice.page.get("/profile/second-factor").get_data(as_text=True))
            assert alice.page.post("/profile/second-factor", {"begun": sealed, "code": code_at(seed=key)}).status_code == 200
        assert is_in(alice.page) and not is_in(other)
    assert not second_factor.is_on(alice.user.id) and db.session.scalar(select(RecoveryCode.id)) is None


def test_c63_it_is_not_removed_without_confirming_first(alice: Any, codes: list[str]) -> None:
    db.session.execute(update(LoginSession).values(confirmed_at=utcnow() - timedelta(minutes=16)))
    for path in ("/profile/second-factor/remove", "/profile/recovery-codes"):
        assert "Confirm that it is you" in alice.page.post(path).get_data(as_text=True)
    wrong = alice.page.post("/profile/second-factor/remove", {"_confirm_password": "wrong"})
    assert wrong.status_code == 422 and "Confirm that it is you" in wrong.get_data(as_text=True)
    assert second_factor.is_on(alice.user.id) and second_factor.use_recovery_code(alice.user.id, codes[0])
    assert alice.page.post("/profile/second-factor/remove", {"_confirm_password": PASSWORD}).status_code == 303
    assert not second_factor.is_on(alice.user.id)


def test_a_code_of_the_app_confirms_as_well_and_works_once_there_too(alice: Any, codes: list[str]) -> None:
    db.session.execute(update(LoginSession).values(confirmed_at=None))
    now = code_at()
    assert alice.page.post("/confirm?next=/tokens/new", {"_confirm_password": "", "_confirm_code": now}).location == "/tokens/new"
    db.session.execute(update(LoginSession).values(confirmed_at=None))
    refused = alice.page.post("/confirm", {"_confirm_password": "", "_confirm_code": now})
    assert refused.status_code == 422 and "was used already" in refused.get_data(as_text=True)
    row = db.session.scalars(select(LoginSession).where(LoginSession.user_id == alice.user.id)).one()
    assert not confirming.is_fresh(row.confirmed_at)


def test_c63_a_new_password_by_link_does_not_get_past_it(app: Any, browser: PageClient, alice: Any, codes: list[str]) -> None:
    link = links.reset_link("alice@acme.test", "http://localhost").removeprefix("http://localhost")
    db.session.commit()
    assert post(browser, link, password="a brand new passphrase").status_code == 303
    assert not is_in(browser)
    assert give_password(browser, password="a brand new passphrase").location.startswith("/login/code")
    assert not is_in(browser)


def test_c63_no_token_reaches_the_second_factor_or_the_rule(app: Any, alice: Any, codes: list[str]) -> None:
    paths = [rule.rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/")]
    assert not [path for path in paths if re.search(r"factor|recovery|totp|confirm", path)]
    answer = app.test_client().get("/profile/second-factor", headers={"Authorization": f"Bearer {alice.token}"})
    assert answer.status_code == 303 and answer.location.startswith("/login")
    assert alice.api.patch(f"/workspaces/{alice.workspace.id}", json={"second_factor_required": False}).status_code == 422


def test_the_operator_removes_it_for_somebody_who_lost_everything_and_each_workspace_is_told(alice: Any, codes: list[str]) -> None:
    by_hand.remove_second_factor("alice@acme.test")
    assert not second_factor.is_on(alice.user.id) and not is_in(alice.page)
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "second_factor.disable")).one()
    assert (entry.workspace_id, entry.actor_name, entry.target_name) == (alice.workspace.id, "command line", "alice@acme.test")
    with pytest.raises(InvalidState, match="off already"):
        by_hand.remove_second_factor("alice@acme.test")
