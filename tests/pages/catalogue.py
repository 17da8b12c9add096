"""Every address of the dashboard, made from the route table. A new page is covered by being there; what is left out says why."""

import re
from dataclasses import dataclass
from itertools import product
from typing import Any

from tests.house.routes import PUBLIC, page_operations
from webapp.core import scopes

#: endpoint -> why no person looks at it as a page
NOT_A_PAGE = {
    "static": "files",
    "live.events": "a stream",
    "openapi.openapi_json": "JSON",
    "health.healthz": "for load balancers",
    "health.readyz": "for load balancers",
    "watch.metrics": "for Prometheus",
    "catcher.catch": "takes requests of programs",
    "attachment_links.download": "a file",
    "messages.attachment_file": "a file",
    "messages.source_file": "a file",
    "messages.html_frame": "a foreign mail in its frame; tests/flows look at it from outside",
    "domains.zone": "a file",
    "suppressions.export_file": "a file",
    "contacts.export_file": "a file",
    "contacts.export_workbook": "a file",
    "imports.errors_file": "a file",
    "imports.left_file": "a file",
    "campaigns.look_frame": "a letter in its frame; the editor around it is looked at",
    "campaigns.letter_frame": "a letter in its frame",
    "segments.count_part": "a fragment of the list of segments",
    "tracking.pixel": "a picture",
    "tracking.click": "leads to where a link of a mail leads",
    "tracking.unsubscribe_page": "opened from a mail that was sent: tests/flows/test_campaign_story.py",
    "tracking.view": "a letter, opened from a mail that was sent: tests/tracking/test_viewing.py",
    "audit.news": "a fragment that the audit log asks for",
    "audit.chain": "a fragment of the audit log",
    "tokens.first_call": "a fragment that waits for the first call",
    "tokens.scopes_part": "a fragment of the form for tokens",
}
#: endpoint -> why somebody who is signed in is led elsewhere; seen as a stranger below
LEADS_AWAY = {
    "accounts.login": "to home", "accounts.login_code": "to home", "accounts.confirm": "back, for nothing was asked",
    "accounts.logout": "out",
}  # fmt: skip
#: endpoint -> status, where the address alone, without the key of a mailed link, says no
REFUSED = {"accounts.reset": 404}
#: (endpoint, role) -> status, where the sample has nothing of this person's: the tokens of others are seen by admins and owners
NOT_THEIRS = {("tokens.show_page", "viewer"): 404, ("tokens.log_page", "viewer"): 404}
#: further faces of pages, and pages that say no; path -> status
MORE = {
    "/mail?q=nothing-has-these-words": 200, "/mail?q=order": 200, "/queue?status=failed": 200, "/runs?status=failed": 200,
    "/audit?q=nothing-has-these-words": 200, "/tokens?status=revoked": 200, "/mailboxes?q=nothing-has-these-words": 200,
    "/suppressions?q=nobody-there": 200, "/happenings?type=complained": 200,
    "/search?q=order": 200, "/search?q=nothing-has-these-words": 200, "/search?q=from:": 200, "/trash?q=nothing": 200,
    "/contacts?q=nobody-there": 200, "/contacts?tag=press&sort=name": 200, "/tags?q=nothing": 200, "/contact-groups?q=nothing": 200,
    "/campaigns/1": 200, "/campaigns/1/recipients": 200, "/campaigns/2": 200, "/campaigns?q=nothing": 200,
    "/nowhere": 404, "/mail/999999": 404, "/domains/999999": 404,
}  # fmt: skip


@dataclass(frozen=True)
class Address:
    """One page. `status` is what it answers, None where anything below 400 will do."""

    endpoint: str
    path: str
    status: int | None = None


def addresses(app: Any, things: dict[str, list[Any]], role: str) -> list[Address]:
    """Every page for somebody with this role. raises AssertionError naming a path parameter that nobody knows a value for"""
    found = []
    for operation in page_operations(app):
        if operation.method != "GET" or operation.endpoint in NOT_A_PAGE or operation.endpoint in LEADS_AWAY:
            continue
        names = sorted(operation.arguments)
        for name in names:
            assert name in things, f"{operation}: add a value for <{name}> to Sample.things, or a reason to NOT_A_PAGE"
        status: int | None = None
        if operation.endpoint not in PUBLIC and operation.scope and not may(role, operation.scope):
            status = 403
        else:
            status = NOT_THEIRS.get((operation.endpoint, role), REFUSED.get(operation.endpoint))
        ids = sum(name.endswith("_id") for name in names)  # the first values belong together
        values = product(*(things[name] if ids < 2 or not name.endswith("_id") else things[name][:1] for name in names))
        if status == 403:
            values = product(*(things[name][:1] for name in names))
        found += [Address(operation.endpoint, operation.path(dict(zip(names, chosen, strict=True))), status) for chosen in values]
    by_path = {operation.rule: operation.scope for operation in page_operations(app) if operation.method == "GET"}
    for path, answer in MORE.items():
        scope = by_path.get(path.partition("?")[0])
        found.append(Address("more", path, answer if not scope or may(role, scope) else 403))
    return sorted(set(found), key=lambda address: address.path)


def may(role: str, scope: str) -> bool:
    return scopes.SCOPES[scope].role in scopes.ROLES[: scopes.ROLES.index(role) + 1]


def name_of(path: str) -> str:
    """A file name for a path: letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-") or "home"
