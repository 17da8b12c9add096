"""The REST doors: shapes, refusals, limits, and what a stranger gets."""

import base64
import io
from typing import Any

import pytest

from tests.factories.automation import arrive, make_action, make_due, make_route, make_rule, runs_of
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


# --- data -------------------------------------------------------------------------------------------------


def test_mailbox_data_is_kept_found_and_changed(alice: Any, box: Any) -> None:
    path = f"/mailbox/{box.id}/data/"
    made = alice.api.post(path, json={"emails": ["Ines@X.test", "b@x.test"], "data": {"Apprise_url": "json://ines_1"}, "note": "From CRM"})
    assert made.status_code == 201 and made.json["data"]["emails"] == ["ines@x.test", "b@x.test"]
    alice.api.post(path, json={"emails": ["c@x.test"], "data": {"phone": "+46 70", "city": "Malmö"}})

    def found(**query: str) -> int:
        return len(alice.api.get(path, query_string=query).json["data"])

    assert found() == 2 and found(emails="INES@x.test,nobody@x.test") == 1 and found(note="crm") == 1 and found(note="%") == 0
    assert (
        found(data="apprise_url:INES") == 1
        and found(data="malmö") == 1
        and found(data="city:malmö,phone:46") == 1
        and found(data="city:Lund") == 0
    )
    assert found(created_after="2000-01-01") == 2 and found(created_before="2000-01-01") == 0 and found(created_exact="2000-01-01") == 0
    narrow = alice.api.get(path, query_string={"fields": "city", "emails": "c@x.test"}).json["data"][0]
    assert narrow["data"] == {"city": "Malmö"}
    entry = f"{path}{made.json['data']['id']}"
    assert alice.api.patch(entry, json={"note": "New"}).json["data"]["data"] == {"Apprise_url": "json://ines_1"}
    assert alice.api.put(entry, json={"emails": ["d@x.test"], "data": {}}).json["data"]["note"] == ""
    assert found(emails="ines@x.test") == 0 and found(emails="d@x.test") == 1
    assert alice.api.delete(entry).status_code == 200 and found() == 1


def test_a_malformed_address_in_mailbox_data_is_named(alice: Any, box: Any) -> None:
    answer = alice.api.post(f"/mailbox/{box.id}/data", json={"emails": ["a@b.test", "nonsense"], "data": {}})
    assert answer.status_code == 422 and list(answer.json["error"]["details"]) == ["emails.1"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("people.csv", "email;phone;note\nines@x.test;+46 70;Boss\nb@x.test;;\n"),
        ("people.json", '[{"emails": ["ines@x.test"], "data": {"phone": "+46 70"}, "note": "Boss"}, {"emails": "b@x.test", "data": {}}]'),
    ],
)
def test_an_upload_of_mailbox_data_is_loaded_and_can_be_filtered(alice: Any, box: Any, name: str, content: str) -> None:
    answer = alice.api.post(f"/mailbox/{box.id}/data/import/", data={"file": (io.BytesIO(content.encode()), name)})
    assert answer.status_code == 201 and answer.json["data"]["entry_count"] == 2
    listed = alice.api.get(f"/mailbox/{box.id}/data", query_string={"file": answer.json["data"]["file_id"]}).json["data"]
    ines = next(entry for entry in listed if entry["emails"] == ["ines@x.test"])
    assert len(listed) == 2 and ines["data"] == {"phone": "+46 70"} and ines["note"] == "Boss"


def test_an_upload_with_one_bad_line_changes_nothing(alice: Any, box: Any) -> None:
    content = io.BytesIO(b"email,phone\na@x.test,1\nnonsense,2\n")
    answer = alice.api.post(f"/mailbox/{box.id}/data/import", data={"file": (content, "x.csv")})
    assert answer.status_code == 422 and "Line 3" in answer.json["error"]["details"]["file"][0]
    assert alice.api.get(f"/mailbox/{box.id}/data").json["data"] == []


# --- logs, tests, replay ----------------------------------------------------------------------------------


