"""Many mailboxes at once: what is read, what each line says before anything happens, what is shown once."""

import csv
import io
import re
from typing import Any

import pytest

from tests.factories.domains import make_domain
from tests.factories.mailboxes import make_mailbox
from webapp.audit.models import AuditEntry
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.domains.models import Domain
from webapp.mailboxes import creating, service
from webapp.mailboxes.models import Mailbox


def living() -> list[str]:
    db.session.expire_all()
    return list(db.session.scalars(db.select(Mailbox.email).where(Mailbox.deleted_at.is_(None)).order_by(Mailbox.id)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("orders", [("orders", {}, None)]),
        ("orders@acme.test, Order desk", [("orders@acme.test", {"display_name": "Order desk"}, None)]),
        ("# people\n\nines;Ines Duarte;a password of hers;front desk\n",
         [("ines", {"display_name": "Ines Duarte", "note": "front desk"}, "a password of hers")]),
        ('ines,"Duarte, Ines"', [("ines", {"display_name": "Duarte, Ines"}, None)]),
        ("\ufeffEmail\tDisplay name\nines@acme.test\tInes", [("ines@acme.test", {"display_name": "Ines"}, None)]),
        ("local_part,domain,note\nines,acme.test,desk", [("ines@acme.test", {"note": "desk"}, None)]),
        ("display_name,address\nInes,ines", [("ines", {"display_name": "Ines"}, None)]),
    ],
)  # fmt: skip
def test_lines_and_csv_are_read(text: str, expected: list[Any]) -> None:
    assert [(row.address, row.choices, row.password) for row in creating.read(text)] == expected


