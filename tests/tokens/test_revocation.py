"""C-48: revoked, expired, suspended and gone are refused within a second in every process, and open live streams end."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from tests.servers import wait_until
from tests.web_process import WebProcess
from webapp.accounts.models import LoginSession, Membership, User, Workspace
from webapp.core.db import begin_writing, db, utcnow
from webapp.tokens import service
from webapp.tokens.models import ApiToken

#: what RELIABILITY allows
WITHIN_S = 1.0


@pytest.fixture
def servers(app: Any) -> Iterator[list[WebProcess]]:
    with WebProcess(app) as one, WebProcess(app) as two:
        yield [one, two]


class Caller(threading.Thread):
    """A program that goes on calling one server; it knows when it was let in last."""

    def __init__(self, server: WebProcess, value: str) -> None:
        super().__init__(daemon=True)
        self.server, self.value = server, value
        self.let_in, self.refused, self.stopped = 0.0, threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        while not self.stopped.is_set():
            asked = time.monotonic()
            status = self.server.request("GET", "/api/v1/tokens/current", self.value)[0]
            if status == 200:
                self.let_in = asked
            elif status == 401:
                self.refused.set()
                return
            time.sleep(0.02)


def end_by(change: Callable[[], Any], value: str, servers: list[WebProcess]) -> float:
    """Seconds from the commit of a change to the last request that any of the processes still let in; at least 0."""
    callers = [Caller(server, value) for server in servers]
    try:
        for caller in callers:
            wait_until(lambda caller=caller: caller.let_in > 0, "the first call of each process", 20)
        begin_writing()
        change()
        db.session.commit()
        committed = time.monotonic()
        for caller in callers:
            assert caller.refused.wait(5), "it was never refused"
        return max(0.0, *[caller.let_in - committed for caller in callers])
    finally:
        for caller in callers:
            caller.stopped.set()
        for caller in callers:
            caller.join(10)


def set_on(model: Any, row_id: int, **columns: Any) -> Callable[[], Any]:
    return lambda: db.session.execute(update(model).where(model.id == row_id).values(**columns))


def run_out(person: Any, servers: list[WebProcess]) -> float:
    """Seconds for which a token was let in after its end, without anybody doing anything."""
    token, value = service.create_token(person.actor, name="short", kind="ops", scopes=["domains:read"], expires_in=3600)
    token.expires_at = utcnow() + timedelta(seconds=1.5)
    ends = time.monotonic() + 1.5
    db.session.commit()
    callers = [Caller(server, value) for server in servers]
    for caller in callers:
        assert caller.refused.wait(20)
    return max(0.0, *[caller.let_in - ends for caller in callers])


def test_c48_every_way_a_token_ends_is_seen_within_a_second_by_two_processes(
    app: Any, alice: Any, bob: Any, carol: Any, servers: list[WebProcess]
) -> None:
    def fresh() -> tuple[int, str]:
        token, value = service.create_token(bob.actor, name="program", kind="ops", scopes=["domains:read"], expires_in=3600)
        db.session.commit()
        return token.id, value

    member = db.session.query(Membership.id).filter_by(user_id=bob.user.id).scalar()
    again = {"status": "active"}
    db.session.rollback()
    ways: list[tuple[str, Callable[[int], Callable[[], Any]], Callable[[], Any] | None]] = [
        ("revoked", lambda token_id: lambda: service.revoke_token(alice.actor, token_id), None),
        ("expired", lambda token_id: set_on(ApiToken, token_id, expires_at=utcnow()), None),
        ("user suspended", lambda _: set_on(User, bob.user.id, status="suspended"), set_on(User, bob.user.id, **again)),
        ("member suspended", lambda _: set_on(Membership, member, suspended_at=utcnow()), set_on(Membership, member, suspended_at=None)),
        ("not allowed from here", lambda token_id: set_on(ApiToken, token_id, allowed_ips=["192.0.2.0/24"]), None),
        ("workspace deleted", lambda _: set_on(Workspace, alice.workspace.id, deleted_at=utcnow()),
         set_on(Workspace, alice.workspace.id, deleted_at=None)),
        ("left the workspace", lambda _: lambda: db.session.execute(delete(Membership).where(Membership.id == member)), None),
    ]  # fmt: skip
    taken = {"ran out": run_out(alice, servers)}
    for name, change, back in ways:
        token_id, value = fresh()
        taken[name] = end_by(change(token_id), value, servers)
        if back is not None:
            begin_writing()
            back()
            db.session.commit()
    assert all(seconds < WITHIN_S for seconds in taken.values()), taken


def test_c48_open_live_streams_end_with_the_session_and_with_the_person(app: Any, alice: Any, bob: Any, servers: list[WebProcess]) -> None:
    sign_out = update(LoginSession).where(LoginSession.user_id == bob.user.id).values(ended_at=utcnow())
    for person, change in ((bob, lambda: db.session.execute(sign_out)), (alice, set_on(User, alice.user.id, status="suspended"))):
        streams = [open_stream(server, person) for server in servers]
        ended = [threading.Event() for _ in streams]
        for stream, end in zip(streams, ended, strict=True):
            threading.Thread(target=_read_to_the_end, args=(stream, end), daemon=True).start()
        begin_writing()
        change()
        db.session.commit()
        committed = time.monotonic()
        for end in ended:
            assert end.wait(5), "the stream went on"
        assert time.monotonic() - committed < WITHIN_S + 0.5


def open_stream(server: WebProcess, person: Any) -> http.client.HTTPResponse:
    """The live stream of a signed-in page; raises AssertionError when there is none."""
    cookie = person.page.client.get_cookie("mailroom")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/events", headers={"Cookie": f"mailroom={cookie.value}", "Sec-Fetch-Site": "same-origin"})
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    assert answer.fp.readline()
    return answer


def _read_to_the_end(answer: http.client.HTTPResponse, ended: threading.Event) -> None:
    try:
        while answer.fp.readline():
            pass
    except OSError:
        pass
    ended.set()
