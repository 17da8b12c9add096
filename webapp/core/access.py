"""Who may come in: the actor of the current request, and the decorator of page views. The API's twin is in `core.rest`.

Core knows no feature, so the features of people and tokens hand in how to recognise somebody (`doors`).
"""

from collections.abc import Callable, Collection, Hashable
from functools import wraps
from typing import Any, TypeVar

from flask import g, redirect, request, url_for

from webapp.core.actor import Actor
from webapp.core.errors import Unauthenticated
from webapp.core.htmx import redirect_to

View = TypeVar("View", bound=Callable[..., Any])


class Doors:
    """Filled at start-up: `token_actor` by tokens, the rest by accounts."""

    #: the signed-in person of this request in the workspace that the session points at, or None
    session_actor: Callable[[], Actor | None]
    #: (token value, ip, user agent) -> actor; raises Unauthenticated
    token_actor: Callable[[str, str | None, str], Actor]
    #: (actor, fresh) -> the page that comes before the one asked for (a second factor that the workspace demands; the password once
    #: more where `fresh` and the last proof is old), or None when the way is free
    hurdle: Callable[[Actor, bool], Any]
    #: what a live stream keeps of the signed-in person of this request, to be asked again later
    ticket: Callable[[], Hashable]
    #: which of these tickets still stand for a living session with the same role
    still_valid: Callable[[Collection[Any]], Collection[Any]]


doors = Doors()


def current_actor() -> Actor:
    """raises Unauthenticated when nobody is signed in"""
    actor: Actor | None = g.get("actor")
    if actor is None:
        raise Unauthenticated("Nobody is signed in.")
    return actor


def needs(scope: str | None = None, *, fresh: bool = False) -> Callable[[View], View]:
    """A page for signed-in people; with a scope, for those whose role allows it; with `fresh`, for those who proved lately who they are.

    Somebody who is not signed in is sent to the sign-in page and comes back afterwards. `fresh` stands at what hands out or changes
    access: secrets, tokens, exports, roles, sign-in itself. A POST that waits for the password goes on with what was typed.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            actor = doors.session_actor()
            if actor is None:
                target = request.full_path.rstrip("?") if request.method == "GET" else None
                login = url_for("accounts.login", next=target)
                return redirect_to(login) if request.headers.get("HX-Request") else redirect(login, 303)
            g.actor = actor
            if scope is not None:
                actor.require(scope)
            hurdle = doors.hurdle(actor, fresh)
            if hurdle is not None:
                return hurdle
            return view(*args, **kwargs)

        guarded.needs_scope = scope  # type: ignore[attr-defined]
        guarded.needs_sign_in = True  # type: ignore[attr-defined]
        guarded.needs_fresh = fresh  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def open_to_strangers(view: View) -> View:
    """An address for programs that we do not know: it takes any method without a session, so no form of ours protects it."""
    view.for_strangers = True  # type: ignore[attr-defined]
    return view


signed_in = needs()
