"""The people of tests (tests/people.py) as rows that are put in again, which takes a tenth of the time that making them takes.

They are made once by the services themselves and kept with everything that these wrote; for half a minute each test gets a copy, then
they are made anew, so that no time in them is ever old.
"""

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from tests.people import Api, PageClient, Person, make_people
from tests.servers import empty_postgres, fresh_sqlite, keep_postgres, save_sqlite
from webapp.accounts.models import User, Workspace
from webapp.core.actor import Actor
from webapp.core.db import db

MADE_ANEW_AFTER_S = 30.0
#: where an application that has the people finds them
PLACE = "people of the test"


@dataclass(frozen=True)
class Kept:
    user_id: int
    workspace_id: int
    actor: Actor
    token: str
    session: str


class Stamp:
    """For one database: empty it, with or without the people."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.home = app.config["SETTINGS"].instance
        self.is_sqlite = app.config["SETTINGS"].database_url.startswith("sqlite")
        self.kept: dict[str, Kept] = {}
        self.made = 0.0
        if self.is_sqlite:
            save_sqlite(app, self.home, "empty")

    def empty(self) -> None:
        self._fill("empty")

    def put_in(self) -> None:
        """An empty database but for the people."""
        if not self.kept or time.monotonic() - self.made > MADE_ANEW_AFTER_S:
            self._make()
        self._fill("people")
        self.app.extensions[PLACE] = self.kept

    def _fill(self, name: str) -> None:
        if self.is_sqlite:
            fresh_sqlite(self.app, self.home, name)
        else:
            empty_postgres(kept=name == "people")

    def _make(self) -> None:
        self.empty()
        self.made = time.monotonic()
        self.kept = {name: _keep(person) for name, person in make_people(self.app).items()}
        db.session.commit()
        if self.is_sqlite:
            save_sqlite(self.app, self.home, "people")
        else:
            keep_postgres()


def _keep(person: Person) -> Kept:
    return Kept(person.user.id, person.workspace.id, person.actor, person.token, person.page.session)


def people_in(app: Any) -> dict[str, Person]:
    """The people that were put in; made now where a test asks for them later than its application."""
    if PLACE not in app.extensions:
        return make_people(app)
    users = {user.id: user for user in db.session.scalars(select(User))}
    workspaces = {workspace.id: workspace for workspace in db.session.scalars(select(Workspace))}
    db.session.commit()
    return {
        name: Person(
            users[kept.user_id], workspaces[kept.workspace_id], kept.actor, Api(app, kept.token), PageClient(app, kept.session), kept.token
        )
        for name, kept in app.extensions[PLACE].items()
    }
