"""Request threads that wait a moment for the next request of their connection: nobody starves by it and nothing is lost."""

import http.client
import socket
import threading
from typing import Any

from tests.core.live_server import LiveServer
from tests.servers import wait_until
from webapp.core.db import db

PATH = "/api/v1/nothing-here"


def ask(connection: http.client.HTTPConnection) -> int:
    connection.request("GET", PATH)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def test_one_thread_serves_a_second_connection_while_the_first_never_pauses(app: Any, people: Any) -> None:
    db.session.commit()
    with LiveServer(app, threads=1) as server:
        answered: list[int] = []
        stop = threading.Event()

        def hammer() -> None:
            greedy = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            while not stop.is_set():
                answered.append(ask(greedy))
            greedy.close()

        thread = threading.Thread(target=hammer)
        thread.start()
        try:
            wait_until(lambda: len(answered) > 3, "the first connection", 20)
            other = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            assert [ask(other) for _ in range(5)] == [404] * 5
            other.close()
        finally:
            stop.set()
            thread.join(20)
        assert set(answered) == {404}


def test_requests_sent_at_once_are_answered_in_order_on_one_connection(app: Any, people: Any) -> None:
    db.session.commit()
    with LiveServer(app, threads=2) as server, socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
        line.sendall(b"".join(b"GET %b HTTP/1.1\r\nHost: x\r\nX-Request-Id: r%d\r\n\r\n" % (PATH.encode(), n) for n in range(4)))
        found = b""
        while found.count(b"X-Request-Id: r") < 4 and (data := line.recv(65536)):
            found += data
    places = [found.index(b"X-Request-Id: r%d" % number) for number in range(4)]
    assert places == sorted(places)
