"""The suppression list by API: rows, files, erasure, rotated keys."""

import csv
import io
from typing import Any

import pytest
from sqlalchemy import event, func, select

from tests.factories.sending import deliveries, make_outgoing
from webapp.audit.models import AuditEntry
from webapp.core import counters, secrets
from webapp.core.db import db
from webapp.suppressions import lookup, service
from webapp.suppressions.adding import New, add_many
from webapp.suppressions.models import Suppression

KEY = "a key for tests that is long enough to be one"


def add(person: Any, address: str, **more: str) -> int:
    answer = person.api.post("/suppressions", json={"address": address, **more})
    assert answer.status_code == 201, answer.json
    return int(answer.json["data"]["id"])


def addresses(person: Any, **filters: str) -> list[str]:
    answer = person.api.get("/suppressions", query_string=filters)
    assert answer.status_code == 200, answer.json
    return [row["address"] for row in answer.json["data"]]


def test_a_row_is_added_found_and_reactivated(alice: Any) -> None:
    row_id = add(alice, "Ada@Example.org", reason="unsubscription", scope="bulk", note="asked by phone")
    shown = alice.api.get(f"/suppressions/{row_id}").json["data"]
    assert (shown["address"], shown["added_by"], shown["source"]) == ("ada@example.org", "Alice's token", "api")
    assert addresses(alice, address="ADA@example.ORG") == addresses(alice, address="ada@") == addresses(alice, reason="unsubscription")
    assert not addresses(alice, reason="complaint") and not addresses(alice, address="eve@")
    gone = alice.api.delete(f"/suppressions/{row_id}")
    assert gone.status_code == 200 and "taken off" in gone.json["data"]["message"]
    assert alice.api.get(f"/suppressions/{row_id}").status_code == 404 and addresses(alice) == []
    assert counters.read(alice.workspace.id, "suppressions") == 0
    actions = list(db.session.scalars(select(AuditEntry.action).where(AuditEntry.target_type == "suppression").order_by(AuditEntry.id)))
    assert actions == ["suppression.create", "suppression.delete"]


def test_the_same_reason_twice_is_a_conflict_and_another_reason_another_row(alice: Any) -> None:
    add(alice, "ada@example.org")
    assert alice.api.post("/suppressions", json={"address": "ADA@example.org"}).status_code == 409
    second = add(alice, "ada@example.org", reason="unsubscription")
    answer = alice.api.delete(f"/suppressions/{second}").json["data"]["message"]
    assert "still gets no mail" in answer and len(addresses(alice)) == 1
    assert alice.api.post("/suppressions", json={"address": "nobody"}).status_code == 422


def test_the_list_is_read_by_cursor_and_belongs_to_one_workspace(alice: Any, eve: Any) -> None:
    for number in range(5):
        add(alice, f"p{number}@example.org")
    first = alice.api.get("/suppressions?per_page=3").json
    rest = alice.api.get(f"/suppressions?per_page=3&cursor={first['meta']['next_cursor']}").json
    assert [row["address"][1] for row in first["data"] + rest["data"]] == ["4", "3", "2", "1", "0"]
    assert addresses(eve) == [] and not lookup.barred(eve.workspace.id, ["p1@example.org"], "bulk")


def test_bulk_unsubscription_leaves_transactional_mail(alice: Any) -> None:
    add(alice, "ada@example.org", reason="unsubscription", scope="bulk")
    bulk, other = make_outgoing(alice, stream="bulk"), make_outgoing(alice)
    assert (deliveries(bulk)[0].state, deliveries(other)[0].state) == ("suppressed", "captured")
    assert deliveries(bulk)[0].last_error == "Recipient in suppression list. Reason: unsubscription"
    assert deliveries(make_outgoing(alice, kind="system", stream="bulk"))[0].state == "captured", "system mail goes in any case"


def test_a_suppressed_delivery_is_sent_by_hand_only_after_reactivation(alice: Any) -> None:
    row_id = add(alice, "ada@example.org")
    [row] = deliveries(make_outgoing(alice))
    refused = alice.api.post(f"/deliveries/{row.id}:retry")
    assert refused.status_code == 409 and "Reactivate" in refused.json["error"]["hint"]
    alice.api.delete(f"/suppressions/{row_id}")
    assert alice.api.post(f"/deliveries/{row.id}:retry").json["data"]["state"] == "queued"


CSV = """Email;Type;Sending Stream;Comment
ada@example.org;hard bounce;any;=1+1
Ada@EXAMPLE.org;hard bounce;any;
not an address;;;
bob@example.org;vacation;;
eve@example.org;unsubscription;bulk;
old@example.org;manual import;any;
"""


def test_a_file_is_looked_at_and_then_imported(alice: Any) -> None:
    add(alice, "old@example.org")
    asked = {"data": CSV, "headers": {"Content-Type": "text/csv"}}
    seen = alice.api.post("/suppressions/import?preview=true", **asked).json["data"]
    assert len(addresses(alice)) == 1, "a preview changes nothing"
    done = alice.api.post("/suppressions/import", **asked).json["data"]
    for told in (seen, done):
        assert [told[name] for name in ("rows", "new", "known", "repeated", "wrong")] == [6, 2, 1, 1, 2]
        assert [(row["line"], row["text"]) for row in told["errors"]] == [(4, "not an address"), (5, "bob@example.org")]
    assert addresses(alice) == ["eve@example.org", "ada@example.org", "old@example.org"]
    again = alice.api.post("/suppressions/import", **asked).json["data"]
    assert (again["new"], again["known"]) == (0, 3) and counters.read(alice.workspace.id, "suppressions") == 3


