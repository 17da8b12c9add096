"""Which addresses Mailroom may call: the public ones, and those that the operator lists in MAILROOM_ALLOW_PRIVATE_TARGETS.

    read_url(url) -> Target      one strict reading of a URL, for the check on save and for the call itself
    check_url(url, allow)        on save: a sentence for the user, or None; asks no DNS
    resolve_allowed(host, ...)   at each attempt: one resolution, every address checked, the checked addresses come back

Whoever connects must connect to an address that `resolve_allowed` gave, never to the name again (DNS rebinding).
"""

import ipaddress
import queue
import re
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, urlsplit

import idna

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: (host name, time-out in seconds) -> every address of the name as text; raises Unresolved
Lookup = Callable[[str, float], list[str]]

MOST_URL_CHARS = 4096
LOOKUP_TIMEOUT_S = 5.0
_MOST_LOOKUPS = 64  # resolver threads at one time; getaddrinfo cannot be interrupted, only left alone

# IANA IPv4 and IPv6 special-purpose address registries, and the platform address of Azure, which lies in public space.
_CLOSED_V4 = tuple(ipaddress.IPv4Network(block) for block in (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
    "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    "168.63.129.16/32",
))
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_CLOSED_V6 = tuple(ipaddress.IPv6Network(block) for block in (
    "2001::/23",      # protocol assignments: Teredo, benchmarking, ORCHID
    "2001:db8::/32",  # documentation
    "2002::/16",      # 6to4, RFC 7526 retired it
    "3fff::/20",      # documentation
))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214 section 6.1: the interface id carries an IPv4 address

_PRIVATE_NAME = re.compile(r"(?:.*\.)?(?:localhost|localdomain|local|internal|intranet|lan|home\.arpa|ip6-localhost|ip6-loopback)")
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)")
_PLACE = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::[0-9]*)?")  # urlsplit takes "[::1]evil.example" for ::1
_KEPT = "/%:@!$&'()*+,;=~-._"  # what a path keeps unescaped, RFC 3986 section 3.3, and % so that nothing is escaped twice
_UNWANTED = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\\]")

#: Ports that belong to other protocols: the "bad ports" of the Fetch standard (section 2.9), and common databases.
CLOSED_PORTS = frozenset((
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111, 113, 115,
    117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587,
    601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679,
    6697, 10080,
    445, 873, 1433, 1521, 2181, 2525, 2587, 3306, 3389, 5432, 5672, 5900, 6379, 9042, 11211, 27017,
))


class Refused(Exception):
    """A target that must not be called; the text is a sentence for the user."""


class Unresolved(Exception):
    """A name without an address, or a resolver without an answer; the text is a sentence for the user."""


@dataclass(frozen=True)
class Target:
    """What a URL says, once and for all: `host` is lower case ASCII without brackets and final dot, `path` has the query in it."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The Host header: the port stands in it unless it is the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


# --- addresses ----------------------------------------------------------------------------------------


def is_public(ip: str | Address) -> bool:
    """Whether an address lies on the open internet. False for what is no address, has a zone id, or hides a private one.

    Refused are loopback, private, link-local with the metadata services, carrier NAT, multicast, reserved, documentation,
    IPv4-mapped and -compatible, 6to4 and Teredo; of NAT64 (RFC 6052) and ISATAP the IPv4 address inside decides.
    """
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in block for block in _CLOSED_V4)
    if address.scope_id is not None:
        return False
    inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _NAT64:
        return is_public(inside)
    if address not in _GLOBAL_V6 or any(address in block for block in _CLOSED_V6):
        return False
    return (int(address) >> 32) & 0xFFFFFFFF not in _ISATAP or is_public(inside)


@lru_cache(maxsize=32)
def _split_allow(allow: tuple[str, ...]) -> tuple[frozenset[str], tuple[Network, ...]]:
    names: set[str] = set()
    blocks: list[Network] = []
    for entry in allow:
        try:
            blocks.append(ipaddress.ip_network(entry.strip("[]"), strict=False))
        except ValueError:
            names.add(entry.lower().rstrip("."))
    return frozenset(names), tuple(blocks)


def is_allowed(ip: str | Address, host: str, allow: Sequence[str]) -> bool:
    """Whether an address found for `host` may be called: it or the host is listed, or it is public and the name is no private one."""
    names, blocks = _split_allow(tuple(allow))
    if host in names:
        return True
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    return any(address in block for block in blocks) or (is_public(address) and not is_private_name(host))


def is_private_name(host: str) -> bool:
    """localhost, .local, .internal and their like: names that never stand for something on the open internet."""
    return _PRIVATE_NAME.fullmatch(host.lower().rstrip(".")) is not None


# --- names and URLs -----------------------------------------------------------------------------------


def read_host(text: str) -> str:
    """A host name or address in its one normal form: lower case, ASCII, no brackets, no final dot.

    raises  Refused for a zone id, for IPv4 in decimal, hex, octal or short form, and for what is no name
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if "%" in bare:
        raise Refused(f"The host {text} carries a zone or an escape. Write a plain host name.")
    if ":" in bare:
        try:
            return str(ipaddress.IPv6Address(bare))
        except ValueError:
            raise Refused(f"The host {text} is not an IPv6 address.") from None
    name = bare.lower()
    if not name.isascii():
        try:
            name = idna.encode(bare, uts46=True).decode().lower()
        except UnicodeError:
            raise Refused(f"The host {text} is not a host name.") from None
    name = name.removesuffix(".")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        # The C library reads 127.1, 0x7f000001 and 0177.0.0.1 as addresses; only the form that everybody reads alike gets through.
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            raise Refused(f"The host {text} is an address in an unusual form. Write four decimal numbers, such as 192.0.2.1.") from None
    if not _NAME.fullmatch(name):
        raise Refused(f"The host {text or '(empty)'} is not a host name. Write one such as hooks.example.com.")
    return name


