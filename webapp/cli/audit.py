"""`audit verify`: has anybody changed the log behind Mailroom's back?"""

from dataclasses import asdict

import click
from sqlalchemy import text

from webapp.audit import verification
from webapp.cli.edge import answer, application, as_json
from webapp.core.db import db, is_sqlite


@click.group("audit")
def audit() -> None:
    """The audit log."""


@audit.command("verify")
@as_json
def verify(as_json: bool) -> int:
    """Follow the hash chain of every workspace and name the first entry that is not as it was written."""
    with application(read_only=True):
        if not is_sqlite():
            # All chains as of one moment, however many entries are written meanwhile.
            db.session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        reports, _ = verification.verify_all()
    if as_json:
        answer({"ok": all(report.ok for report in reports), "chains": [asdict(report) for report in reports]})
    broken = [report for report in reports if not report.ok]
    if not as_json:
        for report in reports:
            if report.ok:
                click.echo(f"Workspace {report.workspace_id}: {report.count} entries, all as they were written.")
        if not reports:
            click.echo("The audit log is empty.")
    if broken:
        first = broken[0]
        where = f"entry {first.first_bad_id}" if first.first_bad_id is not None else f"after entry number {first.count}"
        raise click.ClickException(f"The audit log of workspace {first.workspace_id} is not as it was written: {where}: {first.reason}.")
    return 0
