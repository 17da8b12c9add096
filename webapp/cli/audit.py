"""`audit verify`: has anybody changed the log behind Mailroom's back? `audit export`: a copy of it as a file."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import click
from sqlalchemy import select, text

from webapp.accounts.models import Workspace
from webapp.audit import export as exporting
from webapp.audit import verification
from webapp.cli.edge import answer, application, as_json
from webapp.core.actor import Actor
from webapp.core.db import db, is_sqlite
from webapp.core.errors import NotFound, invalid


@click.group("audit")
def audit() -> None:
    """The audit log."""


@audit.command("verify")
@as_json
def verify(as_json: bool) -> int:
    """Follow the hash chain of every workspace and name the first entry that is not as it was written.

    The chains are compared with the signed checkpoints of the blob store, so that a cut end is noticed even when the database was made
    to fit. The copies of the checkpoints in the logs of the processes are for you to compare.
    """
    with application(read_only=True):
        if not is_sqlite():
            # All chains as of one moment, however many entries are written meanwhile.
            db.session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        reports, found = verification.verify_all()
    broken = [report for report in reports if not report.ok]
    if as_json:
        chains = [asdict(report) for report in reports]
        answer({"ok": not broken, "chains": chains, "checkpoints": len(found.signed), "doubtful_checkpoints": found.doubtful})
    else:
        for report in reports:
            if report.ok:
                click.echo(_line(report))
        if not reports:
            click.echo("The audit log is empty.")
        if found.doubtful:
            some = ", ".join(found.doubtful[:3])
            click.echo(
                f"{len(found.doubtful)} checkpoints prove nothing: no key of MAILROOM_SECRET_KEY signed them ({some}). "
                "After a rotation list the old key behind a comma."
            )
    if broken:
        first = broken[0]
        where = f"entry {first.first_bad_id}" if first.first_bad_id is not None else f"after entry number {first.count}"
        raise click.ClickException(f"The audit log of workspace {first.workspace_id} is not as it was written: {where}: {first.reason}.")
    return 0


def _line(report: verification.Report) -> str:
    removed = f" The first {report.removed} were removed by retention, as signed." if report.removed else ""
    signed = f" {report.checkpoints} signed checkpoints fit." if report.checkpoints else ""
    return f"Workspace {report.workspace_id}: {report.count - report.removed} entries, all as they were written.{removed}{signed}"


class Day(click.ParamType[datetime]):
    """2026-11-21, or a moment such as 2026-11-21T08:30; UTC unless it names its zone."""

    name = "date"

    def convert(self, value: str | datetime, param: click.Parameter | None, context: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date: write for example 2026-11-21.", param, context)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@audit.command("export")
@click.option("--workspace", help="Name of the workspace; may be left out while there is only one.")
@click.option("--format", "form", type=click.Choice(["csv", "json"]), default="csv", show_default=True, help="json is one object a line.")
@click.option("--since", type=Day(), help="Leave out what is older, for example 2026-11-21.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write; standard output if left out.")
@click.option("--raw", is_flag=True, help="Leave CSV cells that a spreadsheet would run as a formula as they are.")
def export(workspace: str | None, form: str, since: datetime | None, out: Path | None, raw: bool) -> None:
    """Write the audit log of a workspace, oldest entry first. The log notes that a copy was taken."""
    with application(read_only=True):
        actor = Actor.system(_workspace_id(workspace), "command line")
        with _target(out) as target:
            begun = exporting.begin(actor, {"after": since}, form=form, raw=raw)
            for piece in exporting.stream(begun):
                target.write(piece)


def _workspace_id(name: str | None) -> int:
    """raises Invalid when the workspace must be named; NotFound for unknown names"""
    query = select(Workspace.id)
    found = list(db.session.scalars(query.where(Workspace.name == name) if name else query.limit(2)))
    if not found:
        raise NotFound(f"There is no workspace {name}." if name else "There is no workspace yet; set Mailroom up first.")
    if len(found) > 1:
        raise invalid("workspace", "There are several workspaces; name one with --workspace.")
    return found[0]


@contextmanager
def _target(out: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that bears its name only when it is whole."""
    if out is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    half = out.with_name(f"{out.name}.part")
    try:
        with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            yield file
        os.replace(half, out)
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error.strerror}.") from error
    finally:
        half.unlink(missing_ok=True)
