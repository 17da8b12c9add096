"""Where a message is, why, and what happened to it. Features above add what they know through two registries.

    why_sources       (actor, message) -> a clause such as "1 route ran", or None
    timeline_sources  (actor, message) -> steps
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from webapp.core.actor import Actor
from webapp.core.wording import time_text
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
        return Why("bad", f"{begun}, parked: its processing ended {MOST_DEATHS} times without a result.", message.problem or "")
    if message.state == "received":
        return Why("busy", f"{begun}, about to be read.", "This takes a second; the page shows it by itself.")
    if message.direction == "sent":
        tone, words = SENT.get(message.delivery_state or "", ("ok", "is kept in the archive"))
        return Why(tone, f"{begun} {words}{ending}", message.problem or "")
    if message.quarantined:
        reason = (message.auth_verdict or {}).get("explanation", "")
        detail = f"{reason} It runs no route until it is released.".strip()
        return Why("warn", f"{begun}, quarantined: its sender could not be proven{ending}", detail)
    tone = "warn" if message.problem or message.parse_limited else "ok"
    return Why(tone, f"{begun}, {_place(message)}{ending}", message.problem or "")


def steps(actor: Actor, message: Message) -> list[Step]:
    """What happened to a message, newest first."""
    found = [_first(message)]
    if message.state == "parked":
        found.append(Step(message.updated_at, "Parked", message.problem or "", "failed"))
    elif message.processed_at:
        flagged = message.problem or message.parse_limited
        found.append(Step(message.processed_at, "Read", message.problem or _parts(message), "warning" if flagged else "done"))
    found += _origin_steps(message)
    if message.filed_at and message.folder:
        found.append(Step(message.filed_at, f"Filed in {folder_word(message.folder)}"))
    for source in timeline_sources:
        found += source(actor, message)
    return sorted(found, key=lambda step: step.at, reverse=True)


def _origin_steps(message: Message) -> list[Step]:
    """What SPF, DKIM and DMARC said, and that somebody let it out of quarantine."""
    found = []
    if message.auth_verdict and message.processed_at:
        overall = message.auth_verdict["overall"]
        title = ORIGINS.get(overall, "Origin checked")
        found.append(Step(message.processed_at, title, message.auth_verdict["explanation"], "pass" if overall == "pass" else "warning"))
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
