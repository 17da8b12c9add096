"""The one HTTP client for everything that Mailroom calls on behalf of users: webhooks, actions, link checks, pictures.

    headers clean? -> URL read -> name resolved once, every address checked -> connect to such an address -> TLS for the name
    -> request -> answer, capped

Each step lives within one deadline, and what goes wrong is an answer, never an exception. Redirects are not followed, proxies and
the environment are not looked at. HTTP/1.1 is read by h11; the sockets are ours, because only then it is certain who is connected.
"""

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import certifi
import h11

from webapp.core.net_guard import (
    LOOKUP_TIMEOUT_S,
    Address,
    Lookup,
    Refused,
    Target,
    Unresolved,
    check_url,
    read_url,
    resolve_allowed,
    system_lookup,
)  # fmt: skip

ErrorKind = Literal["refused", "timeout", "connect", "tls", "dns", "protocol"]
Headers = Mapping[str, str] | Iterable[tuple[str, str]]

TIMEOUT_S = 15.0
CAP_BYTES = 65_536
_CONNECT_S = 5.0           # per address, while another one is left to try
_MOST_ADDRESSES = 4
_SPARE_BYTES = 262_144     # headers, chunk framing and interim answers may take this much beside the body
_READ_BYTES = 16_384

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")  # RFC 9110 section 5.6.2
_METHOD = re.compile(r"[A-Z]{1,16}")
_BROKEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_OURS = frozenset((
    "host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer", "expect", "accept-encoding",
    "proxy-authorization", "proxy-connection", "http2-settings",
))


@dataclass(frozen=True)
class HttpAnswer:
    """What one call brought.

    status      HTTP status; None if no answer came. It may stand beside an error: the answer began and did not end
    headers     in their order, names in lower case
    body        the first bytes of the body, at most `cap_bytes`; as they came, compression is not asked for
    truncated   there was, or may have been, more than `body`
    seconds     from the first look at the URL to the end
    error       a sentence about what went wrong, None for a whole answer of any status
    error_kind  refused (our own guard said no; trying again helps only after a change), timeout, connect, tls, dns, protocol
    address     the IP address that was connected, or tried last
    """

    status: int | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    truncated: bool = False
    seconds: float = 0.0
    error: str | None = None
    error_kind: ErrorKind | None = None
    address: str | None = None

    @property
    def is_success(self) -> bool:
        """A whole answer with a status of 200 to 299."""
        return self.error_kind is None and self.status is not None and 200 <= self.status <= 299

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for found, value in self.headers if found == name.lower()), None)


class _Failed(Exception):
    def __init__(self, kind: ErrorKind, text: str) -> None:
        super().__init__(text)
        self.kind: ErrorKind = kind


