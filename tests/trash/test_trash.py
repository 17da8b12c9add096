"""The trash at both doors: what was deleted comes back for 30 days, audited."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from tests.factories.mailboxes import make_mailbox
from webapp.audit.models import AuditEntry
from webapp.core.db import db, utcnow
from webapp.mailboxes.models import Mailbox
from webapp.trash import service


def throw_away(person: Any, email: str = "old@acme.test") -> int:
    mailbox = make_mailbox(person, email)
    assert person.api.delete(f"/mailboxes/{mailbox.id}").status_code == 200
    return mailbox.id


def test_a_deleted_mailbox_is_listed_and_comes_back(alice: Any) -> None:
    mailbox_id = throw_away(alice)
    rows = alice.api.get("/trash").json
    assert [(row["kind"], row["id"], row["name"]) for row in rows["data"]] == [("mailbox", mailbox_id, "old@acme.test")] and rows["meta"][
        "total"
    ] == 1
    back = alice.api.post(f"/trash/mailbox/{mailbox_id}:restore")
    assert back.status_code == 200 and back.json["data"]["name"] == "old@acme.test"
    assert alice.api.get(f"/mailboxes/{mailbox_id}").status_code == 200
    assert alice.api.get("/trash").json["data"] == []
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "mailbox.restore")).one()
    assert (entry.target_id, entry.target_name, entry.token_last_four) == (mailbox_id, "old@acme.test", alice.token[-4:])


def test_an_address_that_was_taken_meanwhile_keeps_it_in_the_trash(alice: Any) -> None:
    mailbox_id = throw_away(alice)
    make_mailbox(alice, "old@acme.test")
    refused = alice.api.post(f"/trash/mailbox/{mailbox_id}:restore")
    assert refused.status_code in (409, 422) and "old@acme.test" in refused.json["error"]["message"]
    page = alice.page.post(f"/trash/mailbox/{mailbox_id}/restore")
    assert page.status_code == 303 and db.session.get(Mailbox, mailbox_id).deleted_at is not None


def test_strangers_viewers_and_limited_tokens_restore_nothing(alice: Any, eve: Any, carol: Any) -> None:
    mailbox_id = throw_away(alice)
    assert eve.api.get("/trash").json["data"] == []
    assert eve.api.post(f"/trash/mailbox/{mailbox_id}:restore").status_code == 404
    assert carol.api.post(f"/trash/mailbox/{mailbox_id}:restore").status_code == 403
    assert carol.page.post(f"/trash/mailbox/{mailbox_id}/restore").status_code == 403
    limited = alice.token_with("*", mailbox_ids=[make_mailbox(alice).id])
    assert limited.get("/trash").status_code == 403 and limited.post(f"/trash/mailbox/{mailbox_id}:restore").status_code == 403
    assert alice.api.post(f"/trash/mailbox/{mailbox_id + 1}:restore").status_code == 404
    assert alice.api.post(f"/trash/nonsense/{mailbox_id}:restore").status_code == 404


def test_after_30_days_it_is_neither_listed_nor_restored_and_the_purge_is_audited(alice: Any) -> None:
    mailbox_id, kept = throw_away(alice), throw_away(alice, "young@acme.test")
    db.session.execute(update(Mailbox).where(Mailbox.id == mailbox_id).values(deleted_at=utcnow() - timedelta(days=30, minutes=1)))
    db.session.commit()
    assert [row["id"] for row in alice.api.get("/trash").json["data"]] == [kept]
    assert alice.api.post(f"/trash/mailbox/{mailbox_id}:restore").status_code == 404
    assert service.purge_old() == 1
    db.session.commit()
    assert db.session.scalar(select(Mailbox.id).where(Mailbox.id == mailbox_id)) is None
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "mailbox.purge")).one()
    assert (entry.actor_type, entry.target_name) == ("system", "old@acme.test")


def test_the_page_teaches_when_empty_filters_by_kind_and_restores(alice: Any, carol: Any) -> None:
    assert "The trash is empty" in alice.page.get("/trash").get_data(as_text=True)
    mailbox_id = throw_away(alice)
    assert "old@acme.test" in alice.page.get("/trash?kind=mailbox").get_data(as_text=True)
    assert "old@acme.test" not in alice.page.get("/trash?kind=route").get_data(as_text=True)
    assert "needs the role admin" in carol.page.get("/trash").get_data(as_text=True)
    done = alice.page.post(f"/trash/mailbox/{mailbox_id}/restore", htmx=True)
    assert (
        done.status_code == 201 and "trash-changed" in done.headers["HX-Trigger"] and "old@acme.test is back" in done.headers["HX-Trigger"]
    )
