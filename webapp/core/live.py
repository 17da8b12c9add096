"""Live pages: server-sent events that say *what changed*, never content. The page then asks for its fragment again.

    notify(workspace_id, "messages-changed")    leaves after the commit, through Redis pub/sub
    GET /events?since=<ms>                      session, same origin; else 204 (the word of server-sent events for "no stream",
                                                which no browser logs as an error). `since` is when the page was painted

A page that gets no stream asks every 5 s instead. Under our own server a stream takes its socket along (`core.streams`) and holds no
request thread; under another one it may hold at most half of them.
"""

import errno
import socket
import time
from collections.abc import Iterator
from typing import Any, Never
from urllib.parse import urlsplit

import redis
from flask import Blueprint, Flask, Response, current_app, request

from webapp.core import queue, streams
from webapp.core.access import current_actor, doors, needs
from webapp.core.db import db
from webapp.core.errors import Forbidden
from webapp.core.streams import HELLO, Hub, QueueLine, SocketLine, Stream, closing, most_streams

__all__ = ["blp", "closing", "let_go", "notify", "publish"]
blp = Blueprint("live", __name__)
#: whether the server of this process lets a stream have its socket (`processes.web` says so)
_lets_go = False


def let_go() -> None:
    """The server of this process closes no socket that was taken from it."""
    global _lets_go
    _lets_go = True


def channel(workspace_id: int) -> str:
    return f"{streams.PREFIX}{workspace_id}"


def notify(workspace_id: int, name: str) -> None:
    """Tell the open pages of a workspace, once the transaction is committed."""
    queue.after_commit(f"live:{workspace_id}:{name}", lambda: publish(workspace_id, name))


def publish(workspace_id: int, name: str) -> None:
    client: redis.Redis = current_app.extensions["redis"]
    try:
        client.publish(channel(workspace_id), name)
    except redis.RedisError:
        return


@blp.app_template_global("painted_ms")
def painted_ms() -> int:
    """Now, in milliseconds of the epoch: a page names it when it begins to listen, so that nothing in between is lost."""
    return int(time.time() * 1000)


@blp.get("/events")
@needs()
def events() -> Response:
    """The stream of one page."""
    actor = current_actor()
    if not _same_origin():
        raise Forbidden("Live updates are for pages of this server only.")
    hub = _hub()
    taken: socket.socket | None = request.environ.get("gunicorn.socket") if _lets_go else None
    most = most_streams() if taken is not None else max(1, current_app.config["SETTINGS"].web_threads // 2)
    if len(hub.streams) >= most or closing.is_set() or not hub.start():
        return _no_stream()
    missed = hub.since(actor.workspace_id, request.args.get("since", 0, int) / 1000) if "since" in request.args else []
    first = HELLO + b"".join(b"event: %b\ndata: 1\n\n" % name.encode() for name in missed)
    ticket = doors.ticket()
    db.session.rollback()
    body: Any = (
        _WithSocket(hub, first, taken, actor.workspace_id, ticket)
        if taken is not None
        else _with_thread(hub, first, Stream(QueueLine(), actor.workspace_id, ticket))
    )
    response = Response(body, mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _same_origin() -> bool:
    """Browsers say where a request comes from (Fetch Metadata); older ones at least its Origin. RELIABILITY C-59"""
    origin = request.headers.get("Origin")
    told = request.headers.get("Sec-Fetch-Site", "same-origin")
    return told in ("same-origin", "none") and (not origin or urlsplit(origin).netloc == request.host)


def _no_stream() -> Response:
    """All streams are taken or Redis is away: the page asks every 5 s instead."""
    return Response(status=204, headers={"Retry-After": "5", "Cache-Control": "no-store"})


def _hub() -> Hub:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    hub: Hub = app.extensions.setdefault("live", Hub(app))
    return hub


class HandedOver(OSError):
    """Ends the server's work on a request whose socket is ours now; it takes this for a browser that went away."""


class _WithSocket:
    """The body of a stream: after its first bytes went out with the headers, the hub has the socket."""

    def __init__(self, hub: Hub, first: bytes, taken: socket.socket, workspace_id: int, ticket: Any) -> None:
        self.hub, self.first, self.taken, self.workspace_id, self.ticket = hub, first, taken, workspace_id, ticket
        self.chunked = request.environ.get("SERVER_PROTOCOL") == "HTTP/1.1"
        self.begun = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self.begun:
            self.begun = True
            return self.first
        self._hand_over()

    def _hand_over(self) -> Never:
        own = socket.socket(fileno=self.taken.detach())
        self.hub.add(Stream(SocketLine(own, self.chunked), self.workspace_id, self.ticket))
        raise HandedOver(errno.EPIPE, "the stream goes on without this thread")


def _with_thread(hub: Hub, first: bytes, stream: Stream) -> Iterator[bytes]:
    """The body of a stream under a server that keeps its sockets."""
    hub.add(stream)
    try:
        yield first
        line = stream.line
        while isinstance(line, QueueLine) and (text := line.waiting.get()) is not None:
            yield text
    finally:
        hub.remove(stream)
