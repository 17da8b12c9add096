"""The one table from a state word to its tone and to the words a person reads. Templates never choose a tone.

Seven tones, each with its own shape: ok (disc), busy (half disc), wait (ring), warn (triangle), bad (cross), doubt (diamond),
off (dash). A word that is not here is shown as it is with the tone `wait`; `tests/core/test_parts.py` keeps the table honest.
"""

TONES = ("ok", "busy", "wait", "warn", "bad", "doubt", "off")

_WORDS_OF_TONE: dict[str, str] = {
    "ok": """
        accepted active answered archived available clean complete completed configured confirmed connected current delivered
        done enabled captured filed finished found healthy imported intact joined known learned live match matched mx_ok ok on
        open opened clicked pass passed present published ready received resolved restored right running_well safe saved sent set
        signed stored subscribed success successful succeeded trusted undone up uploaded valid verified won""",
    "busy": """
        building checking connecting copying deleting erasing exporting importing in_progress leased loading moving processing
        provisioning resuming running sending started starting syncing testing uploading verifying""",
    "wait": """
        awaiting draft due empty held idle invited learning new never_used none not_checked not_started not_yet pending
        pending_dns pending_verification planned queued scheduled sign_in_off snoozed trial unknown unread unverified waiting
        waiting_for_dns waiting_for_answer opened_by_machine info test""",
    "warn": """
        attention deferred degraded delayed different expires_soon expiring greylisted limited mismatch missing missing_dns
        must_change nearly_full neutral old outdated over_limit overdue parse_limited parse_limit partial partly past_due
        quarantined retrying role_account slow softfail soft_bounced stale suspicious temperror throttled try_later
        unconfirmed unsigned warning waiting_retry risky catch_all accept_all retry backing_off""",
    "bad": """
        blocked bounced broken complained conflict dead disposable down error expired fail failed failing full hard_bounced
        infected invalid lost malformed not_found permerror refused rejected reject spam suspended timed_out timeout unhealthy
        unreachable untrusted wrong undeliverable payment_failed denied""",
    "doubt": "uncertain undecided maybe",
    "off": """
        absent absorbed archived_away cancelled canceled closed deleted disabled dropped ended false ignored inactive left
        muted no no_match not_configured not_matched not_run off paused revoked retired skipped stopped superseded suppressed
        trashed unsubscribed unused withdrawn disconnected declined in_trash""",
}

TONE_OF: dict[str, str] = {word: tone for tone, words in _WORDS_OF_TONE.items() for word in words.split()}

#: what a person reads where the stored word is not that already; otherwise underscores become spaces
READS: dict[str, str] = {
    "pending_dns": "waiting for DNS",
    "waiting_for_dns": "waiting for DNS",
    "missing_dns": "DNS missing",
    "pending_verification": "waiting for proof",
    "temperror": "could not check",
    "permerror": "record unreadable",
    "softfail": "soft fail",
    "canceled": "cancelled",
    "not_found": "not found",
    "not_matched": "no match",
    "matched": "match",
    "in_progress": "running",
    "success": "done",
    "succeeded": "done",
    "successful": "done",
    "completed": "done",
    "timed_out": "timed out",
    "timeout": "timed out",
    "true": "on",
    "false": "off",
}


def key_of(word: object) -> str:
    """The spelling under which a state stands in the table: lower case, underscores; enums give their value.

    >>> key_of("No match")
    'no_match'
    """
    text = getattr(word, "value", word)
    return "_".join(str(text).strip().lower().replace("-", " ").replace("_", " ").split())


def state_tone(word: object) -> str:
    """The tone of a state; words with an addition after a comma ("refused, scope") take the tone of their beginning."""
    if isinstance(word, bool):
        return "ok" if word else "off"
    key = key_of(word)
    if key in TONE_OF:
        return TONE_OF[key]
    return TONE_OF.get(key_of(str(getattr(word, "value", word)).partition(",")[0]), "wait")


def state_word(word: object) -> str:
    """The state as a person reads it, in lower case: `pending_dns` is "waiting for DNS"."""
    if isinstance(word, bool):
        return "on" if word else "off"
    key = key_of(word)
    if key in READS:
        return READS[key]
    return str(getattr(word, "value", word)).replace("_", " ").strip()
