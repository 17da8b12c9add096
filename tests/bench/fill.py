"""Fills an installation's SQLite database with messages by SQL, a million in about a minute."""

import sqlite3
import time
from pathlib import Path

MESSAGES = """
INSERT INTO messages (workspace_id, mailbox_id, direction, state, raw_id, envelope_sender, envelope_recipients, recipient, sender,
    sender_name, receivers_text, cc_text, subject, message_id_header, size_bytes, has_attachments, attachments, preview, folder, seen,
    quarantined, trusted, is_system, is_test, parse_limited, deaths, created_at, updated_at, date)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :number)
SELECT 1, 1, 'received', 'processed', :raw, 'person' || (i % 5000) || '@example.test', '["bench@acme.test"]', 'bench@acme.test',
    'person' || (i % 5000) || '@example.test', 'Person ' || (i % 5000), 'bench@acme.test', '', 'Offer ' || i || ' for bicycles',
    'm' || i || '@example.test', 2048, i % 4 = 0, '[]', 'Dear customer, here is offer number ' || i, 'INBOX', i % 3 > 0, 0, 1, 0, 0, 0, 0,
    datetime('2026-01-01', '+' || i || ' seconds'), datetime('2026-01-01', '+' || i || ' seconds'),
    datetime('2026-01-01', '+' || i || ' seconds')
FROM n
"""
COUNTERS = """
INSERT INTO counters (workspace_id, name, number)
SELECT 1, name, :number FROM (SELECT 'messages' AS name UNION SELECT 'messages:received' UNION SELECT 'messages:inbox'
    UNION SELECT 'messages:1' UNION SELECT 'messages:1:received' UNION SELECT 'messages:1:inbox') WHERE true
ON CONFLICT (workspace_id, name) DO UPDATE SET number = number + excluded.number
"""


def fill(file: Path, number: int) -> float:
    """Add so many messages to mailbox 1 of workspace 1; returns the seconds it took."""
    started = time.perf_counter()
    connection = sqlite3.connect(file, timeout=60, isolation_level=None)
    connection.execute("PRAGMA cache_size=-200000")
    connection.execute("BEGIN IMMEDIATE")
    raw = connection.execute(
        "INSERT INTO raw_messages (sha256, size_bytes, packed, created_at) "
        "VALUES (hex(randomblob(32)), 10, x'28B52FFD', datetime()) RETURNING id"
    ).fetchone()[0]
    connection.execute(MESSAGES, {"number": number, "raw": raw})
    connection.execute(COUNTERS, {"number": number})
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.close()
    return time.perf_counter() - started
