"""Parameters are declared once; checks, masking and docs follow from it."""

from typing import Any

import pytest

from webapp.automation import actions, parameters
from webapp.automation.parameters import MASK, BadParameters
from webapp.core import secrets
from webapp.core.http_guard import HttpClient

HOOK = actions.find("webhook")
assert HOOK is not None


@pytest.fixture(autouse=True)
def _keys() -> None:
    if not secrets._keys:
        secrets.configure(("a key for tests that is long enough to be one",))


def read(given: dict[str, Any], stored: dict[str, Any] | None = None) -> dict[str, Any]:
    return parameters.read(HOOK.parameters, given, stored)


def test_defaults_are_filled_in() -> None:
    assert read({"url": "https://x.test/"}) == {
        "url": "https://x.test/", "method": "POST", "body_format": "json", "verify_tls": True, "auth": {"type": "none"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, "url"),
        ({"url": "https://x.test/", "method": "FETCH"}, "method"),
        ({"url": 5}, "url"),
        ({"url": "https://x.test/\r\nX: y"}, "url"),
        ({"url": "https://x.test/", "nonsense": 1}, "nonsense"),
        ({"url": "https://x.test/", "headers": ["a"]}, "headers"),
        ({"url": "https://x.test/", "auth": {"type": "magic"}}, "auth.type"),
        ({"url": "https://x.test/", "auth": {"who": "me"}}, "auth.who"),
        ({"url": "https://x.test/", "auth": "me"}, "auth"),
        ({"url": "https://x.test/", "verify_tls": "perhaps"}, "verify_tls"),
    ],
)
def test_a_bad_value_is_named_by_its_path(given: dict[str, Any], path: str) -> None:
    with pytest.raises(BadParameters) as refused:
        read(given)
    assert list(refused.value.fields) == [path]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"url": "http://127.0.0.1/"}, "url"),
        ({"url": "http://[::ffff:10.0.0.1]/"}, "url"),
        ({"url": "ftp://x.test/"}, "url"),
        ({"url": "https://x.test/", "headers": {"Host": "y"}}, "headers"),
        ({"url": "https://x.test/", "body_format": "raw"}, "body"),
        ({"url": "https://x.test/", "body_format": "eml", "body": "x"}, "body"),
        ({"url": "https://x.test/", "body": '{"a": $SUBJECT}'}, "body"),
        ({"url": "https://x.test/", "auth": {"type": "hmac"}}, "auth.secret"),
        ({"url": "https://x.test/", "auth": {"type": "bearer"}}, "auth.token"),
    ],
)
def test_what_cannot_work_is_refused_on_save(given: dict[str, Any], path: str) -> None:
    with pytest.raises(BadParameters) as refused:
        HOOK.check(read(given), HttpClient())
    assert list(refused.value.fields) == [path]


def test_a_private_target_is_taken_only_where_the_operator_allows_it() -> None:
    values, refused_with = read({"url": "http://127.0.0.1:9000/"}), []
    for allowed in ("127.0.0.1", "127.0.0.0/8", "127.0.0.2", "10.0.0.0/8"):
        try:
            HOOK.check(values, HttpClient([allowed]))
        except BadParameters:
            refused_with.append(allowed)
    assert refused_with == ["127.0.0.2", "10.0.0.0/8"]


def test_secrets_are_sealed_in_the_database_and_masked_outside() -> None:
    values = read(
        {"url": "https://x.test/", "auth": {"type": "bearer", "token": "tok-12345"}, "headers": {"X-Api-Key": "key-1", "X-Plain": "p"}}
    )
    sealed = parameters.seal(HOOK.parameters, values)
    assert "tok-12345" not in str(sealed) and "key-1" not in str(sealed) and sealed["headers"]["X-Plain"] == "p"
    assert parameters.unseal(HOOK.parameters, sealed) == values
    shown = parameters.mask(HOOK.parameters, sealed)
    assert shown["auth"]["token"] == MASK and shown["headers"] == {"X-Api-Key": MASK, "X-Plain": "p"}
    assert sorted(parameters.secrets_in(HOOK.parameters, values)) == ["key-1", "tok-12345"]


def test_a_secret_that_comes_back_masked_stays_and_one_that_is_left_out_goes() -> None:
    stored = read({"url": "https://x.test/", "auth": {"type": "bearer", "token": "tok-12345"}, "headers": {"X-Api-Key": "key-1"}})
    again = read({"url": "https://y.test/", "auth": {"type": "bearer", "token": MASK}, "headers": {"X-Api-Key": MASK}}, stored)
    assert again["auth"]["token"] == "tok-12345" and again["headers"] == {"X-Api-Key": "key-1"}
    assert "token" not in read({"url": "https://y.test/", "auth": {"type": "bearer"}}, stored)["auth"]


def test_forms_may_send_text_for_lists_and_maps() -> None:
    forward = actions.find("forward")
    assert forward is not None
    assert parameters.read(forward.parameters, {"to": "a@b.test, c@d.test\ne@f.test"})["to"] == ["a@b.test", "c@d.test", "e@f.test"]
    assert read({"url": "https://x.test/", "headers": "X-A: 1\nX-B: 2: 3"})["headers"] == {"X-A": "1", "X-B": "2: 3"}


def test_every_type_describes_itself_completely() -> None:
    for kind in actions.types():
        assert kind.label and kind.summary.endswith(".") and kind.on_error in ("continue", "stop")
        for entry in parameters.describe(kind.parameters, {}):
            assert {"name", "label", "type", "required", "default", "secret", "description", "supports_variables", "value"} <= set(entry)
