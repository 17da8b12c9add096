"""The log as a file: CSV for people with spreadsheets, one JSON object a line for programs; streamed, however long it is.

    export = begin(actor, filters, form="csv")     asks for the right, notes in the log that somebody takes a copy
    for piece in stream(export): …                 oldest first, a batch at a time; notes at the end how many entries it were

Each batch is a read of its own that begins where the last one ended, so nothing is locked, no snapshot is held, and memory stays as it
is. What is written while the export runs is not in it. A cell that a spreadsheet would take for a formula gets an apostrophe in front,
unless the caller wants the raw text.
"""

import csv
import io
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import BigInteger, String, bindparam, func, literal, select, type_coerce

from webapp.audit import service
from webapp.audit.models import AuditEntry, AuditHead
from webapp.audit.search import Search
from webapp.audit.service import LOG
from webapp.core.actor import Actor
from webapp.core.db import db, fresh_session, is_sqlite, reading, utcnow

BATCH = 1000
#: form -> (content type, ending of the file's name)
FORMS = {"csv": ("text/csv; charset=utf-8", "csv"), "json": ("application/x-ndjson", "ndjson")}
COLUMNS = (
    "id", "at", "actor_type", "actor_id", "actor_name", "token_id", "token_name", "token_last_four", "action", "target_type", "target_id",
    "target_name", "result", "reason", "before", "after", "ip", "request_id", "hash", "previous_hash",
)  # fmt: skip
#: places of the columns whose text somebody else may have chosen
_OURS = {"id", "at", "actor_id", "token_id", "target_id", "hash", "previous_hash"}
FOREIGN = tuple(COLUMNS.index(name) for name in COLUMNS if name not in _OURS)
#: a spreadsheet runs what begins so, in some with the wide forms, and looks past blanks
FORMULA = frozenset("=+-@＝＋－＠")
BLANK = " \t\r\n\v\f\x85\xa0\u2028\u2029\u3000\ufeff\x00"
_LOOK = FORMULA | frozenset(BLANK)


@dataclass(frozen=True)
class Export:
    """One copy that somebody takes. `up_to` is the newest entry that was there when it began."""

    actor: Actor
    filters: dict[str, Any]
    form: str
    raw: bool
    up_to: int
    began: datetime

    @property
    def content_type(self) -> str:
        return FORMS[self.form][0]

    @property
    def filename(self) -> str:
        return f"audit-{self.began:%Y%m%dT%H%M%SZ}.{FORMS[self.form][1]}"

    def noted(self, **more: Any) -> dict[str, Any]:
        """What the log keeps of it."""
        return {"format": self.form, "raw": self.raw, "filters": self.filters, **more}


def begin(actor: Actor, filters: dict[str, Any], *, form: str, raw: bool = False) -> Export:
    """Note the export in the log, in a transaction of its own; the caller's ends here.

    filters  as `audit.search.Search` takes them
    raises   Forbidden below admin, InsufficientScope without audit:read
    """
    actor.require("audit:read")
    given = {name: value for name, value in filters.items() if value not in (None, "")}
    newest = db.session.scalar(select(AuditHead.last_id).where(AuditHead.workspace_id == actor.workspace_id)) or 0
    export = Export(actor, given, form, raw and form == "csv", newest, utcnow())
    db.session.rollback()
    _note(export, state="started")
    return export


def _note(export: Export, **more: Any) -> None:
    with fresh_session():
        service.record(export.actor, "audit.export", LOG, after=export.noted(**more))


def stream(export: Export) -> Generator[bytes]:
    """The file in pieces. Whoever stops reading leaves a note of how many entries were made by then."""
    count, state = 0, "interrupted"
    paint = _json if export.form == "json" else _raw_csv if export.raw else _csv
    try:
        if export.form == "csv":
            yield _raw_csv([COLUMNS])
        for rows in _batches(export):
            count += len(rows)
            yield paint(rows)
        state = "finished"
    finally:
        db.session.rollback()
        _note(export, state=state, count=count)


def _batches(export: Export) -> Iterator[list[Any]]:
    with reading():
        found = Search(export.actor.workspace_id, export.filters)
        columns = [_time() if name == "at" else getattr(AuditEntry, name) for name in COLUMNS]
        query = found.select(*columns, beyond=bindparam("export_beyond", type_=BigInteger), newest=False, most=BATCH)
        query = query.where(AuditEntry.id <= export.up_to)
        db.session.rollback()
    beyond = 0
    while True:
        with reading():  # plain rows from the connection; the session would look at each of them
            rows = list(db.session.connection().execute(query, {"export_beyond": beyond}).fetchall())
            db.session.rollback()
        if rows:
            yield rows
        if len(rows) < BATCH:
            return
        beyond = rows[-1][0]


def _time() -> Any:
    """The time as the wire has it, written by the database."""
    if is_sqlite():
        return func.replace(type_coerce(AuditEntry.at, String), literal(" "), literal("T")).concat("Z")
    return func.to_char(func.timezone("UTC", AuditEntry.at), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')


def _raw_csv(rows: Iterable[Any]) -> bytes:
    """RFC 4180: commas, quotes where needed, CRLF; UTF-8 without a mark. No program reads a NUL."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().replace("\x00", "").encode("utf-8", "replace")


def _csv(rows: Iterable[Any]) -> bytes:
    """Column by column, which is twice as fast as cell by cell: most columns hold numbers or words of our own."""
    columns: list[Any] = list(zip(*rows, strict=True))
    for place in FOREIGN:
        columns[place] = [cell if cell is None or cell[:1] not in _LOOK else harmless(cell) for cell in columns[place]]
    return _raw_csv(zip(*columns, strict=True))


def harmless(cell: str) -> str:
    """The cell as text for every spreadsheet: an apostrophe stands before what would be run as a formula.

    >>> harmless("=1+1")
    "'=1+1"
    """
    return f"'{cell}" if cell.lstrip(BLANK)[:1] in FORMULA or cell[:1] in "\t\r" else cell


def _json(rows: Iterable[Any]) -> bytes:
    """One entry a line, as the API writes it."""
    lines = []
    for (
        entry_id, at, actor_type, actor_id, actor_name, token_id, token_name, last_four, action, target_type, target_id, target_name,
        result, reason, before, after, ip, request_id, digest, previous,
    ) in rows:  # fmt: skip
        token = None if token_id is None else {"id": token_id, "name": token_name, "last_four": last_four}
        entry = {
            "id": entry_id, "at": at, "actor": {"type": actor_type, "id": actor_id, "name": actor_name}, "token": token, "action": action,
            "target": {"type": target_type, "id": target_id, "name": target_name}, "result": result, "reason": reason,
            "before": None if before is None else orjson.Fragment(before), "after": None if after is None else orjson.Fragment(after),
            "ip": ip, "request_id": request_id, "hash": digest, "previous_hash": previous,
        }  # fmt: skip
        lines.append(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
    return b"".join(lines)
