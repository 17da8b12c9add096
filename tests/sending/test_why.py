"""Every state of a delivery is answered with one sentence that says what happened, why, and what comes next."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from webapp.sending.models import STATES, STREAMS
from webapp.sending.why import reply, why

NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)


@dataclass
class Row:
    state: str
    recipient: str = "ada@example.org"
    domain: str = "example.org"
    stream: str = "transactional"
    bounce: str | None = None
    attempts: int = 0
    next_attempt_at: datetime | None = None
    host: str | None = None
    last_code: int | None = None
    last_reply: str | None = None
    last_error: str | None = None
    held_reason: str | None = None
    held_by: str | None = None
    on_wire_at: datetime | None = None
    sent_again: bool = False
    finished_at: datetime | None = field(default=None)


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_one_sentence_that_ends_with_a_full_stop(state: str) -> None:
    text = why(Row(state), NOW)
    assert text.endswith(".") and not text.endswith("..")
    assert "\n" not in text and "None" not in text


def test_a_deferred_row_quotes_the_server_and_names_the_next_attempt() -> None:
    soon = NOW + timedelta(minutes=5)
    row = Row("deferred", attempts=2, last_code=450, last_reply="450 4.2.0 Greylisted.", host="mx:25", next_attempt_at=soon)
    assert why(row, NOW) == "mx:25 asked to try later (450 4.2.0 Greylisted); 2 attempts so far, the next one in 5 min."


def test_a_server_that_could_not_be_reached_is_told_from_one_that_said_no() -> None:
    row = Row("deferred", attempts=1, last_error="Connection refused", host="relay.example:25", next_attempt_at=NOW + timedelta(seconds=60))
    assert why(row, NOW) == "relay.example:25 could not be reached (Connection refused); 1 attempt so far, the next one in 1 min."


def test_an_uncertain_row_says_that_it_may_have_arrived_and_whether_it_goes_again() -> None:
    again = why(Row("uncertain", host="relay.example:25", next_attempt_at=NOW + timedelta(seconds=60)), NOW)
    assert "may have arrived" in again and "in 1 min with the same Message-ID" in again
    assert "not sent again by itself" in why(Row("uncertain", host="relay.example:25"), NOW)


def test_a_long_foreign_reply_is_cut_and_kept_on_one_line() -> None:
    text = why(Row("bounced", bounce="hard", last_code=550, last_reply="550 " + "no such user\r\n" * 100), NOW)
    assert len(text) < 250 and "\n" not in text and "…" in text
    text = why(Row("bounced", bounce="hard", last_code=554, last_reply="554 listed " + "for reasons " * 30), NOW)
    assert text.endswith((" for…", " reasons…")), "cut between words, without a full stop behind the dots"


def test_a_suppressed_row_names_the_reason_once() -> None:
    row = Row("suppressed", last_error="Recipient in suppression list. Reason: unsubscription")
    assert why(row, NOW).startswith("Not sent: ada@example.org is on the suppression list (unsubscription). ")


def test_a_captured_row_says_how_it_was_since_the_transport_may_be_another_now() -> None:
    assert "the transport was capture" in why(Row("captured"), NOW)


def test_the_code_of_a_reply_is_said_once() -> None:
    assert (reply(451, "451 4.7.1 Later"), reply(451, "4.7.1 Later"), reply(250, "")) == ("451 4.7.1 Later", "451 4.7.1 Later", "250")


def test_a_held_row_says_why_and_that_nothing_is_lost() -> None:
    assert why(Row("held", held_reason="held by Alice"), NOW) == "Held by Alice. Nothing is lost; release it to let it go."
    assert why(Row("held", held_reason="there is no way out"), NOW).startswith("Held: there is no way out. Nothing is lost")


TIMES = (None, NOW - timedelta(hours=3), NOW, NOW + timedelta(seconds=50), NOW + timedelta(hours=4))
REPLIES = (
    (None, None, None), (450, "4.7.1 Slow\r\ndown.", None), (250, "", None), (None, None, "no route to host."), (421, "busy", "paused"),
)  # fmt: skip
HOLDERS = (None, "person", "transport", "domain")
HOSTS = (None, "local", "mx:25")


def test_every_combination_of_columns_gives_one_whole_sentence_without_leftovers() -> None:
    """Columns are combined freely, also as no code writes them: an operator must never read None, a code without words or a line break."""
    seen = set()
    for state, moment, (code, said, error), stream, again in product(STATES, TIMES, REPLIES, STREAMS, (True, False)):
        for held_by, bounce, host in product(HOLDERS, (None, "hard", "soft", "expired"), HOSTS):
            row = Row(
                state, stream=stream, bounce=bounce, attempts=int(again), next_attempt_at=moment, host=host, last_code=code,
                last_reply=said, last_error=error, held_reason=held_by, held_by=held_by, on_wire_at=moment, sent_again=again,
            )  # fmt: skip
            text = why(row, NOW)
            assert text[0].isalnum(), text
            assert text.endswith(".") and ".." not in text and "  " not in text and "\n" not in text, text
            assert "None" not in text and "()" not in text and " ;" not in text and " ago ago" not in text, text
            seen.add(text)
    assert len(seen) > 100


def test_a_row_whose_turn_has_come_waits_behind_others() -> None:
    assert why(Row("queued", next_attempt_at=NOW - timedelta(minutes=3)), NOW) == (
        "Its turn came 3 min ago; it waits behind others until a worker takes it."
    )
    late = Row("deferred", attempts=1, last_code=450, last_reply="later", host="mx:25", next_attempt_at=NOW - timedelta(minutes=3))
    assert why(late, NOW) == "mx:25 asked to try later (450 later); 1 attempt so far. Its turn came 3 min ago; it waits behind others."


def test_a_destination_that_is_sent_to_more_slowly_is_named_with_its_words() -> None:
    row = Row("queued", host="mx:25", last_error="421 4.7.0 too many", next_attempt_at=NOW + timedelta(minutes=1))
    assert why(row, NOW) == "Waits because mx:25 is to be sent to more slowly: 421 4.7.0 too many. It goes in 1 min."


def test_one_in_doubt_says_since_when_and_what_happens_next() -> None:
    bulk = why(Row("uncertain", stream="bulk", host="mx:25", on_wire_at=NOW - timedelta(hours=2)), NOW)
    assert "lost 2 h ago" in bulk and "Bulk mail is never sent twice without your choice" in bulk
    twice = why(Row("uncertain", host="mx:25", sent_again=True), NOW)
    assert "It went once more already, so it is not sent again by itself: treat it as sent, or send it again." in twice


def test_what_a_hold_keeps_back_says_how_it_gets_free() -> None:
    text = why(Row("held", held_reason="acme.test is on hold (by Ada: they move)", held_by="domain"), NOW)
    assert text == "Held: acme.test is on hold (by Ada: they move). Nothing is lost; it goes on when that hold is lifted."
