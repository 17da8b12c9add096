"""SMTP in: a listening port.

    client ──▶ smtp_wire ──▶ smtp_session.Server (one per connection) ──▶ Intake: login · check_sender · check_recipient · receive
                             smtp_data.Body: byte-level DATA reader

Two kinds of listener: `mx` (no login, no relay) and `submission` (login before MAIL).
"""

import asyncio

from webapp.mail.smtp_intake import Arrival as Arrival
from webapp.mail.smtp_intake import Intake as Intake
from webapp.mail.smtp_intake import Login as Login
from webapp.mail.smtp_intake import Rules as Rules
from webapp.mail.smtp_intake import SessionInfo as SessionInfo
from webapp.mail.smtp_intake import Throttle as Throttle
from webapp.mail.smtp_session import Server
from webapp.mail.smtp_wire import Wire


class Listener:
    """A listening port; `start`, then `stop` with some time for mails that are being handed over."""

    def __init__(self, intake: Intake, rules: Rules, live: set[Wire] | None = None) -> None:
        """`live` may be shared, so that `rules.most_connections` counts for several ports together."""
        self.intake, self.rules = intake, rules
        self.live: set[Wire] = set() if live is None else live
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port (port 0 takes a free one). raises OSError when it is taken"""
        loop = asyncio.get_running_loop()
        context = self.rules.tls() if self.rules.implicit_tls else None
        if self.rules.implicit_tls and context is None:
            raise ValueError("A listener with implicit TLS needs a certificate.")
        self._server = await loop.create_server(
            lambda: Server(self.rules, self.intake, self.live, loop), host, port, ssl=context, reuse_address=True, backlog=1024
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self, grace_s: float = 10.0) -> None:
        """Take no more connections, let DATA finish, close the rest; whoever is still there after `grace_s` is cut off."""
        if self._server is not None:
            self._server.close()
        for server in list(self.live):
            server.goodbye()
        ends = asyncio.get_running_loop().time() + grace_s
        while self.live and asyncio.get_running_loop().time() < ends:
            await asyncio.sleep(0.05)
        for server in list(self.live):
            if server.transport is not None:
                server.transport.abort()
