"""`settings`, `migrate` and `map`: the installation looks at itself."""

import os
from dataclasses import asdict

import click
from flask import Flask

from webapp import create_app
from webapp.cli.edge import answer, as_json
from webapp.core import migrate as schema
from webapp.core import queue
from webapp.core.db import Base
from webapp.features import FEATURES
from webapp.settings import describe, load_settings, unknown_names


@click.command("settings")
@as_json
def settings(as_json: bool) -> None:
    """Show every setting with its value (secrets masked), where it comes from and what it means."""
    rows = describe(load_settings(make_key=False))
    if as_json:
        answer([asdict(row) for row in rows])
        return
    name_width = max(len(row.name) for row in rows)
    for row in rows:
        click.echo(f"{row.name:<{name_width}}  {row.value or '(unset)'}  [{row.source}]")
        click.echo(f"{'':<{name_width}}  {row.meaning}")
    for name in unknown_names(os.environ):
        click.echo(f"{name} is set but is no setting of Mailroom.", err=True)


@click.command("migrate")
@as_json
def migrate(as_json: bool) -> None:
    """Bring the database to the schema of this version. Safe to run again, and on several machines at once."""
    app = create_app(load_settings())
    try:
        changed = schema.upgrade(app)
    except RuntimeError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        answer({"changed": changed, "revision": schema.head()})
    else:
        click.echo(f"The database {'now has' if changed else 'already had'} the schema of this version ({schema.head()}).")


@click.command("map")
@as_json
def map_(as_json: bool) -> None:
    """Show each feature with its tables, endpoints, pages and background work, on one screen."""
    found = house_map(create_app(load_settings(make_key=True)))
    if as_json:
        answer(found)
        return
    for feature, parts in found.items():
        click.echo(click.style(feature, bold=True))
        for kind, names in parts.items():
            if names:
                click.echo(click.wrap_text(", ".join(names), 140, f"  {kind:<10}", " " * 12))


def house_map(app: Flask) -> dict[str, dict[str, list[str]]]:
    """Feature -> what it has, from the application itself: tables, endpoints (API), pages, drains."""
    found: dict[str, dict[str, list[str]]] = {
        name: {"tables": [], "endpoints": [], "pages": [], "jobs": []} for name in ("core", *FEATURES)
    }

    def of(module: str) -> dict[str, list[str]]:
        parts = module.split(".")
        return found.get(parts[1] if len(parts) > 1 else "core", found["core"])

    for mapper in Base.registry.mappers:
        of(mapper.class_.__module__)["tables"].append(mapper.local_table.name)  # type: ignore[attr-defined]  # every mapper here has a table
    for rule in app.url_map.iter_rules():
        methods = ",".join(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))
        module = app.view_functions[rule.endpoint].__module__
        kind = "endpoints" if rule.rule.startswith("/api/") else "pages"
        of(module)[kind].append(f"{methods} {rule.rule}")
    for drain in queue.drains.values():
        of(drain.work.__module__)["jobs"].append(drain.name)
    for chore in queue.chores.values():
        of(chore.do.__module__)["jobs"].append(f"{chore.name} (every {chore.every_s:g} s)")
    return {name: {kind: sorted(set(names)) for kind, names in parts.items()} for name, parts in found.items()}
