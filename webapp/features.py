"""The list of features, lowest first: who is there, and which doors each of them opens.

A feature may import features above it in this list and nothing below. Doors (api, pages, jobs, listeners) are imported here only.
"""

from importlib import import_module
from importlib.util import find_spec

from flask import Flask

FEATURES = (
    "audit",
    "accounts",
    "tokens",
    "standstill",
    "catcher",
    "picks",
    "domains",
    "mailboxes",
    "happenings",
    "suppressions",
    "contacts",
    "segments",
    "imports",
    "messages",
    "sending",
    "automation",
    "intake",
    "campaigns",
    "tracking",
    "trash",
    "search",
    "dashboard",
    "watch",
)
DOORS = ("api", "pages", "jobs", "listeners")


def open_models() -> None:
    """Import every table, so that metadata and relationships are complete."""
    import_module("webapp.core.counters")
    import_module("webapp.core.idempotency")
    for feature in FEATURES:
        if _exists(feature, "models"):
            import_module(f"webapp.{feature}.models")


def open_doors(app: Flask) -> None:
    """Open the doors of each feature; a door module has `init_app(app)` when it registers something on the app."""
    for feature in FEATURES:
        for door in DOORS:
            if _exists(feature, door):
                module = import_module(f"webapp.{feature}.{door}")
                if hasattr(module, "init_app"):
                    module.init_app(app)


def _exists(feature: str, module: str) -> bool:
    """A feature has only the files that it needs."""
    return find_spec(f"webapp.{feature}") is not None and find_spec(f"webapp.{feature}.{module}") is not None
