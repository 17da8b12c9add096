"""What an attempt's result makes of its delivery. Pure: the same result on the same row gives the same change."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from webapp.mail.smtp_out import SendResult
from webapp.sending.classes import classify
from webapp.sending.waits import DELAY_NOTICE, UNCERTAIN_S, next_attempt, next_of_campaign

#: what is kept of a foreign reply, in characters
MOST_REPLY = 2000


class Waiting(NamedTuple):
    """A delivery as the drain holds it: what is needed to send it, and to go back to where it was. `ledger.COLUMNS` has the same order."""

    id: int
    workspace_id: int
    outgoing_id: int
    message_id: int | None
    mailbox_id: int | None
    recipient: str
    domain: str
    stream: str
    #: before it was claimed: queued, deferred or uncertain; `leased` for one that is taken over
    state: str
    attempts: int
    sent_again: bool
    on_wire_at: datetime | None
    boot_id: str | None
    created_at: datetime
    envelope_sender: str
    raw_id: int
    #: how many recipients its mail has; 0 where that is not known
    recipient_count: int = 0
    #: what its sender is told: nothing (empty), `failures` or `all`
    reports: str = ""
    #: when its sender was told of a delay
    delay_told_at: datetime | None = None
    #: since when its five days count, where that is not its creation
    waits_from: datetime | None = None
    #: of a campaign's copy: the campaign, and the contact
    campaign_id: int | None = None
    contact_id: int | None = None

    @property
    def state_before(self) -> str:
        """Where it goes back to when nothing was tried."""
        if self.state != "leased":
            return self.state
        return "uncertain" if self.on_wire_at is not None else "deferred" if self.attempts else "queued"


class Outcome(NamedTuple):
    """One attempt at one delivery and how it ended."""

    row: Waiting
    result: SendResult
    host: str
    at: datetime


def settled(outcome: Outcome, now: datetime) -> dict[str, Any]:
    """The columns of the delivery after this attempt; the same names in the same order whatever came of it."""
    row, result = outcome.row, outcome.result
    answered = result.code is not None
    change: dict[str, Any] = {
        "state": "sent", "bounce": None, "bounce_class": None, "attempts": row.attempts + 1, "next_attempt_at": None,
        "host": outcome.host or None, "last_code": result.code, "last_reply": storable(result.text) if answered else None,
        "last_error": None if answered or result.outcome == "sent" else storable(result.text),
        "on_wire_at": None, "finished_at": now, "sent_again": row.sent_again, "report_at": None,
    }  # fmt: skip
    if result.outcome == "failed":
        bounce, kind = classify(result.code, result.text)
        change.update(state="bounced", bounce=bounce, bounce_class=kind, report_at=now if row.reports else None)
    elif result.outcome == "retry":
        change.update(_later(outcome, now))
    elif result.outcome == "uncertain":
        once_more = row.stream == "transactional" and not row.sent_again
        change.update(
            state="uncertain", on_wire_at=now, finished_at=None, sent_again=row.sent_again or once_more,
            next_attempt_at=now + timedelta(seconds=UNCERTAIN_S) if once_more else None,
        )  # fmt: skip
    return change


def _later(outcome: Outcome, now: datetime) -> dict[str, Any]:
    """A transient answer: another attempt, or none any more after five days; of a campaign's copy after the fourth."""
    row, result = outcome.row, outcome.result
    tries = row.attempts + 1
    again = next_attempt(row.waits_from or row.created_at, tries, now) if row.campaign_id is None else next_of_campaign(tries, now)
    if again is None:
        _, kind = classify(result.code, result.text)
        return {"state": "bounced", "bounce": "expired", "bounce_class": kind, "report_at": now if row.reports else None}
    tells = row.reports == "all" and row.delay_told_at is None
    return {
        "state": "deferred", "next_attempt_at": again, "finished_at": None,
        "report_at": max(now, row.created_at + DELAY_NOTICE) if tells else None,
    }  # fmt: skip


def dialogue_kept(stream: str, result: SendResult) -> list[str]:
    """The whole conversation; of sent bulk mail the final reply alone (DESIGN section 5, Out)."""
    lines = result.dialogue[-1:] if stream == "bulk" and result.outcome == "sent" else result.dialogue
    return [storable(line) for line in lines]


def storable(text: str) -> str:
    """A foreign text as both databases can hold it: no NUL, no half surrogates, not endless."""
    if len(text) <= MOST_REPLY and text.isascii() and "\x00" not in text:
        return text
    return text[:MOST_REPLY].replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
