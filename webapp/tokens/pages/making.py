"""Making a token and rotating one: the answers that show a value, once."""

from typing import Any

from flask import request, url_for

from webapp.accounts.forms import add_errors
from webapp.core.access import current_actor, needs
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import Forbidden, Invalid
from webapp.core.htmx import render
from webapp.tokens import reach, rotation, service, snippets
from webapp.tokens.forms import TokenForm, preset_scopes
from webapp.tokens.forms_changing import RotateForm
from webapp.tokens.models import ApiToken
from webapp.tokens.pages.blueprint import bp
from webapp.tokens.pages.one import about


@bp.route("/tokens/new", methods=["GET", "POST"])
@needs("tokens:write", fresh=True)
def new_page() -> Any:
    """Make a token; the answer shows its value this once."""
    actor = current_actor()
    form = TokenForm()
    form.offer(actor)
    if request.method == "GET":
        form.begin_with(request.args)
    if form.validate_on_submit():
        try:
            token, value = service.create_token(actor, **form.values())
            return show_value(actor, token, value)
        except (Invalid, Forbidden) as refused:
            db.session.rollback()
            _show(form, refused)
    return render("tokens/new.html", status=422 if form.errors else 200, form=form)


def show_value(actor: Actor, token: ApiToken, value: str, old: ApiToken | None = None) -> Any:
    """The one page with the value of a fresh token, and programs that hold it already."""
    texts = snippets.first_calls(value, reach.sender(actor, token))
    return render("tokens/made.html", status=201, value=value, old=old, snippets=texts, **about(actor, token))


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


@bp.route("/tokens/<int:token_id>/rotate", methods=["GET", "POST"])
@needs("tokens:write", fresh=True)
def rotate(token_id: int) -> Any:
    """Make the successor of a token, which works beside the old one for as long as is chosen; its value is shown this once."""
    actor = current_actor()
    token = service.get_token(actor, token_id)
    form = RotateForm()
    if form.validate_on_submit():
        old, new, value = rotation.rotate_token(actor, token_id, int(form.overlap.data))
        return show_value(actor, new, value, old)
    cancel = url_for(".show_page", token_id=token.id)
    return render("tokens/rotate.html", status=422 if form.errors else 200, form=form, token=token, cancel=cancel)
