"""Lines of JSON that leave the database and must be known again: signed under a key that comes from MAILROOM_SECRET_KEY.

    signed("erasure-receipt", {"by": "Ann"})        b'{"by":"Ann","signature":"…"}'
    verified("erasure-receipt", line)               {"by": "Ann"}, or None for what is damaged or none of our keys signed
"""

from hmac import compare_digest
from typing import Any

import orjson

from webapp.core import secrets

SIGNATURE = "signature"


def signed(purpose: str, values: dict[str, Any]) -> bytes:
    """The values and their signature by the newest key, without a line end."""
    return orjson.dumps({**values, SIGNATURE: secrets.keyed_hash(purpose, _canonical(values))})


def verified(purpose: str, line: bytes) -> dict[str, Any] | None:
    """The values of a line that one of the listed keys signed for this purpose."""
    try:
        values: dict[str, Any] = orjson.loads(line)
        signature = str(values.pop(SIGNATURE))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
    right = secrets.keyed_hashes(purpose, _canonical(values))
    return values if any(compare_digest(signature.encode("utf-8", "replace"), one.encode()) for one in right) else None


def _canonical(values: dict[str, Any]) -> str:
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode()
