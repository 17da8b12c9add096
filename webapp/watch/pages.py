"""The health page for admins, and /metrics for Prometheus."""

from typing import Any

from flask import Blueprint, Flask, Response, current_app, request

from webapp.core import health, menu
from webapp.core.access import current_actor, doors, needs
from webapp.core.client import client_ip, is_in
from webapp.core.db import utcnow
from webapp.core.errors import Forbidden, HouseError, Unauthenticated
from webapp.core.htmx import render
from webapp.watch import check_queue, figures, service
from webapp.watch.findings import Finding

bp = Blueprint("watch", __name__)
TEXT = "text/plain; version=0.0.4; charset=utf-8"
#: what a proxy adds; a request that carries one did not begin where its connection does
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
#: the worst first
ORDER = {"fail": 0, "warn": 1, "ok": 2}


@bp.get("/health")
@needs(service.SCOPE)
def health_page() -> Any:
    """How the installation is. What asks other servers comes in a second part, so that the page does not wait for them."""
    actor = current_actor()
    whole = service.runs_it(actor)
    asked = whole and request.args.get("ask") == "others"
    found: list[Finding] = list(service.examine(asks_others=asked)) if whole else list(service.of_workspace(actor))
    found.sort(key=lambda one: ORDER[one.level])
    return render("watch/health.html", "watch/_findings.html", found=found, whole=whole, asked=asked, now=utcnow())


@bp.get("/metrics")
def metrics() -> Response:
    """Figures in Prometheus' text form."""
    try:
        _let_in()
    except HouseError as refused:
        headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else None
        return Response(f"{refused.message} {refused.hint or ''}\n", refused.status, headers, content_type="text/plain; charset=utf-8")
    return Response(figures.as_text(figures.families()), content_type=TEXT)


def _let_in() -> None:
    """Trusted networks without login, everybody else by a token of the installation's own workspace that holds the scope.

    A connection from loopback says nothing once a proxy on this machine serves the public, so then the token is asked for there too,
    unless the proxy is named in MAILROOM_TRUSTED_PROXIES and tells who asks.

    raises Unauthenticated, or Forbidden for a token that may not
    """
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme:
        actor = doors.token_actor(value.strip() if scheme.lower() == "bearer" else "", client_ip(request), request.user_agent.string)
        actor.require(service.SCOPE)
        if not service.runs_it(actor):
            raise Forbidden("These figures are of the whole installation.", hint="Use a token of the workspace that it was set up with.")
    elif not _is_near():
        raise Unauthenticated(
            "The figures of the installation are for trusted networks and for tokens.",
            hint="Send a token with the scope health:read, or ask from an address in MAILROOM_TRUSTED_NETWORKS.",
        )


def _is_near() -> bool:
    """Whether the request surely comes from a trusted network."""
    known = current_app.config["SETTINGS"]
    ip = client_ip(request)
    if known.trusted_proxies and is_in(request.remote_addr, known.trusted_proxies):
        return ip != request.remote_addr and is_in(ip, known.trusted_networks)
    if any(name in request.headers for name in FORWARDED):
        return False
    serves_the_public = not any(f"//{name}" in known.public_url for name in ("127.", "localhost", "[::1]"))
    return is_in(ip, known.trusted_networks) and not (serves_the_public and _is_loopback(ip))


def _is_loopback(ip: str | None) -> bool:
    return ip is not None and (ip.startswith("127.") or ip in ("::1", "::ffff:127.0.0.1"))


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    menu.add("Set up", "Health", "watch.health_page", scope=service.SCOPE, order=90)
    health.worries["queue"] = check_queue.worries
