"""Blobs in a bucket of Amazon S3 or of a server that speaks like it.

    S3Blobs.of("s3://key:secret@bucket/prefix?endpoint=https://s3.example&region=eu-1", os.environ)

What the URL leaves out comes from the usual names of the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
AWS_REGION, AWS_ENDPOINT_URL. Requests are signed with Signature Version 4, with the SHA-256 of the body inside the signature, so a
body that was damaged on its way is refused. Buckets are named in the path, which every such server understands.
source  Amazon S3 API reference, "Authenticating Requests (AWS Signature Version 4)"
"""

import hashlib
import hmac
import http.client
import io
import ssl
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, BinaryIO
from urllib.parse import parse_qs, quote, unquote, urlsplit

from webapp.core.blob_keys import BlobMissing, checked
from webapp.core.errors import Unavailable

CONNECT_S = 20.0
#: tries of one request: a connection that was kept may have been closed by the other side meanwhile
TRIES = 2
MOST_LIST_BYTES = 8 * 1024 * 1024
#: bytes of a large body that are held at once, going in or out
PIECE = 4 * 1024 * 1024


@dataclass(frozen=True)
class Bucket:
    """Where it is and who asks."""

    endpoint: str
    region: str
    name: str
    prefix: str
    key: str
    secret: str
    session_token: str = ""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    #: bytes that the object has, as its header says
    size: int = 0
    #: whether it is the piece that was asked for; some servers say so in the header alone, with status 200
    partial: bool = False


@dataclass(frozen=True)
class _Upload:
    """A body that is sent from a file, a piece at a time."""

    source: IO[bytes]
    size: int
    digest: str


class _Remote(io.RawIOBase):
    """One object as a file that is fetched where it is read."""

    def __init__(self, store: "S3Blobs", key: str, size: int) -> None:
        self.store, self.key, self.size, self.position = store, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.position = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence])
        return self.position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = min(len(buffer), self.size - self.position)
        if wanted <= 0:
            return 0
        piece = self.store.piece(self.key, self.position, wanted)
        buffer[: len(piece)] = piece
        self.position += len(piece)
        return len(piece)


