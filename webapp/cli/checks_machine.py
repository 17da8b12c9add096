"""Checks of `doctor` that concern the machine on which it is started: Python, user, folders, keys, ports."""

import fcntl
import os
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from webapp.processes import ports
from webapp.processes.herald import local_address
from webapp.settings import BadSetting, Settings, unknown_names
from webapp.watch.findings import Finding, fail, ok, warn


def python(_: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield ok("python", f"{version}.") if sys.version_info >= (3, 11) else fail(
        "python", f"{version} is too old.", "Mailroom does not start on it.", "Install 3.11 or newer."
    )


def user(_: Settings) -> Iterator[Finding]:
    if os.geteuid() == 0:
        yield warn("user", "Mailroom runs as root, which it never needs.", "A fault in it would be one in the whole machine.",
                   "Use a user of its own, and a proxy for ports below 1024.")  # fmt: skip


def names(environ: Mapping[str, str]) -> Iterator[Finding]:
    for name in unknown_names(environ):
        yield warn("settings", f"{name} is set but is no setting.", "It changes nothing.", "Compare it with: python app.py settings")


def instance_folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.instance
    if not folder.is_dir():
        yield warn("instance", f"{folder} is not there yet.", "", "The first start makes it.")
        return
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"x")
    except OSError as error:
        yield fail("instance", f"{folder} cannot be written: {error.strerror}.", "Nothing can be stored.",
                   "Give this user the right to, or set MAILROOM_INSTANCE.")  # fmt: skip
        return
    yield ok("instance", f"{folder} can be written.")


def secret_key(settings: Settings) -> Iterator[Finding]:
    file = settings.secret_key_file
    if settings.sources.get("MAILROOM_SECRET_KEY") != f"file {file}":
        yield ok("secret key", "It comes from MAILROOM_SECRET_KEY.")
    elif not file.exists():
        yield warn("secret key", "It is not there yet.", "", "The first start makes it.")
    elif stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield fail("secret key", f"{file} can be read by others.", "Whoever reads it can sign in as anybody.", f"Run: chmod 600 {file}")
    else:
        yield ok("secret key", f"{file} can be read by this user only.", "Keep a copy: without it stored secrets are lost.")
        if not settings.is_sqlite:
            yield warn("secret key", "It lies on this machine only.", "Other machines could not read what this one stores.",
                       "Set MAILROOM_SECRET_KEY to the same value on every machine.")  # fmt: skip


def listening(settings: Settings) -> Iterator[Finding]:
    """The ports: answered when `up` runs on this instance, else free."""
    runs = _up_runs(settings.instance)
    for name, host, port in ports.wanted(settings):
        if runs:
            try:
                socket.create_connection((local_address(host), port), timeout=2).close()
                yield ok("ports", f"{host}:{port} answers ({name}).")
            except OSError as error:
                yield fail("ports", f"{host}:{port} does not answer although up runs ({name}): {error.strerror or error}.",
                           "Nobody reaches that part.", "See its log.")  # fmt: skip
            continue
        try:
            ports.listen(name, host, port).close()
            yield ok("ports", f"{host}:{port} is free ({name}).")
        except BadSetting as error:
            yield warn("ports", str(error), "", "(Nothing to do when a part of Mailroom that you started by itself listens there.)")


def _up_runs(instance: Path) -> bool:
    try:
        with open(instance / "up.lock", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
