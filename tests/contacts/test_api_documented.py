"""The requests of the endpoint reference, with their bodies as printed, and its answers compared field by field: every documented field is
there with its type; more fields are fine."""

from datetime import datetime
from typing import Any

from tests.factories.contacts import make_contact, make_group, make_tag

JANE = {
    "name": "Jane Smith", "email": "jane@acme.com", "company": "Acme Corp", "phone": "+1-555-0123", "tags": ["lead", "enterprise"],
    "group_ids": [5, 12], "custom_fields": {"department": "Engineering", "deal_value": 50000},
}  # fmt: skip
META = {"current_page", "per_page", "total", "last_page"}


def same(documented: Any, answered: Any, path: str = "") -> None:
    """What is documented is there, with the same type, and the same value but for ids and times."""
    if isinstance(documented, dict):
        assert isinstance(answered, dict), path
        for key, value in documented.items():
            assert key in answered, f"{path}.{key} is missing"
            same(value, answered[key], f"{path}.{key}")
    elif isinstance(documented, list):
        assert isinstance(answered, list) and len(answered) == len(documented), path
        for place, (left, right) in enumerate(zip(documented, answered, strict=True)):
            same(left, right, f"{path}.{place}")
    elif path.endswith(".id"):
        assert isinstance(answered, int), path
    elif path.endswith("_at"):
        assert answered.endswith("Z") and datetime.fromisoformat(answered), path
    else:
        assert answered == documented and type(answered) is type(documented), (path, answered)


def groups_5_and_12(alice: Any) -> None:
    made = {}
    for number in range(1, 13):
        made[number] = make_group(alice, {5: "Newsletter Subscribers", 12: "VIP Clients"}.get(number, f"Group {number}"))
    assert made[12].id == 12


def test_create_show_update_and_delete_a_contact(alice: Any) -> None:
    groups_5_and_12(alice)
    made = alice.api.post("/contacts", json=JANE)
    assert made.status_code == 201 and made.json["success"] is True
    tags = [{"id": 1, "name": "lead"}, {"id": 2, "name": "enterprise"}]
    documented = {
        "id": 42, "name": "Jane Smith", "email": "jane@acme.com", "company": "Acme Corp", "phone": "+1-555-0123", "tags": tags,
        "groups": [{"id": 5, "name": "Newsletter Subscribers"}, {"id": 12, "name": "VIP Clients"}],
        "custom_fields": {"department": "Engineering", "deal_value": 50000}, "created_at": "2026-03-25T10:00:00Z",
        "updated_at": "2026-03-25T10:00:00Z",
    }  # fmt: skip
    same(documented, made.json["data"])
    path = f"/contacts/{made.json['data']['id']}"
    shown = alice.api.get(path)
    assert shown.status_code == 200
    same({**documented, "conversations_count": 0}, shown.json["data"])
    assert "last_contacted_at" in shown.json["data"]
    update = {"company": "Acme Industries", "phone": "+1-555-9999", "custom_fields": {"deal_value": 75000}}
    for changed in (alice.api.put(path, json=update), alice.api.patch(path, json=update)):
        assert changed.status_code == 200
        both = {"department": "Engineering", "deal_value": 75000}
        same({**documented, **update, "custom_fields": both}, changed.json["data"])
    gone = alice.api.delete(path)
    assert gone.status_code == 200 and gone.json["success"] is True
    same({"message": "Contact deleted successfully."}, gone.json["data"])
    for missing in (alice.api.get(path), alice.api.put(path, json=update), alice.api.delete(path)):
        assert (missing.status_code, missing.json["success"], missing.json["error"]["code"]) == (404, False, "not_found")


def test_list_contacts_with_search_and_pages(alice: Any) -> None:
    make_contact(alice, "jane@acme.com", name="Jane Smith", company="Acme Corp", phone="+1-555-0123", tags=["lead"])
    make_contact(alice, "bob@acme.com", name="Bob Johnson", company="Acme Corp")
    for number in range(3):
        make_contact(alice, f"a{number}@other.test", company="Acme Corp")
    make_contact(alice, "stranger@other.test", name="Acne Pills")
    answer = alice.api.get("/contacts?search=acme&per_page=2&page=3&sort_order=desc").json
    assert answer["meta"]["current_page"] == 3 and len(answer["data"]) == 1
    row = {
        "id": 42, "name": "Jane Smith", "email": "jane@acme.com", "company": "Acme Corp", "phone": "+1-555-0123",
        "tags": [{"id": 1, "name": "lead"}], "created_at": "2026-03-20T08:30:00Z", "updated_at": "2026-03-25T10:00:00Z",
    }  # fmt: skip
    same([row], answer["data"])
    first = alice.api.get("/contacts?search=acme&per_page=2&sort_by=created_at&sort_order=asc")
    same({"success": True, "meta": {"current_page": 1, "per_page": 2, "total": 5, "last_page": 3}}, first.json)
    same([row, {**row, "name": "Bob Johnson", "email": "bob@acme.com", "phone": None, "tags": []}], first.json["data"])
    assert not {"groups", "custom_fields"} & set(first.json["data"][0]), "rows of a list carry neither"


