"""Success, list and error bodies in one place (DESIGN section 4, "One envelope")."""

from datetime import UTC, datetime
from typing import Any

import orjson
from flask import Response, g

from webapp.core.errors import HouseError

JSON_TYPE = "application/json"


def json_bytes(body: Any) -> bytes:
    """JSON as the API sends it: datetimes in UTC with Z, microseconds kept, keys in the order given."""
    return orjson.dumps(body, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_NON_STR_KEYS, default=str)


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json_bytes(body), status=status, mimetype=JSON_TYPE, headers=headers)


def meta(**more: Any) -> dict[str, Any]:
    return {**more, "timestamp": datetime.now(UTC), "request_id": g.get("request_id", "")}


def one(data: Any, top: dict[str, Any] | None = None) -> dict[str, Any]:
    """`top` holds the few fields that a client of the seeds reads beside `data`."""
    return {"success": True, "data": data, **(top or {}), "meta": meta()}


def many(data: list[Any], links: dict[str, str | None], numbers: dict[str, Any]) -> dict[str, Any]:
    return {"success": True, "data": data, "links": links, "meta": meta(**numbers)}


def error_body(error: HouseError) -> dict[str, Any]:
    inner: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "details": error.fields,
        "request_id": g.get("request_id", ""),
        "retryable": error.retryable,
        **error.more,
    }
    if error.retry_after_s is not None:
        inner["retry_after"] = error.retry_after_s
    return {"success": False, "error": inner}


def error_response(error: HouseError) -> Response:
    headers = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s is not None else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="Mailroom"'
    return json_response(error_body(error), error.status, headers)
