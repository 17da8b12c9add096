"""`RCPT TO:<postmaster>` without a domain (RFC 5321 section 4.5.1) reaches somebody who reads it."""

from typing import Any

from tests.factories.domains import make_domain
from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_raw
from webapp.core.db import db
from webapp.messages.models import Message

STRANGERS: dict[str, Any] = {"trusted_networks": ()}


def send(server: Any, address: str) -> Any:
    """One mail over a raw session; the reply to RCPT."""
    with server.connect() as client:
        client.ehlo()
        client.docmd("MAIL", "FROM:<ines@elsewhere.test>")
        code, text = client.docmd("RCPT", f"TO:{address}")
        if code == 250:
            assert client.data(make_raw(to="postmaster"))[0] == 250
        return code, text


def taken_for() -> list[tuple[str, int | None]]:
    db.session.rollback()
    return [(message.recipient, message.mailbox_id) for message in db.session.scalars(db.select(Message).order_by(Message.id))]


def test_it_goes_to_the_postmaster_of_the_domain_that_the_host_name_belongs_to(alice: Any, eve: Any, smtp: Any) -> None:
    make_mailbox(eve, "first@evil.test")
    make_mailbox(alice, "someone@acme.test")
    box = make_mailbox(alice, "postmaster@acme.test")
    for spelling in ("<postmaster>", "<PostMaster>", "<Postmaster@ACME.test>"):
        assert send(smtp(**STRANGERS), spelling)[0] == 250, spelling
    assert taken_for() == [("postmaster@acme.test", box.id)] * 3


def test_without_such_a_domain_it_goes_to_the_first_that_has_somebody_to_read_it(alice: Any, eve: Any, smtp: Any) -> None:
    make_domain(alice, "nobody.test")
    make_mailbox(eve, "unproven@waiting.test", domain=make_domain(eve, "waiting.test", verified=False))
    make_domain(eve, "proven.test")
    owner = make_mailbox(eve, "eve@evil.test")
    assert send(smtp(**STRANGERS), "<postmaster>")[0] == 250
    assert taken_for() == [("postmaster@proven.test", owner.id)], "a proven domain, whose workspace has a mailbox of an owner"


def test_where_nobody_has_a_mailbox_it_is_refused_as_unknown_and_other_names_without_domain_are_no_addresses(alice: Any, smtp: Any) -> None:
    make_domain(alice, "acme.test")
    assert send(smtp(**STRANGERS), "<postmaster>") == (550, b"5.1.1 No such mailbox here")
    assert send(smtp(**STRANGERS), "<abuse>")[0] == 501
    assert taken_for() == []
