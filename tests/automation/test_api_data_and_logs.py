"""The REST doors to what routes read and leave behind: data of a mailbox, the log, test mails, dry runs and replays."""

import base64
import io
from typing import Any

import pytest

from tests.factories.automation import arrive, make_action, make_due, make_route, make_rule, runs_of
from tests.factories.mailboxes import make_mailbox
from webapp.core.outside import Outside

MASK = "••••••••"


@pytest.fixture
def box(alice: Any) -> Any:
    return make_mailbox(alice, "books@acme.test")


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
