"""`doctor`: checks the whole installation and explains what to do."""

import os
from collections.abc import Iterator

import click

from webapp import create_app
from webapp.cli import checks_machine
from webapp.cli.edge import answer, as_json
from webapp.core.db import begin_reading
from webapp.processes.redis_server import with_embedded
from webapp.settings import Settings, load_settings
from webapp.watch import service
from webapp.watch.findings import Finding

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
_MACHINE = (
    checks_machine.python, checks_machine.user, checks_machine.instance_folder, checks_machine.secret_key, checks_machine.listening,
)  # fmt: skip


@click.command("doctor")
@as_json
def doctor(as_json: bool) -> None:
    """Check the whole installation. Each line says ok, warn or fail, and what to do."""
    findings = []
    for finding in examine(with_embedded(load_settings(make_key=False))):
        findings.append(finding)
        if not as_json:
            click.echo(f"{click.style(f'{finding.level:<4}', fg=_COLOURS[finding.level])}  {finding.subject:<10}  {finding.text}")
    failed = [finding for finding in findings if finding.level == "fail"]
    if as_json:
        answer({"ok": not failed, "findings": [finding.as_json() for finding in findings]})
    if failed:
        subjects = ", ".join(dict.fromkeys(finding.subject for finding in failed))
        raise click.ClickException(f"{len(failed)} of {len(findings)} checks failed: {subjects}.")


def examine(settings: Settings) -> Iterator[Finding]:
    """Every check, one after the other, each as soon as it is known."""
    yield from checks_machine.names(os.environ)
    for check in _MACHINE:
        yield from check(settings)
    if not settings.secret_keys:  # nothing was started yet: there is no key, no database, nobody to ask
        yield from service.of_settings(settings)
        return
    with create_app(settings).app_context():
        begin_reading()
        yield from service.examine()
