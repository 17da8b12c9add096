"""Reading a list of addresses to be suppressed, CSV or JSON, row by row; what is wrong with a row is said and the others go on. Pure.

CSV    a first line that names columns: `address` (or email, recipient), and where it likes `reason` (or type), `scope` (or sending_stream),
       `note`; without such a line the first column is the address. The separator may be a comma, a semicolon or a tab
JSON   a list of addresses, or of objects with the same names
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from webapp.mail.address import BadAddress, normalise

MOST_ROWS, MOST_BYTES = 100_000, 10 * 1024 * 1024
#: spellings of other systems, in lower case without _ and -
NAMES = {
    "address": "address", "email": "address", "emailaddress": "address", "recipient": "address", "reason": "reason", "type": "reason",
    "scope": "scope", "sendingstream": "scope", "stream": "scope", "note": "note", "comment": "note",
}  # fmt: skip
REASONS = {
    "hardbounce": "hard_bounce", "bounce": "hard_bounce", "bounced": "hard_bounce", "complaint": "complaint", "spamcomplaint": "complaint",
    "spam": "complaint", "unsubscription": "unsubscription", "unsubscribe": "unsubscription", "unsubscribed": "unsubscription",
    "manual": "manual", "manualimport": "manual", "": "manual",
}  # fmt: skip
SCOPES = {"all": "all", "any": "all", "": "all", "bulk": "bulk", "transactional": "transactional"}
MOST_NOTE = 500


class BadFile(Exception):
    """The file cannot be read at all; the text says why and what to do."""


@dataclass(frozen=True)
class Row:
    """One row as it stands in the file, in the words of the list."""

    line: int
    address: str
    reason: str
    scope: str
    note: str


@dataclass(frozen=True)
class Wrong:
    """A row that cannot be taken: what stood there, and why not."""

    line: int
    text: str
    message: str


def read(content: bytes) -> tuple[list[Row], list[Wrong]]:
    """(rows, rows that are wrong). raises BadFile"""
    if len(content) > MOST_BYTES:
        raise BadFile(f"The file has {len(content):,} bytes; one import takes {MOST_BYTES:,}. Split it.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    if "\x00" in text:
        raise BadFile("This is no text file. Send CSV or JSON.")
    rows: list[Row] = []
    wrong: list[Wrong] = []
    for line, cells in _json(text) if text.lstrip()[:1] in ("[", "{") else _csv(text):
        if len(rows) + len(wrong) >= MOST_ROWS:
            raise BadFile(f"One import takes {MOST_ROWS:,} rows. Split the file.")
        found = _row(line, cells)
        if isinstance(found, Row):
            rows.append(found)
        else:
            wrong.append(found)
    if not rows and not wrong:
        raise BadFile("The file holds no addresses.")
    return rows, wrong


def _row(line: int, cells: dict[str, str]) -> Row | Wrong:
    address = cells.get("address", "").strip()
    reason, scope = REASONS.get(_plain(cells.get("reason", ""))), SCOPES.get(_plain(cells.get("scope", "")))
    try:
        plain = normalise(address)
    except BadAddress as error:
        return Wrong(line, address[:200], str(error))
    if reason is None:
        return Wrong(line, address, f"“{cells['reason'][:60]}” is no reason; write hard_bounce, complaint, unsubscription or manual.")
    if scope is None:
        return Wrong(line, address, f"“{cells['scope'][:60]}” is no scope; write all, bulk or transactional.")
    return Row(line, plain, reason, scope, " ".join(cells.get("note", "").split())[:MOST_NOTE])


def _plain(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())


def _csv(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    first = text.lstrip().split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), skipinitialspace=True)
    names: list[str] | None = None
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if names is None:
                names = [NAMES.get(_plain(cell), "") for cell in row]
                if "address" in names:
                    continue
                if not any("@" in cell for cell in row):
                    raise BadFile("The first line names no column “address”.")
                names = ["address"]
            yield reader.line_num, {name: cell for name, cell in zip(names, row, strict=False) if name}
    except csv.Error as error:
        raise BadFile(f"This is not CSV: {error}.") from None


def _json(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadFile(f"This is not JSON: {error}.") from None
    if not isinstance(found, list):
        raise BadFile("Send a list, as in [{\"address\": \"ada@example.org\", \"reason\": \"unsubscription\"}].")
    for number, item in enumerate(found, 1):
        if isinstance(item, str):
            yield number, {"address": item}
        elif isinstance(item, dict):
            yield number, {NAMES[_plain(str(name))]: str(value or "") for name, value in item.items() if _plain(str(name)) in NAMES}
        else:
            yield number, {"address": str(item)[:200]}
