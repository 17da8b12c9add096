"""C-45, C-46: a token that is limited to some domains or mailboxes sees, changes and gives away nothing beyond them."""

from typing import Any

import pytest

from tests.factories.automation import make_action, make_route, make_rule
from tests.factories.mailboxes import make_mailbox
from tests.house.routes import UNSAFE, Operation, api_operations
from tests.house.test_foreign_ids import NOBODYS, NOT_IDS, body_for
from tests.house.things import make_everything, snapshot
from webapp.core.db import db
from webapp.intake import logins
from webapp.tokens import door
from webapp.tokens import service as tokens

#: ids of things that hang on one mailbox or domain
WITHIN = {
    "domain_id", "mailbox_id", "route_id", "archive_id", "message_id", "delivery_id", "data_id", "log_id", "run_id", "message_token_id",
    "token_id",
}  # fmt: skip
HIDDEN = "hidden-shop.test"


def limited(person: Any, how: str) -> Any:
    """A token with every scope, limited to a mailbox or a domain of its own."""
    own = make_mailbox(person, "own@own-shop.test")
    limit = {"domain_ids": [own.domain_id]} if how == "domain" else {"mailbox_ids": [own.id]}
    return person.token_with("*", **limit)


def ask(api: Any, operation: Operation, ids: dict[str, Any], body: Any) -> Any:
    options = {"json": body, "headers": {"Idempotency-Key": f"{operation} {ids['mailbox_id']}"}} if operation.method in UNSAFE else {}
    return api.request(operation.method, operation.path(ids), **options)


@pytest.mark.parametrize("how", ["domain", "mailbox"])
def test_c45_a_limited_token_gets_404_for_every_id_beyond_its_limits(
    app: Any, alice: Any, work_off: Any, outside: Any, how: str
) -> None:
    ids = make_everything(alice, work_off, HIDDEN)
    document = alice.api.get("/api/openapi.json").json
    api = limited(alice, how)
    nobodys = {**ids, **{name: NOBODYS for name in ids if name not in NOT_IDS}}
    before, wrong, asked = snapshot(alice.workspace.id), [], 0
    for operation in api_operations(app):
        if not operation.arguments & WITHIN or "message" in operation.kinds:
            continue
        asked += 1
        body = body_for(operation, document)
        beyond, missing = ask(api, operation, ids, body), ask(api, operation, nobodys, body)
        refused = beyond.status_code == 404 or beyond.json["error"]["code"] == "domain_scope_forbidden"
        unread = beyond.status_code == 422 and operation.method in ("POST", "PUT", "PATCH")
        if beyond.status_code != missing.status_code or not (refused or unread):
            wrong.append((str(operation), beyond.status_code, missing.status_code, beyond.get_data(as_text=True)[:200]))
    assert asked > 30 and not wrong, wrong
    assert snapshot(alice.workspace.id) == before


@pytest.mark.parametrize("how", ["domain", "mailbox"])
def test_c45_a_limited_token_lists_nothing_beyond_its_limits(app: Any, alice: Any, work_off: Any, outside: Any, how: str) -> None:
    make_everything(alice, work_off, HIDDEN)
    api, seen = limited(alice, how), []
    for operation in api_operations(app):
        if operation.method != "GET" or operation.arguments or "message" in operation.kinds:
            continue
        whole, answer = alice.api.get(f"{operation.rule}?per_page=100"), api.get(f"{operation.rule}?per_page=100")
        seen += [operation.rule] if HIDDEN in whole.get_data(as_text=True) else []
        assert HIDDEN not in answer.get_data(as_text=True), operation
    assert {"/api/v1/domains", "/api/v1/mailboxes"} <= set(seen), "else the check above proves nothing"


def test_a_limited_token_reaches_what_lies_within_its_limits(alice: Any) -> None:
    for how in ("domain", "mailbox"):
        api = limited(alice, how)
        found = api.get("/mailboxes").json
        assert [row["email"] for row in found["data"]] == ["own@own-shop.test"] and found["meta"]["total"] == 1
        assert [row["name"] for row in api.get("/domains").json["data"]] == ["own-shop.test"]
        assert api.get(f"/mailboxes/{found['data'][0]['id']}/archives").status_code == 200
        db.session.rollback()
        alice.api.delete(f"/mailboxes/{found['data'][0]['id']}")


