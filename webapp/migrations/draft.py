"""For developers: `python -m webapp.migrations.draft TABLE…` prints the operations that create tables, to be put into a dated migration."""

import sys

import click

from webapp import features
from webapp.core import migrate

if __name__ == "__main__":
    features.open_models()
    click.echo(migrate.draft(*sys.argv[1:]))
