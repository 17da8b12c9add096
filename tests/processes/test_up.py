"""`app.py up` as a real process: ready, restarting what dies, ending cleanly, leaving nothing behind."""

import contextlib
import http.client
import json
import os
import re
import signal
import smtplib
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.living import Living, Ready, all_gone, can_be_bound, free_ports, is_alive, python
from tests.servers import PostgresServer, RedisServer, wait_until
from webapp.settings import ROOT

pytestmark = pytest.mark.faults


class House:
    """One instance folder with its ports, on which `up` may be started again and again."""

    def __init__(self, folder: Path) -> None:
        self.http, self.smtp, self.submission = free_ports(3)
        self.environ = {
            "MAILROOM_INSTANCE": str(folder), "MAILROOM_HTTP_PORT": str(self.http), "MAILROOM_SMTP_PORT": str(self.smtp),
            "MAILROOM_SUBMISSION_PORT": str(self.submission), "MAILROOM_WORKERS": "1",
        }  # fmt: skip
        self.started: list[Living] = []

    def command(self, *arguments: str, **environ: str) -> Living:
        """Begins with everything imported: most of these tests are not about how Python starts."""
        self.started.append(Ready(["app.py", *arguments], **{**self.environ, **environ}))
        return self.started[-1]

    def shell(self, *arguments: str) -> Living:
        """As from a shell, with a Python of its own."""
        self.started.append(Living([*python(ROOT / "app.py"), *arguments], **self.environ))
        return self.started[-1]

    def up(self, anew: bool = False, **environ: str) -> Living:
        living = self.shell("up") if anew else self.command("up", **environ)
        living.says("is ready after", timeout_s=60)
        return living

    def get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def is_ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    def takes_mail(self) -> bool:
        with smtplib.SMTP("127.0.0.1", self.smtp, timeout=10) as line:
            return line.ehlo()[0] == 250

    def ports_are_free(self) -> bool:
        return all(can_be_bound(port) for port in (self.http, self.smtp, self.submission))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "instance")
    yield made
    for living in made.started:
        living.clean_up()


def named(living: Living, name: str) -> list[int]:
    """Processes of the family whose name begins so (Linux shows 15 characters)."""
    names = {}
    for pid in living.family():
        with contextlib.suppress(FileNotFoundError):  # a short helper that ended meanwhile
            names[pid] = (Path("/proc") / str(pid) / "comm").read_text().strip()
    return [pid for pid, found in names.items() if found.startswith(name)]


def test_the_first_start_says_where_everything_is(house: House) -> None:
    living = house.up(anew=True)
    assert f"http://127.0.0.1:{house.http}/setup?key=" in living.says("Set up")
    assert house.environ["MAILROOM_INSTANCE"] in living.says("Data")
    assert str(house.smtp) in living.says("SMTP") and str(house.submission) in living.says("SMTP")
    assert "is captured" in living.says("Mail out")
    assert json.loads(house.get("/readyz")[1])["status"] == "ready"
    assert house.takes_mail()


def test_the_second_start_is_ready_within_five_seconds(house: House) -> None:
    first = house.up(anew=True)
    first.kill(signal.SIGTERM)
    assert first.ends() == 0
    begun = time.monotonic()
    assert house.shell("token", "--help").ends() == 0
    imports_s = time.monotonic() - begun
    begun = time.monotonic()
    second = house.up(anew=True)
    # On a busy machine the imports alone may take longer than that; the rest of the start must not add much to them.
    assert time.monotonic() - begun < max(5, 3 * imports_s)
    assert house.is_ready()
    assert "brought to the schema" not in second.text


def test_it_ends_cleanly_on_sigterm_and_leaves_nothing(house: House) -> None:
    living = house.up(anew=True)
    family = living.family()
    living.kill(signal.SIGTERM)
    begun = time.monotonic()
    assert living.ends() == 0
    assert time.monotonic() - begun < 15
    assert all_gone(family)() and house.ports_are_free()
    assert "Traceback" not in living.text


