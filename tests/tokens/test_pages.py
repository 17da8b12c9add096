"""Tokens in the browser: made once, shown once, found, revoked."""

import re
from typing import Any

from sqlalchemy import select

from tests.factories.mailboxes import make_mailbox
from webapp.core.db import db
from webapp.tokens import door
from webapp.tokens import format as form
from webapp.tokens.models import ApiToken

NEW = {"name": "Web shop", "kind": "ops", "preset": "own", "scopes": ["messages:send", "domains:read"], "expires": "", "allowed_ips": ""}


def newest() -> ApiToken:
    return db.session.scalars(select(ApiToken).order_by(ApiToken.id.desc()).limit(1)).one()


def value_of(page: str) -> str:
    found = re.search(r'<code id="secret">([^<]+)</code>', page)
    assert found
    return found[1]


def test_a_token_is_made_and_shown_once_with_snippets_that_hold_it_and_the_real_addresses(alice: Any) -> None:
    made = alice.page.post("/tokens/new", NEW)
    page = made.get_data(as_text=True)
    assert made.status_code == 201 and made.headers["Cache-Control"] == "no-store"
    value = value_of(page)
    assert form.check(value) == ("ops", True) and page.count(value) == 8, "once to copy, once in each of five programs, twice for SMTP"
    assert "curl http://localhost/api/v1/tokens/current" in page and "2587" in page and "127.0.0.1" in page
    token = newest()
    assert (token.name, token.scopes) == ("Web shop", ["domains:read", "messages:send"])
    for address in (f"/tokens/{token.id}", "/tokens", "/audit"):
        assert value not in alice.page.get(address).get_data(as_text=True), address
    assert type(alice.api)(alice.api.app, value).get("/tokens/current").status_code == 200


def test_presets_count_when_no_scope_is_picked_and_picked_ones_win(alice: Any) -> None:
    for preset, expected in (("full", ["*"]), ("send", ["messages:send"])):
        assert alice.page.post("/tokens/new", {**NEW, "preset": preset, "scopes": []}).status_code == 201
        assert newest().scopes == expected
    alice.page.post("/tokens/new", {**NEW, "preset": "full"})
    assert newest().scopes == ["domains:read", "messages:send"]
    before = newest().id
    nothing = alice.page.post("/tokens/new", {**NEW, "preset": "full", "scopes": [], "picked": "1"})
    assert nothing.status_code == 422 and newest().id == before, "boxes that were all cleared mean none, not all"


def test_a_refused_form_keeps_what_was_typed_and_names_the_field(alice: Any) -> None:
    answer = alice.page.post("/tokens/new", {**NEW, "allowed_ips": "300.1.1.1", "name": "Kept <name>"})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422 and "Kept &lt;name&gt;" in page and "300.1.1.1" in page and "192.0.2.0/24" in page
    assert re.search(r'value="messages:send"[^>]*checked', page)
    assert "Give the token a name" in alice.page.post("/tokens/new", {**NEW, "name": ""}).get_data(as_text=True)


def test_life_and_networks_are_taken_from_the_form(alice: Any) -> None:
    alice.page.post("/tokens/new", {**NEW, "expires": "0", "allowed_ips": "203.0.113.24\n10.0.0.0/8"})
    assert newest().expires_at is None and newest().allowed_ips == ["203.0.113.24/32", "10.0.0.0/8"]


def test_a_message_token_names_its_mailbox_and_keeps_to_message_scopes(alice: Any, eve: Any) -> None:
    assert "Mailbox of a message token" not in alice.page.get("/tokens/new").get_data(as_text=True)
    mailbox = make_mailbox(alice, "orders@acme.test")
    made = alice.page.post("/tokens/new", {**NEW, "kind": "message", "preset": "read", "scopes": [], "mailbox_id": str(mailbox.id)})
    assert made.status_code == 201 and newest().mailbox_id == mailbox.id and newest().scopes == ["messages:read"]
    assert "orders@acme.test" in alice.page.get(f"/tokens/{newest().id}").get_data(as_text=True)
    assert (
        alice.page.post("/tokens/new", {**NEW, "kind": "message", "scopes": ["domains:read"], "mailbox_id": str(mailbox.id)}).status_code
        == 422
    )
    foreign = make_mailbox(eve, "orders@evil.test")
    assert (
        alice.page.post(
            "/tokens/new", {**NEW, "kind": "message", "preset": "read", "scopes": [], "mailbox_id": str(foreign.id)}
        ).status_code
        == 422
    )


def test_scopes_above_the_role_are_shown_disabled(bob: Any, carol: Any) -> None:
    page = bob.page.get("/tokens/new").get_data(as_text=True)
    assert re.search(r'value="domains:create"[^>]*disabled', page) and not re.search(r'value="messages:send"[^>]*disabled', page)
    assert carol.page.get("/tokens/new").status_code == 403
    assert "needs the role agent" in carol.page.get("/tokens").get_data(as_text=True)


