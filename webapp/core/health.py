"""/healthz (alive), /readyz (may be sent traffic) and /metrics."""

import os
import time
from datetime import datetime
from typing import Any

import redis
from flask import Blueprint, Response, current_app
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from webapp.core import heartbeat, migrate, queue
from webapp.core.db import db
from webapp.core.envelope import json_response

blp = Blueprint("health", __name__)
PARTS = ("smtp", "worker", "scheduler")


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
        problems += [f"{part} has not reported in yet" for part in PARTS if part not in there]
    age = oldest_job_age_s()
    if age is not None and age > 60:
        degraded.append(f"the oldest waiting job is {int(age)} s old")
    body = {"status": "unready" if problems else "ready", "problems": problems, "degraded": degraded}
    return json_response(body, 503 if problems else 200)


def oldest_job_age_s() -> float | None:
    """Age of the oldest job in any queue; None when there is none or Redis is away."""
    client: Any = current_app.extensions["redis"]
    ages: list[float] = []
    try:
        for name in queue.QUEUES:
            first = client.lindex(f"rq:queue:{name}", 0)
            if first:
                made = client.hget(f"rq:job:{first.decode()}", "enqueued_at")
                if made:
                    ages.append(time.time() - _epoch(made.decode()))
    except redis.RedisError:
        return None
    return max(ages, default=None)


def _epoch(text_time: str) -> float:
    return datetime.fromisoformat(text_time.replace("Z", "+00:00")).timestamp()


@blp.get("/metrics")
def metrics() -> Response:
    """Prometheus text: who is there and how long the queues are."""
    lines = ["# TYPE mailroom_parts gauge"]
    for part, number in sorted((heartbeat.parts() or {}).items()):
        lines.append(f'mailroom_parts{{part="{part}"}} {number}')
    lines.append("# TYPE mailroom_queue_jobs gauge")
    client: redis.Redis = current_app.extensions["redis"]
    try:
        lines += [f'mailroom_queue_jobs{{queue="{name}"}} {client.llen(f"rq:queue:{name}")}' for name in queue.QUEUES]
        lines.append("mailroom_redis_up 1")
    except redis.RedisError:
        lines.append("mailroom_redis_up 0")
    return Response("\n".join(lines) + "\n", mimetype="text/plain; version=0.0.4")
