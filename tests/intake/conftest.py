"""A real SMTP server in a thread of the test, on free ports."""

import asyncio
import smtplib
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from webapp.core.db import begin_writing, db
from webapp.intake import service
from webapp.intake.refusals import Refusals
from webapp.intake.smtpd import Door


class SmtpThread:
    """The door of `webapp.intake.smtpd`, running beside the test."""

    def __init__(self, app: Any, **settings: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        changed = replace(app.config["SETTINGS"], **{"smtp_port": 0, "submission_port": 0, **settings})
        app.config["SETTINGS"] = changed
        self.door = Door(app, changed)
        self.call(self.door.open())

    def call(self, work: Any, timeout_s: float = 20) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_s)

    @property
    def ports(self) -> dict[str, int]:
        return self.door.ports

    def connect(self, name: str = "mx") -> smtplib.SMTP:
        db.session.commit()
        return smtplib.SMTP("127.0.0.1", self.ports[name], timeout=15)

    def stop(self) -> None:
        self.call(self.door.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()


@pytest.fixture
def smtp(app: Any) -> Iterator[Callable[..., SmtpThread]]:
    """Start servers: `smtp(trusted_networks=(), …)`; they are stopped after the test."""
    started: list[SmtpThread] = []
    service.refusals = Refusals()

    def start(**settings: Any) -> SmtpThread:
        db.session.commit()
        started.append(SmtpThread(app, **settings))
        return started[-1]

    yield start
    db.session.commit()
    for server in started:
        if server.thread.is_alive():
            server.stop()
    begin_writing()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate for mail.acme.test: (certificate, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.acme.test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return cert_file, key_file


def unchecked_tls() -> ssl.SSLContext:
    """A client context that takes the self-signed certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
