"""Every state of a delivery is answered with one sentence that says what happened, why, and what comes next."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from webapp.sending.models import STATES
from webapp.sending.why import why

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


def test_a_held_row_says_why_and_that_nothing_is_lost() -> None:
    assert why(Row("held", held_reason="held by Alice"), NOW) == "Held by Alice. Nothing is lost; release it to let it go."
    assert why(Row("held", held_reason="there is no way out"), NOW).startswith("Held: there is no way out. Nothing is lost")
