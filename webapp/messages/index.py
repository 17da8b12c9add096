"""The search index behind one interface: FTS5 on SQLite, a `tsvector` with GIN on PostgreSQL (the tables are in the migration).

    put(message, …)        index or index anew
    Hits(terms, scopes)    the ids that have all terms, newest or oldest first, in pieces as large as the caller needs

The scope (workspace, mailbox) is a word of the index, so a rare mailbox is found as fast as a rare word.

On PostgreSQL a rare word must not be looked for by walking down the ids: up to RARE hits are taken from the index first and sorted here;
only what is more frequent than that is found by walking, where it turns up soon (PERFORMANCE D).
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from webapp.core.db import db, is_sqlite
from webapp.messages.language import Term
from webapp.messages.models import Message, MessageText
from webapp.messages.words import FILE_MARK, MOST_CHARS, WEIGHTS, storable, tsvector, words_of

#: hits that are taken from the index at once on PostgreSQL; what has more is found by walking
RARE = 5000
COLUMNS = "{subject sender receivers files body}"


def scopes_of(workspace_id: int, mailbox_id: int | None) -> list[str]:
    """The words of the index that stand for where a message lies."""
    return [f"w{workspace_id}", f"m{mailbox_id or 0}"]


def put(message: Message, **fields: str) -> None:
    """Index one message; `fields` are the columns of `message_texts`."""
    kept = {name: storable(fields.get(name, ""), MOST_CHARS) for name in WEIGHTS}
    scopes = scopes_of(message.workspace_id, message.mailbox_id)
    row = db.session.get(MessageText, message.id) or MessageText(message_id=message.id)
    row.scope = " ".join(scopes)
    for name, value in kept.items():
        setattr(row, name, value)
    db.session.add(row)
    db.session.flush()
    if not is_sqlite():
        db.session.execute(
            text("UPDATE message_texts SET words = CAST(:words AS tsvector) WHERE message_id = :id"),
            {"words": tsvector(scopes, kept), "id": message.id},
        )


class Hits:
    """The messages that have all terms within all scopes."""

    def __init__(self, terms: Sequence[Term], scopes: Sequence[str]) -> None:
        self.sqlite = is_sqlite()
        self.query = _fts5(terms, scopes) if self.sqlite else _tsquery(terms, scopes)
        self._all: list[int] | None = None
        self._looked = False

    def take(self, beyond: int | None, number: int, newest: bool = True) -> list[int]:
        """Up to `number` ids beyond an id (None: from the beginning) in the direction asked for."""
        if self.sqlite:
            return self._walk_fts5(beyond, number, newest)
        if not self._looked:
            self._all, self._looked = self._rare(), True
        if self._all is not None:
            ids = self._all if newest else self._all[::-1]
            ids = ids if beyond is None else [one for one in ids if (one < beyond if newest else one > beyond)]
            return ids[:number]
        return self._walk_tsvector(beyond, number, newest)

    def count(self, cap: int) -> tuple[int, bool]:
        """How many there are, counted up to `cap`: (number, whether there are more)."""
        statement = FTS5_COUNT if self.sqlite else TSVECTOR_COUNT
        if not self.sqlite:
            db.session.execute(text("SET LOCAL enable_seqscan = off"))
        number = int(db.session.execute(text(statement), {"query": self.query, "most": cap + 1}).scalar_one())
        if not self.sqlite:
            db.session.execute(text("SET LOCAL enable_seqscan = on"))
        return min(number, cap), number > cap

    def _walk_fts5(self, beyond: int | None, number: int, newest: bool) -> list[int]:
        statement = FTS5_DOWN if newest else FTS5_UP
        edge = (2**63 - 1 if newest else 0) if beyond is None else beyond
        return list(db.session.execute(text(statement), {"query": self.query, "beyond": edge, "most": number}).scalars())

    def _rare(self) -> list[int] | None:
        """All ids, newest first, when there are at most RARE; else None."""
        db.session.execute(text("SET LOCAL enable_seqscan = off"))
        ids = list(db.session.execute(text(TSVECTOR_RARE), {"query": self.query, "most": RARE + 1}).scalars())
        db.session.execute(text("SET LOCAL enable_seqscan = on"))
        return sorted(ids, reverse=True) if len(ids) <= RARE else None

    def _walk_tsvector(self, beyond: int | None, number: int, newest: bool) -> list[int]:
        statement = TSVECTOR_DOWN if newest else TSVECTOR_UP
        edge = (2**63 - 1 if newest else 0) if beyond is None else beyond
        values: dict[str, Any] = {"query": self.query, "beyond": edge, "most": number}
        return list(db.session.execute(text(statement), values).scalars())


FTS5_DOWN = "SELECT rowid FROM message_fts WHERE message_fts MATCH :query AND rowid < :beyond ORDER BY rowid DESC LIMIT :most"
FTS5_UP = "SELECT rowid FROM message_fts WHERE message_fts MATCH :query AND rowid > :beyond ORDER BY rowid LIMIT :most"
FTS5_COUNT = "SELECT count(*) FROM (SELECT 1 FROM message_fts WHERE message_fts MATCH :query LIMIT :most)"
TSVECTOR_RARE = "SELECT message_id FROM message_texts WHERE words @@ CAST(:query AS tsquery) LIMIT :most"
TSVECTOR_COUNT = f"SELECT count(*) FROM ({TSVECTOR_RARE}) AS hits"  # noqa: S608  both parts are constants
TSVECTOR_DOWN = """
    SELECT message_id FROM message_texts WHERE words @@ CAST(:query AS tsquery) AND message_id < :beyond
    ORDER BY message_id DESC LIMIT :most
"""
TSVECTOR_UP = """
    SELECT message_id FROM message_texts WHERE words @@ CAST(:query AS tsquery) AND message_id > :beyond
    ORDER BY message_id LIMIT :most
"""


def _fts5(terms: Sequence[Term], scopes: Sequence[str]) -> str:
    """Every term is quoted, so nothing that was typed is taken for FTS5's own syntax."""
    parts = [f'{term.field or COLUMNS} : "{" ".join(term.words)}"{" *" if term.prefix else ""}' for term in terms]
    inside = " OR ".join(f'"{scope}"' for scope in scopes)
    return " AND ".join([f"({part})" for part in parts] + [f"(scope : ({inside}))"])


def _tsquery(terms: Sequence[Term], scopes: Sequence[str]) -> str:
    """Words are letters and digits alone (`words_of`), so quoting is enough."""
    parts = []
    for term in terms:
        weight = WEIGHTS[term.field] if term.field and term.field != "files" else ""
        own = FILE_MARK if term.field == "files" else ""
        last = len(term.words) - 1
        marks = [f"{'*' if term.prefix and place == last else ''}{weight}" for place in range(last + 1)]
        words = [f"'{own}{word}'{f':{mark}' if mark else ''}" for word, mark in zip(term.words, marks, strict=True)]
        parts.append(f"({' <-> '.join(words)})")
    return " & ".join([*parts, f"({' | '.join(f'{chr(39)}@{scope}{chr(39)}' for scope in scopes)})"])


def terms_of(value: str, field: str | None = None) -> list[Term]:
    words = tuple(words_of(value))
    return [Term(words, field)] if words else []