@pytest.mark.skipif(sys.platform != "linux", reason="parts are told apart by process names, which only Linux lets one set")
@pytest.mark.parametrize("part", ["web", "worker", "scheduler", "smtp", "redis"])
def test_a_killed_part_comes_back(house: House, part: str) -> None:
    living = house.up()
    name = {"redis": ("redis-server", "valkey-server"), "scheduler": ("mailroom-schedu",)}.get(part, (f"mailroom-{part}",))
    victims = [pid for one in name for pid in named(living, one)]
    assert victims
    os.kill(min(victims), signal.SIGKILL)
    living.says(f"{part} was killed by SIGKILL; it starts again at once.", timeout_s=5)
    # Its sign of life may outlive it by a moment, so readiness alone does not show that it is back.
    wait_until(lambda: house.is_ready() and house.takes_mail(), "readiness")
    assert not is_alive(min(victims))


def test_nothing_outlives_a_killed_up_and_the_next_one_starts(house: House) -> None:
    living = house.up(anew=True)
    family = living.family()
    assert len(family) >= 7
    living.kill(signal.SIGKILL)
    wait_until(lambda: all_gone(family)() and house.ports_are_free(), "everything gone and the ports free", 2)
    house.up(anew=True)
    assert house.is_ready()


def test_a_second_up_on_the_same_folder_is_refused_in_one_line(house: House) -> None:
    first = house.up()
    second = house.command("up")
    assert second.ends() == 1
    wait_until(lambda: second.lines, "its line")
    assert second.lines == [
        f"Mailroom already runs on {house.environ['MAILROOM_INSTANCE']} (process {first.process.pid}). "
        "Stop it, or set MAILROOM_INSTANCE to another folder."
    ]
    assert house.is_ready()


@pytest.mark.parametrize("name", ["MAILROOM_HTTP_PORT", "MAILROOM_SMTP_PORT", "MAILROOM_SUBMISSION_PORT"])
def test_a_taken_port_is_one_line_that_names_the_setting(house: House, name: str) -> None:
    with socket.create_server(("127.0.0.1", int(house.environ[name]))):
        living = house.command("up")
        assert living.ends() == 1
    wait_until(lambda: living.lines, "its line")
    assert len(living.lines) == 1 and re.match(rf"{name} is \d+, and another program listens there", living.lines[0])


def test_a_database_that_does_not_answer_is_one_line(house: House) -> None:
    living = house.command("up", DATABASE_URL="postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert living.ends() == 1
    wait_until(lambda: "The database cannot be used: " in living.text, "its line")
    assert "Traceback" not in living.text


def test_the_first_owner_is_made_from_the_settings(house: House) -> None:
    living = house.up(MAILROOM_ADMIN_EMAIL="ada@example.com", MAILROOM_ADMIN_PASSWORD="correct horse battery")
    assert "Set up " not in living.text
    token = house.command("token", "create", "--kind", "workspace")
    assert token.ends() == 0
    wait_until(lambda: token.lines, "the token")
    checked = house.command("token", "check", token.lines[0])
    assert checked.ends() == 0


def test_a_part_alone_joins_the_embedded_redis(house: House) -> None:
    house.up()
    alone = house.command("scheduler")
    wait_until(lambda: b'mailroom_parts{part="scheduler"} 2' in house.get("/metrics")[1], "the second scheduler")
    alone.kill(signal.SIGTERM)
    assert alone.ends() == 0


@pytest.mark.postgres
def test_it_runs_on_postgres_and_on_a_redis_of_ones_own(house: House, postgres_server: PostgresServer, redis_server: RedisServer) -> None:
    living = house.up(DATABASE_URL=postgres_server.create("up"), REDIS_URL=redis_server.url(7))
    assert not (Path(house.environ["MAILROOM_INSTANCE"]) / "mailroom.sqlite").exists()
    assert "the database of DATABASE_URL" in living.says("Data")
    os.kill(named(living, "mailroom-worker")[0], signal.SIGKILL)
    living.says("worker was killed by SIGKILL; it starts again at once.", timeout_s=5)
    wait_until(house.is_ready, "readiness")
    living.kill(signal.SIGTERM)
    assert living.ends() == 0
    assert "Traceback" not in living.text and "redis" not in [line.split()[0] for line in living.lines if line]
