"""The workspaces of a person: the switcher, a further one, and the page of the one that is open: its name, leaving it, deleting it."""

from typing import Any

from flask import request, url_for
from flask_login import current_user

from webapp.accounts import forms, members, persons, second_factor_rule, sessions, workspaces
from webapp.accounts.pages.entrance import begin_session, bp
from webapp.audit import service as audit
from webapp.core.access import current_actor, needs
from webapp.core.db import db
from webapp.core.errors import Invalid, InvalidState, NotFound
from webapp.core.htmx import redirect_to, render


@bp.post("/workspaces/<int:workspace_id>/open")
@needs()
def open_workspace(workspace_id: int) -> Any:
    """Look at another of one's workspaces."""
    if persons.find_place(current_actor().user_id or 0, workspace_id) is None:
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
            new = workspaces.create_workspace(current_actor(), name=form.name.data or "")
            sessions.switch_workspace(current_user.value, new.id)
            return redirect_to("/", toast=f"Workspace {new.name} created")
        except Invalid as refused:
            db.session.rollback()
            forms.add_errors(form, refused)
    return render("accounts/workspace_new.html", status=422 if form.errors else 200, form=form)


@bp.get("/workspace")
@needs("account:read")
def workspace() -> Any:
    """The open workspace: its name, what it demands, the ways out."""
    return _workspace_page(forms.WorkspaceForm(obj=persons.get_workspace(current_actor())))


@bp.post("/workspace")
@needs("workspaces:write")
def rename_workspace() -> Any:
    """Give the workspace another name."""
    form = forms.WorkspaceForm()
    if form.validate_on_submit():
        try:
            renamed = workspaces.rename_workspace(current_actor(), name=form.name.data or "")
            return redirect_to(url_for(".workspace"), toast=f"The workspace is called {renamed.name}")
        except Invalid as refused:
            db.session.rollback()
            forms.add_errors(form, refused)
    return _workspace_page(form, 422)


def _workspace_page(form: forms.WorkspaceForm, status: int = 200) -> Any:
    actor = current_actor()
    found = persons.get_workspace(actor)
    return render(
        "accounts/workspace.html", status=status, form=form, place=found, goes=in_words(workspaces.what_goes(actor)),
        last_owner=actor.role == "owner" and members.count_owners(found.id) < 2, demands=second_factor_rule.find(actor),
        story=audit.story_of(actor, "workspace", found.id),
    )  # fmt: skip


def in_words(numbers: dict[str, int], most: int = 6) -> str:
    """`3 members, 18,420 messages, 2 domains and more`"""
    told = [f"{number:,} {_named(name, number)}" for name, number in list(numbers.items())[:most]]
    rest = " and what belongs to them" if len(numbers) > most else ""
    return ", ".join(told) + rest


def _named(table: str, number: int) -> str:
    word = table.replace("_", " ")
    if number != 1:
        return word
    return {"deliveries": "delivery", "mailboxes": "mailbox", "mailbox data": "mailbox data entry"}.get(word, word.removesuffix("s"))


@bp.route("/workspace/leave", methods=["GET", "POST"])
@needs(fresh=True)
def leave_workspace() -> Any:
    """Give one's own place up."""
    actor = current_actor()
    found = persons.get_workspace(actor)
    if request.method == "GET":
        return render(
            "parts/confirm.html", "parts/_confirm.html", title=f"Leave {found.name}", button="Leave workspace", url=request.path,
            text=f"You can no longer open {found.name}, the tokens that you made here end at once, and your other browsers are signed out.",
            milder="What you made here stays. Somebody who is an admin or owner can invite you again.", cancel=url_for(".workspace"),
        )  # fmt: skip
    try:
        members.leave_workspace(actor)
    except InvalidState as refused:
        db.session.rollback()
        return redirect_to(url_for(".workspace"), toast=f"{refused.message} {refused.hint}", tone="bad")
    begin_session(current_user.user, persons.default_workspace(current_user.user.id))
    return redirect_to("/", toast=f"You have left {found.name}")


@bp.route("/workspace/delete", methods=["GET", "POST"])
@needs("workspaces:write", fresh=True)
def delete_workspace() -> Any:
    """Delete the workspace with everything in it, after typing its name."""
    actor = current_actor()
    actor.require_role("owner", "Deleting a workspace")
    found = persons.get_workspace(actor)
    if request.method == "GET":
        return render(
            "parts/confirm.html", "parts/_confirm.html", title=f"Delete {found.name}", button="Delete workspace", url=request.path,
            text=f"This removes {in_words(workspaces.what_goes(actor), 20)}. Its addresses take no mail from that moment, its tokens end, "
            "waiting mail is not sent, and nothing of it can be brought back. People keep their accounts.",
            milder="Leaving the workspace, or pausing its mailboxes, keeps everything.", typed=found.name, cancel=url_for(".workspace"),
        )  # fmt: skip
    try:
        workspaces.delete_workspace(actor, confirm=request.form.get("typed", ""))
    except (Invalid, InvalidState) as refused:
        db.session.rollback()
        return redirect_to(url_for(".workspace"), toast=refused.message, tone="bad")
    return redirect_to("/", toast=f"{found.name} is deleted")
