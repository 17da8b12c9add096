"""Open live streams of this process: one thread and one subscription for all of them, however many pages are open.

    hub.add(stream)      from the request's thread, which is free again afterwards where its server lets go of the socket
    hub.since(id, ms)    what a page missed between being painted and listening

The thread hears Redis and writes the names on. A name goes to one page at most once a second, and to many pages one after another:
each of them asks for a fragment then, and two hundred at once would make everybody wait. Twice a second it asks whether the sessions
behind the streams still live (RELIABILITY C-48, C-62); a stream whose person is gone ends.
"""

import logging
import queue
import resource
import select
import socket
import threading
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import redis
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from webapp.core.access import doors
from webapp.core.db import db, reading

log = logging.getLogger("mailroom.live")
PATTERN, PREFIX = "live:*", "live:"
#: how long a stream lives, after which its page opens another; how often it says that it is there; how often sessions are looked at
LIFE_S, BREATH_S, LOOK_S = 1800.0, 10.0, 0.5
#: the least time between two news of the same name to one page; of each news so many pages hear at once, the rest one after another,
#: so many seconds apart over all news of the process: what they ask for then leaves room for everybody else
AGAIN_S, AT_ONCE, APART_S = 1.0, 3, 0.04
#: clocks of two machines may differ by so much, in seconds
SLACK_S = 2.0
HELLO = b"retry: 2000\nevent: hello\ndata: 1\n\n"
BREATH = b": still here\n\n"
#: set when this process is asked to end
closing = threading.Event()


class Line(Protocol):
    """The way to one page."""

    def send(self, text: bytes) -> bool:
        """False when the page is gone, or takes nothing any more."""

    def close(self) -> None: ...

    def fileno(self) -> int:
        """Its socket; -1 where somebody else watches it."""


class SocketLine:
    """A socket of our own, taken over from the server after the headers."""

    def __init__(self, taken: socket.socket, chunked: bool) -> None:
        self.socket, self.chunked = taken, chunked
        taken.setblocking(False)

    def send(self, text: bytes) -> bool:
        framed = b"%x\r\n%b\r\n" % (len(text), text) if self.chunked else text
        try:
            return self.socket.send(framed) == len(framed)
        except OSError:  # a page that does not read fills its buffer; it opens another stream when it wakes up
            return False

    def close(self) -> None:
        try:
            if self.chunked:
                self.socket.send(b"0\r\n\r\n")
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def fileno(self) -> int:
        return self.socket.fileno()


class QueueLine:
    """For servers that keep the socket: the request's thread waits here for what to write; None is the end."""

    def __init__(self) -> None:
        self.waiting: queue.Queue[bytes | None] = queue.Queue()

    def send(self, text: bytes) -> bool:
        self.waiting.put(text)
        return True

    def close(self) -> None:
        self.waiting.put(None)

    def fileno(self) -> int:
        return -1


@dataclass(eq=False)
class Stream:
    """One open page. `ticket` is what `doors` gave for its session."""

    line: Line
    workspace_id: int
    ticket: Any
    ends: float = field(default_factory=lambda: time.monotonic() + LIFE_S)
    breath: float = field(default_factory=lambda: time.monotonic() + BREATH_S)
    #: name -> when it is to be told; name -> when it was told last
    due: dict[str, float] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)


