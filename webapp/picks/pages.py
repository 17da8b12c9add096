"""The bar's door: what was picked in numbers, the preview, doing it, how far it is, undoing it. One for all lists.

    GET  /picks/<kind>                 the numbers of what is picked, for the bar (a fragment, or a page)
    POST /picks/<kind>                 `action`, and `told` where it has to be told something (else it asks for that); asks first with the
                                       effect in numbers unless `confirmed` or harmless
    GET  /picks/changes/<id>           an order that takes longer: progress, then undo
    POST /picks/changes/<id>/undo

Rows come as `id` (repeated) or `ids` (with commas), or `all=1` with `query`, the query string of the list.
"""

from typing import Any
from urllib.parse import parse_qsl

from flask import Blueprint, Flask, request, url_for

from webapp.core.access import current_actor, needs
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Conflict, Invalid
from webapp.core.htmx import is_fragment, made, redirect_to, render
from webapp.picks import kinds, service
from webapp.picks.kinds import Kind
from webapp.picks.models import PickChange
from webapp.picks.service import Selection

bp = Blueprint("picks", __name__)


@bp.get("/picks/<string:kind>")
@needs()
def summary(kind: str) -> Any:
    """What is picked, in numbers."""
    actor = current_actor()
    found, numbers = kinds.get(kind), list[str]()
    actor.require(found.scope)
    if request.args.get("all") or request.args.getlist("id"):
        numbers = service.summary(actor, _selection(actor, kind, request.args))
    return render("picks/summary.html", "picks/_summary.html", kind=found, numbers=numbers, now=utcnow(), home=found.home())


@bp.post("/picks/<string:kind>")
@needs()
def act(kind: str) -> Any:
    """Do something with what was picked, after a look at its effect."""
    actor, form = current_actor(), request.form
    selection = _selection(actor, kind, form)
    back = _home(selection.kind, form.get("next", ""))
    name, told = form.get("action", ""), form.get("told", "").strip()
    plain = selection.kind.action(name)
    if plain.given is not None and not told:
        actor.require(plain.scope)
        return _ask_which(selection, plain, back, "Choose one first." if "told" in form else "")
    try:
        action, effect = service.preview(actor, selection, f"{name}:{told}" if told else name)
    except Invalid as refused:
        if plain.given is None:
            raise
        return _ask_which(selection, plain, back, refused.message)
    if not form.get("confirmed") and (action.asks or not is_fragment()):
        return _ask(selection, action, effect, back)
    change = service.start(actor, selection, action.name)
    if change.state == "running":
        return redirect_to(url_for(".change_page", change_id=change.id))
    may_undo = change.changed and actor.may(action.undo_scope or action.scope)
    undo = url_for(".undo", change_id=change.id, next=back) if may_undo else None
    tone, event = "ok" if change.changed else "warn", selection.kind.event
    return made(go_to=back, trigger=event, toast=_with_problem(change), tone=tone, undo=undo, status=200)


def _ask_which(selection: Selection, action: kinds.Action, back: str, problem: str) -> Any:
    """What the action has to be told, such as which tag."""
    given = action.given
    return render(
        "picks/which.html", "picks/_which.html", status=422 if problem else 200, action=action, given=given, problem=problem,
        words=selection.kind.words(selection.total), offered=given.offered(current_actor()) if given else [], cancel=back, url=request.path,
        told=request.form.get("told", ""), hidden={**_chosen(), "action": action.name, "next": back},
    )  # fmt: skip


def _ask(selection: Selection, action: kinds.Action, effect: kinds.Effect, back: str) -> Any:
    title = action.title(selection.kind.words(effect.changes))
    return render(
        "parts/confirm.html", "parts/_confirm.html", title=title, button=title, url=request.path,
        text=effect.sentence, milder=effect.milder, cancel=back, tone="danger" if action.danger else "primary",
        hidden={**_chosen(), "action": action.name, "confirmed": "1", "next": back},
    )  # fmt: skip


def _chosen() -> dict[str, str]:
    """What was picked, for the form that comes next."""
    form = request.form
    return {"all": "1", "query": form.get("query", "")} if form.get("all") else {"ids": ",".join(map(str, _ids(form)))}


def _with_problem(change: PickChange) -> str:
    text = service.sentence(change)
    return f"{text} {change.problem}" if change.problem else text


def _selection(actor: Actor, kind: str, given: Any) -> Selection:
    if given.get("all"):
        return service.choose(actor, kind, None, dict(parse_qsl(given.get("query", "")[:4000])))
    return service.choose(actor, kind, _ids(given), None)


def _ids(given: Any) -> list[int]:
    texts = [*given.getlist("id"), *given.get("ids", "").split(",")]
    return list(dict.fromkeys(int(text) for text in texts if text.strip().isdecimal() and len(text.strip()) < 19))


def _home(kind: Kind, asked: str) -> str:
    """Back to the list, with its filters, never elsewhere."""
    home = kind.home()
    fits = asked == home or asked.startswith((f"{home}?", f"{home}#")) or kind.elsewhere(asked.partition("?")[0])
    return asked if fits and "\\" not in asked and "\n" not in asked else home


@bp.get("/picks/changes/<int:change_id>")
@needs()
def change_page(change_id: int) -> Any:
    """How far an order is."""
    actor = current_actor()
    change = service.get_change(actor, change_id)
    kind = kinds.get(change.kind)
    action = kind.action(change.action)
    missing = action.undo_scope or action.scope
    return render(
        "picks/change.html", "picks/_change.html", change=change, kind=kind, action=action, said=service.sentence(change), now=utcnow(),
        home=kind.home(), looked_at=change.changed + change.skipped, needs=None if actor.may(missing) else missing,
    )  # fmt: skip


@bp.post("/picks/changes/<int:change_id>/undo")
@needs()
def undo(change_id: int) -> Any:
    """Change back what an order changed."""
    actor = current_actor()
    kind = kinds.get(service.get_change(actor, change_id).kind)
    back = _home(kind, request.args.get("next", ""))
    try:
        change = service.undo(actor, change_id)
    except Conflict as refused:
        db.session.rollback()
        return redirect_to(back, toast=f"{refused.message} {refused.hint}", tone="bad")
    if change.state == "undoing":
        return redirect_to(url_for(".change_page", change_id=change_id))
    stuck = change.undone < change.changed
    return made(go_to=back, trigger=kind.event, toast=_with_problem(change), tone="warn" if stuck else "ok", status=200)


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
