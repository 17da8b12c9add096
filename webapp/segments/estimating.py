"""About how many contacts a condition chooses, from a random sample, with the range that the true number lies in.

Ids of contacts are cut into pieces of equal width that hold about PER contacts each; random pieces are looked at, few in the first round
and more in the next, until time is up. Neighbours are often alike (they came with the same import), so the range is taken from how the
pieces differ, not from how many contacts were seen: alike neighbours make it wide, not wrong. A workspace whose contacts lie far apart
among those of others is asked for contacts one by one.

Sources: W. G. Cochran, Sampling Techniques (1977), chapters 9A (pieces of unequal size) and 3 (Wilson's range for shares), with the number
of contacts replaced by the number that independent ones would have to be, as surveys do.
"""

import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import BigInteger, ColumnElement, Select, bindparam, case, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection

from webapp.contacts.models import Contact
from webapp.core import counters
from webapp.core.db import db, is_sqlite, reading
from webapp.core.patience import TooLong, limited

#: seconds for an estimate; its first question may take longer, so that there is an answer
ESTIMATE_S, FIRST_S = 0.1, 0.2
#: contacts that a piece holds on average; pieces of the first question, and of all
PER, FIRST, MOST = 10, 100, 4000
#: a workspace with fewer contacts than one in so many ids is asked for them one by one
SPARSE = 16
#: standard deviations on each side of the middle: 99 of 100 where everything is as the textbook has it
SURE = 2.576
#: with fewer pieces than these that speak for either side, a piece counts as one contact
FEW = 10
#: a range that wide, as a part of the number, is good enough
FINE = 0.02
#: examples that are kept
SHOWN = 10


@dataclass(frozen=True)
class Estimate:
    """About how many of all; it is hardly ever fewer or more than the range says. `examples`: ids of some, whichever were met."""

    number: int
    at_least: int
    at_most: int
    examples: tuple[int, ...] = ()
    #: whether nobody was left out
    is_exact: bool = False


@dataclass(frozen=True)
class Pieces:
    """Where each begins, in random order, how many ids it spans, and how many of them there are."""

    starts: list[int]
    width: int
    of: int


def estimate(workspace_id: int, wanted: ColumnElement[bool], patience_s: float = ESTIMATE_S) -> Estimate:
    """Of the contacts of a workspace for whom `wanted` holds."""
    total = counters.read(workspace_id, Contact.__tablename__)
    seen: list[tuple[int, int]] = []
    examples: list[int] = []
    part, low, high = 0.0, 0.0, 1.0
    with reading(), db.engine.connect() as connection:
        pieces = _pieces(connection, workspace_id, total)
        for asked, rows in _rounds(connection, workspace_id, wanted, pieces, patience_s):
            seen += [(row.seen, row.chosen) for row in rows]
            examples += [row.one for row in rows if row.one is not None]
            part += asked / pieces.of
            low, high = between(seen, part)
            if high - low <= FINE * high:
                break
    if not seen:
        return Estimate(0, 0, total)
    some = tuple(random.sample(examples, min(len(examples), SHOWN)))
    if part >= 1:
        number = sum(chosen for _, chosen in seen)
        return Estimate(number, number, number, some, is_exact=True)
    middle = sum(chosen for _, chosen in seen) / sum(number for number, _ in seen)
    return rounded(middle * total, low * total, high * total, some)


def between(rows: Sequence[tuple[int, int]], part: float = 0.0) -> tuple[float, float]:
    """The least and the greatest share that is likely, from (seen, chosen of them) of random pieces. part: how many of all these are"""
    seen, chosen = sum(number for number, _ in rows), sum(number for _, number in rows)
    if not seen:
        return 0.0, 1.0
    share, number = chosen / seen, len(rows)
    spread = sum((fit - share * met) ** 2 for met, fit in rows) * number / max(1, number - 1)
    variance = max(0.0, 1 - part) * spread / seen**2
    worth = min(seen, share * (1 - share) / variance) if variance else float(number)
    if min(sum(fit > 0 for _, fit in rows), sum(fit < met for met, fit in rows)) < FEW:
        worth = min(worth, number)
    square = SURE**2
    middle = (share + square / (2 * worth)) / (1 + square / worth)
    half = SURE / (1 + square / worth) * math.sqrt(share * (1 - share) / worth + square / (4 * worth**2))
    return max(0.0, middle - half) if chosen else 0.0, min(1.0, middle + half) if chosen < seen else 1.0


