"""Receipts of erasures outlive the database: a restored backup brings nobody back, and nobody is written to meanwhile (C-75)."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from tests.factories.contacts import make_contact
from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail
from tests.factories.sending import make_outgoing
from webapp.contacts import erasing, jobs, receipts
from webapp.contacts.models import Contact, Erasure
from webapp.core.blobs import blobs
from webapp.core.db import begin_writing, db, utcnow
from webapp.core.errors import Unavailable
from webapp.messages.models import Message
from webapp.sending.models import Delivery
from webapp.standstill import service as standstill
from webapp.suppressions.lookup import barred
from webapp.suppressions.models import Suppression

ADDRESS = "zoe@secretlife.test"


@pytest.fixture(autouse=True)
def empty_store(app: Any) -> None:
    for key in blobs().keys(receipts.FOLDER):
        blobs().delete(key)


def erased(alice: Any, *, messages: bool = False) -> Erasure:
    """A person who was there for a month is erased, and the receipt lies outside."""
    contact = make_contact(alice, ADDRESS)
    contact.created_at = utcnow() - timedelta(days=30)
    receipt = erasing.erase(alice.actor, contact.id, messages=messages)
    db.session.commit()
    jobs.keep_receipts()
    begin_writing()
    return receipt


def restored(alice: Any) -> Contact:
    """What a backup from before the erasure has: the person, no receipt, nothing on the list."""
    for model in (Erasure, Suppression):
        db.session.execute(delete(model))
    contact = make_contact(alice, ADDRESS)
    contact.created_at = utcnow() - timedelta(days=30)
    db.session.commit()
    return contact


def test_c75_the_command_erases_once_more_whom_a_backup_brought_back(alice: Any, eve: Any, command: Any) -> None:
    make_contact(eve, ADDRESS)
    mailbox = make_mailbox(alice, "hello@acme.test")
    make_mail(mailbox, sender=ADDRESS)
    erased(alice, messages=True)
    restored(alice)
    mail = make_mail(mailbox, sender=ADDRESS).id
    said = "Receipts that were missing and are back: 1. People who were back and are erased once more: 1.\n"
    assert command("erasures", "again") == (said, 0)
    assert list(db.session.scalars(select(Contact.workspace_id))) == [eve.workspace.id], "receipts count in their workspace alone"
    assert db.session.scalar(select(Message.id).where(Message.id == mail)) is None, "with their mail, as then"
    assert barred(alice.workspace.id, [ADDRESS], "transactional")
    assert json.loads(command("erasures", "again", "--json")[0]) == {"receipts_brought_back": 0, "erased": 0, "left": 0}


def test_c75_going_on_after_a_restore_keeps_mail_from_the_erased_and_erases_them(alice: Any, work_off: Any) -> None:
    erased(alice)
    contact = restored(alice)
    make_outgoing(alice, ADDRESS)
    db.session.execute(update(Delivery).values(state="queued", next_attempt_at=utcnow()))
    standstill.begin(alice.actor, "restored")
    standstill.end(alice.actor)
    db.session.commit()
    assert barred(alice.workspace.id, [ADDRESS], "bulk"), "before anything leaves"
    jobs.keep_receipts()
    begin_writing()
    assert db.session.get(Contact, contact.id, populate_existing=True) is not None, "mail to them waits, so they do too"
    work_off()
    assert db.session.scalars(select(Delivery.state)).all() == ["suppressed"]
    jobs.keep_receipts()
    db.session.expire_all()
    assert db.session.scalar(select(Contact.id)) is None
    assert len(blobs().keys(receipts.FOLDER)) >= 1 and db.session.scalar(select(Erasure.id).where(Erasure.kept_at.is_(None))) is not None


def test_an_exported_file_brings_receipts_back_and_nobody_can_make_one(alice: Any, command: Any, tmp_path: Path) -> None:
    receipt = erased(alice)
    file = tmp_path / "receipts.jsonl"
    file.write_text(command("erasures", "export")[0])
    assert ADDRESS not in file.read_text() and receipt.hash in file.read_text()
    for key in blobs().keys(receipts.FOLDER):
        blobs().delete(key)
    restored(alice)
    assert command("erasures", "again", str(file))[0].startswith("Receipts that were missing and are back: 1.")
    line = json.loads(file.read_text())
    file.write_text(json.dumps({**line, "workspace_id": line["workspace_id"] + 1}) + "\nnonsense\n[]\n")
    said, code = command("erasures", "again", str(file))
    assert code == 1 and f"3 lines of {file} are no receipts of this installation." in said


def test_a_damaged_file_in_the_store_is_left_out_and_said(alice: Any, caplog: pytest.LogCaptureFixture) -> None:
    erased(alice)
    (key,) = blobs().keys(receipts.FOLDER)
    blobs().put(key, blobs().get(key).replace(b'"by":"', b'"by":"X'))
    assert list(receipts.kept()) == [] and "damaged" in caplog.text


def test_a_store_that_is_away_is_waited_for(alice: Any, monkeypatch: pytest.MonkeyPatch, command: Any) -> None:
    receipt = erased(alice)
    receipt.kept_at = None
    db.session.commit()

    class Away:
        def put(self, key: str, data: bytes) -> None:
            raise Unavailable("The blob store does not answer.")

        def keys(self, prefix: str) -> list[str]:
            raise Unavailable("The blob store does not answer.")

    monkeypatch.setattr(receipts, "blobs", Away)
    jobs.keep_receipts()
    begin_writing()
    assert db.session.get_one(Erasure, receipt.id, populate_existing=True).kept_at is None
    receipts.after_restore()
    assert command("erasures", "again")[1] == 1 and "does not answer" in command("erasures", "again")[0]
