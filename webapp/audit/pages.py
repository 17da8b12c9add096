"""The audit log in the browser: filters in the address, newest first, each entry with what it changed and where it stands in the chain."""

from typing import Any

from flask import Blueprint, Flask, request, url_for

from webapp.audit import export, forms, links, overview, retention, service, streaming, walks
from webapp.audit.forms import Asked
from webapp.audit.schemas import read
from webapp.core import menu
from webapp.core.access import current_actor, needs
from webapp.core.db import utcnow
from webapp.core.errors import Invalid
from webapp.core.htmx import is_fragment, made, render
from webapp.core.paging import PageRequest

bp = Blueprint("audit", __name__)
PER_PAGE = 50


@bp.get("/audit")
@needs("audit:read")
def list_page() -> Any:
    """Who did what, when, from where, with which token."""
    actor = current_actor()
    asked = forms.read(request.args)
    cursor = request.args.get("cursor") or None
    newest = overview.newest_id(actor)
    found = service.search(actor, asked.filters, PageRequest(1, PER_PAGE, cursor))
    opened = request.args.get("open", 0, int)
    entry = next((row for row in found.items if row.id == opened), None)
    response = render(
        "audit/list.html", "audit/_rows.html", found=found, asked=asked, now=utcnow(), chips=_chips(asked), tags=_tags(asked),
        choices=None if is_fragment() else _choices(asked), chain=retention.head_of(actor), url_of=links.target_url,
        story_url=links.story_url, opened=entry.id if entry else None, detail=_detail(entry) if entry else None,
        open_url=lambda row_id: _url(asked.values, cursor=cursor, open=row_id), clear_url=url_for(".list_page"),
        news_url=_url(asked.values, ".news", since=newest, open=opened or None, later=1 if cursor else None),
        export_url=_url(asked.values, ".export_page"), query=_url(asked.values).partition("?")[2],
        newer=_url(asked.values) if cursor else None, older=_url(asked.values, cursor=found.next_cursor) if found.next_cursor else None,
    )  # fmt: skip
    if is_fragment() and "" in request.args.values():  # the form sends its empty fields along; the address bar need not keep them
        response.headers["HX-Push-Url"] = _url(asked.values)
    return response


def _url(values: dict[str, str], endpoint: str = ".list_page", **more: Any) -> str:
    return url_for(endpoint, **{name: value for name, value in {**values, **more}.items() if value not in (None, "")})


def _chips(asked: Asked) -> list[dict[str, Any]]:
    """The quick states with their numbers, as far as the other filters let through."""
    rest = asked.without("actor_type", "result")
    counts = overview.numbers(current_actor(), {name: value for name, value in asked.filters.items() if name in rest})
    current = "refused" if asked.values.get("result") == "refused" else asked.values.get("actor_type", "")
    found = []
    for key, label, kind in forms.CHIPS:
        narrowed = {"result": key} if key == "refused" else {"actor_type": key} if key else {}
        found.append({"label": label, "url": _url({**rest, **narrowed}), "current": key == current, "count": counts.words(kind)})
    return found


def _tags(asked: Asked) -> list[dict[str, str]]:
    """What narrows the list, each with the address without it."""
    found = []
    for name, label in forms.LABELS.items():
        if name in asked.values:
            shown = asked.values[name]
            if name == "token_id" and name in asked.filters:
                shown = overview.token_name(current_actor(), asked.filters[name]) or shown
            found.append({"label": label, "value": shown, "url": _url(asked.without(name))})
    return found


def _choices(asked: Asked) -> dict[str, list[tuple[str, str]]]:
    """What the selects offer: what the log knows of, and what the address says if that is something else."""
    actor = current_actor()
    offered = {
        "action": [("", "Any action"), *overview.actions(actor)],
        "target_type": [("", "Anything"), *[(kind, kind.replace("_", " ")) for kind in overview.target_types(actor)]],
        "token_id": [("", "Any token or none"), *[(str(token), words) for token, words in overview.tokens(actor)]],
        "result": [("", "Done or refused"), ("done", "Done"), ("refused", "Refused")],
    }
    for name, options in offered.items():
        value = asked.values.get(name)
        if value and value not in [key for key, _ in options]:
            options.append((value, value))
    return offered


