"""Every page route: sign-in, CSRF, roles, and that looking changes nothing. Generated from the route table."""

from typing import Any

import pytest

from tests.house.routes import FOR_STRANGERS, PUBLIC, Operation, page_operations, some_of
from tests.house.things import make_everything, snapshot
from tests.people import PageClient
from webapp.core import scopes


def closed(app: Any) -> list[Operation]:
    return [operation for operation in page_operations(app) if operation.endpoint not in PUBLIC]


def ones(operation: Operation) -> str:
    return operation.path({**dict.fromkeys(operation.arguments, 1), "kind": "mailbox", "view": "headers"})


def test_every_page_is_public_by_name_or_asks_for_sign_in(app: Any) -> None:
    assert len(closed(app)) > 15
    for operation in closed(app):
        assert getattr(operation.view, "needs_sign_in", False), f"{operation} has neither needs(…) nor a line in PUBLIC"
        assert operation.scope is None or operation.scope in scopes.SCOPES, operation


def test_nobody_sees_a_page_without_signing_in(app: Any, alice: Any) -> None:
    stranger = PageClient(app, None)
    for operation in some_of(closed(app)):
        answer = stranger.get(ones(operation)) if operation.method == "GET" else stranger.post(ones(operation))
        assert answer.status_code == 303 and answer.location.startswith("/login"), operation


def test_c58_every_unsafe_route_refuses_a_missing_a_foreign_and_a_stale_token(app: Any, alice: Any, eve: Any) -> None:
    before = snapshot(alice.workspace.id)
    unsafe = [one for one in page_operations(app) if one.method != "GET" and one.endpoint not in FOR_STRANGERS]
    assert {operation.endpoint for operation in unsafe} >= {"accounts.login", "accounts.logout", "theme"}
    for operation in some_of(unsafe):
        for headers in ({}, {"X-CSRFToken": "nonsense"}, {"X-CSRFToken": eve.page.csrf}):
            answer = alice.page.client.open(ones(operation), method=operation.method, headers=headers)
            assert answer.status_code == 400, (operation, headers, answer.status_code)
        answer = alice.page.client.open(
            ones(operation), method=operation.method, data={"csrf_token": eve.page.csrf}, headers={"HX-Request": "true"}
        )
        assert answer.status_code == 400, operation
    assert snapshot(alice.workspace.id) == before


def test_c58_looking_at_every_page_changes_nothing(app: Any, alice: Any, work_off: Any, outside: Any) -> None:
    ids = make_everything(alice, work_off)
    before = snapshot(alice.workspace.id)
    for operation in page_operations(app):
        if operation.method != "GET" or operation.endpoint in ("static", "live.events", *FOR_STRANGERS):
            continue
        for htmx in (False, True):
            answer = alice.page.get(operation.path(ids), htmx=htmx)
            assert answer.status_code < 500, (operation, htmx)
    assert snapshot(alice.workspace.id) == before


def test_every_page_opens_for_its_owner_with_the_policy_and_without_inline_script_or_style(
    app: Any, alice: Any, work_off: Any, outside: Any
) -> None:
    ids = make_everything(alice, work_off)
    for operation in page_operations(app):
        if operation.method != "GET" or operation.endpoint in ("static", "live.events", *FOR_STRANGERS):
            continue
        answer = alice.page.get(operation.path(ids))
        assert answer.status_code in (200, 286, 302, 303) or operation.endpoint in ("accounts.reset", "health.readyz"), (
            operation,
            answer.status_code,
        )
        if answer.mimetype != "text/html":
            continue
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe-inline" not in policy.replace("style-src 'unsafe-inline'", "") or "sandbox" in policy, operation
        text = answer.get_data(as_text=True)
        if "sandbox" not in policy:
            assert "<script>" not in text and " onclick=" not in text and " style=" not in text and "<style" not in text, operation


@pytest.mark.parametrize("who", ["bob", "carol"])
def test_pages_keep_the_roles_of_their_scopes(app: Any, people: Any, who: str) -> None:
    person = people[who]
    beyond = [operation for operation in closed(app) if operation.scope is not None and not person.actor.may(operation.scope)]
    assert beyond
    for operation in some_of(beyond):
        answer = person.page.get(ones(operation)) if operation.method == "GET" else person.page.post(ones(operation))
        assert answer.status_code == 403, (operation, answer.status_code)
