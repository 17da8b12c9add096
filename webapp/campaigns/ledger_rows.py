"""New rows of the ledger for people of a campaign, in one statement; whose address has one already gets none."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import select

from webapp.core.bulk import among
from webapp.core.db import db, is_sqlite
from webapp.sending.ledger import LEASE_S
from webapp.sending.models import Delivery

#: columns that are the same for all rows of a claim, and those that are not
SAME = (
    "workspace_id", "outgoing_id", "mailbox_id", "campaign_id", "stream", "attempts", "sent_again", "created_at", "updated_at", "boot_id",
)  # fmt: skip
OWN = ("id", "contact_id", "recipient", "domain", "state", "next_attempt_at", "lease_until", "lease_owner", "host", "finished_at")
_KINDS = {"stream": "text", "boot_id": "text", "sent_again": "boolean", "created_at": "timestamptz", "updated_at": "timestamptz"}
_TIMES = {"next_attempt_at", "lease_until", "finished_at"}


def insert_new(
    campaign: Any, people: Sequence[Any], ids: Sequence[int], states: Sequence[str], owner: str, boot_id: str, now: datetime
) -> set[int]:
    """A row for each of these people, under these ids and in these states: leased by `owner`, queued or captured.

    returns the ids of the rows that were written
    """
    due, lease = _text(now), _text(now + timedelta(seconds=LEASE_S))
    rest: dict[str, tuple[Any, ...]] = {
        "leased": ("leased", None, lease, owner, None, None), "queued": ("queued", due, None, None, None, None),
        "captured": ("captured", None, None, None, "capture", due), "held": ("held", None, None, None, None, None),
    }  # fmt: skip
    same = (campaign.workspace_id, campaign.outgoing_id, campaign.mailbox_id, campaign.id, "bulk", 0, False, due, due, boot_id)
    connection = db.session.connection()
    if is_sqlite() and len(set(states)) == 1:
        given = {**dict(zip(SAME, same, strict=True)), **dict(zip(OWN[4:], rest[states[0]], strict=True))}
        given |= {"first": ids[0], "people": orjson.dumps([one[0] for one in people]).decode()}
        number = connection.exec_driver_sql(_SQLITE, given).rowcount
    else:
        rows = [(number, one[0], one[1], one[2], *rest[state]) for one, number, state in zip(people, ids, states, strict=True)]
        if is_sqlite():
            number = connection.exec_driver_sql(_SQLITE_EACH, [(*same, *row) for row in rows]).rowcount
        else:
            document = {"rows": orjson.dumps(rows).decode(), **dict(zip(SAME, same, strict=True))}
            number = connection.exec_driver_sql(_POSTGRES, document).rowcount
    if number == len(ids):
        return set(ids)
    return set(db.session.scalars(select(Delivery.id).where(among(Delivery.id, ids))))


def _text(moment: datetime) -> str:
    """As both databases take it: SQLite keeps it, PostgreSQL reads it."""
    if is_sqlite():
        return moment.replace(tzinfo=None).isoformat(" ", "microseconds")
    return moment.isoformat()


def _element(name: str, place: int) -> str:
    kind = "timestamptz" if name in _TIMES else "bigint" if name in ("id", "contact_id") else "text"
    return f"(given.row ->> {place})::{kind}"


def _shared(name: str) -> str:
    kind = _KINDS.get(name, "bigint")
    return f"%({name})s::{kind}"


_INTO = f"INSERT INTO deliveries ({', '.join((*SAME, *OWN))})"
_ONCE = "ON CONFLICT (outgoing_id, recipient) DO NOTHING"
_SQLITE_EACH = f"{_INTO} VALUES ({', '.join('?' * (len(SAME) + len(OWN)))}) {_ONCE}"
#: the ids of a claim follow one another there, so the database makes the rows of the contacts by itself
_SQLITE = (
    f"{_INTO} SELECT {', '.join(f':{name}' for name in SAME)}, :first + listed.key, contacts.id, contacts.address, contacts.domain,"  # noqa: S608
    f" {', '.join(f':{name}' for name in OWN[4:])} FROM json_each(:people) AS listed CROSS JOIN contacts ON contacts.id = listed.value"
    f" WHERE true {_ONCE}"
)
_POSTGRES = (
    f"{_INTO} SELECT {', '.join(map(_shared, SAME))}, {', '.join(map(_element, OWN, range(len(OWN))))}"  # noqa: S608
    f" FROM jsonb_array_elements(%(rows)s::jsonb) AS given(row) {_ONCE}"
)
