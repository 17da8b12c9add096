"""The background door: contacts follow the event stream, counters are compared with their rows."""

from webapp.core.db import db
from webapp.core.queue import every
from webapp.tracking import keeping

#: batches of one turn
MOST = 10


@every(10, "tracking.follow")
def follow() -> None:
    """When contacts were last written to."""
    for _ in range(MOST):
        number = keeping.follow()
        db.session.commit()
        if number < keeping.BATCH:
            return


@every(60, "tracking.recount")
def recount() -> None:
    """One campaign at a time."""
    keeping.recount()
    db.session.commit()
