"""The marks of campaign mail: a short signed text that says which contact's copy of which campaign an address in it belongs to.

    marks.token(7, 42)                      33 characters, URL-safe
    marks.tokens(7, contact_ids)            the same for a batch, about a microsecond each
    marks.read(token)                       Mark(campaign_id=7, contact_id=42), or None for what we did not make

    addresses = marks.addresses(settings.public_url)
    addresses.open(token), .click(token, 3), .unsubscribe(token), .view(token)

A mark never ends and needs no row to be read: people unsubscribe years later. After a rotation of `MAILROOM_SECRET_KEY` marks of older
keys are read as long as these are listed. A mark gives nothing but what its addresses do; it is no way to sign in. Contact 0 is nobody:
the mark of test mails and previews, which counts and changes nothing.

Layout: 5 bytes campaign, 6 bytes contact, 13 bytes of a keyed BLAKE2b (RFC 7693) over both, in URL-safe base64 (RFC 4648, section 5),
and a letter, because programs that find addresses in plain text drop a dash at the end. 32 characters stand for 24 bytes one to one, so
no second spelling of a mark is valid.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from webapp.core import secrets

PURPOSE = "campaign marks"
LENGTH = 33
#: contact of test mails and previews
NOBODY = 0
#: paths below the public address of the installation
OPEN, CLICK, UNSUBSCRIBE, VIEW = "/t/o/", "/t/c/", "/u/", "/v/"
#: how the address of the pixel ends
PIXEL = ".gif"
_CAMPAIGN, _CONTACT, _CHECK = 5, 6, 13
_SHAPE = re.compile(r"[A-Za-z0-9_-]{32}m")
_END = "m"
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Mark(NamedTuple):
    """Whose copy of which campaign. Either may be gone by now."""

    campaign_id: int
    contact_id: int


@dataclass(frozen=True)
class Addresses:
    """Makes the addresses that stand in campaign mail. `base` has no slash at its end."""

    base: str

    def open(self, token: str) -> str:
        """The pixel that tells that the mail was shown."""
        return f"{self.base}{OPEN}{token}{PIXEL}"

    def click(self, token: str, number: int) -> str:
        """Leads on to link `number` of the campaign."""
        return f"{self.base}{CLICK}{token}/{number}"

    def unsubscribe(self, token: str) -> str:
        """The page on which no more campaigns are asked for, and the target of one-click (RFC 8058)."""
        return f"{self.base}{UNSUBSCRIBE}{token}"

    def view(self, token: str) -> str:
        """The letter in a browser."""
        return f"{self.base}{VIEW}{token}"


def addresses(public_url: str) -> Addresses:
    """For the address under which the outside reaches this installation (`Settings.public_url`)."""
    return Addresses(public_url.rstrip("/"))


def token(campaign_id: int, contact_id: int) -> str:
    """The mark of one copy. raises ValueError for ids that no table gives (below 0, or above 5 and 6 bytes)"""
    return tokens(campaign_id, (contact_id,))[0]


def tokens(campaign_id: int, contact_ids: Iterable[int]) -> list[str]:
    """The marks of many copies of one campaign, in the order of the contacts. raises ValueError as `token` does"""
    try:
        head = campaign_id.to_bytes(_CAMPAIGN, "big")
        begun = _hash(secrets.derived(PURPOSE)).copy()
        begun.update(head)
        made = []
        for contact_id in contact_ids:
            body = contact_id.to_bytes(_CONTACT, "big")
            one = begun.copy()
            one.update(body)
            made.append(b2a_base64(head + body + one.digest(), newline=False).translate(_URL_SAFE).decode("ascii") + _END)
    except OverflowError as error:
        raise ValueError(f"no mark can be made of these ids: {error}") from None
    return made


def read(token: str) -> Mark | None:
    """What a mark says, or None when no key of ours made it. Takes as long for a wrong mark as for a right one of the newest key."""
    if _SHAPE.fullmatch(token) is None:
        return None
    raw = urlsafe_b64decode(token[:-1])
    body, check = raw[:-_CHECK], raw[-_CHECK:]
    for key in secrets.all_derived(PURPOSE):
        one = _hash(key).copy()
        one.update(body)
        if hmac.compare_digest(one.digest(), check):
            return Mark(int.from_bytes(body[:_CAMPAIGN], "big"), int.from_bytes(body[_CAMPAIGN:], "big"))
    return None


@lru_cache(maxsize=16)
def _hash(key: bytes) -> Any:
    """The hash with the key taken in already; it is copied, never fed."""
    return hashlib.blake2b(key=key, digest_size=_CHECK)
