"""The embedded Redis: found, configured so that it forgets nothing, reached on a socket or a guarded port."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from webapp.processes import redis_server
from webapp.processes.redis_server import EmbeddedRedis, NoRedis, answers, bundled_binary, find_binary, with_embedded
from webapp.settings import load_settings


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for one in started:
        one.kill()
        one.wait(10)


def begin(server: EmbeddedRedis, running: list[subprocess.Popen[bytes]]) -> redis.Redis:
    server.prepare()
    process = subprocess.Popen([str(server.binary), str(server.folder / "redis.conf")])
    running.append(process)
    assert server.wait(lambda: process.poll() is None), server.last_words()
    return redis.Redis.from_url(server.place.url)


@pytest.fixture(params=["bundled", "found"])
def binary(request: pytest.FixtureRequest) -> Path:
    return bundled_binary() if request.param == "bundled" else find_binary()


def test_it_keeps_what_it_is_told_and_drops_nothing(tmp_path: Path, binary: Path, running: list[subprocess.Popen[bytes]]) -> None:
    client = begin(EmbeddedRedis(tmp_path, binary), running)
    told = {name: client.config_get(name)[name] for name in ("appendonly", "maxmemory-policy", "save", "port")}
    assert told == {"appendonly": "yes", "maxmemory-policy": "noeviction", "save": "", "port": "0"}
    client.set("bell", "rung")
    running[0].terminate()
    running[0].wait(10)
    assert begin(EmbeddedRedis(tmp_path, binary), running).get("bell") == b"rung"


def test_a_path_with_blanks_and_quotes_works(tmp_path: Path, running: list[subprocess.Popen[bytes]]) -> None:
    client = begin(EmbeddedRedis(tmp_path / 'my "own" mail'), running)
    assert client.ping()


def test_a_path_too_long_for_a_socket_becomes_a_port_with_a_password(tmp_path: Path, running: list[subprocess.Popen[bytes]]) -> None:
    server = EmbeddedRedis(tmp_path / ("long" * 30))
    client = begin(server, running)
    assert client.ping()
    assert server.place.url.startswith("redis://:")
    assert not answers(f"redis://127.0.0.1:{server.place.port}/0"), "it answers without the password"


def test_its_files_are_for_this_user_only(tmp_path: Path, running: list[subprocess.Popen[bytes]]) -> None:
    server = EmbeddedRedis(tmp_path)
    begin(server, running)
    modes = {name: (server.folder / name).stat().st_mode & 0o777 for name in ("redis.conf", "url", "redis.sock")}
    assert modes == {"redis.conf": 0o600, "url": 0o600, "redis.sock": 0o700}


def test_commands_beside_up_find_it_while_it_runs(tmp_path: Path, running: list[subprocess.Popen[bytes]]) -> None:
    settings = load_settings({"MAILROOM_INSTANCE": str(tmp_path)})
    assert with_embedded(settings).redis_url is None
    server = EmbeddedRedis(tmp_path)
    begin(server, running)
    assert with_embedded(settings).redis_url == server.place.url
    running[0].kill()
    running[0].wait(10)
    assert with_embedded(settings).redis_url is None


def test_data_that_stops_the_start_is_set_aside(tmp_path: Path, running: list[subprocess.Popen[bytes]]) -> None:
    server = EmbeddedRedis(tmp_path, bundled_binary())
    server.prepare()
    (server.folder / "appendonlydir").mkdir()
    (server.folder / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    process = subprocess.Popen([str(server.binary), str(server.folder / "redis.conf")])
    running.append(process)
    assert not server.wait(lambda: process.poll() is None)
    assert server.last_words() != "it wrote no log"
    assert server.set_aside() and not server.set_aside()
    assert begin(server, running).ping()
    assert (server.folder / "set-aside" / "appendonlydir").is_dir()


def test_nobody_there_is_no_answer(tmp_path: Path) -> None:
    assert not answers(f"unix://{tmp_path}/none.sock?db=0")
    assert not answers("redis://:x@127.0.0.1:1/0")


def test_no_server_at_all_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis_server.platform, "system", lambda: "Plan9")
    with pytest.raises(NoRedis, match=r"Install redis-server or valkey-server, or set REDIS_URL"):
        find_binary()
    assert os.environ["PATH"] == str(tmp_path)
