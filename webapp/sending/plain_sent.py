"""The short way for what nearly every outcome of a campaign is: a fresh copy, taken with 2xx at its first attempt.

Nothing has to be decided for these, so their rows, attempts, events and counters are a handful of statements for a thousand of them, with
the same result as the long way in `ledger.record`. Rows with equal replies change in one statement.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import bindparam, update

from webapp.core.bulk import among, insert_rows
from webapp.core.db import db, is_sqlite
from webapp.happenings.models import Event
from webapp.sending import history, settle, tally
from webapp.sending.models import Attempt, Delivery
from webapp.sending.settle import Outcome

_UNSYNCED = {"synchronize_session": False}
#: with more different replies than this a statement for each row is cheaper
MOST_KINDS = 8


def is_plain(outcome: Outcome) -> bool:
    """Whether it may take the short way."""
    row = outcome.row
    return outcome.result.outcome == "sent" and row.campaign_id is not None and row.attempts == 0 and row.on_wire_at is None


def record(owner: str, outcomes: Sequence[Outcome], now: datetime) -> list[Outcome]:
    """Write these; returns those that went the other way because somebody else took their rows over."""
    if not outcomes:
        return []
    kinds: dict[tuple[str, int | None, str], list[int]] = {}
    for outcome in outcomes:
        result = outcome.result
        kinds.setdefault((outcome.host, result.code, result.text), []).append(outcome.row.id)
    if _change(owner, kinds, now) < len(outcomes):
        return list(outcomes)  # the caller rolls back to where it began and takes the long way with all of them
    _attempts(outcomes)
    _events(outcomes, now)
    moves = Counter((o.row.workspace_id, o.row.campaign_id, o.row.domain) for o in outcomes)
    tally.tell_sent(moves, [(o.row.workspace_id, o.row.id) for o in outcomes])
    return []


def _change(owner: str, kinds: dict[tuple[str, int | None, str], list[int]], now: datetime) -> int:
    """The rows are sent; returns how many were still ours."""
    if len(kinds) > MOST_KINDS and is_sqlite():
        at = _text(now)
        rows = [(host, code, settle.storable(said), at, at, one, owner) for (host, code, said), ids in kinds.items() for one in ids]
        return int(db.session.connection().exec_driver_sql(_EACH, rows).rowcount)
    number = 0
    for (host, code, text), ids in kinds.items():
        values = {
            "state": "sent", "attempts": 1, "host": host or None, "last_code": code, "last_reply": settle.storable(text),
            "finished_at": now, "lease_until": None, "lease_owner": None, "boot_id": None, "updated_at": now,
        }  # fmt: skip
        change = update(Delivery).where(among(Delivery.id, ids), Delivery.lease_owner == bindparam(None, owner)).values(values)
        result: Any = db.session.execute(change, execution_options=_UNSYNCED)
        number += result.rowcount
    return number


_EACH = (
    "UPDATE deliveries SET state = 'sent', attempts = 1, host = ?, last_code = ?, last_reply = ?, finished_at = ?, updated_at = ?,"
    " lease_until = NULL, lease_owner = NULL, boot_id = NULL WHERE id = ? AND lease_owner = ?"
)
_ATTEMPT = ("delivery_id", "number", "at", "host", "outcome", "code", "text", "seconds", "dialogue", "tls")
_EVENT = (
    "type", "workspace_id", "at", "delivery_id", "outgoing_id", "mailbox_id", "recipient", "stream", "campaign_id", "contact_id", "details",
)  # fmt: skip


def _attempts(outcomes: Sequence[Outcome]) -> None:
    """One for each, with the final reply alone."""
    rows = []
    for row, result, host, at in outcomes:
        said = settle.storable(result.text)
        rows.append((row.id, 1, at, host, "sent", result.code, said, result.seconds, result.dialogue[-1:], result.tls))
    if not is_sqlite():
        insert_rows(Attempt, _ATTEMPT, rows)
        return
    made: dict[str, str] = {}
    _many("attempts", _ATTEMPT, [(*row[:2], _text(row[2]), *row[3:8], _lines(row[8], made), row[9]) for row in rows])


def _lines(lines: list[str], made: dict[str, str]) -> str:
    """The dialogue as it is kept; equal ones are written once."""
    line = lines[0] if lines else ""
    found = made.get(line)
    if found is None:
        found = made[line] = orjson.dumps([settle.storable(one) for one in lines]).decode()
    return found


def _events(outcomes: Sequence[Outcome], now: datetime) -> None:
    made: dict[tuple[str, int | None, str], Any] = {}
    rows = []
    at: Any = _text(now) if is_sqlite() else now
    for row, result, host, _ in outcomes:
        key = (host, result.code, result.text)
        details = made.get(key)
        if details is None:
            said = settle.storable(result.text)[: history.MOST_REPLY]
            details = {"host": host, "code": result.code, "reply": said, "attempt": 1}
            details = made[key] = orjson.dumps(details).decode() if is_sqlite() else details
        rows.append((
            "sent", row.workspace_id, at, row.id, row.outgoing_id, row.mailbox_id, row.recipient, row.stream, row.campaign_id,
            row.contact_id, details,
        ))  # fmt: skip
    if is_sqlite():
        _many("events", _EVENT, rows)
    else:
        insert_rows(Event, _EVENT, rows)


def _many(table: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Rows as SQLite holds them already."""
    statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - names of our own
    db.session.connection().exec_driver_sql(statement, rows)


def _text(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds")
