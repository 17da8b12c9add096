"""/routes: the list by mailbox, and the editor with its dry run. Every button of the editor is a submit, so it works without script."""

from typing import Any

import orjson
from flask import Blueprint, Response, request, url_for

from webapp.audit import service as audit
from webapp.automation import (
    actions,
    drafts,
    dry_runs,
    editor,
    reach,
    route_lists,
    routes,
    rule_types,
    rules,
    saved_actions,
    schemas,
    trials,
)
from webapp.automation.drafts import Draft
from webapp.automation.mail_fields import FIELDS
from webapp.automation.models import Route
from webapp.automation.variables import NAMES
from webapp.catcher import service as catcher
from webapp.core import envelope, trash
from webapp.core.access import current_actor, needs
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Invalid
from webapp.core.htmx import redirect_to, render
from webapp.core.paging import PageRequest
from webapp.core.shapes import compile_dump

bp = Blueprint("automation", __name__)
PER_PAGE = 100
_dump = compile_dump(schemas.RouteOut())


@bp.get("/routes")
@needs("routes:read")
def list_routes() -> Response:
    """Every route with its state, its last run and the runs of seven days, by mailbox."""
    actor = current_actor()
    mailbox_id = request.args.get("mailbox", type=int)
    state = {"on": True, "off": False}.get(request.args.get("state", ""))
    number = min(max(1, request.args.get("page", 1, int)), 10_000)
    filters = {"mailbox_id": mailbox_id, "enabled": state, "search": request.args.get("q", "").strip()[:200] or None}
    page = routes.list_routes(actor, PageRequest(number, PER_PAGE), filters)
    return render(
        "automation/routes.html", "automation/_routes.html", groups=route_lists.grouped(actor, page.items), page=page, now=utcnow(),
        q=request.args.get("q", ""), mailbox_id=mailbox_id, state=request.args.get("state", ""), mailboxes=reach.list_mailboxes(actor),
        any_route=bool(page.items) or any(value is not None for value in filters.values()), may=actor.may("routes:write"),
        newer=_list_url(page=number - 1) if number > 1 else None, older=_list_url(page=number + 1) if page.has_more else None,
        chips=[{"label": label, "url": _list_url(state=key, page=None), "current": request.args.get("state", "") == key}
               for key, label in (("", "All"), ("on", "On"), ("off", "Off"))],
    )  # fmt: skip


def _list_url(**changes: Any) -> str:
    kept: dict[str, Any] = {name: request.args[name] for name in ("q", "mailbox", "state") if request.args.get(name)}
    return url_for(".list_routes", **{name: value for name, value in {**kept, **changes}.items() if value})


@bp.route("/routes/new", methods=["GET", "POST"])
@needs("routes:write")
def new_route() -> Response:
    """The empty editor, or one filled from a mail (`?message=`)."""
    actor = current_actor()
    if request.method == "POST":
        return _submitted(actor, None)
    draft = drafts.new_draft(request.args.get("mailbox", type=int))
    message_id = request.args.get("message", type=int)
    if message_id is not None:
        draft = editor.from_message(trials.mailbox_of_message(actor, message_id))
    boxes = reach.list_mailboxes(actor)
    if draft.mailbox_id is None and len(boxes) == 1:
        draft.mailbox_id = boxes[0].id
    return _editor(actor, draft, None)


@bp.route("/routes/<int:route_id>", methods=["GET", "POST"])
@needs("routes:read")
def show_route(route_id: int) -> Response:
    """The editor of one route, with its activity."""
    actor = current_actor()
    if request.method == "POST":
        return _submitted(actor, route_id)
    route = routes.get_route(actor, route_id)
    return _editor(actor, editor.from_route(actor, route), route)


def _submitted(actor: Actor, route_id: int | None) -> Response:
    """One of the editor's buttons."""
    route = routes.get_route(actor, route_id, "routes:write") if route_id is not None else None
    draft = drafts.read(request.form)
    button = request.form.get("do", "save")
    if button in ("use-rule", "use-action"):
        noun = button.removeprefix("use-")
        editor.add_existing(actor, draft, noun, request.form.get(f"use_{noun}", type=int))
        return _editor(actor, draft, route)
    if button == "add-action":
        button = f"add-action-{request.form.get('new_type', '')}"
    if button.startswith("catch-action-"):
        drafts.fill(draft, button.removeprefix("catch-action-"), "url", catcher.url_of(catcher.open_catcher(actor)))
        return _editor(actor, draft, route)
    if drafts.press(draft, button):
        return _editor(actor, draft, route)
    if button == "dry-run":
        return _editor(actor, draft, route, funnel=_dry_run(actor, draft))
    try:
        saved = editor.save(actor, route_id, draft)
    except Invalid as refused:
        db.session.rollback()
        draft.errors = refused.fields
        return _editor(actor, draft, routes.get_route(actor, route_id) if route_id is not None else None, status=422)
    return redirect_to(url_for(".show_route", route_id=saved.id), toast=f"“{saved.name}” is saved as version {saved.version}")


def _dry_run(actor: Actor, draft: Draft) -> dry_runs.Funnel | None:
    """The draft's conditions on stored mail; what is wrong with them stands beside them afterwards."""
    if draft.mailbox_id is None:
        draft.errors = {"mailbox_id": ["Choose the mailbox whose mail it looks at."]}
        return None
    try:
        found = editor.specs(draft)
    except Invalid as bad:
        draft.errors = bad.fields
        return None
    stored = dry_runs.load(actor, draft.mailbox_id, draft.direction)
    db.session.commit()  # Patterns may take their time; nothing is locked meanwhile.
    return dry_runs.judge(stored, found, draft.match_type)


