"""How the text of a setting becomes a value: one small function per type.

Each takes the stripped, non-empty text and returns the value, or raises `Refused` with two half-sentences: what is wrong
(read after "NAME is 'text', which ...") and what to write instead (a full sentence). `webapp.settings` puts the name in front.
"""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit, urlunsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?", re.IGNORECASE)
_RATE = re.compile(r"[a-z_]+=(on|off|[1-9]\d{0,8}/(second|minute|hour|day))")


class Refused(ValueError):
    """A text that is no value of this type."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


def text(value: str) -> str:
    """Any text, taken as it is."""
    return value


def number(low: int, high: int, unit: str) -> Callable[[str], int]:
    """A parser for whole numbers from low to high, both included; `unit` is what the sentence calls them."""

    def parse(value: str) -> int:
        remedy = f"Write a whole number of {unit} from {low} to {high}."
        if not re.fullmatch(r"[0-9]{1,18}", value):
            raise Refused("is not a whole number", remedy)
        if not low <= int(value) <= high:
            raise Refused("is out of range", remedy)
        return int(value)

    return parse


def port(value: str) -> int:
    """A TCP port, 1 to 65535."""
    if not re.fullmatch(r"[0-9]{1,5}", value) or not 1 <= int(value) <= 65535:
        raise Refused("is not a port", "Write a port from 1 to 65535.")
    return int(value)


def host(value: str) -> str:
    """An address or a host name without port; brackets around IPv6 are taken away."""
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    if not is_address(bare) and not _HOST_NAME.fullmatch(bare):
        raise Refused("is neither an address nor a host name", "Write an address such as 127.0.0.1 or a name such as mail.example.com.")
    return bare


def host_name(value: str) -> str:
    """A name for EHLO and Message-IDs, in lower case without a final dot."""
    if is_address(value) or not _HOST_NAME.fullmatch(value):
        raise Refused("is not a host name", "Write a name such as mail.example.com.")
    return value.lower().rstrip(".")


def resolver(value: str) -> str:
    """`host:port` of a DNS server; the port may be left out and is 53 then."""
    remedy = "Write the resolver as host:port, for example 127.0.0.1:53."
    if is_address(value):
        return f"[{value}]:53" if ":" in value else f"{value}:53"
    name, colon, number_text = value.rpartition(":")
    if not colon:
        name, number_text = value, "53"
    try:
        bare = host(name)
        return f"[{bare}]:{port(number_text)}" if ":" in bare else f"{bare}:{port(number_text)}"
    except Refused:
        raise Refused("is not a resolver", remedy) from None


def path(value: str) -> Path:
    """A path; the loader makes a relative one absolute."""
    return Path(value).expanduser()


def web_url(value: str) -> str:
    """An http or https URL without query, without a final slash."""
    url = _split(value, "Write a URL such as https://mail.example.com.")
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
        raise Refused("is not an http or https address", "Write a URL such as https://mail.example.com.")
    return value.rstrip("/")


def redis_url(value: str) -> str:
    """A URL that the Redis client takes: redis://, rediss:// or unix://."""
    remedy = "Write redis://host:6379/0, rediss:// for TLS, or unix:///path/to.sock."
    url = _split(value, remedy)
    if url.scheme not in ("redis", "rediss", "unix") or not (url.hostname or (url.scheme == "unix" and url.path)):
        raise Refused("is not a Redis address", remedy)
    return value


def database_url(value: str) -> str:
    """A SQLAlchemy URL for SQLite in a file, or for anything that speaks the PostgreSQL protocol through psycopg."""
    remedy = "Write sqlite:////absolute/path.sqlite or postgresql+psycopg://user:password@host:5432/name."
    scheme, found, rest = value.partition("://")
    if not found:
        raise Refused("is not a database address", remedy)
    if scheme in ("postgres", "postgresql"):
        scheme = "postgresql+psycopg"
    if scheme == "sqlite" and (not rest.startswith("/") or rest.lstrip("/").split("?")[0] in ("", ":memory:")):
        raise Refused("names no file, and the processes of Mailroom share one database", remedy)
    if scheme == "postgresql+psycopg" and not _split(value, remedy).path.strip("/"):
        raise Refused("names no database", remedy)
    if scheme not in ("sqlite", "postgresql+psycopg"):
        raise Refused(f"asks for {scheme!r}, and only sqlite and postgresql+psycopg work", remedy)
    return f"{scheme}://{rest}"


