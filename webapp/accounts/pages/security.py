"""One's own account: name, password, second factor with its recovery codes, the browsers that are signed in; and what a workspace
demands of its members."""

from typing import Any

from flask import request, url_for
from flask_login import current_user
from markupsafe import Markup

from webapp.accounts import devices, forms, forms_security, second_factor, second_factor_rule, service, sessions
from webapp.accounts.pages.entrance import begin_session, bp
from webapp.core.access import current_actor, needs
from webapp.core.config import settings
from webapp.core.db import db
from webapp.core.errors import Invalid, InvalidState, TooMany
from webapp.core.htmx import redirect_to, render


@bp.route("/profile", methods=["GET", "POST"])
@needs()
def profile() -> Any:
    """One's own name and password."""
    form = forms.ProfileForm(obj=current_user.user)
    if form.validate_on_submit():
        service.change_profile(current_actor(), name=form.name.data or "")
        return redirect_to(url_for(".profile"), toast="Name saved")
    return _profile_page(422 if form.errors else 200, form, forms.PasswordForm(formdata=None))


def _profile_page(status: int, name_form: Any, password_form: Any) -> Any:
    user = current_user.user
    place = current_user.found.place()
    return render(
        "accounts/profile.html", status=status, name_form=name_form, password_form=password_form, password_set=user.password_changed_at,
        sessions=sessions.list_living(user.id), here_id=current_user.found.id, device=devices.in_words,
        factor=second_factor.state(user.id), demanded=bool(place and place.demands_second_factor),
    )  # fmt: skip


@bp.post("/profile/password")
@needs()
def change_password() -> Any:
    """Set a new password; every other browser is signed out, this one goes on with a fresh session."""
    actor = current_actor()
    form = forms.PasswordForm()
    status = 422
    if form.validate_on_submit():
        try:
            service.change_password(actor, current=form.current.data or "", new=form.new.data or "")
            begin_session(current_user.user, actor.workspace_id)
            return redirect_to(url_for(".profile"), toast="Password changed; other browsers are signed out")
        except (Invalid, TooMany) as refused:
            db.session.rollback()
            status = refused.status
            forms.add_errors(form, refused, spare="current")
    return _profile_page(status, forms.ProfileForm(formdata=None, obj=current_user.user), form)


@bp.post("/profile/sessions/<int:session_id>/end")
@needs()
def end_session(session_id: int) -> Any:
    """Sign another browser of one's own out."""
    sessions.end_one(current_actor(), session_id)
    return redirect_to(url_for(".profile"), toast="That browser is signed out")


@bp.post("/profile/sessions/end-others")
@needs()
def end_other_sessions() -> Any:
    """Sign every browser of one's own out but this one."""
    ended = sessions.end_others(current_actor(), current_user.found.id)
    text = "No other browser is signed in" if not ended else f"{ended} other browser{'s are' if ended > 1 else ' is'} signed out"
    return redirect_to(url_for(".profile"), toast=text)


@bp.route("/profile/second-factor", methods=["GET", "POST"], endpoint="second_factor")
@needs(fresh=True)
def second_factor_page() -> Any:
    """Turn the second factor on: scan a picture, prove it with a code, keep the recovery codes."""
    found: sessions.Found = current_user.found
    if found.has_second_factor:
        return redirect_to(url_for(".profile"))
    form = forms_security.TurnOnForm()
    if form.validate_on_submit():
        try:
            codes = second_factor.turn_on(current_actor(), found.id, form.begun.data or "", form.code.data or "")
            return render("accounts/recovery_codes.html", codes=codes, turned_on=True)
        except Invalid as refused:
            db.session.rollback()
            forms.add_errors(form, refused, spare="code")
    seed = second_factor.seed_of(form.begun.data or "", found.user.id)
    if seed is None:
        form.begun.data = second_factor.begin(found.user.id)
        seed = second_factor.seed_of(form.begun.data, found.user.id) or ""
    place = found.place()
    led = bool(place and place.demands_second_factor)
    return render(
        "accounts/second_factor.html", status=422 if form.errors else 200, form=form, led=led,
        frame="bare.html" if led else "base.html", workspace_name=place.name if place else "",
        others=[other for other in found.places if place and other.id != place.id],
        picture=Markup(second_factor.picture(seed, found.user.email, f"Mailroom {settings().hostname}")),  # noqa: S704  # numbers alone
        key=" ".join(seed[i : i + 4] for i in range(0, len(seed), 4)),
    )  # fmt: skip


@bp.route("/profile/second-factor/remove", methods=["GET", "POST"])
@needs(fresh=True)
def remove_second_factor() -> Any:
    """Go back to the password alone."""
    found: sessions.Found = current_user.found
    place = found.place()
    if request.method == "GET":
        if not second_factor.is_on(found.user.id):
            return redirect_to(url_for(".profile"), toast="The second factor is off already.", tone="warn")
        demanded = [other.name for other in found.places if other.demands_second_factor]
        led = f"{', '.join(demanded)} demands one: there you are led to set it up again. " if place and demanded else ""
        return render(
            "parts/confirm.html", "parts/_confirm.html", title="Remove second factor", button="Remove second factor", url=request.path,
            text=f"{led}From then on the password alone signs you in. Your other browsers are signed out, and the recovery codes end.",
            milder="With a new phone: remove it and turn it on again there.", cancel=url_for(".profile"),
        )  # fmt: skip
    try:
        second_factor.turn_off(current_actor(), found.id)
    except InvalidState as refused:
        db.session.rollback()
        return redirect_to(url_for(".profile"), toast=refused.message, tone="bad")
    return redirect_to(url_for(".profile"), toast="Second factor removed", tone="warn")


@bp.route("/profile/recovery-codes", methods=["GET", "POST"])
@needs(fresh=True)
def recovery_codes() -> Any:
    """Make ten new recovery codes; the old ones end."""
    form = forms_security.PlainForm()
    if form.validate_on_submit():
        try:
            return render("accounts/recovery_codes.html", codes=second_factor.renew_codes(current_actor()), turned_on=False)
        except InvalidState as refused:
            db.session.rollback()
            return redirect_to(url_for(".profile"), toast=f"{refused.message} {refused.hint}", tone="bad")
    since, left = second_factor.state(current_user.user.id)
    if since is None:
        return redirect_to(url_for(".profile"), toast="Recovery codes belong to the second factor, which is off.", tone="warn")
    return render("accounts/recovery_codes_new.html", form=form, left=left)


@bp.route("/members/second-factor", methods=["GET", "POST"])
@needs("workspaces:write", fresh=True)
def second_factor_rule_page() -> Any:
    """Whether the workspace demands a second factor, and who has none."""
    actor = current_actor()
    form = forms_security.RuleForm(data={"required": second_factor_rule.find(actor)})
    if form.validate_on_submit():
        required = bool(request.form.get("required"))
        try:
            second_factor_rule.set_rule(actor, required)
            text = "Every member now needs a second factor" if required else "A second factor is each member's own choice"
            return redirect_to(url_for(".workspace"), toast=text)
        except InvalidState as refused:
            db.session.rollback()
            form.required.errors = [f"{refused.message} {refused.hint}"]
    return render(
        "accounts/second_factor_rule.html", status=422 if form.errors else 200, form=form, may=actor.has_role("owner"),
        without=second_factor_rule.members_without(actor), mine=current_user.found.has_second_factor,
    )  # fmt: skip
