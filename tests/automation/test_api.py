"""The REST doors to rules, actions and routes: shapes, refusals, limits, and what a stranger gets."""

from typing import Any

import pytest

from tests.factories.automation import arrive, make_action, make_route, make_rule, runs_of
from tests.factories.mailboxes import make_mailbox
from webapp.automation.models import Action, Route
from webapp.core import trash
from webapp.core.db import db
from webapp.core.outside import Outside

MASK = "••••••••"


@pytest.fixture
def box(alice: Any) -> Any:
    return make_mailbox(alice, "books@acme.test")


# --- rules ------------------------------------------------------------------------------------------------


def test_a_rule_is_made_shown_changed_replaced_and_deleted(alice: Any) -> None:
    made = alice.api.post("/rules", json={"name": "Invoices", "type": "regex", "field": "subject", "value": r"\b(invoice|faktura)\b"})
    assert made.status_code == 201 and made.json["data"]["engine"] == "re2" and made.json["data"]["case_sensitive"] is False
    path = f"/rules/{made.json['data']['id']}"
    assert alice.api.get(path).json["data"] == made.json["data"]
    assert alice.api.patch(path, json={"value": r"(?<=a)b"}).json["data"]["engine"] == "regex"
    replaced = alice.api.put(
        path, json={"name": "Other", "type": "includes", "field": "header", "header_name": "X-Kind", "value": "x"}
    ).json["data"]
    assert (replaced["type"], replaced["header_name"], replaced["engine"]) == ("includes", "X-Kind", None)
    assert alice.api.get("/rules", query_string={"search": "Other"}).json["meta"]["total"] == 1
    deleted = alice.api.delete(path)
    assert deleted.status_code == 200 and deleted.json["data"]["id"] == made.json["data"]["id"]
    assert alice.api.get(path).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": "magic"}, "type"), ({"field": "mood"}, "field"), ({"field": "header"}, "header_name"), ({"value": " "}, "value"),
        ({"type": "regex", "value": "("}, "value"), ({"name": " "}, "name"), ({"colour": "red"}, "colour"),
        ({"type": "regex", "value": "((((a{100}){100}){100}){100}){100}"}, "value"),
    ],
)  # fmt: skip
def test_a_bad_rule_is_refused_with_the_field_named(alice: Any, change: dict[str, Any], field: str) -> None:
    answer = alice.api.post("/rules", json={"name": "R", "type": "includes", "field": "subject", "value": "x", **change})
    assert answer.status_code == 422 and list(answer.json["error"]["details"]) == [field]
    assert alice.api.get("/rules").json["meta"]["total"] == 0


def test_a_rule_or_action_in_use_is_refused_and_force_takes_it_out(alice: Any, box: Any) -> None:
    rule, action = make_rule(alice), make_action(alice)
    route = make_route(alice, box, rules=[rule, make_rule(alice)], actions=[action])
    for path in (f"/rules/{rule.id}", f"/actions/{action.id}"):
        refused = alice.api.delete(path)
        assert refused.status_code == 409 and refused.json["error"]["code"] == "in_use"
        assert refused.json["error"]["routes"] == [{"id": route.id, "name": route.name, "mailbox_id": box.id}]
        assert alice.api.delete(path, query_string={"force": "true"}).status_code == 200
    shown = alice.api.get(f"/routes/{route.id}").json["data"]
    assert len(shown["rule_ids"]) == 1 and shown["actions"] == []
    assert shown["enabled"] is False, "a route that lost its last action would swallow every mail"


def test_types_are_listed_with_what_they_take(alice: Any) -> None:
    rules = {item["name"]: item for item in alice.api.get("/rule-types").json["data"]}
    assert set(rules) == {"regex", "not_regex", "includes", "excludes"} and rules["excludes"]["negative"] is True
    assert {"name": "has_attachment", "label": "Has attachment"} in rules["regex"]["available_fields"]
    types = {item["name"]: item for item in alice.api.get("/action-types/").json["data"]}
    assert {"webhook", "forward", "send_mail", "drop", "set_data"} <= set(types)
    url = types["webhook"]["parameters"][0]
    assert (url["name"], url["required"], url["supports_variables"], url["secret"]) == ("url", True, True, False)


