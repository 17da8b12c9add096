"""The key of a domain survives the way from its columns into the table of keys, and back."""

from typing import Any

import pytest
from sqlalchemy import text

from tests.servers import PostgresServer, RedisServer
from webapp import create_app
from webapp.core import migrate, secrets
from webapp.core.db import begin_writing, db
from webapp.domains import keys
from webapp.settings import load_settings

BEFORE, NOW = "20261121_0830", "2026-11-01 10:00:00.000000"


@pytest.fixture(params=["sqlite", "postgres"])
def old(request: pytest.FixtureRequest, redis_server: RedisServer, tmp_path: Any) -> Any:
    """An application whose schema is the one before keys had a table."""
    url = f"sqlite:///{tmp_path}/old.sqlite"
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.create("old_domains")
    values = {"MAILROOM_INSTANCE": str(tmp_path), "DATABASE_URL": url, "REDIS_URL": redis_server.url(5), "MAILROOM_SECRET_KEY": "k" * 40}
    app = create_app(load_settings(values, dotenv=None))
    migrate.upgrade(app)
    migrate.downgrade(app, BEFORE)
    begin_writing()
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def insert(table: str, **values: Any) -> None:
    columns = ", ".join(values)
    db.session.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({', '.join(f':{name}' for name in values)})"), values)


def test_keys_move_without_a_change_and_mailboxes_stay(old: Any) -> None:
    with old.app_context():
        insert("workspaces", id=1, name="Acme", settings="{}", created_at=NOW, updated_at=NOW)
        insert(
            "domains", id=7, name="acme.test", status="active", verified_at=NOW, verified_by_hand=False, verify_token="t",
            dkim_selector="mailroom1", dkim_private=secrets.encrypt("PEM"), dkim_public="QUJD", catch_all_enabled=False,
            mailbox_count=1, workspace_id=1, created_at=NOW, updated_at=NOW,
        )  # fmt: skip
        db.session.execute(text("SELECT 1"))
        db.session.commit()
        db.session.remove()
    migrate.upgrade(old)
    with old.app_context():
        assert keys.signing_keys("acme.test", 1) == [("acme.test", "mailroom1", "PEM")]
        row = db.session.execute(text("SELECT state, public, activated_by, algorithm FROM dkim_keys")).one()
        assert tuple(row) == ("active", "QUJD", "start", "rsa")
        db.session.rollback()
        db.session.remove()
    migrate.downgrade(old, BEFORE)
    with old.app_context():
        row = db.session.execute(text("SELECT dkim_selector, dkim_private, dkim_public FROM domains")).one()
        assert (row.dkim_selector, secrets.decrypt(row.dkim_private), row.dkim_public) == ("mailroom1", "PEM", "QUJD")
        db.session.rollback()
