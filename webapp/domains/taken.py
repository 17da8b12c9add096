"""A value that another request took at the same moment is told like one that was taken before: 422 with its field."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from webapp.core.db import db
from webapp.core.errors import invalid


@contextmanager
def unless_taken(field: str, sentence: str) -> Iterator[None]:
    """Flush what the block adds, in a savepoint, so that the transaction survives a lost race.

    raises  Invalid about `field` when a unique index refuses it
    """
    try:
        with db.session.begin_nested():
            yield
            db.session.flush()
    except IntegrityError:
        raise invalid(field, sentence) from None
