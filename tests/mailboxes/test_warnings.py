"""Limits that are nearly or wholly used up: noticed once, told by mail, shown in lists."""

from typing import Any

from sqlalchemy import select

from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_raw
from webapp.accounts.models import Membership
from webapp.core.db import db
from webapp.mailboxes import notices
from webapp.mailboxes.models import Mailbox, MailboxWarning
from webapp.messages import admission, store
from webapp.sending.models import Outgoing


def take(box: Mailbox, number: int = 1, text: str = "x") -> list[bool]:
    """Mails for the mailbox, one transaction each: whether it took them."""
    taken = []
    for _ in range(number):
        raw = make_raw(to=box.email, text=text)
        over = admission.admit([[admission.Asked(box, "received", len(raw))]])[0]
        if over is None:
            store.store_message(workspace_id=box.workspace_id, mailbox_id=box.id, direction="received", raw=raw, recipient=box.email)
        db.session.commit()
        taken.append(over is None)
    return taken


def warnings() -> list[tuple[str, str, int, int]]:
    query = select(MailboxWarning.limit_name, MailboxWarning.level, MailboxWarning.used, MailboxWarning.allowed)
    return [tuple(row) for row in db.session.execute(query.order_by(MailboxWarning.id))]


def test_a_limit_is_told_at_80_percent_and_when_it_is_reached_once_each(alice: Any, work_off: Any) -> None:
    box = make_mailbox(alice, "hello@acme.test", hourly_limit=5)
    assert take(box, 3) == [True] * 3 and warnings() == []
    assert take(box, 4) == [True, True, False, False]
    assert warnings() == [("received_hour", "near", 4, 5), ("received_hour", "full", 5, 5)]
    work_off()
    subjects = list(db.session.scalars(select(Outgoing.subject).order_by(Outgoing.id)))
    near, full = "hello@acme.test comes near a limit: received, last hour", "hello@acme.test has reached a limit: received, last hour"
    assert subjects == [near, full]
    assert not notices.has_waiting()
    take(box, 1)
    work_off()
    assert len(warnings()) == 2 and db.session.query(Outgoing).count() == 2


def test_the_warning_goes_to_every_owner_and_to_nobody_else(alice: Any, bob: Any, work_off: Any) -> None:
    db.session.query(Membership).filter_by(user_id=bob.user.id).update({"role": "owner"})
    take(make_mailbox(alice, "hello@acme.test", total_limit=1))
    work_off()
    sent = db.session.query(Outgoing).order_by(Outgoing.id).all()
    from_us = {mail.kind for mail in sent}
    assert from_us == {"system"} and len(sent) == 2 and all("has reached a limit: mails kept" in mail.subject for mail in sent)


def test_the_systems_own_mailbox_gets_the_warning_when_there_is_one(alice: Any, work_off: Any) -> None:
    system = make_mailbox(alice, "system@acme.test", is_system=True)
    take(make_mailbox(alice, "hello@acme.test", total_limit=1))
    work_off()
    inbox = alice.api.get(f"/mailboxes/{system.id}/archives").json["data"]
    assert [mail["subject"] for mail in inbox] == ["hello@acme.test has reached a limit: mails kept"]


def test_a_mailbox_says_how_full_it_is_and_updated_at_stays(alice: Any) -> None:
    box = make_mailbox(alice, "hello@acme.test", storage_limit_bytes=10_000)
    changed = box.updated_at
    take(box, 1, "x" * 3000)
    assert box.filling is None
    take(box, 1, "x" * 5000)
    db.session.expire_all()
    assert (box.filling, box.updated_at) == ("near", changed)
    assert take(box, 1, "x" * 4000) == [False]
    db.session.expire_all()
    assert box.filling == "full"
