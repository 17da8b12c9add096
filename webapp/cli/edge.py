"""What every command that touches the data shares: the application, its context, commit at the end."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask import Flask

from webapp import create_app
from webapp.core import migrate
from webapp.core.db import begin_reading, begin_writing, db
from webapp.processes.redis_server import with_embedded
from webapp.settings import load_settings

as_json = click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")


class NotReady(click.ClickException):
    """The installation must be prepared first."""


@contextmanager
def application(*, read_only: bool = False) -> Iterator[Flask]:
    """The application in its context; commits at the end, rolls back when the command fails.

    raises NotReady when the database has another schema than this code
    """
    app = create_app(with_embedded(load_settings()))
    if not migrate.is_current(app):
        raise NotReady("The database does not have the schema of this version. Run: python app.py migrate")
    with app.app_context():
        begin_reading() if read_only else begin_writing()
        try:
            yield app
            if not read_only:
                db.session.commit()
        finally:
            db.session.rollback()
            db.session.remove()


def answer(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))
