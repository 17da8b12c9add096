"""Live updates: who gets a stream, that streams cost no request thread, and that they end with session and role (C-48, C-59, C-62)."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from tests.core.live_server import LiveServer
from tests.servers import wait_until
from webapp.accounts import sessions
from webapp.accounts.models import Membership
from webapp.core import live
from webapp.core.db import db

FOREIGN = (
    {"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    {"Origin": "null"}, {"Origin": "http://localhost:9", "Sec-Fetch-Site": "same-origin"},
)  # fmt: skip


@pytest.fixture
def server(app: Any, people: Any) -> Iterator[LiveServer]:
    db.session.commit()
    with LiveServer(app) as running:
        yield running


def opened(*streams: Any) -> None:
    wait_until(lambda: all("event: hello" in stream.text for stream in streams), "the streams", 15)


@pytest.mark.parametrize("headers", FOREIGN)
def test_c59_another_origin_gets_no_stream(alice: Any, headers: dict[str, str]) -> None:
    assert alice.page.get("/events", headers=headers).status_code == 403


def test_c59_nobody_gets_a_stream_without_a_session_and_a_token_opens_none(alice: Any) -> None:
    stranger = alice.page.client.application.test_client()
    for headers in ({}, {"Authorization": f"Bearer {alice.token}"}):
        answer = stranger.get("/events", headers=headers)
        assert answer.status_code == 303 and answer.location.startswith("/login")


def test_without_redis_or_at_the_end_pages_are_told_to_ask_again(alice: Any) -> None:
    live.closing.set()
    try:
        answer = alice.page.get("/events")
        assert answer.status_code == 204 and answer.headers["Retry-After"] == "5"
    finally:
        live.closing.clear()


def test_under_another_server_streams_hold_at_most_half_of_the_threads(app: Any, alice: Any) -> None:
    half = app.config["SETTINGS"].web_threads // 2
    answers = [alice.page.client.get("/events") for _ in range(half)]
    bodies = [iter(answer.response) for answer in answers]
    assert all(b"event: hello" in next(body) for body in bodies)
    assert alice.page.client.get("/events").status_code == 204
    live.publish(alice.workspace.id, "domains-changed")
    assert next(bodies[0]) == b"event: domains-changed\ndata: 1\n\n"
    for answer in answers:
        answer.close()
    again = alice.page.client.get("/events")
    assert again.status_code == 200
    again.close()


def test_many_more_streams_than_threads_leave_the_pages_open_and_all_hear_the_news(server: LiveServer, alice: Any, eve: Any) -> None:
    streams = [server.stream(alice.page) for _ in range(30)]
    other = server.stream(eve.page)
    opened(*streams, other)
    assert [server.get(alice.page, "/domains")[0] for _ in range(8)] == [200] * 8
    live.publish(alice.workspace.id, "domains-changed")
    wait_until(lambda: all("event: domains-changed" in stream.text for stream in streams), "the news on every page", 10)
    assert "domains-changed" not in other.text and not any(stream.ended for stream in streams)
    for stream in streams[:20]:
        stream.close()
    assert server.get(alice.page, "/domains")[0] == 200


def test_c48_a_stream_ends_within_a_second_of_its_session(server: LiveServer, alice: Any, bob: Any) -> None:
    mine, other = server.stream(alice.page), server.stream(bob.page)
    opened(mine, other)
    sessions.end_all(alice.user.id)
    db.session.commit()
    ended = time.monotonic()
    wait_until(lambda: mine.ended, "the end of the stream", 5)
    assert time.monotonic() - ended < 2 and not other.ended
    assert mine.text.endswith("0\r\n\r\n"), "the answer is complete, so no browser complains"
    again = server.stream(alice.page)
    wait_until(lambda: again.status, "the answer", 5)
    assert again.status == 303


@pytest.mark.parametrize("change", [{"role": "viewer"}, {"role": "admin"}])
def test_c62_a_stream_ends_when_the_role_changes(server: LiveServer, bob: Any, carol: Any, change: dict[str, str]) -> None:
    mine, other = server.stream(bob.page), server.stream(carol.page)
    opened(mine, other)
    db.session.execute(update(Membership).where(Membership.user_id == bob.user.id).values(**change))
    db.session.commit()
    wait_until(lambda: mine.ended, "the end of the stream", 5)
    assert not other.ended


def test_what_happened_between_painting_and_listening_is_told(server: LiveServer, alice: Any) -> None:
    first = server.stream(alice.page)
    opened(first)
    painted = int(time.time() * 1000)
    live.publish(alice.workspace.id, "tokens-changed")
    wait_until(lambda: "tokens-changed" in first.text, "the news", 10)
    late = server.stream(alice.page, f"?since={painted}")
    opened(late)
    assert "event: tokens-changed" in late.text
    unknown = server.stream(alice.page, "?since=1")
    opened(unknown)
    assert "event: poll" in unknown.text, "nobody listened then, so the page asks for everything"
