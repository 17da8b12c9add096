"""The documents keep up with the code: each setting, each error code, each scope stands in them."""

import re
from pathlib import Path
from typing import Any

import pytest

from webapp.core import errors, limits
from webapp.settings import declarations

ROOT = Path(__file__).parents[2]
WEBAPP = ROOT / "webapp"


def text_of(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_each_setting_is_in_docs_settings_md() -> None:
    text = text_of("settings.md")
    missing = [declaration.name for _, declaration in declarations() if f"`{declaration.name}`" not in text]
    assert not missing


def codes() -> set[str]:
    """The codes of the error classes, and those given by hand anywhere in the code."""

    def below(kind: type[errors.HouseError]) -> set[str]:
        return {kind.code, *(code for inner in kind.__subclasses__() for code in below(inner))}

    by_hand = {code for file in WEBAPP.rglob("*.py") for code in re.findall(r'\bcode="([a-z_]+)"', file.read_text(encoding="utf-8"))}
    return below(errors.HouseError) | by_hand


def test_each_error_code_is_in_the_table_of_docs_api_md() -> None:
    table = set(re.findall(r"^\| `([a-z_]+)` \| \d{3} \|", text_of("api.md"), re.M))
    assert codes() - table == set(), "codes without a line in the table"
    assert table - codes() == set(), "lines in the table that no code sends"


def test_each_default_limit_is_in_docs_api_md() -> None:
    text = text_of("api.md")
    for family in set(limits.KIND_FAMILY.values()):
        assert re.search(rf"\| `{family}` \|[^\n]*\b{limits.DEFAULTS[family]}\b", text), family


def test_the_examples_of_docs_api_md_are_what_the_server_says(alice: Any) -> None:
    """Every path that the document names under /api/v1 exists."""
    routes = alice.api.app.url_map.bind("localhost")
    named = {re.sub(r"\{[^}]*\}", "1", path) for path in re.findall(r"/api/v1/[\w/{}:-]+", text_of("api.md"))}
    assert len(named) > 8
    missing = [path for path in named if not any(rule_exists(routes, path, method) for method in ("GET", "POST", "DELETE"))]
    assert not missing


def rule_exists(routes: Any, path: str, method: str) -> bool:
    return bool(routes.test(path, method))


@pytest.mark.parametrize("name", ["api.md", "settings.md"])
def test_documents_name_nothing_of_the_machine_that_they_were_written_on(name: str) -> None:
    assert "/work/" not in text_of(name) and "/tmp/" not in text_of(name)