def test_the_list_is_searched_and_narrowed_by_chips_and_agents_see_their_own(alice: Any, bob: Any) -> None:
    alice.page.post("/tokens/new", NEW)
    alice.page.post("/tokens/new", {**NEW, "name": "100%_done"})
    alice.page.post(f"/tokens/{newest().id}/revoke")

    def names(person: Any, query: str) -> list[str]:
        return re.findall(r'<th scope="row"><a href="/tokens/\d+">([^<]+)</a>', person.page.get(f"/tokens?{query}").get_data(as_text=True))

    assert names(alice, "q=shop") == ["Web shop"] and names(alice, "q=%25_") == ["100%_done"] and names(alice, "q=%") == ["100%_done"]
    assert names(alice, "state=revoked") == ["100%_done"] and names(alice, "kind=ops&state=active") == ["Web shop"]
    assert names(alice, "q=bob@acme") == ["Bob&#39;s token"]
    assert names(bob, "") == ["Bob&#39;s token"]


def test_revoking_asks_first_and_is_effective_at_once(alice: Any) -> None:
    value = value_of(alice.page.post("/tokens/new", NEW).get_data(as_text=True))
    token = newest()
    question = alice.page.get(f"/tokens/{token.id}/revoke")
    assert question.status_code == 200 and "cannot be brought back" in question.get_data(as_text=True) and newest().revoked_at is None
    assert alice.page.post(f"/tokens/{token.id}/revoke").status_code == 303
    door.forget_all()
    assert type(alice.api)(alice.api.app, value).get("/tokens/current").status_code == 401
    assert "are refused" in alice.page.get(f"/tokens/{token.id}").get_data(as_text=True)


def test_the_first_call_turns_the_line_green_and_ends_the_asking(alice: Any) -> None:
    value = value_of(alice.page.post("/tokens/new", NEW).get_data(as_text=True))
    address = f"/tokens/{newest().id}/first-call"
    assert alice.page.get(address, htmx=True).status_code == 200
    type(alice.api)(alice.api.app, value).get("/tokens/current")
    answer = alice.page.get(address, htmx=True)
    assert answer.status_code == 286 and "The first call came" in answer.get_data(as_text=True)


def test_what_a_token_did_stands_on_its_page(alice: Any) -> None:
    value = value_of(alice.page.post("/tokens/new", {**NEW, "preset": "full", "scopes": []}).get_data(as_text=True))
    token = newest()
    type(alice.api)(alice.api.app, value).patch(f"/workspaces/{alice.workspace.id}", json={"name": "Acme Ltd"})
    page = alice.page.get(f"/tokens/{token.id}").get_data(as_text=True)
    assert "changed workspace" in page and "Acme Ltd" in page


def test_picking_a_preset_ticks_its_boxes_for_the_chosen_kind(alice: Any) -> None:
    def ticked(query: str) -> list[str]:
        page = alice.page.get(f"/tokens/new/scopes?{query}", htmx=True).get_data(as_text=True)
        return re.findall(r'value="([^"]+)" checked', page)

    assert ticked("preset=send") == ["messages:send"] and ticked("preset=full") == ["*"] and ticked("preset=own") == []
    assert "domains:read" in ticked("preset=read&kind=ops") and ticked("preset=read&kind=message") == ["messages:read"]
    assert ticked("preset=full&kind=message") == ["messages:read", "messages:write", "messages:send"]


def test_limits_to_domains_and_mailboxes_are_ticked_and_shown(alice: Any, eve: Any) -> None:
    own, other = make_mailbox(alice, "orders@acme.test"), make_mailbox(alice, "books@second.test")
    foreign = make_mailbox(eve, "e@evil.test")
    page = alice.page.get("/tokens/new").get_data(as_text=True)
    assert "Limit to domains or mailboxes" in page and "second.test" in page and "evil.test" not in page
    assert alice.page.post("/tokens/new", {**NEW, "domain_ids": [str(own.domain_id)], "mailbox_ids": [str(own.id)]}).status_code == 201
    token = newest()
    assert (token.domain_ids, token.mailbox_ids) == ([own.domain_id], [own.id])
    shown = alice.page.get(f"/tokens/{token.id}").get_data(as_text=True)
    assert "orders@acme.test" in shown and "books@second.test" not in shown
    assert "1 domain, 1 mailbox" in alice.page.get("/tokens").get_data(as_text=True)
    edit = alice.page.get(f"/tokens/{token.id}/edit").get_data(as_text=True)
    assert "<details open>" in edit and "second.test" not in edit, "only what it has can be kept"
    refused = alice.page.post("/tokens/new", {**NEW, "mailbox_ids": [str(foreign.id)]})
    assert refused.status_code == 422 and "There is no such one here" in refused.get_data(as_text=True)
    wider = {"name": "x", "scopes": token.scopes, "expires": "", "domain_ids": [str(own.domain_id)], "mailbox_ids": [str(other.id)]}
    assert alice.page.post(f"/tokens/{token.id}/edit", {**wider, "allowed_ips": ""}).status_code == 422


def test_a_message_token_is_edited_without_limits_of_its_own(alice: Any) -> None:
    mailbox = make_mailbox(alice, "orders@acme.test")
    alice.page.post("/tokens/new", {**NEW, "kind": "message", "scopes": ["messages:read", "messages:send"], "mailbox_id": str(mailbox.id)})
    token = newest()
    page = alice.page.get(f"/tokens/{token.id}/edit").get_data(as_text=True)
    assert "Limit to domains" not in page
    form = {"name": "Reader", "expires": "", "scopes": ["messages:read"], "allowed_ips": ""}
    assert alice.page.post(f"/tokens/{token.id}/edit", form).status_code == 303
    assert (newest().name, newest().scopes, newest().mailbox_id) == ("Reader", ["messages:read"], mailbox.id)
