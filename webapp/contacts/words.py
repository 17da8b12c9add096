"""Search of contacts by words and beginnings of words of name, address and company, the same on both databases.

    put(rows)                index contacts, or index them anew, in the transaction that changes them
    matching(workspace, …)   a condition on `Contact.id`, for lists that are narrowed further
    Found(workspace, …)      ids for the list itself, newest or oldest first, fast for rare and for frequent words alike

Words are cut here for both databases (`core.words`) and stand in FTS5 (`contact_fts`) or in a `tsvector` with GIN (`contact_words`); the
workspace is a word of the index too. The last word that is typed counts as a beginning, the others as whole words or beginnings alike.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, bindparam, cast, column, literal_column, select, table, text
from sqlalchemy.dialects.postgresql import TSQUERY

from webapp.contacts.models import Contact
from webapp.core import counters
from webapp.core.db import db, is_sqlite
from webapp.core.patience import TooLong, patient
from webapp.core.words import words_of

#: words of a search beyond these are not looked for; of one contact so many are indexed
MOST_ASKED, MOST_KEPT = 8, 60
#: up to so many hits are taken at once; past FREQUENT expected ones the list is walked instead, where they turn up soon
RARE, FREQUENT = 5000, 20_000
#: the same in another order than that of the ids, where equal words lie together and a walk may be long: sorting is better for longer
RARE_SORTED, FREQUENT_SORTED = 20_000, 100_000

PUT_FTS5 = text("INSERT OR REPLACE INTO contact_fts (rowid, scope, words) VALUES (:id, :scope, :words)")
PUT_TSVECTOR = text("""
    INSERT INTO contact_words (contact_id, words)
    SELECT CAST(one ->> 0 AS bigint), array_to_tsvector(ARRAY(SELECT jsonb_array_elements_text(one -> 1)))
    FROM jsonb_array_elements(CAST(:rows AS jsonb)) AS one
    ON CONFLICT (contact_id) DO UPDATE SET words = excluded.words
