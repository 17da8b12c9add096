"""A fake SMTP server on loopback that says what a script tells, and remembers every byte it was sent."""

import socket
import ssl
from collections.abc import Callable
from typing import Any, Self

from tests.fakes import Listener
from webapp.mail.smtp_out import Connection, SendResult, Target, connect

#: A reply; or a function of the socket that does something else and tells whether the talk goes on.
Step = bytes | Callable[[socket.socket], bool]
EHLO = b"250-peer.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 90000000\r\n"
RAW = b"Subject: x\r\n\r\nhello\r\n"


def hang_up(connection: socket.socket) -> bool:
    return False


def reset(connection: socket.socket) -> bool:
    """Break the connection, so that the other side reads an error rather than an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    return False


def say_and_hang_up(reply: bytes) -> Step:
    def step(connection: socket.socket) -> bool:
        connection.sendall(reply)
        return False

    return step


def silence(connection: socket.socket) -> bool:
    return True


class Peer:
    """A context manager. `steps` has a reply, or a list of them for one after another, by verb; `dot` is the end of the body."""

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, implicit: bool = False, host: str = "127.0.0.1", port: int = 0,
        **steps: Step | list[Step],
    ) -> None:
        self.tls = tls
        usual = {"banner": b"220 peer.test\r\n", "ehlo": EHLO, "starttls": b"220 go\r\n", "data": b"354 go\r\n", "quit": b"221 bye\r\n"}
        self.steps: dict[str, Any] = {**usual, **steps}
        self.commands: list[str] = []
        self.bodies: list[bytes] = []
        self.listener = Listener(self._talk, tls if implicit else None, host=host, port=port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()

    def target(self, **options: Any) -> Target:
        return Target(**{"host": "127.0.0.1", "port": self.listener.port, "timeout_s": 5.0, **options})

    def connect(self, **options: Any) -> Connection:
        return connect(self.target(**options), "client.test")

    def send(self, *recipients: str, raw: bytes = RAW, **options: Any) -> list[SendResult]:
        """One message over a connection of its own."""
        with self.connect(**options) as line:
            return line.send("a@x.test", list(recipients or ["b@y.test"]), raw)

    def verbs(self) -> list[str]:
        return [command.split(" ")[0].split(":")[0] for command in self.commands]

    def _do(self, connection: socket.socket, name: str) -> bool:
        step = self.steps.get(name, b"250 2.0.0 ok\r\n")
        if isinstance(step, list):
            step = step.pop(0) if step else b"250 2.0.0 ok\r\n"
        if callable(step):
            return bool(step(connection))
        connection.sendall(step)
        return True

    def _talk(self, connection: socket.socket, _: Listener) -> None:
        reader = connection.makefile("rb")
        going = self._do(connection, "banner")
        while going and (line := reader.readline()):
            self.commands.append(line.decode().rstrip("\r\n"))
            verb = line[:4].strip().lower().decode()
            going = self._do(connection, {"star": "starttls"}.get(verb, verb))
            if verb == "star" and going and self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
                reader = connection.makefile("rb")
            elif verb == "data" and going and self.steps["data"] == b"354 go\r\n":
                body = b""
                while not (b"\r\n" + body).endswith(b"\r\n.\r\n") and (piece := reader.readline()):
                    body += piece
                self.bodies.append(body)
                going = body.endswith(b".\r\n") and self._do(connection, "dot")
            elif verb == "quit":
                going = False
        reader.close()
        connection.close()
