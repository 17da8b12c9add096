"""Alembic's way in: runs the migrations on the connection that `core.migrate` hands over, each in its own transaction."""

from alembic import context

from webapp.core.db import Base
from webapp.core.migrate import render_item

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=Base.metadata, render_item=render_item, render_as_batch=True, transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
