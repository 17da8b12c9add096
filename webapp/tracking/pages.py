"""The doors in campaign mail, open to the world: pixel, links, unsubscribing, the letter in a browser.

None of them reads or sets a cookie; the signed mark in the address is all they know. GET and HEAD change nothing but the counters of
opens and clicks, HEAD and what browsers fetch ahead not even these. A reader is never held up: over the limit of an address a pixel is
still a pixel and a link still leads on, they are only not counted, and unsubscribing is never refused to a mark that is ours.
"""

from typing import Any

from flask import Blueprint, Flask, Response, make_response, render_template, request

from webapp.campaigns import marks
from webapp.campaigns.marks import Mark
from webapp.core import limits, menu
from webapp.core.access import open_to_strangers
from webapp.core.client import client_ip
from webapp.core.db import utcnow
from webapp.core.errors import TooMany
from webapp.tracking import bursts, hits, leaving, machines, rules_page, targets, viewing
from webapp.tracking.counting import Hit

bp = Blueprint("tracking", __name__)
#: one transparent point (GIF89a, 43 bytes)
PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
NOT_KEPT = "no-store, no-cache, must-revalidate, max-age=0"
#: headers by which browsers and programs say that nobody looks yet, as WSGI spells them
AHEAD = ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_PURPOSE", "HTTP_X_MOZ")
COUNTED, SEEN = "tracking", "public"


@bp.get("/t/o/<string:token>.gif")
def pixel(token: str) -> Response:
    """The mail was shown."""
    mark = marks.read(token)
    if mark is not None:
        _note(mark, 0)
    response = Response(PIXEL, mimetype="image/gif")
    response.headers["Cache-Control"] = NOT_KEPT
    return response


@bp.get("/t/c/<string:token>/<int:number>")
def click(token: str, number: int) -> Response:
    """A link of the mail was followed."""
    mark = marks.read(token)
    url = None if mark is None else targets.target(mark, number)
    if mark is None or url is None:
        return _lost("This link does not lead anywhere")
    _note(mark, number)
    response = Response(status=302)
    response.headers["Location"] = url
    response.headers["Cache-Control"] = NOT_KEPT
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@bp.get("/u/<string:token>")
def unsubscribe_page(token: str) -> Response:
    """Ask whether campaigns are to stop."""
    mark = _own(token)
    return _lost("This unsubscribe link is not complete") if mark is None else _shown(mark, False)


@bp.post("/u/<string:token>")
@open_to_strangers
def unsubscribe(token: str) -> Response:
    """Stop campaigns, or begin again where the button says so. Any other body unsubscribes, RFC 8058's `List-Unsubscribe=One-Click` too."""
    mark = _own(token)
    if mark is None:
        return _lost("This unsubscribe link is not complete")
    ip, client = client_ip(request), request.headers.get("User-Agent")
    if request.form.get("do") == "subscribe":
        limits.hit(SEEN, ip or "")  # back and forth leaves evidence each time
        leaving.come_back(mark, ip=ip, client=client)
        return _shown(mark, True)
    one_click = request.form.get("List-Unsubscribe") == "One-Click"
    leaving.leave(mark, source="one_click" if one_click else "link", ip=ip, client=client)
    return _plain("You are unsubscribed.\n") if one_click else _shown(mark, True)


@bp.get("/v/<string:token>")
def view(token: str) -> Response:
    """The letter in a browser."""
    mark = _own(token)
    html = None if mark is None else viewing.letter(mark, token)
    return _lost("This mail cannot be shown any more") if html is None else viewing.document(html)


def _note(mark: Mark, link: int) -> None:
    """Count an open or a click, unless nobody looks or too much comes from one address."""
    if mark.contact_id == marks.NOBODY or request.method != "GET" or _is_ahead():
        return
    ip = client_ip(request)
    try:
        limits.hit(COUNTED, ip or "")
    except TooMany:
        return
    at = utcnow()
    machine = machines.by_name(request.headers.get("User-Agent", "")) or machines.by_network(ip)
    if link:
        bursts.note(mark.campaign_id, mark.contact_id, link, at)
    hits.note(Hit(mark.campaign_id, mark.contact_id, link, at, machine, machines.in_data_centre(ip)))


def _is_ahead() -> bool:
    environ = request.environ
    said = " ".join(environ[name] for name in AHEAD if name in environ).lower()
    return "prefetch" in said or "prerender" in said or "preview" in said


def _own(token: str) -> Mark | None:
    """What the mark says. Reading pages, and marks that are not ours, are limited by address; writing with one that is ours never."""
    mark = marks.read(token)
    if mark is None or request.method != "POST":
        limits.hit(SEEN, client_ip(request) or "")
    return mark


def _shown(mark: Mark, done: bool) -> Response:
    return _page("tracking/unsubscribe.html", 200, standing=leaving.look(mark), done=done)


def _lost(title: str) -> Response:
    return _page("tracking/lost.html", 404, title=title)


def _page(name: str, status: int, **context: Any) -> Response:
    response = make_response(render_template(name, **context), status)
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _plain(text: str) -> Response:
    response = Response(text, mimetype="text/plain")
    response.headers["Cache-Control"] = "no-store"
    return response


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    app.register_blueprint(rules_page.bp)
    menu.add("People", "Settings", "contact_rules.page", scope="workspaces:write", order=90)