@pytest.mark.parametrize("text", ["", " \n# nothing\n", "address,note\n", "a\x00b", "x\n" * 501])
def test_what_cannot_be_read_is_refused_in_words(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        creating.read(text)
    assert "lines" in refused.value.fields


def test_the_api_creates_each_by_itself_and_says_what_became_of_it(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    make_mailbox(alice, "taken@acme.test")
    items = [
        {"domain_id": domain.id, "local_part": "Orders", "note": "desk", "hourly_limit": 5},
        {"address": "jobs@acme.test", "password": "a password of somebody"},
        {"domain_id": domain.id, "local_part": "taken"},
        {"domain_id": domain.id, "local_part": "bad..dots"},
        {"domain_id": 987_654, "local_part": "lost"},
        {"address": "ines@elsewhere.test"},
        {"domain_id": domain.id, "local_part": "orders"},
        {"domain_id": domain.id, "local_part": "weak", "password": "short"},
    ]
    answer = alice.api.post("/mailboxes:bulk", json={"items": items})
    assert answer.status_code == 207
    body = answer.json
    assert body["data"]["counts"] == body["counts"] == {"created": 2, "failed": 6}
    rows = body["results"]
    assert [row["email"] for row in rows[:2]] == ["orders@acme.test", "jobs@acme.test"]
    assert service.check_login("orders@acme.test", rows[0]["one_time_password"]) is not None
    assert "one_time_password" not in rows[1] and rows[1]["app_password"] is None
    assert [row["reason"] for row in rows[2:]] == [
        "already_exists", "validation_error", "not_found", "not_found", "already_exists", "validation_error",
    ]  # fmt: skip
    assert all(row["status"] == "failed" and row["error"] and "mailbox_id" not in row for row in rows[2:])
    assert living() == ["taken@acme.test", "orders@acme.test", "jobs@acme.test"]
    made = db.session.get_one(Mailbox, rows[0]["mailbox_id"])
    assert (made.note, made.hourly_limit) == ("desk", 5) and db.session.get_one(Domain, domain.id).mailbox_count == 3
    entries = list(db.session.scalars(db.select(AuditEntry).where(AuditEntry.action == "mailbox.create")))
    assert len(entries) == 2 and all(rows[0]["one_time_password"] not in (entry.after or "") for entry in entries)


@pytest.mark.parametrize("path", ["/mailboxes:bulk", "/mailboxes/bulk/", "/mailbox:bulk", "/mailbox/bulk"])
def test_all_created_is_200_and_none_is_422_without_an_error(alice: Any, path: str) -> None:
    domain = make_domain(alice, "acme.test")
    body = {"items": [{"domain_id": domain.id, "local_part": name} for name in ("a", "b")], "password_mode": "generated_one_time"}
    assert alice.api.post(path, json=body).status_code == 200
    again = alice.api.post(path, json=body)
    assert (again.status_code, again.json["counts"], again.json.get("error")) == (422, {"created": 0, "failed": 2}, None)
    assert {row["reason"] for row in again.json["results"]} == {"already_exists"}


@pytest.mark.parametrize(
    ("change", "field"),
    [({"items": []}, "items"), ({"items": [{"local_part": "x"}] * 101}, "items"), ({"items": [{"domain_id": 1}]}, "items.0.local_part"),
     ({"items": [{"local_part": "x", "hourly_limit": 0}]}, "items.0.hourly_limit"), ({"create_app_password": True}, "create_app_password"),
     ({"items": [{"local_part": "x", "address": "x@acme.test"}]}, "items.0.local_part")],
    ids=str,
)  # fmt: skip
def test_a_request_of_the_wrong_shape_is_refused_whole(alice: Any, change: dict[str, Any], field: str) -> None:
    answer = alice.api.post("/mailboxes:bulk", json={"items": [{"domain_id": 1, "local_part": "a"}], **change})
    assert answer.status_code == 422 and field in answer.json["error"]["details"], answer.json


def test_modes_only_repeat_what_the_items_say(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    with_one = {"domain_id": domain.id, "local_part": "a", "password": "a password of somebody"}
    without = {"domain_id": domain.id, "local_part": "b"}
    answer = alice.api.post("/mailboxes:bulk", json={"items": [with_one, without], "password_mode": "user_supplied"})
    assert [row["status"] for row in answer.json["results"]] == ["created", "failed"]
    with_one["local_part"] = "c"
    answer = alice.api.post("/mailboxes:bulk", json={"items": [with_one, without], "password_mode": "generated_one_time"})
    assert [row["status"] for row in answer.json["results"]] == ["failed", "created"]


def test_a_key_is_demanded_and_its_replay_shows_no_password(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    ops = alice.token_with("mailboxes:create")
    body = {"items": [{"domain_id": domain.id, "local_part": "a"}]}
    assert ops.post("/mailboxes:bulk", json=body).json["error"]["code"] == "missing_idempotency_key"
    first, second = (ops.post("/mailboxes:bulk", json=body, headers={"Idempotency-Key": "k1"}) for _ in range(2))
    secret = first.json["results"][0]["one_time_password"]
    assert second.headers["X-Idempotency-Replayed"] == "true" and secret not in second.text
    assert second.json["data"]["results"][0]["one_time_password"] == "<redacted>" and len(living()) == 1


def test_limited_tokens_create_only_where_they_may(alice: Any) -> None:
    mine, other = make_domain(alice, "acme.test"), make_domain(alice, "other.test")
    items = [{"domain_id": mine.id, "local_part": "a"}, {"domain_id": other.id, "local_part": "a"}]
    token = alice.token_with("*", kind="workspace", domain_ids=[mine.id])
    assert [row["status"] for row in token.post("/mailboxes:bulk", json={"items": items}).json["results"]] == ["created", "failed"]
    narrow = alice.token_with("*", kind="workspace", mailbox_ids=[make_mailbox(alice).id])
    assert narrow.post("/mailboxes:bulk", json={"items": items}).status_code == 403


def test_the_page_shows_every_line_before_anything_happens_and_the_passwords_once(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    make_mailbox(alice, "taken@acme.test")
    lines = "orders, Order <b>desk\ntaken\njobs@nowhere.test\nines, Ines, a password of hers"
    seen = alice.page.post("/mailboxes/bulk", {"domain_id": domain.id, "lines": lines})
    assert seen.status_code == 200 and living() == ["taken@acme.test"]
    assert "2 mailboxes can be created, 2 lines cannot" in seen.text and "Order &lt;b&gt;desk" in seen.text
    assert "taken@acme.test already exists." in seen.text and "nowhere.test is not one of your domains" in seen.text
    made = alice.page.post("/mailboxes/bulk", {"domain_id": domain.id, "lines": lines, "create": "1"})
    assert made.status_code == 201 and made.headers["Cache-Control"] == "no-store"
    assert living() == ["taken@acme.test", "orders@acme.test", "ines@acme.test"]
    emails = re.findall(r'name="email" value="([^"]+)"', made.text)
    secrets = re.findall(r'name="password" value="([^"]+)"', made.text)
    assert emails == ["orders@acme.test"] and service.check_login(emails[0], secrets[0]) is not None
    assert "a password of hers" not in made.text and service.check_login("ines@acme.test", "a password of hers") is not None
    file = alice.page.post("/mailboxes/bulk/passwords.csv", {"email": emails, "password": secrets})
    assert file.headers["Cache-Control"] == "no-store" and file.headers["Content-Disposition"].startswith("attachment")
    assert list(csv.DictReader(io.StringIO(file.text))) == [{"email": emails[0], "password": secrets[0]}]


def test_a_csv_file_is_taken_instead_of_lines(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    file = (io.BytesIO("address;display_name\njosé;José\nines;Inés\n".encode("cp1252")), "people.csv")
    page = alice.page.post("/mailboxes/bulk", {"domain_id": domain.id, "lines": "", "file": file})
    assert "1 mailbox can be created, 1 line cannot" in page.text and "Inés" in page.text
    assert "ines;Inés" in page.text, "the lines stay in the form"


def test_what_is_wrong_with_the_form_is_said_beside_the_field(alice: Any, carol: Any) -> None:
    make_domain(alice, "acme.test")
    page = alice.page.post("/mailboxes/bulk", {"domain_id": "1", "lines": ""})
    assert page.status_code == 422 and "Write at least one line" in page.text
    large = (io.BytesIO(b"x" * (1024 * 1024 + 1)), "large.csv")
    assert "more than 1 MB" in alice.page.post("/mailboxes/bulk", {"domain_id": "1", "lines": "", "file": large}).text
    assert carol.page.get("/mailboxes/bulk").status_code == 403
    assert alice.page.post("/mailboxes/bulk/passwords.csv", {"email": "a@b.test"}).status_code == 422
    guarded = alice.page.post("/mailboxes/bulk/passwords.csv", {"email": "=cmd@b.test", "password": 'a,"b'}).text
    assert guarded.splitlines()[1] == "'=cmd@b.test,\"a,\"\"b\""
