"""C-64: a workspace always has somebody who can act as its owner, whichever door is tried; and what suspending means."""

from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import select

from webapp.accounts import by_hand, members
from webapp.accounts.models import Membership, User
from webapp.audit.models import AuditEntry
from webapp.core.db import begin_writing, db
from webapp.core.errors import HouseError, InvalidState
from webapp.tokens import door


def member_id(person: Any) -> int:
    return db.session.scalars(select(Membership.id).where(Membership.user_id == person.user.id)).one()


def path(person: Any) -> str:
    return f"/workspaces/{person.workspace.id}/members/{member_id(person)}"


def role_of(person: Any) -> str | None:
    return db.session.scalar(select(Membership.role).where(Membership.user_id == person.user.id, Membership.suspended_at.is_(None)))


def test_c64_no_door_lets_the_last_owner_go(alice: Any) -> None:
    own = member_id(alice)
    for answer in (
        alice.api.patch(path(alice), json={"role": "admin"}), alice.api.put(path(alice), json={"role": "viewer"}),
        alice.api.delete(path(alice)), alice.api.patch(path(alice), json={"status": "suspended"}),
    ):  # fmt: skip
        assert (answer.status_code, answer.json["error"]["code"]) == (409, "invalid_state")
    for address, data in (
        (f"/members/{own}", {"role": "admin"}), (f"/members/{own}/remove", {}), (f"/members/{own}/suspend", {}), ("/workspace/leave", {}),
    ):  # fmt: skip
        assert alice.page.post(address, data).status_code == 303
        assert role_of(alice) == "owner", address
    with pytest.raises(InvalidState, match="last owner of Acme"):
        by_hand.suspend_user("alice@acme.test")
    assert db.session.get_one(User, alice.user.id).status == "active" and alice.page.get("/members").status_code == 200


def test_c64_an_owner_who_is_suspended_does_not_count(alice: Any, bob: Any) -> None:
    alice.api.patch(path(bob), json={"role": "owner"})
    alice.api.patch(path(bob), json={"status": "suspended"})
    assert alice.api.patch(path(alice), json={"role": "admin"}).status_code == 409
    assert alice.api.delete(path(alice)).status_code == 409
    alice.api.patch(path(bob), json={"status": "active"})
    by_hand.suspend_user("bob@acme.test")
    db.session.commit()
    assert alice.api.patch(path(alice), json={"role": "admin"}).status_code == 409
    assert alice.api.patch(path(bob), json={"status": "active"}).status_code == 409, "the operator's word stands above"
    by_hand.resume_user("bob@acme.test")
    db.session.commit()
    assert alice.api.patch(path(alice), json={"role": "admin"}).status_code == 200


def test_c64_two_owners_who_demote_each_other_at_the_same_moment_leave_one(app: Any, alice: Any, bob: Any) -> None:
    alice_id, bob_id = member_id(alice), member_id(bob)
    for _ in range(3):
        for person in (alice, bob):
            db.session.get_one(Membership, member_id(person)).role = "owner"
        db.session.commit()
        start, failures = Barrier(2), []

        def demote(actor: Any, whom: int, start: Barrier = start, failures: list[Exception] = failures) -> None:
            with app.app_context():
                begin_writing()
                start.wait()
                try:
                    members.change_role(actor, whom, "admin")
                    db.session.commit()
                except HouseError as refused:
                    db.session.rollback()
                    failures.append(refused)

        owner_bob = members.get_member(alice.actor, bob_id)
        actor_bob = type(alice.actor)(**{**vars(bob.actor), "role": owner_bob.role})
        db.session.commit()
        both = [Thread(target=demote, args=(alice.actor, bob_id)), Thread(target=demote, args=(actor_bob, alice_id))]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join(20)
        begin_writing()
        db.session.expire_all()
        assert members.count_owners(alice.workspace.id) == 1 and len(failures) == 1
        db.session.commit()


