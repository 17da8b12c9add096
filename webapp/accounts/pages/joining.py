"""For people who are not signed in yet: the page of an invitation, and the one that asks for a password link.

Neither tells whether an address has an account (RELIABILITY C-65). Whoever takes an invitation proves it by signing in afterwards.
"""

from typing import Any

from flask import flash, g, redirect, request, url_for
from flask_login import current_user

from webapp.accounts import forms, invitations, letters, resets, sessions
from webapp.accounts.models import Invitation
from webapp.accounts.pages.entrance import bp
from webapp.core.client import client_ip
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound, TooMany
from webapp.core.htmx import render


@bp.route("/join", methods=["GET", "POST"])
def join() -> Any:
    """Take the place that an invitation offers."""
    key = request.args.get("key", "")
    invitation = invitations.find(key)
    if invitation is None:
        return _no_invitation(key)
    if current_user.is_authenticated:
        return _join_signed_in(key, invitation)
    form = forms.JoinForm()
    if form.validate_on_submit():
        try:
            invitations.join_as_new(
                key, name=form.name.data or "", password=form.password.data or "", ip=client_ip(request), request_id=g.request_id
            )
            flash(f"Sign in as {invitation.email} to go on.", "ok")
            return redirect(_sign_in(key, invitation), 303)
        except Invalid as refused:
            db.session.rollback()
            forms.add_errors(form, refused)
    return _page(key, invitation, form)


def _page(key: str, invitation: Invitation, form: forms.JoinForm | None) -> Any:
    inviter = invitations.inviter_of(invitation)
    return render(
        "accounts/join.html", status=422 if form is not None and form.errors else 200, form=form, invitation=invitation,
        place=invitations.workspace_of(invitation), inviter=inviter, meanings=forms.ROLES, sign_in_url=_sign_in(key, invitation),
        somebody=current_user.user.email if current_user.is_authenticated and current_user.user.email != invitation.email else None,
    )  # fmt: skip


def _sign_in(key: str, invitation: Invitation) -> str:
    return url_for(".login", next=url_for(".join", key=key), email=invitation.email)


def _join_signed_in(key: str, invitation: Invitation) -> Any:
    if request.method == "GET" or current_user.user.email != invitation.email:
        return _page(key, invitation, None)
    member = invitations.accept(key, current_user.user, client_ip(request), g.request_id)
    sessions.switch_workspace(current_user.value, member.workspace_id)
    flash(f"You are now a member of {invitations.workspace_of(invitation).name}", "ok")
    return redirect("/", 303)


def _no_invitation(key: str) -> Any:
    """Whoever accepted it just now goes on to the workspace; for everybody else all links that lead nowhere are alike."""
    if key and current_user.is_authenticated and invitations.find_used(key, current_user.user.id):
        return redirect("/", 303)
    if not key:
        return render("accounts/join_over.html")
    raise NotFound(invitations.GONE, hint="Ask whoever invited you for a new one.")


@bp.route("/forgot", methods=["GET", "POST"])
def forgot() -> Any:
    """Ask for a link that sets a new password."""
    form = forms.ForgotForm()
    status = 200
    if not letters.captured() and form.validate_on_submit():
        try:
            resets.ask(email=form.email.data or "", ip=client_ip(request), request_id=g.request_id)
            return render("accounts/forgot.html", asked=True, captured=False, form=form)
        except (Invalid, TooMany) as refused:
            db.session.rollback()
            status = refused.status
            forms.add_errors(form, refused, spare="email")
    return render(
        "accounts/forgot.html", status=422 if form.errors and status == 200 else status, asked=False, captured=letters.captured(), form=form
    )
