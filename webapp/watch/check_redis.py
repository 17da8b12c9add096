"""Redis, the doorbell: reachable, forgetting nothing by itself, with room. What it keeps may be lost, so its persistence is no matter."""

from collections.abc import Iterator
from typing import Any

import redis
from flask import current_app

from webapp.core.config import settings
from webapp.core.wording import human_bytes
from webapp.watch.findings import Finding, fail, ok, warn

LOST = "Mail is taken and stored all the same; work waits for the next sweep, and limits are counted by each process alone."
NEARLY_FULL = 0.9


def broker() -> Iterator[Finding]:
    client: Any = current_app.extensions["redis"]
    if settings().redis_url is None:
        yield warn("redis", "It is embedded and does not run now.", "", "Start it with everything else: python app.py up")
        return
    try:
        client.ping()
        memory = client.info("memory")
    except redis.RedisError as error:
        yield fail("redis", f"It does not answer: {str(error).rstrip('.')}.", LOST, "Start it, and check REDIS_URL.")
        return
    yield _policy(memory.get("maxmemory_policy") or _asked_policy(client))
    used, most = int(memory.get("used_memory", 0)), int(memory.get("maxmemory", 0))
    if most and used > most * NEARLY_FULL:
        yield fail("redis", f"It uses {human_bytes(used)} of {human_bytes(most)}.", f"When it is full it takes no job. {LOST}",
                   "Raise its maxmemory, and look who else writes there.")  # fmt: skip
    else:
        yield ok("redis", f"It uses {human_bytes(used)}{f' of {human_bytes(most)}' if most else ''}.")


def _policy(policy: str) -> Finding:
    if policy == "noeviction":
        return ok("redis", "It answers, and its maxmemory-policy is noeviction.")
    if not policy:
        return warn("redis", "It answers, but does not tell its maxmemory-policy.", "With an eviction policy it drops jobs when full.",
                    "Make sure with its operator that it is noeviction.")  # fmt: skip
    return fail(
        "redis", f"Its maxmemory-policy is {policy}.",
        "When its memory is full it silently drops jobs and rate limits; work then waits for the sweep.",
        "Run: redis-cli config set maxmemory-policy noeviction, and write it into its configuration.",
    )  # fmt: skip


def _asked_policy(client: Any) -> str:
    try:
        return str(client.config_get("maxmemory-policy").get("maxmemory-policy", ""))
    except redis.RedisError:
        return ""
