"""`doctor` names what is wrong, why it matters and what to do: five planted faults, and an installation without any."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.flows.installation import Installation
from tests.name_server import NameServer
from tests.watch.faults import all_there, clock_off, explains, findings, redis_with, standing_queue, wrong
from webapp.core import counters, heartbeat, migrate
from webapp.core.db import db
from webapp.core.dns import Dns
from webapp.core.outside import Outside
from webapp.watch import check_disk


@pytest.fixture(autouse=True)
def one_worker(request: pytest.FixtureRequest) -> None:
    """The installation of these tests wants one worker, which `all_there` plays."""
    if "app" in request.fixturenames:
        app = request.getfixturevalue("app")
        app.config["SETTINGS"] = replace(app.config["SETTINGS"], workers=1)


def test_a_redis_that_evicts_is_named(app: Any, tmp_path: Path) -> None:
    with redis_with(app, tmp_path, maxmemory_policy="allkeys-lru"):
        [one] = wrong("redis")
    assert one.level == "fail" and "allkeys-lru" in one.what and "drops jobs" in one.why
    assert "config set maxmemory-policy noeviction" in one.do and explains(one)


def test_a_redis_that_is_full_or_away_is_named(app: Any, tmp_path: Path) -> None:
    with redis_with(app, tmp_path) as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 10_000)
        [one] = wrong("redis")
        assert one.level == "fail" and "uses" in one.what and "takes no job" in one.why
    app.extensions["redis"] = type(client)(host="127.0.0.1", port=1, retry=None)
    [one] = wrong("redis")
    assert one.level == "fail" and "does not answer" in one.what and "stored all the same" in one.why


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 3 MB; a plain folder for users who may not mount."""
    folder = Path(tempfile.mkdtemp(prefix="mr-small-"))
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def test_a_full_disk_is_named(app: Any, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a real small file system where one may be mounted; elsewhere the system's answer about one is played."""
    if not os.path.ismount(small_disk):
        usage = check_disk.usage
        monkeypatch.setattr(check_disk, "usage", lambda folder: (2_900_000, 3_000_000) if folder == small_disk else usage(folder))
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], instance=small_disk)
    [one] = [one for one in wrong("disk") if str(small_disk) in one.what]
    assert one.level == "fail" and "452" in one.why and "Make room" in one.do and explains(one)


def test_a_disk_that_fills_within_days_is_named(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    moment, free = [1_000_000.0], [100 * 2**30]
    monkeypatch.setattr(check_disk, "now_s", lambda: moment[0])
    monkeypatch.setattr(check_disk, "usage", lambda _: (free[0], 200 * 2**30))
    check_disk.sample()
    assert wrong("disk") == []
    moment[0], free[0] = moment[0] + 2 * 86400, 60 * 2**30
    [one] = wrong("disk")
    assert one.level == "warn" and "loses 20 GB a day and is full in 3.0 days" in one.what


@pytest.mark.parametrize("seconds", [-600, 600])
def test_a_clock_ten_minutes_off_the_databases_is_named(app: Any, alice: Any, outside: Outside, seconds: int) -> None:
    standing_queue(alice, 0)
    clock_off(app, seconds)
    found = wrong("clock")
    if app.config["SETTINGS"].is_sqlite and seconds > 0:
        assert found == [], "SQLite has no clock of its own, and each clock is ahead of the last write"
        return
    [one] = found
    assert one.level == "fail" and ("0:10:00" in one.what or "0:09:5" in one.what) and ("ahead of" if seconds > 0 else "behind") in one.what
    assert "Leases go by the database" in one.why and "NTP" in one.do and explains(one)


def test_a_clock_that_was_moved_while_a_part_ran_is_named(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "_base", heartbeat.clock_base() - 86400)
    heartbeat.beat("worker")
    [one] = wrong("clock")
    assert one.level == "warn" and "moved by 1 day" in one.what and "nothing is lost or doubled" in one.why


def test_a_resolver_that_does_not_answer_is_named(app: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{deaf.getsockname()[1]}"
        app.config["SETTINGS"] = replace(app.config["SETTINGS"], dns=place)
        app.extensions["outside"] = replace(app.extensions["outside"], dns=Dns(place, try_s=0.2))
        [one] = wrong("dns", asks_others=True)
    assert one.level == "warn" and place in one.what and "timeout" in one.what
    assert "MAILROOM_DNS" in one.do and explains(one)


def test_a_queue_that_stands_still_without_a_worker_is_named(app: Any, alice: Any) -> None:
    standing_queue(alice, 90)
    [one] = wrong("queue")
    assert one.level == "fail" and "1 waiting" in one.what and "no worker is there" in one.what and "1 min 30 s" in one.what
    assert "python app.py worker" in one.do and explains(one)
    assert {" ".join(one.what.split()[:2]) for one in wrong("parts")} == {"No worker", "No scheduler", "No smtp"}

    all_there()
    [one] = wrong("queue")
    assert one.level == "warn" and "no worker" not in one.what and wrong("parts") == []
    standing_queue(alice, 4000)
    [one] = wrong("queue")
    assert one.level == "fail" and "although" in one.what and "reported in" in one.what


def test_mail_that_is_parked_and_deliveries_in_doubt_are_named(app: Any, alice: Any) -> None:
    message = standing_queue(alice, 0)
    message.state = "parked"
    counters.bump(alice.workspace.id, "deliveries:uncertain", 2)
    all_there()
    parked, uncertain = wrong("queue")
    assert "1 mail is parked" in parked.what and "2 deliveries are uncertain" in uncertain.what


def test_a_database_with_another_schema_is_named(app: Any) -> None:
    db.session.execute(text("UPDATE alembic_version SET version_num = '20990101_0000'"))
    try:
        one = wrong("database")[0]
        assert one.level == "fail" and "newer than this program" in one.what and "Start the newer version" in one.do
        assert findings("queue") == [], "what nobody can read is not asked for"
    finally:
        db.session.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": migrate.head()})
        db.session.commit()


def test_a_clean_installation_gives_no_findings(tmp_path: Path) -> None:
    """`up` with everything, and doctor as an operator runs it beside: every line says ok, exit code 0."""
    server = NameServer({("example.com.", "NS"): ["a.iana-servers.net."]})
    server.start()
    house = Installation(tmp_path, MAILROOM_DNS=server.place)
    try:
        house.start()
        ended = house.run("doctor", "--json")
    finally:
        house.stop()
        server.close()
    said = json.loads(ended.stdout)
    unfair = {"user"} if os.geteuid() == 0 else set()
    if shutil.disk_usage(tmp_path).free < check_disk.LITTLE_BYTES:
        unfair.add("disk")
    found = [one["text"] for one in said["findings"] if one["level"] != "ok" and one["subject"] not in unfair]
    assert found == [] and said["ok"] and ended.returncode == 0, ended.stderr
    assert {one["subject"] for one in said["findings"]} >= {"database", "redis", "queue", "clock", "disk", "dns", "ports"}