def test_the_log_tells_verdicts_and_every_attempt(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    outside.http.script = [503, 200]
    make_route(alice, box, name="Orders", rules=[make_rule(alice)], actions=[make_action(alice)])
    arrive(box, subject="Invoice 7", text="Two frames.")
    work_off()
    make_due()
    work_off()
    listed = alice.api.get(
        f"/mailbox/{box.id}/logs/", query_string={"status": "success", "direction": "incoming", "search": "invoice"}
    ).json
    assert listed["meta"]["has_more"] is False and len(listed["data"]) == 1
    entry = alice.api.get(f"/mailboxes/{box.id}/logs/{listed['data'][0]['id']}").json["data"]
    assert (entry["route"], entry["status"], entry["subject"], entry["sender"]) == ("Orders", "success", "Invoice 7", "ines@elsewhere.test")
    assert entry["body"].strip() == "Two frames." and entry["rules"][0]["matched"] is True and entry["match_type"] == "all"
    (action,) = entry["actions"]
    assert [attempt["outcome"] for attempt in action["attempts"]] == ["retry", "success"]
    assert action["attempts"][1]["request"]["method"] == "POST" and action["attempts"][1]["answer"]["status"] == 200
    assert alice.api.get(f"/mailbox/{box.id}/logs", query_string={"isTest": "true"}).json["data"] == []
    assert alice.token_with("logs:read").get(f"/mailbox/{box.id}/logs/{entry['id']}").json["data"]["body"] is None


def test_a_test_mail_really_runs_and_is_flagged_everywhere(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    route = make_route(alice, box, rules=[make_rule(alice)], actions=[make_action(alice)])
    answer = alice.api.post(
        f"/mailbox/{box.id}/testmail/", json={"sender": "me@x.test", "subject": "Invoice", "body": "Hello", "route_id": route.id}
    )
    assert answer.status_code == 202
    accepted = answer.json["data"]
    work_off()
    (log_id,) = accepted["log_ids"]
    entry = alice.api.get(f"/mailbox/{box.id}/logs/{log_id}").json["data"]
    assert (entry["status"], entry["is_test"], entry["archive_id"]) == ("success", True, accepted["archive_id"])
    assert b'"is_test": true' in outside.http.sent[0].body and b'["X-Mailroom-Test", "1"]' in outside.http.sent[0].body


def test_a_test_that_matches_nothing_is_logged_all_the_same(alice: Any, box: Any, work_off: Any) -> None:
    make_route(alice, box, rules=[make_rule(alice)])
    accepted = alice.api.post(f"/mailbox/{box.id}/testmail", json={"subject": "Lunch"}).json["data"]
    work_off()
    assert alice.api.get(f"/mailbox/{box.id}/logs/{accepted['log_ids'][0]}").json["data"]["status"] == "skipped"


def test_a_dry_run_reports_and_carries_nothing_out(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    hook = make_action(alice, auth={"type": "bearer", "token": "tok-123456789"}, body={"s": "$SUBJECT"})
    make_route(alice, box, name="Orders", rules=[make_rule(alice)], actions=[hook])
    make_route(alice, box, name="Never", rules=[make_rule(alice, value="Nothing")], actions=[hook])
    answer = alice.api.post(f"/mailbox/{box.id}/testmail", json={"subject": "Invoice 9", "dry_run": True})
    assert answer.status_code == 200
    orders, never = answer.json["data"]["routes"]
    assert orders["matched"] is True and orders["actions"][0]["rendered"]["body"] == {"s": "Invoice 9"}
    assert orders["actions"][0]["rendered"]["auth"]["token"] == MASK and never["matched"] is False and never["actions"] == []
    work_off()
    assert outside.http.sent == [] and runs_of() == []


def test_the_source_of_a_test_is_typed_or_eml_or_from_the_archive_and_exactly_one(alice: Any, box: Any) -> None:
    make_route(alice, box, rules=[make_rule(alice)])
    stored = arrive(box, subject="Invoice")
    eml = base64.b64encode(b"From: a@b.test\r\nSubject: Invoice\r\n\r\nx").decode()
    path = f"/mailbox/{box.id}/testmail"
    for source in ({"eml": eml}, {"archive_id": stored.id}, {"subject": "Invoice"}):
        assert alice.api.post(path, json={**source, "dry_run": True}).json["data"]["routes"][0]["matched"] is True
    upload = {"file": (io.BytesIO(b"From: a@b.test\r\nSubject: Invoice\r\n\r\nx"), "x.eml"), "dry_run": "true"}
    assert alice.api.post(path, data=upload).json["data"]["routes"][0]["matched"] is True
    for bad in ({}, {"eml": eml, "subject": "x"}, {"eml": "not base64"}, {"archive_id": 999_999}, {"sender": "nobody", "subject": "x"}):
        assert alice.api.post(path, json={**bad, "dry_run": True}).status_code == 422, bad


def test_one_rule_and_one_action_can_be_tried(alice: Any, box: Any, outside: Outside) -> None:
    rule, action = make_rule(alice, type="regex", value=r"\d+"), make_action(alice, body={"s": "$SUBJECT"})
    tried = alice.api.post(f"/rules/{rule.id}/test", json={"subject": "Number 17"}).json["data"]
    assert (tried["matched"], tried["engine"], tried["error"]) == (True, "re2", None) and "17" in tried["excerpt"]
    dry = alice.api.post(f"/actions/{action.id}/test", json={"subject": "Hi", "mailbox_id": box.id, "dry_run": True}).json["data"]
    assert dry["rendered"]["body"] == {"s": "Hi"} and dry["outcome"] is None and outside.http.sent == []
    done = alice.api.post(f"/actions/{action.id}/test", json={"subject": "Hi", "mailbox_id": box.id}).json["data"]
    assert done["outcome"] == "success" and done["status_code"] == 200 and len(outside.http.sent) == 1
    assert alice.api.post(f"/actions/{action.id}/test", json={"subject": "Hi"}).status_code == 422


def test_replay_makes_new_logs(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    make_route(alice, box, actions=[make_action(alice)])
    message = arrive(box)
    work_off()
    answer = alice.api.post(f"/mailbox/{box.id}/archives/{message.id}/replay/")
    assert answer.status_code == 202 and answer.json["data"]["archive_id"] == message.id
    work_off()
    entry = alice.api.get(f"/mailbox/{box.id}/logs/{answer.json['data']['log_ids'][0]}").json["data"]
    assert (entry["status"], entry["replay"]) == ("success", 1) and len(outside.http.sent) == 2


def test_replay_without_any_route_says_so(alice: Any, box: Any) -> None:
    message = arrive(box)
    answer = alice.api.post(f"/mailbox/{box.id}/archives/{message.id}/replay", json={})
    assert answer.status_code == 409 and answer.json["error"]["code"] == "invalid_state"


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
