"""What a listener and the Intake say to each other: who is there, what arrived, how the port behaves.

The wire is `smtp_session`; these are plain values and two protocols, so an Intake is written and tested without a socket.
"""

import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from webapp.mail import status


@dataclass(frozen=True)
class Login:
    """Somebody who logged in; `data` is the Intake's own."""

    name: str
    data: Any = None


@dataclass
class SessionInfo:
    """What is known of the connection at hand; starts anew after STARTTLS. `kind` is that of the Rules.

    declared_bytes  of the message at hand as MAIL FROM said it (SIZE, RFC 1870); 0 when it did not
    """

    ip: str
    kind: str
    helo: str = ""
    tls: bool = False
    login: Login | None = None
    declared_bytes: int = 0


@dataclass(frozen=True)
class Arrival:
    """One message as it was handed over. `sender` is empty for the null sender; `raw` has CRLF line ends and a Received line on top.

    head_bytes  length of that Received line: what lies behind it is what the client sent
    """

    sender: str
    recipients: list[str]
    raw: bytes
    ip: str
    helo: str
    login: Login | None
    tls: bool
    received_at: datetime
    smtputf8: bool
    trusted: bool
    kind: str = "mx"
    head_bytes: int = 0


Answer = str | None | Awaitable[str | None]


class Intake(Protocol):
    """Decides. Replies are whole reply lines of `mail.status`; None means yes. A reply with 421 ends the connection.

    What can be answered at once is answered at once; what takes time comes as something to wait for, and the session waits.
    """

    async def login(self, username: str, password: str, session: SessionInfo) -> Login | None: ...
    def check_sender(self, session: SessionInfo, address: str) -> Answer: ...
    def check_recipient(self, session: SessionInfo, address: str) -> Answer: ...
    def receive(self, arrival: Arrival) -> Awaitable[str]: ...


class Throttle(Protocol):
    """Back-off against guessing, by account and by address. `wait_s` above 0 refuses the try without looking at the password."""

    async def wait_s(self, account: str, ip: str) -> int: ...
    async def failed(self, account: str, ip: str) -> None: ...
    async def succeeded(self, account: str, ip: str) -> None: ...


@dataclass
class Rules:
    """How a listener behaves.

    kind                mx (no login, no relay) or submission (login before MAIL)
    tls                 asked at each new connection, so a renewed certificate counts at once; implicit TLS asks when it starts
    trusted             addresses whose bare line ends are repaired rather than refused
    may_auth_plain      addresses that may log in without TLS
    per_ip_connections  more at the same time from one address (IPv6: one /64) are answered 421
    most_connections    of all clients together: beyond it the one that was idle for the longest makes room, if it is in no message
    idle_s              the client is cut off after so long without a command or 128 KB of a message
    connections         open ones by address (IPv6: by /64); kept by the listener, may be shared by several
    """

    kind: str
    hostname: str
    max_bytes: int
    tls: Callable[[], ssl.SSLContext | None] = lambda: None
    implicit_tls: bool = False
    trusted: Callable[[str], bool] = lambda ip: False
    may_auth_plain: Callable[[str], bool] = lambda ip: False
    throttle: Throttle | None = None
    per_ip_connections: int = 50
    most_connections: int = 3000
    idle_s: float = 300.0
    connections: dict[str, int] = field(default_factory=dict)

    def patience_s(self, connections: int) -> float:
        """How long a client may be idle; a tenth of it while more than half of the room is taken."""
        return self.idle_s if connections * 2 <= self.most_connections else self.idle_s / 10

    def make_room(self, live: Iterable[Any]) -> bool:
        """Whether one more fits in, after somebody idle was sent away if need be. `live` are wires, the newest among them."""
        wires = list(live)
        if len(wires) <= self.most_connections:
            return True
        idle = [wire for wire in wires if not wire.in_message and not wire.gone and wire.info.login is None]
        longest = min(idle, key=lambda wire: wire.seen_at, default=None)
        if longest is None:
            return False
        longest.say(status.MAKING_ROOM)
        return True
