"""One's own account, the workspaces of a person, and the members of a workspace."""

from typing import Any

from flask import request, url_for
from flask_login import current_user
from wtforms.fields.choices import SelectChoice

from webapp.accounts import forms, service, sessions
from webapp.accounts.models import Membership
from webapp.accounts.pages.entrance import begin_session, bp
from webapp.audit import service as audit
from webapp.core.access import current_actor, needs
from webapp.core.db import db
from webapp.core.errors import Invalid, InvalidState, NotFound, TooMany
from webapp.core.htmx import made, redirect_to, render
from webapp.core.paging import PageRequest


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
    return render(
        "accounts/profile.html", status=status, name_form=name_form, password_form=password_form,
        sessions=sessions.list_living(current_user.user.id), here_id=current_user.found.id,
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


@bp.post("/workspaces/<int:workspace_id>/open")
@needs()
def open_workspace(workspace_id: int) -> Any:
    """Look at another of one's workspaces."""
    if service.find_membership(current_actor().user_id or 0, workspace_id) is None:
        raise NotFound(f"There is no workspace with the id {workspace_id}.")
    sessions.switch_workspace(current_user.value, workspace_id)
    return redirect_to("/")


@bp.route("/workspaces/new", methods=["GET", "POST"])
@needs()
def new_workspace() -> Any:
    """A further workspace, owned by who makes it."""
    form = forms.WorkspaceForm()
    if form.validate_on_submit():
        try:
            new = service.create_workspace(current_actor(), name=form.name.data or "")
            sessions.switch_workspace(current_user.value, new.id)
            return redirect_to("/", toast=f"Workspace {new.name} created")
        except Invalid as refused:
            db.session.rollback()
            forms.add_errors(form, refused)
    return render("accounts/workspace_new.html", status=422 if form.errors else 200, form=form)


@bp.get("/members")
@needs("account:read")
def members() -> Any:
    """Who is in the workspace, with which role."""
    actor = current_actor()
    number = min(max(1, request.args.get("page", 1, int)), 10_000)
    found = service.list_members(actor, PageRequest(number, 100))
    return render(
        "accounts/members.html", "accounts/_members.html", found=found, owners=service.count_owners(actor.workspace_id),
        roles=forms.roles_up_to(actor.role), meanings=forms.ROLES, activity=audit.latest(actor, "member"),
        newer=url_for(".members", page=number - 1) if number > 1 else None,
        older=url_for(".members", page=number + 1) if found.has_more else None,
    )  # fmt: skip


@bp.route("/members/new", methods=["GET", "POST"])
@needs("workspaces:write")
def new_member() -> Any:
    """Add somebody, with a first password when they have no account yet."""
    actor = current_actor()
    form = forms.MemberForm()
    form.role.choices = [SelectChoice(role, f"{role}: {forms.ROLES[role]}") for role in forms.roles_up_to(actor.role)]
    if form.validate_on_submit():
        try:
            member = service.add_member(
                actor,
                email=form.email.data or "",
                name=form.name.data or "",
                password=form.password.data or None,
                role=form.role.data or "agent",
            )
            return made(
                go_to=url_for(".members"), trigger="members-changed", toast=f"{member.user.email} is now {_a(member)} of this workspace"
            )
        except Invalid as refused:
            db.session.rollback()
            forms.add_errors(form, refused)
    return render("accounts/member_new.html", "accounts/_member_dialog.html", status=422 if form.errors else 200, form=form)


@bp.post("/members/<int:member_id>")
@needs("workspaces:write")
def change_member(member_id: int) -> Any:
    """Give a member another role."""
    try:
        member = service.change_role(current_actor(), member_id, request.form.get("role", ""))
    except (Invalid, InvalidState) as refused:
        db.session.rollback()
        return redirect_to(url_for(".members"), toast=f"{refused.message} {refused.hint}", tone="bad")
    return redirect_to(url_for(".members"), toast=f"{member.user.email} is now {_a(member)}")


@bp.route("/members/<int:member_id>/remove", methods=["GET", "POST"])
@needs("workspaces:write")
def remove_member(member_id: int) -> Any:
    """Take somebody out of the workspace."""
    member = service.get_member(current_actor(), member_id)
    if request.method == "GET":
        return render(
            "parts/confirm.html", "parts/_confirm.html", title=f"Remove {member.user.email}", button="Remove member", url=request.path,
            text="They can no longer open this workspace, their browsers are signed out, and the tokens they made here end at once.",
            milder="Giving them the role viewer keeps them able to read.", cancel=url_for(".members"),
        )  # fmt: skip
    try:
        service.remove_member(current_actor(), member_id)
    except InvalidState as refused:
        db.session.rollback()
        return redirect_to(url_for(".members"), toast=f"{refused.message} {refused.hint}", tone="bad")
    return made(go_to=url_for(".members"), trigger="members-changed", toast=f"{member.user.email} is no longer a member")


def _a(member: Membership) -> str:
    return f"{'an' if member.role[0] in 'ao' else 'a'} {member.role}"
