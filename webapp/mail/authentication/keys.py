"""The public key of a signature, from the DNS, and the arithmetic with it (RFC 6376 section 3.6, RFC 8301, RFC 8463)."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from webapp.mail.authentication.questions import Questions
from webapp.mail.authentication.signed_mail import Unproven, octets, strict_tags

ALGORITHMS = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}
#: shorter keys prove nothing (RFC 8301 section 3.2); longer ones only cost time
LEAST_BITS, MOST_BITS = 1024, 8192

PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True)
class SigningKey:
    """A key as the DNS has it.

    is_testing   t=y: a signature that fails counts as none
    is_strict    t=s: i= and d= are the same domain
    """

    key: PublicKey
    is_testing: bool = False
    is_strict: bool = False

    @property
    def bits(self) -> int:
        return self.key.key_size if isinstance(self.key, rsa.RSAPublicKey) else 256

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether the key made this signature over the SHA-256 of data."""
        try:
            if isinstance(self.key, rsa.RSAPublicKey):
                self.key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
            else:
                self.key.verify(signature, hashlib.sha256(data).digest())
        except InvalidSignature:
            return False
        return True


def check_algorithm(name: str) -> None:
    """raises  Unproven (permerror) for anything but RSA and Ed25519 with SHA-256"""
    if name not in ALGORITHMS:
        reason = "it uses SHA-1, which proves nothing any more" if name == "rsa-sha1" else "its algorithm is unknown"
        raise Unproven("permerror", reason)


def find(questions: Questions, domain: str, selector: str, algorithm: str) -> SigningKey:
    """The key at `<selector>._domainkey.<domain>` for an algorithm.

    raises  Unproven: temperror when the DNS did not answer, permerror when there is no key that may be used
    """
    name = f"{selector}._domainkey.{domain}"
    answer = questions.ask(name, "TXT")
    if answer.is_trouble:
        raise Unproven("temperror", f"the DNS did not answer about {name}")
    if not answer.values:
        raise Unproven("permerror", f"there is no key at {name}")
    problem = Unproven("permerror", f"there is no key at {name}")
    for value in answer.values[:3]:  # one record is the rule; of several, the first that is a key
        try:
            return _read(value, algorithm)
        except Unproven as error:
            problem = error
    raise problem


@lru_cache(maxsize=512)
def _read(record: str, algorithm: str) -> SigningKey:
    tags = strict_tags(record)
    kind = tags.get("k", "rsa")
    if tags.get("v", "DKIM1") != "DKIM1" or "p" not in tags:
        raise Unproven("permerror", "the record at its selector is no key")
    if kind != ALGORITHMS[algorithm]:
        raise Unproven("permerror", f"its key is for {kind[:20]}")
    if not tags["p"]:
        raise Unproven("permerror", "its key was revoked")
    if "h" in tags and "sha256" not in _list(tags["h"]):
        raise Unproven("permerror", "its key is not for SHA-256")
    if "s" in tags and not {"*", "email"} & set(_list(tags["s"])):
        raise Unproven("permerror", "its key is not for mail")
    flags = _list(tags.get("t", ""))
    return SigningKey(_key(octets(tags["p"], "its key"), kind), "y" in flags, "s" in flags)


def _list(text: str) -> list[str]:
    return [word.strip() for word in text.split(":")]


def _key(data: bytes, kind: str) -> PublicKey:
    try:
        if kind == "ed25519":
            return ed25519.Ed25519PublicKey.from_public_bytes(data)
        key = serialization.load_der_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Unproven("permerror", "its key cannot be read") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise Unproven("permerror", "its key is no RSA key")
    if not LEAST_BITS <= key.key_size <= MOST_BITS:
        raise Unproven("permerror", f"its key has {key.key_size} bits; {LEAST_BITS} are the least")
    return key
