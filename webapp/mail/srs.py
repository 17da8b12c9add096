"""Sender rewriting (SRS): return paths of forwarded mail that lead a bounce back to whoever sent it, and that nobody else can make.

    SRS0=<hash>=<day>=<domain>=<local part>@ours                     of a mail that a sender handed to us
    SRS1=<hash>=<first forwarder>==<its hash>=<day>=…@ours           of a mail that was rewritten before; a bounce skips all in between

The form is that of the SRS paper (Meng Weng Wong, Shevek: "The Sender Rewriting Scheme", 2003) with a hash of our own: HMAC-SHA256, 30
bits in base 32, over lower-case text, because hosts on the way may change the case of an address. It counts for one domain alone. A
guess costs 2^29 refused recipients on average; who keeps an eye on what was really forwarded asks for more than the hash.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import date

#: a return path is good for so many days: longer than anybody tries to deliver a mail
LIFE_DAYS = 21
_HASH_CHARS = 6
#: days are counted in two letters of base 32, so that they come again after 1,024
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_TURN = 1024
_SRS = re.compile(r"srs([01])[=+-](.+)\Z", re.S)
_MOST_LOCAL, _MOST = 64, 254


class TooLong(ValueError):
    """The rewritten address would have more characters than an address may have."""


class BadReturnPath(ValueError):
    """The address is none that we made, was changed, or is out of date; the sentence says which."""


def is_rewritten(address: str) -> bool:
    """Whether an address looks like one of a forwarder, ours or another."""
    return bool(_SRS.match(address.rpartition("@")[0].lower()))


def forward(sender: str, domain: str, key: bytes, today: date) -> str:
    """The return path under which a mail of `sender` goes on.

    sender   the envelope sender, with a domain; SRS addresses of other forwarders become SRS1
    domain   ours, in ASCII
    key      at least 16 bytes, for this purpose only
    raises   TooLong beyond 64 characters before the @ (RFC 5321 section 4.5.3.1.1); ValueError
    """
    if len(key) < 16:
        raise ValueError("The key for return paths of forwarded mail has fewer than 16 bytes.")
    local, at, name = sender.rpartition("@")
    if not at or not local or not name:
        raise ValueError("Only an address with a domain can be rewritten.")
    domain, match = domain.lower(), _SRS.match(local.lower())
    if match is None:
        rest = f"{_day(today)}={name.lower()}={local}"
        rewritten = f"SRS0={_hash(domain, '0', rest, key)}={rest}@{domain}"
    else:
        first, inner = _first_forwarder(match[1], local, name)
        rewritten = f"SRS1={_hash(domain, '1', f'{first}={inner}', key)}={first}={inner}@{domain}"
    if len(rewritten.rpartition("@")[0].encode()) > _MOST_LOCAL or len(rewritten.encode()) > _MOST:
        raise TooLong("The rewritten address would be too long.")
    return rewritten


def reverse(address: str, keys: list[bytes], today: date) -> str:
    """Whom a bounce to one of our return paths is for: the sender, or the first forwarder's own return path.

    address  in any case of letters
    keys     the newest first; any of them may have made it
    raises   BadReturnPath
    """
    local, _, domain = address.rpartition("@")
    match, domain = _SRS.match(local.lower()), domain.lower()
    if match is None:
        raise BadReturnPath("It is no return path of a forwarded mail.")
    text = local[5:]
    tag, _, rest = text.partition("=")
    if not any(hmac.compare_digest(tag.lower(), _hash(domain, match[1], rest, key)) for key in keys):
        raise BadReturnPath("Its signature is not ours.")
    if match[1] == "1":
        first, _, inner = rest.partition("=")
        return f"SRS0{inner}@{first}"
    day, _, rest = rest.partition("=")
    if not _is_fresh(day, today):
        raise BadReturnPath(f"It was good for {LIFE_DAYS} days, which are over.")
    name, _, person = rest.partition("=")
    return f"{person}@{name}"


def _first_forwarder(kind: str, local: str, domain: str) -> tuple[str, str]:
    """(who rewrote first, its local part from the separator on): what SRS1 carries."""
    if kind == "0":
        return domain.lower(), local[4:]
    _, _, rest = local[5:].partition("=")
    first, _, inner = rest.partition("=")
    if not first or not inner:
        raise ValueError("The address only looks like one of a forwarder.")
    return first.lower(), inner


def _hash(domain: str, kind: str, rest: str, key: bytes) -> str:
    digest = hmac.new(key, f"srs\0{domain}\0{kind}\0{rest.lower()}".encode(), hashlib.sha256).digest()
    return base64.b32encode(digest).decode().lower()[:_HASH_CHARS]


def _day(today: date) -> str:
    number = today.toordinal() % _TURN
    return _LETTERS[number // 32] + _LETTERS[number % 32]


def _is_fresh(day: str, today: date) -> bool:
    if len(day) != 2 or any(letter not in _LETTERS for letter in day.lower()):
        return False
    made = _LETTERS.index(day[0].lower()) * 32 + _LETTERS.index(day[1].lower())
    age = (today.toordinal() - made) % _TURN
    return age <= LIFE_DAYS or age == _TURN - 1  # made where the next day had begun already
