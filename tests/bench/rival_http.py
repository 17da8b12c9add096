"""The bare endpoint that the API's list is measured against: sqlite3, orjson, a token from a cache, keyset, nothing else.

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


def connection() -> Any:
    found = getattr(kept, "connection", None)
    if found is None:
        found = kept.connection = sqlite3.connect(os.environ["FILE"])
        found.execute("PRAGMA query_only=1")
    return found


@functools.lru_cache(10_000)
def who(token: str) -> int:
    return int(hashlib.sha256(token.encode()).hexdigest()[:4], 16) and 1


@app.get("/raw")
def raw() -> Response:
    mailbox = who(request.headers.get("Authorization", ""))
    rows = connection().execute(SQL, (mailbox, int(request.args.get("before", 1 << 60)))).fetchall()
    body = {"data": [dict(zip(NAMES, row, strict=True)) for row in rows], "next": rows[-1][0] if rows else None}
    return Response(orjson.dumps(body), mimetype="application/json")
