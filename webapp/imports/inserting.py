"""New contacts by the thousand: SQLite takes up to a thousand in a statement, PostgreSQL all of them in one COPY."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from typing import Any

import orjson

from webapp.contacts.values import NAMES
from webapp.core.db import db, is_sqlite
from webapp.imports.cleaning import Clean
from webapp.imports.deciding import Wanted, subscribed_of

#: columns that a file may fill, in the order in which they go in
TEXTS = (
    "name", "first_name", "last_name", "company", "phone", "job_title", "street", "city", "state", "postal_code", "country", "lead_score",
)  # fmt: skip
#: rows of one statement of SQLite, the most first; each has up to 18 values, and 32,766 are the most. Long statements leave Python to the
#: thread that reads ahead; there are few lengths, because each is compiled once and kept as long as the connection.
TOGETHER = (1000, 100, 10, 1)
#: of PostgreSQL: where ids come from, and what it says when a unique value is there already
SEQUENCE, TAKEN = "pg_get_serial_sequence('contacts', 'id')", "23505"
_NOTHING: Mapping[str, Any] = {**dict.fromkeys(NAMES, ""), "lead_score": 0}
_NEVER_NULL = frozenset({"email", "address", "domain", "custom_fields", *_NOTHING})
#: how a column is written where the file says nothing about it
_CONSTANT = {"name": "''", "first_name": "''", "last_name": "''", "lead_score": "0", "custom_fields": "'{}'", "subscribed": "true"}
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\b": "\\b", "\f": "\\f", "\v": "\\v"})


class Again(Exception):
    """Some of these contacts are there already: the batch is to be done again, with a look at them first."""


@dataclass(frozen=True)
class Made:
    """Ids of the new contacts lie between these, whoever else made some in between."""

    number: int
    first: int
    last: int


def insert(wanted: Wanted, clean: Clean, indexes: Sequence[int], stopped: set[str], now: datetime) -> Made:
    """Add contacts; whoever is in `stopped` comes in as not subscribed. raises Again"""
    chosen = clean.of(indexes)
    columns: dict[str, Sequence[Any]] = {"email": chosen.emails, "address": chosen.addresses}
    columns["domain"] = _domains(chosen.addresses)
    for name in TEXTS:
        if name in chosen.texts:
            columns[name] = _filled(chosen.texts[name], _NOTHING.get(name))
    if chosen.custom is not None:
        columns["custom_fields"] = [orjson.dumps({**wanted.defaults, **values}).decode() for values in chosen.custom]
    elif wanted.defaults:
        columns["custom_fields"] = list(repeat(orjson.dumps(dict(wanted.defaults)).decode(), len(chosen)))
    subscribed = subscribed_of(chosen, range(len(chosen)), stopped)
    if subscribed is not None and not all(subscribed):
        columns["subscribed"] = subscribed
        if chosen.subscribed is not None and False in chosen.subscribed:
            moment = _time(now) if is_sqlite() else f"{_time(now)}+00"
            columns["unsubscribed_at"] = [moment if said is False else None for said in chosen.subscribed]
    put = _put_sqlite if is_sqlite() else _put_postgres
    return put(wanted, columns, len(chosen), now)


def _domains(addresses: Sequence[str]) -> Sequence[str]:
    parts = "@".join(addresses).split("@")
    if len(parts) == 2 * len(addresses):
        return parts[1::2]
    return [address.rpartition("@")[2] for address in addresses]  # one of them has an @ within quotation marks


def _filled(values: Sequence[Any], nothing: Any) -> Sequence[Any]:
    return [nothing if value is None else value for value in values] if nothing is not None and not all(values) else values


def _time(moment: datetime) -> str:
    """As SQLite keeps a time; PostgreSQL wants to know the zone too."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _constants(wanted: Wanted, columns: Mapping[str, Any], moment: str) -> dict[str, str]:
    """Column -> literal for what is the same in all rows; nothing in it comes from outside."""
    fixed = {name: literal for name, literal in _CONSTANT.items() if name not in columns}
    return {
        "created_at": moment, "updated_at": moment, **fixed, "workspace_id": str(int(wanted.workspace_id)),
        "import_id": str(int(wanted.import_id)), "source": "'import'", "is_indexed": "false",
    }  # fmt: skip