# --- actions ----------------------------------------------------------------------------------------------


def test_secrets_of_an_action_are_written_never_read_and_kept_when_sent_back_masked(alice: Any) -> None:
    auth = {"type": "bearer", "token": "tok-123456789"}
    made = alice.api.post("/actions", json={"name": "Hook", "type": "webhook", "parameters": {"url": "https://x.test/", "auth": auth}})
    assert made.status_code == 201 and made.json["data"]["parameters"]["auth"] == {"type": "bearer", "token": MASK}
    assert (made.json["data"]["on_error"], made.json["data"]["max_attempts"], made.json["data"]["pass_to_next"]) == ("continue", 8, True)
    action_id = made.json["data"]["id"]
    assert "tok-123456789" not in str(db.session.get_one(Action, action_id).parameters)
    put = alice.api.put(f"/actions/{action_id}", json={"name": "Hook", "type": "webhook", "parameters": made.json["data"]["parameters"]})
    assert put.status_code == 200
    parameters = alice.api.get(f"/actions/{action_id}/parameters").json["data"]
    token = next(item for entry in parameters if entry["name"] == "auth" for item in entry["parameters"] if item["name"] == "token")
    assert token["value"] == MASK and token["secret"] is True
    audit = str(alice.api.get("/audit-events").json["data"])
    assert "tok-123456789" not in audit and "action.create" in audit


def test_patch_changes_the_given_parameters_and_null_takes_one_away(alice: Any, outside: Outside) -> None:
    action = make_action(alice, headers={"X-A": "1"}, auth={"type": "bearer", "token": "tok-123456789"})
    changed = alice.api.patch(f"/actions/{action.id}", json={"parameters": {"method": "PUT", "headers": None}}).json["data"]["parameters"]
    assert changed["method"] == "PUT" and "headers" not in changed and changed["auth"]["token"] == MASK
    answer = alice.api.post(f"/actions/{action.id}/test", json={"subject": "x", "mailbox_id": make_mailbox(alice).id})
    assert answer.status_code == 200 and outside.http.sent[0].headers["authorization"] == "Bearer tok-123456789"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"type": "magic"}, "type"),
        ({"parameters": {}}, "parameters.url"),
        ({"parameters": {"url": "http://10.0.0.1/x"}}, "parameters.url"),
        ({"parameters": {"url": "http://0x7f.1/"}}, "parameters.url"),
        ({"parameters": {"url": "https://x.test/", "auth": {"type": "basic"}}}, "parameters.auth.username"),
        ({"parameters": {"url": "https://x.test/", "who": 1}}, "parameters.who"),
        ({"max_attempts": 21}, "max_attempts"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"type": "drop", "parameters": {}, "attach_to_mail": True}, "attach_to_mail"),
        ({"type": "forward", "parameters": {"to": ["not an address"]}}, "parameters.to"),
        ({"type": "send_mail", "parameters": {"to": ["a@b.test"]}}, "parameters.body"),
        ({"on_error": "panic"}, "on_error"),
    ],
)
def test_a_bad_action_is_refused_with_the_path_named(alice: Any, body: dict[str, Any], field: str) -> None:
    answer = alice.api.post("/actions", json={"name": "A", "type": "webhook", "parameters": {"url": "https://x.test/"}, **body})
    assert answer.status_code == 422 and list(answer.json["error"]["details"]) == [field]


# --- routes -----------------------------------------------------------------------------------------------