@bp.get("/audit/news")
@needs("audit:read")
def news() -> Any:
    """How many entries came since the list was painted; on the first page, at its top, they come in by themselves."""
    asked = forms.read(request.args)
    count, capped = overview.count_since(current_actor(), asked.filters, max(0, request.args.get("since", 0, int)))
    return render(
        "audit/_news.html", count=count, capped=capped, later=request.args.get("later", 0, int),
        first_url=_url(asked.values, open=request.args.get("open", 0, int) or None),
    )  # fmt: skip


@bp.get("/audit/chain")
@needs("audit:read")
def chain() -> Any:
    """What is known of the chain: verified when, signed when, kept how long."""
    return render("audit/_chain.html", chain=retention.head_of(current_actor()), now=utcnow())


@bp.post("/audit/verify")
@needs("audit:write")
def verify() -> Any:
    """Have the chain walked in the background; the page hears when it is done."""
    walks.ask(current_actor())
    return made(go_to=url_for(".list_page"), trigger="audit-verified", toast="The chain is being verified", tone="busy")


@bp.route("/audit/export", methods=["GET", "POST"])
@needs("audit:read", fresh=True)
def export_page() -> Any:
    """Take a copy of what the filters let through; the answer to the form is the file."""
    actor = current_actor()
    asked = forms.read(request.args)
    form = forms.ExportForm()
    if not asked.errors and form.validate_on_submit():
        return streaming.answer(export.begin(actor, asked.filters, form=form.form.data, raw=form.raw.data))
    counts = overview.numbers(actor, asked.filters)
    return render(
        "audit/export.html", status=422 if form.errors else 200, form=form, asked=asked, tags=_tags(asked), count=counts.words("all"),
        back_url=_url(asked.values), query=_url(asked.values).partition("?")[2],
    )  # fmt: skip


@bp.route("/audit/retention", methods=["GET", "POST"])
@needs("audit:write", fresh=True)
def retention_page() -> Any:
    """How long entries are kept. A shorter time is shown with what it removes before it is taken."""
    actor = current_actor()
    head = retention.head_of(actor)
    form = forms.RetentionForm(keep="ever" if head.keep_days is None else "days", days=head.keep_days)
    if form.validate_on_submit():
        try:
            days = form.keep_days()
            going = retention.would_go(actor, days) if days is not None else 0
            if going and request.form.get("sure") != str(days):
                return render("audit/retention.html", form=form, chain=head, going=going, days=days)
            retention.set_keep_days(actor, days)
            kept = "for ever" if days is None else f"for {days:,} days"
            return made(go_to=url_for(".list_page"), toast=f"Entries are kept {kept}")
        except (Invalid, ValueError) as refused:
            texts = refused.fields.get("keep_days", [refused.message]) if isinstance(refused, Invalid) else [str(refused)]
            form.days.errors = texts
    return render("audit/retention.html", status=422 if form.errors else 200, form=form, chain=head, going=0, days=None)


@bp.get("/audit/<int:entry_id>")
@needs("audit:read")
def show_page(entry_id: int) -> Any:
    """One entry by itself."""
    entry = service.get_entry(current_actor(), entry_id)
    return render("audit/show.html", entry=entry, url_of=links.target_url, story_url=links.story_url, **_detail(entry))


def _detail(entry: Any) -> dict[str, Any]:
    return {"before": read(entry.before), "after": read(entry.after), "neighbours": service.neighbours(current_actor(), entry)}


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    menu.add("Audit log", "Audit log", "audit.list_page", scope="audit:read")
