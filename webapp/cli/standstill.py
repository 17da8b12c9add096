"""`standstill`: does anything leave this installation, why not, and the word that lets it."""

import click

from webapp.cli.edge import answer, application, as_json
from webapp.core.actor import Actor
from webapp.standstill import service
from webapp.standstill.service import Still

ACTOR = Actor.system(0, "command line")


@click.group("standstill", invoke_without_command=True)
@as_json
@click.pass_context
def standstill(context: click.Context, as_json: bool) -> None:
    """Tell whether anything leaves this installation. One whose database was copied or restored stands still until you say go."""
    if context.invoked_subcommand is not None:
        return
    with application(read_only=True):
        found, verdict = service.read(), service.compare()
    if as_json:
        since = found.since.isoformat() if found else None
        answer({"stands_still": found is not None, "since": since, "why": found.why if found else None, "place": verdict.kind})
    else:
        click.echo(_sentence(found))
        if found is None and verdict.kind == "elsewhere":
            click.echo(f"{verdict.why} It will stand still as soon as a part starts.")


def _sentence(found: Still | None) -> str:
    if found is None:
        return "Sending goes on."
    return f"Sending stands still since {found.since:%Y-%m-%d %H:%M} UTC. {found.why}"


@standstill.command("begin")
@click.option("--why", default="", help="The reason, as pages will show it.")
def begin(why: str) -> None:
    """Stop everything that leaves: mail, campaigns, actions of routes. What waits keeps waiting."""
    with application():
        found = service.begin(ACTOR, why)
    click.echo(_sentence(found))


@standstill.command("end")
def end() -> None:
    """This is the only copy now: go on. What waits goes out, also what another copy may have sent meanwhile."""
    with application():
        service.end(ACTOR)
    click.echo("Sending goes on; this is the only copy now.")
