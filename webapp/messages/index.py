"""The search index behind one interface: FTS5 on SQLite, a `tsvector` with GIN on PostgreSQL (the tables are in the migration).

    put(message, …)        index or index anew; hide, show: into the trash and back
    Hits(terms, scopes)    the ids that have all terms, newest or oldest first, in pieces as large as the caller needs

The scope (workspace, mailbox) is a word of the index, so a rare mailbox is found as fast as a rare word.

A rare word must not be looked for by walking down the ids on PostgreSQL (PERFORMANCE D), and not by comparing it with the long list of its
scope on SQLite: few hits are taken all at once and sorted here; what is frequent is found by walking, where it turns up soon.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import text

from webapp.core.db import db, is_sqlite
from webapp.messages.language import Term
from webapp.messages.models import Message, MessageText
from webapp.messages.words import FILE_MARK, MOST_CHARS, WEIGHTS, searchable, tsvector, words_of

#: up to so many hits are taken at once; what has more is found by walking. Past FREQUENT expected hits the walk begins at once
RARE_FTS5, RARE_TSVECTOR, FREQUENT = 2000, 5000, 50_000
COLUMNS = "{subject sender receivers files body}"


def scopes_of(workspace_id: int, mailbox_id: int | None) -> list[str]:
    """The words of the index that stand for where a message lies."""
    return [f"w{workspace_id}", f"m{mailbox_id or 0}"]


def put(message: Message, **fields: str) -> None:
    """Index one message; `fields` are the columns of `message_texts`. One statement, whether it was indexed before or not."""
    put_many([entry(message, fields)])


def entry(place: Any, fields: Mapping[str, str]) -> dict[str, Any]:
    """What `put_many` takes for one message; needs no database, so nobody waits while it is made.

    place   with id, workspace_id and mailbox_id
    fields  the columns of `message_texts`
    """
    kept = {name: searchable(fields.get(name, ""), MOST_CHARS) for name in WEIGHTS}
    scopes = scopes_of(place.workspace_id, place.mailbox_id)
    values = {"message_id": place.id, "scope": " ".join(scopes), **kept}
    return values if is_sqlite() else {**values, "words": tsvector(scopes, kept)}


def put_many(entries: Sequence[dict[str, Any]]) -> None:
    """Index several messages, or index them anew, with one statement."""
    if entries:
        db.session.execute(PUT_FTS5 if is_sqlite() else PUT_TSVECTOR, entries)


def hide(message: Message) -> None:
    """Into the trash: its words stay, and are found in no scope any more."""
    _move(message, scopes_of(message.workspace_id, message.mailbox_id), [])


def show(message: Message) -> None:
    """Out of the trash again."""
    _move(message, [], scopes_of(message.workspace_id, message.mailbox_id))


def _move(message: Message, before: list[str], after: list[str]) -> None:
    row = db.session.get(MessageText, message.id)
    if row is None:
        return
    row.scope = " ".join(after)
    db.session.flush()
    if not is_sqlite():
        added = tsvector(after, {})
        values = {"before": [f"@{scope}" for scope in before], "added": added, "id": message.id}
        db.session.execute(text(TSVECTOR_MOVE), values)


class Hits:
    """The living messages that have all terms within any of the scopes."""

    def __init__(self, terms: Sequence[Term], scopes: Sequence[str]) -> None:
        self.sqlite = is_sqlite()
        self.scopes = tuple(scopes)
        self.words = _fts5(terms) if self.sqlite else ""
        self.query = f"{self.words} AND (scope : ({' OR '.join(scopes)}))" if self.sqlite else _tsquery(terms, scopes)
        self._looked = False
        self._some: list[int] = []
        self._all = False

    def take(self, beyond: int | None, number: int, newest: bool = True) -> list[int]:
        """Up to `number` ids beyond an id (None: from the beginning) in the direction asked for."""
        self._look()
        if self._all:
            ids = self._some if newest else self._some[::-1]
            ids = ids if beyond is None else [one for one in ids if (one < beyond if newest else one > beyond)]
            return ids[:number]
        walk = (FTS5_DOWN if newest else FTS5_UP) if self.sqlite else (TSVECTOR_DOWN if newest else TSVECTOR_UP)
        edge = (2**63 - 1 if newest else 0) if beyond is None else beyond
        return self._ids(walk, query=self.query, beyond=edge, most=number)

    def count(self, cap: int) -> tuple[int, bool]:
        """How many there are, counted up to `cap`: (number, whether there are more)."""
        self._look()
        number = len(self._some)
        if not self._all and number <= cap:
            number = len(self.take(None, cap + 1))
        return min(number, cap), number > cap

    def _look(self) -> None:
        """Take all hits at once if they are few, newest first."""
        if self._looked:
            return
        self._looked = True
        if self.sqlite:
            ids = self._ids(FTS5_DOWN, query=self.words, beyond=2**63 - 1, most=RARE_FTS5 + 1)
            if len(ids) <= RARE_FTS5:
                self._some, self._all = self._in_scope(ids), True
        elif self._estimate() <= FREQUENT:
            db.session.execute(text("SET LOCAL enable_seqscan = off"))
            ids = self._ids(TSVECTOR_RARE, query=self.query, most=RARE_TSVECTOR + 1)
            db.session.execute(text("SET LOCAL enable_seqscan = on"))
            self._some, self._all = sorted(ids, reverse=True), len(ids) <= RARE_TSVECTOR

    def _estimate(self) -> int:
        """How many rows PostgreSQL expects; from its statistics, without looking."""
        found = db.session.execute(text(TSVECTOR_ESTIMATE), {"query": self.query}).scalar_one()
        return int(found[0]["Plan"]["Plan Rows"])

    def _in_scope(self, ids: list[int]) -> list[int]:
        """Those of the ids that lie in one of the scopes."""
        if not ids:
            return []
        return self._ids(FTS5_SCOPES, ids=orjson.dumps(ids).decode(), scopes=orjson.dumps(self.scopes).decode())

    def _ids(self, statement: str, **values: Any) -> list[int]:
        return list(db.session.execute(text(statement), values).scalars())


PUT_FTS5 = text("""
    INSERT INTO message_texts (message_id, scope, subject, sender, receivers, files, body)
    VALUES (:message_id, :scope, :subject, :sender, :receivers, :files, :body)
    ON CONFLICT (message_id) DO UPDATE SET scope = excluded.scope, subject = excluded.subject, sender = excluded.sender,
        receivers = excluded.receivers, files = excluded.files, body = excluded.body
