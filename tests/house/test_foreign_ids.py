"""C-45: each route that names an id, asked by a stranger: 404, and nothing changed. Generated from the route table."""

from typing import Any

from tests.house.routes import UNSAFE, Operation, api_operations, page_operations
from tests.house.things import make_everything, snapshot

#: parameters that name no row of a workspace
NOT_IDS = {"filename", "view", "number", "kind", "signed", "key", "token"}
NOBODYS = 987_654


def with_ids(operations: list[Operation]) -> list[Operation]:
    return [operation for operation in operations if operation.arguments - NOT_IDS]


def sample(schema: dict[str, Any], components: dict[str, Any], depth: int = 0) -> Any:
    """The smallest value that a schema of our document takes."""
    if "$ref" in schema:
        return sample(components[schema["$ref"].rsplit("/", 1)[1]], components, depth)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    kind = next(k for k in kind if k != "null") if isinstance(kind, list) else kind
    if kind == "object":
        return {name: sample(schema["properties"][name], components, depth + 1) for name in schema.get("required", []) if depth < 5}
    if kind == "array":
        return [sample(schema["items"], components, depth + 1)] if schema.get("minItems") else []
    return {"integer": max(1, schema.get("minimum", 1)), "number": 1, "boolean": False}.get(kind, "x" * max(12, schema.get("minLength", 0)))


def body_for(operation: Operation, document: dict[str, Any]) -> Any:
    path = operation.path({name: f"{{{name}}}" for name in operation.arguments})
    described = document["paths"].get(path, {}).get(operation.method.lower(), {})
    content = described.get("requestBody", {}).get("content", {}).get("application/json")
    return sample(content["schema"], document["components"]["schemas"]) if content else {}


def ask(person: Any, operation: Operation, ids: dict[str, Any], body: Any) -> Any:
    key = {"Idempotency-Key": f"{operation} {ids.get('mailbox_id')} {ids.get('domain_id')}"}
    options = {"json": body, "headers": key} if operation.method in UNSAFE else {}
    return person.api.request(operation.method, operation.path(ids), **options)


def test_every_id_of_the_route_table_is_known_to_these_tests(app: Any, alice: Any, work_off: Any, outside: Any) -> None:
    known = set(make_everything(alice, work_off))
    for operation in api_operations(app) + page_operations(app):
        unknown = operation.arguments - known
        assert not unknown, f"{operation} names {unknown}; make one of it in tests/house/things.py"


def test_c45_a_strangers_token_gets_404_for_every_foreign_id(app: Any, alice: Any, eve: Any, work_off: Any, outside: Any) -> None:
    ids = make_everything(alice, work_off)
    document = alice.api.get("/api/openapi.json").json
    before = snapshot(alice.workspace.id)
    nobodys = {**ids, **{name: NOBODYS for name in ids if name not in NOT_IDS}}
    wrong = []
    for operation in with_ids(api_operations(app)):
        body = body_for(operation, document)
        foreign, missing = ask(eve, operation, ids, body), ask(eve, operation, nobodys, body)
        same = (foreign.status_code, foreign.json["error"]["code"]) == (missing.status_code, missing.json["error"]["code"])
        # A body that this test could not fill in well enough is refused before any row is looked at, for every id alike.
        if not same or foreign.status_code not in (404, 422) or (foreign.status_code == 422 and operation.method in ("GET", "DELETE")):
            wrong.append((str(operation), foreign.status_code, missing.status_code, foreign.get_data(as_text=True)[:200]))
    assert not wrong, wrong
    assert snapshot(alice.workspace.id) == before


def test_c45_the_same_addresses_work_for_their_owner(app: Any, alice: Any, work_off: Any, outside: Any) -> None:
    """Else the 404 above would prove nothing."""
    ids = make_everything(alice, work_off)
    for operation in with_ids(api_operations(app)):
        if operation.method == "GET":
            assert ask(alice, operation, ids, None).status_code == 200, operation


def test_c45_an_own_outer_id_does_not_open_a_foreign_inner_one(app: Any, alice: Any, eve: Any, work_off: Any, outside: Any) -> None:
    theirs, own = make_everything(alice, work_off), make_everything(eve, work_off, "evil.test")
    document = alice.api.get("/api/openapi.json").json
    before = snapshot(alice.workspace.id)
    for operation in with_ids(api_operations(app)):
        if len(operation.arguments - NOT_IDS) < 2:
            continue
        inner = max(operation.arguments - NOT_IDS, key=operation.rule.rindex)
        answer = ask(eve, operation, {**own, inner: theirs[inner]}, body_for(operation, document))
        assert answer.status_code in ((404, 422) if operation.method in ("POST", "PUT", "PATCH") else (404,)), (
            operation,
            answer.get_data(as_text=True)[:200],
        )
    assert snapshot(alice.workspace.id) == before


def test_c45_a_strangers_browser_gets_404_for_every_foreign_id(app: Any, alice: Any, eve: Any, work_off: Any, outside: Any) -> None:
    ids = make_everything(alice, work_off)
    before = snapshot(alice.workspace.id)
    wrong = []
    for operation in with_ids(page_operations(app)):
        answer = eve.page.get(operation.path(ids)) if operation.method == "GET" else eve.page.post(operation.path(ids))
        if answer.status_code != 404:
            wrong.append((str(operation), answer.status_code))
    assert not wrong, wrong
    assert snapshot(alice.workspace.id) == before


def test_c45_ids_inside_bodies_are_looked_up_in_the_own_workspace_alone(alice: Any, eve: Any, work_off: Any, outside: Any) -> None:
    theirs, own = make_everything(alice, work_off), make_everything(eve, work_off, "evil.test")
    before = snapshot(alice.workspace.id)
    route = {"name": "r", "mailbox_id": own["mailbox_id"], "rule_ids": [own["rule_id"]], "actions": [{"action_id": own["action_id"]}]}
    for method, path, body in (
        ("post", "/mailboxes", {"domain_id": theirs["domain_id"], "local_part": "mine"}),
        ("post", "/routes", {**route, "mailbox_id": theirs["mailbox_id"]}),
        ("post", "/routes", {**route, "rule_ids": [theirs["rule_id"]]}),
        ("post", "/routes", {**route, "actions": [{"action_id": theirs["action_id"]}]}),
        ("patch", f"/routes/{own['route_id']}", {"rule_ids": [theirs["rule_id"]]}),
        ("patch", f"/routes/{own['route_id']}", {"actions": [{"action_id": theirs["action_id"]}]}),
        ("post", "/routes/reorder", {"mailbox_id": theirs["mailbox_id"], "ids": [theirs["route_id"]]}),
        ("post", "/routes/reorder", {"mailbox_id": own["mailbox_id"], "ids": [theirs["route_id"]]}),
        ("post", f"/mailboxes/{own['mailbox_id']}/testmail", {"archive_id": theirs["archive_id"], "dry_run": True}),
        ("post", f"/mailboxes/{own['mailbox_id']}/testmail",
         {"sender": "a@b.test", "receivers": ["orders@evil.test"], "subject": "x", "route_id": theirs["route_id"], "dry_run": True}),
    ):  # fmt: skip
        answer = getattr(eve.api, method)(path, json=body)
        assert answer.status_code in (404, 422), (method, path, body, answer.status_code, answer.get_data(as_text=True)[:200])
    assert snapshot(alice.workspace.id) == before