def test_a_route_is_made_listed_ordered_changed_and_deleted(alice: Any, box: Any) -> None:
    rule, action = make_rule(alice), make_action(alice)
    body = {"mailbox_id": box.id, "name": "Invoices", "rule_ids": [rule.id], "actions": [{"action_id": action.id, "on_error": "stop"}]}
    made = alice.api.post("/routes", json=body)
    assert made.status_code == 201
    first = made.json["data"]
    assert first["actions"] == [{"action_id": action.id, "on_error": "stop", "pass_to_next": None}]
    assert (first["position"], first["version"], first["direction"], first["match_type"], first["enabled"]) == (
        1,
        1,
        "incoming",
        "all",
        True,
    )
    second = alice.api.post("/routes/", json={"mailbox_id": box.id, "name": "All", "match_type": "any"}).json["data"]
    assert second["position"] == 2
    ordered = alice.api.post("/routes/reorder", json={"mailbox_id": box.id, "ids": [second["id"]]}).json["data"]
    assert ordered["ids"] == [second["id"], first["id"]]
    listed = alice.api.get("/routes", query_string={"mailbox_id": box.id}).json
    assert [item["id"] for item in listed["data"]] == [second["id"], first["id"]] and listed["meta"]["total"] == 2
    changed = alice.api.patch(f"/routes/{first['id']}", json={"enabled": False}).json["data"]
    assert (changed["enabled"], changed["version"], changed["rule_ids"]) == (False, 2, [rule.id])
    replaced = alice.api.put(f"/routes/{first['id']}", json={"mailbox_id": box.id, "name": "New"}).json["data"]
    assert (replaced["enabled"], replaced["rule_ids"], replaced["actions"], replaced["version"]) == (True, [], [], 3)
    assert alice.api.delete(f"/routes/{first['id']}").status_code == 200
    assert alice.api.get(f"/routes/{first['id']}").status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"mailbox_id": 999_999}, "mailbox_id"), ({"rule_ids": [999_999]}, "rule_ids"), ({"direction": "sideways"}, "direction"),
        ({"actions": [{"action_id": 999_999}]}, "actions.0.action_id"), ({"name": "Taken"}, "name"),
        ({"actions": [{"action_id": 1, "on_error": "x"}]}, "actions.0.on_error"),
    ],
)  # fmt: skip
def test_a_bad_route_is_refused_with_the_field_named(alice: Any, box: Any, change: dict[str, Any], field: str) -> None:
    make_route(alice, box, name="Taken")
    answer = alice.api.post("/routes", json={"mailbox_id": box.id, "name": "R", **change})
    assert answer.status_code == 422 and list(answer.json["error"]["details"]) == [field]
    assert db.session.query(Route).count() == 1


def test_changing_a_rule_makes_a_new_version_of_the_routes_that_use_it(alice: Any, box: Any) -> None:
    rule = make_rule(alice)
    route = make_route(alice, box, rules=[rule])
    alice.api.patch(f"/rules/{rule.id}", json={"value": "Other"})
    assert alice.api.get(f"/routes/{route.id}").json["data"]["version"] == 2
    alice.api.patch(f"/rules/{rule.id}", json={"value": "Other"})
    assert alice.api.get(f"/routes/{route.id}").json["data"]["version"] == 2


def test_routes_go_with_their_mailbox_and_come_back_with_it(alice: Any, box: Any) -> None:
    route = make_route(alice, box)
    assert alice.api.delete(f"/mailboxes/{box.id}", query_string={"force": "true"}).status_code == 200
    assert alice.api.get(f"/routes/{route.id}").status_code == 404
    assert alice.api.get("/routes").json["data"] == []


def test_trashed_rules_actions_and_routes_come_back(alice: Any, box: Any) -> None:
    rule, action = make_rule(alice), make_action(alice)
    route = make_route(alice, box, name="Back", rules=[rule], actions=[action])
    for path in (f"/routes/{route.id}", f"/rules/{rule.id}?force=true", f"/actions/{action.id}?force=true"):
        assert alice.api.delete(path).status_code == 200
    for kind, row in (("rule", rule), ("action", action), ("route", route)):
        trash.restore(alice.actor, kind, row.id)
    db.session.commit()
    shown = alice.api.get(f"/routes/{route.id}").json["data"]
    assert shown["name"] == "Back" and shown["rule_ids"] == [rule.id]


