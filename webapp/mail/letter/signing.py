"""DKIM signatures over letters that are canonical already: relaxed header, simple body (RFC 6376 section 3.4), RSA or Ed25519 (RFC 8463).

The body of a letter of several parts ends with one line end and is sent as it is, so its simple form is itself; the header's relaxed
form is the second skeleton of `head`. What is left for each mail is one hash and the signature. Ed25519 is libsodium's here, which takes
two thirds of the time of OpenSSL's for the same signature.
"""

from binascii import b2a_base64
from collections.abc import Callable
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from webapp.mail.dkim import load_key
from webapp.mail.letter.model import SigningKey

_PADDING, _HASH = PKCS1v15(), SHA256()
_LINE = 72


def _folded(names: list[bytes]) -> bytes:
    """The tag h= over several lines."""
    lines, current = [], b""
    for name in names:
        if current and len(current) + len(name) > 68:
            lines.append(current)
            current = b""
        current += name + b":"
    return b"\r\n  ".join([*lines, current]).rstrip(b":")


class Signer:
    """One key, ready to sign letters with these headers."""

    def __init__(self, key: SigningKey, names: list[bytes]) -> None:
        private = load_key(key.private_pem)
        sign: Callable[[bytes], bytes]
        if isinstance(private, rsa.RSAPrivateKey):
            algorithm = b"rsa"

            def sign(data: bytes) -> bytes:
                return private.sign(data, _PADDING, _HASH)
        else:
            algorithm = b"ed25519"
            _, secret = crypto_sign_seed_keypair(private.private_bytes_raw())

            def sign(data: bytes) -> bytes:
                return crypto_sign(sha256(data).digest(), secret)[:64]

        self._sign = sign
        self._front = b"v=1; a=%b-sha256; c=relaxed/simple; d=%b; s=%b; t=" % (
            algorithm, key.domain.encode("ascii"), key.selector.encode("ascii"),
        )  # fmt: skip
        listed = _folded(names)
        self._behind = b";\r\n h=%b;\r\n bh=" % listed
        self._behind_relaxed = self._behind.replace(b"\r\n  ", b" ").replace(b"\r\n ", b" ")
        self._dated: tuple[int, bytes, bytes] = (-1, b"", b"")

    def line(self, head: bytes, body_hash: bytes, at: int) -> bytes:
        """The DKIM-Signature with its CRLF.

        head       relaxed form of the signed headers
        body_hash  SHA-256 of the body in base64
        at         seconds since 1970
        """
        dated = self._dated
        if dated[0] != at:
            front = b"%b%d" % (self._front, at)
            dated = self._dated = (
                at, b"DKIM-Signature: %b%b" % (front, self._behind), b"dkim-signature:%b%b" % (front, self._behind_relaxed),
            )  # fmt: skip
        signature = b2a_base64(self._sign(b"".join((head, dated[2], body_hash, b"; b="))), newline=False)
        lines = [signature[at : at + _LINE] for at in range(0, len(signature), _LINE)]
        return b"".join((dated[1], body_hash, b";\r\n b=", b"\r\n ".join(lines), b"\r\n"))
