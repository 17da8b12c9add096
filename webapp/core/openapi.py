"""The OpenAPI 3.1 document at /api/openapi.json and the page at /swagger/, both from local files.

Each operation declares its own success answers; this module adds, by what the operation is, the refusals that the machinery can
answer (401, 403, 404, 409, 413, 415, 422, 429), the security scheme with the scope, and the headers that every answer carries.
"""

import copy
from typing import Any

import flask_smorest
from flask import Blueprint, Response, current_app, render_template

from webapp.core import envelope, scopes

ERROR = {
    "type": "object",
    "additionalProperties": False,
    "required": ["success", "error"],
    "properties": {
        "success": {"const": False},
        "error": {
            "type": "object",
            "required": ["code", "message", "hint", "details", "request_id", "retryable"],
            "properties": {
                "code": {"type": "string", "description": "lower_snake code, see docs/api.md"},
                "message": {"type": "string"},
                "hint": {"type": "string"},
                "details": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
                "request_id": {"type": "string"},
                "retryable": {"type": "boolean"},
                "retry_after": {"type": "integer", "description": "seconds"},
            },
        },
    },
}
WORDS = {
    "400": "The body cannot be read", "401": "No valid token", "403": "The scope or the role is missing", "404": "Not found",
    "409": "Conflict of state or of idempotency keys", "413": "Too large", "415": "Not application/json", "422": "Refused by validation",
    "429": "Rate limited", "500": "A bug on our side", "503": "Something that is needed is away for the moment",
}  # fmt: skip


class Api(flask_smorest.Api):
    """Errors stay with `core.web`; smorest only documents."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        return


SETTINGS = {
    "API_TITLE": "Mailroom", "API_VERSION": "v1", "OPENAPI_VERSION": "3.1.0",
    "API_SPEC_OPTIONS": {
        "info": {"description": "Everything that happens to mail. Conventions: docs/api.md."},
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": ERROR},
            "responses": {
                status: {"description": text, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
                for status, text in WORDS.items()
            },
        },
    },
}  # fmt: skip

api = Api()
blp = Blueprint("openapi", __name__)


def register(blueprint: flask_smorest.Blueprint) -> None:
    """Open an API blueprint; its views are documented and exempt from CSRF, since bearer tokens are not sent by browsers."""
    api.register_blueprint(blueprint)


def document() -> dict[str, Any]:
    """The whole document; computed once per process."""
    kept: dict[str, Any] | None = current_app.extensions.get("openapi_document")
    if kept is None:
        kept = copy.deepcopy(api.spec.to_dict())  # its parts are shared with the next application of this process
        for path, item in kept["paths"].items():
            shared = item.get("parameters", [])
            for method, operation in item.items():
                if method in ("get", "post", "put", "patch", "delete"):
                    _complete(path, method, operation, bool(shared))
        for tag in kept.get("tags", []):
            tag["name"] = tag_name(tag["name"])
        kept["x-scopes"] = {scope.name: {"role": scope.role, "meaning": scope.meaning} for scope in scopes.SCOPES.values()}
        current_app.extensions["openapi_document"] = kept
    return kept


def tag_name(blueprint: str) -> str:
    """How a blueprint is called in the document: `api_tokens` is "Tokens"."""
    return blueprint.removeprefix("api_").replace("_", " ").capitalize()


def _complete(path: str, method: str, operation: dict[str, Any], path_parameters: bool) -> None:
    house: dict[str, Any] | None = operation.pop("x-house", None)
    operation["tags"] = [tag_name(name) for name in operation.get("tags", [])]
    responses = operation.setdefault("responses", {})
    for status in [status for status, answer in responses.items() if isinstance(answer, str) or "$ref" in answer]:
        del responses[status]
    possible = {"500", "503"}
    if house is not None:
        possible |= {"401", "429"} | ({"403"} if house["scope"] else set())
        operation["security"] = [{"bearer": [house["scope"]] if house["scope"] else []}]
        operation["x-required-scope"] = house["scope"]
    if "{" in path:
        possible.add("404")
    if operation.get("parameters") or path_parameters:
        possible.add("422")
    if method != "get":
        possible |= {"400", "409", "413", "415", "422", "404"}
        operation.setdefault("parameters", []).append({
            "in": "header", "name": "Idempotency-Key", "required": False, "schema": {"type": "string", "maxLength": 512},
            "description": "Same key and body: the stored answer, for 24 hours.",
        })  # fmt: skip
    for status in sorted(possible):
        responses.setdefault(status, {"$ref": f"#/components/responses/{status}"})


@blp.get("/api/openapi.json")
def openapi_json() -> Response:
    kept: bytes | None = current_app.extensions.get("openapi_bytes")
    if kept is None:
        kept = current_app.extensions["openapi_bytes"] = envelope.json_bytes(document())
    return Response(kept, mimetype="application/json", headers={"Cache-Control": "no-cache"})


@blp.get("/swagger/")
def swagger() -> str:
    return render_template("swagger.html")


def prepare_house_doc(doc: dict[str, Any], doc_info: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Hands what `needs` noted over to the finished document."""
    if "house" in doc_info:
        doc["x-house"] = doc_info["house"]
    return doc
