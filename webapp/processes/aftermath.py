"""What is done at once when `up` sees a part die: others need not wait until its leases run out or its sign of life fades."""

import socket

import redis
from flask import Flask
from sqlalchemy import update

from webapp.core.db import Base, database_now, db
from webapp.core.leases import Leased


def clear_up(app: Flask, pid: int) -> int:
    """Free the rows that the dead process of this machine had claimed. returns how many they were"""
    freed = 0
    with app.app_context():
        _forget_sign_of_life(app.extensions["redis"], pid)
        now = database_now()
        for mapper in Base.registry.mappers:
            if issubclass(mapper.class_, Leased):
                # `leases.new_owner` begins with the host, cut to 40 characters, and the process id.
                mine = mapper.class_.lease_owner.startswith(f"{socket.gethostname()[:40]}/{pid}/", autoescape=True)
                held = update(mapper.class_).where(mine, mapper.class_.lease_until > now).values(lease_until=now)
                freed += db.session.connection().execute(held).rowcount
        db.session.commit()
    return freed


def forget_earlier_lives(app: Flask) -> None:
    """At start: nobody of this machine has reported in yet, whatever an earlier run left in Redis."""
    _delete(app.extensions["redis"], f"part:*:{socket.gethostname()}:*")


def _forget_sign_of_life(client: redis.Redis, pid: int) -> None:
    _delete(client, f"part:*:{socket.gethostname()}:{pid}")


def _delete(client: redis.Redis, pattern: str) -> None:
    try:
        for key in client.scan_iter(pattern, count=100):
            client.delete(key)
    except redis.RedisError:
        return  # signs of life fade by themselves within a minute