def blob_url(value: str) -> str:
    """Where large bodies lie: s3://bucket/prefix or file:///folder."""
    remedy = "Write s3://bucket/prefix, or file:///absolute/folder."
    url = _split(value, remedy)
    if not (url.scheme == "s3" and url.netloc) and not (url.scheme == "file" and url.path.startswith("/") and not url.netloc):
        raise Refused("is not a blob store", remedy)
    return value.rstrip("/")


def transport(value: str) -> str:
    """The platform's way out: capture, mx, smtp://[user:password@]host:port[?tls=require] or smtps://…"""
    remedy = "Write capture, mx, smtp://user:password@host:587 (add ?tls=require to insist on TLS) or smtps://user:password@host:465."
    if value in ("capture", "mx"):
        return value
    url = _split(value, remedy)
    if url.scheme not in ("smtp", "smtps") or not url.hostname or url.path not in ("", "/") or url.fragment:
        raise Refused("is not a way out for mail", remedy)
    if url.query and parse_qs(url.query, keep_blank_values=True) not in ({"tls": ["require"]},):
        raise Refused("has an option that is not known", remedy)
    if bool(url.username) != bool(url.password):
        raise Refused("has a user without a password, or a password without a user", remedy)
    return value


def networks(value: str) -> tuple[Network, ...]:
    """Addresses and CIDR blocks with commas between."""
    found: list[Network] = []
    for part in comma_list(value):
        try:
            found.append(ipaddress.ip_network(part, strict=False))
        except ValueError:
            remedy = "Write addresses or blocks with commas between, for example 10.0.0.0/8,::1."
            raise Refused(f"contains {part!r}, which is neither an address nor a block", remedy) from None
    return tuple(found)


def targets(value: str) -> tuple[str, ...]:
    """Host names, addresses and CIDR blocks with commas between; blocks in their normal form, names in lower case."""
    found: list[str] = []
    for part in comma_list(value):
        try:
            found.append(str(ipaddress.ip_network(part, strict=False)))
        except ValueError:
            if not _HOST_NAME.fullmatch(part):
                remedy = "Write names, addresses or blocks with commas between, for example hooks.internal,10.1.0.0/16."
                raise Refused(f"contains {part!r}, which is neither a host, an address nor a block", remedy) from None
            found.append(part.lower().rstrip("."))
    return tuple(found)


def secret_keys(value: str) -> tuple[str, ...]:
    """Keys with commas between, the one in use first, older ones behind; each has at least 32 characters."""
    keys = comma_list(value)
    if not keys or any(len(key) < 32 for key in keys):
        remedy = "Write at least 32 random characters: python3 -c 'import secrets; print(secrets.token_urlsafe(48))' makes some."
        raise Refused("has a key that is too short", remedy)
    return keys


def rate_limits(value: str) -> str:
    """on, off, or overrides such as general=600/minute,mailtrap=on; blanks are taken away."""
    parts = comma_list(value.lower())
    if parts in (("on",), ("off",)):
        return parts[0]
    for part in parts:
        if not _RATE.fullmatch(part):
            remedy = "Write on, off, or overrides with commas between, such as general=600/minute (second, minute, hour, day)."
            raise Refused(f"contains {part!r}, which is no limit", remedy)
    return ",".join(parts)


def email(value: str) -> str:
    """Something with one @ and text on both sides; the accounts service checks the rest."""
    local, at, domain = value.rpartition("@")
    if not (local and at and domain) or any(c.isspace() for c in value):
        raise Refused("is not an e-mail address", "Write an address such as ada@example.com.")
    return value


def comma_list(value: str) -> tuple[str, ...]:
    """The parts between commas, without blanks around them and without empty ones."""
    return tuple(part.strip() for part in value.split(",") if part.strip())


def is_address(value: str) -> bool:
    """Is it an IPv4 or IPv6 address, without brackets and port?"""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def without_password(url: str) -> str:
    """The URL with its password, and every value of its query that may be one, replaced by ***."""
    parts = urlsplit(url)
    place = parts.netloc
    if "@" in place:
        user = place.rpartition("@")[0]
        place = f"{user.partition(':')[0]}:***@{place.rpartition('@')[2]}" if ":" in user else place
    query = re.sub(r"(?i)((?:^|&)[^=&]*(?:password|secret|key|token)[^=&]*=)[^&]*", r"\1***", parts.query)
    return urlunsplit((parts.scheme, place, parts.path, query, parts.fragment)) if "@" in parts.netloc or query != parts.query else url


def _split(value: str, remedy: str) -> SplitResult:
    try:
        url = urlsplit(value)
        if url.port == 0:  # reading the port already raises for one that is no number
            raise ValueError
    except ValueError:
        raise Refused("is not a URL", remedy) from None
    return url