""")
PUT_TSVECTOR = text("""
    INSERT INTO message_texts (message_id, scope, subject, sender, receivers, files, body, words)
    VALUES (:message_id, :scope, :subject, :sender, :receivers, :files, :body, CAST(:words AS tsvector))
    ON CONFLICT (message_id) DO UPDATE SET scope = excluded.scope, subject = excluded.subject, sender = excluded.sender,
        receivers = excluded.receivers, files = excluded.files, body = excluded.body, words = excluded.words
""")
FTS5_DOWN = "SELECT rowid FROM message_fts WHERE message_fts MATCH :query AND rowid < :beyond ORDER BY rowid DESC LIMIT :most"
FTS5_UP = "SELECT rowid FROM message_fts WHERE message_fts MATCH :query AND rowid > :beyond ORDER BY rowid LIMIT :most"
FTS5_SCOPES = """
    SELECT message_id FROM message_texts WHERE message_id IN (SELECT value FROM json_each(:ids))
    AND EXISTS (SELECT 1 FROM json_each(:scopes) AS wanted WHERE ' ' || scope || ' ' LIKE '% ' || wanted.value || ' %')
    ORDER BY message_id DESC
"""
TSVECTOR_MOVE = """
    UPDATE message_texts SET words = ts_delete(words, CAST(:before AS text[])) || CAST(:added AS tsvector) WHERE message_id = :id
"""
TSVECTOR_RARE = "SELECT message_id FROM message_texts WHERE words @@ CAST(:query AS tsquery) LIMIT :most"
TSVECTOR_ESTIMATE = "EXPLAIN (FORMAT JSON) SELECT 1 FROM message_texts WHERE words @@ CAST(:query AS tsquery)"
TSVECTOR_DOWN = """
    SELECT message_id FROM message_texts WHERE words @@ CAST(:query AS tsquery) AND message_id < :beyond
    ORDER BY message_id DESC LIMIT :most
"""
TSVECTOR_UP = """
    SELECT message_id FROM message_texts WHERE words @@ CAST(:query AS tsquery) AND message_id > :beyond
    ORDER BY message_id LIMIT :most
"""


def _fts5(terms: Sequence[Term]) -> str:
    """Every term is quoted, so nothing that was typed is taken for FTS5's own syntax."""
    parts = [f'({term.field or COLUMNS} : "{" ".join(term.words)}"{" *" if term.prefix else ""})' for term in terms]
    return " AND ".join(parts)


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