class S3Blobs:
    """See `webapp.core.blobs.Blobs`. Threads share it, each with a connection of its own."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._own = threading.local()

    @classmethod
    def of(cls, url: str, environ: Mapping[str, str]) -> "S3Blobs":
        """raises ValueError with what is missing"""
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        region = options.get("region") or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        endpoint = options.get("endpoint") or environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
        key = unquote(parts.username or "") or environ.get("AWS_ACCESS_KEY_ID", "")
        secret = unquote(parts.password or "") or environ.get("AWS_SECRET_ACCESS_KEY", "")
        if not key or not secret:
            raise ValueError("names a bucket without a key to it")
        where = (endpoint or f"https://s3.{region}.amazonaws.com").rstrip("/")
        if urlsplit(where).scheme not in ("http", "https") or not urlsplit(where).hostname:
            raise ValueError("names an endpoint that is no web address")
        name = parts.netloc.rpartition("@")[2]
        token = "" if parts.username else environ.get("AWS_SESSION_TOKEN", "")
        return cls(Bucket(where, region, name, parts.path.strip("/"), key, secret, token))

    def put(self, key: str, data: bytes) -> None:
        """See `Blobs.put`; the store's 200 is its word that the bytes are safe."""
        answer = self._ask("PUT", self._path(key), body=data)
        if answer.status not in (200, 201, 204):
            raise self._trouble("kept", answer)

    def put_file(self, key: str, source: IO[bytes]) -> int:
        """See `Blobs.put_file`: read twice, once for the signature; the store takes up to 5 GB in one request."""
        source.seek(0)
        digest, size = hashlib.sha256(), 0
        while piece := source.read(PIECE):
            digest.update(piece)
            size += len(piece)
        answer = self._ask("PUT", self._path(key), body=_Upload(source, size, digest.hexdigest()))
        if answer.status not in (200, 201, 204):
            raise self._trouble("kept", answer)
        return size

    def open(self, key: str) -> BinaryIO:
        """See `Blobs.open`: pieces are fetched as they are read."""
        answer = self._ask("HEAD", self._path(key))
        if answer.status == 404:
            raise BlobMissing(key)
        if answer.status != 200:
            raise self._trouble("read", answer)
        return io.BufferedReader(_Remote(self, key, answer.size), PIECE)

    def piece(self, key: str, start: int, size: int) -> bytes:
        """Bytes from the middle of a body. raises BlobMissing, Unavailable"""
        answer = self._ask("GET", self._path(key), span=(start, start + size - 1))
        if answer.status == 404:
            raise BlobMissing(key)
        if answer.status not in (200, 206):
            raise self._trouble("read", answer)
        return answer.body if answer.partial else answer.body[start : start + size]

    def get(self, key: str) -> bytes:
        """See `Blobs.get`."""
        answer = self._ask("GET", self._path(key))
        if answer.status == 404:
            raise BlobMissing(key)
        if answer.status != 200:
            raise self._trouble("read", answer)
        return answer.body

    def delete(self, key: str) -> None:
        """See `Blobs.delete`."""
        answer = self._ask("DELETE", self._path(key))
        if answer.status not in (200, 202, 204, 404):
            raise self._trouble("deleted", answer)

    def exists(self, key: str) -> bool:
        """See `Blobs.exists`."""
        answer = self._ask("HEAD", self._path(key))
        if answer.status not in (200, 404):
            raise self._trouble("read", answer)
        return answer.status == 200

    def keys(self, prefix: str) -> list[str]:
        """See `Blobs.keys`."""
        ahead = f"{self.bucket.prefix}/" if self.bucket.prefix else ""
        found: list[str] = []
        query = {"list-type": "2", "prefix": f"{ahead}{checked(prefix)}/"}
        while True:
            answer = self._ask("GET", f"/{self.bucket.name}", query)
            if answer.status != 200 or b"<!DOCTYPE" in answer.body[:1000] or len(answer.body) > MOST_LIST_BYTES:
                raise self._trouble("listed", answer)
            page = ElementTree.fromstring(answer.body)  # noqa: S314 - no document type, so no entities
            names = [one.text or "" for one in page.iter() if one.tag.rpartition("}")[2] == "Key"]
            found += [name.removeprefix(ahead) for name in names]
            more = next((one.text for one in page.iter() if one.tag.rpartition("}")[2] == "NextContinuationToken"), None)
            if not more:
                return sorted(found)
            query["continuation-token"] = more

    def _path(self, key: str) -> str:
        return "/" + "/".join(filter(None, (self.bucket.name, self.bucket.prefix, checked(key))))

    def _trouble(self, verb: str, answer: Answer) -> Unavailable:
        told = answer.body[:300].decode("utf-8", "replace")
        return Unavailable(
            f"A large body could not be {verb}: the bucket {self.bucket.name} answered {answer.status}. {told}".strip(),
            hint="Check MAILROOM_BLOB_URL, the key and its rights.",
        )

    # --- requests ----------------------------------------------------------------------------------------

    def _ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: bytes | _Upload = b"",
        span: tuple[int, int] | None = None,
    ) -> Answer:  # fmt: skip
        """One request, on the connection that this thread kept; raises Unavailable when there is no answer"""
        line = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted((query or {}).items()))
        target = quote(path, safe="/-_.~") + (f"?{line}" if line else "")
        error: Exception | None = None
        for _ in range(TRIES):
            connection = self._connection()
            headers = self._headers(method, quote(path, safe="/-_.~"), line, body)
            if span:
                headers["range"] = f"bytes={span[0]}-{span[1]}"
            try:
                connection.request(method, target, _sent(body), headers)
                response = connection.getresponse()
                size, partial = int(response.headers.get("Content-Length") or 0), "Content-Range" in response.headers
                return Answer(response.status, response.read(), size, partial)
            except (OSError, http.client.HTTPException) as failed:
                error = failed
                connection.close()
                self._own.connection = None
        raise Unavailable(
            f"The store of large bodies at {self.bucket.endpoint} does not answer: {error}.", hint="Waiting work goes on by itself."
        ) from error

    def _connection(self) -> http.client.HTTPConnection:
        kept: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if kept is None:
            parts = urlsplit(self.bucket.endpoint)
            host = parts.hostname or ""
            if parts.scheme == "https":
                kept = http.client.HTTPSConnection(host, parts.port, timeout=CONNECT_S, context=ssl.create_default_context())
            else:
                kept = http.client.HTTPConnection(host, parts.port, timeout=CONNECT_S)
            self._own.connection = kept
        return kept

    def _headers(self, method: str, path: str, query: str, body: bytes | _Upload) -> dict[str, str]:
        """The headers with the signature of the request."""
        now = datetime.now(UTC)
        stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        digest = body.digest if isinstance(body, _Upload) else hashlib.sha256(body).hexdigest()
        headers = {"host": urlsplit(self.bucket.endpoint).netloc, "x-amz-content-sha256": digest, "x-amz-date": stamp}
        if self.bucket.session_token:
            headers["x-amz-security-token"] = self.bucket.session_token
        signed = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        request = f"{method}\n{path}\n{query}\n{lines}\n{signed}\n{digest}"
        scope = f"{day}/{self.bucket.region}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        secret = f"AWS4{self.bucket.secret}".encode()
        for part in (day, self.bucket.region, "s3", "aws4_request"):
            secret = hmac.digest(secret, part.encode(), "sha256")
        signature = hmac.new(secret, text.encode(), "sha256").hexdigest()
        credential = f"Credential={self.bucket.key}/{scope}"
        if isinstance(body, _Upload):
            headers["content-length"] = str(body.size)
        headers["authorization"] = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={signed}, Signature={signature}"
        return headers


def _sent(body: bytes | _Upload) -> bytes | IO[bytes] | None:
    """What the connection sends; a file from its beginning, at the second try too."""
    if isinstance(body, _Upload):
        body.source.seek(0)
        return body.source
    return body or None
