"""The background door: old events go."""

from webapp.core.db import db
from webapp.core.queue import every
from webapp.happenings import service

#: batches of one hour
MOST = 200


@every(3600, "happenings.forget")
def forget_old() -> None:
    """Events are kept for 400 days."""
    for _ in range(MOST):
        if service.forget_old() < service.BATCH:
            return
        db.session.commit()
