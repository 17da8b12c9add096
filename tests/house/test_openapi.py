"""The OpenAPI document: valid 3.1, every operation described by itself, shapes closed where the contract names all keys."""

from collections.abc import Iterator
from typing import Any

import pytest
from schemathesis.specs.openapi import definitions

from tests.house.routes import api_operations
from webapp.core import scopes


@pytest.fixture
def document(alice: Any) -> dict[str, Any]:
    answer = alice.api.app.test_client().get("/api/openapi.json")
    assert answer.status_code == 200 and answer.mimetype == "application/json"
    found: dict[str, Any] = answer.json
    assert len(found["paths"]) > 100 and len(found["components"]["schemas"]) > 100, "else the tests below would hold for nothing"
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in ("get", "post", "put", "patch", "delete"):
            if method in item:
                yield path, method, item[method]


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    errors = [f"{error.instance_path}: {error.message}"[:300] for error in definitions.OPENAPI_31_VALIDATOR.iter_errors(document)]
    assert not errors, errors


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                yield part["$ref"]
            for inner in part.values():
                yield from references(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from references(inner)

    for reference in set(references(document)):
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            assert step in place, reference
            place = place[step]


def test_every_operation_of_the_route_table_is_described_and_nothing_else(app: Any, document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, method, _ in operations(document)}
    routed = {(o.method, o.path({name: f"{{{name}}}" for name in o.arguments})) for o in api_operations(app)}
    assert described == routed


def test_every_operation_has_a_summary_a_scope_a_tag_and_its_own_success_shape(app: Any, document: dict[str, Any]) -> None:
    scope_of = {(o.method, o.path({name: f"{{{name}}}" for name in o.arguments})): o.scope for o in api_operations(app)}
    for path, method, operation in operations(document):
        name = f"{method.upper()} {path}"
        assert operation.get("summary", "").endswith("."), f"{name} has no sentence"
        assert operation["x-required-scope"] == scope_of[method.upper(), path], name
        assert operation["security"] == [{"bearer": [operation["x-required-scope"]] if operation["x-required-scope"] else []}], name
        assert operation["tags"], name
        success = {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
        assert success, f"{name} documents no success"
        for status, answer in success.items():
            contents = answer.get("content", {})
            assert contents, f"{name} {status} has no body"
            if "application/json" in contents:
                shape = contents["application/json"]["schema"]
                assert "$ref" in shape or shape.get("properties"), f"{name} {status} has no shape"
        assert {"401", "429", "500"} <= set(operation["responses"]), name


def test_ids_in_operations_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document) if "operationId" in operation]
    assert len(ids) == len(set(ids))


def test_shapes_allow_no_further_keys_but_where_the_contract_names_none(document: dict[str, Any]) -> None:
    #: whose keys belong to the user or to the thing described
    free = {"AnyObject"}
    for name, shape in document["components"]["schemas"].items():
        if shape.get("type") == "object" and name not in free and "properties" in shape:
            assert shape.get("additionalProperties") is False or _is_open_on_purpose(shape), f"{name} takes any further key"


def _is_open_on_purpose(shape: dict[str, Any]) -> bool:
    return "additionalProperties" in shape and isinstance(shape["additionalProperties"], dict)


def test_the_answers_of_the_server_have_the_documented_keys_and_no_others(alice: Any, document: dict[str, Any]) -> None:
    alice.api.post("/tokens", json={"name": "CI", "kind": "ops", "scopes": ["domains:read"]})
    schemas = document["components"]["schemas"]

    def check(value: Any, shape: dict[str, Any], where: str) -> None:
        if "$ref" in shape:
            return check(value, schemas[shape["$ref"].rsplit("/", 1)[1]], where)
        if value is None or "anyOf" in shape or "allOf" in shape:
            return None
        if isinstance(value, list):
            for item in value:
                check(item, shape.get("items", {}), f"{where}[]")
        elif isinstance(value, dict) and shape.get("properties") is not None:
            assert set(value) <= set(shape["properties"]), (where, set(value) - set(shape["properties"]))
            assert set(shape.get("required", [])) <= set(value), (where, set(shape["required"]) - set(value))
            for key, inner in value.items():
                check(inner, shape["properties"][key], f"{where}.{key}")
        return None

    for path, method, operation in operations(document):
        if method == "get" and "{" not in path:
            answer = alice.api.get(path)
            assert answer.status_code == 200, path
            content = operation["responses"]["200"]["content"]
            assert answer.mimetype in content, path
            if answer.mimetype == "application/json":
                check(answer.json, content["application/json"]["schema"], path)


def test_all_scopes_are_listed_with_role_and_meaning(document: dict[str, Any]) -> None:
    assert set(document["x-scopes"]) == set(scopes.SCOPES)


def test_the_human_page_uses_local_files_alone(app: Any, alice: Any) -> None:
    page = app.test_client().get("/swagger/")
    text = page.get_data(as_text=True)
    assert page.status_code == 200 and "swagger-init.js" in text
    assert "http://" not in text and "https://" not in text and "<script>" not in text
    assert "unsafe" not in page.headers["Content-Security-Policy"]
