"""/healthz (alive) and /readyz (may be sent traffic). What makes an installation slow is told by features through `worries`."""

import os
from collections.abc import Callable

from flask import Blueprint, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from webapp.core import heartbeat, migrate
from webapp.core.db import db
from webapp.core.envelope import json_response

blp = Blueprint("health", __name__)
PARTS = ("smtp", "worker", "scheduler")
#: name -> function that answers with half-sentences about what is slow; cheap, since load balancers ask every few seconds
worries: dict[str, Callable[[], list[str]]] = {}
#: parts that this process has seen since it started: one that goes away later makes the installation slow, not unready
_seen: set[str] = set()


@blp.get("/healthz")
def healthz() -> Response:
    return json_response({"status": "alive"})


@blp.get("/readyz")
def readyz() -> Response:
    """503 while the database cannot be used or its schema is not current, and under `up` until every part has reported in."""
    problems: list[str] = []
    degraded: list[str] = []
    try:
        with db.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            if migrate.current(connection) != migrate.head():
                problems.append("the database schema is not current; run: python app.py migrate")
    except SQLAlchemyError:
        problems.append("the database does not answer")
    there = heartbeat.parts()
    if there is None:
        degraded.append("redis does not answer; work goes on by the sweep")
    elif os.environ.get("MAILROOM_UNDER_UP"):
        _seen.update(there)
        problems += [f"{part} has not reported in yet" for part in PARTS if part not in _seen]
    if not problems:
        degraded += _worries()
    body = {"status": "unready" if problems else "ready", "problems": problems, "degraded": degraded}
    return json_response(body, 503 if problems else 200)


def _worries() -> list[str]:
    """What those who watch over something find slow; they ask the database, whose trouble is a problem elsewhere."""
    found: list[str] = []
    try:
        for ask in worries.values():
            found += ask()
    except SQLAlchemyError:
        found.append("the database did not answer in time")
    finally:
        db.session.rollback()
    return found
