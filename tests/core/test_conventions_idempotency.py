"""Idempotency-Key (C-49): same key and body, same answer and one effect, under load, across a kill."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from tests.servers import wait_until
from tests.web_process import WebProcess
from webapp.core import idempotency
from webapp.core.db import db, utcnow
from webapp.core.idempotency import IdempotencyKey
from webapp.tokens import service
from webapp.tokens.models import ApiToken

NEW = {"name": "Keyed", "kind": "ops", "scopes": ["domains:read"]}
KEY = {"Idempotency-Key": "order-10482"}


def made() -> int:
    db.session.rollback()
    number = db.session.scalar(select(func.count()).select_from(ApiToken).where(ApiToken.name == "Keyed")) or 0
    db.session.rollback()  # on SQLite the test's transaction would hold the lock that the server needs
    return number


def test_the_same_key_and_body_get_the_stored_answer_with_secrets_masked(alice: Any) -> None:
    first = alice.api.post("/tokens", json=NEW, headers=KEY)
    assert first.status_code == 201 and "X-Idempotency-Replayed" not in first.headers
    again = alice.api.post("/tokens", json=NEW, headers=KEY)
    assert again.status_code == 201 and again.headers["X-Idempotency-Replayed"] == "true"
    assert again.json["data"]["id"] == first.json["data"]["id"]
    assert again.json["data"]["token"] == "<redacted>" and "masked" in again.json["_idempotency_replay_warning"]
    assert made() == 1
    stored = db.session.scalars(select(IdempotencyKey.answer)).one()
    assert first.json["data"]["token"].encode() not in stored, "the value is not kept at rest either"


def test_another_body_or_query_under_the_same_key_is_409(alice: Any) -> None:
    alice.api.post("/tokens", json=NEW, headers=KEY)
    for answer in (
        alice.api.post("/tokens", json={**NEW, "name": "Other"}, headers=KEY),
        alice.api.post("/tokens?x=1", json=NEW, headers=KEY),
    ):
        assert answer.status_code == 409 and answer.json["error"]["code"] == "idempotency_mismatch"
    assert made() == 1


def test_keys_count_per_token_method_and_path_without_trailing_slash(alice: Any) -> None:
    first = alice.api.post("/tokens", json=NEW, headers=KEY).json["data"]
    assert alice.api.post("/tokens/", json=NEW, headers=KEY).json["data"]["id"] == first["id"]
    other = alice.token_with("*")
    assert other.post("/tokens", json=NEW, headers=KEY).json["data"]["id"] != first["id"]
    assert alice.api.patch(f"/tokens/{first['id']}", json={"name": "Renamed"}, headers=KEY).status_code == 200
    assert alice.api.delete(f"/tokens/{first['id']}", headers=KEY).headers.get("X-Idempotency-Replayed") is None


def test_a_refusal_is_stored_too(alice: Any) -> None:
    bad = {**NEW, "expires_in": -1}
    first = alice.api.post("/tokens", json=bad, headers=KEY)
    again = alice.api.post("/tokens", json=bad, headers=KEY)
    assert first.status_code == again.status_code == 422 and again.headers["X-Idempotency-Replayed"] == "true"
    assert again.json["error"]["request_id"] == first.json["error"]["request_id"]
    assert alice.api.post("/tokens", json=NEW, headers=KEY).json["error"]["code"] == "idempotency_mismatch"


def test_a_bug_is_not_stored(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(service, "create_token", broken)
        answer = alice.api.post("/tokens", json=NEW, headers=KEY)
        assert answer.status_code == 500 and answer.json["error"]["code"] == "server_error"
        assert "RuntimeError" not in answer.get_data(as_text=True) and "a bug" not in answer.get_data(as_text=True)
    assert alice.api.post("/tokens", json=NEW, headers=KEY).status_code == 201
    assert made() == 1


def test_answers_are_kept_for_24_hours(alice: Any) -> None:
    first = alice.api.post("/tokens", json=NEW, headers=KEY).json["data"]["id"]
    db.session.execute(update(IdempotencyKey).values(created_at=utcnow() - timedelta(hours=24, minutes=1)))
    db.session.commit()
    assert alice.api.post("/tokens", json=NEW, headers=KEY).json["data"]["id"] != first
    db.session.execute(update(IdempotencyKey).values(created_at=utcnow() - timedelta(hours=24, minutes=1)))
    assert idempotency.forget_old() == 1


def test_a_key_of_513_characters_is_refused_and_one_of_512_taken(alice: Any) -> None:
    assert alice.api.post("/tokens", json=NEW, headers={"Idempotency-Key": "k" * 513}).status_code == 422
    assert alice.api.post("/tokens", json=NEW, headers={"Idempotency-Key": "k" * 512}).status_code == 201


def needing_a_key(app: Any) -> list[tuple[str, str]]:
    """(method, path) of operations that demand a key, from the route table."""
    found = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            handler = getattr(getattr(view, "view_class", None), method.lower(), None)
            if getattr(handler, "_apidoc", {}).get("house", {}).get("key_required") and not rule.arguments:
                found.append((method, rule.rule))
    return found


def test_operations_on_the_list_demand_a_key_from_ops_tokens_when_spelled_as_there(app: Any, alice: Any) -> None:
    ops = alice.token_with("*")
    demanded = [
        (method, path) for method, path in needing_a_key(app) if not path.startswith("/api/v1/mailbox/") and path != "/api/v1/mailbox"
    ]
    assert ("POST", "/api/v1/domains") in demanded
    for method, path in demanded:
        answer = ops.request(method, path, json={})
        assert answer.status_code == 422 and answer.json["error"]["code"] == "missing_idempotency_key", (method, path)
        spelled = ops.request(method, f"{path}/", json={})
        assert spelled.json["error"]["code"] != "missing_idempotency_key", f"{path}/ only honours a key"
        assert alice.api.request(method, path, json={}).json["error"]["code"] != "missing_idempotency_key", "workspace tokens need none"


def test_c49_50_parallel_equal_requests_have_one_effect(app: Any, alice: Any) -> None:
    with WebProcess(app) as server, ThreadPoolExecutor(50) as pool:
        assert server.request("GET", "/api/v1/me", alice.token)[0] == 200
        answers = list(pool.map(lambda _: server.request("POST", "/api/v1/tokens", alice.token, NEW, KEY), range(50)))
        done = [body["data"]["id"] for status, body, _ in answers if status == 201]
        busy = [body["error"] for status, body, _ in answers if status != 201]
        assert done and len(set(done)) == 1
        assert all(error["code"] == "idempotency_in_progress" and error["retryable"] for error in busy), busy
        assert sum("x-idempotency-replayed" not in headers for status, _, headers in answers if status == 201) == 1
        assert made() == 1
        status, body, headers = server.request("POST", "/api/v1/tokens", alice.token, NEW, KEY)
        assert (status, body["data"]["id"], headers["x-idempotency-replayed"]) == (201, done[0], "true")


def test_c49_the_key_of_a_request_that_was_killed_is_free_again_and_nothing_of_it_happened(app: Any, alice: Any) -> None:
    with WebProcess(app, hang=True) as dying, ThreadPoolExecutor(1) as pool:
        lost = pool.submit(dying.request, "POST", "/api/v1/tokens", alice.token, NEW, KEY)
        wait_until(dying.hung.exists, "the request to hang before its commit", 30)
        dying.kill()
        with pytest.raises(OSError):
            lost.result(20)
    assert made() == 0
    with WebProcess(app) as server:
        answer = wait_until(lambda: _made_it(server, alice.token), "the key to be free", 10)
        assert "x-idempotency-replayed" not in answer
    assert made() == 1


def _made_it(server: WebProcess, token: str) -> dict[str, str] | None:
    status, _, headers = server.request("POST", "/api/v1/tokens", token, NEW, KEY)
    return headers if status == 201 else None


def test_c49_while_a_request_runs_an_equal_one_is_told_so_or_waits(app: Any, alice: Any) -> None:
    """PostgreSQL answers at once that the first is still running; SQLite makes the second wait at the write lock until it gives up."""
    if db.engine.dialect.name == "sqlite":
        return
    with WebProcess(app, hang=True) as server, ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.request, "POST", "/api/v1/tokens", alice.token, NEW, KEY)
        wait_until(server.hung.exists, "the request to hang before its commit", 30)
        status, body, _ = server.request("POST", "/api/v1/tokens", alice.token, NEW, KEY)
        assert (status, body["error"]["code"], body["error"]["retryable"]) == (409, "idempotency_in_progress", True)
        server.kill()
        with pytest.raises(OSError):
            first.result(20)
