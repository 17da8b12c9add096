"""What an HTTP answer means for an action, and how requests and answers are kept in the log."""

import email.utils
from datetime import UTC, datetime
from typing import Any

from webapp.automation.actions.base import Result
from webapp.core.http_guard import HttpAnswer

LOGGED = 65_536
#: statuses below 500 that are worth another try (reference/mailtrigger.md section 6.5)
TRANSIENT = frozenset({408, 425, 429})
_SUFFIX = {
    "application/json": "json", "text/html": "html", "text/csv": "csv", "application/xml": "xml", "text/xml": "xml",
    "application/pdf": "pdf",
}  # fmt: skip


def judge(answer: HttpAnswer) -> Result:
    """2xx done; timeouts, broken connections, 408, 425, 429 and 5xx again later; everything else failed for good."""
    took = f"{answer.seconds * 1000:.0f} ms"
    logged = {
        "status": answer.status, "headers": dict(answer.headers), "body": as_logged(answer.body, answer.header("content-type") or ""),
        "address": answer.address, "truncated": answer.truncated,
    }  # fmt: skip
    if answer.is_success:
        return Result("success", f"Answered {answer.status} in {took}.", answer=logged, status_code=answer.status)
    if answer.error_kind is not None:
        final = answer.error_kind == "refused"
        return Result(
            "failed" if final else "retry", answer=logged if answer.status else None, error=answer.error, status_code=answer.status
        )
    status = answer.status or 0
    if status >= 500 or status in TRANSIENT:
        asked = retry_after_s(answer.header("retry-after"))
        return Result("retry", answer=logged, error=f"Answered {status}.", status_code=status, retry_after_s=asked)
    if 300 <= status < 400:
        where = answer.header("location") or "nowhere"
        text = f"Answered {status}, a redirect to {where[:200]}. Redirects are not followed; use the final address."
        return Result("failed", answer=logged, error=text, status_code=status)
    return Result("failed", answer=logged, error=f"Answered {status}; such an answer does not change by trying again.", status_code=status)


def retry_after_s(text: str | None, now: datetime | None = None) -> float | None:
    """Seconds that Retry-After asks for, as a number or a date (RFC 9110 section 10.2.3); None when it says nothing readable."""
    if not text:
        return None
    if text.strip().isdigit():
        return float(text.strip()[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def as_logged(body: bytes, content_type: str) -> Any:
    """A body for the log: text cut to 64 KB, or how large it was when it is no text."""
    if not body:
        return ""
    try:
        text = body[:LOGGED].decode()
    except UnicodeDecodeError as error:
        if error.start < min(len(body), LOGGED) - 4:
            return f"({len(body):,} bytes of {content_type or 'binary data'})"
        text = body[: error.start].decode()
    text = text.replace("\x00", "\ufffd")
    return text if len(body) <= LOGGED else f"{text}… ({len(body):,} bytes in all)"


def answer_file(content_type: str) -> tuple[str, str]:
    """File name and content type under which an answer is attached."""
    kind = content_type.split(";")[0].strip().lower() or "text/plain"
    if "/" not in kind or any(char in kind for char in " \r\n\"'"):
        kind = "application/octet-stream"
    suffix = _SUFFIX.get(kind) or ("txt" if kind.startswith("text/") else "bin")
    return f"webhook-answer.{suffix}", kind
