"""The language refuses what it does not know, and says where it stands."""

from typing import Any

import pytest

from webapp.core.errors import Invalid
from webapp.segments import folding
from webapp.segments.language import FIELDS, KINDS, MATCHES, OPERATORS, checked
from webapp.segments.values import SHAPES

FIELD, OPERATOR, VALUE = (f"conditions.0.{name}" for name in ("field", "operator", "value"))
TYPES = {"plan": "text", "seats": "number", "likes": "multi_select"}


def leaf(field: Any = "name", operator: Any = "equals", value: Any = "Ada", **more: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value, **more}


def tree(*conditions: Any, match: Any = "all") -> dict[str, Any]:
    return {"match": match, "conditions": list(conditions)}


def faults(given: Any, types: dict[str, str] | None = TYPES) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as refused:
        checked(given, types)
    return refused.value.fields


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (None, "conditions"), ([], "conditions"), ("name = 'x'", "conditions"), ({}, "conditions"), (tree(), "conditions"),
        (tree(match="none"), "match"), (tree(leaf(), match=["all"]), "match"), (tree("x"), "conditions.0"), (tree(None), "conditions.0"),
        (tree(leaf("password_hash")), FIELD), (tree(leaf("contacts.name")), FIELD), (tree(leaf(["name"])), FIELD),
        (tree(leaf("custom.unknown")), FIELD), (tree(leaf("custom.plan' OR 1=1")), FIELD), (tree(leaf("n" * 1000)), FIELD),
        (tree(leaf(operator="like")), OPERATOR), (tree(leaf(operator={})), OPERATOR),
        (tree(leaf("lead_score", "contains", "5")), OPERATOR), (tree(leaf("custom.seats", "contains", "5")), OPERATOR),
        (tree(leaf(value="")), VALUE), (tree(leaf(value=5)), VALUE), (tree(leaf(value=None)), VALUE),
        (tree(leaf(value="x" * 201)), VALUE), (tree(leaf(value="a\x00b")), VALUE), (tree(leaf(value="\ud800")), VALUE),
        (tree(leaf(operator="in", value="Ada")), VALUE), (tree(leaf(operator="in", value=[])), VALUE),
        (tree(leaf(operator="in", value=[["Ada"]])), VALUE), (tree(leaf(operator="in", value=[{"a": 1}])), VALUE),
        (tree(leaf(operator="in", value=["a"] * 101)), VALUE), (tree(leaf("lead_score", "gt", float("nan"))), VALUE),
        (tree(leaf("lead_score", "gt", float("inf"))), VALUE), (tree(leaf("lead_score", "gt", 10**400)), VALUE),
        (tree(leaf("lead_score", "gt", True)), VALUE), (tree(leaf("lead_score", "gt", "5")), VALUE),
        (tree(leaf("subscribed", "equals", "true")), VALUE), (tree(leaf("subscribed", "equals", 1)), VALUE),
        (tree(leaf("created_at", "before", "yesterday")), VALUE), (tree(leaf("created_at", "before", "2026-02-30")), VALUE),
        (tree(leaf("created_at", "before", "0001-01-01T00:00:00+14:00")), VALUE), (tree(leaf("created_at", "within_days", 0)), VALUE),
        (tree(leaf("created_at", "within_days", 10**9)), VALUE), (tree(leaf("created_at", "within_days", 1.5)), VALUE),
        (tree(leaf("tag", "equals", 0)), VALUE), (tree(leaf("tag", "equals", 2**70)), VALUE),
        (tree(leaf("opened_campaign", "equals", "first")), VALUE), (tree(leaf("name", "is_empty", "x")), VALUE),
        (tree(leaf(), tree(leaf(), leaf(value=""))), "conditions.1.conditions.1.value"), (tree(leaf(sql="1=1")), "conditions.0.sql"),
        ({**tree(leaf()), "having": 1}, "having"),
    ],
)  # fmt: skip
def test_what_the_language_does_not_know_is_refused_by_its_path(given: Any, path: str) -> None:
    found = faults(given)
    assert path in found
    assert all(sentence.endswith(".") for sentences in found.values() for sentence in sentences)


def test_every_fault_is_told_at_once_and_many_are_cut_off() -> None:
    found = faults(tree(leaf(value=""), leaf("nobody"), leaf(operator="x")))
    assert set(found) == {"conditions.0.value", "conditions.1.field", "conditions.2.operator"}
    assert len(faults(tree(*[leaf(value="") for _ in range(90)]))) == 20


def test_trees_that_are_too_deep_are_refused_without_walking_down() -> None:
    deep: Any = tree(leaf())
    for _ in range(4):
        deep = tree(deep)
    assert checked(deep)
    for _ in range(10_000):
        deep = tree(deep)
    assert list(faults(deep)) == ["conditions.0.conditions.0.conditions.0.conditions.0.conditions.0"]


def test_trees_that_are_too_wide_are_refused() -> None:
    assert len(checked(tree(*[leaf() for _ in range(100)]))["conditions"]) == 100
    assert "conditions" in faults(tree(*[leaf() for _ in range(101)]))
    nested = tree(*[tree(*[leaf() for _ in range(30)]) for _ in range(4)])
    assert "conditions.3.conditions" in faults(nested)
    assert len(faults(tree(*[tree() for _ in range(5000)]))) == 20
    lists = tree(*[leaf(operator="in", value=[f"{number}-{other}" for other in range(100)]) for number in range(11)])
    assert "1,100" in faults(lists)["conditions"][0]


def test_values_are_kept_plain() -> None:
    given = tree(
        leaf(value="  Ada  "), leaf(operator="in", value=["a", "a", "b"]), leaf("created_at", "before", "2026-03-25T13:00:00+01:00"),
        leaf("last_active_at", "after", "2026-03-25"), {"field": "city", "operator": "is_empty"},
    )  # fmt: skip
    values = [one["value"] for one in checked(given)["conditions"]]
    assert values == ["Ada", ["a", "b"], "2026-03-25T12:00:00Z", "2026-03-25", None]
    assert checked(checked(given)) == checked(given)


def test_a_custom_field_takes_what_its_type_takes_and_any_of_that_while_types_are_unknown() -> None:
    assert checked(tree(leaf("custom.seats", "gt", 5)), TYPES)
    assert "conditions.0.value" in faults(tree(leaf("custom.seats", "gt", "5")))
    assert checked(tree(leaf("custom.seats", "gt", 5), leaf("custom.any", "contains", "x"), leaf("custom.any", "after", "2026-01-01")))
    assert "conditions.0.field" in faults(tree(leaf("custom.Not A Key")), None)


def test_the_tables_fit_together() -> None:
    assert {operator for kind in KINDS.values() for operator in kind} == set(OPERATORS)
    assert {shape for kind in KINDS.values() for shape in kind.values()} <= set(SHAPES)
    assert all(field.kind in KINDS and field.words(operator) for field in FIELDS.values() for operator in field.operators)
    assert set(MATCHES) == {"all", "any"}


def test_letters_beyond_ascii_have_cases_and_ascii_keeps_to_itself() -> None:
    assert folding.fold("ÖZGÜR ΣΊΣΥΦΟΣ") == folding.fold("özgür σίσυφος")
    assert folding.fold("\u212a") != folding.fold("k"), "the Kelvin sign is no k"
    assert folding.glob("a*[ö") == "[aA][*][[][Öö]"
    assert folding.like("100%_\\") == "100\\%\\_\\\\"
    known, keys = folding.translation(["Ös", "x"])
    assert dict(zip(known, keys, strict=True)) == {"Ö": "ö", "ö": "ö"}
