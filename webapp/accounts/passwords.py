"""Passwords of people and mailboxes: one rule, one hash (DESIGN section 3: 12 to 128 characters, not among the common ones)."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from webapp.core.errors import invalid

SHORTEST, LONGEST = 12, 128
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
#: hashed once, so that an unknown user costs the same time as a wrong password
_DUMMY = _hasher.hash("nobody has this password")
#: long passwords that stand on every list of leaked ones; shorter ones fail by length
_COMMON_WORDS = """
    123456789012 1234567890123 12345678901234 1234567890123456 qwertyuiopasdf qwertyuiop123 passwordpassword password1234
    password12345 password123456 administrator administrator1 iloveyou1234 letmeinletmein welcome12345 welcome123456 changeme1234
    changemechangeme 1qaz2wsx3edc 1q2w3e4r5t6y q1w2e3r4t5y6 abcdefghijkl abcdefghijklm abcd12345678 asdfghjkl123 qwerty123456
    qwertyqwerty adminadminadmin rootrootroot testtesttest testpassword monkeymonkey dragondragon football1234 baseball1234
    sunshine1234 princess1234 trustno1trustno1 aaaaaaaaaaaa 000000000000 111111111111 123123123123 121212121212 112233445566
    987654321098 secretsecret mailroommailroom
"""
COMMON = frozenset(_COMMON_WORDS.split())


def check(password: str, *, field: str = "password", about: str = "") -> str:
    """The password itself. raises Invalid that names what is wrong; `about` is an address that it may not equal"""
    if not SHORTEST <= len(password) <= LONGEST:
        raise invalid(field, f"A password has {SHORTEST} to {LONGEST} characters; this one has {len(password)}.")
    lowered = password.lower()
    if lowered in COMMON or len(set(lowered)) < 3 or (about and lowered == about.lower()):
        raise invalid(field, "This password is among the first that are guessed; choose another.")
    return password


def hash_password(password: str) -> str:
    return _hasher.hash(password)


def matches(stored: str | None, password: str) -> bool:
    """Whether the password fits; takes the same time when there is nobody to compare with (stored None)."""
    try:
        _hasher.verify(stored or _DUMMY, password[: LONGEST * 4])
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False
    return stored is not None
