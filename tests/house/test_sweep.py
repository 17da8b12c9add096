"""The sweep finds what Redis lost: for every kind of background work there is a row whose ring is gone, and the next sweep rings for it.

A new drain needs a line in LOST: how a row of its kind comes to wait.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from rq import Queue
from sqlalchemy import update

from tests.factories.automation import make_action, make_route
from tests.factories.contacts import make_many_contacts
from tests.factories.drafts import make_draft
from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail
from tests.factories.sending import make_outgoing
from webapp import scheduler
from webapp.accounts.models import Workspace
from webapp.accounts.models_joining import ResetRequest
from webapp.audit.models import AuditHead
from webapp.automation import runs
from webapp.campaigns.models import Campaign
from webapp.core import queue
from webapp.core.db import db, utcnow
from webapp.domains.models import DnsCheck
from webapp.imports.models import ContactImport
from webapp.mailboxes.models import MailboxWarning
from webapp.messages.models import Message
from webapp.picks.models import PickChange
from webapp.sending.models import Delivery, Hold, Order

PAST = timedelta(minutes=1)


def _mail(person: Any) -> None:
    make_mail(make_mailbox(person, commit=False), read=False)


def _plan(person: Any) -> None:
    box = make_mailbox(person, commit=False)
    make_route(person, box, actions=[make_action(person)])
    runs.plan(make_mail(box))


def _run(person: Any) -> None:
    box = make_mailbox(person, commit=False)
    route, message = make_route(person, box, actions=[make_action(person)]), make_mail(box)
    runs.add_run(message, box.id, route, 0, next_attempt_at=utcnow() - PAST)


def _died_over(person: Any) -> None:
    """Its worker is gone; the lease has run out."""
    _mail(person)
    db.session.execute(update(Message).values(lease_until=utcnow() - PAST, lease_owner="gone", deaths=1))


def _outgoing(stream: str) -> Callable[[Any], None]:
    def wait(person: Any) -> None:
        make_outgoing(person, stream=stream)
        db.session.execute(update(Delivery).values(state="queued", next_attempt_at=utcnow() - PAST))

    return wait


def _half_sent(person: Any) -> None:
    make_outgoing(person)
    db.session.execute(update(Delivery).values(state="leased", next_attempt_at=None, lease_until=utcnow() - PAST, lease_owner="gone"))


def _to_report(person: Any) -> None:
    make_outgoing(person)
    db.session.execute(update(Delivery).values(state="bounced", next_attempt_at=None, report_at=utcnow() - PAST))


def _check(person: Any) -> None:
    box = make_mailbox(person, commit=False)
    db.session.query(DnsCheck).delete()
    db.session.add(DnsCheck(workspace_id=box.workspace_id, domain_id=box.domain_id, reason="asked", due_at=utcnow() - PAST))


def _warning(person: Any) -> None:
    box = make_mailbox(person, commit=False)
    known = {"limit_name": "total", "level": "near", "period": "2026-11-21", "used": 8, "allowed": 10}
    db.session.add(MailboxWarning(workspace_id=box.workspace_id, mailbox_id=box.id, **known))


def _row(make: Callable[[int], Any]) -> Callable[[Any], None]:
    return lambda person: db.session.add(make(person.actor.workspace_id))


def _asked(person: Any) -> None:
    db.session.execute(update(AuditHead).values(verify_asked_at=utcnow()))


def _erased(person: Any) -> None:
    db.session.execute(update(Workspace).where(Workspace.id == person.actor.workspace_id).values(deleted_at=utcnow()))


def _unindexed(person: Any) -> None:
    make_many_contacts(person, 1, indexed=False)


def _scheduled(person: Any) -> None:
    make_draft(person)
    db.session.execute(update(Campaign).values(state="scheduled", schedule_at=utcnow() - PAST))


#: drain -> the ways in which a row comes to wait for it
LOST: dict[str, list[Callable[[Any], None]]] = {
    "intake.drain": [_mail, _died_over],
    "automation.drain": [_plan, _run],
    "sending.drain": [_outgoing("transactional"), _half_sent],
    "sending.bulk": [_outgoing("bulk")],
    "sending.report": [_to_report],
    "sending.orders": [_row(lambda place: Order(workspace_id=place, verb="hold", filter={}, giver={}))],
    "sending.holds": [_row(lambda place: Hold(workspace_id=place, domain="a.test", held_by="Alice"))],
    "picks.drain": [_row(lambda place: PickChange(workspace_id=place, kind="message", action="read"))],
    "mailboxes.warn": [_warning],
    "domains.check": [_check],
    "audit.verify": [_asked],
    "accounts.resets": [_row(lambda place: ResetRequest(email="a@b.test", asked_at=utcnow()))],
    "accounts.erase": [_erased],
    "contacts.index": [_unindexed],
    "imports.drain": [_row(lambda place: ContactImport(workspace_id=place, filename="a.csv", file_key="none", size_bytes=1, giver={}))],
    "campaigns.drain": [_scheduled],
}


def test_every_kind_of_work_says_how_its_rows_come_to_wait(app: Any) -> None:
    assert set(LOST) == set(queue.drains), "a drain without a line in LOST, or a line without its drain"


@pytest.mark.parametrize("name", sorted(LOST))
def test_c27_a_row_whose_ring_was_lost_is_found_by_the_sweep(app: Any, alice: Any, name: str) -> None:
    client = app.extensions["redis"]
    for wait in LOST[name]:
        wait(alice)
        db.session.commit()
        client.flushdb()  # whatever was rung is gone
        rung = scheduler.sweep()
        assert name in rung, f"{name}: nothing due was found"
        jobs = [job.args[0] for job in Queue(queue.drains[name].queue, connection=client).jobs]
        assert jobs.count(name) == 1
        assert scheduler.sweep() and len(Queue(queue.drains[name].queue, connection=client).jobs) == len(jobs), "a second ring makes no job"
