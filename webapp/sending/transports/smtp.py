"""`smtp://` and `smtps://`: everything goes to one host that the operator named, which may be a private one."""

import time
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from webapp.core import failpoints
from webapp.core.outside import SmtpConnector, outside
from webapp.mail.smtp_lanes import Lanes, Supply
from webapp.mail.smtp_out import ConnectFailed, SendResult, Target, connect
from webapp.mail.smtp_pipe import Ear, Pipe
from webapp.sending.transports import Report, Transport
from webapp.sending.transports.lane_pool import LanePool

PORTS = {"smtp": 25, "smtps": 465}
#: connections at once of one batch
LANES = 6
#: a host that refused is not asked again for so long
REFUSED_S = 5.0


def target_of(url: str) -> Target:
    """The host behind a transport setting; the text was checked when the settings were read."""
    parts = urlsplit(url)
    tls = "implicit" if parts.scheme == "smtps" else "require" if "tls=require" in parts.query else "opportunistic"
    return Target(
        host=parts.hostname or "", port=parts.port or PORTS[parts.scheme], tls=tls,
        username=unquote(parts.username) if parts.username else None, password=unquote(parts.password) if parts.password else None,
    )  # fmt: skip


def smtp_transport(url: str, hostname: str) -> Transport:
    """A way out over one SMTP host; `hostname` is what we call ourselves there."""
    target = target_of(url)
    return Transport(name="smtp", first_state="queued", open=lambda: SmtpCarrier(target, hostname, outside().smtp or connect))


def refuse_all(letters: Supply, report: Ear, failed: ConnectFailed, host: str, outcome: str = "retry") -> None:
    """Give every letter that waits the same answer: no connection came about."""
    while letters:
        try:
            letter = letters.popleft()
        except IndexError:
            return
        report.answered(letter, SendResult(letter.recipient, outcome, failed.code, failed.text, list(failed.dialogue)), host)


class SmtpCarrier:
    """The connections to the one host."""

    one_by_one = False

    def __init__(self, target: Target, hostname: str, connector: SmtpConnector = connect) -> None:
        self.target, self.hostname, self.connector = target, hostname, connector
        self.host = f"{target.host}:{target.port}"
        self._pool = LanePool()
        self._refused: tuple[float, ConnectFailed] | None = None

    def destination(self, domain: str) -> str:
        return self.host

    def carry(self, destination: str, letters: Supply, report: Report, stop: Callable[[], bool]) -> None:
        lanes = self._pool.take(destination, lambda: Lanes(self._open, most=LANES))
        try:
            lanes.carry(letters, report, stop)
        except ConnectFailed as failed:
            # What the relay says before it knows the mail is never the mail's fault, so nothing bounces for it.
            refuse_all(letters, report, failed, self.host)
        finally:
            self._pool.give(destination, lanes)

    def close(self, idle_s: float = 0.0) -> None:
        self._pool.close(idle_s)

    def _open(self, ear: Ear) -> Pipe:
        refused = self._refused
        if refused is not None and time.monotonic() - refused[0] < REFUSED_S:
            raise refused[1]
        failpoints.hit("send.before_connect")
        try:
            pipe = Pipe(self.connector(self.target, self.hostname), self.host, ear)
        except ConnectFailed as failed:
            self._refused = (time.monotonic(), failed)
            raise
        self._refused = None
        return pipe