@pytest.mark.parametrize(("how", "path", "body"), [
    ("domain", "/domains", {"name": "third.test"}),
    ("mailbox", "/domains", {"name": "third.test"}),
    ("mailbox", "/mailboxes", {"domain_id": 1, "local_part": "new"}),
])  # fmt: skip
def test_writes_that_concern_more_than_its_limits_are_403(alice: Any, how: str, path: str, body: dict[str, Any]) -> None:
    answer = limited(alice, how).post(path, json=body, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "domain_scope_forbidden")


def test_a_token_limited_to_a_mailbox_does_not_delete_the_domain_around_it(alice: Any) -> None:
    make_mailbox(alice, "other@own-shop.test")
    api = limited(alice, "mailbox")
    domain_id = api.get("/domains").json["data"][0]["id"]
    for answer in (api.delete(f"/domains/{domain_id}?force=true"), api.patch(f"/domains/{domain_id}", json={"note": "mine"})):
        assert (answer.status_code, answer.json["error"]["code"]) == (403, "domain_scope_forbidden")
    assert len(alice.api.get("/mailboxes").json["data"]) == 2


def test_over_smtp_it_sends_as_its_own_mailboxes_alone(alice: Any) -> None:
    make_mailbox(alice, f"orders@{HIDDEN}")
    for how in ("domain", "mailbox"):
        value = limited(alice, how).token
        who = logins.log_in("api", value, "127.0.0.1")
        assert who is not None and logins.own_mailbox(who, "own@own-shop.test") is not None
        assert logins.own_mailbox(who, f"orders@{HIDDEN}") is None
        assert logins.log_in(f"orders@{HIDDEN}", value, "127.0.0.1") is None
        db.session.rollback()
        alice.api.delete(f"/mailboxes/{logins.own_mailbox(who, 'own@own-shop.test').id}")


def test_c46_a_limited_token_makes_none_beyond_its_limits(alice: Any) -> None:
    other = make_mailbox(alice, f"orders@{HIDDEN}")
    for how in ("domain", "mailbox"):
        own = make_mailbox(alice, f"{how}@{how}-shop.test")
        api = alice.token_with("*", **({"domain_ids": [own.domain_id]} if how == "domain" else {"mailbox_ids": [own.id]}))
        for limit in (
            {"domain_ids": [other.domain_id]}, {"mailbox_ids": [other.id]}, {"mailbox_ids": [own.id, other.id]},
            {"kind": "message", "mailbox_id": other.id, "scopes": ["messages:read"]},
        ):  # fmt: skip
            refused = api.post("/tokens", json={"name": "wider", "kind": "ops", "scopes": ["mailboxes:read"], **limit})
            assert refused.status_code == 422, (how, limit, refused.json)
        assert api.post(
            f"/mailboxes/{other.id}/message-tokens", json={"name": "w", "scopes": ["messages:read"]}, headers={"Idempotency-Key": "k"}
        ).status_code == 404  # fmt: skip
        made = api.post("/tokens", json={"name": "as wide", "kind": "ops", "scopes": ["mailboxes:read"]}).json["data"]
        inherited = type(alice.api)(alice.api.app, made["token"]).get("/mailboxes").json["data"]
        assert [row["id"] for row in inherited] == [own.id], "without a limit of its own it gets that of its maker"


def test_c46_an_empty_limit_is_refused_instead_of_meaning_none(alice: Any) -> None:
    own = make_mailbox(alice, "own@own-shop.test")
    for field in ("domain_ids", "mailbox_ids"):
        assert alice.api.post("/tokens", json={"name": "n", "scopes": ["domains:read"], field: []}).status_code == 422
    made = alice.api.post("/tokens", json={"name": "n", "kind": "ops", "scopes": ["*"], "mailbox_ids": [own.id]}).json["data"]
    refused = alice.api.patch(f"/tokens/{made['id']}", json={"mailbox_ids": []})
    assert refused.status_code == 422
    assert alice.api.patch(f"/tokens/{made['id']}", json={"mailbox_ids": None}).json["error"]["code"] == "token_cannot_widen"


