"""What stands before a page: the second factor that a workspace demands, and the password once more before steps that matter.

A GET is led to /confirm and comes back. A POST is answered with a page that carries what was posted; its form goes to the same address
with the password beside it, so that the step happens with exactly what was typed. Files do not travel along.
"""

import re
from typing import Any
from urllib.parse import urlsplit

from flask import Response, redirect, request, url_for
from flask_login import current_user
from werkzeug.datastructures import ImmutableMultiDict

from webapp.accounts import confirming, sessions
from webapp.accounts.pages.entrance import bp
from webapp.core.access import current_actor, needs
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import Invalid, TooMany
from webapp.core.htmx import is_fragment, redirect_to, render
from webapp.core.paint import safe_path

#: names that no form of ours uses for itself
PASSWORD, CODE = "_confirm_password", "_confirm_code"
OURS = frozenset({PASSWORD, CODE, "_confirm_user"})
#: addresses that answer with a file: the browser stays on the page that led there, so that page says so
FILE = re.compile(r"export|\.(csv|json|zip|mbox|eml)$")
#: what somebody without the demanded second factor may do: set it up, and look at another workspace
OPEN_BEFORE = frozenset({"accounts.second_factor", "accounts.confirm", "accounts.open_workspace"})


def hurdle(actor: Actor, fresh: bool) -> Any:
    """What `core.access.doors` asks before every page: the answer that comes first, or None."""
    found: sessions.Found = current_user.found
    place = found.place()
    if place and place.demands_second_factor and not found.has_second_factor and request.endpoint not in OPEN_BEFORE:
        if request.endpoint == "live.events":
            return Response(status=204)  # "no stream"; a redirect would be an error in the browser's console
        return redirect_to(url_for("accounts.second_factor"))
    if not fresh:
        return None
    if request.method == "POST":
        return _before_post(actor, found)
    if confirming.is_fresh(found.confirmed_at):
        return None
    target = request.full_path.rstrip("?")
    url = url_for("accounts.confirm", next=target, back=_way_back(target) if _is_file(target) else None)
    return _ask(found, url, go_to=target) if is_fragment() else redirect(url, 303)


def _before_post(actor: Actor, found: sessions.Found) -> Any:
    given = request.form
    typed = [(name, value) for name, value in given.items(multi=True) if name not in OURS]
    request.form = ImmutableMultiDict(typed)  # what follows sees the post as it was before anybody asked
    if confirming.is_fresh(found.confirmed_at):
        return None
    carried = [(name, value) for name, value in typed if name != "csrf_token"]
    errors: dict[str, str] = {}
    status = 200
    if PASSWORD in given:
        status, errors = _try(actor, found, given)
        if not errors:
            return None
    lost = [file.filename for file in request.files.values() if file.filename]
    return _ask(found, request.full_path.rstrip("?"), carried=carried, lost=lost, errors=errors, status=status)


def _try(actor: Actor, found: sessions.Found, given: Any) -> tuple[int, dict[str, str]]:
    """Status and errors by field; no errors when the proof was right. It counts from here on, whatever becomes of the step itself."""
    try:
        confirming.confirm(actor, found.id, password=given.get(PASSWORD, ""), code=given.get(CODE, ""))
        db.session.commit()
    except (Invalid, TooMany) as refused:
        db.session.rollback()
        field = "code" if "code" in refused.fields else "password"
        return refused.status, {field: refused.message}
    return 200, {}


def _ask(
    found: sessions.Found,
    url: str,
    *,
    carried: list[tuple[str, str]] | None = None,
    lost: list[str] | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
    go_to: str | None = None,
) -> Response:
    """The page, or the dialog wherever the htmx request would have put its answer. A plain form follows: a whole page comes of it."""
    response = render(
        "accounts/confirm.html", "accounts/_confirm_dialog.html", status=status, url=url, carried=carried or [], lost=lost or [],
        errors=errors or {}, has_second_factor=found.has_second_factor, email=found.user.email, cancel=_way_back(go_to),
        is_post=go_to is None,
    )  # fmt: skip
    if is_fragment():
        response.headers["HX-Retarget"] = "#dialog"
        response.headers["HX-Reswap"] = "innerHTML"
    return response


def _way_back(target: str | None) -> str:
    """The page from which the step was asked for, when the browser names one of ours that is not the step itself."""
    came_from = urlsplit(request.referrer or "")
    path = came_from.path + (f"?{came_from.query}" if came_from.query else "")
    here = {request.path, urlsplit(target or "").path}
    return safe_path(path) if came_from.netloc == request.host and came_from.path not in here else "/"


def _is_file(target: str) -> bool:
    return FILE.search(urlsplit(target).path) is not None


@bp.route("/confirm", methods=["GET", "POST"])
@needs()
def confirm() -> Any:
    """Prove once more who sits here, then go on to the page that was asked for."""
    found: sessions.Found = current_user.found
    target = safe_path(request.args.get("next"))
    status, errors = 200, dict[str, str]()
    if request.method == "POST":
        status, errors = _try(current_actor(), found, request.form)
        if not errors:
            back = safe_path(request.args.get("back"))
            return render("accounts/confirmed.html", target=target, back=back) if _is_file(target) else redirect_to(target)
    elif confirming.is_fresh(found.confirmed_at):
        return redirect_to(target)
    url = url_for("accounts.confirm", next=target, back=request.args.get("back"))
    return _ask(found, url, errors=errors, status=status, go_to=target)
