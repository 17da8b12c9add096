"""The sentence that answers "where is it and why" for one delivery. Pure: it looks at the row and the clock alone."""

from datetime import datetime
from typing import Protocol

from webapp.core.wording import span

#: longest piece of a foreign reply inside a sentence
MOST_REPLY = 160
#: a row whose turn came so many seconds ago waits behind others
OVERDUE_S = 15
#: how a row says that an operator decided
TREATED = "treated as sent by "
#: how a suppressed row begins to name the reason; the list writes it (`webapp.suppressions.lookup`)
SUPPRESSED = "Recipient in suppression list. Reason: "


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
    held_by: str | None
    on_wire_at: datetime | None
    sent_again: bool
    finished_at: datetime | None


def why(row: Row, now: datetime, stands_still: bool = False) -> str:
    """One sentence: what happened, why, and what comes next.

    stands_still  nothing leaves this installation at present
    """
    if stands_still and row.next_attempt_at is not None and row.state in ("queued", "deferred", "uncertain"):
        return _STILL
    say = _SENTENCES.get(row.state)
    return say(row, now).replace("….", "…") if say else f"Its state is {row.state}."


#: of a row that would go, were the installation not taken for a copy
_STILL = "Waits because sending stands still: an admin has to say first that this installation is no copy of one that still runs."


def _queued(row: Row, now: datetime) -> str:
    ahead = _ahead_s(row, now)
    if row.last_error and ahead > 0:
        why_slow = f"{_server(row)} is to be sent to more slowly: {_plain(row.last_error)}"
        return f"Waits because {why_slow}. It goes {_in(row.next_attempt_at, now)}."
    if row.next_attempt_at is None:
        return _STANDS
    if ahead > 1:
        return f"Waits for its time and goes {_in(row.next_attempt_at, now)}."
    if ahead < -OVERDUE_S:
        return f"Its turn came {_ago(row.next_attempt_at, now)} ago; it waits behind others until a worker takes it."
    return "Waits for a worker to take it; it is next in line."


#: of a row that waits for nothing but its campaign
_STANDS = "Waits until its campaign goes on."


def _leased(row: Row, _now: datetime) -> str:
    return f"A worker is handing it over{f' to {row.host}' if row.host else ''} right now."


def _deferred(row: Row, now: datetime) -> str:
    tried = f"{row.attempts} attempt{'' if row.attempts == 1 else 's'} so far"
    if row.last_code is not None:
        cause = f"{_server(row)} asked to try later ({_said(row)})"
    else:
        cause = f"{_server(row)} could not be reached ({_plain(row.last_error or 'no answer')})"
    if row.next_attempt_at is None:
        return f"{cause}; {tried}. {_STANDS}"
    if _ahead_s(row, now) < -OVERDUE_S:
        return f"{cause}; {tried}. Its turn came {_ago(row.next_attempt_at, now)} ago; it waits behind others."
    slow = f", later than planned: {_plain(row.last_error)}" if row.last_code is not None and row.last_error else ""
    return f"{cause}; {tried}, the next one {_in(row.next_attempt_at, now)}{slow}."


def _uncertain(row: Row, now: datetime) -> str:
    since = f" {_ago(row.on_wire_at, now)} ago" if row.on_wire_at is not None and row.on_wire_at < now else ""
    fact = f"The mail was on the wire to {_server(row)} when the answer was lost{since}, so it may have arrived"
    if row.next_attempt_at is not None:
        return f"{fact}; it goes once more {_in(row.next_attempt_at, now)} with the same Message-ID."
    bulk = "Bulk mail is never sent twice without your choice" if row.stream == "bulk" else ""
    again = "It went once more already" if row.sent_again else bulk
    why_not = f" {again}, so it is not sent again by itself" if again else " It is not sent again by itself"
    return f"{fact}.{why_not}: treat it as sent, or send it again."


def _held(row: Row, _now: datetime) -> str:
    reason = _plain(row.held_reason or "held by somebody")
    fact = f"Held {reason.removeprefix('held ')}" if reason.startswith("held by ") else f"Held: {reason}"
    goes = _GOES.get(row.held_by or "", "release it to let it go")
    return f"{fact}. Nothing is lost; {goes}."


#: who holds a row -> how it gets free
_GOES = {
    "domain": "it goes on when that hold is lifted", "mailbox": "it goes on when that hold is lifted",
    "transport": "it goes on by itself when there is a way out",
}  # fmt: skip


def _sent(row: Row, _now: datetime) -> str:
    if row.last_error and row.last_error.startswith(TREATED):
        return f"{_capital(row.last_error)}: no answer came, and it is not sent again."
    if row.host == "local":
        return "Delivered to the mailbox here."
    return f"{_server(row)} took it with {_said(row)}." if row.last_code is not None else f"{_server(row)} took it."


def _bounced(row: Row, _now: datetime) -> str:
    if row.bounce == "expired":
        last = f"the last answer was {_said(row)}" if row.last_code is not None else f"the last error: {_plain(row.last_error or 'none')}"
        long = "" if getattr(row, "campaign_id", None) else "five days and "
        return f"Given up after {long}{row.attempts} attempts; {last}."
    if row.last_code is not None:
        return f"{_server(row)} refused it for good with {_said(row)}."
    return f"It cannot be delivered: {_plain(row.last_error or 'refused')}."


def _captured(_row: Row, _now: datetime) -> str:
    return "Kept here on purpose: the transport was capture, so it did not leave this machine."


def _cancelled(row: Row, _now: datetime) -> str:
    tries = f", after {row.attempts} attempt{'' if row.attempts == 1 else 's'}" if row.attempts else ""
    return f"Cancelled before it left{tries}; it is not sent any more."


def _suppressed(row: Row, _now: datetime) -> str:
    reason = f" ({_plain(row.last_error).removeprefix(SUPPRESSED)})" if row.last_error else ""
    return f"Not sent: {row.recipient} is on the suppression list{reason}. It stays there until somebody reactivates it."


def _ahead_s(row: Row, now: datetime) -> float:
    """Seconds until its turn; below zero once that has come."""
    return (row.next_attempt_at - now).total_seconds() if row.next_attempt_at is not None else 0.0


def _ago(moment: datetime | None, now: datetime) -> str:
    return span(float(round((now - moment).total_seconds()))) if moment is not None else "a while"


_SENTENCES = {
    "queued": _queued, "leased": _leased, "deferred": _deferred, "uncertain": _uncertain, "held": _held, "sent": _sent,
    "bounced": _bounced, "captured": _captured, "cancelled": _cancelled, "suppressed": _suppressed,
}  # fmt: skip


def _server(row: Row) -> str:
    if row.host == "local":
        return "The mailbox here"
    return row.host or row.domain


def _said(row: Row) -> str:
    return reply(row.last_code, row.last_reply)


def reply(code: int | None, text: str | None) -> str:
    """What a server said in one line, its code in front once."""
    said = _plain(text or "")
    return said if said.startswith(str(code)) else f"{code} {said}".strip()


def _capital(text: str) -> str:
    return text[:1].upper() + _plain(text)[1:]


def _plain(text: str) -> str:
    """One line without a final full stop, cut where it gets long."""
    line = " ".join(text.split())
    return line.rstrip(".") if len(line) <= MOST_REPLY else f"{line[:MOST_REPLY].rpartition(' ')[0] or line[:MOST_REPLY]}…"


def _in(moment: datetime | None, now: datetime) -> str:
    if moment is None or (moment - now).total_seconds() <= 1:
        return "at once"
    return f"in {span(float(round((moment - now).total_seconds())))}"
