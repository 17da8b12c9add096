"""The documented requests of campaigns with their bodies as printed: ids mapped, the clock at the day of the examples."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.factories.contacts import make_group, make_many_contacts
from tests.factories.mailboxes import make_mailbox
from webapp.core.db import db

PRINTED = {
    "name": "April Product Update",
    "subject": "Exciting new features in April",
    "from_email": "newsletter@yourcompany.com",
    "from_name": "Your Company",
    "body_html": "<h1>April Update</h1><p>Hello {{contact.name}}, check out what's new...</p>",
    "schedule_at": "2026-04-01T09:00:00Z",
}
AT = datetime(2026, 3, 25, 16, 0, tzinfo=UTC)


@pytest.fixture
def printed(alice: Any, outside: Any) -> dict[str, Any]:
    """The body of POST /campaigns as printed, with groups and account of this workspace."""
    outside.clock.moment = AT
    account = make_mailbox(alice, "newsletter@yourcompany.com")
    one, two = make_group(alice, "Newsletter Subscribers"), make_group(alice, "Trial Users")
    make_many_contacts(alice, 5, group=one)
    make_many_contacts(alice, 2, group=two)
    return {**PRINTED, "recipient_groups": [one.id, two.id], "email_account_id": account.id}


def test_create_answers_each_printed_field(alice: Any, printed: dict[str, Any]) -> None:
    answer = alice.api.post("/campaigns", json=printed)
    assert answer.status_code == 201, answer.json
    data = answer.json["data"]
    assert data["name"] == "April Product Update" and data["subject"] == "Exciting new features in April"
    assert data["status"] == "scheduled"
    assert data["recipients_count"] == 7
    assert data["schedule_at"] == "2026-04-01T09:00:00Z"
    assert isinstance(data["id"], int) and data["created_at"].endswith("Z")


def test_create_without_a_time_is_a_draft(alice: Any, printed: dict[str, Any]) -> None:
    printed.pop("schedule_at")
    data = alice.api.post("/campaigns", json=printed).json["data"]
    assert (data["status"], data["schedule_at"]) == ("draft", None)


def test_list_has_each_printed_field_with_its_type(alice: Any, printed: dict[str, Any]) -> None:
    made = alice.api.post("/campaigns", json=printed).json["data"]
    answer = alice.api.get("/campaigns?status=scheduled").json
    assert answer["success"] is True
    assert {name: answer["meta"][name] for name in ("current_page", "per_page", "total", "last_page")} == {
        "current_page": 1, "per_page": 25, "total": 1, "last_page": 1,
    }  # fmt: skip
    row = answer["data"][0]
    types = {
        "id": int, "name": str, "subject": str, "status": str, "from_email": str, "from_name": str, "recipients_count": int,
        "stats": dict, "created_at": str,
    }  # fmt: skip
    assert {name: type(row[name]) for name in types} == types
    assert row["id"] == made["id"] and row["sent_at"] is None
    assert {name: row["stats"][name] for name in ("delivered", "opened", "clicked", "bounced", "unsubscribed")} == dict.fromkeys(
        ("delivered", "opened", "clicked", "bounced", "unsubscribed"), 0
    )


@pytest.mark.parametrize("status", ["draft", "sending", "sent", "paused"])
def test_list_is_filtered_by_each_printed_status(alice: Any, printed: dict[str, Any], status: str) -> None:
    alice.api.post("/campaigns", json=printed)
    assert alice.api.get(f"/campaigns?status={status}").json["data"] == []


@pytest.mark.parametrize("field", ["name", "subject", "from_email", "from_name", "body_html", "recipient_groups", "email_account_id"])
def test_each_required_field_is_missed(alice: Any, printed: dict[str, Any], field: str) -> None:
    printed.pop(field)
    answer = alice.api.post("/campaigns", json=printed)
    assert answer.status_code == 422 and field in answer.json["error"]["details"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("from_email", "someone@elsewhere.test"), ("email_account_id", 987654), ("recipient_groups", [987654]),
        ("segment_ids", [987654]), ("exclude_group_ids", [987654]), ("schedule_at", "2026-03-25T15:59:00Z"), ("body_format", "markdown"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_names_its_field(alice: Any, printed: dict[str, Any], field: str, value: Any) -> None:
    answer = alice.api.post("/campaigns", json={**printed, field: value})
    assert answer.status_code == 422, answer.json
    assert next(iter(answer.json["error"]["details"])).partition(".")[0] == field
    assert alice.api.get("/campaigns").json["meta"]["total"] == 0


def test_email_accounts_are_the_mailboxes(alice: Any, printed: dict[str, Any]) -> None:
    make_mailbox(alice, "quiet@yourcompany.com", can_send=False)
    db.session.commit()
    rows = alice.api.get("/email-accounts").json["data"]
    assert [(row["id"] == printed["email_account_id"], row["email"], row["can_send"]) for row in rows] == [
        (True, "newsletter@yourcompany.com", True), (False, "quiet@yourcompany.com", False),
    ]  # fmt: skip
    assert all(row["type"] == "mailbox" and row["verified"] for row in rows)
