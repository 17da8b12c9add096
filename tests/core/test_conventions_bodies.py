"""Bad input gets a clear answer that names the field and what to do, and leaves nothing half-written (C-51)."""

import json
from typing import Any

import pytest
from sqlalchemy import func, select

from webapp.core.db import db
from webapp.tokens.models import ApiToken

GOOD = {"name": "CI", "kind": "ops", "scopes": ["domains:read"]}


def raw(person: Any, body: str | bytes, **headers: str) -> Any:
    return person.api.post("/tokens", data=body, headers={"Content-Type": "application/json", **headers})


def count() -> int:
    return db.session.scalar(select(func.count()).select_from(ApiToken)) or 0


def assert_error(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The one shape of every refusal."""
    assert (answer.status_code, answer.mimetype) == (status, "application/json")
    assert set(answer.json) == {"success", "error"} and answer.json["success"] is False
    error: dict[str, Any] = answer.json["error"]
    assert {"code", "message", "hint", "details", "request_id", "retryable"} <= set(error)
    assert error["code"] == code and error["message"] and error["hint"]
    assert error["request_id"] == answer.headers["X-Request-Id"]
    return error


@pytest.mark.parametrize("body", ["{", '{"name": }', "[1, 2", '{"a": 1}}', "undefined", b"\xff\xfe{}", b'{"name": "\xe9"}', "{'a': 1}"])
def test_unreadable_json_is_400(alice: Any, body: str | bytes) -> None:
    before = count()
    error = assert_error(raw(alice, body), 400, "bad_request")
    assert error["retryable"] is False and count() == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("[]", "body"), ('"text"', "body"), ("7", "body"), ("null", "body"),
        ('{"name": "a", "name": "b"}', "name"),
        ('{"expires_in": NaN}', "body"), ('{"expires_in": Infinity}', "body"), ('{"expires_in": -Infinity}', "body"),
        ('{"a": ' + "[" * 40 + "]" * 40 + "}", "a"), ("[" * 100_000, "body"), ('{"a":' * 50_000, "body"),
        ('{"name": "a\\u0000b"}', "name"), ('{"scopes": ["a\\u0000b"]}', "scopes.0"), ('{"name": "\\ud800"}', "name"),
    ],
)  # fmt: skip
def test_json_that_nothing_can_hold_is_422_with_the_place(alice: Any, body: str, field: str) -> None:
    error = assert_error(raw(alice, body), 422, "validation_error")
    assert any(key.startswith(field) for key in error["details"]), error["details"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": 5}, "name"), ({"name": None}, "name"), ({"name": ""}, "name"), ({"name": "   "}, "name"), ({"name": "x" * 121}, "name"),
        ({"name": "two\nlines"}, "name"), ({"name": ["a"]}, "name"), ({"name": {"a": 1}}, "name"),
        ({"kind": "root"}, "kind"), ({"kind": 1}, "kind"), ({"scopes": []}, "scopes"), ({"scopes": "domains:read"}, "scopes"),
        ({"scopes": [1]}, "scopes.0"), ({"scopes": None}, "scopes"), ({"scopes": ["nothing:known"]}, "scopes"),
        ({"expires_in": 10**30}, "expires_in"), ({"expires_in": -1}, "expires_in"), ({"expires_in": 1.5}, "expires_in"),
        ({"expires_in": "90d"}, "expires_in"), ({"expires_in": True}, "expires_in"), ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"), ({"expires_at": "9999-12-31T23:59:59-12:00"}, "expires_at"),
        ({"domain_ids": [10**30]}, "domain_ids.0"), ({"domain_ids": [0]}, "domain_ids.0"), ({"domain_ids": ["1"]}, "domain_ids.0"),
        ({"domain_ids": [None]}, "domain_ids.0"), ({"allowed_ips": ["300.1.1.1"]}, "allowed_ips"),
        ({"workspace_id": 2}, "workspace_id"), ({"is_admin": True}, "is_admin"), ({"id": 1}, "id"), ({"user_id": 1}, "user_id"),
        ({"Name": "x"}, "Name"),
    ],
)  # fmt: skip
def test_c51_wrong_values_are_422_with_the_path_and_change_nothing(alice: Any, change: dict[str, Any], field: str) -> None:
    before = count()
    error = assert_error(raw(alice, json.dumps({**GOOD, **change})), 422, "validation_error")
    assert field in error["details"] and all(texts and all(texts) for texts in error["details"].values()), error["details"]
    assert count() == before


def test_an_empty_body_is_an_empty_object(alice: Any) -> None:
    error = assert_error(raw(alice, ""), 422, "validation_error")
    assert {"name", "scopes"} <= set(error["details"])
    assert_error(raw(alice, "  \n"), 422, "validation_error")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", ""]
)
def test_another_type_of_body_is_415(alice: Any, kind: str) -> None:
    before = count()
    error = assert_error(alice.api.post("/tokens", data=json.dumps(GOOD), headers={"Content-Type": kind}), 415, "unsupported_media_type")
    assert error["retryable"] is False and count() == before


def test_json_with_a_charset_or_a_suffix_is_json(alice: Any) -> None:
    for kind in ("application/json; charset=utf-8", "application/vnd.acme+json", "APPLICATION/JSON"):
        assert raw(alice, json.dumps(GOOD), **{"Content-Type": kind}).status_code == 201


def test_a_body_that_says_it_is_too_large_is_413_before_it_is_read(alice: Any) -> None:
    size = alice.api.app.config["SETTINGS"].max_message_bytes * 2 + 1
    answer = alice.api.post(
        "/tokens", data=json.dumps(GOOD), content_type="application/json", environ_overrides={"CONTENT_LENGTH": str(size)}
    )
    assert assert_error(answer, 413, "payload_too_large")["retryable"] is False


def test_a_body_that_is_too_large_is_413_also_without_its_length(alice: Any) -> None:
    alice.api.app.config["MAX_CONTENT_LENGTH"] = 1000
    before = count()
    assert_error(raw(alice, json.dumps({**GOOD, "name": "x" * 2000})), 413, "payload_too_large")
    assert count() == before
    alice.api.app.config["MAX_CONTENT_LENGTH"] = 50_000_000


def test_an_unknown_path_is_404_in_json_and_a_wrong_method_405_with_the_right_ones(alice: Any) -> None:
    assert_error(alice.api.get("/nothing/here"), 404, "not_found")
    assert_error(alice.api.get("/tokens/999999999999999999999999999"), 404, "not_found")
    answer = alice.api.put("/tokens", json=GOOD)
    assert_error(answer, 405, "method_not_allowed")
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


def test_a_page_that_does_not_exist_is_a_page(alice: Any) -> None:
    answer = alice.page.get("/nothing/here")
    assert answer.status_code == 404 and answer.mimetype == "text/html" and "Content-Security-Policy" in answer.headers


def test_both_slash_forms_answer_without_a_redirect(alice: Any) -> None:
    made = alice.api.post("/tokens/", json=GOOD)
    assert made.status_code == 201
    for path in (
        "/tokens",
        "/tokens/",
        f"/tokens/{made.json['data']['id']}",
        f"/tokens/{made.json['data']['id']}/",
        "/tokens/current/",
        "/me/",
    ):
        assert alice.api.get(path).status_code == 200, path


def another_ending(token: str) -> str:
    """The same token with one other character at its end."""
    return token[:-1] + ("y" if token.endswith("x") else "x")


def test_no_token_and_a_wrong_one_are_401_with_the_way_to_ask(alice: Any) -> None:
    for header in ("", "Basic YTpi", "Bearer", "Bearer nonsense", f"Bearer {another_ending(alice.token)}", f"Token {alice.token}"):
        answer = alice.api.get("/tokens", headers={"Authorization": header})
        assert_error(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_request_id_is_echoed_in_header_meta_error_and_audit(alice: Any) -> None:
    answer = alice.api.post("/tokens", json=GOOD, headers={"X-Request-Id": "order-10482"})
    assert answer.headers["X-Request-Id"] == answer.json["meta"]["request_id"] == "order-10482"
    assert alice.api.get("/audit-events?request_id=order-10482").json["data"][0]["action"] == "token.create"
    for strange in ("two words", "x" * 129, "ä", ""):
        given = alice.api.get("/tokens", headers={"X-Request-Id": strange}).headers["X-Request-Id"]
        assert given.startswith("req_") and given != strange


def test_the_envelope_of_one_and_of_many(alice: Any) -> None:
    made = alice.api.post("/tokens", json=GOOD).json
    assert set(made) == {"success", "data", "meta"} and made["success"] is True
    assert made["meta"]["timestamp"].endswith("Z") and made["data"]["created_at"].endswith("Z")
    many = alice.api.get("/tokens").json
    assert set(many) == {"success", "data", "links", "meta"} and set(many["links"]) == {"next", "prev"}
    gone = alice.api.delete(f"/tokens/{made['data']['id']}")
    assert gone.status_code == 200 and set(gone.json["data"]) == {"id", "message"}


def test_pages_refuse_nul_with_a_page_and_not_with_a_crash(alice: Any) -> None:
    assert alice.page.get("/tokens?q=a%00b").status_code == 400
    assert alice.page.post("/profile", {"name": "a\x00b"}).status_code == 400
