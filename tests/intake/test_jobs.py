"""After the 250: batches, poison, deaths, routes and folders; and housekeeping of the archive."""

from datetime import timedelta
from typing import Any

import pytest

from tests.factories.domains import make_domain
from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail
from webapp.core import events
from webapp.core.db import db, utcnow
from webapp.intake import jobs, pipeline
from webapp.messages import jobs as housekeeping
from webapp.messages import store
from webapp.messages.models import Message


def fresh(message: Message) -> Message:
    db.session.rollback()
    db.session.expire_all()
    return db.session.get_one(Message, message.id)


def free_again(message: Message) -> None:
    """As if the lease had run out."""
    fresh(message).lease_until = utcnow() - timedelta(seconds=1)
    db.session.commit()


def test_a_batch_is_worked_off_in_the_order_of_arrival_and_tells_who_listens(alice: Any, work_off: Any) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    heard: list[int] = []
    ear = lambda message_id, is_test: heard.append(message_id)  # noqa: E731
    events.listen("mail_archived")(ear)
    try:
        made = [make_mail(box, read=False) for _ in range(25)]
        work_off()
    finally:
        events._ears["mail_archived"].remove(ear)
    assert heard == [message.id for message in made]
    assert {fresh(message).state for message in made} == {"processed"} and not jobs.has_due()


def test_one_poisonous_mail_does_not_take_its_neighbours_along_and_is_parked(
    alice: Any, work_off: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    good, bad, better = (make_mail(box, subject=subject, read=False) for subject in ("good", "poison", "better"))
    real = pipeline.columns_of

    def poisoned(copy: Any, parsed: Any) -> Any:
        if parsed.subject == "poison":
            raise ZeroDivisionError("poison")
        return real(copy, parsed)

    monkeypatch.setattr(pipeline, "columns_of", poisoned)
    for _ in range(6):
        work_off()
        if fresh(bad).state == "parked":
            break
        free_again(bad)
    assert fresh(good).state == fresh(better).state == "processed"
    parked = fresh(bad)
    assert parked.state == "parked" and "ZeroDivisionError" in (parked.problem or "") and parked.folder == "INBOX"
    page = alice.page.get(f"/mail/{bad.id}").text
    assert "parked" in page and "poison" in page


def test_a_message_whose_worker_dies_three_times_is_parked(alice: Any, work_off: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    message = make_mail(make_mailbox(alice, "hello@acme.test"), read=False)

    class Killed(BaseException):
        """Stands for a SIGKILL: nothing of ours runs behind it."""

    def dies(ids: list[int]) -> None:
        raise Killed

    real = jobs.process
    monkeypatch.setattr(jobs, "process", dies)
    for deaths in (1, 2, 3):
        with pytest.raises(Killed):
            work_off()
        db.session.rollback()
        assert fresh(message).deaths == deaths and not jobs.has_due(), "the lease of the dead worker still holds"
        free_again(message)
    monkeypatch.setattr(jobs, "process", real)
    work_off()
    assert fresh(message).state == "parked" and "without a word" in (fresh(message).problem or "")


def test_a_failure_that_passes_leaves_no_trace(alice: Any, work_off: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    message = make_mail(make_mailbox(alice, "hello@acme.test"), read=False)
    real = pipeline.record
    calls: list[int] = []

    def once(copies: Any) -> None:
        calls.append(len(copies))
        if len(calls) <= 2:
            raise RuntimeError("the database blinked")
        real(copies)

    monkeypatch.setattr(pipeline, "record", once)
    work_off()
    free_again(message)
    work_off()
    found = fresh(message)
    assert (found.state, found.deaths, found.problem, found.lease_until) == ("processed", 0, None, None)


def test_unverified_domains_file_mail_and_run_nothing(alice: Any, work_off: Any) -> None:
    box = make_mailbox(alice, "x@unproven.test", domain=make_domain(alice, "unproven.test", verified=False))
    message = make_mail(box, read=False)
    work_off()
    assert fresh(message).folder == "INBOX"


def test_sent_copies_are_read_and_never_filed(alice: Any, work_off: Any) -> None:
    message = make_mail(make_mailbox(alice, "hello@acme.test"), direction="sent", read=False, subject="Sent")
    work_off()
    assert (fresh(message).subject, fresh(message).folder, fresh(message).state) == ("Sent", None, "processed")


def test_mail_leaves_a_mailbox_that_keeps_it_for_some_days_only(alice: Any) -> None:
    keeps, forever = make_mailbox(alice, "a@acme.test", archive_retention_days=30), make_mailbox(alice, "b@acme.test")
    without = make_mailbox(alice, "c@acme.test", archive_enabled=False)
    old, new = make_mail(keeps), make_mail(keeps)
    other, absorbed, filed = make_mail(forever), make_mail(without, folder=None), make_mail(without)
    for message in (old, other, absorbed, filed):
        message.created_at = utcnow() - timedelta(days=31)
    db.session.commit()
    housekeeping.put_old_mail_away()
    gone = [fresh(message).deleted_at is not None for message in (old, new, other, absorbed, filed)]
    assert gone == [True, False, False, True, False]
    assert store.totals.read(keeps.workspace_id, keeps.id)[""] == 1
