"""Sign-in, set-up, profile, members and workspaces in the browser; and who the signed-in person of a request is (Flask-Login)."""

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, current_app, flash, g, redirect, request, session, url_for
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from webapp.accounts import forms, links, service, sessions
from webapp.accounts.models import LoginSession, User
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import menu
from webapp.core.access import current_actor, doors, needs
from webapp.core.actor import Actor
from webapp.core.client import client_ip
from webapp.core.db import db, fresh_session, reading, utcnow
from webapp.core.errors import HouseError, Invalid, NotFound, TooMany, Unauthenticated
from webapp.core.htmx import redirect_to, render

bp = Blueprint("accounts", __name__)
manager = LoginManager()
SEEN_EVERY_S = 60


class SignedInUser(UserMixin):  # type: ignore[misc]
    """What Flask-Login carries: the value of the session, never the user's id, so that an ended row signs out."""

    def __init__(self, value: str, row: LoginSession, user: User) -> None:
        self.value, self.row, self.user = value, row, user

    def get_id(self) -> str:
        return self.value


@manager.user_loader  # type: ignore[misc]
def load_user(value: str) -> SignedInUser | None:
    found = sessions.find(value)
    return SignedInUser(value, *found) if found else None


def session_actor() -> Actor | None:
    """The signed-in person in the workspace that their session points at."""
    if not current_user.is_authenticated:
        return None
    user, row = current_user.user, current_user.row
    member = service.find_membership(user.id, row.workspace_id or service.default_workspace(user.id))
    if member is None:
        member = service.find_membership(user.id, service.default_workspace(user.id))
    g.membership = member
    if request.method == "GET" and (utcnow() - row.last_seen_at).total_seconds() > SEEN_EVERY_S:
        with fresh_session():
            sessions.touch(row.id)
    ip, request_id = client_ip(request), g.get("request_id")
    if member is None:
        return service.actor_for(user, 0, "viewer", ip, request_id)
    return service.actor_for(user, member.workspace_id, member.role, ip, request_id)


def init_app(app: Flask) -> None:
    manager.init_app(app)
    doors.session_actor = session_actor
    app.register_blueprint(bp)
    app.context_processor(_frame)
    menu.add("Set up", "Members", "accounts.members", scope="account:read", order=90)


def _frame() -> dict[str, Any]:
    """What base.html shows around every page: menu, person, workspaces, installation."""
    settings = app_settings()
    installation = {"hostname": settings.hostname, "version": _version(), "transport": settings.transport.split(":")[0]}
    actor: Actor | None = g.get("actor")
    if actor is None or actor.type != "user":
        return {"installation": installation}
    with reading():
        member = g.get("membership")
        memberships = service.list_workspaces(actor.user_id) if actor.user_id else []
    return {
        "actor": actor, "menu": menu.build(actor), "installation": installation,
        "workspace": member.workspace if member else None,
        "workspaces": [m.workspace for m in memberships],
        "user": current_user.user if current_user.is_authenticated else None,
        "live_url": url_for("live.events"),
    }  # fmt: skip


def app_settings() -> Any:
    return current_app.config["SETTINGS"]


def _version() -> str:
    return str(current_app.config["VERSION"])


def safe_next(target: str | None) -> str:
    """Where to go after signing in: a path of ours, else home (C-60)."""
    parts = urlsplit(target or "")
    if not target or parts.scheme or parts.netloc or not target.startswith("/") or target.startswith("//") or "\\" in target or "\n" in target:
        return "/"
    return target


def begin_session(user: User, workspace_id: int) -> None:
    """Sign the browser in with a fresh session (C-62: nothing that was planted before survives)."""
    session.clear()
    value = sessions.start(user, workspace_id, client_ip(request), request.user_agent.string)
    found = sessions.find(value)
    if found is None:
        raise Unauthenticated("The session could not be started.")
    login_user(SignedInUser(value, *found))
    session.permanent = True


@bp.route("/setup", methods=["GET", "POST"])
def setup() -> Any:
    """The one-time page that makes the first owner."""
    key = request.args.get("key", "")
    link = links.find("setup", key)
    if service.has_owner() or link is None:
        return render("accounts/setup_over.html", status=404 if not service.has_owner() else 200, done=service.has_owner())
    form = forms.SetupForm()
    if form.validate_on_submit():
        try:
            links.use(link)
            made = service.set_up(
                name=form.name.data or "", email=form.email.data or "", password=form.password.data or "",
                workspace=form.workspace.data or "", ip=client_ip(request), request_id=g.request_id,
            )  # fmt: skip
            begin_session(made.user, made.workspace_id)
            return redirect("/", 303)
        except Invalid as refused:
            db.session.rollback()
            forms.add_errors(form, refused)
    return render("accounts/setup.html", status=422 if form.errors else 200, form=form)


@bp.route("/login", methods=["GET", "POST"])
def login() -> Any:
    """Sign in with address and password."""
    if current_user.is_authenticated:
        return redirect(safe_next(request.args.get("next")), 303)
    form = forms.LoginForm()
    status = 200
    if form.validate_on_submit():
        try:
            entered = service.sign_in(email=form.email.data or "", password=form.password.data or "", ip=client_ip(request), request_id=g.request_id)
            begin_session(entered.user, entered.workspace_id)
            return redirect(safe_next(request.args.get("next")), 303)
        except (Unauthenticated, TooMany) as refused:
            db.session.rollback()
            status = 422 if isinstance(refused, Unauthenticated) else 429
            form.password.errors = [f"{refused.message} {refused.hint}" if status == 422 else refused.message]
    elif form.errors:
        status = 422
    return render("accounts/login.html", status=status, form=form, open_setup=not service.has_owner())


