"""Recipients of this installation get their mail under every transport, without a server between."""

from typing import Any

import pytest

from tests.factories.domains import make_domain
from tests.factories.mailboxes import make_mailbox
from tests.factories.sending import Sink, deliveries, make_outgoing, run_drain, use_transport
from webapp.core.db import db
from webapp.messages.models import Message
from webapp.sending import ledger, recover, service, wire
from webapp.sending.models import Attempt
from webapp.sending.transports import local


def received() -> list[Message]:
    return db.session.query(Message).filter_by(direction="received").order_by(Message.id).all()


def test_under_capture_a_neighbour_still_gets_its_mail_while_strangers_are_captured(app: Any, alice: Any) -> None:
    neighbour = make_mailbox(alice, "desk@acme.test")
    outgoing = make_outgoing(alice, "Desk@ACME.test", "ada@example.org")
    assert {row.recipient: row.state for row in deliveries(outgoing)} == {"desk@acme.test": "queued", "ada@example.org": "captured"}
    run_drain()
    [row] = [row for row in deliveries(outgoing) if row.recipient == "desk@acme.test"]
    assert (row.state, row.host, row.attempts) == ("sent", "local", 1) and service.why(row) == "Delivered to the mailbox here."
    [copy] = received()
    assert copy.mailbox_id == neighbour.id and copy.envelope_sender == outgoing.envelope_sender


def test_under_smtp_the_relay_never_sees_mail_for_our_own_mailboxes(app: Any, alice: Any) -> None:
    make_mailbox(alice, "desk@acme.test")
    with Sink() as sink:
        use_transport(app, sink.url)
        make_outgoing(alice, "desk@acme.test", "ada@example.org")
        run_drain()
        assert sink.recipients == ["ada@example.org"]
    assert len(received()) == 1


def test_an_address_of_ours_without_a_mailbox_bounces_here(app: Any, alice: Any) -> None:
    make_domain(alice, "acme.test")
    outgoing = make_outgoing(alice, "nobody@acme.test")
    run_drain()
    [row] = deliveries(outgoing)
    assert (row.state, row.bounce) == ("bounced", "hard") and received() == []


def test_a_claimed_name_catches_no_mail_of_others(app: Any, alice: Any, eve: Any) -> None:
    make_mailbox(eve, "ada@bigmail.test", domain=make_domain(eve, "bigmail.test", verified=False))
    outgoing = make_outgoing(alice, "ada@bigmail.test")
    assert deliveries(outgoing)[0].state == "captured" and received() == []


def test_a_delivery_that_breaks_half_way_leaves_nothing_and_comes_again(app: Any, alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make_mailbox(alice, "desk@acme.test")
    outgoing = make_outgoing(alice, "desk@acme.test")
    deliver = local._here.deliver

    def half(*given: Any) -> Any:
        deliver(*given)
        raise RuntimeError("broken")

    monkeypatch.setattr(local._here, "deliver", half)
    run_drain()
    [row] = deliveries(outgoing)
    assert row.state == "deferred" and received() == []
    assert db.session.query(Attempt).one().outcome == "retry"


def test_rows_of_mailboxes_here_are_never_in_doubt_when_their_holder_dies(app: Any, alice: Any) -> None:
    make_mailbox(alice, "desk@acme.test")
    outgoing = make_outgoing(alice, "desk@acme.test")
    notes = wire.Notes.start(wire.folder_of(app.config["SETTINGS"].instance), "this/1/local")
    ledger.claim("this/1/local", "the boot before")
    db.session.commit()
    notes.let_go()
    recover.recover()
    assert deliveries(outgoing)[0].state == "queued"
    run_drain()
    assert len(received()) == 1
