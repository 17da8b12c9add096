"""The background door: rows follow a rotated key."""

from webapp.core.db import db
from webapp.core.queue import every
from webapp.suppressions import service


@every(300, "suppressions.rehash")
def rehash() -> None:
    """Rows of an older key get the hash of the newest, a batch at a time."""
    while service.rehash() == service.REHASHED:
        db.session.commit()