@bp.post("/logout")
def logout() -> Any:
    """End this browser's session."""
    if current_user.is_authenticated:
        actor = session_actor()
        sessions.end(current_user.value)
        if actor is not None:
            audit.record(actor, "session.end", Target("user", actor.user_id, actor.name))
    logout_user()
    session.clear()
    return redirect(url_for("accounts.login"), 303)


@bp.route("/reset", methods=["GET", "POST"])
def reset() -> Any:
    """Set a new password with a one-time link."""
    key = request.args.get("key", "")
    form = forms.ResetForm()
    if links.find("reset", key) is None:
        raise NotFound("This link was used already or is older than an hour.", hint="Ask the operator for a new one: python app.py user reset EMAIL.")
    if form.validate_on_submit():
        try:
            links.reset_password(key, form.password.data or "", client_ip(request), g.request_id)
            flash("The password is set. Sign in with it.", "ok")
            return redirect(url_for("accounts.login"), 303)
        except Invalid as refused:
            db.session.rollback()
            forms.add_errors(form, refused)
    return render("accounts/reset.html", status=422 if form.errors else 200, form=form)


@bp.route("/profile", methods=["GET", "POST"])
@needs()
def profile() -> Any:
    """One's own name and password."""
    actor = current_actor()
    name_form = forms.ProfileForm(obj=current_user.user)
    if name_form.validate_on_submit():
        service.change_profile(actor, name=name_form.name.data or "")
        return redirect_to(url_for(".profile"), toast="Profile saved")
    return render("accounts/profile.html", name_form=name_form, password_form=forms.PasswordForm(formdata=None))


@bp.post("/profile/password")
@needs()
def change_password() -> Any:
    """Set a new password; every other browser is signed out, this one goes on with a fresh session."""
    actor = current_actor()
    form = forms.PasswordForm()
    if form.validate_on_submit():
        try:
            service.change_password(actor, current=form.current.data or "", new=form.new.data or "")
            begin_session(current_user.user, actor.workspace_id)
            return redirect_to(url_for(".profile"), toast="Password changed; other browsers are signed out")
        except (Invalid, TooMany) as refused:
            db.session.rollback()
            forms.add_errors(form, refused, spare="current")
    return render("accounts/profile.html", status=422, name_form=forms.ProfileForm(formdata=None, obj=current_user.user), password_form=form)


@bp.post("/workspaces/<int:workspace_id>/open")
@needs()
def open_workspace(workspace_id: int) -> Any:
    """Look at another of one's workspaces."""
    actor = current_actor()
    if service.find_membership(actor.user_id or 0, workspace_id) is None:
        raise NotFound(f"There is no workspace with the id {workspace_id}.")
    sessions.switch_workspace(current_user.value, workspace_id)
    return redirect("/", 303)


@bp.route("/workspaces/new", methods=["GET", "POST"])
@needs()
def new_workspace() -> Any:
    """A further workspace, owned by who makes it."""
    form = forms.WorkspaceForm()
    if form.validate_on_submit():
        try:
            made = service.create_workspace(current_actor(), name=form.name.data or "")
            sessions.switch_workspace(current_user.value, made.id)
            return redirect_to("/", toast=f"Workspace {made.name} created")
        except Invalid as refused:
            db.session.rollback()
            forms.add_errors(form, refused)
    return render("accounts/workspace_new.html", status=422 if form.errors else 200, form=form)


@bp.route("/members", methods=["GET", "POST"])
@needs("account:read")
def members() -> Any:
    """Who is in the workspace, with which role; add somebody with a first password."""
    actor = current_actor()
    form = forms.MemberForm()
    form.role.choices = [(role, role) for role in forms.roles_up_to(actor.role)]
    if form.validate_on_submit():
        try:
            member = service.add_member(
                actor, email=form.email.data or "", name=form.name.data or "", password=form.password.data or None, role=form.role.data or "agent"
            )
            return redirect_to(url_for(".members"), toast=f"{member.user.email} is now {member.role}")
        except HouseError as refused:
            db.session.rollback()
            forms.add_errors(form, refused)
    return render("accounts/members.html", status=422 if form.errors else 200, form=form, members=service.list_members(actor), roles=forms.ROLES)


@bp.post("/members/<int:member_id>")
@needs("workspaces:write")
def change_member(member_id: int) -> Any:
    """Give a member another role."""
    try:
        member = service.change_role(current_actor(), member_id, request.form.get("role", ""))
    except HouseError as refused:
        db.session.rollback()
        return redirect_to(url_for(".members"), toast=f"{refused.message} {refused.hint}", tone="bad")
    return redirect_to(url_for(".members"), toast=f"{member.user.email} is now {member.role}")


@bp.post("/members/<int:member_id>/remove")
@needs("workspaces:write")
def remove_member(member_id: int) -> Any:
    """Take somebody out of the workspace."""
    try:
        member = service.remove_member(current_actor(), member_id)
    except HouseError as refused:
        db.session.rollback()
        return redirect_to(url_for(".members"), toast=f"{refused.message} {refused.hint}", tone="bad")
    return redirect_to(url_for(".members"), toast=f"{member.user.email} is no longer a member")
