"""C-43: what retention removed is free for new mail, and beyond that the file becomes smaller, while others write."""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from tests.database.nodes import node, settings_of
from tests.factories.mailboxes import make_mailbox
from tests.people import make_people
from webapp.core import migrate
from webapp.core.db import begin_writing, db, utcnow
from webapp.messages import jobs, purging, store
from webapp.messages.models import Message, RawMessage
from webapp.watch import space

MAILS, BYTES = 60, 200_000


def fill(person: Any, address: str) -> Any:
    """A mailbox with mails that do not pack, all of them in rows."""
    mailbox = make_mailbox(person, address)
    for number in range(MAILS):
        raw = b"Subject: filled\r\n\r\n" + random.Random(f"{address}{number}").randbytes(BYTES)
        store.store_message(workspace_id=mailbox.workspace_id, mailbox_id=mailbox.id, direction="received", raw=raw)
    db.session.commit()
    return mailbox


def expire(mailbox: Any) -> None:
    """Its mail is over; the chore takes it away for good."""
    mailbox.deleted_at = utcnow() - timedelta(days=31)
    db.session.commit()
    jobs.empty_deleted_mailboxes()
    while purging.holds_mail(mailbox.id):
        jobs.empty_deleted_mailboxes()


def pages() -> space.Space:
    db.session.rollback()
    found = space.read()
    assert found is not None
    return found


def test_c43_expired_mail_gives_its_space_to_new_mail_and_then_to_the_disk(tmp_path: Path) -> None:
    with node(settings_of(tmp_path)) as app:
        migrate.upgrade(app)
        begin_writing()
        person = make_people(app)["alice"]
        empty = pages()
        assert empty.shrinks
        first = fill(person, "first@acme.test")
        full = pages()
        assert full.pages - empty.pages > MAILS * BYTES // full.page_bytes
        expire(first)
        freed = pages()
        assert freed.pages == full.pages and freed.free > MAILS * BYTES // full.page_bytes * 0.9
        second = fill(person, "second@acme.test")
        reused = pages()
        assert reused.pages < full.pages * 1.05, "new mail went behind the free pages"
        expire(second)
        before = pages()
        assert space.give_back(0.0) == 0 and pages() == before, "no time, no step"
        gone = space.give_back(30.0, kept_bytes=0)
        after = pages()
        assert gone > 0 and after.pages <= before.pages - gone and after.pages < before.pages / 4
        assert after.free >= before.pages * space.KEPT_SHARE * 0.9, "some room stays for new mail"
        assert db.session.scalar(select(func.count()).select_from(Message)) == 0
        assert db.session.scalar(select(func.count()).select_from(RawMessage)) == 0
        assert db.session.execute(db.text("PRAGMA integrity_check")).scalar_one() == "ok"
        db.session.rollback()
        own: Any = db.engine.raw_connection()
        own.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        own.close()
        assert (tmp_path / "mailroom.sqlite").stat().st_size == pages().pages * after.page_bytes
