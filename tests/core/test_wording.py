"""Words and amounts: states and tones, times, bytes, ledgers, differences."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest

from webapp.core import paint
from webapp.core.differences import differences
from webapp.core.states import TONE_OF, TONES, state_tone, state_word
from webapp.core.wording import ago, human_bytes, span, time_text

NOON = datetime(2026, 9, 14, 12, 32, 6, tzinfo=UTC)


@pytest.mark.parametrize("counts", [[11286, 214, 97, 3, 6820], [1, 0, 0], [1, 1_000_000], [7]])
def test_ledger_parts_fill_the_bar_and_small_ones_stay_visible(counts: list[int]) -> None:
    bars = paint.ledger_bars([{"word": "sent", "count": count} for count in counts])
    assert all(bar["width"] >= 6 for bar in bars)
    assert bars[-1]["x"] + bars[-1]["width"] == 1000


def test_an_empty_ledger_draws_nothing() -> None:
    assert paint.ledger_bars([{"word": "sent", "count": 0}]) == []


def test_a_difference_lists_changed_fields_by_path_and_masks_secrets() -> None:
    old = {"match": "any", "same": 1, "auth": {"secret": "first-secret-value-9c02"}, "actions": [{"max": 3}]}
    new = {"match": "all", "same": 1, "auth": {"secret": "second-secret-value-a41f"}, "actions": [{"max": 8}], "new": None}
    changes = {change.path: (change.before, change.after) for change in differences(old, new)}
    assert changes == {
        "match": ("any", "all"),
        "auth.secret": ("•••• 9c02", "•••• a41f"),
        "actions[0].max": ("3", "8"),
        "new": (None, "none"),
    }


def test_a_curl_command_survives_quotes_in_the_body() -> None:
    command = paint.curl_command("post", "https://a/b", {"name": "it's; rm"})
    assert "'it'\"'\"'s" in command or "it'\"'\"'s" in command
    assert command.startswith("curl -X POST https://a/b")


class Status(StrEnum):
    PENDING_DNS = "pending_dns"


@pytest.mark.parametrize(
    ("word", "tone"),
    [
        *((word, "ok") for word in ("sent", "captured", "active", "verified", "match", "delivered", True)),
        *((word, "busy") for word in ("running", "leased", "processing")),
        *((word, "wait") for word in (Status.PENDING_DNS, "never used", "held", "a word nobody knows")),
        *((word, "warn") for word in ("deferred", "expires soon", "parse limited", "quarantined")),
        *((word, "bad") for word in ("bounced", "expired", "refused, scope")),
        *((word, "doubt") for word in ("uncertain",)),
        *((word, "off") for word in ("No match", "revoked", "skipped", False)),
    ],
)
def test_a_state_word_has_its_tone(word: object, tone: str) -> None:
    assert state_tone(word) == tone


def test_the_table_of_states_names_only_known_tones_and_reads_well() -> None:
    assert set(TONE_OF.values()) <= set(TONES)
    assert state_word("pending_dns") == "waiting for DNS"
    assert state_word("expires_soon") == "expires soon"


def test_amounts_and_times_read_like_a_person_says_them() -> None:
    assert [human_bytes(n) for n in (0, 512, 188416, 26214400, 3650722202)] == ["0 B", "512 B", "184 KB", "25 MB", "3.4 GB"]
    assert [span(s) for s in (0.031, 1.2, 42, 360, 6720, 86400 * 3)] == ["31 ms", "1.2 s", "42 s", "6 min", "1 h 52 min", "3 days"]
    assert ago(NOON - timedelta(minutes=4), NOON) == "4 min ago"
    assert ago(NOON + timedelta(days=1), NOON) == "in 1 day"
    assert [time_text(NOON, "short", now) for now in (NOON, NOON + timedelta(days=2), NOON + timedelta(days=365))] == [
        "12:32",
        "14 Sep",
        "14 Sep 2026",
    ]
