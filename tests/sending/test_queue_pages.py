"""The pages of the queue: destinations and holds, steps over picked rows, confirmations of what is in doubt."""

from collections import Counter
from typing import Any

from tests.factories.sending import deliveries, make_outgoing, use_transport
from webapp.audit.words import sentence
from webapp.core.db import db
from webapp.picks.models import PickChange
from webapp.sending.models import Hold
from webapp.sending.steps import STEPS


def test_where_mail_waits_is_a_page_from_which_a_domain_is_put_on_hold_and_let_go(app: Any, alice: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    outgoing = make_outgoing(alice, "a@acme.test", "b@acme.test", "c@example.org")
    page = alice.page.get("/queue/destinations").text
    assert "acme.test" in page and "In the last 24 hours" in page
    assert alice.page.post("/queue/holds", {"domain": "acme.test", "reason": "their server moves"}).status_code == 303
    assert [row.state for row in deliveries(outgoing)] == ["held", "held", "queued"]
    page = alice.page.get("/queue/destinations").text
    assert "their server moves" in page and "Lift hold" in page
    assert alice.page.post("/queue/holds", {"domain": "acme.test"}).status_code == 422
    assert "is on hold already" in alice.page.post("/queue/holds", {"domain": "acme.test"}).text
    hold_id = db.session.query(Hold.id).scalar()
    assert "Everything that it kept back goes out" in alice.page.get(f"/queue/holds/{hold_id}/lift").text
    assert alice.page.post(f"/queue/holds/{hold_id}/lift", {}).status_code == 303
    assert [row.state for row in deliveries(outgoing)] == ["queued", "queued", "queued"]


def test_picked_deliveries_are_cancelled_after_a_look_at_the_number_and_taken_back(app: Any, alice: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    outgoing = make_outgoing(alice, *[f"p{n}@acme.test" for n in range(12)], "c@example.org")
    asked = alice.page.post("/picks/delivery", {"action": "cancel", "all": "1", "query": "domain=acme.test", "next": "/queue"})
    assert "12 deliveries are cancelled" in asked.text and "Holding is milder" in asked.text
    alice.page.post("/picks/delivery", {"action": "cancel", "all": "1", "query": "domain=acme.test", "next": "/queue", "confirmed": "1"})
    assert Counter(row.state for row in deliveries(outgoing)) == {"cancelled": 12, "queued": 1}
    change = db.session.query(PickChange).one()
    assert alice.page.post(f"/picks/changes/{change.id}/undo", {}).status_code == 303
    assert Counter(row.state for row in deliveries(outgoing)) == {"queued": 13}
    assert {row.next_attempt_at is None for row in deliveries(outgoing)} == {False}


def test_what_may_happen_stands_on_the_confirmation_of_sending_one_in_doubt_again(app: Any, alice: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    [row] = deliveries(make_outgoing(alice))
    row.state, row.next_attempt_at, row.on_wire_at, row.sent_again = "uncertain", None, row.created_at, True
    db.session.commit()
    page = alice.page.get(f"/queue/{row.id}").text
    assert "Treat as sent" in page and "Send again" in page and "Send now" not in page
    assert "gets a second copy" in alice.page.get(f"/queue/{row.id}/send-again").text
    assert "did not arrive after all" in alice.page.get(f"/queue/{row.id}/treat-as-sent").text
    assert alice.page.post(f"/queue/{row.id}/treat-as-sent", {}).status_code == 303
    assert deliveries()[0].state == "sent"


def test_the_list_is_narrowed_by_domain_stream_and_age(app: Any, alice: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    make_outgoing(alice, "a@acme.test", "b@example.org")
    make_outgoing(alice, "bulk@acme.test", stream="bulk")
    page = alice.page.get("/queue?domain=acme.test&stream=bulk").text
    assert "bulk@acme.test" in page and "a@acme.test</a>" not in page and "Only deliveries to acme.test" in page
    assert "No delivery matches" in alice.page.get("/queue?older_h=4").text


def test_a_refused_recipient_leads_to_the_suppression_list_and_a_held_one_to_its_hold(app: Any, alice: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    made = alice.api.post("/suppressions", json={"address": "gone@acme.test", "reason": "manual"})
    assert made.status_code == 201
    outgoing = make_outgoing(alice, "gone@acme.test", "a@slow.test")
    alice.page.post("/queue/holds", {"domain": "slow.test"})
    [refused, held] = deliveries(outgoing)
    assert (refused.state, held.state) == ("suppressed", "held")
    page = alice.page.get(f"/queue/{refused.id}").text
    assert "Reactivate it there before you send again" in page and 'href="/suppressions?q=gone@acme.test"' in page
    assert "Show the hold" in alice.page.get(f"/queue/{held.id}").text
    assert alice.api.delete(f"/suppressions/{made.json['data']['id']}").status_code in (200, 204)
    assert "not on the list any more" in alice.page.get(f"/queue/{refused.id}").text


def test_every_step_and_its_undo_read_as_a_sentence_in_the_activity() -> None:
    for verb in STEPS:
        for action in (f"delivery.{verb}", f"delivery.undo_{verb}"):
            words, _ = sentence(action, "delivery", False)
            assert words.split()[0] in ("sent", "released", "held", "treated", "cancelled", "took", "put"), (action, words)