def read_url(url: str) -> Target:
    """Read an http or https URL strictly; the fragment is dropped, because it never goes over the wire.

    raises  Refused with a sentence about the first thing that is wrong
    """
    if len(url) > MOST_URL_CHARS:
        raise Refused(f"The URL is longer than {MOST_URL_CHARS} characters.")
    if _UNWANTED.search(url):
        raise Refused("The URL contains a blank, a backslash or a control character. Write it percent-encoded.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused("The URL cannot be read. Write one such as https://hooks.example.com/mail.") from None
    if parts.scheme not in ("http", "https"):
        raise Refused("The URL must begin with http:// or https://.")
    if "@" in parts.netloc:
        raise Refused("The URL contains a user name or password. Use the authentication fields instead.")
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    if port == 0 or port in CLOSED_PORTS:
        raise Refused(f"Port {port} is not used for web addresses. Use 80, 443 or another port for HTTP.")
    place = _PLACE.fullmatch(parts.netloc)
    if place is None:
        raise Refused("The host of the URL cannot be read. Write one such as https://hooks.example.com/mail.")
    path = quote(parts.path or "/", safe=_KEPT)
    query = f"?{quote(parts.query, safe=_KEPT + '?')}" if parts.query else ""
    return Target(parts.scheme, read_host(place[1]), port, path + query)


def check_url(url: str, allow: Sequence[str] = ()) -> str | None:
    """What is wrong with a URL that somebody wants to save, as a sentence; None if nothing is. Names are resolved at each attempt only."""
    try:
        host = read_url(url).host
    except Refused as refused:
        return str(refused)
    if _is_address(host):
        return None if is_allowed(host, host, allow) else _private(host)
    names, blocks = _split_allow(tuple(allow))
    if host in names or not is_private_name(host):
        return None
    if host == "localhost" or host.endswith(".localhost"):
        return None if is_allowed("127.0.0.1", host, allow) or is_allowed("::1", host, allow) else _private(host)
    return None if blocks else _private(host)


# --- resolution ---------------------------------------------------------------------------------------


def system_lookup(host: str, timeout_s: float) -> list[str]:
    """Every address that the system knows for a name (hosts file included), in its order of preference, within bounded time.

    raises  Unresolved
    """
    if not _free_lookups.acquire(timeout=timeout_s):
        raise Unresolved(f"{host} was not looked up: too many lookups are waiting for the system's resolver.")
    answers: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(str(place[0]) for *_, place in found)))
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else OSError(str(error)))
        finally:
            _free_lookups.release()

    threading.Thread(target=ask, name=f"lookup {host}", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except queue.Empty:
        raise Unresolved(f"{host} could not be resolved: no answer within {timeout_s:.0f} s.") from None
    if isinstance(answer, OSError):
        raise Unresolved(f"{host} could not be resolved: {answer.strerror or answer}.")
    return answer


_free_lookups = threading.BoundedSemaphore(_MOST_LOOKUPS)


def resolve_allowed(
    host: str, port: int, allow: Sequence[str] = (), *, timeout_s: float = LOOKUP_TIMEOUT_S, lookup: Lookup = system_lookup
) -> list[Address]:
    """The addresses of a host, resolved once, all of them allowed; connect to one of these and to nothing else.

    host    name or literal address; port is for the message alone, what may be on it is the caller's business (SMTP uses 25)
    allow   hosts, addresses and CIDR blocks that may be called although private; a host allows whatever it resolves to
    raises  Refused if a single address is not allowed: a name with one public and one private address is a trick
    raises  Unresolved if there is no address
    """
    name = read_host(host)
    texts = [name] if _is_address(name) else lookup(name, timeout_s)
    if not texts:
        raise Unresolved(f"{name} has no address.")
    for text in texts:
        if not is_allowed(text, name, allow):
            raise Refused(_private(name if name == text else f"{name} ({text})", port))
    return [ipaddress.ip_address(text) for text in texts]


def _private(what: str, port: int | None = None) -> str:
    # The sentence names the setting, because only the operator can open the way.
    where = f"{what}, port {port}," if port else what
    return f"{where} is not on the public internet. Use a public address, or have the operator list it in MAILROOM_ALLOW_PRIVATE_TARGETS."


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
