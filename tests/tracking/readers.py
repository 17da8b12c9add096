"""A reader of campaign mail: a browser that keeps no cookies."""

from datetime import datetime
from typing import Any

from sqlalchemy import select

from tests.people import call
from webapp.core.db import begin_writing, db
from webapp.happenings.models import Event
from webapp.tracking import hits

PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


class Reader:
    """Requests without a session. `ip` is where they come from."""

    def __init__(self, app: Any, agent: str = PERSON, ip: str = "192.0.2.7") -> None:
        self.app, self.agent, self.ip = app, agent, ip
        self.client = app.test_client(use_cookies=False)

    def ask(self, method: str, path: str, **options: Any) -> Any:
        headers = {"User-Agent": self.agent, **options.pop("headers", {})}
        return call(self.client, method, path, headers=headers, environ_base={"REMOTE_ADDR": self.ip}, **options)

    def get(self, path: str, **options: Any) -> Any:
        return self.ask("GET", path, **options)

    def post(self, path: str, **options: Any) -> Any:
        return self.ask("POST", path, **options)

    def open(self, token: str, times: int = 1) -> None:
        for _ in range(times):
            assert self.get(f"/t/o/{token}.gif").status_code == 200

    def click(self, token: str, number: int = 1) -> Any:
        return self.get(f"/t/c/{token}/{number}")


def write_down(app: Any) -> int:
    """Have everything that waits be written; returns how many lines."""
    db.session.commit()
    number = hits.flush(app, everything=True)
    begin_writing()
    db.session.expire_all()
    return number


def happened(workspace_id: int, *types: str) -> list[Event]:
    """Events of these types, oldest first."""
    query = select(Event).where(Event.workspace_id == workspace_id, Event.type.in_(types)).order_by(Event.id)
    return list(db.session.scalars(query))


def is_recent(moment: datetime | None, since: datetime) -> bool:
    return moment is not None and moment >= since
