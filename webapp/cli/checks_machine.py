"""Checks of `doctor` that look at the machine: Python, folders, keys, disk, clock, ports, certificate."""

import fcntl
import os
import shutil
import socket
import ssl
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from webapp.cli.findings import Finding, fail, ok, warn
from webapp.processes import ports
from webapp.processes.herald import local_address
from webapp.settings import BadSetting, Settings, unknown_names

LITTLE_DISK_BYTES = 2_000_000_000
NO_DISK_BYTES = 200_000_000
#: no clock of this program's time shows an earlier year
EARLIEST_YEAR = 2026
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def python(_: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield ok("python", f"{version}.") if sys.version_info >= (3, 11) else fail("python", f"{version} is too old; install 3.11 or newer.")


def names(environ: Mapping[str, str]) -> Iterator[Finding]:
    for name in unknown_names(environ):
        yield warn("settings", f"{name} is set but is no setting; compare it with: python app.py settings")


def instance_folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.instance
    if not folder.is_dir():
        yield warn("instance", f"{folder} is not there yet; the first start makes it.")
        return
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"x")
    except OSError as error:
        yield fail("instance", f"{folder} cannot be written: {error.strerror}. Give this user the right to, or set MAILROOM_INSTANCE.")
        return
    yield ok("instance", f"{folder} can be written.")


def secret_key(settings: Settings) -> Iterator[Finding]:
    file = settings.secret_key_file
    if settings.sources.get("MAILROOM_SECRET_KEY") != f"file {file}":
        yield ok("secret key", "comes from MAILROOM_SECRET_KEY.")
    elif not file.exists():
        yield warn("secret key", "is not there yet; the first start makes it.")
    elif stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield fail("secret key", f"{file} can be read by others. Run: chmod 600 {file}")
    else:
        yield ok("secret key", f"{file} can be read by this user only. Keep a copy: without it stored secrets are lost.")
        if not settings.is_sqlite:
            yield warn("secret key", "lies on this machine only; set MAILROOM_SECRET_KEY to the same value on every machine.")


def disk(settings: Settings) -> Iterator[Finding]:
    folder = settings.instance
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:.1f} GB free at {folder}."
    if free < NO_DISK_BYTES:
        yield fail("disk", f"{text} Mail is refused when it is full: make room.")
    else:
        yield warn("disk", f"{text} Make room before it is full.") if free < LITTLE_DISK_BYTES else ok("disk", text)


def clock(settings: Settings) -> Iterator[Finding]:
    now = datetime.now(UTC)
    database = Path(settings.database_url.removeprefix("sqlite:///")) if settings.is_sqlite else None
    if now.year < EARLIEST_YEAR:
        yield fail("clock", f"This machine believes it is {now:%Y-%m-%d}. Set its clock, for example with NTP.")
    elif database is not None and database.exists() and database.stat().st_mtime > time.time() + 60:
        yield fail("clock", f"It is {now:%Y-%m-%d %H:%M} UTC here, earlier than the last write to the database. Set the clock.")
    else:
        yield ok("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC.")


def listening(settings: Settings) -> Iterator[Finding]:
    """The ports: answered when `up` runs on this instance, else free."""
    runs = _up_runs(settings.instance)
    for name, host, port in ports.wanted(settings):
        if runs:
            try:
                socket.create_connection((local_address(host), port), timeout=2).close()
                yield ok("ports", f"{host}:{port} answers ({name}).")
            except OSError as error:
                yield fail("ports", f"{host}:{port} does not answer although up runs ({name}): {error.strerror or error}. See its log.")
            continue
        try:
            ports.listen(name, host, port).close()
            yield ok("ports", f"{host}:{port} is free ({name}).")
        except BadSetting as error:
            yield warn("ports", f"{error} (Nothing to do when a part of Mailroom that you started by itself listens there.)")


def certificate(settings: Settings) -> Iterator[Finding]:
    if settings.tls_cert is None or settings.tls_key is None:
        if settings.smtp_host not in _LOOPBACK or not all(network.is_loopback for network in settings.auth_without_tls):
            yield warn("tls", "No certificate: SMTP offers no STARTTLS. Set MAILROOM_TLS_CERT and MAILROOM_TLS_KEY.")
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(settings.tls_cert, settings.tls_key)
        ends = x509.load_pem_x509_certificate(settings.tls_cert.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        yield fail("tls", f"MAILROOM_TLS_CERT and MAILROOM_TLS_KEY cannot be used together: {error}. Give a PEM chain and its key.")
        return
    left = ends - datetime.now(UTC)
    if left < timedelta(0):
        yield fail("tls", f"The certificate ended on {ends:%Y-%m-%d}. Renew it; the file is read again when it changes.")
    else:
        soon = left < timedelta(days=14)
        yield warn("tls", f"The certificate ends in {left.days} days. Renew it.") if soon else ok("tls", f"Valid until {ends:%Y-%m-%d}.")


def public_url(settings: Settings) -> Iterator[Finding]:
    url = settings.public_url
    is_local = any(f"//{name}" in url for name in ("127.", "localhost", "[::1]"))
    if is_local and settings.http_host in _LOOPBACK:
        yield ok("public url", f"{url}; only this machine can open it. Set MAILROOM_PUBLIC_URL before others use it.")
    elif is_local:
        yield warn("public url", f"{url} is in every link that is sent, and others cannot open it. Set MAILROOM_PUBLIC_URL.")
    elif url.startswith("http://"):
        yield warn("public url", f"{url} is not https: passwords and sessions travel in the clear. Put a proxy with TLS in front.")
    else:
        yield ok("public url", f"{url}.")


def _up_runs(instance: Path) -> bool:
    try:
        with open(instance / "up.lock", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def user(_: Settings) -> Iterator[Finding]:
    if os.geteuid() == 0:
        yield warn("user", "Mailroom runs as root, which it never needs: use a user of its own, and a proxy for ports below 1024.")
