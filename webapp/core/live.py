"""Live pages: server-sent events that say *what changed*, never content. The page then asks for its fragment again.

    notify(workspace_id, "messages-changed")    leaves after the commit, through Redis pub/sub
    GET /events                                 session, same origin; at most half of the request threads, else 204 (the word of
                                                server-sent events for "no stream", which no browser logs as an error)

A page that gets no stream asks every 5 s instead.
"""

import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import redis
from flask import Blueprint, Response, current_app, request, stream_with_context

from webapp.core import queue
from webapp.core.access import current_actor, needs
from webapp.core.db import db
from webapp.core.errors import Forbidden

blp = Blueprint("live", __name__)
LIFE_S = 300.0
_open = 0
_lock = threading.Lock()
#: set when this process is asked to end, so that open streams do not hold it up
closing = threading.Event()


def channel(workspace_id: int) -> str:
    return f"live:{workspace_id}"


def notify(workspace_id: int, name: str) -> None:
    """Tell the open pages of a workspace, once the transaction is committed."""
    queue.after_commit(f"live:{workspace_id}:{name}", lambda: publish(workspace_id, name))


def publish(workspace_id: int, name: str) -> None:
    client: redis.Redis = current_app.extensions["redis"]
    try:
        client.publish(channel(workspace_id), name)
    except redis.RedisError:
        return


@blp.get("/events")
@needs()
def events() -> Response:
    """The stream of one page."""
    global _open
    actor = current_actor()
    origin = request.headers.get("Origin")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none") or (
        origin and urlsplit(origin).netloc != request.host
    ):
        raise Forbidden("Live updates are for pages of this server only.")
    with _lock:
        if _open >= max(1, current_app.config["SETTINGS"].web_threads // 2):
            return _no_stream()
        _open += 1
    client: redis.Redis = current_app.extensions["redis"]
    hub: Any = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    try:
        hub.subscribe(channel(actor.workspace_id))
    except redis.RedisError:
        _release(hub)
        return _no_stream()
    db.session.rollback()
    response = Response(stream_with_context(_stream(hub)), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _no_stream() -> Response:
    """All streams are taken or Redis is away: the page asks every 5 s instead."""
    return Response(status=204, headers={"Retry-After": "5", "Cache-Control": "no-store"})


def _stream(hub: Any) -> Iterator[str]:
    """Names of events as they come; a comment every 10 s finds out whether anybody still listens."""
    ends = time.monotonic() + LIFE_S
    quiet = 0
    try:
        yield "retry: 2000\nevent: hello\ndata: 1\n\n"
        while time.monotonic() < ends and not closing.is_set():
            message = hub.get_message(timeout=1.0)
            if message is None:
                quiet += 1
                if quiet % 10 == 0:
                    yield ": still here\n\n"
                continue
            yield f"event: {message['data'].decode()}\ndata: 1\n\n"
    except redis.RedisError:
        return
    finally:
        _release(hub)


def _release(hub: Any) -> None:
    global _open
    with _lock:
        _open = max(0, _open - 1)
    hub.close()
