"""The way in and out: set-up, sign-in, reset, sign-out; and who the signed-in person of a request is (Flask-Login)."""

from contextlib import suppress
from typing import Any

from flask import Blueprint, flash, g, redirect, request, session, url_for
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from sqlalchemy.exc import OperationalError

from webapp.accounts import forms, forms_security, frame, links, second_factor, service, sessions
from webapp.accounts.models import User
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import heartbeat, secrets
from webapp.core.actor import Actor
from webapp.core.client import client_ip
from webapp.core.config import settings
from webapp.core.db import db, fresh_session, utcnow
from webapp.core.errors import Invalid, NotFound, TooMany, Unauthenticated
from webapp.core.htmx import render
from webapp.core.paint import safe_path

bp = Blueprint("accounts", __name__)
manager = LoginManager()
SEEN_EVERY_S = 60
#: name of the sealed note between password and code, and how long it counts
PENDING, PENDING_LIFE_S = "second_step", 600


class SignedInUser(UserMixin):
    """What Flask-Login carries: the value of the session, never the user's id, so that an ended row signs out."""

    def __init__(self, value: str, found: sessions.Found) -> None:
        self.value, self.found, self.user = value, found, found.user

    def get_id(self) -> str:
        return self.value


@manager.user_loader
def load_user(value: str) -> SignedInUser | None:
    found = sessions.find(value)
    return SignedInUser(value, found) if found else None


def session_actor() -> Actor | None:
    """The signed-in person in the workspace that their session points at."""
    if not current_user.is_authenticated:
        return None
    found: sessions.Found = current_user.found
    user, place = found.user, found.place()
    g.user, g.places = user, found.places
    if request.method == "GET" and (utcnow() - found.last_seen_at).total_seconds() > SEEN_EVERY_S:
        with suppress(OperationalError), fresh_session():  # on a full disk nothing is noted, and pages open all the same
            sessions.touch(found.id)
    ip, request_id = client_ip(request), g.get("request_id")
    if place is None:
        return service.actor_for(user, 0, "viewer", ip, request_id)
    return service.actor_for(user, place.workspace_id, place.role, ip, request_id)


def begin_session(user: User, workspace_id: int) -> None:
    """Sign the browser in with a fresh session (C-62: nothing that was planted before survives)."""
    session.clear()
    value = sessions.start(user, workspace_id, client_ip(request), request.user_agent.string)
    found = sessions.find(value)
    if found is None:
        raise Unauthenticated("The session could not be started.")
    login_user(SignedInUser(value, found))
    session.permanent = True


@bp.route("/setup", methods=["GET", "POST"])
def setup() -> Any:
    """The one-time page that makes the first owner."""
    link = links.find("setup", request.args.get("key", ""))
    if service.has_owner():
        return render("accounts/setup_over.html", done=True)
    if link is None:
        return render("accounts/setup_over.html", status=404 if request.args.get("key") else 200, done=False)
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
    return render("accounts/setup.html", status=422 if form.errors else 200, form=form, link=link, running=running())


def running() -> dict[str, Any]:
    """What the set-up page says about this installation: the parts that reported in, ports, where data lies."""
    known, there = settings(), heartbeat.parts()
    return {
        "parts": len(there) + 2 if there is not None else None,  # web answers and Redis does, else nobody would be counted
        "smtp": f"{known.smtp_host}:{known.smtp_port}, submission {known.submission_port}",
        "captured": frame.way_out() == "capture",
        "database": "SQLite" if known.is_sqlite else "PostgreSQL",
        "instance": str(known.instance),
    }


@bp.route("/login", methods=["GET", "POST"])
def login() -> Any:
    """Sign in with address and password."""
    if current_user.is_authenticated:
        return redirect(safe_path(request.args.get("next")), 303)
    form = forms.LoginForm()
    if request.method == "GET":
        form.email.data = request.args.get("email", "")[:320]  # whoever has just made an account need not write it again
    status = 200
    if form.validate_on_submit():
        try:
            entered = service.sign_in(
                email=form.email.data or "", password=form.password.data or "", ip=client_ip(request), request_id=g.request_id
            )
            if second_factor.is_on(entered.user.id):
                ask_for_code(entered.user)
                return redirect(url_for("accounts.login_code", next=request.args.get("next")), 303)
            begin_session(entered.user, entered.workspace_id)
            return redirect(safe_path(request.args.get("next")), 303)
        except (Unauthenticated, TooMany) as refused:
            db.session.rollback()
            status = 422 if isinstance(refused, Unauthenticated) else 429
            form.password.errors = [f"{refused.message} {refused.hint}" if status == 422 else refused.message]
    elif form.errors:
        status = 422
    return render("accounts/login.html", status=status, form=form, open_setup=not service.has_owner())


def ask_for_code(user: User) -> None:
    """The password was right: remember that for a few minutes, and nothing else, until the code has come (C-63)."""
    session.clear()
    session[PENDING] = secrets.sign(PENDING, {"user": user.id, "stamp": _stamp(user)})


def _stamp(user: User) -> str:
    """A new password ends what was begun with the old one."""
    return secrets.keyed_hash(PENDING, user.password_hash)[:24]


def _pending() -> User | None:
    """Whose password this browser gave a moment ago."""
    value = secrets.unsign(PENDING, session.get(PENDING, ""), PENDING_LIFE_S)
    user = db.session.get(User, value["user"]) if isinstance(value, dict) else None
    fits = user is not None and user.status == "active" and isinstance(value, dict) and value.get("stamp") == _stamp(user)
    return user if fits else None


@bp.route("/login/code", methods=["GET", "POST"])
def login_code() -> Any:
    """The second step of signing in: a code of the app, or a recovery code."""
    user = _pending()
    if current_user.is_authenticated or user is None:
        return redirect(url_for("accounts.login", next=request.args.get("next")), 303)
    form = forms_security.CodeForm()
    status = 200
    if form.validate_on_submit():
        try:
            left = second_factor.check_sign_in(
                user, code=form.code.data or "", recovery=form.recovery.data or "", ip=client_ip(request), request_id=g.request_id
            )
            begin_session(user, service.default_workspace(user.id))
            if left is not None:
                flash(f"Recovery code used; {left} left. Your account page makes new ones.", "warn")
            return redirect(safe_path(request.args.get("next")), 303)
        except (Unauthenticated, TooMany) as refused:
            db.session.rollback()
            status = 422 if isinstance(refused, Unauthenticated) else 429
            field = form.recovery if form.recovery.data else form.code
            field.errors = [f"{refused.message} {refused.hint}" if status == 422 else refused.message]
    return render("accounts/login_code.html", status=status, form=form)


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
    link = links.find("reset", key)
    if link is None:
        raise NotFound(
            "This link was used already or is older than an hour.", hint="Ask for a new one on the sign-in page: Forgot your password?"
        )
    if form.validate_on_submit():
        try:
            links.reset_password(key, form.password.data or "", client_ip(request), g.request_id)
            flash("The password is set. Sign in with it.", "ok")
            return redirect(url_for("accounts.login"), 303)
        except Invalid as refused:
            db.session.rollback()
            forms.add_errors(form, refused)
    person = db.session.get(User, link.user_id)
    return render("accounts/reset.html", status=422 if form.errors else 200, form=form, email=person.email if person else "")
