"""C-52: what is hostile in a segment is refused, or is nothing but a text to compare with, and costs no more than its bounds allow."""

from typing import Any

import pytest
from sqlalchemy import select

from tests.segments.test_service import people
from webapp.contacts.models import Contact
from webapp.core.db import db
from webapp.segments import compile as compiling
from webapp.segments.language import FIELDS, KINDS

SQL = (
    "x' OR '1'='1", "'; DROP TABLE contacts; --", "\\'; SELECT pg_sleep(10); --", "%", "_", "%' ESCAPE '", "*", "[", "[a-z]*", "?", "\\",
    "$$", ":name", "%(name)s", "%s", "{0}", "\" OR \"\"=\"", "ö' OR 1=1 --", "ö%", "ö*", "%ö_", "\u202e", "ö]", "ö[^x]", "ö\\",
)  # fmt: skip


def count(person: Any, *conditions: Any, match: str = "all") -> Any:
    return person.api.post("/segments/count", json={"match": match, "conditions": list(conditions)})


@pytest.mark.parametrize("operator", [name for name, shape in KINDS["text"].items() if shape == "text" and not name.startswith("not")])
def test_c52_fragments_of_sql_and_wildcards_are_texts_to_compare_with(bob: Any, operator: str) -> None:
    people(bob, "Lund", "Oslo", "Malmö")
    for text in SQL:
        answer = count(bob, {"field": "city", "operator": operator, "value": text})
        assert answer.status_code == 200 and answer.json["data"]["count"] == 0, (operator, text)
    assert len(bob.api.get("/contacts").json["data"]) == 3


def test_c52_each_of_them_finds_the_contact_that_has_it_in_its_city_and_no_other(bob: Any) -> None:
    people(bob, *SQL, "Lund")
    for text in SQL:
        for operator, least in (("equals", 1), ("in", 1), ("contains", 1), ("starts_with", 1), ("ends_with", 1)):
            value = [text] if operator == "in" else text
            found = count(bob, {"field": "city", "operator": operator, "value": value}).json["data"]["count"]
            expected = sum(matches(operator, other, text) for other in (*SQL, "Lund"))
            assert found == expected >= least, (operator, text)


def matches(operator: str, city: str, text: str) -> bool:
    plain, wanted = city.lower(), text.lower()
    return {
        "equals": plain == wanted, "in": plain == wanted, "contains": wanted in plain, "starts_with": plain.startswith(wanted),
        "ends_with": plain.endswith(wanted),
    }[operator]  # fmt: skip


def test_c52_nothing_that_somebody_wrote_stands_in_the_statement(bob: Any) -> None:
    dialect: Any = db.engine.dialect
    values = {
        "text": "sneaky%", "texts": ["sneaky", "öther"], "number": 987654.5, "numbers": [987654.5], "day": "2026-03-25",
        "moment": "2026-03-25", "days": 9876, "flag": True, "source": "page", "sources": ["page"], "none": None,
    }  # fmt: skip
    for field in FIELDS.values():
        for operator, shape in field.operators.items():
            if shape not in values:
                continue
            leaf = {"field": field.name, "operator": operator, "value": values[shape]}
            found = compiling.condition(bob.workspace.id, {"match": "all", "conditions": [leaf]})
            text = str(select(Contact.id).where(found).compile(dialect=dialect))
            assert "sneaky" not in text and "9876" not in text and "2026" not in text, text


def test_c52_the_deepest_and_widest_tree_is_answered(bob: Any) -> None:
    people(bob, "Lund", "Oslo")
    texts = [f"ö{number}" + "x" * 190 for number in range(9)]
    wide = [{"field": "city", "operator": "not_in", "value": texts} for _ in range(96)]
    deep: Any = {"field": "city", "operator": "contains", "value": "ö" * 200}
    for _ in range(4):
        deep = {"match": "any", "conditions": [deep]}
    answer = count(bob, *wide, {"match": "any", "conditions": [deep["conditions"][0], {"field": "city", "operator": "is_not_empty"}]})
    assert answer.status_code == 200, answer.json
    assert answer.json["data"] == {"count": 2, "is_exact": True, "at_least": 2, "at_most": 2}


@pytest.mark.parametrize("depth", [6, 20, 60])
def test_c52_nesting_beyond_the_bound_is_refused(bob: Any, depth: int) -> None:
    deep: Any = {"field": "city", "operator": "is_empty"}
    for _ in range(depth):
        deep = {"match": "any", "conditions": [deep]}
    answer = count(bob, deep)
    assert answer.status_code == 422
    assert "nested" in answer.json["error"]["message"]


@pytest.mark.parametrize("raw", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400, '"\\ud800"', "[[[[]]]]", "{}", "true"])
def test_c52_numbers_that_are_none_are_refused(bob: Any, raw: str) -> None:
    body = '{"conditions": [{"field": "lead_score", "operator": "gt", "value": RAW}]}'.replace("RAW", raw)
    answer = bob.api.post("/segments/count", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.json


def test_c52_a_custom_field_whose_key_looks_like_sql_is_no_field(bob: Any) -> None:
    for key in ("a' || (SELECT 1) || '", 'a"]', "a.b", "$", "plan->>'x'", "ключ"):
        answer = count(bob, {"field": f"custom.{key}", "operator": "equals", "value": "x"})
        assert answer.status_code == 422 and "conditions.0.field" in answer.json["error"]["details"], key


def test_c52_a_segment_reaches_contacts_of_its_own_workspace_alone(bob: Any, eve: Any) -> None:
    people(eve, "Lund")
    everybody = {"field": "created_at", "operator": "is_not_empty"}
    assert count(bob, everybody).json["data"]["count"] == 0
    assert count(bob, {"match": "any", "conditions": [everybody, everybody]}, match="any").json["data"]["count"] == 0
    made = eve.api.post("/segments", json={"name": "All", "conditions": [everybody]}).json["data"]
    for method, path in (("GET", ""), ("GET", "/contacts"), ("PUT", ""), ("PATCH", ""), ("DELETE", "")):
        body: dict[str, Any] = {"json": {}} if method in ("PUT", "PATCH") else {}
        assert bob.api.request(method, f"/segments/{made['id']}{path}", **body).status_code == 404
    assert db.session.scalar(select(Contact.id)) is not None
