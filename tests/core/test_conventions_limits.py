"""Rate limits (C-50): per token and family, with headers, shared by processes, never an open door."""

from types import SimpleNamespace
from typing import Any

import pytest

from webapp import create_app
from webapp.core import limits, queue
from webapp.core.db import db
from webapp.core.errors import TooMany
from webapp.settings import load_settings
from webapp.tokens import calls


@pytest.fixture
def limited(app: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Limits are on and the clock stands in the middle of a minute; `limited.pass_time(seconds)` moves it."""
    clock = SimpleNamespace(now=1_800_000_030.0)
    monkeypatch.setattr(limits, "time", SimpleNamespace(time=lambda: clock.now))
    limits._local.reset()
    app.config["RATE_LIMITS"] = limits.parse("general=5/minute, ops=7/minute")
    return SimpleNamespace(pass_time=lambda seconds: setattr(clock, "now", clock.now + seconds))


def test_the_limit_counts_down_in_headers_and_then_answers_429(limited: Any, alice: Any) -> None:
    left = []
    for _ in range(5):
        answer = alice.api.get("/me")
        assert (
            answer.status_code == 200 and answer.headers["X-RateLimit-Limit"] == "5" and answer.headers["X-RateLimit-Reset"] == "1800000060"
        )
        left.append(int(answer.headers["X-RateLimit-Remaining"]))
    assert left == [4, 3, 2, 1, 0]
    refused = alice.api.get("/me")
    error = refused.json["error"]
    assert (refused.status_code, error["code"], error["retryable"]) == (429, "rate_limited", True)
    assert refused.headers["Retry-After"] == str(error["retry_after"]) == "31"
    assert refused.headers["X-RateLimit-Remaining"] == "0"


def test_after_the_minute_it_goes_on(limited: Any, alice: Any) -> None:
    for _ in range(6):
        last = alice.api.get("/me")
    assert last.status_code == 429
    limited.pass_time(int(last.headers["Retry-After"]))
    assert alice.api.get("/me").status_code == 200


def test_tokens_and_kinds_count_apart(limited: Any, alice: Any, bob: Any) -> None:
    ops = alice.token_with("*")
    for _ in range(6):
        alice.api.get("/me")
    assert alice.api.get("/me").status_code == 429
    assert bob.api.get("/me").status_code == 200
    assert ops.get("/me").headers["X-RateLimit-Limit"] == "7"


def test_a_refused_write_has_no_effect_and_is_not_stored_under_its_key(limited: Any, alice: Any) -> None:
    for _ in range(5):
        alice.api.get("/me")
    new, key = {"name": "Late", "kind": "ops", "scopes": ["domains:read"]}, {"Idempotency-Key": "late"}
    assert alice.api.post("/tokens", json=new, headers=key).status_code == 429
    limited.pass_time(60)
    made = alice.api.post("/tokens", json=new, headers=key)
    assert made.status_code == 201 and "X-Idempotency-Replayed" not in made.headers


def test_c50_a_redis_that_is_away_means_a_local_limit_not_an_open_door(limited: Any, app: Any, alice: Any) -> None:
    app.extensions["redis"] = queue.connection("redis://127.0.0.1:1/0")
    statuses = [alice.api.get("/me").status_code for _ in range(8)]
    assert statuses == [200] * 5 + [429] * 3


def test_c50_two_processes_share_one_count(limited: Any, app: Any, alice: Any) -> None:
    settings = app.config["SETTINGS"]
    twin = create_app(
        load_settings(
            {
                "MAILROOM_INSTANCE": str(settings.instance), "DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url,
                "MAILROOM_RATE_LIMITS": "general=5/minute", "MAILROOM_SECRET_KEY": settings.secret_keys[0],
            },
            dotenv=None,
        )
    )  # fmt: skip
    twin.config[calls.SETTING] = 0  # its thread would write into the database of a later test
    for _ in range(3):
        assert alice.api.get("/me").status_code == 200
    db.session.commit()
    headers = {"Authorization": f"Bearer {alice.token}"}
    with twin.app_context():
        statuses = [twin.test_client().get("/api/v1/me", headers=headers).status_code for _ in range(3)]
        db.engine.dispose()
    assert statuses == [200, 200, 429]
    assert alice.api.get("/me").status_code == 429


def test_of_a_large_limit_processes_take_shares_and_never_more_than_the_limit_passes(
    limited: Any, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SHARES", 10)
    app.config["RATE_LIMITS"] = limits.parse("general=100/minute")
    of_process: list[dict[str, limits.Block]] = [{}, {}]
    left: list[list[int]] = [[], []]
    with app.test_request_context():
        for number in range(140):
            process = int(number % 3 == 0)
            monkeypatch.setattr(limits, "_blocks", of_process[process])
            try:
                reading = limits.hit("general", "leased")
            except TooMany:
                continue
            assert reading is not None
            left[process].append(reading.remaining)
    assert sorted(left[0] + left[1]) == list(range(100)), "each request of the window was handed out once"
    assert all(here == sorted(here, reverse=True) for here in left), "what each process says is left only falls"


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-Ip", "Forwarded", "X-Client-Ip"])
def test_c50_a_client_cannot_choose_its_address(alice: Any, header: str) -> None:
    alice.api.get("/me", headers={header: "203.0.113.77"})
    assert alice.api.get("/me").json["data"]["token"]["id"]
    token = alice.api.get("/tokens/current").json["data"]
    assert token["last_used_ip"] == "127.0.0.1"


@pytest.mark.parametrize(("text", "found"), [("on", 60), ("general=600/minute", 600), ("general=9", 9), ("ops=1/minute", 60)])
def test_the_setting_changes_single_limits(text: str, found: int) -> None:
    allowed = limits.parse(text)
    assert allowed is not None and allowed["general"] == found


def test_off_means_no_headers_and_no_limit(app: Any, alice: Any) -> None:
    app.config["RATE_LIMITS"] = None
    for _ in range(70):
        answer = alice.api.get("/me")
    assert answer.status_code == 200 and "X-RateLimit-Limit" not in answer.headers


@pytest.mark.parametrize("text", ["fast", "general=many", "general=5/hour", "planets=5/minute", "general=-1"])
def test_a_limit_that_means_nothing_stops_the_start_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="is not a limit"):
        limits.parse(text)
