"""The document inside the frame that shows the HTML of a mail: sanitised, on an opaque origin, with a policy of its own.

No script ever runs in it; pictures come from the mail itself, and from elsewhere only for the reader who asked for them once.
"""

import base64
from collections.abc import Callable

from flask import Response

from webapp.mail.mime import ParsedMail
from webapp.mail.sanitize import SafeHtml, safe_html

#: pictures of the mail itself that are put into the document, in bytes altogether
MOST_INLINE = 5_000_000
PICTURES = frozenset({"image/png", "image/gif", "image/jpeg", "image/webp"})
STYLE = (
    "html{background:#fff;color:#1b1f24;font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}body{margin:16px}"
    "img{max-width:100%;height:auto}table{max-width:100%}pre{white-space:pre-wrap}"
    "blockquote{margin:0 0 0 8px;padding:0 0 0 12px;border-left:2px solid #ccc}"
)
SANDBOX = "allow-popups allow-popups-to-escape-sandbox"


def content(parsed: ParsedMail, remote: bool = False) -> SafeHtml:
    """The mail's HTML as it may be shown, and how many remote things were left out."""
    return safe_html(parsed.html or "", remote=remote, cid_url=_pictures(parsed))


def document(parsed: ParsedMail, remote: bool = False) -> Response:
    """The answer for the frame."""
    inside = content(parsed, remote).html
    page = f'<!doctype html><html><head><meta charset="utf-8"><title>Mail</title><style>{STYLE}</style></head><body>{inside}</body></html>'
    response = Response(page, mimetype="text/html")
    pictures = "img-src data: https:" if remote else "img-src data:"
    response.headers["Content-Security-Policy"] = (
        f"sandbox {SANDBOX}; default-src 'none'; style-src 'unsafe-inline'; {pictures}; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'self'"
    )
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-DNS-Prefetch-Control"] = "off"  # on plain http a browser would look up the hosts of links, which tells their owners
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _pictures(parsed: ParsedMail) -> Callable[[str], str | None]:
    left = MOST_INLINE
    found: dict[str, str] = {}
    for item in parsed.attachments:
        if item.content_id and item.content_type in PICTURES and item.size <= left and item.content_id not in found:
            left -= item.size
            found[item.content_id] = f"data:{item.content_type};base64,{base64.b64encode(item.content).decode()}"
    return found.get
