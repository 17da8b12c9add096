"""Reading an upload of mailbox data, CSV or JSON. Pure.

CSV    first line names the columns; `email` or `emails` holds the receivers (several separated by commas, semicolons or spaces), `note` the
       note, every other column is a key of the data; the separator may be a comma, a semicolon or a tab
JSON   a list of {"emails": [...], "data": {...}, "note": "..."}
"""

import csv
import io
import json
import re
from dataclasses import dataclass, field
from typing import Any

MOST_ENTRIES = 10_000
EMAIL_COLUMNS = ("emails", "email", "receiver", "receivers")


class BadFile(Exception):
    """The upload cannot be read; the text says where and what to do."""


@dataclass(frozen=True)
class Entry:
    """One entry as it stands in the file; `line` is for messages."""

    line: int
    emails: list[str]
    data: dict[str, Any] = field(default_factory=dict)
    note: str = ""


def read_file(filename: str, content: bytes) -> list[Entry]:
    """The entries of an upload. raises BadFile"""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    if "\x00" in text:
        raise BadFile("This is no text file. Upload CSV or JSON.")
    if not text.strip():
        raise BadFile("The file is empty.")
    is_json = filename.lower().endswith(".json") or text.lstrip()[:1] in "[{"
    entries = _from_json(text) if is_json else _from_csv(text)
    if not entries:
        raise BadFile("The file holds no entries.")
    if len(entries) > MOST_ENTRIES:
        raise BadFile(f"The file holds {len(entries):,} entries; one upload takes {MOST_ENTRIES:,}. Split it.")
    return entries


def _from_json(text: str) -> list[Entry]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadFile(f"This is not JSON: {error}.") from None
    if not isinstance(found, list):
        raise BadFile("Send a list, as in [{\"emails\": [\"a@b.example\"], \"data\": {\"key\": \"value\"}}].")
    entries = []
    for number, item in enumerate(found, 1):
        emails = item.get("emails") if isinstance(item, dict) else None
        data = item.get("data", {}) if isinstance(item, dict) else None
        if isinstance(emails, str):
            emails = [emails]
        if not isinstance(emails, list) or not all(isinstance(email, str) for email in emails) or not isinstance(data, dict):
            raise BadFile(f"Entry {number} needs “emails” (a list of addresses) and “data” (an object).")
        entries.append(Entry(number, emails, data, str(item.get("note") or "")))
    return entries


def _from_csv(text: str) -> list[Entry]:
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        names = [name.strip() for name in next(rows)]
        lowered = [name.lower() for name in names]
        place = next((lowered.index(name) for name in EMAIL_COLUMNS if name in lowered), None)
        if place is None:
            raise BadFile("The first line names no column “email” or “emails”.")
        if len({name for name in names if name}) != len([name for name in names if name]):
            raise BadFile("Two columns bear the same name.")
        entries = []
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            cells = dict(zip(range(len(names)), row, strict=False))
            emails = [part for part in re.split(r"[,;\s]+", cells.get(place, "")) if part]
            data = {name: cells.get(at, "").strip() for at, name in enumerate(names) if name and at != place and name.lower() != "note"}
            note = cells.get(lowered.index("note"), "") if "note" in lowered else ""
            entries.append(Entry(rows.line_num, emails, {key: value for key, value in data.items() if value}, note.strip()))
    except (csv.Error, StopIteration) as error:
        raise BadFile(f"This is not CSV: {error}.") from None
    return entries
