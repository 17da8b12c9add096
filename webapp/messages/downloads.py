"""Answers that are files of mail. Whatever a mail calls its files, a browser saves them and opens none of them."""

from urllib.parse import quote

from flask import Response

from webapp.mail.mime import Attachment
from webapp.messages.models import Message


def attachment(item: Attachment) -> Response:
    """One file, always as something to save."""
    return _file(item.content, item.filename, "application/octet-stream")


def source(message: Message, raw: bytes) -> Response:
    """The mail itself as `.eml`."""
    return _file(raw, f"message-{message.id}.eml", "message/rfc822")


def _file(content: bytes, name: str, content_type: str) -> Response:
    response = Response(content, mimetype=content_type)
    plain = "".join(sign if sign.isascii() and sign.isprintable() and sign not in '"\\%;' else "_" for sign in name)
    response.headers["Content-Disposition"] = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, no-store"
    return response