def test_c46_networks_are_handed_on_and_never_widened(alice: Any) -> None:
    api = alice.token_with("*", allowed_ips=["127.0.0.0/8"])
    new = {"name": "n", "kind": "ops", "scopes": ["domains:read"]}
    assert api.post("/tokens", json=new).json["data"]["allowed_ips"] == ["127.0.0.0/8"]
    assert api.post("/tokens", json={**new, "allowed_ips": ["127.0.0.1"]}).json["data"]["allowed_ips"] == ["127.0.0.1/32"]
    refused = api.post("/tokens", json={**new, "allowed_ips": ["0.0.0.0/0"]})
    assert refused.status_code == 422 and "allowed_ips" in refused.json["error"]["details"]


def test_c46_nothing_of_a_token_gets_wider_by_changing_it(alice: Any) -> None:
    first, second = make_mailbox(alice, "a@one.test"), make_mailbox(alice, "b@two.test")
    made, _ = tokens.create_token(
        alice.actor, name="t", kind="ops", scopes=["domains", "mailboxes:read"], expires_in=3600,
        domain_ids=[first.domain_id, second.domain_id], mailbox_ids=[first.id], allowed_ips=["10.0.0.0/8"],
    )  # fmt: skip
    db.session.commit()
    for change in (
        {"scopes": ["*"]}, {"scopes": ["domains:read", "mailboxes:write"]}, {"expires_at": None}, {"expires_at": "2100-01-01T00:00:00Z"},
        {"expires_at": "2020-01-01T00:00:00Z"}, {"domain_ids": None}, {"mailbox_ids": [first.id, second.id]}, {"mailbox_ids": [second.id]},
        {"allowed_ips": None}, {"allowed_ips": []}, {"allowed_ips": ["11.0.0.1"]}, {"allowed_ips": ["10.0.0.0/7"]},
    ):  # fmt: skip
        refused = alice.api.patch(f"/tokens/{made.id}", json=change)
        assert (refused.status_code, refused.json["error"]["code"]) == (422, "token_cannot_widen"), change
    narrower = {
        "scopes": ["domains:read"], "domain_ids": [first.domain_id], "mailbox_ids": [first.id], "allowed_ips": ["10.1.0.0/16"], "name": "n",
    }  # fmt: skip
    data = alice.api.patch(f"/tokens/{made.id}", json=narrower).json["data"]
    assert {name: data[name] for name in narrower} == narrower
    entry = alice.api.get("/audit-events?action=token.update").json["data"][0]
    assert entry["after"]["scopes"] == ["domains:read"] and entry["before"]["scopes"] == ["domains", "mailboxes:read"]


def test_a_token_without_limits_can_get_one(alice: Any, eve: Any) -> None:
    own, foreign = make_mailbox(alice, "own@own-shop.test"), make_mailbox(eve, "e@evil.test")
    made, value = tokens.create_token(alice.actor, name="t", kind="ops", scopes=["mailboxes"])
    make_mailbox(alice, f"orders@{HIDDEN}")
    api = type(alice.api)(alice.api.app, value)
    assert len(api.get("/mailboxes").json["data"]) == 2
    assert alice.api.patch(f"/tokens/{made.id}", json={"mailbox_ids": [foreign.id]}).status_code == 422
    assert alice.api.patch(f"/tokens/{made.id}", json={"mailbox_ids": [own.id]}).status_code == 200
    door.forget_all()
    assert [row["id"] for row in api.get("/mailboxes").json["data"]] == [own.id]


def test_rules_and_actions_that_routes_beyond_its_limits_use_are_not_changed(alice: Any) -> None:
    hidden = make_mailbox(alice, f"orders@{HIDDEN}")
    rule, action = make_rule(alice), make_action(alice)
    api = limited(alice, "mailbox")
    assert api.patch(f"/rules/{rule.id}", json={"name": "free to change"}).status_code == 200
    make_route(alice, hidden, rules=[rule], actions=[action])
    for path in (f"/rules/{rule.id}", f"/actions/{action.id}"):
        for answer in (api.patch(path, json={"name": "mine"}), api.delete(f"{path}?force=true")):
            assert (answer.status_code, answer.json["error"]["code"]) == (403, "domain_scope_forbidden"), path
        assert alice.api.patch(path, json={"name": "yours"}).status_code == 200
