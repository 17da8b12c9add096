"""Which targets may be called: every address form of RELIABILITY C-66."""

import socket
import threading
import time

import pytest

from webapp.core.net_guard import Refused, Unresolved, check_url, is_allowed, is_public, read_url, resolve_allowed, system_lookup

PRIVATE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "100.127.255.255", "192.0.0.192", "168.63.129.16",
    "192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1", "198.19.255.255", "192.88.99.1", "224.0.0.1", "239.255.255.250",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:4700::1111%1", "fec0::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1", "3fff::1", "100::1", "5f00::1", "2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:127.0.0.1",
    "", "localhost", "example.com", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.01",
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.255.255", "100.128.0.1", "192.0.1.1", "223.255.255.255",
          "2606:4700:4700::1111", "2a00:1450::1", "64:ff9b::8.8.8.8", "2606:4700::5efe:8.8.8.8"]


@pytest.mark.parametrize("ip", PRIVATE)
def test_c66_addresses_that_are_not_public_are_refused(ip: str) -> None:
    assert not is_public(ip)


@pytest.mark.parametrize("ip", PUBLIC)
def test_c66_public_addresses_pass(ip: str) -> None:
    assert is_public(ip)


@pytest.mark.parametrize("host", [
    "127.0.0.1", "127.0.0.1.", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]", "[fe80::1%25eth0]", "[fe80::1%eth0]",
    "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "169.254.169.254", "100.64.0.1", "10.1.2.3",
    "2130706433", "0x7f000001", "0x7F.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1", "0", "0x", "1.2.3.0x4", "8.8.2056",
    "010.8.8.8",
    "１２７.0.0.1", "127。0。0。1", "①②⑦.0.0.1", "localhost", "LOCALHOST.", "a.localhost",
    "printer.local", "metadata.google.internal", "x.INTERNAL.",
    "host.docker.internal", "router.lan", "nas.home.arpa", "localhost.localdomain",
    "127.0.0.1%00.example.com", "127.0.0.1%2eexample.com", "exa mple.com", "example..com", "-example.com", "[127.0.0.1]", "[::1", "",
    "a" * 64 + ".com", "example.com\\.evil.com", "example.com\t", "example.com\n", "ex\u2028ample.com",
])
def test_c66_hosts_in_every_disguise_are_refused_on_save(host: str) -> None:
    problem = check_url(f"http://{host}/hook")
    assert problem is not None
    assert problem.endswith(".")


@pytest.mark.parametrize("url", [
    "https://hooks.example.com/mail?x=1&y=%20#part", "http://example.com:8080", "https://8.8.8.8/x", "http://[2606:4700:4700::1111]:8443/",
    "https://bücher.example/", "https://xn--bcher-kva.example./", "https://under_score.example.com/", "https://example.com:49152/a@b",
    "HTTPS://EXAMPLE.COM/", "http://single-label:9000/hook",
])
def test_proper_urls_pass_on_save(url: str) -> None:
    assert check_url(url) is None


@pytest.mark.parametrize(("url", "part"), [
    ("ftp://example.com/", "http:// or https://"), ("file:///etc/passwd", "http:// or https://"),
    ("gopher://example.com:70/", "http:// or https://"),
    ("//example.com/", "http:// or https://"), ("example.com", "http:// or https://"), ("", "http:// or https://"),
    ("javascript:alert(1)", "http:// or https://"), ("https://user:secret@example.com/", "authentication fields"),
    ("https://example.com@127.0.0.1/", "authentication fields"),
    ("https://example.com:25/", "Port 25"), ("https://example.com:22/", "Port 22"),
    ("https://example.com:6379/", "Port 6379"), ("https://example.com:0/", "Port 0"), ("https://example.com:70000/", "cannot be read"),
    ("https://example.com:x/", "cannot be read"), ("https://example.com:80:80/", "cannot be read"), ("https:///path", "(empty)"),
    ("https://example.com/a b", "percent-encoded"), ("https://example.com/\r\nX: y", "percent-encoded"),
    ("http:\\\\example.com", "percent-encoded"),
    ("https://example.com/" + "a" * 5000, "longer than"), ("http://[::1]evil.com/", "cannot be read"),
    ("http://[2606:4700::1]evil.com/", "cannot be read"), ("http://[not-an-address]/", "cannot be read"),
    ("http://a[2606:4700::1]/", "cannot be read"),
])
def test_c66_urls_that_are_not_plain_web_addresses_are_refused(url: str, part: str) -> None:
    assert part in (check_url(url) or "no sentence")


