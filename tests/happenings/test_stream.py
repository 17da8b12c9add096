"""The event stream: written with what happens, read by cursor, never kept beyond its time."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail
from tests.factories.sending import Script, Sink, deliveries, make_due, make_outgoing, run_drain, use_transport
from webapp.core.db import db, utcnow
from webapp.happenings import service, stream
from webapp.happenings.models import TYPES, Event


def types(*only: str) -> list[str]:
    query = select(Event.type).order_by(Event.id)
    return list(db.session.scalars(query.where(Event.type.in_(only)) if only else query))


def test_every_step_of_a_delivery_is_one_event(app: Any, alice: Any) -> None:
    with Sink(Script(rcpt_default=b"451 4.3.0 later\r\n")) as sink:
        use_transport(app, sink.url)
        outgoing = make_outgoing(alice)
        run_drain()
        sink.script.rcpt_default = b"250 ok\r\n"
        make_due()
        run_drain()
    assert types() == ["queued", "deferred", "sent"]
    last = db.session.scalars(select(Event).order_by(Event.id.desc())).first()
    [row] = deliveries(outgoing)
    assert (last.delivery_id, last.outgoing_id, last.message_id) == (row.id, outgoing.id, outgoing.message_id)
    assert (last.recipient, last.stream, last.mailbox_id) == ("ada@example.org", "transactional", outgoing.mailbox_id)
    assert last.details["code"] == 250 and last.details["attempt"] == 2 and last.details["host"].startswith("127.0.0.1")


def test_a_mail_to_many_is_one_event_for_each_and_people_leave_theirs(app: Any, alice: Any) -> None:
    use_transport(app, "mx")
    with Sink() as sink:
        use_transport(app, sink.url)
        make_outgoing(alice, *(f"p{number}@example.org" for number in range(50)))
        first = deliveries()[0].id
        for verb in ("hold", "release", "cancel"):
            assert alice.api.post(f"/deliveries/{first}:{verb}").status_code == 200
    assert types("queued") == ["queued"] * 50 and types("held", "released", "cancelled") == ["held", "released", "cancelled"]
    assert db.session.scalar(select(Event.details).where(Event.type == "cancelled"))["by"] == "Alice's token"


def test_mail_between_mailboxes_here_is_delivered_and_received(alice: Any, work_off: Any) -> None:
    there = make_mailbox(alice, "there@acme.test")
    make_outgoing(alice, there.email)
    work_off()
    assert types() == ["queued", "sent", "delivered", "received"]
    came = db.session.scalars(select(Event).where(Event.type == "received")).one()
    assert (came.mailbox_id, came.recipient) == (there.id, there.email) and came.details["subject"] == "Hello"


def test_mail_that_comes_in_is_an_event_and_test_mail_is_none(alice: Any, work_off: Any) -> None:
    box = make_mailbox(alice, "in@acme.test")
    make_mail(box, read=False, columns={"trusted": True})
    make_mail(box, read=False, columns={"is_test": True})
    work_off()
    assert types() == ["received"]


def test_what_is_rolled_back_leaves_no_event(alice: Any) -> None:
    stream.note("queued", workspace_id=alice.workspace.id)
    db.session.rollback()
    db.session.commit()
    stream.note("sent", workspace_id=alice.workspace.id)
    with pytest.raises(LookupError), db.session.begin_nested():
        stream.note("bounced", workspace_id=alice.workspace.id)
        raise LookupError
    with db.session.begin_nested():
        stream.note("deferred", workspace_id=alice.workspace.id)
    number = stream.add("received", workspace_id=alice.workspace.id)
    with pytest.raises(ValueError, match="no event type"):
        stream.note("vanished", workspace_id=alice.workspace.id)
    db.session.commit()
    assert sorted(types()) == ["deferred", "received", "sent"] and db.session.get_one(Event, number).type == "received"


def test_the_list_is_filtered_and_read_by_cursor(alice: Any, eve: Any) -> None:
    now = utcnow()
    for number in range(6):
        stream.note(
            "sent" if number % 2 else "bounced", workspace_id=alice.workspace.id, at=now - timedelta(days=10 * (5 - number)),
            recipient=f"p{number % 3}@example.org",
        )  # fmt: skip
        db.session.commit()

    def asked(**query: Any) -> list[int]:
        answer = alice.api.get("/events", query_string=query)
        assert answer.status_code == 200, answer.json
        return [row["id"] for row in answer.json["data"]]

    everything = asked()
    assert len(everything) == 6 and everything == sorted(everything, reverse=True)
    first = alice.api.get("/events?per_page=4").json
    assert [row["id"] for row in first["data"]] + asked(per_page=4, cursor=first["meta"]["next_cursor"]) == everything
    assert asked(type="bounced") == everything[1::2] and asked(recipient="P1@Example.org") == [everything[1], everything[4]]
    day = (now - timedelta(days=25)).date().isoformat()
    assert asked(since=day) == everything[:3] and asked(until=day) == everything[3:]
    assert alice.api.get("/events?type=vanished").status_code == 422
    assert alice.api.get(f"/events/{everything[0]}").json["data"]["type"] == "sent"
    assert eve.api.get("/events").json["data"] == [] and eve.api.get(f"/events/{everything[0]}").status_code == 404


def test_a_limited_token_sees_the_events_of_its_mailbox(alice: Any, work_off: Any) -> None:
    one, two = make_mailbox(alice, "one@acme.test"), make_mailbox(alice, "two@acme.test")
    for box in (one, two):
        make_mail(box, read=False, columns={"trusted": True})
    work_off()
    api = alice.token_with("events:read", mailbox_ids=[one.id])
    assert {row["mailbox_id"] for row in api.get("/events").json["data"]} == {one.id}
    assert api.get("/suppressions").status_code == 403


def test_first_ids_are_found_by_time_whatever_gaps_there_are(alice: Any) -> None:
    now = utcnow()
    for hours in (50, 40, 30, 20, 10):
        stream.note("sent", workspace_id=alice.workspace.id, at=now - timedelta(hours=hours))
        db.session.commit()
    ids = list(db.session.scalars(select(Event.id).order_by(Event.id)))
    db.session.query(Event).filter(Event.id.in_(ids[1:3])).delete()
    assert service.first_id(now - timedelta(hours=60)) == ids[0]
    assert ids[0] < service.first_id(now - timedelta(hours=25)) <= ids[3]
    assert service.first_id(now) > ids[-1]


def test_c43_events_go_after_400_days_and_younger_ones_stay(alice: Any) -> None:
    for days in (500, 401, 399, 0):
        stream.note("sent", workspace_id=alice.workspace.id, at=utcnow() - timedelta(days=days))
        db.session.commit()
    assert service.forget_old() == 2 and service.forget_old() == 0
    assert db.session.scalar(select(func.count()).select_from(Event)) == 2


def test_the_page_lists_filters_and_paints_foreign_words_as_text(app: Any, alice: Any) -> None:
    assert "Nothing has happened yet" in alice.page.get("/happenings").text
    with Sink(Script(rcpt_default=b"550 5.7.1 <script>alert(1)</script> blocked\r\n")) as sink:
        use_transport(app, sink.url)
        make_outgoing(alice)
        run_drain()
    page = alice.page.get("/happenings?type=bounced&q=ada@example.org")
    assert page.status_code == 200 and "ada@example.org" in page.text and "<script>alert" not in page.text
    assert "No event matches" in alice.page.get("/happenings?type=received").text
    assert alice.page.get("/happenings?type=vanished&since=nonsense&mailbox_id=x").status_code == 200
    assert set(types()) <= set(TYPES)
