"""C-73: whoever has the database has no secret. Every column of every table is searched for what was given in clear."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import String, Text, cast, func, select

from tests.factories.automation import make_action
from webapp.core import secrets
from webapp.core.config import settings
from webapp.core.db import Base, begin_writing, db
from webapp.mailboxes import service as mailboxes

HOOK = "https://hooks.example.com/in"


def tables_with(text: str) -> list[str]:
    """Names of `table.column` in which a text stands anywhere, as the database itself has it."""
    found = []
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            raw = cast(column, Text) if not isinstance(column.type, String) else column
            shown = func.instr(raw, text) if db.engine.dialect.name == "sqlite" else func.strpos(cast(raw, Text), text)
            if db.session.execute(select(shown).select_from(table).where(shown > 0).limit(1)).first():
                found.append(f"{table.name}.{column.name}")
    return found


@pytest.fixture
def given(alice: Any) -> dict[str, str]:
    """Name -> secret as its owner knows it."""
    alice.api.post("/domains", json={"name": "acme.test"}, headers={"Idempotency-Key": "c73"})
    domain_id = alice.api.get("/domains").json["data"][0]["id"]
    begin_writing()
    box, password = mailboxes.create_mailbox(alice.actor, domain_id=domain_id, local_part="orders")
    mailboxes.set_password(alice.actor, box.id, "a password of the person's own")
    db.session.commit()
    make_action(alice, url=HOOK, auth={"type": "bearer", "token": "bearer-of-the-shop"})
    make_action(alice, url=HOOK, auth={"type": "hmac", "secret": "hmac-of-the-shop"})
    make_action(alice, url=HOOK, auth={"type": "basic", "username": "shop", "password": "basic-of-the-shop"})
    made = alice.api.post("/tokens", json={"name": "made", "kind": "ops", "scopes": ["*"]}).json["data"]["token"]
    invited = alice.api.post(f"/workspaces/{alice.workspace.id}/invitations", json={"email": "ines@elsewhere.test", "role": "agent"})
    assert invited.status_code == 201, invited.json
    return {
        "token of the API": alice.token, "token just made": made, "generated mailbox password": str(password),
        "chosen mailbox password": "a password of the person's own", "bearer of an action": "bearer-of-the-shop",
        "signing secret of an action": "hmac-of-the-shop", "basic password of an action": "basic-of-the-shop",
        "private key": "PRIVATE KEY-----",
    }  # fmt: skip


def test_c73_no_secret_can_be_read_in_any_column_of_any_table(alice: Any, given: dict[str, str]) -> None:
    assert tables_with("hooks.example.com"), "the search finds what is not secret"
    assert {name: tables_with(secret) for name, secret in given.items()} == {name: [] for name in given}


def test_c73_the_files_of_the_installation_hold_none_either(alice: Any, given: dict[str, str]) -> None:
    holding = {
        f"{file.name}: {name}"
        for file in Path(settings().instance).rglob("*")
        if file.is_file()
        for name, secret in given.items()
        if secret.encode() in file.read_bytes()
    }
    assert not holding


def test_c73_secrets_are_read_with_an_old_key_after_a_new_one_was_put_before_it_and_not_without(app: Any) -> None:
    keys = app.config["SETTINGS"].secret_keys
    secrets.configure(keys)
    stored = secrets.encrypt("of yesterday")
    try:
        secrets.configure(("a new key of at least thirty-two characters", *keys))
        assert secrets.decrypt(stored) == "of yesterday"
        renewed = secrets.encrypt("of today")
        secrets.configure(("a new key of at least thirty-two characters",))
        assert secrets.decrypt(renewed) == "of today"
        with pytest.raises(ValueError, match="MAILROOM_SECRET_KEY"):
            secrets.decrypt(stored)
    finally:
        secrets.configure(keys)
