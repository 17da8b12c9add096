"""Who may listen where: said in one line before anything is started."""

import errno
import socket
from collections.abc import Iterator

from webapp.settings import BadSetting, Settings


def wanted(settings: Settings) -> Iterator[tuple[str, str, int]]:
    """(setting, host, port) of every port that `up` takes."""
    yield "MAILROOM_HTTP_PORT", settings.http_host, settings.http_port
    yield "MAILROOM_SMTP_PORT", settings.smtp_host, settings.smtp_port
    yield "MAILROOM_SUBMISSION_PORT", settings.smtp_host, settings.submission_port
    if settings.submissions_port is not None:
        yield "MAILROOM_SUBMISSIONS_PORT", settings.smtp_host, settings.submissions_port


def listen(name: str, host: str, port: int, backlog: int = 1024) -> socket.socket:
    """A listening TCP socket. raises BadSetting that names the setting to change"""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror:
        raise BadSetting(_host_setting(name), f"is {host!r}, which cannot be resolved", "Write an address of this machine.") from None
    listener = socket.socket(family, kind, protocol)
    try:
        # Without it a port stays closed for a minute after connections that ended.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        raise _explained(name, host, port, error) from None
    return listener


def check(settings: Settings, *, but: str = "") -> None:
    """Try every port, `but` one setting's; raises BadSetting for the first that cannot be had."""
    for name, host, port in wanted(settings):
        if name != but:
            listen(name, host, port).close()


def _explained(name: str, host: str, port: int, error: OSError) -> BadSetting:
    if error.errno == errno.EADDRINUSE:
        return BadSetting(name, f"is {port}, and another program listens there on {host}", "End that program, or choose another port.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return BadSetting(name, f"is {port}, which this user may not open", "Choose a port above 1023, or grant the right to lower ones.")
    if error.errno == errno.EADDRNOTAVAIL:
        remedy = "Write 127.0.0.1, 0.0.0.0 or one of its addresses."
        return BadSetting(_host_setting(name), f"is {host!r}, which is no address of this machine", remedy)
    return BadSetting(name, f"is {port}, which cannot be opened on {host}: {error.strerror}", "Choose another port.")


def _host_setting(port_setting: str) -> str:
    return "MAILROOM_HTTP_HOST" if port_setting == "MAILROOM_HTTP_PORT" else "MAILROOM_SMTP_HOST"
