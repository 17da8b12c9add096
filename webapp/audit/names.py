"""Words of the names in the audit log: which entries speak of "Oskar", without looking at every row.

    put(connection, entry_id, values)  index one entry; `drop` when retention removes some
    query(workspace_id, …)             what to look for, in the language of the database
    few(query)                         the ids when there are few, None when there are many

Beside the log stands an index by words: FTS5 without content on SQLite (`audit_fts`), a `tsvector` with GIN on PostgreSQL (`audit_words`).
Words are letters and digits, small, Latin letters without accents, cut here for both databases alike. The last word that is asked for is
found by its beginning.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, text

from webapp.core.db import db, is_sqlite

#: on PostgreSQL so many hits are taken at once; what has more turns up soon when the log is walked
FEW = 20_000
LONGEST = 100
_WORD = re.compile(r"[^\W_]+")

PUT_FTS5 = text("INSERT INTO audit_fts (rowid, scope, actor, target) VALUES (:id, :scope, :actor, :target)")
DROP_FTS5 = text("INSERT INTO audit_fts (audit_fts, rowid, scope, actor, target) VALUES ('delete', :id, :scope, :actor, :target)")
PUT_TSVECTOR = text("INSERT INTO audit_words (entry_id, words) VALUES (:id, array_to_tsvector(CAST(:words AS text[])))")
DROP_TSVECTOR = text("DELETE FROM audit_words WHERE entry_id IN :ids").bindparams(bindparam("ids", expanding=True))
ESTIMATE = text("EXPLAIN (FORMAT JSON) SELECT 1 FROM audit_words WHERE words @@ CAST(:query AS tsquery)")
TAKE = text("SELECT entry_id FROM audit_words WHERE words @@ CAST(:query AS tsquery) LIMIT :most")


def words_of(line: str) -> list[str]:
    """The words of a name in their order.

    >>> words_of("Café <Ines.Duarte@x.test>")
    ['cafe', 'ines', 'duarte', 'x', 'test']
    """
    if not line.isascii():
        line = "".join(_bare(sign) for sign in unicodedata.normalize("NFKC", line))
    return [word[:LONGEST] for word in _WORD.findall(line.casefold())]


def _bare(sign: str) -> str:
    """A Latin letter without its accent; every other character as it is."""
    first = unicodedata.normalize("NFD", sign)[0]
    return first if first.isascii() else sign


def _parts(values: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Words of who did it (with the token's name), words of what it was done to."""
    return words_of(f"{values['actor_name']} {values['token_name'] or ''}"), words_of(values["target_name"])


def put(connection: Connection, entry_id: int, values: Mapping[str, Any]) -> None:
    """Index one entry, within its transaction; `values` are its columns."""
    actor, target = _parts(values)
    if connection.dialect.name == "sqlite":
        connection.execute(PUT_FTS5, _fts5_row(entry_id, values["workspace_id"], actor, target))
    else:
        words = [f"@w{values['workspace_id']}", *[f"@{word}" for word in actor], *actor, *target]
        connection.execute(PUT_TSVECTOR, {"id": entry_id, "words": sorted(set(words))})


def drop(entries: Iterable[Any]) -> None:
    """Forget entries (rows with id, workspace_id and the three names) before they go."""
    rows = list(entries)
    if not rows:
        return
    if is_sqlite():
        db.session.execute(DROP_FTS5, [_fts5_row(row.id, row.workspace_id, *_parts(row._mapping)) for row in rows])
    else:
        db.session.execute(DROP_TSVECTOR, {"ids": [row.id for row in rows]})


def _fts5_row(entry_id: int, workspace_id: int, actor: list[str], target: list[str]) -> dict[str, Any]:
    return {"id": entry_id, "scope": f"w{workspace_id}", "actor": " ".join(actor), "target": " ".join(target)}


def query(workspace_id: int, anywhere: str | None, actor: str | None) -> str | None:
    """All these words, of any name or of who did it; None where there is nothing to look for, such as in "…"."""
    wanted, of_actor = words_of(anywhere or ""), words_of(actor or "")
    if (anywhere and not wanted) or (actor and not of_actor):
        return None
    if is_sqlite():
        parts = [f'{{actor target}} : "{word}"{mark}' for word, mark in _marked(wanted, " *")]
        parts += [f'actor : "{word}"{mark}' for word, mark in _marked(of_actor, " *")]
        return " AND ".join([f'(scope : "w{workspace_id}")', *[f"({part})" for part in parts]])
    parts = [f"'{word}'{mark}" for word, mark in _marked(wanted, ":*")] + [f"'@{word}'{mark}" for word, mark in _marked(of_actor, ":*")]
    return " & ".join([f"'@w{workspace_id}'", *parts])


def _marked(words: list[str], mark: str) -> list[tuple[str, str]]:
    """The last word may still be written, so its beginning counts; a single Latin letter is the beginning of too much."""
    last = len(words) - 1
    return [(word, mark if place == last and (len(word) > 1 or not word.isascii()) else "") for place, word in enumerate(words)]


def few(tsquery: str) -> list[int] | None:
    """PostgreSQL: the ids of the entries that have the words, if there are few; None if there are many.

    The index cannot walk by id, and a walk through the log finds a rare word late: so what is rare is taken whole, and what is frequent
    is met soon on the walk.
    """
    expected = db.session.execute(ESTIMATE, {"query": tsquery}).scalar_one()[0]["Plan"]["Plan Rows"]
    if int(expected) > FEW:
        return None
    db.session.execute(text("SET LOCAL enable_seqscan = off"))
    ids = list(db.session.execute(TAKE, {"query": tsquery, "most": FEW + 1}).scalars())
    db.session.execute(text("SET LOCAL enable_seqscan = on"))
    return ids if len(ids) <= FEW else None
