"""DKIM (RFC 6376, RFC 8463): keys, the DNS value, and a fast signer for relaxed/relaxed with RSA-SHA256 or Ed25519-SHA256.

The RSA work is done by `cryptography` (about 0.2 ms); keys are loaded once per process. Verification by others is tested with dkimpy.
"""

import base64
import hashlib
import re
import time
from functools import lru_cache

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

SIGNED = (
    b"from", b"sender", b"reply-to", b"to", b"cc", b"subject", b"date", b"message-id", b"in-reply-to", b"references", b"mime-version",
    b"content-type", b"content-transfer-encoding", b"list-unsubscribe", b"list-unsubscribe-post", b"list-id", b"auto-submitted",
)  # fmt: skip
#: named once more than they occur, so that nobody can add another (RFC 6376 section 8.15)
OVERSIGNED = (b"from", b"subject", b"to", b"cc", b"date", b"message-id", b"reply-to")


ALGORITHMS = ("rsa", "ed25519")
Key = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def new_key(algorithm: str = "rsa") -> tuple[str, str]:
    """A new key, RSA-2048 or Ed25519: (private key as PEM, public key in base64 as the DNS holds it: DER, or 32 bytes)."""
    key: Key = ed25519.Ed25519PrivateKey.generate()
    if algorithm == "rsa":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    if isinstance(key, rsa.RSAPrivateKey):
        public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    else:
        public = key.public_key().public_bytes_raw()
    return pem, base64.b64encode(public).decode()


def dns_value(public_b64: str, algorithm: str = "rsa") -> str:
    """The TXT value to publish at `<selector>._domainkey.<domain>`."""
    return f"v=DKIM1; k={algorithm}; p={public_b64}"


@lru_cache(maxsize=512)
def load_key(pem: str) -> Key:
    key = serialization.load_pem_private_key(pem.encode(), None)
    if not isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise ValueError("neither an RSA nor an Ed25519 key")
    return key


def _signature(key: Key, data: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(hashlib.sha256(data).digest())


def split(raw: bytes) -> tuple[bytes, bytes]:
    """Header block (with its last CRLF) and body of a message with CRLF line ends."""
    if raw.startswith(b"\r\n"):
        return b"", raw[2:]
    end = raw.find(b"\r\n\r\n")
    return (raw, b"") if end < 0 else (raw[: end + 2], raw[end + 4 :])


def fields_of(head: bytes) -> list[tuple[bytes, bytes]]:
    """(lower-case name, raw value with folds) of each header field, in order."""
    found: list[tuple[bytes, bytes]] = []
    for line in re.split(rb"\r\n(?![ \t])", head):
        name, colon, value = line.partition(b":")
        if colon:
            found.append((name.strip().lower(), value))
    return found


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376 section 3.4.4."""
    body = re.sub(rb"[ \t]+", b" ", body)
    body = body.replace(b" \r\n", b"\r\n")
    if body.endswith(b" "):
        body = body[:-1]
    end = len(body)
    while end and body[max(end - 2, 0) : end] == b"\r\n":  # moves a mark, copies nothing: a mail may end in megabytes of empty lines
        end -= 2
    return body[:end] + b"\r\n" if end else b""


def relaxed_value(value: bytes) -> bytes:
    """RFC 6376 section 3.4.2, the value alone."""
    return re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip(b" \t")


def sign(raw: bytes, domain: str, selector: str, private_pem: str, at: int | None = None) -> bytes:
    """The message with a DKIM-Signature in front, of the kind that the key is. Line ends must be CRLF."""
    key = load_key(private_pem)
    algorithm = "rsa" if isinstance(key, rsa.RSAPrivateKey) else "ed25519"
    head, body = split(raw)
    fields = fields_of(head)
    names = [name for name in SIGNED for field, _ in fields if field == name] + list(OVERSIGNED)
    body_hash = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest()).decode()
    listed = _folded([name.decode() for name in names])
    text = (
        f" v=1; a={algorithm}-sha256; c=relaxed/relaxed; d={domain}; s={selector}; t={at or int(time.time())};\r\n"
        f" h={listed};\r\n bh={body_hash};\r\n b="
    )
    pools: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        pools.setdefault(name, []).append(value)
    parts = [name + b":" + relaxed_value(pools[name].pop()) + b"\r\n" for name in names if pools.get(name)]
    parts.append(b"dkim-signature:" + relaxed_value(text.encode()))
    signature = _signature(key, b"".join(parts))
    encoded = base64.b64encode(signature).decode()
    lines = "\r\n ".join(encoded[i : i + 72] for i in range(0, len(encoded), 72))
    return b"DKIM-Signature:" + text.encode() + lines.encode() + b"\r\n" + raw


def _folded(names: list[str]) -> str:
    """Long header lists wrap at colons."""
    lines, current = [], ""
    for name in names:
        if current and len(current) + len(name) > 68:
            lines.append(current)
            current = ""
        current += f"{name}:"
    return "\r\n  ".join([*lines, current]).rstrip(":")
