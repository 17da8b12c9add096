"""The sidebar: groups by the user's work, entries registered by the features that stand behind them."""

from dataclasses import asdict, dataclass, field
from typing import Any

from flask import request, url_for

from webapp.core.actor import Actor

#: (label, icon) in the order of DESIGN section 7
GROUPS = (
    ("Home", "house"), ("Inbox", "inbox"), ("Automate", "workflow"), ("Send", "send"), ("People", "users"),
    ("Set up", "sliders-horizontal"), ("Developers", "square-terminal"), ("Audit log", "scroll-text"),
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    group: str
    label: str
    endpoint: str
    scope: str | None = None
    order: int = 100


@dataclass
class Group:
    label: str
    icon: str
    url: str | None = None
    current: bool = False
    items: list[dict[str, Any]] = field(default_factory=list)


_entries: dict[str, Entry] = {}
#: menus that were made, by (scopes, role, endpoint, prefix of the application), and how many are kept
_built: dict[tuple[frozenset[str], str, str | None, str], list[dict[str, Any]]] = {}
MOST_BUILT = 1000


def add(group: str, label: str, endpoint: str, *, scope: str | None = None, order: int = 100) -> None:
    """Put an entry into a group. An entry with the label of its group makes the group itself a link (Home, Audit log)."""
    _entries[endpoint] = Entry(group, label, endpoint, scope, order)
    _built.clear()


def entries() -> list[Entry]:
    """Everything that stands in the menu, for whoever may open it."""
    return list(_entries.values())


def build(actor: Actor) -> list[dict[str, Any]]:
    """The groups that this person may open, as base.html reads them; the current entry is marked by the blueprint of the request.

    The same for everybody with the same rights on the same page, so it is made once; whoever gets it leaves it as it is.
    """
    key = (actor.scopes, actor.role, request.endpoint, request.root_path)
    if key not in _built:
        if len(_built) >= MOST_BUILT:
            _built.clear()
        _built[key] = _build(actor)
    return _built[key]


def _build(actor: Actor) -> list[dict[str, Any]]:
    here = (request.endpoint or "").split(".")[0]
    exact = {entry.endpoint for entry in _entries.values() if entry.endpoint == request.endpoint}
    shared = sum(endpoint.split(".")[0] == here for endpoint in _entries) > 1  # then the address tells which of them it belongs to
    groups: list[dict[str, Any]] = []
    for label, icon in GROUPS:
        group = Group(label, icon)
        for entry in sorted((e for e in _entries.values() if e.group == label), key=lambda e: e.order):
            if entry.scope and not actor.may(entry.scope):
                continue
            current = entry.endpoint in exact if exact else entry.endpoint.split(".")[0] == here
            if shared and not exact:
                current = current and f"{request.path}/".startswith(f"{url_for(entry.endpoint)}/")
            group.current = group.current or current
            if entry.label == label:
                group.url = url_for(entry.endpoint)
            else:
                group.items.append({"label": entry.label, "url": url_for(entry.endpoint), "current": current})
        if group.url or group.items:
            groups.append(asdict(group))
    return groups
