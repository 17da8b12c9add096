"""The members page: who is in the workspace, who is invited, and everything that changes either."""

from typing import Any

from flask import Response, request, url_for
from wtforms.fields.choices import SelectChoice

from webapp.accounts import forms, invitations, letters, members, persons
from webapp.accounts.models import Invitation
from webapp.accounts.pages.entrance import bp
from webapp.audit import service as audit
from webapp.core.access import current_actor, needs
from webapp.core.db import db
from webapp.core.errors import Forbidden, Invalid, InvalidState, TooMany
from webapp.core.htmx import add_trigger, made, redirect_to, render
from webapp.core.paging import PageRequest

CHANGED = "members-changed"


@bp.get("/members", endpoint="members")
@needs("account:read")
def list_page() -> Any:
    """Who is in the workspace, with which role, and who is invited."""
    actor = current_actor()
    number = min(max(1, request.args.get("page", 1, int)), 10_000)
    found = members.list_members(actor, PageRequest(number, 100))
    return render(
        "accounts/members.html", "accounts/_members.html", found=found, owners=members.count_owners(actor.workspace_id),
        roles=forms.roles_up_to(actor.role), meanings=forms.ROLES, activity=audit.latest(actor, "member"), member_status=members.status,
        waiting=invitations.list_open(actor), invitation_status=invitations.status,
        newer=url_for(".members", page=number - 1) if number > 1 else None,
        older=url_for(".members", page=number + 1) if found.has_more else None,
    )  # fmt: skip


@bp.route("/members/new", methods=["GET", "POST"])
@needs("workspaces:write", fresh=True)
def new_member() -> Any:
    """Add somebody without mail, with a first password when they have no account yet."""
    actor = current_actor()
    form = forms.MemberForm()
    form.role.choices = _choices(actor.role)
    if form.validate_on_submit():
        try:
            member = members.add_member(
                actor,
                email=form.email.data or "",
                name=form.name.data or "",
                password=form.password.data or None,
                role=form.role.data or "agent",
            )
            return made(go_to=url_for(".members"), trigger=CHANGED, toast=f"{member.user.email} is now {_a(member.role)} of this workspace")
        except Invalid as refused:
            db.session.rollback()
            forms.add_errors(form, refused)
    return render("accounts/member_new.html", "accounts/_member_dialog.html", status=422 if form.errors else 200, form=form)


def _choices(role: str) -> list[SelectChoice]:
    return [SelectChoice(name, f"{name}: {forms.ROLES[name]}") for name in forms.roles_up_to(role)]


@bp.post("/members/<int:member_id>")
@needs("workspaces:write", fresh=True)
def change_member(member_id: int) -> Any:
    """Give a member another role."""
    try:
        member = members.change_role(current_actor(), member_id, request.form.get("role", ""))
    except (Invalid, InvalidState) as refused:
        return _refused(refused)
    return redirect_to(url_for(".members"), toast=f"{member.user.email} is now {_a(member.role)}")


@bp.post("/members/<int:member_id>/suspend")
@needs("workspaces:write", fresh=True)
def suspend_member(member_id: int) -> Any:
    """Close the workspace to a member for now."""
    try:
        member = members.suspend(current_actor(), member_id)
    except InvalidState as refused:
        return _refused(refused)
    undo = url_for(".resume_member", member_id=member_id)
    return redirect_to(url_for(".members"), toast=f"{member.user.email} is suspended", undo=undo)


@bp.post("/members/<int:member_id>/resume")
@needs("workspaces:write", fresh=True)
def resume_member(member_id: int) -> Any:
    """Open the workspace to a suspended member again."""
    try:
        member = members.resume(current_actor(), member_id)
    except InvalidState as refused:
        return _refused(refused)
    return redirect_to(url_for(".members"), toast=f"{member.user.email} can open this workspace again")


@bp.route("/members/<int:member_id>/remove", methods=["GET", "POST"])
@needs("workspaces:write", fresh=True)
def remove_member(member_id: int) -> Any:
    """Take somebody out of the workspace."""
    member = members.get_member(current_actor(), member_id)
    if request.method == "GET":
        return render(
            "parts/confirm.html", "parts/_confirm.html", title=f"Remove {member.user.email}", button="Remove member", url=request.path,
            text="They can no longer open this workspace, their browsers are signed out, and the tokens they made here end at once.",
            milder="Suspending them keeps their place and role; the role viewer keeps them able to read.", cancel=url_for(".members"),
        )  # fmt: skip
    try:
        members.remove_member(current_actor(), member_id)
    except InvalidState as refused:
        return _refused(refused)
    return made(go_to=url_for(".members"), trigger=CHANGED, toast=f"{member.user.email} is no longer a member")


# --- invitations ---------------------------------------------------------------------------------------


@bp.route("/members/invite", methods=["GET", "POST"])
@needs("workspaces:write", fresh=True)
def invite() -> Any:
    """Invite somebody by mail."""
    actor = current_actor()
    form = forms.InviteForm()
    form.role.choices = _choices(actor.role)
    if form.validate_on_submit():
        try:
            return _sent(*invitations.invite(actor, email=form.email.data or "", role=form.role.data or "agent"))
        except Invalid as refused:
            db.session.rollback()
            forms.add_errors(form, refused)
    return render(
        "accounts/invite.html", "accounts/_invite_dialog.html", status=422 if form.errors else 200, form=form, captured=letters.captured()
    )


@bp.post("/invitations/<int:invitation_id>/resend")
@needs("workspaces:write", fresh=True)
def resend_invitation(invitation_id: int) -> Any:
    """Mail a new link."""
    try:
        return _sent(*invitations.resend(current_actor(), invitation_id))
    except (InvalidState, TooMany) as refused:
        return _refused(refused)


def _sent(invitation: Invitation, url: str) -> Response:
    """What follows a fresh link: a word that it was mailed, or, while mail is captured, the link itself, this once."""
    if not letters.captured():
        return redirect_to(url_for(".members"), toast=f"The invitation to {invitation.email} is on its way")
    workspace = persons.get_workspace(current_actor())
    response = render(
        "accounts/invited.html", "accounts/_invited_dialog.html", status=201, invitation=invitation, url=url, workspace_name=workspace.name
    )
    return add_trigger(response, CHANGED)


@bp.route("/invitations/<int:invitation_id>/revoke", methods=["GET", "POST"])
@needs("workspaces:write", fresh=True)
def revoke_invitation(invitation_id: int) -> Any:
    """Take an invitation back."""
    invitation = invitations.get_invitation(current_actor(), invitation_id)
    if request.method == "GET":
        return render(
            "parts/confirm.html", "parts/_confirm.html", title=f"Revoke the invitation of {invitation.email}", button="Revoke invitation",
            url=request.path, text="The link in their mail stops working at once.", milder="Resending gives them a new link instead.",
            cancel=url_for(".members"),
        )  # fmt: skip
    try:
        invitations.revoke(current_actor(), invitation_id)
    except InvalidState as refused:
        return _refused(refused)
    return made(go_to=url_for(".members"), trigger=CHANGED, toast=f"The invitation of {invitation.email} is taken back")


def _refused(refused: Invalid | InvalidState | TooMany | Forbidden) -> Response:
    db.session.rollback()
    return redirect_to(url_for(".members"), toast=f"{refused.message} {refused.hint}", tone="bad")


def _a(role: str) -> str:
    return f"{'an' if role[0] in 'ao' else 'a'} {role}"