def test_a_secret_in_a_refused_url_is_not_repeated() -> None:
    assert "hunter2" not in (check_url("https://ada:hunter2@example.com/") or "hunter2")


@pytest.mark.parametrize(("url", "allow", "is_fine"), [
    ("http://127.0.0.1:9000/", ("127.0.0.1/32",), True), ("http://127.0.0.1:9000/", ("127.0.0.0/8",), True),
    ("http://127.0.0.1:9000/", ("10.0.0.0/8",), False), ("http://[::1]:9000/", ("::1/128",), True),
    ("http://[::1]:9000/", ("[::1]",), True),
    ("http://127.0.0.1:6379/", ("127.0.0.1",), False), ("http://localhost:9000/", ("localhost",), True),
    ("http://localhost:9000/", ("127.0.0.0/8",), True), ("http://localhost:9000/", ("10.0.0.0/8",), False),
    ("http://hooks.internal/", ("hooks.internal",), True), ("http://other.internal/", ("hooks.internal",), False),
    ("http://sub.hooks.internal/", ("hooks.internal",), False), ("http://other.internal/", ("10.0.0.0/8",), True),
    ("http://127.1/", ("127.0.0.0/8",), False), ("http://[::ffff:127.0.0.1]/", ("127.0.0.0/8",), False),
])
def test_the_operator_opens_exactly_what_is_listed(url: str, allow: tuple[str, ...], is_fine: bool) -> None:
    assert (check_url(url, allow) is None) is is_fine


def test_a_url_is_read_into_its_normal_form() -> None:
    target = read_url("HTTPS://Bücher.Example.:8443/ä/%20?q=ü|#frag")
    assert (target.scheme, target.host, target.port) == ("https", "xn--bcher-kva.example", 8443)
    assert target.path == "/%C3%A4/%20?q=%C3%BC%7C"
    assert target.authority == "xn--bcher-kva.example:8443"
    assert read_url("http://[2606:4700::1]").authority == "[2606:4700::1]"


def test_c66_one_private_address_among_public_ones_refuses_the_name() -> None:
    with pytest.raises(Refused, match=r"10\.0\.0\.5"):
        resolve_allowed("mixed.example", 443, (), lookup=lambda host, timeout_s: ["8.8.8.8", "10.0.0.5"])


def test_a_public_name_comes_back_with_all_its_addresses() -> None:
    found = resolve_allowed("ok.example", 25, (), lookup=lambda host, timeout_s: ["2606:4700::1", "8.8.8.8"])
    assert [str(address) for address in found] == ["2606:4700::1", "8.8.8.8"]


def test_c66_a_private_name_is_refused_even_with_a_public_address() -> None:
    with pytest.raises(Refused):
        resolve_allowed("db.internal", 443, (), lookup=lambda host, timeout_s: ["8.8.8.8"])


def test_a_listed_host_may_resolve_to_anything_and_others_may_not() -> None:
    def lookup(host: str, timeout_s: float) -> list[str]:
        return ["10.0.0.5"]

    assert resolve_allowed("Hooks.Internal.", 80, ("hooks.internal",), lookup=lookup)
    with pytest.raises(Refused, match="MAILROOM_ALLOW_PRIVATE_TARGETS"):
        resolve_allowed("other.example", 80, ("hooks.internal",), lookup=lookup)
    assert is_allowed("10.0.0.5", "other.example", ("10.0.0.0/24",))


def test_a_literal_address_is_never_looked_up() -> None:
    def lookup(host: str, timeout_s: float) -> list[str]:
        raise AssertionError(host)

    assert [str(address) for address in resolve_allowed("8.8.8.8", 80, (), lookup=lookup)] == ["8.8.8.8"]


def test_a_name_without_address_says_so() -> None:
    with pytest.raises(Unresolved, match=r"empty\.example"):
        resolve_allowed("empty.example", 80, (), lookup=lambda host, timeout_s: [])


def test_a_resolver_that_hangs_is_left_alone_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()

    def hang(*_args: object, **_kwargs: object) -> list[object]:
        done.wait(5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    started = time.monotonic()
    with pytest.raises(Unresolved, match="no answer within"):
        system_lookup("hanging.example", 0.2)
    assert time.monotonic() - started < 2
    done.set()


def test_the_system_knows_localhost() -> None:
    assert "127.0.0.1" in system_lookup("localhost", 5)