@pytest.mark.parametrize(
    ("body", "number"),
    [('["a@example.org", {"email": "b@example.org", "type": "spam complaint"}]', 2), ("a@example.org\nb@example.org\n\n", 2), ("", 0)],
)
def test_lists_without_names_and_json_are_read(alice: Any, body: str, number: int) -> None:
    answer = alice.api.post("/suppressions/import", data=body, headers={"Content-Type": "text/csv"})
    assert answer.status_code == (200 if number else 422) and len(addresses(alice)) == number


@pytest.mark.parametrize("body", ["{}", "[1, null]", "name,phone\nx,y\n", "\x00"])
def test_what_is_no_list_is_refused_or_told(alice: Any, body: str) -> None:
    answer = alice.api.post("/suppressions/import", data=body, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 422 or answer.json["data"]["wrong"] == 2
    assert addresses(alice) == []


def test_the_export_is_a_file_that_no_spreadsheet_runs_and_that_can_be_imported(alice: Any, eve: Any) -> None:
    alice.api.post("/suppressions/import", data=CSV, headers={"Content-Type": "text/csv"})
    answer = alice.api.get("/suppressions/export?reason=hard_bounce")
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))
    assert answer.mimetype == "text/csv" and [(row["address"], row["note"]) for row in rows] == [("ada@example.org", "'=1+1")]
    taken = eve.api.post("/suppressions/import", data=answer.data, headers={"Content-Type": "text/csv"}).json["data"]
    assert (taken["new"], taken["wrong"]) == (1, 0) and addresses(eve, reason="hard_bounce") == ["ada@example.org"]


def test_an_erased_person_stays_suppressed_after_being_added_and_imported_again(alice: Any) -> None:
    row_id = add(alice, "ada@example.org", reason="unsubscription", note="private words")
    assert alice.api.post("/suppressions/erase", json={"address": "ADA@example.org"}).json["data"]["erased"] == 1
    shown = alice.api.get(f"/suppressions/{row_id}").json["data"]
    assert (shown["address"], shown["note"]) == (None, None)
    assert "ada@" not in str(db.session.execute(select(Suppression.__table__)).all())
    assert [row["id"] for row in alice.api.get("/suppressions?address=ada@example.org").json["data"]] == [row_id]
    assert alice.api.post("/suppressions", json={"address": "ada@example.org", "reason": "unsubscription"}).status_code == 409
    again = "address,reason\nada@example.org,unsubscription\n"
    told = alice.api.post("/suppressions/import", data=again, headers={"Content-Type": "text/csv"})
    assert told.json["data"]["known"] == 1 and deliveries(make_outgoing(alice))[0].state == "suppressed"


def test_a_rotated_key_still_knows_everybody_and_rows_follow_it(alice: Any) -> None:
    kept, erased = add(alice, "kept@example.org"), add(alice, "erased@example.org")
    service.erase(alice.actor, "erased@example.org")
    db.session.commit()
    both, workspace_id = ["kept@example.org", "erased@example.org"], alice.workspace.id
    try:
        secrets.configure(("another key that is also long enough", KEY))
        assert set(lookup.barred(workspace_id, both, "bulk")) == set(both)
        assert add_many(workspace_id, [New(address, "manual") for address in both]) == [], "they are there under the old key"
        assert service.rehash() == 1 and service.rehash() == 0
        db.session.commit()
        secrets.configure(("another key that is also long enough",))
        assert set(lookup.barred(workspace_id, both, "bulk")) == {"kept@example.org"}
    finally:
        secrets.configure((KEY,))
    assert set(db.session.scalars(select(Suppression.id))) == {kept, erased}


def test_a_thousand_recipients_are_looked_up_with_one_query(alice: Any) -> None:
    people = [f"p{number}@example.org" for number in range(1000)]
    add_many(alice.workspace.id, [New(address, "manual") for address in people[::2]])
    db.session.commit()
    asked: list[str] = []
    listener = "before_cursor_execute", lambda *args: asked.append(args[2])
    event.listen(db.engine, *listener)
    try:
        found = lookup.barred(alice.workspace.id, people, "bulk")
    finally:
        event.remove(db.engine, *listener)
    assert len(found) == 500 and len([text for text in asked if "suppressions" in text]) == 1
    assert db.session.scalar(select(func.count()).select_from(Suppression)) == 500


def test_viewers_read_agents_too_and_neither_changes(people: Any) -> None:
    row_id = add(people["alice"], "ada@example.org")
    for name in ("bob", "carol"):
        assert people[name].api.get("/suppressions").status_code == 200
        assert people[name].api.post("/suppressions", json={"address": "b@example.org"}).status_code == 403
        assert people[name].api.delete(f"/suppressions/{row_id}").status_code == 403
