"""Where a message is, why, and what happened to it. Features above add what they know through two registries.

    why_sources       (actor, message) -> a clause such as "1 route ran", or None
    timeline_sources  (actor, message) -> steps
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from webapp.core import heartbeat
from webapp.core.actor import Actor
from webapp.core.db import utcnow
from webapp.core.wording import time_text
from webapp.messages import journal
from webapp.messages.models import INBOX, MOST_DEATHS, Message


@dataclass(frozen=True)
class Step:
    """One thing that happened to a message.

    state  a word of core/states.py, which decides the colour
    code   the other side's own words, or a technical detail
    url    where more about it stands
    """

    at: datetime
    title: str
    text: str = ""
    state: str = "done"
    code: str = ""
    url: str | None = None


@dataclass(frozen=True)
class Why:
    """The answering sentence with its tone (ok, busy, wait, warn, bad, off) and what to do about it."""

    tone: str
    sentence: str
    detail: str = ""


why_sources: list[Callable[[Actor, Message], str | None]] = []
timeline_sources: list[Callable[[Actor, Message], list[Step]]] = []
#: what the origin of mail comes to (`mail.authentication.Verdict.overall`)
ORIGINS = {
    "pass": "Sender proven", "fail": "Sender not proven", "none": "Sender not provable",
    "temperror": "Sender not checked: no answer from DNS",
}  # fmt: skip
#: why there are two of them
AGAIN = "Its sender had sent the same mail before and sends it again when our answer is lost on the way."
#: steps of the journal that show nowhere else, with their state
NOTED = {"repeat": "skipped", "return": "done", "planned": "planned", "judged": "done", "again": "retry"}
#: how old mail may be, in seconds, before one asks whether anybody is there to read it
PATIENCE_S = 10.0
#: what the state of sent mail means, in words; sending keeps the column
SENT = {
    "queued": ("busy", "waits to be handed over"),
    "leased": ("busy", "is being handed over"),
    "deferred": ("warn", "will be tried again, because the other side did not take it yet"),
    "uncertain": ("doubt", "may have arrived: the connection broke before the answer"),
    "held": ("wait", "is held"),
    "sent": ("ok", "was handed over"),
    "bounced": ("bad", "was refused by the other side"),
    "captured": ("wait", "was captured: nothing leaves this machine until a real transport is set"),
    "cancelled": ("off", "was cancelled"),
    "suppressed": ("off", "was not sent, because its recipients are suppressed"),
}


def why(actor: Actor, message: Message) -> Why:
    """Where it is and why, in one sentence."""
    begun = _begun(message)
    more = "; ".join(filter(None, (source(actor, message) for source in why_sources)))
    ending = f"; {more}." if more else "."
    if message.state == "parked":
        sentence = f"{begun}, parked: its processing ended {MOST_DEATHS} times without a result."
        problem = f"{message.problem.rstrip('.')}. " if message.problem else ""
        return Why("bad", sentence, f"{problem}Its source is safe; read it again once the cause is gone.")
    if message.state == "received":
        return _unread(begun, message)
    if message.direction == "sent":
        tone, words = SENT.get(message.delivery_state or "", ("ok", "is kept in the archive"))
        return Why(tone, f"{begun} {words}{ending}", message.problem or "")
    if message.quarantined:
        reason = (message.auth_verdict or {}).get("explanation", "")
        detail = f"{reason} It runs no route until it is released.".strip()
        if message.repeats_id is not None:
            detail = f"{detail} {AGAIN} Releasing one of the two is enough."
        return Why("warn", f"{begun}, quarantined: its sender could not be proven{ending}", detail)
    if message.repeats_id is not None:
        repeats = f"it repeats message {message.repeats_id}, so no route runs for it a second time"
        return Why("off", f"{begun}, kept in the archive alone: {repeats}{ending}", AGAIN)
    tone = "warn" if message.problem or message.parse_limited else "ok"
    return Why(tone, f"{begun}, {_place(message)}{ending}", message.problem or "")


def _unread(begun: str, message: Message) -> Why:
    """Stored, and not read yet: which worker it waits for, and why."""
    now = utcnow()
    held = message.lease_until is not None and message.lease_until > now
    if message.problem:
        when = time_text(message.lease_until, "time") if held else "in a moment"
        return Why("warn", f"{begun}, not read yet: reading it failed {_times(message.deaths)}, and it goes again {when}.", message.problem)
    if held and message.deaths > 1:
        return Why("warn", f"{begun}, being read alone, because {_lost(message.deaths - 1)} over it.", _was_at(message))
    if held:
        return Why("busy", f"{begun}, being read right now.", "This takes a second; the page shows it by itself.")
    if message.deaths:
        return Why("warn", f"{begun}, about to be read again: {_lost(message.deaths)} over it.", _was_at(message))
    if (now - message.created_at).total_seconds() > PATIENCE_S:
        there = heartbeat.parts()
        workers = there is None or there.get("worker", 0) > 0
        why_not = "others are before it" if workers else "no worker has reported in within the last minute"
        return Why("busy" if workers else "warn", f"{begun}, stored and safe, and waits for a worker: {why_not}.")
    return Why("busy", f"{begun}, about to be read.", "This takes a second; the page shows it by itself.")


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _lost(deaths: int) -> str:
    return f"{deaths} worker{'' if deaths == 1 else 's'} ended without a word"


def _was_at(message: Message) -> str:
    at = f" It was {journal.doing(message.at_step)}." if message.at_step else ""
    return f"After {MOST_DEATHS} such ends it is parked.{at}"


def steps(actor: Actor, message: Message) -> list[Step]:
    """What happened to a message, newest first."""
    noted = journal.read(message.journal)
    done = {entry.step: entry.at for entry in noted}
    found = [_first(message)]
    if message.state == "parked":
        found.append(Step(done.get("parked", message.updated_at), "Parked", message.problem or "", "failed"))
    elif message.processed_at:
        flagged = message.problem or message.parse_limited
        at = done.get("read", message.processed_at)
        found.append(Step(at, "Read", message.problem or _parts(message), "warning" if flagged else "done"))
    found += _origin_steps(message, done.get("origin"))
    if message.filed_at and message.folder:
        found.append(Step(message.filed_at, f"Filed in {folder_word(message.folder)}"))
    found += [Step(entry.at, entry.title, entry.text, NOTED[entry.step]) for entry in noted if entry.step in NOTED]
    for source in timeline_sources:
        found += source(actor, message)
    return sorted(found, key=lambda step: step.at, reverse=True)


def _origin_steps(message: Message, at: datetime | None) -> list[Step]:
    """What SPF, DKIM and DMARC said, and that somebody let it out of quarantine."""
    found = []
    if message.auth_verdict and message.processed_at:
        overall = message.auth_verdict["overall"]
        title, text = ORIGINS.get(overall, "Origin checked"), message.auth_verdict["explanation"]
        found.append(Step(at or message.processed_at, title, text, "pass" if overall == "pass" else "warning"))
    if message.released_at:
        found.append(Step(message.released_at, "Released from quarantine", "Its routes run as if its sender had been proven."))
    return found


def folder_word(folder: str | None) -> str:
    """The folder as a person reads it."""
    return "Inbox" if folder == INBOX else folder or "the archive"


def _begun(message: Message) -> str:
    moment = time_text(message.created_at, "full")
    if message.direction == "sent":
        return f"Written {moment}; it"
    test = "Test mail, received" if message.is_test else "Received"
    return f"{test} {moment} from {message.envelope_sender or 'a machine (empty sender)'}"


def _place(message: Message) -> str:
    return f"filed in {folder_word(message.folder)}" if message.folder else "kept in the archive alone"


def _first(message: Message) -> Step:
    if message.direction == "sent":
        return Step(message.created_at, "Handed in", f"for {_several(message.envelope_recipients)}", "done", _origin(message))
    title = "Made as test mail" if message.is_test and not message.ip else "Received"
    return Step(message.created_at, title, f"for {message.recipient or _several(message.envelope_recipients)}", "done", _origin(message))


def _origin(message: Message) -> str:
    parts = [f"HELO {message.helo}" if message.helo else "", f"from {message.ip}" if message.ip else ""]
    parts.append(f"logged in as {message.login}" if message.login else "")
    return ", ".join(filter(None, parts))


def _parts(message: Message) -> str:
    files = len(message.attachments or [])
    return f"{files} attachment{'' if files == 1 else 's'}" if files else "no attachments"


def _several(addresses: list[str]) -> str:
    return ", ".join(addresses[:3]) + (f" and {len(addresses) - 3} more" if len(addresses) > 3 else "") or "nobody"
