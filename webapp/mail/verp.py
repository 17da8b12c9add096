"""Return paths that say which delivery a bounce is about, and that nobody else can make (VERP with a signature).

    b-<delivery number><tag>@bounces.example.com      e.g. b-1rk5q3x7pa2fn6yde4w@bounces.example.com

Letters are base 32 in lower case: hosts on the way may change the case of an address, and a tag with + or = is refused by some.
"""

from __future__ import annotations

import base64
import hmac
import re

#: bits of the signature: guessing one costs 2^63 mails on average
_TAG_BITS = 64
_TAG_CHARS = 13
_LOCAL = re.compile(r"b-([a-z2-7]{1,13})([a-z2-7]{13})\Z")
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_LARGEST = 2**63 - 1


def make_return_path(domain: str, delivery_id: int, key: bytes) -> str:
    """The return path of one delivery.

    domain       the bounce domain, in ASCII; it is signed along, so that a return path counts for its domain alone
    delivery_id  1 to 2^63 - 1
    key          at least 16 bytes, for this purpose only
    raises       ValueError
    """
    if not 0 < delivery_id <= _LARGEST:
        raise ValueError("A delivery has a number from 1 to 2^63 - 1.")
    if len(key) < 16:
        raise ValueError("The key for return paths has fewer than 16 bytes.")
    return f"b-{_number(delivery_id)}{_tag(domain, delivery_id, key)}@{domain.lower()}"


def read_return_path(address: str, key: bytes) -> int | None:
    """The delivery that a bounce came back for; None when the address is none of ours, was changed, or was made with another key."""
    local, _, domain = address.strip().strip("<>").lower().rpartition("@")
    parts = _LOCAL.match(local)
    if not parts or parts[1].startswith("a"):
        return None
    delivery_id = 0
    for letter in parts[1]:
        delivery_id = delivery_id * 32 + _LETTERS.index(letter)
    if not 0 < delivery_id <= _LARGEST or not hmac.compare_digest(parts[2], _tag(domain, delivery_id, key)):
        return None
    return delivery_id


def _number(value: int) -> str:
    letters = ""
    while value:
        value, rest = divmod(value, 32)
        letters = _LETTERS[rest] + letters
    return letters


def _tag(domain: str, delivery_id: int, key: bytes) -> str:
    digest = hmac.digest(key, f"return-path\0{domain.lower()}\0{delivery_id}".encode(), "sha256")
    return base64.b32encode(digest[: _TAG_BITS // 8]).decode().lower()[:_TAG_CHARS]
