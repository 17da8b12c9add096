"""Message tokens under mailboxes, as reference/trekmail.md section 3 has them."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.factories.mailboxes import make_mailbox
from webapp.core.db import db, utcnow
from webapp.tokens import door
from webapp.tokens import format as form
from webapp.tokens.models import ApiToken

NEW = {"name": "Invoice reader", "scopes": ["messages:read"]}
MANAGE = "mailboxes:message-tokens:manage"


def create(api: Any, mailbox_id: int, key: str = "k", **more: Any) -> Any:
    return api.post(f"/mailboxes/{mailbox_id}/message-tokens", json={**NEW, **more}, headers={"Idempotency-Key": key})


def test_one_is_made_listed_narrowed_and_revoked(alice: Any) -> None:
    mailbox = make_mailbox(alice, "orders@acme.test")
    api = alice.token_with(MANAGE, "messages:read", "messages:send")
    answer = create(api, mailbox.id, scopes=["messages:read", "messages:send"])
    data = answer.json["data"]
    assert answer.status_code == 201 and form.check(data["token"]) == ("message", True) and data["prefix"] == "tm_msg_"
    assert data["mailbox_id"] == mailbox.id and data["kind"] == "message"
    assert abs(datetime.fromisoformat(data["expires_at"]) - utcnow() - timedelta(days=90)) < timedelta(minutes=1)
    listed = api.get(f"/mailboxes/{mailbox.id}/message-tokens?per_page=20").json
    assert [row["id"] for row in listed["data"]] == [data["id"]] and "token" not in listed["data"][0] and listed["meta"]["total"] == 1
    narrowed = api.patch(f"/message-tokens/{data['id']}", json={"scopes": ["messages:read"], "expires_in": "1h", "name": "Reader"})
    assert narrowed.status_code == 200 and narrowed.json["data"]["scopes"] == ["messages:read"]
    assert datetime.fromisoformat(narrowed.json["data"]["expires_at"]) < utcnow() + timedelta(hours=1, minutes=1)
    for wider in ({"scopes": ["messages:send"]}, {"expires_in": "90d"}):
        refused = api.patch(f"/message-tokens/{data['id']}", json=wider)
        assert (refused.status_code, refused.json["error"]["code"]) == (422, "token_cannot_widen"), wider
    gone = api.delete(f"/message-tokens/{data['id']}").json["data"]
    assert gone["id"] == data["id"] and datetime.fromisoformat(gone["revoked_at"]) <= utcnow()
    assert api.get(f"/message-tokens/{data['id']}").json["data"]["status"] == "revoked"


@pytest.mark.parametrize(("told", "days"), [("7d", 7), ("30d", 30), ("90d", 90), ("never", None), (3600, 1 / 24), (0, None)])
def test_lives_are_words_or_seconds(alice: Any, told: Any, days: float | None) -> None:
    data = create(alice.api, make_mailbox(alice, "o@acme.test").id, expires_in=told).json["data"]
    if days is None:
        assert data["expires_at"] is None
    else:
        assert abs(datetime.fromisoformat(data["expires_at"]) - utcnow() - timedelta(days=days)) < timedelta(minutes=1)


def test_what_makes_no_sense_is_422_with_the_field(alice: Any) -> None:
    mailbox = make_mailbox(alice, "o@acme.test")
    for number, (wrong, field) in enumerate((
        ({"expires_in": "1h"}, "expires_in"), ({"expires_in": True}, "expires_in"), ({"expires_in": -1}, "expires_in"),
        ({"scopes": []}, "scopes"), ({"scopes": ["domains:read"]}, "scopes"), ({"scopes": ["*"]}, "scopes"), ({"name": ""}, "name"),
        ({"name": "x" * 256}, "name"), ({"user_id": 1}, "user_id"),
    )):  # fmt: skip
        refused = create(alice.api, mailbox.id, str(number), **wrong)
        assert refused.status_code == 422 and field in refused.json["error"]["details"], (wrong, refused.json)
    assert db.session.query(ApiToken).filter_by(kind="message").count() == 0


def test_making_one_needs_a_key_and_a_replay_masks_the_value(alice: Any) -> None:
    mailbox = make_mailbox(alice, "o@acme.test")
    api = alice.token_with(MANAGE, "messages:read")
    missing = api.post(f"/mailboxes/{mailbox.id}/message-tokens", json=NEW)
    assert (missing.status_code, missing.json["error"]["code"]) == (422, "missing_idempotency_key")
    first, again = create(api, mailbox.id), create(api, mailbox.id)
    assert again.json["data"]["id"] == first.json["data"]["id"] and again.json["data"]["token"] == "<redacted>"


def test_the_scope_alone_does_not_give_scopes_that_the_maker_has_not(alice: Any) -> None:
    mailbox = make_mailbox(alice, "o@acme.test")
    refused = create(alice.token_with(MANAGE), mailbox.id)
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "insufficient_scope")
    assert alice.token_with("mailboxes:read").get(f"/mailboxes/{mailbox.id}/message-tokens").status_code == 403


def test_other_kinds_and_other_peoples_are_404(alice: Any, bob: Any, eve: Any) -> None:
    mailbox = make_mailbox(alice, "o@acme.test")
    made = create(alice.api, mailbox.id).json["data"]
    ops = alice.api.post("/tokens", json={"name": "ops", "kind": "ops", "scopes": ["domains:read"]}).json["data"]
    for answer in (alice.api.get(f"/message-tokens/{ops['id']}"), alice.api.delete(f"/message-tokens/{ops['id']}")):
        assert answer.status_code == 404
    for person in (bob, eve):
        assert person.api.get(f"/message-tokens/{made['id']}").status_code == 404
        assert person.api.delete(f"/message-tokens/{made['id']}").status_code == 404
    assert create(eve.api, mailbox.id).status_code == 404 and eve.api.get(f"/mailboxes/{mailbox.id}/message-tokens").status_code == 404
    assert bob.api.get(f"/mailboxes/{mailbox.id}/message-tokens").json["data"] == []
    assert create(bob.api, mailbox.id).status_code == 201, "agents make tokens for themselves"


def test_it_opens_messages_alone(alice: Any) -> None:
    value = create(alice.api, make_mailbox(alice, "o@acme.test").id).json["data"]["token"]
    api = type(alice.api)(alice.api.app, value)
    assert api.get("/tokens/current").status_code == 200
    refused = api.get("/mailboxes")
    assert refused.status_code == 401 and "ops" in refused.json["error"]["hint"]


def test_the_mailbox_page_shows_them_without_script_by_a_link(alice: Any, carol: Any) -> None:
    mailbox = make_mailbox(alice, "o@acme.test")
    create(alice.api, mailbox.id)
    address = f"/mailboxes/{mailbox.id}/message-tokens"
    assert address in alice.page.get(f"/mailboxes/{mailbox.id}").get_data(as_text=True)
    whole, part = alice.page.get(address).get_data(as_text=True), alice.page.get(address, htmx=True).get_data(as_text=True)
    assert "Invoice reader" in whole and "<html" in whole and "Invoice reader" in part and "<html" not in part
    link = f"/tokens/new?kind=message&amp;mailbox_id={mailbox.id}"
    assert link in part
    form_page = alice.page.get(link.replace("&amp;", "&")).get_data(as_text=True)
    assert f'<option selected value="{mailbox.id}">' in form_page
    assert carol.page.get(address).status_code == 403
    assert address not in carol.page.get(f"/mailboxes/{mailbox.id}").get_data(as_text=True)


def test_a_revoked_one_is_refused(alice: Any) -> None:
    data = create(alice.api, make_mailbox(alice, "o@acme.test").id).json["data"]
    api = type(alice.api)(alice.api.app, data["token"])
    assert api.get("/tokens/current").status_code == 200
    alice.api.delete(f"/message-tokens/{data['id']}")
    door.forget_all()
    assert api.get("/tokens/current").status_code == 401
