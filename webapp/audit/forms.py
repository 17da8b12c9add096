"""The filters of the audit page, read from the address: what cannot be read is told, not ignored."""

from dataclasses import dataclass, field
from typing import Any

from marshmallow import ValidationError
from werkzeug.datastructures import MultiDict

from webapp.audit.schemas import AuditQuery
from webapp.core.body import flatten
from webapp.core.shapes import Line

#: nouns by which actions are picked
NOUNS = (
    "session", "user", "member", "workspace", "token", "domain", "mailbox", "message", "rule", "action", "route", "data", "run", "delivery",
)  # fmt: skip
FIXED = ("token_id", "target_type", "target_id", "actor_id", "request_id", "ip")
CHIPS = (("", "All"), ("user", "People"), ("token", "Tokens"), ("system", "System"), ("refused", "Refused"))


class PageQuery(AuditQuery):
    """The API's filters and one search box."""

    q = Line(120)


@dataclass
class Asked:
    """What the address asks for. `values` as typed, `filters` as the service takes them, `errors` by field."""

    values: dict[str, str]
    filters: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)

    @property
    def fixed(self) -> dict[str, str]:
        """What a link narrowed the list to; shown as tags, since the form has no field for it."""
        return {name: value for name, value in self.values.items() if name in FIXED}

    @property
    def hidden(self) -> dict[str, str]:
        """What the filter form carries along unseen."""
        return {name: value for name, value in self.values.items() if name in (*FIXED, "actor_type", "result")}


def read(arguments: MultiDict[str, str]) -> Asked:
    """Take the known filters out of a query string; the unreadable ones stay in `errors` and do not narrow."""
    known = PageQuery().fields
    values = {name: arguments.get(name, "").strip() for name in known if arguments.get(name, "").strip()}
    asked = Asked(values)
    try:
        asked.filters = PageQuery().load(values)
    except ValidationError as error:
        asked.errors = flatten(error.messages)
        asked.filters = dict(error.valid_data or {})
    return asked