def _put_sqlite(wanted: Wanted, columns: Mapping[str, Sequence[Any]], number: int, now: datetime) -> Made:
    """The write lock of the transaction keeps the ids in a row."""
    constants = _constants(wanted, columns, "?1")
    driver: Any = db.session.connection().connection.dbapi_connection
    known = driver.execute("SELECT seq FROM sqlite_sequence WHERE name = 'contacts'").fetchone()
    first = (known[0] if known else 0) + 1
    columns, signs = _plain(columns)
    names, width = ", ".join([*constants, *columns]), len(columns)
    marks = f"({', '.join([*constants.values(), *signs])})"
    moment, done, start = _time(now), 0, 0
    while start < number:
        some = next(most for most in TOGETHER if most <= number - start)
        values: list[Any] = [None] * (some * width + 1)
        values[0] = moment
        for place, column in enumerate(columns.values(), 1):
            values[place::width] = column[start : start + some]
        start += some
        statement = f"INSERT INTO contacts ({names}) VALUES {', '.join([marks] * some)} ON CONFLICT (workspace_id, address) DO NOTHING"  # noqa: S608
        done += driver.execute(statement, values).rowcount
    if done != number:
        raise Again
    return Made(number, first, first + number - 1)


def _plain(columns: Mapping[str, Sequence[Any]]) -> tuple[dict[str, Sequence[Any]], list[str]]:
    """Columns of texts and numbers, and the signs that stand for them: the driver takes ten times as long for None and truth values."""
    found: dict[str, Sequence[Any]] = {}
    signs = []
    for name, values in columns.items():
        found[name], sign = values, "?"
        if isinstance(values[0], bool):
            found[name] = list(map(int, values))
        elif name not in _NEVER_NULL and not all(values):  # no text is empty
            found[name], sign = [value or "" for value in values], "NULLIF(?, '')"
        signs.append(sign)
    return found, signs


def _put_postgres(wanted: Wanted, columns: Mapping[str, Sequence[Any]], number: int, now: datetime) -> Made:
    """Straight into the table; an address that is there ends the COPY and the transaction with it."""
    constants = {name: literal.strip("'") for name, literal in _constants(wanted, columns, f"{_time(now)}+00").items()}
    connection = db.session.connection()
    driver: Any = connection.connection.dbapi_connection
    dbapi: Any = connection.dialect.dbapi
    rows = zip(*map(_copied, columns.values()), repeat("\t".join(constants.values())), strict=False)
    with driver.cursor() as cursor:
        first = cursor.execute(f"SELECT nextval({SEQUENCE})").fetchone()[0] + 1
        try:
            with cursor.copy(f"COPY contacts ({', '.join([*columns, *constants])}) FROM STDIN") as copy:
                copy.write("\n".join(map("\t".join, rows)) + "\n")
        except dbapi.IntegrityError as error:
            if error.sqlstate == TAKEN:
                raise Again from error
            raise
        last = cursor.execute(f"SELECT currval({SEQUENCE})").fetchone()[0]
    return Made(number, first, last)


def _copied(values: Sequence[Any]) -> Sequence[str]:
    """A column as COPY reads it."""
    if isinstance(values[0], bool):
        return ["t" if value else "f" for value in values]
    if None not in values and isinstance(values[0], str):
        together = "".join(values)
        return values if together.isprintable() and "\\" not in together else [value.translate(_ESCAPES) for value in values]
    return ["\\N" if value is None else str(value).translate(_ESCAPES) for value in values]
