"""Many rows at once: the numbers beforehand, doing it, undoing it exactly; by hand, by filter, in the background."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select

from tests.factories.automation import make_action, make_route, make_rule
from tests.factories.domains import make_domain
from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail
from webapp.accounts.models import Membership
from webapp.audit.models import AuditEntry
from webapp.core import counters
from webapp.core.db import begin_writing, db, utcnow
from webapp.core.errors import InvalidState
from webapp.domains.models import Domain
from webapp.mailboxes.models import Mailbox
from webapp.messages.models import Message
from webapp.picks import jobs, kinds, service
from webapp.picks.models import PickChange, PickRow


def states() -> dict[str, str]:
    """Address -> status, or `gone` for what lies in the trash."""
    db.session.expire_all()
    return {box.email.split("@")[0]: "gone" if box.deleted_at else box.status for box in db.session.query(Mailbox).order_by(Mailbox.id)}


def actions() -> list[str]:
    query = select(AuditEntry.action).where(AuditEntry.target_type.in_(["mailbox", "domain"]))
    return list(db.session.scalars(query.order_by(AuditEntry.id)))


def news(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return dict(orjson.loads(answer.headers["HX-Trigger"]))


def test_the_bar_says_what_is_picked_in_numbers(alice: Any, eve: Any) -> None:
    one, two = make_mailbox(alice, "a@acme.test"), make_mailbox(alice, "b@acme.test", status="paused")
    make_route(alice, one, rules=[make_rule(alice)], actions=[make_action(alice)])
    for _ in range(3):
        make_mail(one)
    bar = alice.page.get(f"/picks/mailbox?id={one.id}&id={two.id}", htmx=True)
    assert bar.text.strip() == "1 active, 1 paused, 3 messages, 1 route"
    assert "3 messages" in alice.page.get(f"/picks/mailbox?ids={one.id}&id={one.id}").text
    assert "Nothing is picked" in alice.page.get("/picks/mailbox").text
    assert eve.page.get(f"/picks/mailbox?id={one.id}", htmx=True).status_code == 422
    page = alice.page.get("/mailboxes").text
    assert 'id="bulk"' in page and f'value="{one.id}" form="bulk"' in page and 'name="action" value="delete"' in page


def test_without_script_every_button_leads_to_a_page_with_the_effect(alice: Any) -> None:
    one, two = make_mailbox(alice, "a@acme.test"), make_mailbox(alice, "b@acme.test", status="paused")
    asked = alice.page.post("/picks/mailbox", {"id": [one.id, two.id], "action": "pause", "next": "/mailboxes?q=acme"})
    assert asked.status_code == 200 and "Pause 1 mailbox" in asked.text and "1 mailbox is paused already" in asked.text
    assert f'name="ids" value="{one.id},{two.id}"' in asked.text and states() == {"a": "active", "b": "paused"}
    done = alice.page.post(
        "/picks/mailbox", {"ids": f"{one.id},{two.id}", "action": "pause", "confirmed": "1", "next": "/mailboxes?q=acme"}
    )
    assert done.status_code == 303 and done.location == "/mailboxes?q=acme"
    assert states() == {"a": "paused", "b": "paused"}
    page = alice.page.get("/mailboxes").text
    assert "1 mailbox paused, 1 left as it was." in page and "/undo" in page


def test_undo_resumes_those_alone_that_the_order_paused(alice: Any) -> None:
    before = {"a": "active", "b": "paused", "c": "active"}
    boxes = [make_mailbox(alice, f"{name}@acme.test", status=status) for name, status in before.items()]
    told = news(alice.page.post("/picks/mailbox", {"id": [box.id for box in boxes], "action": "pause"}, htmx=True))
    assert told["toast"]["text"] == "2 mailboxes paused, 1 left as it was." and "mailboxes-changed" in told
    assert states() == {"a": "paused", "b": "paused", "c": "paused"}
    told = news(alice.page.post(told["toast"]["undo"], htmx=True))
    assert told["toast"]["text"] == "2 mailboxes are as before."
    assert states() == {"a": "active", "b": "paused", "c": "active"}
    assert actions() == ["mailbox.pause", "mailbox.pause", "mailbox.resume", "mailbox.resume"]
    known = counters.read_many(alice.workspace.id, ["mailboxes:active", "mailboxes:paused"])
    assert known == {"mailboxes:active": 2, "mailboxes:paused": 1}


def test_deleting_asks_in_numbers_and_undo_restores_exactly(alice: Any) -> None:
    one, two, _ = (make_mailbox(alice, f"{name}@acme.test") for name in "abc")
    catching = make_domain(alice, "catch.test", catch_all_enabled=True, catch_all_destination="a@acme.test")
    make_route(alice, one, rules=[make_rule(alice)], actions=[make_action(alice)])
    mail = make_mail(one)
    dialog = alice.page.post("/picks/mailbox", {"id": [one.id, two.id], "action": "delete"}, htmx=True)
    assert "<dialog" in dialog.text and "2 mailboxes with 1 message and 1 route go to the trash" in dialog.text
    assert "The catch-all of catch.test is switched off" in dialog.text and states()["a"] == "active"
    told = news(alice.page.post("/picks/mailbox", {"ids": f"{one.id},{two.id}", "action": "delete", "confirmed": "1"}, htmx=True))
    assert told["toast"]["text"] == "2 mailboxes in the trash." and states() == {"a": "gone", "b": "gone", "c": "active"}
    assert alice.api.get(f"/mailboxes/{one.id}").status_code == 404
    assert db.session.get_one(Domain, one.domain_id).mailbox_count == 1
    assert (catching.catch_all_enabled, catching.catch_all_destination) == (False, None)
    news(alice.page.post(told["toast"]["undo"], htmx=True))
    assert states() == {"a": "active", "b": "active", "c": "active"}
    assert db.session.get_one(Domain, one.domain_id).mailbox_count == 3
    assert (catching.catch_all_enabled, catching.catch_all_destination) == (True, "a@acme.test")
    assert alice.page.get(f"/mail/{mail.id}").status_code == 200
    assert sorted(actions()) == ["domain.update"] * 2 + ["mailbox.delete"] * 2 + ["mailbox.restore"] * 2


def test_undo_leaves_what_changed_meanwhile_and_says_so(alice: Any) -> None:
    one, two, three = (make_mailbox(alice, f"{name}@acme.test") for name in "abc")
    picked = {"ids": f"{one.id},{two.id},{three.id}", "action": "delete", "confirmed": "1"}
    undo = news(alice.page.post("/picks/mailbox", picked, htmx=True))["toast"]["undo"]
    make_mailbox(alice, "a@acme.test")  # somebody took the address
    alice.page.post(f"/mailboxes/{two.id}/restore")
    alice.page.post(f"/mailboxes/{two.id}/delete")  # restored and deleted again: another deletion
    told = news(alice.page.post(undo, htmx=True))
    assert told["toast"]["text"] == "1 mailbox is as before, 2 could not be changed back. a@acme.test exists again meanwhile."
    assert told["toast"]["tone"] == "warn"
    db.session.expire_all()
    assert [box.deleted_at is None for box in (one, two, three)] == [False, False, True]


def test_an_order_is_undone_once(alice: Any) -> None:
    box = make_mailbox(alice, "a@acme.test")
    undo = news(alice.page.post("/picks/mailbox", {"id": box.id, "action": "pause"}, htmx=True))["toast"]["undo"]
    news(alice.page.post(undo, htmx=True))
    again = alice.page.post(undo)
    assert again.status_code == 303 and "is undone already" in alice.page.get("/mailboxes").text
    with pytest.raises(InvalidState):
        service.undo(alice.actor, db.session.scalar(select(PickChange.id)))


def test_all_that_match_the_filter_are_meant_and_nobody_elses(alice: Any, eve: Any) -> None:
    for number in range(30):
        make_mailbox(alice, f"n{number}@acme.test", note="many" if number % 2 else None)
    make_mailbox(eve, "n@evil.test", note="many")
    page = alice.page.get("/mailboxes").text
    assert "All 30 that match" in page
    picked = {"all": "1", "query": "q=many&state=active", "action": "pause", "id": "1"}
    told = news(alice.page.post("/picks/mailbox", picked, htmx=True))
    assert told["toast"]["text"] == "15 mailboxes paused."
    assert [name for name, state in states().items() if state == "paused"] == [f"n{number}" for number in range(1, 30, 2)]
    asked = alice.page.post("/picks/mailbox", {**picked, "query": "q=many"})
    assert 'name="all" value="1"' in asked.text and 'name="query" value="q=many"' in asked.text


def test_a_large_order_goes_on_in_the_background_and_its_page_follows(alice: Any, work_off: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "INLINE", 3)
    monkeypatch.setattr(service, "BATCH", 2)
    for number in range(7):
        make_mailbox(alice, f"n{number}@acme.test")
    answer = alice.page.post("/picks/mailbox", {"all": "1", "query": "", "action": "delete", "confirmed": "1"}, htmx=True)
    url = answer.headers["HX-Redirect"]
    page = alice.page.get(url)
    assert "Delete 7 mailboxes" in page.text and 'role="progressbar"' in page.text and jobs.is_due()
    work_off()
    page = alice.page.get(url, htmx=True).text
    assert "7 mailboxes in the trash." in page and "every 2s" not in page and "Undo" in page
    assert set(states().values()) == {"gone"}
    assert alice.page.post(f"{url}/undo").location == url
    work_off()
    assert set(states().values()) == {"active"} and "7 mailboxes are as before." in alice.page.get(url).text
    assert db.session.query(PickRow).count() == 7 and not jobs.is_due()


def test_a_worker_that_dies_leaves_nothing_out_and_does_nothing_twice(alice: Any, work_off: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "INLINE", 0)
    boxes = [make_mailbox(alice, f"n{number}@acme.test") for number in range(5)]
    selection = service.choose(alice.actor, "mailbox", [box.id for box in boxes], None)
    change = service.start(alice.actor, selection, "pause")
    db.session.commit()
    service.work_off(alice.actor, change, 2)
    db.session.commit()
    service.work_off(alice.actor, db.session.get_one(PickChange, change.id), 2)
    db.session.rollback()  # it died before its commit
    begin_writing()
    assert list(states().values()).count("paused") == 2
    work_off()
    assert list(states().values()) == ["paused"] * 5 and actions() == ["mailbox.pause"] * 5


def test_an_order_ends_when_its_giver_may_not_do_it_any_more(alice: Any, bob: Any, work_off: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "INLINE", 0)
    db.session.query(Membership).filter_by(user_id=bob.user.id).update({"role": "admin"})
    box = make_mailbox(alice, "a@acme.test")
    answer = bob.page.post("/picks/mailbox", {"id": box.id, "action": "pause"}, htmx=True)
    db.session.query(Membership).filter_by(user_id=bob.user.id).update({"role": "viewer"})
    db.session.commit()
    work_off()
    assert states() == {"a": "active"} and not jobs.is_due()
    page = alice.page.get(answer.headers["HX-Redirect"]).text
    assert "0 mailboxes paused" in page and "needs the role admin" in page


def test_rights_are_those_of_the_action(alice: Any, bob: Any, carol: Any, eve: Any) -> None:
    box = make_mailbox(alice, "a@acme.test")
    for person in (bob, carol):
        assert person.page.post("/picks/mailbox", {"id": box.id, "action": "pause", "confirmed": "1"}).status_code == 403
    undo = news(alice.page.post("/picks/mailbox", {"id": box.id, "action": "pause"}, htmx=True))["toast"]["undo"]
    assert bob.page.post(undo).status_code == 403 and eve.page.post(undo).status_code == 404
    assert alice.page.post("/picks/mailbox", {"id": box.id, "action": "explode"}).status_code == 404
    assert alice.page.post("/picks/nothing", {"id": box.id, "action": "pause"}).status_code == 404
    assert alice.page.post("/picks/mailbox", {"id": ["x", -1, 10**30], "action": "pause"}).status_code == 422
    assert alice.page.post("/picks/mailbox", {"ids": ",".join(map(str, range(1, 1002))), "action": "pause"}).status_code == 422
    assert 'name="id"' not in carol.page.get("/mailboxes").text


def test_the_way_back_is_always_the_list(alice: Any) -> None:
    box = make_mailbox(alice, "a@acme.test")
    for odd in ("//evil.test", "https://evil.test", "/mailboxes\\@evil.test", "/mailboxesx", "/domains"):
        answer = alice.page.post("/picks/mailbox", {"id": box.id, "action": "pause", "confirmed": "1", "next": odd})
        assert answer.location == "/mailboxes", odd


def test_mail_is_marked_deleted_and_brought_back_by_search_too(alice: Any) -> None:
    box = make_mailbox(alice, "a@acme.test")
    mails = [make_mail(box, subject=f"offer {number}") for number in range(4)]
    other = make_mail(box, subject="kept")
    bar = alice.page.get(f"/picks/message?id={mails[0].id}&id={mails[1].id}", htmx=True).text
    assert bar.strip().startswith("2 unread, ")
    told = news(alice.page.post("/picks/message", {"all": "1", "query": "q=offer", "action": "read"}, htmx=True))
    assert told["toast"]["text"] == "4 mails marked as read."
    told = news(alice.page.post("/picks/message", {"all": "1", "query": "q=offer", "action": "delete"}, htmx=True))
    assert db.session.scalar(select(func.count()).where(Message.deleted_at.is_(None))) == 1 and other.deleted_at is None
    assert "offer" not in alice.page.get("/mail", htmx=True).text
    news(alice.page.post(told["toast"]["undo"], htmx=True))
    found = alice.page.get("/mail?q=offer", htmx=True).text
    assert all(f"offer {number}" in found for number in range(4))
    assert counters.read(alice.workspace.id, "messages") == 5


def test_orders_are_forgotten_after_30_days(alice: Any) -> None:
    box = make_mailbox(alice, "a@acme.test")
    alice.page.post("/picks/mailbox", {"id": box.id, "action": "pause"}, htmx=True)
    change = db.session.query(PickChange).one()
    change.finished_at = utcnow() - timedelta(days=31)
    db.session.commit()
    jobs.forget_old()
    db.session.commit()
    assert db.session.query(PickChange).count() == db.session.query(PickRow).count() == 0


def test_words_count_their_rows(app: Any) -> None:
    assert (kinds.get("mailbox").words(1), kinds.get("mailbox").words(1200)) == ("1 mailbox", "1,200 mailboxes")
