"""Mail that goes for good takes its sources along; counters are checked against the messages and mended."""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update

from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail, make_raw
from tests.factories.sending import make_outgoing
from webapp.audit.models import AuditEntry
from webapp.core import counters
from webapp.core.blobs import blobs
from webapp.core.db import db, utcnow
from webapp.mailboxes.models import Mailbox
from webapp.messages import jobs, purging, raws, recount, totals
from webapp.messages.models import Message, MessageText, RawMessage
from webapp.trash import service as trash


def long_ago(mailbox: Mailbox) -> None:
    """Its time in the trash is over."""
    mailbox.deleted_at = utcnow() - timedelta(days=31)
    db.session.commit()


def left(model: Any) -> int:
    db.session.expire_all()
    return db.session.query(model).count()


def test_a_mailbox_that_leaves_the_trash_takes_its_mail_its_words_and_its_sources_along(alice: Any, app: Any) -> None:
    box, other = make_mailbox(alice, "old@acme.test"), make_mailbox(alice, "stays@acme.test")
    shared = make_raw(to="old@acme.test", text="shared")
    kept = [make_mail(other, raw=shared), make_mail(other)]
    for number in range(5):
        make_mail(box, text=f"mail {number}")
    make_mail(box, raw=shared)
    large = make_mail(box, files={"large.bin": os.urandom(400_000)})
    key = db.session.get_one(RawMessage, large.raw_id).blob_key
    assert key is not None and blobs().exists(key)
    deleted = make_mail(box, text="deleted before")
    assert alice.api.delete(f"/mailboxes/{box.id}/archives/{deleted.id}").status_code == 200
    long_ago(box)
    trash.purge_old()
    db.session.commit()
    assert db.session.get(Mailbox, box.id) is not None, "it holds mail, so it waits"
    assert purging.empty_old(5.0) == 8
    assert not blobs().exists(key)
    trash.purge_old()
    db.session.commit()
    assert db.session.get(Mailbox, box.id, populate_existing=True) is None
    assert {row.id for row in db.session.query(Message)} == {message.id for message in kept}
    assert left(RawMessage) == 2 and left(MessageText) == 2
    numbers = totals.read(alice.workspace.id)
    assert (numbers[""], numbers["bytes"]) == (2, sum(message.size_bytes for message in kept))
    if db.engine.dialect.name == "sqlite":
        assert db.session.execute(text("SELECT count(*) FROM message_fts WHERE message_fts MATCH 'mail'")).scalar() == 0


def test_emptying_works_in_batches_and_says_what_it_did(alice: Any) -> None:
    box = make_mailbox(alice)
    for _ in range(5):
        make_mail(box)
    assert [purging.remove_some(box.id, 2) for _ in range(4)] == [2, 2, 1, 0]
    db.session.commit()
    assert left(RawMessage) == 0 and totals.read(alice.workspace.id, box.id) == dict.fromkeys(totals.KINDS, 0)


def test_a_source_that_is_still_on_its_way_out_stays(alice: Any) -> None:
    box = make_mailbox(alice)
    outgoing = make_outgoing(alice, mailbox=box)
    purging.remove_some(box.id)
    db.session.commit()
    assert raws.load(outgoing.raw_id).startswith(b"From: ") or raws.load(outgoing.raw_id)


def test_sources_that_nothing_points_at_are_found_in_the_end(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "CHECKED", 2)
    message = make_mail(make_mailbox(alice))
    for number in range(6):
        raws.store(f"nobody's {number}".encode())
    db.session.commit()
    walk = purging.LeftOvers()
    gone = [walk.sweep() for _ in range(3)]
    db.session.commit()
    assert sum(gone) == 3 and left(RawMessage) == 4, "the newest may be on their way to their message"
    assert raws.load(message.raw_id)


def test_half_written_files_of_a_crash_are_swept(app: Any) -> None:
    folder = Path(blobs().folder) / ".half"  # type: ignore[attr-defined]
    folder.mkdir(parents=True, exist_ok=True)
    before = {file.name for file in folder.iterdir()}  # what a killed process of an earlier test left
    for name, age in (("old", 7200), ("new", 10)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age, time.time() - age))
    jobs.remove_left_overs()
    assert {file.name for file in folder.iterdir()} == before | {"new"}
    (folder / "new").unlink()


def test_counters_that_are_off_are_mended_and_right_ones_are_left(alice: Any) -> None:
    box, right = make_mailbox(alice), make_mailbox(alice)
    one, two = make_mail(box), make_mail(box)
    make_mail(right)
    truth = totals.read(alice.workspace.id, box.id), totals.read(alice.workspace.id)
    counters.bump(alice.workspace.id, totals.name(box.id), 7)
    counters.bump(alice.workspace.id, totals.name(box.id, "bytes"), -50)
    counters.bump(alice.workspace.id, totals.name(None), 7)
    counters.bump(alice.workspace.id, totals.name(None, "bytes"), -50)
    db.session.commit()
    assert (one.size_bytes + two.size_bytes) != totals.read(alice.workspace.id, box.id)["bytes"]
    assert recount.check_some(5.0) == 1
    assert (totals.read(alice.workspace.id, box.id), totals.read(alice.workspace.id)) == truth
    entry = db.session.scalar(select(AuditEntry).where(AuditEntry.action == "mailbox.recount"))
    assert entry is not None and entry.target_id == box.id and '"bytes":50' in (entry.after or "")
    db.session.expire_all()
    assert box.counted_at is not None and right.counted_at is not None and recount.check(box.id) is False


def test_the_mailbox_that_was_counted_longest_ago_is_next(alice: Any) -> None:
    boxes = [make_mailbox(alice) for _ in range(3)]
    for box, days in zip(boxes, (1, 3, None), strict=True):
        moment = None if days is None else utcnow() - timedelta(days=days)
        db.session.execute(update(Mailbox).where(Mailbox.id == box.id).values(counted_at=moment))
    db.session.commit()
    assert recount.next_ones() == [boxes[2].id, boxes[1].id, boxes[0].id]


def test_a_mailbox_that_has_room_again_says_so(alice: Any) -> None:
    box = make_mailbox(alice, total_limit=1, filling="full")
    recount.refill_some()
    db.session.commit()
    db.session.expire_all()
    assert box.filling is None
