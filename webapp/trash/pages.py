"""The trash in the browser: find, bring back one, several or all, and give up for good after typing a word."""

from typing import Any

from flask import Blueprint, Flask, request, url_for

from webapp.core import menu
from webapp.core.access import current_actor, needs
from webapp.core.db import db, utcnow
from webapp.core.errors import Conflict, Invalid
from webapp.core.htmx import made, redirect_to, render
from webapp.core.paging import PageRequest
from webapp.trash import holdings, service
from webapp.trash.service import Outcome

bp = Blueprint("trash", __name__)
PER_PAGE = 50
#: what has to be typed before something goes for good
WORD = "delete"


@bp.get("/trash")
@needs("trash:read")
def list_page() -> Any:
    """What was deleted in the last 30 days."""
    actor, kind, search = current_actor(), _kind(request.args.get("kind", "")), request.args.get("q", "").strip()[:200]
    number = min(max(1, request.args.get("page", 1, int)), 10_000)
    found = service.list_trash(actor, PageRequest(number, PER_PAGE), kind or None, search)
    counts = service.count(actor)
    return render(
        "trash/list.html", "trash/_rows.html", found=found, chips=_chips(counts, kind, search), kind=kind, q=search, now=utcnow(),
        any=any(counts.values()), holds=holdings.describe(actor, found.items), taken=holdings.taken(found.items),
        newer=_url(kind, search, number - 1) if number > 1 else None, older=_url(kind, search, number + 1) if found.has_more else None,
    )  # fmt: skip


def _kind(word: str) -> str:
    return word if word in service.kinds() else ""


def _url(kind: str = "", search: str = "", page: int = 1) -> str:
    return url_for(".list_page", kind=kind or None, q=search or None, page=page if page > 1 else None)


def _chips(counts: dict[str, int], kind: str, search: str) -> list[dict[str, Any]]:
    chips = [{"label": "All", "url": _url("", search), "current": not kind, "count": sum(counts.values())}]
    return chips + [
        {"label": service.plural(name).capitalize(), "url": _url(name, search), "current": name == kind, "count": number}
        for name, number in counts.items()
        if number or name == kind
    ]


@bp.post("/trash/<string:kind>/<int:row_id>/restore")
@needs("trash:write")
def restore(kind: str, row_id: int) -> Any:
    """Bring one thing back."""
    try:
        back = service.restore(current_actor(), kind, row_id)
    except (Conflict, Invalid) as refused:
        db.session.rollback()
        return redirect_to(url_for(".list_page"), toast=f"{refused.message} {refused.hint}", tone="bad")
    return made(go_to=url_for(".list_page"), trigger="trash-changed", toast=f"{back.name} is back")


@bp.post("/trash/bulk")
@needs("trash:write")
def bulk() -> Any:
    """Bring back what was picked (or all that the list shows), or ask before it goes for good."""
    actor, kind, search = current_actor(), _kind(request.form.get("kind", "")), request.form.get("q", "").strip()[:200]
    everything = bool(request.form.get("all"))
    items = service.everything(actor, kind or None, search) if everything else _items(request.form.getlist("item"))
    if not items:
        return redirect_to(_url(kind, search), toast="Nothing was picked", tone="warn")
    if request.form.get("action") == "purge":
        return _ask(items, kind, search)
    outcome = service.restore_many(actor, items)
    text, tone = _told(outcome, "back")
    return redirect_to(_url(kind, search), toast=text, tone=tone)


@bp.post("/trash/purge")
@needs("trash:write")
def purge() -> Any:
    """Give up what was named, once the word was typed."""
    actor, kind, search = current_actor(), _kind(request.form.get("kind", "")), request.form.get("q", "").strip()[:200]
    items = _items(request.form.get("items", "").split(","))
    if request.form.get("typed", "").strip().lower() != WORD:
        return _ask(items, kind, search, wrong=True)
    text, tone = _told(service.purge_many(actor, items), "gone for good")
    return redirect_to(_url(kind, search), toast=text, tone=tone)


def _ask(items: list[tuple[str, int]], kind: str, search: str, wrong: bool = False) -> Any:
    number = len(items)
    things = "this" if number == 1 else f"these {number:,} things"
    again = f"That was not the word {WORD}. " if wrong else ""
    return render(
        "parts/confirm.html", "parts/_confirm.html", status=422 if wrong else 200, title="Delete for good?", url=url_for(".purge"),
        text=f"{again}Deleting {things} for good cannot be undone: mail, files and settings that hang on {'it' if number == 1 else 'them'} "
        "go along, and what they logged stays.",
        milder="What lies in the trash goes by itself after 30 days, and can be brought back until then.",
        button="Delete for good", typed=WORD, cancel=_url(kind, search), keep="Keep in the trash",
        hidden={"items": ",".join(f"{name}:{row_id}" for name, row_id in items), "kind": kind, "q": search},
    )  # fmt: skip


def _items(texts: list[str]) -> list[tuple[str, int]]:
    """`mailbox:3` as the form sends them; anything else is left out."""
    found = []
    for text in texts[: service.MOST]:
        kind, _, number = text.partition(":")
        if kind in service.kinds() and number.isascii() and number.isdigit() and len(number) < 19:
            found.append((kind, int(number)))
    return found


def _told(outcome: Outcome, words: str) -> tuple[str, str]:
    """The sentence for the toast, and its tone."""
    done = outcome.done[0].name if len(outcome.done) == 1 else f"{len(outcome.done):,} things"
    text = f"{done} {'is' if len(outcome.done) == 1 else 'are'} {words}." if outcome.done else "Nothing changed."
    if outcome.refused:
        number = len(outcome.refused)
        text += f" {number:,} stayed: {outcome.refused[0][2]}"
    return text, "warn" if outcome.refused else "ok"


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    menu.add("Set up", "Trash", "trash.list_page", scope="trash:read", order=95)
