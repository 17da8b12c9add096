"""How the list knows an address without keeping it: an HMAC under the installation's key (`core.secrets`).

The workspace is hashed along, so that nobody learns from two lists that they hold the same person. A list of known addresses is no help
to somebody who has the table alone; whoever has the table and the key can try addresses one by one.
"""

import hashlib
import hmac
from collections.abc import Iterable
from functools import lru_cache

from webapp.core import secrets

PURPOSE = "suppressions"


def hash_of(workspace_id: int, address: str) -> str:
    """Under the newest key; `address` is normalised."""
    return secrets.keyed_hash(PURPOSE, f"{workspace_id}\0{address}")


def hashes_of(workspace_id: int, addresses: Iterable[str]) -> dict[str, str]:
    """hash -> address, under every key that is listed, so that rows of an older key are found while keys are rotated."""
    found: dict[str, str] = {}
    listed = addresses if isinstance(addresses, list) else list(addresses)
    for key in secrets.all_derived(PURPOSE):
        begun = hmac.new(key, f"{workspace_id}\0".encode(), hashlib.sha256)
        for address in listed:
            one = begun.copy()
            one.update(address.encode())
            found[one.hexdigest()] = address
    return found


def key_mark() -> str:
    """Names the newest key without telling anything about it."""
    return _mark(secrets.derived(PURPOSE))


@lru_cache(maxsize=8)
def _mark(key: bytes) -> str:
    return hmac.new(key, b"which key", hashlib.sha256).hexdigest()[:12]
