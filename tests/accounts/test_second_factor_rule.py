"""A workspace that demands a second factor: members without one set it up before they see anything; tokens go on."""

import time
from typing import Any

import pyotp
import pytest
from sqlalchemy import select

from tests.accounts.test_second_factor import begun, give_factor
from tests.house.routes import page_operations
from webapp.accounts import second_factor_rule, sessions
from webapp.accounts.models import Membership, Workspace
from webapp.audit.models import AuditEntry
from webapp.core.db import db
from webapp.core.errors import Forbidden, InvalidState


@pytest.fixture
def demanding(alice: Any) -> Any:
    """Alice has a second factor and demands it of her workspace."""
    give_factor(alice)
    alice.workspace.second_factor_required = True
    db.session.commit()
    return alice


def test_only_an_owner_with_a_second_factor_may_demand_it(alice: Any, bob: Any) -> None:
    with pytest.raises(InvalidState, match="no second factor yourself"):
        second_factor_rule.set_rule(alice.actor, True)
    with pytest.raises(Forbidden):
        second_factor_rule.set_rule(bob.actor, True)
    refused = alice.page.post("/members/second-factor", {"required": "y"})
    assert refused.status_code == 422 and "Turn it on for your own account first" in refused.get_data(as_text=True)
    give_factor(alice)
    assert alice.page.post("/members/second-factor", {"required": "y"}).status_code == 303
    row = db.session.get(Workspace, alice.workspace.id)
    assert row is not None and row.second_factor_required
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "workspace.update")).one()
    assert entry.after is not None and "second_factor_required" in str(entry.after)
    assert alice.page.post("/members/second-factor", {}).status_code == 303
    db.session.refresh(row)
    assert not row.second_factor_required


def test_the_page_names_who_has_none(alice: Any, bob: Any, carol: Any) -> None:
    give_factor(bob)
    page = alice.page.get("/members/second-factor").get_data(as_text=True)
    assert "2 members sign in with the password alone" in page
    assert "carol@acme.test" in page.split('id="without"')[1] and "bob@acme.test" not in page.split('id="without"')[1]


def test_whoever_has_none_is_led_to_it_from_every_page_of_the_workspace(app: Any, demanding: Any, bob: Any) -> None:
    free = {"accounts.second_factor", "accounts.confirm", "accounts.open_workspace"}
    seen = 0
    for operation in page_operations(app):
        scope = operation.scope
        if not getattr(operation.view, "needs_sign_in", False) or (scope and not bob.actor.may(scope)) or operation.endpoint in free:
            continue
        path = operation.path({**dict.fromkeys(operation.arguments, 1), "kind": "mailbox", "view": "headers"})
        answer = bob.page.get(path) if operation.method == "GET" else bob.page.post(path)
        if operation.endpoint == "live.events":
            assert answer.status_code == 204
            continue
        assert (answer.status_code, answer.location) == (303, "/profile/second-factor"), operation
        seen += 1
    assert seen > 20
    assert bob.page.get("/").location == "/profile/second-factor"
    assert bob.page.get("/tokens", htmx=True).headers["HX-Redirect"] == "/profile/second-factor"
    assert demanding.page.get("/").status_code == 200


def test_the_page_it_leads_to_has_no_menu_and_opens_the_workspace_when_done(demanding: Any, bob: Any) -> None:
    page = bob.page.get("/profile/second-factor").get_data(as_text=True)
    assert "Acme opens once you have a second factor" in page and 'aria-label="Main"' not in page and "Sign out" in page
    sealed, key = begun(page)
    assert bob.page.post("/profile/second-factor", {"begun": sealed, "code": pyotp.TOTP(key).at(time.time())}).status_code == 200
    assert bob.page.get("/tokens").status_code == 200


def test_another_workspace_stays_open_and_can_be_chosen(demanding: Any, bob: Any, eve: Any) -> None:
    db.session.add(Membership(workspace_id=eve.workspace.id, user_id=bob.user.id, role="viewer"))
    db.session.commit()
    assert f"Open {eve.workspace.name}" in bob.page.get("/profile/second-factor").get_data(as_text=True)
    assert bob.page.post(f"/workspaces/{eve.workspace.id}/open").location == "/"
    assert bob.page.get("/").status_code == 200 and bob.page.get("/tokens").status_code in (200, 403)
    assert bob.page.post(f"/workspaces/{demanding.workspace.id}/open").status_code == 303
    assert bob.page.get("/tokens").location == "/profile/second-factor"


def test_tokens_of_members_without_one_go_on_working(demanding: Any, bob: Any) -> None:
    assert bob.api.get("/mailboxes").status_code == 200


def test_c62_the_demand_holds_for_browsers_that_are_signed_in_already(alice: Any, bob: Any) -> None:
    assert bob.page.get("/tokens").status_code == 200
    give_factor(alice)
    assert alice.page.post("/members/second-factor", {"required": "y"}).status_code == 303
    assert bob.page.get("/tokens").location == "/profile/second-factor"
    found = sessions.list_living(bob.user.id)
    assert len(found) == 1, "led, not signed out"
