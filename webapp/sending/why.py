"""The sentence that answers "where is it and why" for one delivery. Pure: it looks at the row and the clock alone."""

from datetime import datetime
from typing import Protocol

from webapp.core.wording import span

#: longest piece of a foreign reply inside a sentence
MOST_REPLY = 160


class Row(Protocol):
    """What the sentence needs of a delivery."""

    recipient: str
    domain: str
    state: str
    stream: str
    bounce: str | None
    attempts: int
    next_attempt_at: datetime | None
    host: str | None
    last_code: int | None
    last_reply: str | None
    last_error: str | None
    held_reason: str | None
    finished_at: datetime | None


def why(row: Row, now: datetime) -> str:
    """One sentence: what happened, why, and what comes next."""
    say = _SENTENCES.get(row.state)
    return say(row, now) if say else f"Its state is {row.state}."


def _queued(row: Row, now: datetime) -> str:
    if row.last_error:
        return f"Waits to go again: {_plain(row.last_error)}. It goes {_in(row.next_attempt_at, now)}."
    if row.next_attempt_at is not None and (row.next_attempt_at - now).total_seconds() > 1:
        return f"Waits for its time and goes {_in(row.next_attempt_at, now)}."
    return "Waits for a worker to take it; it is next in line."


def _leased(row: Row, _now: datetime) -> str:
    return f"A worker is handing it over{f' to {row.host}' if row.host else ''} right now."


def _deferred(row: Row, now: datetime) -> str:
    tried = f"{row.attempts} attempt{'' if row.attempts == 1 else 's'} so far"
    if row.last_code is not None:
        cause = f"{_server(row)} asked to try later ({_said(row)})"
    else:
        cause = f"{_server(row)} could not be reached ({_plain(row.last_error or 'no answer')})"
    return f"{cause}; {tried}, the next one {_in(row.next_attempt_at, now)}."


def _uncertain(row: Row, now: datetime) -> str:
    fact = f"The mail was on the wire to {_server(row)} when the answer was lost, so it may have arrived"
    if row.next_attempt_at is not None:
        return f"{fact}; it goes once more {_in(row.next_attempt_at, now)} with the same Message-ID."
    return f"{fact}. It is not sent again by itself: send it again, or leave it as it is."


def _held(row: Row, _now: datetime) -> str:
    reason = _plain(row.held_reason or "held by somebody")
    fact = f"Held {reason.removeprefix('held ')}" if reason.startswith("held by ") else f"Held: {reason}"
    return f"{fact}. Nothing is lost; release it to let it go."


def _sent(row: Row, _now: datetime) -> str:
    if row.last_error:
        return f"{_capital(row.last_error)}: no answer came, and it is not sent again."
    if row.host == "local":
        return "Delivered to the mailbox here."
    return f"{_server(row)} took it with {_said(row)}." if row.last_code is not None else f"{_server(row)} took it."


def _bounced(row: Row, _now: datetime) -> str:
    if row.bounce == "expired":
        last = f"the last answer was {_said(row)}" if row.last_code is not None else f"the last error: {_plain(row.last_error or 'none')}"
        return f"Given up after five days and {row.attempts} attempts; {last}."
    if row.last_code is not None:
        return f"{_server(row)} refused it for good with {_said(row)}."
    return f"It cannot be delivered: {_plain(row.last_error or 'refused')}."


def _captured(_row: Row, _now: datetime) -> str:
    return "Kept here on purpose: the transport is capture, so nothing leaves this machine."


def _cancelled(row: Row, _now: datetime) -> str:
    return f"Cancelled before it left{f', after {row.attempts} attempts' if row.attempts else ''}; it is not sent any more."


def _suppressed(row: Row, _now: datetime) -> str:
    return f"Not sent: {row.recipient} is on the suppression list."


_SENTENCES = {
    "queued": _queued, "leased": _leased, "deferred": _deferred, "uncertain": _uncertain, "held": _held, "sent": _sent,
    "bounced": _bounced, "captured": _captured, "cancelled": _cancelled, "suppressed": _suppressed,
}  # fmt: skip


def _server(row: Row) -> str:
    if row.host == "local":
        return "The mailbox here"
    return row.host or row.domain


def _said(row: Row) -> str:
    text = _plain(row.last_reply or "")
    code = str(row.last_code)
    return text if text.startswith(code) else f"{code} {text}".strip()


def _capital(text: str) -> str:
    return text[:1].upper() + _plain(text)[1:]


def _plain(text: str) -> str:
    """One line without a final full stop, cut where it gets long."""
    line = " ".join(text.split())
    line = line if len(line) <= MOST_REPLY else f"{line[:MOST_REPLY].rstrip()}…"
    return line.rstrip(".")


def _in(moment: datetime | None, now: datetime) -> str:
    if moment is None or (moment - now).total_seconds() <= 1:
        return "at once"
    return f"in {span(float(round((moment - now).total_seconds())))}"
