"""Secrets at rest: encryption of columns, keyed hashes and signed values. Keys come from `MAILROOM_SECRET_KEY`.

The first listed key encrypts and signs; the others still decrypt and verify, which is how a key is rotated.
"""

import base64
import hashlib
import hmac
import secrets as stdlib_secrets
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

MASK = "••••••••"
_keys: tuple[str, ...] = ()


def configure(keys: tuple[str, ...]) -> None:
    """Hand in the installation's keys, newest first; called once by `create_app`."""
    global _keys
    _keys = keys
    _box.cache_clear()
    derived.cache_clear()


@lru_cache(maxsize=64)
def derived(purpose: str, index: int = 0) -> bytes:
    """A 32-byte key for one purpose, so that no two uses share a key."""
    return hashlib.blake2b(_keys[index].encode(), key=purpose.encode()[:64], digest_size=32).digest()


def all_derived(purpose: str) -> list[bytes]:
    """The same from every key that is listed, newest first, to check what an older key made."""
    return [derived(purpose, index) for index in range(len(_keys))]


@lru_cache(maxsize=1)
def _box() -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(derived("columns", i))) for i in range(len(_keys))])


def encrypt(text: str) -> str:
    return _box().encrypt(text.encode()).decode()


def decrypt(text: str) -> str:
    """raises ValueError when none of the configured keys made it."""
    try:
        return _box().decrypt(text.encode()).decode()
    except InvalidToken:
        raise ValueError("a stored secret cannot be read with MAILROOM_SECRET_KEY; list the old key after a comma") from None


def keyed_hash(purpose: str, text: str) -> str:
    """Hex HMAC-SHA256 under the newest key; stable for lookups that must not reveal the text."""
    return hmac.new(derived(purpose), text.encode(), hashlib.sha256).hexdigest()


def keyed_hashes(purpose: str, text: str) -> list[str]:
    """The same under every key that is listed, newest first, to check what an older key made."""
    return [hmac.digest(key, text.encode(), "sha256").hex() for key in all_derived(purpose)]


def sign(purpose: str, value: object) -> str:
    """A URL-safe signed text that carries `value` (JSON) and its time."""
    return _serializer(purpose, 0).dumps(value)


def unsign(purpose: str, text: str, max_age_s: int) -> object | None:
    """The value of a signed text, or None when it is forged, stale or made for another purpose."""
    for index in range(len(_keys)):
        try:
            value: object = _serializer(purpose, index).loads(text, max_age=max_age_s)
        except SignatureExpired:
            return None
        except BadSignature:
            continue
        return value
    return None


def _serializer(purpose: str, index: int) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(derived("signing", index), salt=purpose)


def random_password(length: int = 20) -> str:
    """Letters and digits without the ones that are mistaken for each other."""
    alphabet = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return "".join(stdlib_secrets.choice(alphabet) for _ in range(length))
