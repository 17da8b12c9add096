"""Parts of the installation report in, so that /readyz and `doctor` can say who is there. Kept in Redis for a minute."""

import os
import socket
import time

import redis
from flask import current_app

KEPT_S = 60


def beat(part: str) -> None:
    """Say that a part (`smtp`, `worker`, `scheduler`) is alive; a lost Redis is noticed elsewhere."""
    client: redis.Redis = current_app.extensions["redis"]
    try:
        client.set(f"part:{part}:{socket.gethostname()}:{os.getpid()}", str(time.time()), ex=KEPT_S)
    except redis.RedisError:
        return


def parts() -> dict[str, int] | None:
    """How many of each part reported in within the last minute; None while Redis is away."""
    client: redis.Redis = current_app.extensions["redis"]
    found: dict[str, int] = {}
    try:
        for key in client.scan_iter("part:*", count=100):
            name = key.decode().split(":")[1]
            found[name] = found.get(name, 0) + 1
    except redis.RedisError:
        return None
    return found
