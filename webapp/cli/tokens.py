"""`token create` and `token check`."""

import re
from datetime import timedelta

import click

from webapp.cli.edge import answer, application, as_json
from webapp.core.errors import NotFound
from webapp.mailboxes import addressing
from webapp.tokens import format as token_format
from webapp.tokens import service

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Duration(click.ParamType[timedelta]):
    """90d, 12h, 30m, 3600s, 4w; `never` or 0 for a token that does not expire."""

    name = "duration"

    def convert(self, value: str | timedelta, param: click.Parameter | None, context: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        if value in ("never", "0"):
            return timedelta(0)
        match = re.fullmatch(r"([1-9]\d{0,5})([smhdw])", value)
        if match is None:
            self.fail(f"{value!r} is no duration: write for example 90d, 12h or never.", param, context)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})


@click.group("token")
def token() -> None:
    """Make API tokens and check their form."""


@token.command("create")
@click.option("--workspace", help="Name of the workspace; may be left out while there is only one.")
@click.option("--kind", type=click.Choice(["ops", "message", "workspace"]), required=True)
@click.option("--user", "email", help="Whom the token acts for. Default: the first owner of the workspace.")
@click.option("--mailbox", help="Address of the mailbox that a message token is for.")
@click.option("--scope", "scopes", multiple=True, help="A scope such as routes:write; may be repeated. Default: everything.")
@click.option("--expires", type=Duration(), help="Life such as 90d or 12h, or never. Default: that of the kind.")
@click.option("--name", help="What the token is called in the list.")
@as_json
def create(
    workspace: str | None, kind: str, email: str | None, mailbox: str | None, scopes: tuple[str, ...], expires: timedelta | None,
    name: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Make a token and print it, alone, on standard output. It is shown this once."""
    if (kind == "message") != (mailbox is not None):
        raise click.UsageError("--mailbox goes with --kind message, which needs it.")
    with application():
        mailbox_id = None if mailbox is None else _mailbox_id(mailbox)
        value = service.create_by_cli(
            workspace=workspace, kind=kind, user=email, mailbox_id=mailbox_id, scopes=list(scopes), expires=expires, name=name
        )
    if as_json:
        answer({"token": value, "kind": kind})
    else:
        click.echo(value)


@token.command("check")
@click.argument("value")
@as_json
def check(value: str, as_json: bool) -> int:
    """Say offline what kind of token VALUE is and whether its checksum is right; nothing is looked up."""
    kind, is_right = token_format.check(value)
    if as_json:
        answer({"kind": kind, "checksum": is_right})
        return 0 if is_right else 1
    if kind is None:
        raise click.ClickException("This is no token of Mailroom.")
    if not is_right:
        raise click.ClickException(f"This looks like a token of the kind {kind}, but its checksum is wrong: it was cut or mistyped.")
    click.echo(f"A token of the kind {kind}; its checksum is right.")
    return 0


def _mailbox_id(address: str) -> int:
    """raises NotFound"""
    found = addressing.find_mailbox(address)
    if found is None:
        raise NotFound(f"There is no mailbox {address}.", hint="Write its whole address, for example ada@example.com.")
    return found.id
