"""The page of a workspace, and deleting one: at once for people, addresses and tokens, then row by row."""

from time import monotonic
from typing import Any

from sqlalchemy import select

from tests.factories.mailboxes import make_mailbox
from tests.house.things import make_everything, snapshot
from webapp.accounts import erasing, invitations, workspaces
from webapp.accounts.models import Membership, Workspace
from webapp.audit.models import AuditEntry
from webapp.core import queue
from webapp.core.counters import Counter
from webapp.core.db import Base, begin_writing, db
from webapp.mailboxes import service as mailboxes
from webapp.tokens import door


def erase() -> None:
    db.session.commit()
    begin_writing()
    assert queue.drains[erasing.DRAIN].due() and queue.drains[erasing.DRAIN].work(monotonic() + 20)
    db.session.commit()


def test_the_page_renames_shows_what_is_there_and_keeps_the_roles(alice: Any, carol: Any) -> None:
    make_mailbox(alice, "orders@acme.test")
    text = alice.page.get("/workspace").get_data(as_text=True)
    assert "3 members" in text and "1 mailbox" in text and "You are the last owner" in text
    assert alice.page.post("/workspace", {"name": " Acme \r\n Ltd "}).status_code == 303
    assert db.session.get_one(Workspace, alice.workspace.id).name == "Acme Ltd"
    assert alice.page.post("/workspace", {"name": "x" * 81}).status_code == 422
    theirs = carol.page.get("/workspace")
    assert theirs.status_code == 200 and "needs the role owner" in theirs.get_data(as_text=True)
    assert carol.page.post("/workspace", {"name": "Mine"}).status_code == 403
    assert carol.page.get("/workspace/delete").status_code == 403


def test_deleting_asks_for_the_name_and_says_what_goes(alice: Any, bob: Any) -> None:
    make_mailbox(alice, "orders@acme.test")
    asked = alice.page.get("/workspace/delete").get_data(as_text=True)
    assert "3 members" in asked and "1 mailbox" in asked and 'data-typed="Acme"' in asked
    alice.page.post("/workspace/delete", {"typed": "acme"})
    path = f"/workspaces/{alice.workspace.id}"
    assert alice.api.delete(path).status_code == 422 and alice.api.delete(f"{path}?confirm=Other").status_code == 422
    assert bob.api.delete(f"{path}?confirm=Acme").status_code == 403
    assert db.session.get_one(Workspace, alice.workspace.id).deleted_at is None


def test_an_admin_does_not_delete_and_the_only_workspace_stays(alice: Any, bob: Any, eve: Any) -> None:
    db.session.scalars(select(Membership).where(Membership.user_id == bob.user.id)).one().role = "admin"
    db.session.commit()
    door.forget_all()
    assert bob.api.delete(f"/workspaces/{bob.workspace.id}?confirm=Acme").status_code == 403
    assert bob.page.post("/workspace/delete", {"typed": "Acme"}).status_code == 403
    assert eve.api.delete(f"/workspaces/{eve.workspace.id}?confirm=Evil%20Corp").status_code == 200
    erase()
    only = alice.api.delete(f"/workspaces/{alice.workspace.id}?confirm=Acme")
    assert (only.status_code, only.json["error"]["code"]) == (409, "invalid_state")


def test_a_deleted_workspace_is_gone_at_once_for_people_tokens_and_mail(alice: Any, bob: Any, eve: Any) -> None:
    mailbox = make_mailbox(alice, "orders@acme.test")
    _, url = invitations.invite(alice.actor, email="dora@elsewhere.test")
    db.session.commit()
    assert alice.page.post("/workspace/delete", {"typed": "Acme"}).location == "/"
    door.forget_all()
    assert alice.api.get("/me").status_code == 401 and bob.api.get("/domains").status_code == 401
    home = alice.page.get("/")
    assert home.status_code == 200 and "Acme" not in home.get_data(as_text=True).replace("acme.test", "").replace("Acme is deleted", "")
    assert mailboxes.find_mailbox("orders@acme.test") is None and mailbox.deleted_at is not None
    assert invitations.find(url.partition("key=")[2]) is None
    assert make_mailbox(eve, "orders@acme.test").id != mailbox.id, "its names are free"
    told = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "workspace.delete").order_by(AuditEntry.workspace_id)).all()
    assert [entry.workspace_id for entry in told] == [0, alice.workspace.id] and '"members":3' in str(told[0].before)


def test_then_every_row_of_it_goes_and_nothing_of_anybody_else(alice: Any, eve: Any, work_off: Any, outside: Any) -> None:
    make_everything(alice, work_off)
    make_everything(eve, work_off, "evil.test")
    number, before = alice.workspace.id, snapshot(eve.workspace.id)
    workspaces.delete_workspace(alice.actor, confirm="Acme")
    erase()
    left = {
        table.name: rows
        for table in Base.metadata.sorted_tables
        if "workspace_id" in table.c and table.name not in erasing.KEPT
        and (rows := db.session.execute(select(table).where(table.c.workspace_id == number)).all())
    }  # fmt: skip
    assert left == {} and db.session.get(Workspace, number) is None
    assert db.session.scalar(select(Counter.id).where(Counter.workspace_id == number)) is None
    assert snapshot(eve.workspace.id) == before
    assert db.session.scalar(select(AuditEntry.id).where(AuditEntry.workspace_id == number)) is not None, "the log stays"
    assert not queue.drains[erasing.DRAIN].due()


def test_erasing_goes_on_where_it_stopped(alice: Any, eve: Any, work_off: Any, outside: Any) -> None:
    make_everything(alice, work_off)
    number = alice.workspace.id
    workspaces.delete_workspace(alice.actor, confirm="Acme")
    db.session.commit()
    begin_writing()
    assert queue.drains[erasing.DRAIN].work(monotonic() - 1) is False
    assert queue.drains[erasing.DRAIN].due()
    erase()
    assert db.session.get(Workspace, number) is None


def test_the_account_says_what_a_workspace_uses(alice: Any, carol: Any) -> None:
    make_mailbox(alice, "orders@acme.test")
    data = alice.api.get("/account").json["data"]
    assert (data["id"], data["name"], data["plan"]) == (alice.workspace.id, "Acme", "self_hosted")
    assert data["usage"] == {"domains": 1, "mailboxes": 1, "members": 3, "messages": 0, "storage_used_mb": 0.0}
    assert data["features"] == {"sending": False} and set(data["limits"].values()) == {None}
    assert carol.api.get("/account").status_code == 200
    assert alice.token_with("domains:read").get("/account").status_code == 403
