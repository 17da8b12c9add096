"""What goes into the store comes out again, is counted exactly, and is found."""

from typing import Any

import pytest
from sqlalchemy import func, select

from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail, make_raw
from webapp.core.db import db
from webapp.messages import raws, store, totals
from webapp.messages.models import Message, RawMessage


def test_the_source_comes_back_byte_for_byte_and_is_kept_once_per_content(alice: Any) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    raw = make_raw(text="the same for both")
    first, second = make_mail(box, raw=raw), make_mail(box, raw=raw)
    assert store.raw_of(first) == raw == store.raw_of(second)
    assert first.raw_id == second.raw_id
    assert db.session.scalar(select(func.count()).select_from(RawMessage)) == 1


def test_a_large_source_lies_in_the_blob_store_and_goes_with_its_last_message(app: Any, alice: Any) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    noise = bytes(range(256)) * 3000
    message = make_mail(box, raw=make_raw(files={"noise.bin": noise[7:]}) + __import__("os").urandom(300_000).hex().encode())
    row = db.session.get_one(RawMessage, message.raw_id)
    assert row.packed is None and app.extensions["blobs"].exists(row.blob_key)
    assert len(store.raw_of(message)) == message.size_bytes
    db.session.delete(message)
    db.session.flush()
    assert raws.release([row.id]) == 1
    db.session.commit()
    assert not app.extensions["blobs"].exists(row.blob_key)


def test_a_source_stays_while_another_message_needs_it(alice: Any) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    raw = make_raw()
    first, second = make_mail(box, raw=raw), make_mail(box, raw=raw)
    db.session.delete(first)
    db.session.flush()
    assert raws.release([second.raw_id]) == 0
    assert store.raw_of(second) == raw


def test_numbers_follow_every_change_of_a_message(alice: Any) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    message = make_mail(box)
    make_mail(box, direction="sent")
    assert _numbers(box) == {"": 2, "received": 1, "sent": 1, "inbox": 1, "unread": 1}
    message.seen = True
    db.session.commit()
    assert _numbers(box) == {"": 2, "received": 1, "sent": 1, "inbox": 1, "unread": 0}
    store.absorb(message)
    db.session.commit()
    assert _numbers(box)["inbox"] == 0
    message.deleted_at = message.created_at
    db.session.commit()
    assert _numbers(box) == {"": 1, "received": 0, "sent": 1, "inbox": 0, "unread": 0}
    db.session.delete(message)
    db.session.commit()
    assert _numbers(box)[""] == 1
    assert totals.read(box.workspace_id) == totals.read(box.workspace_id, box.id)


def _numbers(box: Any) -> dict[str, int]:
    found = totals.read(box.workspace_id, box.id)
    found.pop("bytes")
    return found


def test_what_a_savepoint_takes_back_is_not_counted(alice: Any) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    raw = make_raw()
    with pytest.raises(RuntimeError), db.session.begin_nested():
        store.store_message(workspace_id=box.workspace_id, mailbox_id=box.id, direction="received", raw=raw)
        raise RuntimeError
    store.store_message(workspace_id=box.workspace_id, mailbox_id=box.id, direction="received", raw=raw)
    db.session.commit()
    assert totals.read(box.workspace_id, box.id)[""] == 1
    assert db.session.scalar(select(func.count()).select_from(Message)) == 1


def test_mail_of_a_mailbox_that_is_gone_for_good_leaves_the_numbers(alice: Any) -> None:
    box, other = make_mailbox(alice, "hello@acme.test"), make_mailbox(alice, "other@acme.test")
    make_mail(box)
    make_mail(other)
    db.session.delete(box)
    db.session.commit()
    assert totals.read(other.workspace_id)[""] == 1


def test_a_mailbox_for_the_archive_alone_files_nothing(alice: Any) -> None:
    box = make_mailbox(alice, "archive@acme.test", default_delivery="archive_only")
    assert make_mail(box).folder is None


def test_storing_needs_exactly_one_source_and_a_known_direction(alice: Any) -> None:
    with pytest.raises(ValueError, match="either raw or raw_id"):
        store.store_message(workspace_id=alice.workspace.id, mailbox_id=None, direction="sent")
    with pytest.raises(ValueError, match="not 'sideways'"):
        store.store_message(workspace_id=alice.workspace.id, mailbox_id=None, direction="sideways", raw=b"x")
