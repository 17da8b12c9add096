"""Emptying the trash: what has been in it for 30 days goes, a batch every ten minutes."""

from webapp.core.db import db
from webapp.core.queue import every
from webapp.trash import service


@every(600, "trash.purge")
def purge() -> None:
    service.purge_old()
    db.session.commit()
