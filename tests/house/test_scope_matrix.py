"""C-46: each endpoint with each scope missing. Generated from the route table, so that a later endpoint is covered by being there."""

from typing import Any

import pytest

from tests.factories.mailboxes import make_mailbox
from tests.house.routes import api_operations, some_of
from webapp.core import scopes
from webapp.core.db import db
from webapp.tokens import service as tokens

#: operations that read something stored before they try it, and so need a second scope
SECOND_SCOPE = {
    "POST /api/v1/actions/<int:action_id>/test": "actions:read",
    "POST /api/v1/rules/<int:rule_id>/test": "rules:read",
}


def client(person: Any, kind: str, granted: list[str]) -> Any:
    """A token of `person`; a message token is bound to a mailbox of its own."""
    mailbox_id = make_mailbox(person).id if kind == "message" else None
    _, value = tokens.create_token(person.actor, name=f"{kind} {len(granted)}", kind=kind, scopes=granted, mailbox_id=mailbox_id)
    db.session.commit()
    return type(person.api)(person.api.app, value)


def everything_but(scope: str, kind: str) -> list[str]:
    known = tokens.MESSAGE_SCOPES if kind == "message" else scopes.SCOPES
    return sorted(name for name in known if name != scope)


def test_every_operation_says_who_may_use_it(app: Any) -> None:
    assert len(api_operations(app)) > 20
    for operation in api_operations(app):
        assert hasattr(operation.view, "needs_scope"), f"{operation} has no needs(…)"
        assert operation.scope is None or operation.scope in scopes.SCOPES, f"{operation} needs the unknown scope {operation.scope}"
        assert operation.kinds, f"{operation} names no kind of token"


def test_c46_a_token_with_every_other_scope_is_403(app: Any, alice: Any) -> None:
    clients: dict[tuple[str, str], Any] = {}
    for operation in api_operations(app):
        if operation.scope is None:
            continue
        kind = operation.kinds[0]
        if (kind, operation.scope) not in clients:
            clients[kind, operation.scope] = client(alice, kind, everything_but(operation.scope, kind))
        answer = clients[kind, operation.scope].request(operation.method, operation.path(dict.fromkeys(operation.arguments, 1)), json={})
        error = (answer.json or {}).get("error", {})
        assert (answer.status_code, error.get("code"), error.get("required_scope")) == (403, "insufficient_scope", operation.scope), (
            operation
        )


def test_c46_the_scope_that_an_operation_names_is_all_that_it_needs(app: Any, alice: Any) -> None:
    """The service behind asks for no other scope than the door does; ids are of nobody, so the furthest answer is 404 or 422."""
    clients: dict[tuple[str, str], Any] = {}
    wrong = []
    for operation in api_operations(app):
        if operation.scope is None:
            continue
        kind, granted = operation.kinds[0], [operation.scope, *filter(None, [SECOND_SCOPE.get(str(operation))])]
        if (kind, str(granted)) not in clients:
            clients[kind, str(granted)] = client(alice, kind, granted)
        path = operation.path(dict.fromkeys(operation.arguments, 999_999))
        answer = clients[kind, str(granted)].request(operation.method, path, json={}, headers={"Idempotency-Key": str(operation)})
        if answer.status_code in (401, 403) or answer.status_code >= 500:
            wrong.append((str(operation), operation.scope, answer.json["error"]["message"]))
    assert not wrong, wrong


@pytest.mark.parametrize("who", ["bob", "carol"])
def test_c46_a_role_below_the_one_of_the_scope_is_403_whatever_the_token_holds(app: Any, people: Any, who: str) -> None:
    person = people[who]
    scoped = [operation for operation in api_operations(app) if operation.scope is not None and "ops" in operation.kinds]
    beyond = [operation for operation in scoped if not person.actor.has_role(scopes.SCOPES[str(operation.scope)].role)]
    assert beyond
    for operation in some_of(beyond):
        answer = person.api.request(operation.method, operation.path(dict.fromkeys(operation.arguments, 1)), json={})
        assert (answer.status_code, answer.json["error"]["code"]) == (403, "forbidden"), operation


def test_c46_no_token_a_revoked_one_and_the_wrong_kind_are_401(app: Any, alice: Any) -> None:
    message = client(alice, "message", ["messages:read"])
    for operation in some_of(api_operations(app)):
        path = operation.path(dict.fromkeys(operation.arguments, 1))
        nobody = alice.api.request(operation.method, path, json={}, headers={"Authorization": ""})
        assert (nobody.status_code, nobody.json["error"]["code"]) == (401, "unauthenticated"), operation
        if "message" not in operation.kinds:
            assert message.request(operation.method, path, json={}).status_code == 401, operation


def test_c46_a_token_never_makes_a_wider_one(alice: Any) -> None:
    for scope in scopes.SCOPES:
        if scope == "tokens:write":
            continue
        narrow = client(alice, "ops", ["tokens:write"])
        refused = narrow.post("/tokens", json={"name": "wider", "kind": "ops", "scopes": [scope]})
        assert (refused.status_code, refused.json["error"]["code"]) == (403, "insufficient_scope"), scope
    for wide in ("*", "tokens", "domains"):
        refused = client(alice, "ops", ["tokens:write"]).post("/tokens", json={"name": "wider", "kind": "ops", "scopes": [wide]})
        assert refused.status_code == 403, wide