""")
ESTIMATE = text("EXPLAIN (FORMAT JSON) SELECT 1 FROM contact_words WHERE words @@ CAST(:query AS tsquery)")
TAKE = text("SELECT contact_id FROM contact_words WHERE words @@ CAST(:query AS tsquery) LIMIT :most")
#: with them PostgreSQL would rather read the whole table of words than its index
WITHOUT_TABLES, WITH_TABLES = text("SET LOCAL enable_seqscan = off"), text("SET LOCAL enable_seqscan = on")
#: seconds in which the hits of one word are taken; longer ones are many
TAKE_S = 0.1
_FTS5: Any = table("contact_fts", column("rowid"))
_WORDS: Any = table("contact_words", column("contact_id"), column("words"))
UP_FTS5 = text("SELECT rowid FROM contact_fts WHERE contact_fts MATCH :query AND rowid > :beyond ORDER BY rowid LIMIT :most")
DOWN_FTS5 = text("SELECT rowid FROM contact_fts WHERE contact_fts MATCH :query AND rowid < :beyond ORDER BY rowid DESC LIMIT :most")


def kept(name: str, address: str, company: str | None) -> list[str]:
    """The words by which a contact is found, each once."""
    return list(dict.fromkeys(words_of(f"{name} {address} {company or ''}")))[:MOST_KEPT]


def put(rows: Iterable[Any]) -> None:
    """Index contacts (anything with id, workspace_id, name, address and company), or index them anew."""
    values = [entry(row.id, row.workspace_id, row.name, row.address, row.company) for row in rows]
    if values and is_sqlite():
        db.session.execute(PUT_FTS5, values)
    elif values:
        db.session.execute(PUT_TSVECTOR, {"rows": orjson.dumps([[one["id"], one["words"]] for one in values]).decode()})


def entry(contact_id: int, workspace_id: int, name: str, address: str, company: str | None) -> dict[str, Any]:
    """What the statements that write the index take."""
    words = kept(name, address, company)
    if is_sqlite():
        return {"id": contact_id, "scope": f"w{workspace_id}", "words": " ".join(words)}
    return {"id": contact_id, "words": [f"@w{workspace_id}", *words]}


def asked(typed: str) -> list[str]:
    """The words of what somebody typed."""
    return list(dict.fromkeys(words_of(typed)))[:MOST_ASKED]


def query_of(workspace_id: int, words: Sequence[str]) -> str:
    """All of these words or beginnings of words, in the language of the database. They are letters and digits, so quoting is enough."""
    if is_sqlite():
        return " AND ".join([*[f'(words : "{word}" *)' for word in words], f"(scope : w{workspace_id})"])
    return " & ".join([*[f"'{word}':*" for word in words], f"'@w{workspace_id}'"])


def matching(workspace_id: int, typed: str) -> ColumnElement[bool] | None:
    """Contacts that have all the words; None when no word was typed."""
    words = asked(typed)
    if not words:
        return None
    return _among(query_of(workspace_id, words))


def _among(query: str) -> ColumnElement[bool]:
    found: ColumnElement[bool] = Contact.id.in_(
        select(_FTS5.c.rowid).where(literal_column("contact_fts").op("MATCH")(bindparam(None, query)))
        if is_sqlite()
        else select(_WORDS.c.contact_id).where(_WORDS.c.words.op("@@")(cast(bindparam(None, query), TSQUERY)))
    )
    return found


class Found:
    """The contacts that have all the words, for a list."""

    def __init__(self, workspace_id: int, words: Sequence[str]) -> None:
        self.query = query_of(workspace_id, words)
        self.workspace_id, self.words = workspace_id, words
        #: whether more than RARE were seen
        self.many = False

    def few(self, *, by_id: bool = True) -> list[int] | None:
        """All ids when there are few, None when there are many; then they turn up soon when the list is walked.

        by_id  whether the list stands in the order of ids
        """
        rare, frequent = (RARE, FREQUENT) if by_id else (RARE_SORTED, FREQUENT_SORTED)
        if is_sqlite():
            ids = self._ids(DOWN_FTS5, beyond=2**63 - 1, most=rare + 1)
        else:
            # Words that are frequent each may never stand together, and a walk would look at everybody: only the index knows.
            if len(self.words) == 1 and self._expected() > frequent:
                return None
            found = self._taken(rare + 1)
            if found is None:
                return None
            ids = found
        self.many = len(ids) > rare
        return None if self.many else ids

    def _taken(self, most: int) -> list[int] | None:
        """PostgreSQL: ids from the index; None where one word is the beginning of so many that they turn up soon on a walk as well."""
        if len(self.words) > 1 or counters.read(self.workspace_id, Contact.__tablename__) <= FREQUENT:
            db.session.execute(WITHOUT_TABLES)
            ids = self._ids(TAKE, most=most)
            db.session.execute(WITH_TABLES)
            return ids
        try:
            with patient(TAKE_S) as connection:
                connection.execute(WITHOUT_TABLES)
                return list(connection.execute(TAKE, {"query": self.query, "most": most}).scalars())
        except TooLong:
            return None

    def _expected(self) -> int:
        """How many rows PostgreSQL expects; from its statistics, without looking."""
        return int(db.session.execute(ESTIMATE, {"query": self.query}).scalar_one()[0]["Plan"]["Plan Rows"])

    def walk(self) -> Any:
        """A condition that is asked of each row on a walk down the list, for frequent words."""
        if is_sqlite():
            return _among(self.query)
        has = _WORDS.c.words.op("@@")(cast(bindparam(None, self.query), TSQUERY))
        return select(has).where(_WORDS.c.contact_id == Contact.id).scalar_subquery()

    def page(self, beyond: int | None, newest: bool, most: int) -> list[int]:
        """SQLite: ids beyond one, in the direction asked for."""
        edge = (2**63 - 1 if newest else 0) if beyond is None else beyond
        return self._ids(DOWN_FTS5 if newest else UP_FTS5, beyond=edge, most=most)

    def _ids(self, statement: Any, **values: Any) -> list[int]:
        return list(db.session.execute(statement, {"query": self.query, **values}).scalars())
