"""The short way for what nearly every outcome of a campaign is: a fresh copy, taken with 2xx at its first attempt.

Nothing has to be decided for these, so their rows, events and counters are a handful of statements for a thousand of them, with the same
result as the long way in `ledger.record`. The database does the work by itself, so the threads of this process go on meanwhile. Their
attempt has no row of its own: all that there is to say of it stands in the delivery and its `sent` event (`attempts.of`).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson

from webapp.core.db import db, is_sqlite
from webapp.sending import history, settle, tally
from webapp.sending.settle import Outcome

#: with more different replies than this the rows are told one by one
MOST_KINDS = 8


#: host, code, text and TLS: what a server said, the same for many letters
Said = tuple[str, int | None, str, str | None]


def _values(said: Said) -> dict[str, Any]:
    """As the statements take it."""
    host, code, text, tls = said
    reply = settle.storable(text)
    details: dict[str, Any] = {"host": host, "code": code, "reply": reply[: history.MOST_REPLY], "attempt": 1}
    if tls:
        details["tls"] = tls
    return {"host": host or None, "code": code, "reply": reply, "details": orjson.dumps(details).decode()}


def parted(outcomes: Iterable[Outcome]) -> tuple[list[Outcome], list[Outcome]]:
    """Those that may take the short way, and the others."""
    plain: list[Outcome] = []
    others: list[Outcome] = []
    for outcome in outcomes:
        row = outcome[0]
        is_plain = row.campaign_id is not None and outcome[1].outcome == "sent" and row.attempts == 0 and row.on_wire_at is None
        (plain if is_plain else others).append(outcome)
    return plain, others


def record(owner: str, outcomes: Sequence[Outcome], now: datetime) -> bool:
    """Write these; False when somebody took rows over: the caller goes back to where it began, and takes the long way with all of them."""
    kinds: dict[Said, list[int]] = {}
    moved: dict[tuple[int, int, str], int] = {}
    ids: dict[int, list[int]] = {}
    for row, result, host, _ in outcomes:
        kinds.setdefault((host, result.code, result.text, result.tls), []).append(row.id)
        ids.setdefault(row.workspace_id, []).append(row.id)
        key = row.workspace_id, row.campaign_id or 0, row.domain
        moved[key] = moved.get(key, 0) + 1
    if _change(owner, kinds, now) < len(outcomes):
        return False
    tally.tell_sent(moved, ids)
    return True


def _change(owner: str, kinds: dict[Said, list[int]], now: datetime) -> int:
    """Rows and their events; returns how many rows were still ours."""
    at: Any = now.replace(tzinfo=None).isoformat(" ", "microseconds") if is_sqlite() else now
    connection = db.session.connection()
    together, one_by_one = (_SQLITE, _SQLITE_EACH) if is_sqlite() else (_POSTGRES, _POSTGRES_EACH)
    if len(kinds) > MOST_KINDS:
        rows = [(number, *_values(kind).values()) for kind, ids in kinds.items() for number in ids]
        values = [{"rows": orjson.dumps(rows).decode(), "owner": owner, "at": at}]
        statements = one_by_one
    else:
        values = [{**_values(kind), "ids": _listed(ids), "owner": owner, "at": at} for kind, ids in kinds.items()]
        statements = together
    number = 0
    for given in values:
        number += connection.exec_driver_sql(statements[0], given).rowcount
        connection.exec_driver_sql(statements[1], given)
    return number


def _listed(ids: list[int]) -> Any:
    return orjson.dumps(ids).decode() if is_sqlite() else ids


_SENT = (
    "UPDATE deliveries SET state = 'sent', attempts = 1, finished_at = {at}, updated_at = {at}, lease_until = NULL, lease_owner = NULL,"
    " boot_id = NULL, host = {host}, last_code = {code}, last_reply = {reply}"
)
_EVENT = (
    "INSERT INTO events (type, workspace_id, at, delivery_id, outgoing_id, mailbox_id, recipient, stream, campaign_id, contact_id, details)"
    " SELECT 'sent', workspace_id, {at}, deliveries.id, outgoing_id, mailbox_id, recipient, stream, campaign_id, contact_id, {details}"
    " FROM deliveries"
)


def _statements(given: dict[str, str], many: str, some: str) -> tuple[str, str]:
    """What changes the rows, and what tells of them."""
    changes = f"{_SENT}{many} WHERE {some} AND lease_owner = {given['owner']}".format(**given)
    tells = f"{_EVENT}{many.replace(' FROM', ' JOIN', 1)}{' ON' if many else ' WHERE'} {some}".format(**given)
    return changes, tells


_ROWS = {name: f"told.{name}" for name in ("host", "code", "reply", "details")}
_TOLD = " FROM (SELECT {columns} FROM {source}) AS told"
_SQLITE = _statements(
    {name: f":{name}" for name in ("host", "code", "reply", "details", "owner", "at")}, "",
    "id IN (SELECT value FROM json_each(:ids))",
)  # fmt: skip
_SQLITE_EACH = _statements(
    {**_ROWS, "owner": ":owner", "at": ":at"},
    _TOLD.format(
        columns=", ".join(f"json_extract(value, '$[{n}]') AS {name}" for n, name in enumerate(("id", "host", "code", "reply", "details"))),
        source="json_each(:rows)",
    ),
    "deliveries.id = told.id",
)
_PG = {"host": "text", "code": "integer", "reply": "text", "details": "jsonb", "owner": "text", "at": "timestamptz"}
_POSTGRES = _statements({name: f"%({name})s::{kind}" for name, kind in _PG.items()}, "", "id = ANY(%(ids)s)")
_POSTGRES_EACH = _statements(
    {**_ROWS, "owner": "%(owner)s::text", "at": "%(at)s::timestamptz"},
    _TOLD.format(
        columns="(row ->> 0)::bigint AS id, row ->> 1 AS host, (row ->> 2)::integer AS code, row ->> 3 AS reply,"
        " (row ->> 4)::jsonb AS details",
        source="jsonb_array_elements(%(rows)s::jsonb) AS given(row)",
    ),
    "deliveries.id = told.id",
)
