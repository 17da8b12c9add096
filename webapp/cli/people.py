"""`user create`, `user reset`, `user suspend` and `user resume`."""

import sys

import click

from webapp.accounts import by_hand, links
from webapp.cli.edge import answer, application, as_json
from webapp.core.scopes import ROLES


@click.group("user")
def user() -> None:
    """Make users and help those who forgot their password."""


@user.command("create")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it.")
@click.option("--workspace", help="Workspace to join; made when there is none of this name. Default: the first one, or Main.")
@click.option("--role", type=click.Choice(ROLES), default="owner", show_default=True)
@as_json
def create(email: str, password_stdin: bool, workspace: str | None, role: str, as_json: bool) -> None:
    """Make the user EMAIL and a membership."""
    password = _read_password(password_stdin)
    with application():
        person, joined = links.create_user_by_cli(email, password, workspace, role)
        made = {"id": person.id, "email": person.email, "workspace": {"id": joined.id, "name": joined.name}, "role": role}
    if as_json:
        answer(made)
    else:
        click.echo(f"{made['email']} is {role} of {joined.name}.")


@user.command("reset")
@click.argument("email")
@click.option("--second-factor", is_flag=True, help="Remove the second factor instead, for a lost phone; the password stays.")
@as_json
def reset(email: str, second_factor: bool, as_json: bool) -> None:
    """Print a link with which EMAIL sets a new password. It works once, for an hour; the audit log of their workspaces tells of it."""
    if second_factor:
        with application():
            person = by_hand.remove_second_factor(email)
            done = {"email": person.email, "second_factor": False}
        if as_json:
            answer(done)
        else:
            click.echo(f"{done['email']} signs in with the password alone; every browser is signed out.")
        return
    with application() as app:
        link = links.reset_link(email, app.config["SETTINGS"].public_url)
    if as_json:
        answer({"email": email, "url": link})
    else:
        click.echo(link)


@user.command("suspend")
@click.argument("email")
@as_json
def suspend(email: str, as_json: bool) -> None:
    """Close every workspace to EMAIL: no sign-in, no token. Not for the last owner of a workspace."""
    with application():
        person = by_hand.suspend_user(email)
        _tell(person.email, person.status, as_json)


@user.command("resume")
@click.argument("email")
@as_json
def resume(email: str, as_json: bool) -> None:
    """Let EMAIL sign in again."""
    with application():
        person = by_hand.resume_user(email)
        _tell(person.email, person.status, as_json)


def _tell(email: str, status: str, as_json: bool) -> None:
    if as_json:
        answer({"email": email, "status": status})
    else:
        click.echo(f"{email} is {status}.")


def _read_password(from_stdin: bool) -> str:
    """raises UsageError when nobody is there to ask"""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for the password: add --password-stdin and pipe it in.")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password
