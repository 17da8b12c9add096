"""Unsubscribing by mail: the second way of List-Unsubscribe is offered where its mail comes here, and does what the link does."""

from typing import Any

import pytest
from sqlalchemy import select

from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail
from tests.factories.tracking import make_sent_campaign
from tests.tracking.readers import happened
from webapp.campaigns import letters, mail_way, marks
from webapp.contacts.models import Consent, Contact
from webapp.core.db import db, utcnow
from webapp.domains.models import DnsCheck, Domain
from webapp.mail.letter import Person, compile_letter
from webapp.mailboxes.models import Mailbox
from webapp.messages.models import Message
from webapp.suppressions import lookup


def looked_up(mailbox: Mailbox, state: str = "right") -> None:
    """The last look at the DNS of its domain found MX like this."""
    entry: dict[str, Any] = {"id": "mx_primary", "kind": "mx", "host": "", "state": state, "known": state}
    domain = db.session.get_one(Domain, mailbox.domain_id)
    values = {"status": "complete", "reason": "added", "due_at": utcnow(), "finished_at": utcnow(), "results": [entry]}
    db.session.add(DnsCheck(workspace_id=domain.workspace_id, domain_id=domain.id, **values))
    db.session.commit()


def came(sent: Any, subject: str, work_off: Any, to: str = "", **columns: Any) -> Message:
    """A mail for the address that unsubscribes, worked off."""
    mailbox = db.session.get_one(Mailbox, sent.campaign.mailbox_id)
    local, _, domain = mailbox.email.partition("@")
    to = to or f"{local}+unsubscribe@{domain}"
    message = make_mail(mailbox, read=False, subject=subject, to=to, columns={"recipient": to, **columns})
    work_off()
    db.session.expire_all()
    return db.session.get_one(Message, message.id)


def test_a_mail_with_the_mark_of_a_copy_unsubscribes_its_reader(alice: Any, work_off: Any) -> None:
    sent = make_sent_campaign(alice)
    message = came(sent, f"Re: unsubscribe {sent.token()}", work_off)
    contact = db.session.get_one(Contact, sent.contacts[0].id)
    assert not contact.subscribed and lookup.barred(alice.workspace.id, [contact.address], "bulk")
    assert sent.number("unsubscribed") == 1
    (event,) = happened(alice.workspace.id, "unsubscribed")
    assert (event.campaign_id, event.contact_id) == (sent.campaign.id, contact.id)
    proof = db.session.scalars(select(Consent)).one()
    assert (proof.what, proof.source, proof.campaign_id) == ("unsubscribed", "mail", sent.campaign.id)
    assert message.folder is None and any(step == "leave" and contact.email in text for step, _, text in message.journal or [])
    came(sent, f"unsubscribe {sent.token()}", work_off)
    assert sent.number("unsubscribed") == 1 and len(db.session.scalars(select(Consent)).all()) == 1, "once more changes nothing"


@pytest.mark.parametrize(
    ("subject", "tag"),
    [
        ("unsubscribe", "+unsubscribe"), ("unsubscribe {token}", ""), ("unsubscribe {token}", "+other"),
        ("unsubscribe {forged}", "+unsubscribe"), ("unsubscribe {token}x", "+unsubscribe"), ("unsubscribe {short}", "+unsubscribe"),
        ("\u202e{token}=?utf-8?q?x?=" * 40, "+unsub"),
    ],
)  # fmt: skip
def test_all_other_mail_is_ordinary_and_changes_nothing(alice: Any, work_off: Any, subject: str, tag: str) -> None:
    sent = make_sent_campaign(alice)
    token = sent.token()
    text = subject.format(token=token, forged=("B" if token[0] != "B" else "C") + token[1:], short=token[:-1])
    local, _, domain = db.session.get_one(Mailbox, sent.campaign.mailbox_id).email.partition("@")
    message = came(sent, text, work_off, to=f"{local}{tag}@{domain}")
    assert db.session.get_one(Contact, sent.contacts[0].id).subscribed and message.folder == "INBOX"


def test_the_mark_of_a_test_copy_and_test_mail_change_nothing(alice: Any, work_off: Any) -> None:
    sent = make_sent_campaign(alice)
    message = came(sent, f"unsubscribe {marks.token(sent.campaign.id, marks.NOBODY)}", work_off)
    assert message.folder is None and any("test copy" in text for _, _, text in message.journal or [])
    came(sent, f"unsubscribe {sent.token()}", work_off, is_test=True)
    assert db.session.get_one(Contact, sent.contacts[0].id).subscribed


def test_two_of_one_batch_and_the_reader_of_another_workspace(alice: Any, eve: Any, work_off: Any) -> None:
    sent, foreign = make_sent_campaign(alice, "a@people.test", "b@people.test"), make_sent_campaign(eve, "c@people.test")
    mailbox = db.session.get_one(Mailbox, sent.campaign.mailbox_id)
    to = mailbox.email.replace("@", "+Unsubscribe@")
    for token in (sent.token(1), sent.token(0), foreign.token()):
        make_mail(mailbox, read=False, subject=f"unsubscribe {token}", to=to, columns={"recipient": to})
    work_off()
    db.session.expire_all()
    assert not any(db.session.get_one(Contact, one.id).subscribed for one in (*sent.contacts, *foreign.contacts)), "the mark is the proof"
    texts = [text for row in db.session.scalars(select(Message)) for step, _, text in row.journal or [] if step == "leave"]
    assert len(texts) == 3 and not any("c@people.test" in text for text in texts), "a workspace never reads of another one's people"


def test_the_address_is_offered_where_its_mail_comes_here(alice: Any) -> None:
    sent = make_sent_campaign(alice)
    mailbox = db.session.get_one(Mailbox, sent.campaign.mailbox_id)
    local, _, domain = mailbox.email.partition("@")
    assert mail_way.address(mailbox.id) is None, "nobody looked yet"
    looked_up(mailbox)
    token = sent.token()
    made = compile_letter(letters.letter_of(sent.campaign)).fill(Person("ann@people.test", token=token))
    head = made.partition(b"\r\n\r\n")[0].decode()
    want = f"<http://localhost/u/{token}>,\r\n <mailto:{local}+unsubscribe@{domain}?subject=unsubscribe%20{token}>\r\n"
    assert f"List-Unsubscribe: {want}" in head and "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in head
    looked_up(mailbox, "different")
    assert mail_way.address(mailbox.id) is None
    looked_up(mailbox)
    for column, value in (("can_receive", False), ("status", "paused"), ("deleted_at", utcnow())):
        before = getattr(mailbox, column)
        setattr(mailbox, column, value)
        db.session.flush()
        assert mail_way.address(mailbox.id) is None, column
        setattr(mailbox, column, before)
    db.session.get_one(Domain, mailbox.domain_id).verified_at = None
    db.session.flush()
    assert mail_way.address(mailbox.id) is None and mail_way.address(None) is None


def test_a_name_that_has_a_tag_or_is_too_long_offers_none(alice: Any) -> None:
    for name, offered in (("a" * 52, True), ("a" * 53, False), ("news+x", False)):
        mailbox = make_mailbox(alice, f"{name}@{len(name)}.acme.test")
        looked_up(mailbox)
        assert (mail_way.address(mailbox.id) is not None) is offered, name
