"""`smtp://` and `smtps://`: everything goes to one host that the operator named, which may be a private one."""

import time
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from webapp.core.outside import SmtpConnector, outside
from webapp.mail.smtp_out import ConnectFailed, Connection, SendResult, Target, connect
from webapp.sending.transports import Parcel, Transport

PORTS = {"smtp": 25, "smtps": 465}


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
    return Transport(name="smtp", first_state="queued", open=lambda: SmtpLane(target, hostname, outside().smtp or connect))


class SmtpLane:
    """One connection, opened for the first mail and kept for the next ones."""

    def __init__(self, target: Target, hostname: str, connector: SmtpConnector = connect) -> None:
        self.target, self.hostname, self.connector = target, hostname, connector
        self.host = f"{target.host}:{target.port}"
        self._line: Connection | None = None
        self._greeting: list[str] = []
        self._refused: ConnectFailed | None = None

    def send(self, parcel: Parcel, on_wire: Callable[[], None]) -> SendResult:
        """Hand one mail over. A kept connection that turns out to be gone is opened again at once, when no body was on its way."""
        kept = self._line is not None and not self._line.broken
        result = self._send(parcel, on_wire)
        if kept and result.outcome == "retry" and result.code is None and self._refused is None:
            result = self._send(parcel, on_wire)
        return result

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _send(self, parcel: Parcel, on_wire: Callable[[], None]) -> SendResult:
        began = time.monotonic()
        try:
            line = self._open()
        except ConnectFailed as failed:
            # What the relay says before it knows the mail is never the mail's fault, so nothing bounces for it.
            return SendResult(parcel.recipient, "retry", failed.code, failed.text, list(failed.dialogue), time.monotonic() - began)
        greeting, self._greeting = self._greeting, []
        result = line.send(parcel.envelope_sender, [parcel.recipient], parcel.raw, on_wire=lambda accepted: on_wire())[0]
        result.dialogue = [*greeting, *result.dialogue]
        return result

    def _open(self) -> Connection:
        """The open connection, or a new one. A host that just refused is not asked again by this lane."""
        if self._line is not None and not self._line.broken:
            return self._line
        if self._refused is not None:
            raise self._refused
        try:
            self._line = self.connector(self.target, self.hostname)
        except ConnectFailed as failed:
            self._refused = failed
            raise
        self._greeting = list(self._line.dialogue)
        return self._line
