"""Numbers of hours and days that nobody asks for any more go, every six hours."""

from sqlalchemy import select

from webapp.accounts.models import Workspace
from webapp.core import rollups
from webapp.core.db import db
from webapp.core.queue import every


@every(6 * 3600, "rollups.forget")
def forget() -> None:
    ids = list(db.session.scalars(select(Workspace.id)))
    db.session.rollback()
    for place in range(0, len(ids), 500):
        rollups.forget(ids[place : place + 500])
        db.session.commit()
