"""Previews on their way into their frame: kept for a quarter of an hour in Redis, so that looking at a letter saves nothing."""

import secrets
import zlib

import redis
from flask import Response, current_app

from webapp.core.actor import Actor
from webapp.core.errors import NotFound, Unavailable

KEPT_S = 900
SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
#: no script, no form, nothing but styles of its own and pictures; pictures of the letter come from wherever its author keeps them
POLICY = (
    f"sandbox {SANDBOX}; default-src 'none'; style-src 'unsafe-inline'; img-src data: https: http:; font-src data: https:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def keep(actor: Actor, html: str) -> str:
    """The name under which the frame finds it. raises Unavailable while Redis is away"""
    name = secrets.token_urlsafe(12)
    try:
        _redis().set(_key(actor, name), zlib.compress(html.encode()), ex=KEPT_S)
    except redis.RedisError:
        raise Unavailable("The preview cannot be shown at the moment. What you wrote is not lost.") from None
    return name


def document(actor: Actor, name: str) -> Response:
    """The answer for the frame. raises NotFound once it is gone, and for other workspaces"""
    try:
        packed = _redis().get(_key(actor, name[:40]))
    except redis.RedisError:
        raise Unavailable("The preview cannot be shown at the moment.") from None
    if not isinstance(packed, bytes):
        raise NotFound("This preview is over. Open the letter again.")
    return framed(zlib.decompress(packed).decode())


def framed(html: str) -> Response:
    """A letter as a document on an opaque origin that runs nothing."""
    response = Response(html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _key(actor: Actor, name: str) -> str:
    return f"campaign-look:{actor.workspace_id}:{name}"


def _redis() -> "redis.Redis":
    client: redis.Redis = current_app.extensions["redis"]
    return client
