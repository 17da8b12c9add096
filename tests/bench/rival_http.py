"""The bare endpoint that the API's list is measured against: sqlite3, orjson, a token from a cache, keyset, nothing else.

/raw answers 6 columns (the yardstick of the goal), /same the 27 that Mailroom's list answers, with nothing made of them.

/pixel answers 43 bytes and looks at nothing, for the benchmark of opens.

Run by http_list under the same gunicorn settings; FILE is the installation's own database.
"""

import functools
import hashlib
import os
import sqlite3
import threading
from typing import Any

import orjson
from flask import Flask, Response, request

app = Flask(__name__)
kept = threading.local()
SQL = (
    "SELECT id, sender, subject, recipient, created_at, size_bytes FROM messages WHERE mailbox_id = ? AND deleted_at IS NULL AND id < ? "
    "ORDER BY id DESC LIMIT 25"
)
NAMES = ("id", "sender", "subject", "recipient", "created_at", "size_bytes")
PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
WIDE = (
    "id", "mailbox_id", "direction", "state", "envelope_sender", "recipient", "sender", "sender_name", "receivers_text", "cc_text",
    "subject", "message_id_header", "date", "size_bytes", "has_attachments", "attachments", "preview", "folder", "seen", "quarantined",
    "trusted", "is_test", "parse_limited", "problem", "delivery_state", "created_at",
)  # fmt: skip
WIDE_SQL = (
    f"SELECT {', '.join(f'messages.{name}' for name in WIDE)}, mailboxes.email FROM messages LEFT JOIN mailboxes "
    "ON mailboxes.id = messages.mailbox_id WHERE messages.mailbox_id = ? AND messages.deleted_at IS NULL AND messages.id < ? "
    "ORDER BY messages.id DESC LIMIT 25"
)


def connection() -> Any:
    found = getattr(kept, "connection", None)
    if found is None:
        found = kept.connection = sqlite3.connect(os.environ["FILE"])
        found.execute("PRAGMA query_only=1")
    return found


@functools.lru_cache(10_000)
def who(token: str) -> int:
    return int(hashlib.sha256(token.encode()).hexdigest()[:4], 16) and 1


def answer(sql: str, names: tuple[str, ...]) -> Response:
    mailbox = who(request.headers.get("Authorization", ""))
    rows = connection().execute(sql, (mailbox, int(request.args.get("before", 1 << 60)))).fetchall()
    body = {"data": [dict(zip(names, row, strict=True)) for row in rows], "next": rows[-1][0] if rows else None}
    return Response(orjson.dumps(body), mimetype="application/json")


@app.get("/raw")
def raw() -> Response:
    return answer(SQL, NAMES)


@app.get("/same")
def same() -> Response:
    return answer(WIDE_SQL, (*WIDE, "mailbox"))


@app.get("/pixel/<token>")
def pixel(token: str) -> Response:
    """The least that a tracking pixel can be: it checks and counts nothing (yardstick of the benchmark `opens`)."""
    return Response(PIXEL, mimetype="image/gif")
