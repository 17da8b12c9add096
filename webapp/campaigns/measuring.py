"""How many people of each kind an audience holds, in a bounded time: counted at once where that is cheap, else from random stretches.

Stretches of ids lie anywhere among the contacts, so that those who came first say no more than those who came last.
"""

import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select

from webapp.campaigns.audience import Audience, Window
from webapp.contacts.models import Contact
from webapp.core import counters
from webapp.core.db import db, is_sqlite
from webapp.core.patience import TooLong, cost, patient

#: seconds for counting everybody, and for looking at stretches when that was given up
EXACT_S, SAMPLE_S = 0.1, 0.12
#: what PostgreSQL expects to be dearer is not tried
MOST_COST = 25_000
#: contacts of a stretch on average
STRETCH = 400


def measured(audience: Audience, question: Callable[[Window], Any]) -> tuple[dict[str, int], bool]:
    """(kind -> how many, whether that is exact), as of the last commit.

    question  the SELECT of `reason` and `number` for the contacts of a window
    """
    if not audience.group_ids and not audience.segment_ids:
        return {}, True
    mine = Contact.workspace_id == audience.workspace_id
    edges = [select(edge(Contact.id)).where(mine).scalar_subquery() for edge in (func.min, func.max)]
    first, last = db.session.execute(select(*edges)).one()
    if first is None:
        return {}, True
    try:
        with patient(EXACT_S) as connection:
            query = question(Window(first - 1, last, True))
            if is_sqlite() or cost(connection, query) <= MOST_COST:
                return {row.reason: row.number for row in connection.execute(query)}, True
    except TooLong:
        pass
    return _sampled(audience, question, first - 1, last)


def _sampled(audience: Audience, question: Callable[[Window], Any], after: int, last: int) -> tuple[dict[str, int], bool]:
    """The same from stretches, as many as there is time for."""
    total = counters.read(audience.workspace_id, Contact.__tablename__)
    width = max(STRETCH, round(STRETCH * (last - after) / max(1, total)))
    starts = range(after, last, width)
    ends, looked, found = time.monotonic() + SAMPLE_S, 0, Counter[str]()
    for start in random.sample(starts, len(starts)):
        left = ends - time.monotonic()
        if left <= 0:
            break
        window = Window(start, min(start + width, last), False)
        try:
            with patient(left) as connection:
                found.update({row.reason: row.number for row in connection.execute(question(window))})
        except TooLong:
            break
        looked += window.upto - window.after
    if looked >= last - after:
        return dict(found), True
    return {name: _rounded(number * (last - after) / looked) for name, number in found.items()}, False


def _rounded(number: float) -> int:
    """Two digits, which is what a sample of that size has."""
    whole = round(number)
    return whole if whole < 100 else round(whole, 2 - len(str(whole)))