def most_streams() -> int:
    """How many streams this process holds: never more than half of the files that it may open."""
    return min(1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


class Hub:
    """All streams of one process and the thread that serves them."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.lock = threading.Lock()
        self.streams: list[Stream] = []
        self.thread: threading.Thread | None = None
        #: since when Redis is heard, on the clock of the wall; None while it is not
        self.hears_since: float | None = None
        self.hears = threading.Event()
        #: when the last page that has to wait for its news is told
        self.queued_until = 0.0
        #: (workspace, name) -> when it was last heard
        self.heard: dict[tuple[int, str], float] = {}

    def start(self) -> bool:
        """Have the thread run and hear Redis; False when Redis does not answer within a second."""
        with self.lock:
            if self.thread is None or not self.thread.is_alive():
                self.hears.clear()
                self.thread = threading.Thread(target=self._run, name="live", daemon=True)
                self.thread.start()
        return self.hears.wait(1.0)

    def add(self, stream: Stream) -> None:
        with self.lock:
            self.streams.append(stream)

    def remove(self, stream: Stream) -> None:
        with self.lock:
            if stream in self.streams:
                self.streams.remove(stream)
        stream.line.close()

    def since(self, workspace_id: int, moment: float) -> list[str]:
        """Names heard since a moment (seconds of the epoch); `poll`, which asks for everything, where nobody listened then."""
        if self.hears_since is None or moment < self.hears_since:
            return ["poll"]
        return sorted(name for (owner, name), at in self.heard.copy().items() if owner == workspace_id and at >= moment - SLACK_S)

    # ------------------------------------------------------------ the thread

    def _run(self) -> None:
        client: redis.Redis = self.app.extensions["redis"]
        hub: Any = client.pubsub(ignore_subscribe_messages=False)  # type: ignore[no-untyped-call]
        try:
            hub.psubscribe(PATTERN)
            self._serve(hub)
        except redis.RedisError as error:
            log.warning("live updates stop until Redis answers: %s", error)
        finally:
            self.hears.clear()
            self.hears_since = None
            self._end(list(self.streams))
            hub.close()

    def _serve(self, hub: Any) -> None:
        look = 0.0
        while not closing.is_set():
            message = hub.get_message(timeout=self._pause())
            if message is not None:
                self._hear(message)
            now = time.monotonic()
            self._tell(now)
            if now >= look:
                look = now + LOOK_S
                self._look(now)

    def _pause(self) -> float:
        """Seconds until something is to be told, at most a fifth of a second while anybody listens."""
        if not self.streams:
            return 1.0
        soonest = min((when for stream in self.streams for when in stream.due.values()), default=None)
        return 0.2 if soonest is None else max(0.001, min(0.2, soonest - time.monotonic()))

    def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "psubscribe":
            self.hears_since = time.time()
            self.heard.clear()
            self.hears.set()
        elif message["type"] == "pmessage":
            owner = message["channel"].decode().removeprefix(PREFIX)
            if owner.isdigit():
                self._note(int(owner), message["data"].decode())

    def _note(self, workspace_id: int, name: str) -> None:
        self.heard[workspace_id, name] = time.time()
        if len(self.heard) > 10_000:
            self.hears_since = time.time()
            self.heard.clear()
        now = time.monotonic()
        listening = [stream for stream in list(self.streams) if stream.workspace_id == workspace_id]
        for place, stream in enumerate(listening):
            if name in stream.due:
                continue
            soonest = now
            if place >= AT_ONCE:
                soonest = self.queued_until = max(self.queued_until, now) + APART_S
            stream.due[name] = max(soonest, stream.told.get(name, 0.0) + AGAIN_S)

    def _tell(self, now: float) -> None:
        gone = []
        for stream in list(self.streams):
            names = [name for name, when in stream.due.items() if when <= now]
            for name in names:
                del stream.due[name]
                stream.told[name] = now
            text = b"".join(b"event: %b\ndata: 1\n\n" % name.encode() for name in names)
            if not text and now >= stream.breath:
                text = BREATH
            if text:
                stream.breath = now + BREATH_S
                if not stream.line.send(text):
                    gone.append(stream)
        self._end(gone)

    def _look(self, now: float) -> None:
        """End what has lived its time, what hung up, and what belongs to a session or role that ended."""
        streams = list(self.streams)
        ended = [stream for stream in streams if now >= stream.ends]
        ended += hung_up(streams)
        tickets = {stream.ticket for stream in streams}
        if tickets:
            valid = self._valid(tickets)
            ended += [stream for stream in streams if stream.ticket not in valid]
        self._end(ended)

    def _valid(self, tickets: set[Any]) -> Collection[Any]:
        try:
            with self.app.app_context(), reading():
                try:
                    return doors.still_valid(tickets)
                finally:
                    db.session.rollback()
        except SQLAlchemyError as error:  # pages get nothing from a database that is away either
            log.warning("sessions of live streams could not be looked at: %s", error)
            return tickets

    def _end(self, streams: Iterable[Stream]) -> None:
        for stream in streams:
            self.remove(stream)


def hung_up(streams: Iterable[Stream]) -> list[Stream]:
    """Streams whose page closed its side."""
    watched = {stream.line.fileno(): stream for stream in streams if stream.line.fileno() >= 0}
    poll = select.poll()
    for number in watched:
        poll.register(number, select.POLLIN | select.POLLHUP | select.POLLERR)
    return [watched[number] for number, _ in poll.poll(0)]  # a page sends nothing on its stream, so whatever comes is its end
