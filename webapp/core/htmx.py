"""One URL, two faces: a page for a browser, a fragment for htmx (2.x). Every answer that depends on it says `Vary: HX-Request`.

    render(page, fragment, …)     the page, or its fragment
    made(fragment, go_to=…)       after making or changing something: 201 and the fragment, or a flash and 303
    redirect_to(url)              HX-Redirect for htmx, 303 otherwise
    toast / trigger               what happens beside the swap: HX-Trigger
    render_error(error)           a refusal as page or fragment

An htmx request that is boosted or restores history wants a whole page. `Htmx(app)` of htmx_flask gives `request.htmx`.
"""

import json
import logging
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, flash, g, make_response, redirect, render_template, request
from htmx_flask import Htmx
from jinja2 import TemplateError
from markupsafe import Markup, escape
from sqlalchemy.exc import SQLAlchemyError

from webapp.core.errors import HouseError
from webapp.core.paint import chosen_theme

log = logging.getLogger("mailroom.web")
htmx = Htmx()

#: statuses with their own template under errors/
PAGES = frozenset({400, 403, 404, 409, 413, 422, 429, 500, 503})
#: longer messages stand below the status' own title, in characters
LONGEST_TITLE = 90


def init_app(app: Flask) -> None:
    htmx.init_app(app)


def is_fragment() -> bool:
    """True when the caller is htmx and wants a part of a page."""
    if request.headers.get("HX-Request", "").lower() != "true":
        return False
    whole = ("HX-Boosted", "HX-History-Restore-Request")
    return not any(request.headers.get(name, "").lower() == "true" for name in whole)


def vary(response: Response) -> Response:
    response.vary.add("HX-Request")
    return response


def render(page: str, fragment: str | None = None, /, status: int = 200, **context: Any) -> Response:
    """The page, or `fragment` when htmx asks for a part and there is one. Both get the same context."""
    name = fragment if fragment and is_fragment() else page
    return vary(make_response(render_template(name, **context), status))


def made(
    fragment: str | None = None,
    *,
    go_to: str,
    trigger: str | list[str] | None = None,
    toast: str | None = None,
    tone: str = "ok",
    undo: str | None = None,
    status: int = 201,
    **context: Any,
) -> Response:
    """After a form did its work.

    htmx: `status` with the fragment (201 and an empty body when there is none), HX-Trigger with `trigger` (events for lists that
    refresh themselves) and the toast. Plain browsers: the toast as flash message and 303 to `go_to`. `undo` is an address to POST to.
    """
    if not is_fragment():
        if toast:
            flash({"text": toast, "undo": undo} if undo else toast, tone)  # type: ignore[arg-type]  # the session keeps mappings as well
        return vary(_see_other(go_to))
    response = make_response(render_template(fragment, **context) if fragment else "", status)
    for name in [trigger] if isinstance(trigger, str) else trigger or []:
        add_trigger(response, name)
    if toast:
        add_toast(response, toast, tone, undo)
    return vary(response)


def redirect_to(url: str, toast: str | None = None, tone: str = "ok", undo: str | None = None) -> Response:
    """Go elsewhere: 303 for browsers; htmx gets 200 with HX-Redirect, so that the browser itself goes there. The toast waits there."""
    if toast:
        flash({"text": toast, "undo": undo} if undo else toast, tone)  # type: ignore[arg-type]  # the session keeps mappings as well
    if not is_fragment():
        return vary(_see_other(url))
    response = make_response("", 200)
    response.headers["HX-Redirect"] = url
    response.headers["HX-Reswap"] = "none"
    return vary(response)


def _see_other(url: str) -> Response:
    return make_response(redirect(url, 303))


def add_trigger(response: Response, name: str, detail: Any = None) -> Response:
    """Let htmx fire the DOM event `name` after the answer; what was set before stays. The header is ASCII."""
    events = _events_of(response)
    events[name] = detail
    response.headers["HX-Trigger"] = json.dumps(events, ensure_ascii=True, separators=(",", ":"))
    return response


def add_toast(response: Response, text: str, tone: str = "ok", undo: str | None = None, note: str | None = None) -> Response:
    """Show a toast after the answer; several in one answer are shown one above the other."""
    detail: dict[str, Any] = {"text": text, "tone": tone}
    if undo:
        detail["undo"] = undo
    if note:
        detail["note"] = note
    before = _events_of(response).get("toast")
    shown = [*(before.get("value", [before]) if isinstance(before, dict) else before or []), detail]
    return add_trigger(response, "toast", detail if len(shown) == 1 else {"value": shown})


#: the short names in pages; inside this module `made` has arguments of the same names
trigger = add_trigger
toast = add_toast


def _events_of(response: Response) -> dict[str, Any]:
    raw = response.headers.get("HX-Trigger", "")
    if not raw:
        return {}
    if raw.startswith("{"):
        events: dict[str, Any] = json.loads(raw)
        return events
    return {name.strip(): None for name in raw.split(",") if name.strip()}


# ---------------------------------------------------------------- refusals


def render_error(error: HouseError) -> Response:
    """An expected refusal or a bug, in words: what happened (message), what to do (hint), and the request id.

    Server errors are painted without context processors, since whatever broke may break those too.
    """
    if error.status == 404 and _refreshes_itself():
        return _is_gone()
    status = error.status if error.status in PAGES else (500 if error.status >= 500 else 400)
    context = {
        "status": error.status,
        "code": error.code,
        "title": error.message.removesuffix(".") if len(error.message) <= LONGEST_TITLE else None,
        "why": None if len(error.message) <= LONGEST_TITLE else error.message,
        "todo": error.hint if error.hint != type(error).hint else None,  # those of the classes speak to programs
        "fields": error.fields,
        "retry_after_s": error.retry_after_s,
        "request_id": g.get("request_id", ""),
    }
    name = f"errors/{'_' if is_fragment() else ''}{status}.html"
    response = make_response(_painted(name, status, context), error.status)
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return vary(response)


def _refreshes_itself() -> bool:
    """Whether a page that is open asks for a part of itself again, as all live pages do."""
    return is_fragment() and request.method == "GET" and urlsplit(request.headers.get("HX-Current-URL", "")).path == request.path


def _is_gone() -> Response:
    """For an open page whose object was deleted: nothing is swapped and it stops asking (286), so that the reader keeps what is there."""
    response = make_response("", 286)
    response.headers["HX-Reswap"] = "none"
    return vary(add_toast(response, "This was deleted meanwhile.", "wait"))


def _painted(name: str, status: int, context: dict[str, Any]) -> str:
    try:
        if status < 500:
            return render_template(name, **context)
    except (TemplateError, HouseError, SQLAlchemyError, LookupError, AttributeError, TypeError, ValueError):
        log.exception("error page failed", extra={"request_id": context["request_id"]})
    try:
        template = current_app.jinja_env.get_template(name)
        return template.render(theme=chosen_theme(), here="/", **context)
    except Exception:
        log.exception("plain error page failed", extra={"request_id": context["request_id"]})
        return str(
            Markup("<!doctype html><title>Mailroom</title><p>{} Request {}.</p>").format(
                escape(context["title"] or context["code"]), context["request_id"]
            )
        )