class _Deadline:
    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds

    def left_s(self) -> float:
        """Seconds left; TimeoutError when there are none."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


@dataclass
class _Call:
    """One call under way: what is known so far, so that a failure half-way still tells it."""

    deadline: _Deadline
    cap_bytes: int
    status: int | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    is_whole: bool = False
    is_capped: bool = False
    address: str | None = None
    doing: str = "resolving the name"


@dataclass(frozen=True)
class Inside:
    """Addresses of our own that are answered without a connection.

    prefix  what they begin with
    take    (method, URL, headers, body) -> answer
    """

    prefix: str
    take: Callable[[str, str, Headers, bytes], HttpAnswer]


class HttpClient:
    """Calls URLs that users give; threads may share it, it keeps no connection.

    allow   hosts, addresses and blocks that may be called although private (MAILROOM_ALLOW_PRIVATE_TARGETS)
    lookup  how names are resolved; asked once per call
    inside  addresses of our own (the request catcher)
    """

    inside: Inside | None = None

    def __init__(self, allow: Sequence[str] = (), *, lookup: Lookup = system_lookup) -> None:
        self.allow = tuple(allow)
        self.lookup = lookup

    def stays_inside(self, url: str) -> bool:
        return self.inside is not None and url.startswith(self.inside.prefix)

    def check(self, url: str) -> str | None:
        """On save: what is wrong with a URL, as a sentence; None when it may be called."""
        return None if self.stays_inside(url) else check_url(url, self.allow)

    def send(
        self, method: str, url: str, headers: Headers = (), body: bytes = b"", timeout_s: float = TIMEOUT_S,
        verify_tls: bool = True, cap_bytes: int = CAP_BYTES,
    ) -> HttpAnswer:
        """Make one request and bring back what came of it; raises nothing for a bad target or a bad answer.

        headers     names and values; those about framing and connection are refused, they are ours (`check_headers`)
        timeout_s   for everything together, resolution included
        cap_bytes   where reading stops; an answer cut there is whole enough to be judged by its status
        """
        if self.inside is not None and self.stays_inside(url):
            return self.inside.take(method, url, headers, body)
        started = time.monotonic()
        call = _Call(_Deadline(timeout_s), cap_bytes)
        kind: ErrorKind | None = None
        text: str | None = None
        try:
            self._make(call, method, url, headers, body, verify_tls)
        except _Failed as failed:
            kind, text = failed.kind, str(failed)
        except Refused as refused:
            kind, text = "refused", str(refused)
        except Unresolved as unresolved:
            kind, text = "dns", str(unresolved)
        except TimeoutError:
            kind, text = "timeout", f"No complete answer within {timeout_s:g} s: time ran out while {call.doing}."
        except h11.RemoteProtocolError as error:
            kind, text = "protocol", f"The answer is not proper HTTP: {error}."
        except ssl.SSLError as error:
            kind, text = "tls", f"TLS failed: {_reason(error)}."
        except OSError as error:
            kind, text = "connect", f"The connection broke while {call.doing}: {error.strerror or error}."
        is_cut = call.is_capped or (call.status is not None and not call.is_whole)
        return HttpAnswer(
            status=call.status, headers=call.headers, body=bytes(call.body), truncated=is_cut,
            seconds=time.monotonic() - started, error=text, error_kind=kind, address=call.address,
        )

    def _make(self, call: _Call, method: str, url: str, headers: Headers, body: bytes, verify_tls: bool) -> None:
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        if not _METHOD.fullmatch(method):
            raise Refused("The HTTP method must be a word in capitals, such as POST.")
        if problem := check_headers(pairs):
            raise Refused(problem)
        target = read_url(url)
        wait_s = min(LOOKUP_TIMEOUT_S, call.deadline.left_s())
        addresses = resolve_allowed(target.host, target.port, self.allow, timeout_s=wait_s, lookup=self.lookup)
        with _connect(call, target, addresses) as plain, _secure(call, plain, target, verify_tls) as sock:
            _exchange(call, sock, _request(target, method, pairs, body), body)


def check_headers(headers: Headers) -> str | None:
    """What is wrong with headers that a user wants to send, as a sentence; None if nothing is. Values may hold UTF-8, but no line ends."""
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        if not _TOKEN.fullmatch(name):
            return f"{name!r} is not a header name. Use letters, digits and hyphens."
        if name.lower() in _OURS:
            return f"The header {name} is set by Mailroom itself. Leave it out."
        if _BROKEN.search(value) or not _is_text(value):
            return f"The value of the header {name} contains a line end or a control character. Write it in one line."
        if len(value) > 8192:
            return f"The value of the header {name} is longer than 8192 characters."
    return None


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _request(target: Target, method: str, pairs: list[tuple[str, str]], body: bytes) -> h11.Request:
    lines = [("Host", target.authority.encode())]
    lines += [(name, value.strip(" \t").encode()) for name, value in pairs]
    given = {name.lower() for name, _ in pairs}
    lines += [(name, value) for name, value in (("User-Agent", b"Mailroom"), ("Accept", b"*/*")) if name.lower() not in given]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(("Content-Length", str(len(body)).encode()))
    lines += [("Accept-Encoding", b"identity"), ("Connection", b"close")]
    return h11.Request(method=method.encode(), target=target.path.encode(), headers=[(name.encode(), value) for name, value in lines])


def _connect(call: _Call, target: Target, addresses: list[Address]) -> socket.socket:
    """A connection to the first of the checked addresses that takes one; names play no part any more."""
    call.doing = "connecting"
    tries = addresses[:_MOST_ADDRESSES]
    for n, address in enumerate(tries, start=1):
        call.address = str(address)
        left_s = call.deadline.left_s()
        try:
            return socket.create_connection((str(address), target.port), timeout=left_s if n == len(tries) else min(_CONNECT_S, left_s))
        except TimeoutError:
            if n == len(tries):
                raise
        except OSError as error:
            if n == len(tries):
                raise _Failed("connect", f"No connection to {call.address} port {target.port}: {error.strerror or error}.") from None
    raise AssertionError("resolve_allowed gives at least one address")


def _secure(call: _Call, sock: socket.socket, target: Target, verify_tls: bool) -> socket.socket:
    """TLS for the name, or the same socket for http."""
    if target.scheme == "http":
        return sock
    call.doing = "agreeing on TLS"
    sock.settimeout(call.deadline.left_s())
    try:
        return _tls(verify_tls).wrap_socket(sock, server_hostname=target.host)
    except TimeoutError:
        raise
    except ssl.SSLCertVerificationError as error:
        raise _Failed("tls", f"The certificate of {target.host} is not valid: {error.verify_message.rstrip('.')}.") from None
    except (OSError, ValueError) as error:
        raise _Failed("tls", f"TLS with {target.host} failed: {_reason(error)}.") from None


@cache
def _tls(verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif not context.cert_store_stats()["x509_ca"]:
        context.load_verify_locations(certifi.where())  # a slim container without the system's list
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _exchange(call: _Call, sock: socket.socket, request: h11.Request, body: bytes) -> None:
    link = h11.Connection(h11.CLIENT)
    try:
        wire = [link.send(request), link.send(h11.Data(body)) if body else b"", link.send(h11.EndOfMessage())]
    except h11.LocalProtocolError as error:
        raise Refused(f"The request cannot be sent: {error}.") from None
    call.doing = "sending the request"
    broken: OSError | None = None
    try:
        _write(call, sock, b"".join(part for part in wire if part))
    except TimeoutError:
        raise
    except OSError as error:
        broken = error  # a server that refuses early answers first and then hangs up: its answer may still be there
    call.doing = "waiting for the answer"
    try:
        _read(call, sock, link)
    except (OSError, h11.RemoteProtocolError) as error:
        if broken and call.status is None and not isinstance(error, TimeoutError):
            raise broken from None
        raise


def _write(call: _Call, sock: socket.socket, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        sock.settimeout(call.deadline.left_s())
        rest = rest[sock.send(rest[:_SPARE_BYTES]):]


def _read(call: _Call, sock: socket.socket, link: h11.Connection) -> None:
    """Read the answer into the call until it ends or is larger than the cap."""
    budget = call.cap_bytes + _SPARE_BYTES
    while True:
        event = link.next_event()
        if event is h11.NEED_DATA:
            sock.settimeout(call.deadline.left_s())
            data = _receive(sock)
            budget -= len(data)
            if budget < 0:
                raise _Failed("protocol", "The answer has more headers or framing than any honest one.")
            link.receive_data(data)
        elif isinstance(event, h11.Response):
            call.status = event.status_code
            call.headers = [(name.decode("ascii"), value.decode("utf-8", "replace")) for name, value in event.headers]
            call.doing = "reading the answer"
        elif isinstance(event, h11.Data):
            call.body += event.data[: call.cap_bytes - len(call.body) + 1]
            if len(call.body) > call.cap_bytes:
                del call.body[call.cap_bytes:]
                call.is_capped = True
                return
        elif isinstance(event, h11.EndOfMessage):
            call.is_whole = True
            return
        elif not isinstance(event, h11.InformationalResponse):
            raise _Failed("protocol", "The server closed the connection without an answer.")


def _receive(sock: socket.socket) -> bytes:
    try:
        return sock.recv(_READ_BYTES)
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return b""  # hung up without TLS close_notify; h11 knows whether the answer was whole


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return str(reason).replace("_", " ").lower().rstrip(".")
