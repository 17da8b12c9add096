"""`/contacts/imports`: the contract of DESIGN section 4, tenancy, roles, wrong requests."""

import io
import json
from typing import Any

import pytest

from tests.imports.files import as_csv
from webapp.contacts import groups
from webapp.core.db import db

PEOPLE = (["email", "name"], ["ada@example.org", "Ada"], ["not an address", "Nobody"], ["grace@example.org", "Grace"])


def send(person: Any, *rows: Any, name: str = "people.csv", **form: Any) -> Any:
    data = {**form, "file": (as_csv(*(rows or PEOPLE)), name)}
    return person.api.post("/contacts/imports", data=data, content_type="multipart/form-data")


def test_an_import_is_taken_and_shows_what_became_of_it(app: Any, alice: Any, work_off: Any) -> None:
    group = groups.create_group(alice.actor, name="Fair")
    db.session.commit()
    mapping = json.dumps({"email": "email", "name": "name"})
    answer = send(alice, mapping=mapping, group_ids=f"[{group.id}]", tags=["fair", "new"], duplicates="skip")
    assert (answer.status_code, answer.json["data"]["status"]) == (202, "queued")
    work_off()
    found = alice.api.get(f"/contacts/imports/{answer.json['data']['id']}").json["data"]
    assert {name: found[name] for name in ("status", "total", "processed", "created", "failed", "progress")} == {
        "status": "finished", "total": 3, "processed": 3, "created": 2, "failed": 1, "progress": 1.0,
    }  # fmt: skip
    assert found["rate"] > 0
    assert found["columns"] == ["email", "name"]
    errors = alice.api.get(found["errors"]["url"])
    assert errors.text.splitlines()[0] == "line,address,problem,email,name"
    assert errors.text.splitlines()[1].startswith("3,not an address,") and errors.text.splitlines()[1].endswith("not an address,Nobody")
    listed = alice.api.get("/contacts/imports?status=finished").json["data"]
    assert [one["id"] for one in listed] == [found["id"]]
    members = alice.api.get(f"/contacts?group_id={group.id}").json["data"]
    assert {(one["email"], *(tag["name"] for tag in one["tags"])) for one in members} == {
        ("ada@example.org", "fair", "new"), ("grace@example.org", "fair", "new"),
    }  # fmt: skip


def test_a_preview_changes_nothing_and_can_be_started(app: Any, alice: Any, work_off: Any) -> None:
    import_id = send(alice, preview="true").json["data"]["id"]
    work_off()
    found = alice.api.get(f"/contacts/imports/{import_id}").json["data"]
    assert found["status"] == "previewed"
    counts = {name: found["preview"][name] for name in ("rows", "new", "invalid", "changed", "duplicate")}
    assert counts == {"rows": 3, "new": 2, "invalid": 1, "changed": 0, "duplicate": 0}
    assert found["preview"]["errors"][0]["line"] == 3
    assert [one["email"] for one in found["preview"]["first"]] == ["ada@example.org", "grace@example.org"]
    assert alice.api.get("/contacts").json["meta"]["total"] == 0
    assert alice.api.post(f"/contacts/imports/{import_id}/start").status_code == 202
    work_off()
    assert alice.api.get("/contacts").json["meta"]["total"] == 2


def test_undoing_through_the_api_takes_the_contacts_back_once(app: Any, alice: Any, work_off: Any) -> None:
    import_id = send(alice).json["data"]["id"]
    work_off()
    assert alice.api.post(f"/contacts/imports/{import_id}/undo").status_code == 202
    work_off()
    found = alice.api.get(f"/contacts/imports/{import_id}").json["data"]
    assert (found["status"], found["undo"]["removed"], found["undo"]["offered"]) == ("undone", 2, False)
    assert alice.api.get("/contacts").json["meta"]["total"] == 0
    again = alice.api.post(f"/contacts/imports/{import_id}/undo")
    assert (again.status_code, again.json["error"]["code"]) == (409, "invalid_state")


def test_steps_that_do_not_fit_the_state_are_conflicts(app: Any, alice: Any, work_off: Any) -> None:
    import_id = send(alice).json["data"]["id"]
    assert alice.api.post(f"/contacts/imports/{import_id}/pause").json["data"]["status"] == "paused"
    assert alice.api.post(f"/contacts/imports/{import_id}/pause").status_code == 409
    work_off()
    assert alice.api.get("/contacts").json["meta"]["total"] == 0
    assert alice.api.post(f"/contacts/imports/{import_id}/resume").json["data"]["status"] == "queued"
    work_off()
    assert alice.api.get("/contacts").json["meta"]["total"] == 2
    for step in ("resume", "cancel", "start"):
        assert alice.api.post(f"/contacts/imports/{import_id}/{step}").status_code == 409


