"""The family of expected failures. Services raise them, `core.web` turns each into JSON, a page or a fragment.

    HouseError                 code, status, message, hint, fields, retryable
    ├─ BadRequest 400          ├─ Invalid 422            ├─ TooMany 429 (retry_after_s)
    ├─ Unauthenticated 401     ├─ Conflict 409           └─ Unavailable 503 (retry_after_s)
    ├─ Forbidden 403           │  ├─ InUse
    │  └─ InsufficientScope    │  └─ InvalidState
    ├─ NotFound 404            ├─ TooLarge 413
    └─ MethodNotAllowed 405    └─ UnsupportedMedia 415

Codes are the table of DESIGN section 4; everything that is not a HouseError is a bug and becomes 500.
"""

from typing import Any

Fields = dict[str, list[str]]


class HouseError(Exception):
    """An expected refusal: what happened, why, and what to do about it."""

    status = 500
    code = "server_error"
    hint = "Try again; if it goes on, tell the operator the request id."
    retryable = False

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        fields: Fields | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fields: Fields = fields or {}
        self.retry_after_s = retry_after_s
        self.more = more or {}
        if hint is not None:
            self.hint = hint
        if code is not None:
            self.code = code


class BadRequest(HouseError):
    status, code, hint = 400, "bad_request", "Send well-formed JSON (UTF-8) as described at /swagger/."


class Unauthenticated(HouseError):
    status, code = 401, "unauthenticated"
    hint = "Send the header 'Authorization: Bearer <token>' with a token that is neither revoked nor expired."


class Forbidden(HouseError):
    status, code, hint = 403, "forbidden", "Ask an admin or owner of the workspace."


class InsufficientScope(Forbidden):
    code, hint = "insufficient_scope", "Use a token that holds the scope named in the message."


class NotFound(HouseError):
    status, code, hint = 404, "not_found", "Check the id; it may be deleted or belong to another workspace."


class MethodNotAllowed(HouseError):
    status, code, hint = 405, "method_not_allowed", "See /swagger/ for the methods of this path."


class Conflict(HouseError):
    status, code, hint = 409, "conflict", "Load the current state and try again."


class InUse(Conflict):
    code, hint = "in_use", "Remove what uses it first, or repeat with ?force=true to take it along."


class InvalidState(Conflict):
    code, hint = "invalid_state", "Load the current state; this step is possible in another state only."


class TooLarge(HouseError):
    status, code, hint = 413, "payload_too_large", "Send a smaller body."


class UnsupportedMedia(HouseError):
    status, code, hint = 415, "unsupported_media_type", "Send the header 'Content-Type: application/json'."


class Invalid(HouseError):
    status, code, hint = 422, "validation_error", "Correct the fields named in details and send the request again."


class TooMany(HouseError):
    status, code, hint, retryable = 429, "rate_limited", "Wait as long as Retry-After says.", True


class Unavailable(HouseError):
    status, code, hint, retryable = 503, "unavailable", "Try again in a moment.", True


def invalid(field: str, text: str) -> Invalid:
    """An `Invalid` about one field; the text says what was wrong and what to write instead."""
    return Invalid(text, fields={field: [text]})
