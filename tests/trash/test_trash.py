"""The trash at both doors: what was deleted comes back for 30 days, audited."""

from datetime import timedelta
from typing import Any

from sqlalchemy import event, select, update

from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail
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


def test_the_page_says_what_each_holds_how_long_it_stays_and_whose_name_is_taken(alice: Any) -> None:
    mailbox = make_mailbox(alice, "old@acme.test")
    make_mail(mailbox, subject="kept")
    assert alice.api.delete(f"/mailboxes/{mailbox.id}?force=true").status_code == 200
    page = alice.page.get("/trash").get_data(as_text=True)
    assert "1 mail," in page and "in 30 days" in page and "name taken meanwhile" not in page
    make_mailbox(alice, "old@acme.test")
    assert "name taken meanwhile" in alice.page.get("/trash").get_data(as_text=True)


def test_the_trash_is_searched_by_name_and_wildcards_stand_for_themselves(alice: Any) -> None:
    throw_away(alice, "old@acme.test")
    throw_away(alice, "press@acme.test")
    assert [row["name"] for row in alice.api.get("/trash?search=PRES").json["data"]] == ["press@acme.test"]
    assert alice.api.get("/trash?search=%25").json["data"] == [] and alice.api.get("/trash?search=o_d").json["data"] == []
    page = alice.page.get("/trash?q=press", htmx=True).get_data(as_text=True)
    assert "press@acme.test" in page and "old@acme.test" not in page


def test_several_come_back_each_by_itself_and_the_rest_is_told(alice: Any) -> None:
    first, second = throw_away(alice, "old@acme.test"), throw_away(alice, "press@acme.test")
    make_mailbox(alice, "old@acme.test")
    items = [{"kind": "mailbox", "id": first}, {"kind": "mailbox", "id": second}, {"kind": "mailbox", "id": 999_999}]
    answer = alice.api.post("/trash:restore", json={"items": items})
    assert answer.status_code == 207 and answer.json["data"]["items"] == [{"kind": "mailbox", "id": second}]
    reasons = {item["id"]: item["reason"] for item in answer.json["data"]["refused"]}
    assert "old@acme.test" in reasons[first] and "no mailbox" in reasons[999_999]
    assert alice.api.get(f"/mailboxes/{second}").status_code == 200
    assert alice.api.post("/trash:restore", json={"items": []}).status_code == 422


def test_all_that_is_shown_comes_back_with_one_press(alice: Any, carol: Any) -> None:
    ids = [throw_away(alice, f"box{number}@acme.test") for number in range(3)]
    assert carol.page.post("/trash/bulk", {"all": "1", "action": "restore"}).status_code == 403
    done = alice.page.post("/trash/bulk", {"all": "1", "action": "restore", "q": "box"})
    assert done.status_code == 303 and alice.api.get("/trash").json["data"] == []
    assert all(alice.api.get(f"/mailboxes/{mailbox_id}").status_code == 200 for mailbox_id in ids)
    assert "3 things are back." in alice.page.get("/trash").get_data(as_text=True)


def test_for_good_only_after_the_word_and_then_nobody_brings_it_back(alice: Any) -> None:
    mailbox_id, kept = throw_away(alice), throw_away(alice, "press@acme.test")
    asked = alice.page.post("/trash/bulk", {"item": f"mailbox:{mailbox_id}", "action": "purge"})
    assert asked.status_code == 200 and "cannot be undone" in asked.get_data(as_text=True)
    wrong = alice.page.post("/trash/purge", {"items": f"mailbox:{mailbox_id}", "typed": "yes"})
    assert wrong.status_code == 422 and alice.api.get("/trash").json["meta"]["total"] == 2
    done = alice.page.post("/trash/purge", {"items": f"mailbox:{mailbox_id},nonsense:1,mailbox:x", "typed": "Delete"})
    assert done.status_code == 303 and [row["id"] for row in alice.api.get("/trash").json["data"]] == [kept]
    assert alice.api.post(f"/trash/mailbox/{mailbox_id}:restore").status_code == 404
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "mailbox.give_up")).one()
    assert (entry.actor_type, entry.target_name) == ("user", "old@acme.test")
    assert service.purge_old() == 1
    db.session.commit()
    assert db.session.scalar(select(Mailbox.id).where(Mailbox.id == mailbox_id)) is None


def test_a_token_gives_one_thing_up_for_good(alice: Any, eve: Any, carol: Any) -> None:
    mailbox_id = throw_away(alice)
    assert eve.api.delete(f"/trash/mailbox/{mailbox_id}").status_code == 404
    assert carol.api.delete(f"/trash/mailbox/{mailbox_id}").status_code == 403
    gone = alice.api.delete(f"/trash/mailbox/{mailbox_id}")
    assert gone.status_code == 200 and gone.json["data"]["id"] == mailbox_id and alice.api.get("/trash").json["data"] == []


def test_the_queries_of_the_page_do_not_grow_with_its_rows(alice: Any) -> None:
    def count() -> int:
        asked: list[str] = []
        note = lambda *args: asked.append(args[2])  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", note)
        try:
            alice.page.get("/trash", htmx=True)
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
        return sum("SELECT" in statement for statement in asked)

    throw_away(alice, "a@acme.test")
    few = count()
    for number in range(5):
        throw_away(alice, f"b{number}@acme.test")
    assert count() == few <= 12
