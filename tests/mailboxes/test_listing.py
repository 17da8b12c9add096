"""The list of mailboxes: search, chips, meters, a fixed number of queries; notes; the meters of one mailbox."""

from typing import Any

import pytest
from sqlalchemy import event, insert

from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail
from webapp.core import counters
from webapp.core.db import db
from webapp.mailboxes import flow, listing
from webapp.mailboxes.models import Mailbox


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("ORDER", ["orders@acme.test"]), ("desk ines", ["orders@acme.test"]), ("shop.test", ["hello@shop.test"]),
        ("ärger", ["hello@shop.test"]), ("%", []), ("_", []), ("acme nothing", []), ("\\", []),
    ],
)  # fmt: skip
def test_each_word_is_looked_for_in_address_name_and_note(alice: Any, search: str, expected: list[str]) -> None:
    make_mailbox(alice, "orders@acme.test", display_name="Ines Duarte", note="Order DESK")
    make_mailbox(alice, "hello@shop.test", note="Ärger und Lob")
    found = alice.api.get("/mailboxes", query_string={"search": search}).json["data"]
    assert [box["email"] for box in found] == expected


def test_search_follows_a_changed_note(alice: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test", note="old words")
    assert alice.api.patch(f"/mailboxes/{box.id}", json={"note": "new words"}).status_code == 200
    assert [len(alice.api.get(f"/mailboxes?search={word}").json["data"]) for word in ("old", "new")] == [0, 1]


def test_a_note_has_an_address_of_its_own(alice: Any, bob: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    for path in (f"/mailboxes/{box.id}/note", f"/mailbox/{box.id}/note/"):
        assert alice.api.patch(path, json={"note": " For the front desk "}).json["data"]["note"] == "For the front desk"
        assert alice.api.patch(path, json={"note": None}).json["data"]["note"] is None
    assert alice.api.patch(f"/mailboxes/{box.id}/note", json={"note": "x" * 121}).status_code == 422
    assert alice.api.patch(f"/mailboxes/{box.id}/note", json={}).status_code == 422
    assert bob.api.patch(f"/mailboxes/{box.id}/note", json={"note": "x"}).status_code == 403
    alice.api.patch(f"/mailboxes/{box.id}/note", json={"note": "For the front desk"})
    assert "For the front desk" in alice.page.get("/mailboxes").text and "For the front desk" in alice.page.get(f"/mailboxes/{box.id}").text


def test_the_chip_of_those_that_are_nearly_full_appears_with_them(alice: Any) -> None:
    make_mailbox(alice, "a@acme.test")
    assert "Nearly full" not in alice.page.get("/mailboxes").text
    make_mailbox(alice, "b@acme.test", filling="near", storage_limit_bytes=1000)
    make_mailbox(alice, "c@acme.test", filling="full", total_limit=1)
    assert "Nearly full" in alice.page.get("/mailboxes").text
    rows = alice.page.get("/mailboxes?state=near", htmx=True).text
    assert "b@acme.test" in rows and "c@acme.test" in rows and "a@acme.test" not in rows
    assert [box["email"] for box in alice.api.get("/mailboxes?filling=full").json["data"]] == ["c@acme.test"]


def test_a_limit_is_shown_with_what_is_used_and_when_it_frees(alice: Any) -> None:
    box = make_mailbox(alice, "a@acme.test", hourly_limit=2, total_limit=10, storage_limit_bytes=1_000_000)
    make_mail(box)
    make_mail(box)
    flow.note(box.id, "sent")
    db.session.commit()
    usage = alice.api.get(f"/mailboxes/{box.id}").json["data"]["usage"]
    assert {name: usage[name] for name in ("hour", "day", "received_hour", "sent_hour", "total")} == {
        "hour": 3, "day": 3, "received_hour": 2, "sent_hour": 1, "total": 2,
    }  # fmt: skip
    meters = {meter["name"]: meter for meter in usage["limits"]}
    assert set(meters) == {"received_hour", "sent_hour", "total", "storage"}
    assert (meters["received_hour"]["level"], meters["sent_hour"]["level"]) == ("full", None)
    assert meters["received_hour"]["frees_at"] is not None and meters["sent_hour"]["frees_at"] is None
    page = alice.page.get(f"/mailboxes/{box.id}").text
    assert "has reached a limit: received, last hour, 2 of 2 mails. There is room again in" in page
    assert 'aria-label="Received, last hour 2 of 2, room in' in page
    listed = alice.page.get("/mailboxes").text
    assert "Received, last hour: 2 of 2 mails, room in" in listed and ">limited<" in listed


def test_raising_a_limit_gives_room_at_once(alice: Any) -> None:
    box = make_mailbox(alice, "a@acme.test", total_limit=1, filling="full")
    make_mail(box)
    alice.api.patch(f"/mailboxes/{box.id}", json={"total_limit": 100})
    db.session.expire_all()
    assert box.filling is None


def test_a_page_asks_the_same_number_of_questions_however_many_rows_it_has(alice: Any) -> None:
    def count() -> int:
        asked = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            asked.append(statement)

        db.session.commit()
        event.listen(db.engine, "before_cursor_execute", note)
        try:
            assert alice.page.get("/mailboxes").status_code == 200
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
        return len(asked)

    make_mailbox(alice, "a0@acme.test", hourly_limit=1)
    flow.note(1, "received", 3)
    few = count()
    for number in range(1, 20):
        box = make_mailbox(alice, f"a{number}@acme.test", hourly_limit=1, storage_limit_bytes=10)
        flow.note(box.id, "received", 3)
        counters.bump(alice.workspace.id, f"messages:{box.id}:bytes", 9)
    assert count() == few


def test_totals_with_a_state_alone_are_exact_from_counters(alice: Any) -> None:
    domain_id = make_mailbox(alice, "a@acme.test").domain_id
    rows = [
        {"workspace_id": alice.workspace.id, "domain_id": domain_id, "local_part": f"n{number}",
         "email": f"n{number}@acme.test", "password_hash": "x", "search_text": f"n{number}@acme.test"}
        for number in range(1100)
    ]  # fmt: skip
    db.session.execute(insert(Mailbox), rows)
    counters.bump(alice.workspace.id, "mailboxes", 1100)
    counters.bump(alice.workspace.id, "mailboxes:active", 1100)
    db.session.commit()
    meta = alice.api.get("/mailboxes?status=active").json["meta"]
    assert (meta["total"], meta.get("total_is_capped")) == (1101, None)
    meta = alice.api.get("/mailboxes?search=acme").json["meta"]
    assert (meta["total"], meta["total_is_capped"]) == (1000, True)


def test_the_query_string_of_the_page_says_which_mailboxes_are_meant() -> None:
    assert listing.asked_of({"q": " a b ", "domain": "7", "state": "near"}) == {"search": "a b", "domain_id": 7, "filling": "near"}
    assert listing.asked_of({"state": "odd", "domain": "x", "page": "3"}) == {"search": "", "domain_id": 0}
