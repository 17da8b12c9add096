"""A port that cannot be had is said in one line that names the setting."""

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.living import free_ports
from webapp.processes import ports
from webapp.settings import BadSetting, Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    http, smtp, submission = free_ports(3)
    return load_settings(
        {
            "MAILROOM_INSTANCE": str(tmp_path), "MAILROOM_HTTP_PORT": str(http), "MAILROOM_SMTP_PORT": str(smtp),
            "MAILROOM_SUBMISSION_PORT": str(submission),
        }
    )  # fmt: skip


@pytest.fixture
def squatter() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as held:
        yield held


def test_free_ports_pass(settings: Settings) -> None:
    ports.check(settings)
    assert [name for name, _, _ in ports.wanted(settings)] == ["MAILROOM_HTTP_PORT", "MAILROOM_SMTP_PORT", "MAILROOM_SUBMISSION_PORT"]


def test_a_taken_port_names_its_setting(squatter: socket.socket) -> None:
    port = squatter.getsockname()[1]
    with pytest.raises(BadSetting) as refused:
        ports.listen("MAILROOM_SMTP_PORT", "127.0.0.1", port)
    assert str(refused.value) == (
        f"MAILROOM_SMTP_PORT is {port}, and another program listens there on 127.0.0.1. End that program, or choose another port."
    )


@pytest.mark.parametrize(
    ("host", "setting"), [("192.0.2.7", "MAILROOM_SMTP_HOST"), ("no.such.name.invalid", "MAILROOM_SMTP_HOST")]
)
def test_an_address_of_somebody_else_names_the_host_setting(host: str, setting: str) -> None:
    with pytest.raises(BadSetting, match=rf"^{setting} is '{host}'"):
        ports.listen("MAILROOM_SUBMISSION_PORT", host, free_ports(1)[0])


def test_a_port_for_root_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", denied)
    with pytest.raises(BadSetting, match=r"MAILROOM_SMTP_PORT is 25, which this user may not open. Choose a port above 1023"):
        ports.listen("MAILROOM_SMTP_PORT", "127.0.0.1", 25)