def rounded(number: float, least: float, most: float, examples: tuple[int, ...] = ()) -> Estimate:
    """To as many digits as the range leaves meaning in; the range outwards."""
    unit = 10 ** max(0, math.floor(math.log10(max(1.0, (most - least) / 2))))
    return Estimate(round(number / unit) * unit, math.floor(least / unit) * unit, math.ceil(most / unit) * unit, examples)


def _pieces(connection: Connection, workspace_id: int, total: int) -> Pieces:
    """Random pieces, more than anybody has time for."""
    mine = Contact.workspace_id == workspace_id
    edges = [select(edge(Contact.id)).where(mine).scalar_subquery() for edge in (func.min, func.max)]
    first, last = connection.execute(select(*edges)).one()  # as one SELECT without subqueries SQLite would read all ids
    if first is None:
        return Pieces([], 1, 1)
    span = last - first + 1
    if total * SPARSE < span:
        return _singles(connection, workspace_id, max(1, total))
    width = max(1, round(PER * span / max(1, total)))
    number = -(-span // width)
    return Pieces([first + place * width for place in random.sample(range(number), min(number, MOST))], width, number)


def _singles(connection: Connection, workspace_id: int, total: int) -> Pieces:
    """Contacts picked one by one from all ids of the workspace."""
    every = max(1, total // (MOST * 2))
    picked = func.random() % every == 0 if is_sqlite() else func.random() * every < 1
    try:
        with limited(connection, FIRST_S):
            ids = list(connection.scalars(select(Contact.id).where(Contact.workspace_id == workspace_id, picked)))
    except TooLong:
        return Pieces([], 1, total)
    random.shuffle(ids)
    return Pieces(ids, 1, total)


def _rounds(connection: Connection, workspace_id: int, wanted: ColumnElement[bool], pieces: Pieces, patience_s: float) -> Iterator[Any]:
    """(pieces asked, rows (seen, chosen, id of one who is chosen) of those with contacts), round by round, each as large as time allows."""
    began, done, size = time.monotonic(), 0, FIRST
    ends, left = began + patience_s, FIRST_S
    while done < len(pieces.starts) and left > 0.005:
        asked = time.monotonic()
        try:
            with limited(connection, left):
                rows = list(connection.execute(_question(workspace_id, wanted, pieces.starts[done : done + size], pieces.width)))
        except TooLong:
            return
        yield min(size, len(pieces.starts) - done), rows
        now, done = time.monotonic(), done + size
        left = ends - now
        size = int(min(size * 4, size * 0.7 * max(0.0, left) / max(0.001, now - asked)))
        if size < FIRST // 2:
            return


def _question(workspace_id: int, wanted: ColumnElement[bool], starts: list[int], width: int) -> Select[Any]:
    """Of each piece that has contacts: how many, how many of them are chosen, and the id of one of those."""
    fits = case((wanted, 1), else_=0).label("fits")
    if is_sqlite():
        piece: Any = func.json_each(bindparam(None, orjson.dumps(starts).decode())).table_valued("value", name="piece")
    else:
        piece = func.unnest(bindparam(None, starts, ARRAY(BigInteger))).table_valued("value", name="piece").render_derived()
    begins = piece.c.value
    inside = Contact.workspace_id == workspace_id, Contact.id >= begins, Contact.id < begins + width
    # The limits leave nobody out: they have each contact looked at once, and tell PostgreSQL's planner that a piece is small.
    if is_sqlite():
        rows = select(begins.label("piece"), Contact.id, fits).where(*inside).limit(width * len(starts)).subquery()
    else:
        each = select(Contact.id, fits).where(*inside).limit(width).correlate(piece).lateral()
        rows = select(begins.label("piece"), each.c.id, each.c.fits).select_from(piece.join(each, true())).subquery()
    chosen = case((rows.c.fits == 1, rows.c.id))
    sums: Any = select(func.count().label("seen"), func.count(chosen).label("chosen"), func.min(chosen).label("one"))
    question: Select[Any] = sums.group_by(rows.c.piece)
    return question
