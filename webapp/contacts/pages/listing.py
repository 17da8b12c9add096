"""The list of contacts: search, filters and order in the address, the bar for what is picked. Group pages show the same table."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import request, url_for
from sqlalchemy import literal, select, union_all

from webapp.contacts import hanging, listing, picking
from webapp.contacts.models import ContactGroup, Tag
from webapp.contacts.pages.base import bp, link
from webapp.contacts.standing import state_of
from webapp.core.access import current_actor, needs
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.htmx import render
from webapp.core.paging import PageRequest

PER_PAGE = 25
#: names of the filters in the address, and of what comes beside them
FILTERS = ("q", "state", "tag", "group", "segment", "after", "before")
SORTS = ("created_at", "name")
#: state in the address, label
CHIPS = (("", "All"), ("subscribed", "Subscribed"), ("unsubscribed", "Unsubscribed"), ("bounced", "Bounced"), ("complained", "Complained"))
#: tags and groups that a select offers; with more of them, their own pages lead here
OFFERED = 200


@dataclass(frozen=True)
class Asked:
    """What the address of a list asks for. `fixed` is what the page itself adds, such as its group."""

    values: dict[str, str]
    sort: str
    cursor: str
    endpoint: str
    place: dict[str, Any]
    fixed: dict[str, str]

    @property
    def q(self) -> str:
        return self.values.get("q", "")

    @property
    def after(self) -> str:
        return self.values.get("after", "")[:10]

    @property
    def before(self) -> str:
        return self.values.get("before", "")[:10]

    @property
    def is_deep(self) -> bool:
        return bool(self.after or self.before)

    @property
    def hidden(self) -> dict[str, str]:
        """What the form of filters carries along."""
        kept = {"state": self.values.get("state", ""), "sort": self.sort if self.sort != SORTS[0] else ""}
        return {name: value for name, value in kept.items() if value}

    @property
    def narrowed(self) -> dict[str, Any]:
        return picking.read_filters({**self.values, **self.fixed})

    @property
    def query(self) -> str:
        """For the bar: everything that matches."""
        return urlencode({**self.values, **self.fixed})

    @property
    def api_query(self) -> str:
        names = {"q": "search", "state": "status", "tag": "tag", "group": "group_id", "segment": "segment_id"}
        found = {names[name]: value for name, value in {**self.values, **self.fixed}.items() if name in names and value}
        return f"?{urlencode(found)}" if found else ""

    def url(self, **changes: str) -> str:
        kept = {**self.values, "sort": self.sort if self.sort != SORTS[0] else "", "cursor": self.cursor, **changes}
        values: dict[str, Any] = {name: value for name, value in kept.items() if value}
        return url_for(self.endpoint, **self.place, **values)


def read(endpoint: str = "contacts.list_page", place: dict[str, Any] | None = None, fixed: dict[str, str] | None = None) -> Asked:
    values = {name: request.args.get(name, "").strip()[:200] for name in FILTERS}
    sort = request.args.get("sort", "")
    kept = {name: value for name, value in values.items() if value and name not in (fixed or {})}
    return Asked(kept, sort if sort in SORTS else SORTS[0], request.args.get("cursor", ""), endpoint, place or {}, fixed or {})


def table(actor: Actor, asked: Asked) -> dict[str, Any]:
    """What `contacts/_rows.html` shows. raises Invalid for a cursor that is not ours, NotFound for a group of nobody"""
    wanted = PageRequest(per_page=PER_PAGE, cursor=asked.cursor or None, sort_by=asked.sort)
    page = listing.list_contacts(actor, wanted, asked.narrowed)
    state = asked.values.get("state", "")
    return {
        "page": page, "asked": asked, "state_of": state_of, "now": utcnow(), "actions": picking.ACTIONS,
        "chips": [{"label": label, "url": asked.url(state=key, cursor=""), "current": state == key} for key, label in CHIPS],
        "sort_urls": {name: asked.url(sort=name, cursor="") for name in SORTS},
        "older": asked.url(cursor=page.next_cursor) if page.next_cursor else None, "newest": asked.url(cursor="") if asked.cursor else None,
    }  # fmt: skip


def offered(*kinds: str) -> dict[str, list[tuple[str, str]]]:
    """Names of tags and groups for selects, in one query."""
    workspace_id = current_actor().workspace_id
    some = []
    for kind, model in (("tag", Tag), ("group", ContactGroup)):
        part = select(literal(kind).label("kind"), model.id, model.name).where(model.workspace_id == workspace_id)
        if kind in kinds:
            some.append(select(part.order_by(model.name).limit(OFFERED).subquery()))
    found: dict[str, list[tuple[str, str]]] = {kind: [] for kind in kinds}
    for row in db.session.execute(union_all(*some)):
        found[row.kind].append((row.name if row.kind == "tag" else str(row.id), row.name))
    return found


@bp.get("/contacts")
@needs("contacts:read")
def list_page() -> Any:
    """Everybody, filtered and sorted as the address says."""
    actor, asked = current_actor(), read()
    context = table(actor, asked)
    some = bool(context["page"].items or asked.narrowed or asked.cursor)
    links = {"import": link("imports.new_page"), "export": link("contacts.export_file", **asked.values),
             "workbook": link("contacts.export_workbook", **asked.values)}  # fmt: skip
    return render("contacts/list.html", "contacts/_rows.html", any=some, selects=_selects(asked) if some else [], links=links, **context)


def _selects(asked: Asked) -> list[dict[str, Any]]:
    options = offered("tag", "group")
    options["segment"] = [(str(segment_id), name) for segment_id, name in hanging.segments(current_actor())[:OFFERED]]
    selects = []
    for name, label in (("tag", "Every tag"), ("group", "Every group"), ("segment", "Every segment")):
        value = asked.values.get(name, "")
        rows = options[name]
        if value and value not in dict(rows):  # one that is not among those that are offered
            rows = [(value, value if name == "tag" else f"{name.capitalize()} {value}"), *rows]
        if rows:
            selects.append({"name": name, "label": name.capitalize(), "value": value, "options": [("", label), *rows]})
    return selects
