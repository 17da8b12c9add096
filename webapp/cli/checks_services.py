"""Checks of `doctor` that ask others: database, Redis, DNS, the way out, the parts that report in."""

import smtplib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from webapp.cli.findings import Finding, fail, ok, warn
from webapp.core import heartbeat, migrate
from webapp.core.db import begin_reading, db
from webapp.core.dns import Dns
from webapp.settings import Settings

#: file systems on which SQLite's locks or syncs cannot be trusted
SHARED_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph", "glusterfs"}


def database(app: Flask, settings: Settings) -> Iterator[Finding]:
    """Reachable, of this version's schema, and set up so that what is committed stays."""
    if settings.is_sqlite and not Path(settings.database_url.removeprefix("sqlite:///")).exists():
        yield warn("database", "is not there yet; the first start makes it.")
        return
    try:
        is_current = migrate.is_current(app)
    except DBAPIError as error:
        yield fail("database", f"does not answer: {str(error.orig).strip().splitlines()[0]}. Check DATABASE_URL and that the server runs.")
        return
    yield ok("database", "answers and has the schema of this version.") if is_current else fail(
        "database", "has another schema than this version. Run: python app.py migrate"
    )
    with app.app_context():
        begin_reading()
        yield from _sqlite(settings) if settings.is_sqlite else _postgres()
        db.session.rollback()


def broker(app: Flask, settings: Settings) -> Iterator[Finding]:
    """Redis answers and forgets nothing to make room."""
    client: redis.Redis = app.extensions["redis"]
    if settings.redis_url is None:
        yield warn("redis", "is embedded and does not run now; up starts it.")
        return
    try:
        client.ping()
        policy = client.config_get("maxmemory-policy").get("maxmemory-policy")
    except redis.ResponseError:
        yield warn("redis", "answers, but does not tell its maxmemory-policy. Make sure that it is noeviction.")
        return
    except redis.RedisError as error:
        yield fail("redis", f"does not answer: {error}. Mail is still taken; work waits for the sweep. Check REDIS_URL.")
        return
    if policy == "noeviction":
        yield ok("redis", "answers; noeviction.")
    else:
        yield warn("redis", f"has maxmemory-policy {policy} and may drop jobs. Run: redis-cli config set maxmemory-policy noeviction")


def parts(app: Flask, settings: Settings) -> Iterator[Finding]:
    """Who has reported in within the last minute."""
    if settings.redis_url is None:
        return
    with app.app_context():
        there = heartbeat.parts()
    for part in ("smtp", "worker", "scheduler"):
        number = (there or {}).get(part, 0)
        if number:
            yield ok("parts", f"{number} × {part} reported in within the last minute.")
        elif there is not None:
            yield warn("parts", f"No {part} has reported in. Start it: python app.py up, or python app.py {part}")


def resolver(_: Flask, settings: Settings) -> Iterator[Finding]:
    """Names can be looked up. Only what leaves the machine and the checks of domains need it."""
    answer = Dns(settings.dns).lookup("example.com", "NS", timeout_s=3)
    where = settings.dns or "the system's resolver"
    if answer.is_certain:
        yield ok("dns", f"{where} answers.")
    else:
        yield warn("dns", f"{where} does not answer ({answer.status}). Domain checks and mail to other servers need it: see MAILROOM_DNS.")


def way_out(_: Flask, settings: Settings) -> Iterator[Finding]:
    """The platform's own transport."""
    if settings.transport == "capture":
        yield ok("transport", "capture: nothing leaves this machine. Set MAILROOM_TRANSPORT when mail should.")
    elif settings.transport == "mx":
        yield warn("transport", "mx: needs port 25, a reverse name and SPF for this address, which cannot be seen from here.")
    else:
        yield _smart_host(settings.transport)


def _smart_host(url: str) -> Finding:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (465 if parts.scheme == "smtps" else 25)
    try:
        server = smtplib.SMTP_SSL(host, port, timeout=5) if parts.scheme == "smtps" else smtplib.SMTP(host, port, timeout=5)
        with server:
            code, _ = server.ehlo()
            offers_tls = server.has_extn("starttls") or parts.scheme == "smtps"
    except (OSError, smtplib.SMTPException) as error:
        return fail("transport", f"{host}:{port} does not answer ({error}). Mail waits and is tried again. Check MAILROOM_TRANSPORT.")
    if code != 250:
        return fail("transport", f"{host}:{port} answers EHLO with {code}. Check MAILROOM_TRANSPORT.")
    if not offers_tls and (parts.username or parts.query):
        return fail("transport", f"{host}:{port} offers no TLS, so no password is sent there. Use smtps:// or another port.")
    return ok("transport", f"{host}:{port} answers{' and offers TLS' if offers_tls else ''}.")


def _sqlite(settings: Settings) -> Iterator[Finding]:
    wanted: dict[str, tuple[Any, str]] = {
        "journal_mode": ("wal", "readers and the writer would wait for each other"),
        "synchronous": (2, "a power cut could lose mail that was accepted"),
        "foreign_keys": (1, "rows could be left without their owner"),
    }
    wrong = []
    for name, (value, harm) in wanted.items():
        found = db.session.execute(text(f"PRAGMA {name}")).scalar()
        if found != value:
            wrong.append(f"{name} is {found} instead of {value}: {harm}")
    yield fail("database", "; ".join(wrong) + ".") if wrong else ok("database", "SQLite with WAL and full sync.")
    kind = _file_system(settings.instance)
    if kind in SHARED_FILE_SYSTEMS:
        yield fail("database", f"lies on {kind}, where SQLite's locks cannot be trusted. Move MAILROOM_INSTANCE to a local disk.")


def _postgres() -> Iterator[Finding]:
    if db.session.execute(text("SHOW synchronous_commit")).scalar() == "off":
        yield warn("database", "synchronous_commit is off: a power cut could lose mail that was accepted. Set it to on.")
    skew_s = float(db.session.execute(text("SELECT extract(epoch FROM clock_timestamp()) - :now"), {"now": time.time()}).scalar() or 0)
    if abs(skew_s) > 5:
        yield warn("clock", f"The database's clock differs by {skew_s:.0f} s from this machine's. Set both by NTP.")








def _file_system(folder: Path) -> str:
    """The type of the file system that holds the folder, where /proc tells; else ""."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return ""
    holding = [mount for mount in mounts if folder == Path(mount[1]) or Path(mount[1]) in folder.parents]
    return max(holding, key=lambda mount: len(mount[1]))[2] if holding else ""
