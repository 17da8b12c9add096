"""The route table as the house tests read it: every operation of the API and every page, with what its decorators said."""

import re
from dataclasses import dataclass
from typing import Any

from webapp.core.db import is_sqlite

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
#: pages for people who are not signed in, and why
PUBLIC = {
    "static": "style, script, pictures",
    "theme": "light or dark",
    "accounts.login": "the way in",
    "accounts.login_code": "the second step of the way in; leads to the first without it",
    "accounts.logout": "the way out; harmless without a session",
    "accounts.setup": "the first owner, by a one-time link",
    "accounts.reset": "a new password, by a one-time link",
    "accounts.forgot": "asks for that link",
    "accounts.join": "a place in a workspace, by a one-time link",
    "attachment_links.download": "one file, by a signed link that lives for a day",
    "tracking.pixel": "a picture in campaign mail, by a signed mark; only counts",
    "tracking.click": "a link in campaign mail, by a signed mark; leads to the stored address, only counts",
    "tracking.unsubscribe_page": "asks before unsubscribing, by a signed mark",
    "tracking.unsubscribe": "unsubscribes, by a signed mark, without a cookie (RFC 8058)",
    "tracking.view": "a campaign letter in a browser, by a signed mark",
    "catcher.catch": "takes any request of whoever knows its address, and keeps it; changes nothing else",
    "health.healthz": "for load balancers",
    "health.readyz": "for load balancers",
    "watch.metrics": "for Prometheus",
    "openapi.openapi_json": "the description of the API",
    "openapi.swagger": "the description of the API",
    "dashboard.home": "leads to sign-in by itself",
}
#: addresses for programs that we do not know, which no form of ours protects; a GET is caught like any other request
FOR_STRANGERS = {"catcher.catch", "tracking.unsubscribe"}


@dataclass(frozen=True)
class Operation:
    """One method of one rule. `view` is the function that the decorators made."""

    method: str
    rule: str
    endpoint: str
    arguments: frozenset[str]
    view: Any

    @property
    def scope(self) -> str | None:
        scope: str | None = getattr(self.view, "needs_scope", None)
        return scope

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(getattr(self.view, "token_kinds", ()))

    def path(self, values: dict[str, Any]) -> str:
        """The address with these values; raises KeyError for a parameter that nobody made."""
        return re.sub(r"<(?:[^:<>]+:)?(\w+)>", lambda found: str(values[found[1]]), self.rule)

    def __str__(self) -> str:
        return f"{self.method} {self.rule}"


def _operations(app: Any) -> list[Operation]:
    found = []
    for rule in app.url_map.iter_rules():
        function = app.view_functions[rule.endpoint]
        view_class = getattr(function, "view_class", None)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            view = getattr(view_class, method.lower()) if view_class else function
            found.append(Operation(method, rule.rule, rule.endpoint, frozenset(rule.arguments), view))
    return sorted(found, key=str)


def api_operations(app: Any) -> list[Operation]:
    return _many([operation for operation in _operations(app) if operation.rule.startswith("/api/v1/")])


def page_operations(app: Any) -> list[Operation]:
    return _many([operation for operation in _operations(app) if not operation.rule.startswith("/api/")])


def some_of(operations: list[Operation]) -> list[Operation]:
    """All on SQLite, each third on PostgreSQL: for refusals, which ask the database for no more than who calls."""
    return operations if is_sqlite() else operations[::3]


def _many(found: list[Operation]) -> list[Operation]:
    """The tests that go through all of them would hold for none of them too."""
    assert len(found) > 100
    return found