@bp.get("/routes/<int:route_id>/dry-run")
@needs("testmail:run")
def dry_run(route_id: int) -> Response:
    """The panel beside the editor, for the route as it is saved."""
    actor = current_actor()
    route = routes.get_route(actor, route_id)
    draft = editor.from_route(actor, route)
    return render("automation/dry_run.html", "automation/_dry_run.html", funnel=_dry_run(actor, draft), route=route, draft=draft)


def _editor(
    actor: Actor, draft: Draft, route: Route | None, *, funnel: dry_runs.Funnel | None = None, status: int = 200
) -> Response:  # fmt: skip
    """The whole page, or for htmx the form."""
    others = [other for other in editor.neighbours(actor, draft.mailbox_id) if route is None or other.id != route.id]
    boxes = reach.list_mailboxes(actor)
    week = route_lists.runs_of_week([route.id]).get(route.id, {}) if route else {}
    return render(
        "automation/edit.html", "automation/_editor.html", status=422 if draft.errors else status, draft=draft, route=route, funnel=funnel,
        here=url_for(".show_route", route_id=route.id) if route else url_for(".new_route"),
        mailboxes=boxes, email=next((box.email for box in boxes if box.id == draft.mailbox_id), None), others=others,
        fields=FIELDS.values(), rule_types=rule_types.types(), action_types=actions.types(), variables=NAMES,
        existing_rules=_existing(actor, rules.list_rules, {row.rule_id for row in draft.rules}),
        existing_actions=_existing(actor, saved_actions.list_actions, set()), may=actor.may("routes:write"),
        may_test=actor.may("testmail:run"), week=week, waiting=route_lists.waiting_runs([route.id]).get(route.id, 0) if route else 0,
        story=audit.story_of(actor, "route", route.id) if route else [],
        answer=orjson.loads(envelope.json_bytes({"success": True, "data": _dump(routes.whole([route])[0])})) if route else None,
    )  # fmt: skip


def _existing(actor: Actor, list_rows: Any, without: set[Any]) -> list[Any]:
    """What could be used again: the newest hundred, by name."""
    if not actor.may("rules:read") or not actor.may("actions:read"):
        return []
    rows = list_rows(actor, PageRequest(per_page=100), {}).items
    return sorted((row for row in rows if row.id not in without), key=lambda row: row.name.lower())


@bp.post("/routes/<int:route_id>/switch")
@needs("routes:write")
def switch(route_id: int) -> Response:
    """On or off, from the list and from the editor."""
    wanted = request.values.get("enabled") == "1"
    route = routes.update_route(current_actor(), route_id, {"enabled": wanted})
    return redirect_to(_back(), toast=f"“{route.name}” is {'on' if wanted else 'off'}")


@bp.post("/routes/<int:route_id>/move")
@needs("routes:write")
def move(route_id: int) -> Response:
    """One place up or down among the routes of its mailbox."""
    actor = current_actor()
    route = routes.get_route(actor, route_id, "routes:write")
    ids = [row.id for row in editor.neighbours(actor, route.mailbox_id)]
    place = ids.index(route.id)
    other = place - 1 if request.values.get("to") == "up" else place + 1
    if 0 <= other < len(ids):
        ids[place], ids[other] = ids[other], ids[place]
        routes.reorder(actor, route.mailbox_id, ids)
    return redirect_to(_back(), toast=f"“{route.name}” runs {'earlier' if other < place else 'later'} now")


def _back() -> str:
    return url_for(".list_routes") if request.values.get("back") != "show" else url_for(".show_route", **(request.view_args or {}))


@bp.route("/routes/<int:route_id>/delete", methods=["GET", "POST"])
@needs("routes:write")
def delete(route_id: int) -> Response:
    """Put a route into the trash, after a confirmation."""
    actor = current_actor()
    route = routes.get_route(actor, route_id)
    if request.method == "POST":
        routes.delete_route(actor, route_id)
        undo = url_for(".restore", route_id=route_id) if actor.may("trash:write") else None
        return redirect_to(url_for(".list_routes"), toast=f"“{route.name}” is in the trash", **({"undo": undo} if undo else {}))
    number = sum(route_lists.runs_of_week([route.id]).get(route.id, {}).values())
    return render(
        "parts/confirm.html", "parts/_confirm.html", title="Delete route?", url=request.path, button="Delete route",
        text=f"“{route.name}” ran {number:,} times in the last {route_lists.DAYS} days and will not run again. "
        "Runs under way go on, and the log stays.",
        milder="It can be restored from the trash for 30 days. Switching it off keeps it in the list.",
        cancel=url_for(".show_route", route_id=route.id),
    )  # fmt: skip


@bp.post("/routes/<int:route_id>/restore")
@needs("trash:write")
def restore(route_id: int) -> Response:
    """Undo a deletion."""
    actor = current_actor()
    route = trash.restore(actor, "route", route_id)
    audit.record(actor, "route.restore", routes.target(route))
    return redirect_to(url_for(".show_route", route_id=route_id), toast=f"“{route.name}” is back")
