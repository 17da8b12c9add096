"""How a token looks: a prefix that says its kind, then 40 letters and digits, the last 6 a CRC-32 in base 62.

    tm_live_ + id (10) + secret (24) + checksum (6)        ops; tm_msg_ message; mb_ workspace

Anybody can tell offline whether a text is one of ours (`app.py token check`, secret scanners).
"""

import hashlib
import re
import secrets
import string
import zlib

PREFIXES = {"ops": "tm_live_", "message": "tm_msg_", "workspace": "mb_"}
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
SHAPE = re.compile(r"(tm_live_|tm_msg_|mb_)([0-9A-Za-z]{40})")
ID_LENGTH = 10


def _checksum(text: str) -> str:
    number = zlib.crc32(text.encode())
    digits = ""
    for _ in range(6):
        number, rest = divmod(number, 62)
        digits = ALPHABET[rest] + digits
    return digits


def make(kind: str) -> str:
    """A new token value."""
    start = PREFIXES[kind] + "".join(secrets.choice(ALPHABET) for _ in range(34))
    return start + _checksum(start)


def check(value: str) -> tuple[str | None, bool]:
    """(kind or None, whether the checksum is right), from the text alone."""
    match = SHAPE.fullmatch(value.strip())
    if match is None:
        return None, False
    kind = next(kind for kind, prefix in PREFIXES.items() if prefix == match[1])
    return kind, secrets.compare_digest(_checksum(value.strip()[:-6]), value.strip()[-6:])


def public_id(value: str) -> str:
    """The part by which a token is looked up; value must have the right form."""
    match = SHAPE.fullmatch(value)
    return match[2][:ID_LENGTH] if match else ""


def digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