def test_filters_narrow_by_tag_group_time_and_subscription(alice: Any) -> None:
    jane, bob = make_contact(alice, tags=["lead"]), make_contact(alice, subscribed=False)
    group = make_group(alice, contacts=[bob])

    def found(query: str) -> list[int]:
        answer = alice.api.get(f"/contacts?{query}")
        assert answer.status_code == 200, answer.json
        assert answer.json["meta"]["total"] == len(answer.json["data"])
        return [row["id"] for row in answer.json["data"]]

    day = f"{jane.created_at:%Y-%m-%d}"
    assert found("tag=lead") == [jane.id] and found("tag=none") == [] and found(f"group_id={group.id}") == [bob.id]
    assert found("subscribed=true") == [jane.id] and found("subscribed=false") == [bob.id] and found("status=unsubscribed") == [bob.id]
    assert len(found(f"created_after={day}&created_before={day}&updated_after={day}&updated_before={day}")) == 2
    assert found("created_before=2020-01-01") == [] and found("updated_after=2100-01-01") == []
    assert found(f"email={jane.email.upper()}") == [jane.id] and found(f"search={jane.email}&tag=lead") == [jane.id]
    wrongs = [
        "group_id=x", "group_id=9", "segment_id=9", "sort_by=password", "sort_order=up", "created_after=soon", "colour=red", "per_page=101",
    ]  # fmt: skip
    for wrong in wrongs:
        refused = alice.api.get(f"/contacts?{wrong}")
        assert (refused.status_code, refused.json["error"]["code"]) == (422, "validation_error"), wrong


def test_missing_and_double_fields_are_422_with_their_names(alice: Any) -> None:
    make_contact(alice, "jane@acme.com")
    for body, field in (
        ({"email": "new@acme.com"}, "name"), ({"name": "Jane"}, "email"), ({"name": "Jane", "email": "JANE@acme.com"}, "email"),
        ({"name": "Jane", "email": "nonsense"}, "email"), ({"name": "Jane", "email": "new@acme.com", "group_ids": [99]}, "group_ids"),
        ({"name": "Jane", "email": "new@acme.com", "custom_fields": {"Bad Key": 1}}, "custom_fields.Bad Key"),
        ({"name": "Jane", "email": "new@acme.com", "shoe": 1}, "shoe"),
    ):  # fmt: skip
        refused = alice.api.post("/contacts", json=body)
        assert refused.status_code == 422 and refused.json["success"] is False, body
        assert isinstance(refused.json["error"]["details"][field][0], str) and refused.json["error"]["code"] == "validation_error"
    assert alice.api.get("/contacts").json["meta"]["total"] == 1
    for headers, status in (({"Authorization": ""}, 401), ({"Authorization": "Bearer mb_nonsense"}, 401)):
        assert alice.api.post("/contacts", json=JANE, headers=headers).status_code == status
    assert alice.api.request("POST", "/contacts", data="{", headers={"Content-Type": "application/json"}).status_code == 400


def test_tags_as_documented(alice: Any) -> None:
    for name, color in (("lead", "#3B82F6"), ("enterprise", "#8B5CF6"), ("churned", "#EF4444")):
        make_tag(alice, name, color=color)
    make_contact(alice, tags=["lead"])
    listed = alice.api.get("/tags").json
    same(
        [
            {"id": 1, "name": "lead", "color": "#3B82F6", "contacts_count": 1},
            {"id": 2, "name": "enterprise", "color": "#8B5CF6", "contacts_count": 0},
            {"id": 3, "name": "churned", "color": "#EF4444", "contacts_count": 0},
        ],
        listed["data"],
    )
    assert set(listed["meta"]) >= META and len(alice.api.get("/tags?per_page=2&page=2").json["data"]) == 1
    made = alice.api.post("/tags", json={"name": "vip", "color": "#F59E0B"})
    assert made.status_code == 201
    same({"id": 4, "name": "vip", "color": "#F59E0B", "contacts_count": 0}, made.json["data"])
    path = f"/tags/{made.json['data']['id']}"
    changed = alice.api.put(path, json={"name": "vip-client", "color": "#10B981"})
    same({"id": 4, "name": "vip-client", "color": "#10B981", "contacts_count": 0}, changed.json["data"])
    assert alice.api.post("/tags", json={"name": "plain"}).json["data"]["color"].startswith("#")
    for wrong in ({"name": "Big Spender"}, {"name": "vip-client"}, {"name": "x", "color": "red"}, {}):
        assert alice.api.post("/tags", json=wrong).status_code == 422, wrong
    same({"success": True, "data": {"message": "Tag deleted successfully."}}, alice.api.delete(path).json)
    assert alice.api.delete(path).status_code == 404


