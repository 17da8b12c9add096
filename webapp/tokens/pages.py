"""Tokens in the browser: the list, making one (its value is shown once), what one did, revoking."""

from typing import Any

from flask import Blueprint, Flask, make_response, request, url_for

from webapp.accounts.forms import add_errors
from webapp.audit import service as audit
from webapp.core import limits, menu, scopes
from webapp.core.access import current_actor, needs
from webapp.core.actor import Actor
from webapp.core.config import settings
from webapp.core.db import db, utcnow
from webapp.core.errors import Forbidden, Invalid
from webapp.core.htmx import made, render
from webapp.core.paging import PageRequest
from webapp.tokens import reach, service, snippets
from webapp.tokens.forms import KINDS, TokenForm, preset_scopes
from webapp.tokens.models import ApiToken

bp = Blueprint("tokens", __name__)
PER_PAGE = 50
CHIPS = (
    ("", "All", "all"),
    ("active", "Active", "active"),
    ("unused", "Never used", "unused"),
    ("expired", "Expired", "expired"),
    ("revoked", "Revoked", "revoked"),
)


@bp.get("/tokens")
@needs("tokens:read")
def list_page() -> Any:
    """What programs may do here, and what they did last."""
    actor = current_actor()
    asked = {name: request.args.get(name, "").strip() for name in ("q", "kind", "state")}
    state = asked["state"] if asked["state"] in {key for key, _, _ in CHIPS if key} else None
    kind = asked["kind"] if asked["kind"] in KINDS else None
    number = max(1, request.args.get("page", 1, int))
    found = service.list_tokens(actor, PageRequest(min(number, 10_000), PER_PAGE), kind=kind, state=state, search=asked["q"] or None)
    counts = service.count_states(actor)
    chips = [
        {"label": label, "count": counts[count], "url": _list_url(asked, state=key), "current": (state or "") == key}
        for key, label, count in CHIPS
    ]  # fmt: skip
    return render(
        "tokens/list.html", "tokens/_rows.html", found=found, asked=asked, chips=chips, any_token=counts["all"] > 0, now=utcnow(),
        status_of=service.status, reach_of=lambda token: reach.words(actor, token),
        kinds=[("", "Any kind"), *[(name, name) for name in KINDS]],
        newer=_list_url(asked, page=number - 1) if number > 1 else None,
        older=_list_url(asked, page=number + 1) if found.has_more else None,
    )  # fmt: skip


def _list_url(asked: dict[str, str], **changes: Any) -> str:
    chosen = {**asked, **changes}
    return url_for(".list_page", **{name: value for name, value in chosen.items() if value not in ("", None, 1)})


@bp.route("/tokens/new", methods=["GET", "POST"])
@needs("tokens:write", fresh=True)
def new_page() -> Any:
    """Make a token; the answer shows its value this once."""
    actor = current_actor()
    form = TokenForm()
    form.offer(actor)
    if form.validate_on_submit():
        try:
            token, value = service.create_token(actor, **form.values())
            return render("tokens/made.html", status=201, value=value, snippets=snippets.first_calls(value), **_about(actor, token))
        except (Invalid, Forbidden) as refused:
            db.session.rollback()
            _show(form, refused)
    return render("tokens/new.html", status=422 if form.errors else 200, form=form)


def _show(form: TokenForm, refused: Invalid | Forbidden) -> None:
    """The service names its own arguments; here they are the form's fields."""
    renamed = {"expires_in": "expires", "expires_at": "expires"}
    refused.fields = {renamed.get(name, name): texts for name, texts in refused.fields.items()}
    add_errors(form, refused, spare="scopes")


@bp.get("/tokens/new/scopes")
@needs("tokens:write")
def scopes_part() -> Any:
    """The scope boxes with those of a preset ticked; the form asks for it when the preset changes."""
    actor = current_actor()
    ticked = preset_scopes(actor, request.args.get("preset", ""), request.args.get("kind", ""))
    form = TokenForm(formdata=None, scopes=ticked, picked="1")
    form.offer(actor)
    return render("tokens/_scopes.html", form=form)


@bp.get("/tokens/<int:token_id>")
@needs("tokens:read")
def show_page(token_id: int) -> Any:
    """One token: what it may do, what it did."""
    actor = current_actor()
    token = service.get_token(actor, token_id)
    did = audit.latest(actor, token_id=token.id, limit=20)
    return render("tokens/show.html", did=did, **_about(actor, token))


def _about(actor: Actor, token: ApiToken) -> dict[str, Any]:
    """What both the fresh and the known token's page say."""
    effective = scopes.effective(frozenset(token.scopes), actor.role) if token.user_id == actor.user_id else None
    allowed = limits.parse(settings().rate_limits)
    return {
        "token": token, "state": service.status(token), "prefix": service.prefix(token), "limits": reach.named(actor, token),
        "owner": service.owner_of(token), "effective": effective, "story": audit.story_of(actor, "token", token.id),
        "may_send": "messages:send" in scopes.effective(frozenset(token.scopes), "owner"),
        "rate": allowed[limits.KIND_FAMILY[token.kind]] if allowed else None,
    }  # fmt: skip


@bp.get("/tokens/<int:token_id>/first-call")
@needs("tokens:read")
def first_call(token_id: int) -> Any:
    """The line that turns green when the first call has come; 286 tells htmx to stop asking."""
    token = service.get_token(current_actor(), token_id)
    response = render("tokens/_first_call.html", token=token)
    return make_response(response, 286) if token.last_used_at else response


@bp.route("/tokens/<int:token_id>/revoke", methods=["GET", "POST"])
@needs("tokens:write")
def revoke(token_id: int) -> Any:
    """End a token, after a confirmation."""
    token = service.get_token(current_actor(), token_id)
    if request.method == "GET":
        used = (
            f"It was last used {token.last_used_at:%-d %b %Y, %H:%M} UTC from {token.last_used_ip}."
            if token.last_used_at
            else "It was never used."
        )
        return render(
            "parts/confirm.html", "parts/_confirm.html", title=f"Revoke {token.name}", button="Revoke token", url=request.path,
            text=f"Every program that uses it is refused within a second. {used} A revoked token cannot be brought back.",
            milder="A new token made first keeps programs working while you change them.", cancel=url_for(".show_page", token_id=token.id),
        )  # fmt: skip
    service.revoke_token(current_actor(), token_id)
    return made(go_to=url_for(".list_page"), trigger="tokens-changed", toast=f"{token.name} is revoked")


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    menu.add("Developers", "Tokens", "tokens.list_page", scope="tokens:read", order=10)
    menu.add("Developers", "API", "openapi.swagger", order=90)