def test_an_import_that_was_cancelled_before_it_began_brings_nobody(app: Any, alice: Any, work_off: Any) -> None:
    import_id = send(alice).json["data"]["id"]
    assert alice.api.post(f"/contacts/imports/{import_id}/cancel").json["data"]["status"] == "cancelled"
    work_off()
    assert alice.api.get("/contacts").json["meta"]["total"] == 0


def test_others_do_not_see_an_import_and_viewers_start_none(app: Any, alice: Any, carol: Any, eve: Any, work_off: Any) -> None:
    import_id = send(alice).json["data"]["id"]
    for step in ("", "/errors"):
        assert eve.api.get(f"/contacts/imports/{import_id}{step}").status_code == 404
    for step in ("start", "pause", "resume", "cancel", "undo"):
        assert eve.api.post(f"/contacts/imports/{import_id}/{step}").status_code == 404
    assert eve.api.get("/contacts/imports").json["data"] == []
    assert send(carol).status_code == 403
    assert carol.api.get(f"/contacts/imports/{import_id}").status_code == 200
    assert carol.api.post(f"/contacts/imports/{import_id}/cancel").status_code == 403


def test_a_group_of_another_workspace_is_none(app: Any, alice: Any, eve: Any) -> None:
    group = groups.create_group(eve.actor, name="Theirs")
    db.session.commit()
    answer = send(alice, group_ids=str(group.id))
    assert (answer.status_code, list(answer.json["error"]["details"])) == (422, ["group_ids"])


@pytest.mark.parametrize(("form", "field"), [
    ({"mapping": "{"}, "mapping"), ({"mapping": "[]"}, "mapping"), ({"mapping": '{"nope": "email"}'}, "mapping"),
    ({"mapping": '{"name": "name"}'}, "mapping"), ({"mapping": '{"email": "email", "name": "email"}'}, "mapping"),
    ({"mapping": '{"email": "email", "name": "nonsense"}'}, "mapping"), ({"mapping": '{"email": "email", "name": 5}'}, "mapping"),
    ({"mapping": '{"email": "email", "name": "custom.Ä"}'}, "mapping"), ({"duplicates": "maybe"}, "duplicates"),
    ({"group_ids": "x"}, "group_ids"), ({"group_ids": "[99999]"}, "group_ids"), ({"tags": "x" * 51}, "tags"),
    ({"preview": "perhaps"}, "preview"), ({"encoding": "rot13"}, "encoding"), ({"consent": "x" * 501}, "consent"),
])  # fmt: skip
def test_wrong_settings_are_named_and_nothing_is_kept(app: Any, alice: Any, form: dict[str, str], field: str) -> None:
    answer = send(alice, **form)
    assert (answer.status_code, list(answer.json["error"]["details"])) == (422, [field]), answer.json
    assert alice.api.get("/contacts/imports").json["data"] == []


NO_LISTS = (
    b"", b"\xef\xbb\xbf\r\n", b"\x00\x01\x02\x03" * 100, b"%PDF-1.7 ...", b"PK\x03\x04 nonsense", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
)  # fmt: skip


@pytest.mark.parametrize("content", NO_LISTS)
def test_what_is_no_list_is_refused(app: Any, alice: Any, content: bytes) -> None:
    data = {"file": (io.BytesIO(content), "people.csv")}
    answer = alice.api.post("/contacts/imports", data=data, content_type="multipart/form-data")
    assert (answer.status_code, list(answer.json["error"]["details"])) == (422, ["file"]), answer.json


def test_a_request_without_a_file_says_how_to_send_one(app: Any, alice: Any) -> None:
    assert alice.api.post("/contacts/imports", json={}).status_code == 415
    answer = alice.api.post("/contacts/imports", data={"tags": "x"}, content_type="multipart/form-data")
    assert (answer.status_code, list(answer.json["error"]["details"])) == (422, ["file"])


def test_the_same_key_takes_a_file_once(app: Any, alice: Any) -> None:
    answers = []
    for _ in range(2):
        data = {"file": (as_csv(*PEOPLE), "people.csv")}
        headers = {"Idempotency-Key": "once"}
        answers.append(alice.api.post("/contacts/imports", data=data, content_type="multipart/form-data", headers=headers))
    assert [one.status_code for one in answers] == [202, 202]
    assert len(alice.api.get("/contacts/imports").json["data"]) == 1
