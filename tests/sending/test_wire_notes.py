"""The notes of what is on the wire: they outlive their writer, and nobody reads those of a living one."""

import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from webapp.mail.smtp_out import SendResult
from webapp.sending import wire


def test_notes_of_a_living_holder_are_left_alone(tmp_path: Path) -> None:
    with wire.Notes.start(tmp_path, "host/1/aa") as notes:
        notes.body_begins(5, "relay:25")
        [file] = wire.files(tmp_path)
        assert not wire.is_abandoned(file)
        with wire.taken_over(file) as left:
            assert left is None
        assert wire.is_known(tmp_path, "host/1/aa")
    assert wire.files(tmp_path) == []


def test_notes_of_a_dead_holder_tell_what_was_begun_and_what_was_answered(tmp_path: Path) -> None:
    notes = wire.Notes.start(tmp_path, "host/1/bb")
    notes.body_begins(5, "relay:25")
    notes.answered(5, SendResult("a@x.test", "sent", 250, "250 ok", ["C: DATA"], 0.5))
    notes.body_begins(6, "relay:25")
    notes.let_go()
    [file] = wire.files(tmp_path)
    assert wire.is_abandoned(file)
    with wire.taken_over(file) as left:
        assert left is not None and left.owner == "host/1/bb"
        assert left.notes[5].answer == SendResult("a@x.test", "sent", 250, "250 ok", ["C: DATA"], 0.5)
        assert left.notes[6].answer is None and left.notes[6].host == "relay:25"
        with wire.taken_over(file) as second:
            assert second is None, "two took over at once"
    assert wire.files(tmp_path) == []


def test_a_take_over_that_fails_leaves_the_notes_for_the_next_one(tmp_path: Path) -> None:
    wire.Notes.start(tmp_path, "host/1/cc").let_go()
    [file] = wire.files(tmp_path)
    try:
        with wire.taken_over(file):
            raise RuntimeError("the database went away")
    except RuntimeError:
        pass
    assert wire.is_abandoned(file)


def test_half_a_last_line_is_skipped(tmp_path: Path) -> None:
    notes = wire.Notes.start(tmp_path, "host/1/dd")
    notes.body_begins(5, "relay:25")
    notes.let_go()
    [file] = wire.files(tmp_path)
    with file.open("ab") as end:
        end.write(b'{"id":5,"answer":{"recip')
    with wire.taken_over(file) as left:
        assert left is not None and left.notes[5].answer is None


def _hold(folder: Path, ready: Event) -> None:
    notes = wire.Notes.start(folder, f"host/{os.getpid()}/ee")
    notes.body_begins(9, "relay:25")
    ready.set()
    signal.pause()


def test_kill_minus_9_frees_the_notes_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, ready))
    holder.start()
    assert ready.wait(5)
    [file] = wire.files(tmp_path)
    assert not wire.is_abandoned(file)
    os.kill(holder.pid or 0, signal.SIGKILL)
    holder.join(5)
    assert wire.is_abandoned(file)
    with wire.taken_over(file) as left:
        assert left is not None and list(left.notes) == [9]


def _note_many(folder: Path, rows: int, ready: Event) -> None:
    notes = wire.Notes.start(folder, f"host/{os.getpid()}/ff")
    notes.expect(wire.LARGE)
    for number in range(1, rows + 1):
        notes.body_begins(number, "relay:25")
        if number < rows:
            reply = f"250 2.0.0 ok, queued as {number} \N{SNOWMAN}"
            result = SendResult(f"p{number}@x.test", "sent", 250, reply, [f"S: {reply}"], 0.25, "TLSv1.3")
            notes.answered(number, result, later=True)
    ready.set()
    signal.pause()


@pytest.mark.parametrize("rows", [wire.LARGE, wire.LARGE * 40], ids=["in the page", "more than the page holds"])
def test_notes_of_a_large_batch_outlive_a_kill_to_the_last_line(tmp_path: Path, rows: int) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    holder = context.Process(target=_note_many, args=(tmp_path, rows, ready))
    holder.start()
    assert ready.wait(5)
    os.kill(holder.pid or 0, signal.SIGKILL)
    holder.join(5)
    [file] = wire.files(tmp_path)
    with wire.taken_over(file) as left:
        assert left is not None and set(left.notes) == set(range(1, rows + 1))
        assert left.notes[rows].answer is None and left.notes[rows].host == "relay:25"
        assert all(left.notes[number].answer is not None for number in range(1, rows))
        answer = left.notes[7].answer
        assert answer is not None and (answer.recipient, answer.tls, answer.seconds) == ("p7@x.test", "TLSv1.3", 0.25)
        assert answer.dialogue == ["S: 250 2.0.0 ok, queued as 7 \N{SNOWMAN}"]