def test_c64_the_break_glass_command_brings_a_locked_out_owner_back_and_is_audited(app: Any, alice: Any, bob: Any) -> None:
    alice.api.patch(path(bob), json={"role": "owner"})
    by_hand.suspend_user("alice@acme.test")
    db.session.commit()
    door.forget_all()
    assert alice.page.get("/members").status_code == 303 and alice.api.get("/me").status_code == 401
    by_hand.resume_user("alice@acme.test")
    db.session.commit()
    door.forget_all()
    assert alice.api.get("/me").status_code == 200
    told = db.session.scalars(select(AuditEntry.action).where(AuditEntry.actor_name == "command line").order_by(AuditEntry.id)).all()
    assert told == ["user.suspend", "user.resume"]


def test_a_suspended_member_opens_nothing_here_keeps_the_rest_and_comes_back_as_they_were(alice: Any, bob: Any, eve: Any) -> None:
    db.session.add(Membership(workspace_id=eve.workspace.id, user_id=bob.user.id, role="viewer"))
    db.session.commit()
    place = db.session.scalars(
        select(Membership.id).where(Membership.user_id == bob.user.id, Membership.workspace_id == alice.workspace.id)
    ).one()
    address = f"/workspaces/{alice.workspace.id}/members/{place}"
    assert alice.api.patch(address, json={"status": "suspended"}).json["data"]["status"] == "suspended"
    door.forget_all()
    assert bob.api.get("/me").status_code == 401 and bob.page.get("/").status_code == 303
    assert [one.workspace_id for one in members.list_members(eve.actor, page()).items if one.user_id == bob.user.id] == [eve.workspace.id]
    back = alice.api.patch(address, json={"status": "active"}).json["data"]
    door.forget_all()
    assert (back["status"], back["role"]) == ("active", "agent") and bob.api.get("/me").status_code == 200
    told = [row["action"] for row in alice.api.get("/audit-events?target_type=member").json["data"]]
    assert told == ["member.resume", "member.suspend"]


def page() -> Any:
    return members.PageRequest(1, 100)


def test_suspending_is_undone_by_the_button_of_its_toast_and_nobody_suspends_themselves(alice: Any, bob: Any) -> None:
    assert alice.page.post(f"/members/{member_id(bob)}/suspend").status_code == 303
    text = alice.page.get("/members").get_data(as_text=True)
    assert "is suspended" in text and f"/members/{member_id(bob)}/resume" in text
    assert alice.page.post(f"/members/{member_id(bob)}/resume").status_code == 303
    assert role_of(bob) == "agent"
    alice.api.patch(path(bob), json={"role": "owner"})
    assert alice.api.patch(path(alice), json={"status": "suspended"}).json["error"]["message"] == "You cannot suspend yourself."


def test_roles_above_one_s_own_are_neither_suspended_nor_resumed(alice: Any, bob: Any) -> None:
    alice.api.patch(path(bob), json={"role": "admin"})
    door.forget_all()
    assert bob.api.patch(path(alice), json={"status": "suspended"}).status_code == 403
    assert bob.page.post(f"/members/{member_id(alice)}/suspend").status_code in (303, 403)
    assert role_of(alice) == "owner"


def test_whoever_leaves_is_gone_with_tokens_and_other_browsers_and_goes_on_elsewhere(alice: Any, bob: Any, eve: Any) -> None:
    db.session.add(Membership(workspace_id=eve.workspace.id, user_id=bob.user.id, role="viewer"))
    db.session.commit()
    assert "Leave Acme" in bob.page.get("/workspace/leave").get_data(as_text=True)
    assert bob.page.post("/workspace/leave").location == "/"
    door.forget_all()
    assert bob.api.get("/me").status_code == 401
    assert "Evil Corp · Mailroom" in bob.page.get("/").get_data(as_text=True)
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "member.leave")).one()
    assert (entry.actor_name, entry.target_name) == ("bob@acme.test", "bob@acme.test")


def test_a_viewer_may_leave_too_and_then_has_no_workspace(carol: Any) -> None:
    assert carol.page.post("/workspace/leave").status_code == 303
    home = carol.page.get("/")
    assert home.status_code == 200 and "Create workspace" in home.get_data(as_text=True)
