"""Narrowing a token, by hand or to what it used, and revoking it."""

from typing import Any

from flask import request, url_for

from webapp.accounts.forms import add_errors
from webapp.core.access import current_actor, needs
from webapp.core.db import db
from webapp.core.errors import Invalid, InvalidState
from webapp.core.htmx import made, redirect_to, render
from webapp.tokens import narrowing, service
from webapp.tokens.forms_changing import NarrowForm
from webapp.tokens.models import ApiToken
from webapp.tokens.pages.blueprint import bp


@bp.route("/tokens/<int:token_id>/edit", methods=["GET", "POST"])
@needs("tokens:write")
def edit(token_id: int) -> Any:
    """Rename a token, or take something from it."""
    actor = current_actor()
    token = service.get_token(actor, token_id)
    form = NarrowForm()
    form.offer(actor, token)
    if request.method == "GET":
        form.show(token)
    elif form.validate_on_submit():
        try:
            narrowing.update_token(actor, token_id, form.changes(token))
            return redirect_to(url_for(".show_page", token_id=token_id), toast=f"{token.name} is changed")
        except Invalid as refused:
            db.session.rollback()
            refused.fields = {"expires" if name == "expires_at" else name: texts for name, texts in refused.fields.items()}
            add_errors(form, refused, spare="name")
    return render("tokens/edit.html", status=422 if form.errors else 200, form=form, token=token)


@bp.route("/tokens/<int:token_id>/narrow", methods=["GET", "POST"])
@needs("tokens:write")
def narrow(token_id: int) -> Any:
    """Take the scopes from a token that it never used, after a question that names them."""
    actor = current_actor()
    token = service.get_token(actor, token_id)
    hint = next((hint for hint in token.hints if hint.code == "broader_than_used"), None)
    if hint is None:
        text = "This token used every scope that it holds, or was not watched for a week yet."
        if request.method == "GET":
            return redirect_to(url_for(".show_page", token_id=token.id), toast=text, tone="warn")
        raise InvalidState(text)
    if request.method == "GET":
        return render(
            "parts/confirm.html", "parts/_confirm.html", title=f"Narrow {token.name}", button="Narrow token", url=request.path,
            text=f"It keeps what it used: {', '.join(hint.used)}. It loses {len(hint.unused)}: {', '.join(hint.unused)}.",
            milder="A call that needs a lost scope answers 403 from then on, and a token cannot get a scope back.",
            cancel=url_for(".show_page", token_id=token.id),
        )  # fmt: skip
    narrowing.update_token(actor, token_id, {"scopes": list(hint.used)})
    return redirect_to(url_for(".show_page", token_id=token_id), toast=f"{token.name} is narrowed")


@bp.route("/tokens/<int:token_id>/revoke", methods=["GET", "POST"])
@needs("tokens:write")
def revoke(token_id: int) -> Any:
    """End a token, after a confirmation."""
    token = service.get_token(current_actor(), token_id)
    if request.method == "GET":
        return render(
            "parts/confirm.html", "parts/_confirm.html", title=f"Revoke {token.name}", button="Revoke token", url=request.path,
            text=f"Every program that uses it is refused within a second. {_used(token)} A revoked token cannot be brought back.",
            milder="Rotating it first keeps programs working while you change them.", cancel=url_for(".show_page", token_id=token.id),
        )  # fmt: skip
    service.revoke_token(current_actor(), token_id)
    return made(go_to=url_for(".list_page"), trigger="tokens-changed", toast=f"{token.name} is revoked")


def _used(token: ApiToken) -> str:
    if token.last_used_at is None:
        return "It was never used."
    return f"It was last used {token.last_used_at:%-d %b %Y, %H:%M} UTC from {token.last_used_ip}."
