"""What a dead part held is free at once, and only that."""

import socket
from datetime import timedelta
from typing import Any

from tests.factories.sending import deliveries, make_outgoing
from webapp.core.db import database_now, db
from webapp.processes import aftermath


def test_the_rows_of_a_dead_process_are_free_at_once(app: Any, alice: Any) -> None:
    host = socket.gethostname()[:40]
    owners = [f"{host}/4711/a", f"{host}/4712/b", f"{host}/471/c", "elsewhere/4711/d"]
    outgoing = make_outgoing(alice, *[f"to{number}@example.com" for number in range(len(owners))])
    until = database_now() + timedelta(minutes=5)
    for row, owner in zip(deliveries(outgoing), owners, strict=True):
        row.lease_owner, row.lease_until = owner, until
    db.session.commit()
    assert aftermath.clear_up(app, 4711) == 1
    db.session.expire_all()
    now = database_now()
    free = {row.lease_owner for row in deliveries(outgoing) if row.lease_until is not None and row.lease_until <= now}
    assert free == {f"{host}/4711/a"}


def test_signs_of_life_of_the_dead_are_taken_back(app: Any) -> None:
    client = app.extensions["redis"]
    host = socket.gethostname()
    for key in (f"part:smtp:{host}:4711", f"part:smtp:{host}:4712", "part:smtp:elsewhere:4711"):
        client.set(key, "1")
    aftermath.clear_up(app, 4711)
    assert set(client.scan_iter("part:*")) == {f"part:smtp:{host}:4712".encode(), b"part:smtp:elsewhere:4711"}
    aftermath.forget_earlier_lives(app)
    assert set(client.scan_iter("part:*")) == {b"part:smtp:elsewhere:4711"}
