"""`erasures`: people who were erased stay erased, also after a backup was restored (RELIABILITY C-75)."""

import sys
from pathlib import Path

import click

from webapp.cli.edge import answer, application, as_json
from webapp.contacts import receipts
from webapp.core.db import db
from webapp.core.errors import Unavailable


@click.group("erasures")
def erasures() -> None:
    """People who were erased."""


@erasures.command("again")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_json
def again(file: Path | None, as_json: bool) -> None:
    """Erase once more whom a restored backup brought back.

    Receipts come from the database, from the blob store, and from FILE, which `erasures export` wrote. Safe to run again.
    """
    with application():
        lines = file.read_bytes().splitlines() if file is not None else []
        given = [receipt for line in lines if (receipt := receipts.read_line(line)) is not None]
        if len(given) < len(lines):
            raise click.ClickException(f"{len(lines) - len(given)} lines of {file} are no receipts of this installation.")
        try:
            number = receipts.bring_back([*receipts.kept(), *given])
        except Unavailable as error:
            raise click.ClickException(f"The blob store cannot be read: {error.message}") from None
        db.session.commit()
        done = receipts.everybody()
    if as_json:
        answer({"receipts_brought_back": number, "erased": done.erased, "left": done.left})
        return
    click.echo(f"Receipts that were missing and are back: {number}. People who were back and are erased once more: {done.erased}.")
    if done.left:
        click.echo(f"Mail to {done.left} of them is on its way still; run it again once that has ended. They get no further mail.")


@erasures.command("export")
def export() -> None:
    """Write every receipt to standard output, a line of JSON each; keep it apart from the backups. It names nobody."""
    with application(read_only=True):
        for line in receipts.exported():
            sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