def test_contact_groups_and_their_members_as_documented(alice: Any) -> None:
    first = make_group(alice, "Newsletter Subscribers", description="Opted-in newsletter list")
    ids = [make_contact(alice).id for _ in range(3)]
    listed = alice.api.get("/contact-groups").json["data"]
    group = {"id": 1, "name": "Newsletter Subscribers", "description": "Opted-in newsletter list", "members_count": 0}
    same([{**group, "created_at": "2026-01-10T08:00:00Z"}], listed)
    webinar = {"name": "Webinar Attendees", "description": "Contacts who registered for the Q2 webinar"}
    made = alice.api.post("/contact-groups", json=webinar)
    assert made.status_code == 201
    same({"id": 3, **webinar, "members_count": 0, "created_at": "2026-03-25T16:30:00Z"}, made.json["data"])
    path = f"/contact-groups/{made.json['data']['id']}"
    renamed = {"name": "Q2 Webinar Attendees", "description": "Updated description"}
    same({**renamed, "members_count": 0}, alice.api.put(path, json=renamed).json["data"])
    added = alice.api.post(f"{path}/members", json={"contact_ids": ids})
    assert (added.status_code, added.json["data"]) == (200, {"added": 3, "already_members": 0, "members_count": 3})
    members = alice.api.get(f"{path}/members?per_page=2").json
    assert [row["id"] for row in members["data"]] == [ids[2], ids[1]] and members["meta"]["total"] == 3
    removed = alice.api.delete(f"{path}/members", json={"contact_ids": [ids[2]]})
    assert (removed.status_code, removed.json["data"]) == (200, {"removed": 1, "members_count": 2})
    removed = alice.api.delete(f"{path}/members?contact_ids={ids[0]},{ids[1]},999999")
    assert removed.json["data"] == {"removed": 2, "members_count": 0}
    assert alice.api.post(f"{path}/members", json={"contact_ids": [999999]}).status_code == 422
    assert alice.api.delete(f"{path}/members").status_code == 422
    same({"data": {"message": "Contact group deleted successfully."}}, alice.api.delete(path).json)
    assert alice.api.get(f"{path}/members").status_code == 404 and alice.api.get(f"/contact-groups/{first.id}").status_code == 200


def test_a_workspace_token_lasts_four_hours_and_bare_families_open_all_of_theirs(alice: Any, carol: Any) -> None:
    made = alice.api.post("/tokens", json={"name": "CRM", "scopes": ["contacts"]})
    assert made.status_code == 201 and {"token", "name", "scopes", "expires_at"} <= set(made.json["data"])
    data = made.json["data"]
    assert data["token"].startswith("mb_") and data["name"] == "CRM" and data["scopes"] == ["contacts"]
    created, ends = datetime.fromisoformat(data["created_at"]), datetime.fromisoformat(data["expires_at"])
    assert abs((ends - created).total_seconds() - 4 * 3600) < 5
    client = alice.token_with("contacts", kind="workspace")
    assert client.get("/contacts").status_code == 200 and client.post("/tags", json={"name": "vip"}).status_code == 201
    assert client.get("/campaigns").status_code == 403 and client.get("/tokens/current").json["data"]["scopes"] == ["contacts"]
    refused = alice.token_with("contacts:read", kind="workspace").post("/contacts", json=JANE)
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "insufficient_scope")
    assert carol.api.get("/contacts").status_code == 200 and carol.api.post("/contacts", json=JANE).status_code == 403
    assert {row["name"] for row in alice.api.get("/tokens").json["data"]} >= {"CRM"}


def test_contact_paths_have_their_own_limit_of_120_a_minute(app: Any, alice: Any) -> None:
    app.config["RATE_LIMITS"] = {"general": 60, "contacts": 120, "ops": 120}
    assert alice.api.get("/contacts").headers["X-RateLimit-Limit"] == "120"
    assert alice.api.get("/tags").headers["X-RateLimit-Remaining"] == "118"
    assert alice.api.get("/tokens").headers["X-RateLimit-Limit"] == "60"