# --- strangers and limits ---------------------------------------------------------------------------------


def test_a_stranger_finds_nothing(alice: Any, eve: Any, box: Any, outside: Outside, work_off: Any) -> None:
    rule, action = make_rule(alice), make_action(alice)
    route = make_route(alice, box, actions=[action])
    message = arrive(box)
    work_off()
    run = runs_of(message)[0]
    entry = alice.api.post(f"/mailbox/{box.id}/data", json={"emails": ["a@b.test"], "data": {"k": "v"}}).json["data"]["id"]
    source = {"subject": "x"}
    for method, path, body in (
        ("GET", f"/rules/{rule.id}", None), ("PATCH", f"/rules/{rule.id}", {"name": "x"}),
        ("DELETE", f"/rules/{rule.id}", None),
        ("POST", f"/rules/{rule.id}/test", source), ("GET", f"/actions/{action.id}", None),
        ("GET", f"/actions/{action.id}/parameters", None),
        ("POST", f"/actions/{action.id}/test", source), ("GET", f"/routes/{route.id}", None),
        ("PATCH", f"/routes/{route.id}", {"name": "x"}),
        ("DELETE", f"/routes/{route.id}", None), ("POST", "/routes/reorder", {"mailbox_id": box.id, "ids": [route.id]}),
        ("GET", f"/mailbox/{box.id}/data", None),
        ("GET", f"/mailboxes/{box.id}/data/{entry}", None),
        ("DELETE", f"/mailbox/{box.id}/data/{entry}", None), ("GET", f"/mailbox/{box.id}/logs", None),
        ("GET", f"/mailbox/{box.id}/logs/{run.id}", None), ("POST", f"/mailbox/{box.id}/testmail", source),
        ("POST", f"/mailbox/{box.id}/archives/{message.id}/replay", {}),
    ):  # fmt: skip
        answer = eve.api.request(method, path, **({} if body is None else {"json": body}))
        assert answer.status_code == 404, (method, path, answer.json)
    own = make_mailbox(eve, "eve@evil.test")
    for field, value in (("rule_ids", [rule.id]), ("actions", [{"action_id": action.id}])):
        assert eve.api.post("/routes", json={"mailbox_id": own.id, "name": "R", field: value}).status_code == 422
    assert eve.api.get(f"/mailbox/{own.id}/logs/{run.id}").status_code == 404
    assert eve.api.post(f"/mailbox/{own.id}/archives/{message.id}/replay", json={}).status_code == 404
    assert eve.api.post(f"/mailbox/{own.id}/testmail", json={"archive_id": message.id}).status_code == 422


def test_a_token_for_one_mailbox_sees_the_routes_of_that_mailbox_alone(alice: Any, box: Any) -> None:
    other = make_mailbox(alice, "shop@acme.test")
    seen, hidden = make_route(alice, box), make_route(alice, other)
    api = alice.token_with("routes", "logs", "data", mailbox_ids=[box.id])
    assert [item["id"] for item in api.get("/routes").json["data"]] == [seen.id]
    assert api.get(f"/routes/{hidden.id}").status_code == 404 and api.get(f"/mailbox/{other.id}/logs").status_code == 404
    assert api.post("/routes", json={"mailbox_id": other.id, "name": "R"}).status_code == 422


def test_an_agent_runs_tests_and_changes_no_rules_and_a_viewer_reads(alice: Any, bob: Any, carol: Any, box: Any) -> None:
    make_route(alice, box)
    assert bob.api.post("/rules", json={"name": "R", "type": "includes", "value": "x"}).status_code == 403
    assert bob.api.post(f"/mailbox/{box.id}/testmail", json={"subject": "x", "dry_run": True}).status_code == 200
    assert carol.api.get("/routes").status_code == 200
    assert carol.api.post(f"/mailbox/{box.id}/testmail", json={"subject": "x", "dry_run": True}).status_code == 403
