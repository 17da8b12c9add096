"""The guarded HTTP client against real sockets on loopback, which the tests open through the allow list."""

import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.fakes import Listener, answering, listening, read_request
from webapp.core import http_guard
from webapp.core.http_guard import HttpClient, check_headers

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Kind: test\r\n\r\nhello"
LOOPBACK = ("127.0.0.0/8",)


def to_loopback(host: str, timeout_s: float) -> list[str]:
    """A resolver for which every name is this machine."""
    return ["127.0.0.1"]


@pytest.fixture
def client() -> HttpClient:
    return HttpClient(LOOPBACK, lookup=to_loopback)


# --- request and answer -------------------------------------------------------------------------------


def test_a_request_goes_out_whole_and_the_answer_comes_back(client: HttpClient) -> None:
    with listening(answering(OK)) as server:
        headers = {"X-One": "grüße", "Content-Type": "application/json"}
        answer = client.send("POST", f"http://hooks.example:{server.port}/a?b=c#d", headers, b'{"a": 1}')
    assert (answer.status, answer.body, answer.truncated, answer.error, answer.error_kind) == (200, b"hello", False, None, None)
    assert answer.is_success
    assert answer.header("X-KIND") == "test"
    assert answer.address == "127.0.0.1"
    assert 0 < answer.seconds < 5
    head, _, body = server.heard[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /a?b=c HTTP/1.1"
    assert f"Host: hooks.example:{server.port}".encode() in lines
    assert b"X-One: gr\xc3\xbc\xc3\x9fe" in lines
    assert b"Content-Length: 8" in lines
    assert b"Connection: close" in lines
    assert body == b'{"a": 1}'


def test_headers_may_be_pairs_and_a_user_agent_replaces_ours(client: HttpClient) -> None:
    with listening(answering(OK)) as server:
        client.send("GET", f"http://hooks.example:{server.port}", [("X-A", "1"), ("X-A", "2"), ("User-Agent", "Mailroom/1")])
    lines = server.heard[0].split(b"\r\n")
    assert lines[0] == b"GET / HTTP/1.1"
    assert [line for line in lines if line.startswith((b"X-A", b"User-Agent"))] == [b"X-A: 1", b"X-A: 2", b"User-Agent: Mailroom/1"]


@pytest.mark.parametrize(("raw", "status", "body"), [
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", 200, b"abcde"),
    (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 410 Gone\r\nContent-Length: 4\r\n\r\ngone", 410, b"gone"),
    (b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 503, b""),
])
def test_c71_whole_answers_of_every_framing_are_no_errors(client: HttpClient, raw: bytes, status: int, body: bytes) -> None:
    with listening(answering(raw)) as server:
        answer = client.send("POST", f"http://hooks.example:{server.port}/", {}, b"x")
    assert (answer.status, answer.body, answer.truncated, answer.error_kind) == (status, body, False, None)
    assert answer.is_success is (status < 300)


def test_a_large_request_body_arrives_whole(client: HttpClient) -> None:
    body = bytes(range(256)) * 20_000
    with listening(answering(OK)) as server:
        assert client.send("PUT", f"http://hooks.example:{server.port}/", {}, body).status == 200
    assert server.heard[0].endswith(b"\r\n\r\n" + body)


@pytest.mark.parametrize("hangs_up", [False, True])
def test_an_answer_given_before_the_body_was_read_is_still_heard(client: HttpClient, hangs_up: bool) -> None:
    def refuse_early(connection: socket.socket, listener: Listener) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        while not hangs_up and connection.recv(65_536):
            pass

    with listening(refuse_early) as server:
        assert client.send("POST", f"http://hooks.example:{server.port}/", {}, b"x" * 3_000_000).status == 413


def test_c66_redirects_are_not_followed(client: HttpClient) -> None:
    with listening(answering(OK)) as inner:
        location = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{inner.port}/\r\nContent-Length: 0\r\n\r\n".encode()
        with listening(answering(location)) as outer:
            answer = client.send("GET", f"http://hooks.example:{outer.port}/")
        assert (answer.status, answer.error_kind, inner.accepted) == (302, None, 0)
        assert answer.header("location") == f"http://127.0.0.1:{inner.port}/"
        assert not answer.is_success


def test_c66_proxies_of_the_environment_are_ignored(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(answering(b"HTTP/1.1 500 Proxy\r\n\r\n")) as proxy, listening(answering(OK)) as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        assert client.send("GET", f"http://hooks.example:{server.port}/").status == 200
        assert proxy.accepted == 0


# --- hostile servers ----------------------------------------------------------------------------------


def test_c71_a_server_that_drips_a_byte_at_a_time_is_left_at_the_deadline(client: HttpClient) -> None:
    def drip(connection: socket.socket, listener: Listener) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not listener.stopping.wait(0.05):
            connection.sendall(b".")

    with listening(drip) as server:
        answer = client.send("GET", f"http://hooks.example:{server.port}/", timeout_s=0.6)
    assert (answer.status, answer.error_kind, answer.truncated) == (200, "timeout", True)
    assert set(answer.body) == {ord(".")}
    assert 0.5 < answer.seconds < 2
    assert not answer.is_success


def test_c71_headers_that_never_end_are_left_at_the_deadline(client: HttpClient) -> None:
    def drip(connection: socket.socket, listener: Listener) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while not listener.stopping.wait(0.05):
            connection.sendall(b"y")

    with listening(drip) as server:
        answer = client.send("GET", f"http://hooks.example:{server.port}/", timeout_s=0.5)
    assert (answer.status, answer.error_kind) == (None, "timeout")
    assert answer.seconds < 2


def test_c71_a_server_that_says_nothing_and_one_that_reads_nothing_time_out(client: HttpClient) -> None:
    with listening(lambda connection, listener: listener.stopping.wait(5)) as server:
        for body in (b"", b"x" * 30_000_000):
            answer = client.send("POST", f"http://hooks.example:{server.port}/", {}, body, timeout_s=0.4)
            assert (answer.status, answer.error_kind) == (None, "timeout")
            assert answer.seconds < 2


def test_c71_an_endless_body_is_cut_at_the_cap_and_judged_by_its_status(client: HttpClient) -> None:
    def pour(connection: socket.socket, listener: Listener) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not listener.stopping.is_set():
            connection.sendall(b"x" * 65_536)

    with listening(pour) as server:
        answer = client.send("GET", f"http://hooks.example:{server.port}/")
        small = client.send("GET", f"http://hooks.example:{server.port}/", cap_bytes=10)
    assert (answer.status, len(answer.body), answer.truncated, answer.error_kind) == (200, 65_536, True, None)
    assert (small.body, small.truncated) == (b"x" * 10, True)


def test_a_body_of_exactly_the_cap_is_not_truncated(client: HttpClient) -> None:
    with listening(answering(OK)) as server:
        answer = client.send("GET", f"http://hooks.example:{server.port}/", cap_bytes=5)
    assert (answer.body, answer.truncated) == (b"hello", False)


@pytest.mark.parametrize("block", [b"X-More: " + b"y" * 1000 + b"\r\n", b"HTTP/1.1 103 Early\r\n\r\n", b"y" * 1000])
def test_c71_endless_headers_and_interim_answers_are_cut(client: HttpClient, block: bytes) -> None:
    def pour(connection: socket.socket, listener: Listener) -> None:
        connection.sendall(b"HTTP/1.1 103 Early\r\n\r\n" if block.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\n")
        while not listener.stopping.is_set():
            connection.sendall(block * 50)

    with listening(pour) as server:
        answer = client.send("GET", f"http://hooks.example:{server.port}/", timeout_s=5)
    assert (answer.status, answer.error_kind) == (None, "protocol")
    assert answer.seconds < 4


@pytest.mark.parametrize(("raw", "kind", "status"), [
    (b"", "protocol", None), (b"220 mail.example ESMTP\r\n\r\n", "protocol", None), (b"HTTP/1.1 200", "protocol", None),
    (b"HTTP/1.1 999999 What\r\n\r\n", "protocol", None), (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "protocol", None),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "protocol", None),
    (b"HTTP/1.1 200 OK\r\nBad\x00Name: x\r\n\r\n", "protocol", None),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "protocol", 200),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "protocol", 200),
    (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "protocol", None),
])
def test_c71_answers_that_are_not_http_or_break_off_are_errors(client: HttpClient, raw: bytes, kind: str, status: int | None) -> None:
    with listening(answering(raw)) as server:
        answer = client.send("GET", f"http://hooks.example:{server.port}/", timeout_s=3)
    assert (answer.error_kind, answer.status, answer.is_success) == (kind, status, False)
    assert answer.error


def test_a_closed_port_and_an_unknown_name_are_told_apart(client: HttpClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    answer = client.send("GET", f"http://hooks.example:{port}/")
    assert (answer.error_kind, answer.address) == ("connect", "127.0.0.1")
    nameless = HttpClient(LOOPBACK, lookup=lambda host, timeout_s: [])
    assert nameless.send("GET", "http://hooks.example/").error_kind == "dns"


def test_the_next_checked_address_is_tried_when_one_refuses() -> None:
    with listening(answering(OK)) as server:
        client = HttpClient(("127.0.0.0/8", "::1"), lookup=lambda host, timeout_s: ["::1", "127.0.0.1"])
        answer = client.send("GET", f"http://hooks.example:{server.port}/")
    assert (answer.status, answer.address) == (200, "127.0.0.1")


def test_c71_one_slow_endpoint_does_not_delay_calls_of_other_threads(client: HttpClient) -> None:
    with listening(lambda connection, listener: listener.stopping.wait(5)) as slow, listening(answering(OK)) as quick:
        waiting = threading.Thread(target=client.send, args=("GET", f"http://slow.example:{slow.port}/", (), b"", 1.5))
        waiting.start()
        started = time.monotonic()
        assert client.send("GET", f"http://quick.example:{quick.port}/").status == 200
        assert time.monotonic() - started < 1
        waiting.join()


# --- the guard on the wire ----------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "127.1", "0x7f000001", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_c66_a_private_target_never_gets_a_connection(host: str) -> None:
    with listening(answering(OK)) as server:
        answer = HttpClient().send("GET", f"http://{host}:{server.port}/")
        assert (answer.error_kind, answer.status, server.accepted) == ("refused", None, 0)
        assert answer.error


def test_c66_a_name_is_resolved_once_and_the_checked_address_is_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the second answer of the resolver would lead elsewhere, so there must be no second question, nor one to the system."""
    asked: list[str] = []

    def rebinding(host: str, timeout_s: float) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    def literal_only(host: str, *args: object, **kwargs: object) -> object:
        ipaddress.ip_address(host)
        return real(host, *args, **kwargs)  # type: ignore[arg-type]

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", literal_only)
    with listening(answering(OK)) as server:
        answer = HttpClient(("127.0.0.1/32",), lookup=rebinding).send("GET", f"http://rebind.example:{server.port}/")
        assert (answer.status, answer.address, asked) == (200, "127.0.0.1", ["rebind.example"])


def test_c66_every_attempt_is_checked_again() -> None:
    turns = iter([["127.0.0.1"], ["127.0.0.2"]])
    with listening(answering(OK)) as server:
        client = HttpClient(("127.0.0.1/32",), lookup=lambda host, timeout_s: next(turns))
        assert client.send("GET", f"http://rebind.example:{server.port}/").status == 200
        second = client.send("GET", f"http://rebind.example:{server.port}/")
        assert (second.error_kind, server.accepted) == ("refused", 1)


@pytest.mark.parametrize("headers", [
    {"X-A": "a\r\nX-B: b"}, {"X-A": "a\nb"}, {"X-A": "a\rb"}, {"X-A": "a\0b"}, {"X-A": "a\u2028b"}, {"X-A": "a\x85b"},
    {"X-A: x\r\nX-B": "b"},
    {"": "x"}, {"X A": "x"}, {"X-Ä": "x"}, {"Host": "evil.example"}, {"content-length": "0"}, {"Transfer-Encoding": "chunked"},
    {"Connection": "upgrade"}, {"X-A": "\ud800"}, {"X-A": "x" * 9000},
])
def test_c68_headers_that_would_break_the_request_are_refused(client: HttpClient, headers: dict[str, str]) -> None:
    assert check_headers(headers)
    with listening(answering(OK)) as server:
        assert client.send("POST", f"http://hooks.example:{server.port}/", headers).error_kind == "refused"
        assert server.accepted == 0


@pytest.mark.parametrize(("method", "path"), [
    ("get", "/"), ("GET / HTTP/1.1\r\nX: y", "/"), ("", "/"), ("GET", "/\r\nX: y"), ("GET", "/ HTTP/1.1"),
])
def test_c68_a_request_line_cannot_be_broken(client: HttpClient, method: str, path: str) -> None:
    with listening(answering(OK)) as server:
        assert client.send(method, f"http://hooks.example:{server.port}{path}").error_kind == "refused"
        assert server.accepted == 0


# --- TLS ----------------------------------------------------------------------------------------------


class Authority:
    """A certificate authority for one test run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self.file = folder / "authority.pem"
        self.file.write_bytes(self._sign(self.name, self.key, None, 1, True).public_bytes(serialization.Encoding.PEM))

    def context(self, name: str, days: int = 1) -> ssl.SSLContext:
        """A server context with a certificate for a name or address; expired for negative days."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")]), key, name, days, False)
        file = self.folder / f"{name}{days}.pem"
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, san: str | None, days: int, is_ca: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=9))
        builder = builder.not_valid_after(now + datetime.timedelta(days=days)).add_extension(x509.BasicConstraints(is_ca, None), True)
        if san is not None:
            try:
                name: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(san))
            except ValueError:
                name = x509.DNSName(san)
            builder = builder.add_extension(x509.SubjectAlternativeName([name]), False)
        return builder.sign(self.key, hashes.SHA256())


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    """An authority that the client trusts, the way an operator adds one of their own."""
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    http_guard._tls.cache_clear()
    yield made
    http_guard._tls.cache_clear()


def test_tls_is_checked_for_the_name_and_the_name_is_sent_along(client: HttpClient, authority: Authority) -> None:
    context = authority.context("hooks.example")
    named: list[str | None] = []
    context.sni_callback = lambda sock, name, context: named.append(name)
    with listening(answering(OK), context) as server:
        answer = client.send("GET", f"https://hooks.example:{server.port}/")
    assert (answer.status, answer.error, answer.body) == (200, None, b"hello")
    assert named == ["hooks.example"]


def test_tls_of_a_literal_address_is_checked_for_the_address(client: HttpClient, authority: Authority) -> None:
    with listening(answering(OK), authority.context("127.0.0.1")) as server:
        assert client.send("GET", f"https://127.0.0.1:{server.port}/").status == 200


@pytest.mark.parametrize(("name", "days"), [("other.example", 1), ("hooks.example", -1), ("127.0.0.1", 1)])
def test_c71_a_certificate_for_another_name_or_time_is_a_tls_error(client: HttpClient, authority: Authority, name: str, days: int) -> None:
    with listening(answering(OK), authority.context(name, days)) as server:
        answer = client.send("POST", f"https://hooks.example:{server.port}/", {}, b"secret")
        assert (answer.error_kind, answer.status) == ("tls", None)
        assert "hooks.example" in (answer.error or "")
        assert not server.heard


def test_c71_an_unknown_authority_is_a_tls_error_unless_checking_is_off(client: HttpClient, tmp_path: Path) -> None:
    with listening(answering(OK), Authority(tmp_path).context("hooks.example")) as server:
        assert client.send("GET", f"https://hooks.example:{server.port}/").error_kind == "tls"
        assert client.send("GET", f"https://hooks.example:{server.port}/", verify_tls=False).status == 200


def test_c71_plain_http_behind_https_is_a_tls_error_and_a_silent_server_a_time_out(client: HttpClient) -> None:
    with listening(lambda connection, listener: connection.sendall(b"HTTP/1.1 400 Bad\r\n\r\n")) as server:
        assert client.send("GET", f"https://hooks.example:{server.port}/").error_kind == "tls"
    with listening(lambda connection, listener: listener.stopping.wait(5)) as server:
        answer = client.send("GET", f"https://hooks.example:{server.port}/", timeout_s=0.4)
        assert answer.error_kind == "timeout"
        assert answer.seconds < 2
