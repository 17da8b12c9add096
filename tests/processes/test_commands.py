"""The commands as a shell sees them: what they print, their exit code, one line on stderr when they refuse."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import ready
from webapp.cli import main
from webapp.settings import declarations

PASSWORD = "correct horse battery"
COMMANDS = [
    [], ["up"], ["web"], ["worker"], ["scheduler"], ["smtp"], ["settings"], ["migrate"], ["doctor"], ["map"], ["user"], ["user", "create"],
    ["user", "reset"], ["token"], ["token", "create"], ["token", "check"], ["audit"], ["audit", "verify"],
    ["standstill"], ["standstill", "begin"], ["standstill", "end"], ["erasures"],
    ["erasures", "again"], ["erasures", "export"],
]  # fmt: skip


@dataclass
class Shell:
    """Runs `app.py` on one instance folder."""

    instance: Path

    def run(self, *arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAILROOM_", "DATABASE_URL", "REDIS_URL"))}
        return ready.run("app.py", *arguments, stdin=stdin, environ={**kept, "MAILROOM_INSTANCE": str(self.instance), **environ})

    def refused(self, *arguments: str, **more: str) -> str:
        """The one line with which a command refuses."""
        ended = self.run(*arguments, **more)
        assert ended.returncode == 1, ended.stdout
        assert len(ended.stderr.splitlines()) == 1, ended.stderr
        return ended.stderr.strip()


@dataclass
class Here(Shell):
    """The same within this process, for commands that make no application: a process would take seconds to import it."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        for name, value in {"MAILROOM_INSTANCE": str(self.instance), **environ}.items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.setattr(sys, "argv", ["app.py", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = self.capsys.readouterr()
        code = end.value.code
        # What `sys.exit` does with a sentence: it goes to stderr, and the code is 1.
        return subprocess.CompletedProcess(arguments, *((1, out, f"{err}{code}\n") if isinstance(code, str) else (code, out, err)))


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Nothing was ever started."""
    return Here(tmp_path / "instance", monkeypatch, capsys)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A migrated installation with one owner."""
    made = Shell(tmp_path_factory.mktemp("house") / "instance")
    assert made.run("migrate").returncode == 0
    ended = made.run("user", "create", "Ada@Example.com", "--password-stdin", "--workspace", "Acme", stdin=PASSWORD + "\n")
    assert (ended.returncode, ended.stdout) == (0, "ada@example.com is owner of Acme.\n"), ended.stderr
    return made


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: "-".join(command) or "none")
def test_every_command_explains_itself(empty: Shell, command: list[str]) -> None:
    ended = empty.run(*command, "--help")
    assert ended.returncode == 0 and ended.stdout.startswith("Usage: ")
    assert not empty.instance.exists(), "asking for help makes nothing"


def test_settings_shows_every_setting_and_makes_nothing(empty: Shell) -> None:
    rows = json.loads(empty.run("settings", "--json", MAILROOM_LLM_KEY="hunter2").stdout)
    assert [row["name"] for row in rows] == [declaration.name for _, declaration in declarations()]
    by_name = {row["name"]: row for row in rows}
    assert by_name["MAILROOM_LLM_KEY"] | {"meaning": ""} == {
        "name": "MAILROOM_LLM_KEY", "value": "(set)", "source": "environment", "meaning": "",
    }  # fmt: skip
    assert not empty.instance.exists()


def test_a_bad_setting_stops_every_command_in_one_line(empty: Shell) -> None:
    line = empty.refused("up", MAILROOM_HTTP_PORT="http")
    assert line == "MAILROOM_HTTP_PORT is 'http', which is not a port. Write a port from 1 to 65535."


def test_unknown_commands_and_options_point_to_help(empty: Shell) -> None:
    assert "app.py --help" in empty.refused("upp")
    assert "up --help" in empty.refused("up", "--fast")


def test_data_commands_want_a_migrated_database(tmp_path: Path) -> None:
    assert Shell(tmp_path / "new").refused("audit", "verify").endswith("Run: python app.py migrate")


def test_migrate_may_run_again(shell: Shell) -> None:
    again = shell.run("migrate", "--json")
    assert json.loads(again.stdout)["changed"] is False


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (["bob", "--password-stdin"], PASSWORD, "bob"),
        (["bob@example.com", "--password-stdin"], "short", "12"),
        (["ada@example.com", "--password-stdin", "--workspace", "Acme"], PASSWORD, "member already"),
        (["bob@example.com", "--password-stdin", "--role", "king"], PASSWORD, "king"),
        (["bob@example.com"], "", "--password-stdin"),
    ],
)
def test_user_create_refuses_in_one_line(shell: Shell, arguments: list[str], stdin: str, words: str) -> None:
    assert words in shell.refused("user", "create", *arguments, stdin=stdin)


def test_user_reset_prints_a_link_alone(shell: Shell) -> None:
    ended = shell.run("user", "reset", "ada@example.com")
    assert ended.returncode == 0 and re.fullmatch(r"http://127\.0\.0\.1:8000/\S+\n", ended.stdout)
    assert "nobody@example.com" in shell.refused("user", "reset", "nobody@example.com")


def test_token_create_prints_the_token_alone(shell: Shell) -> None:
    ended = shell.run("token", "create", "--kind", "ops", "--expires", "90d", "--scope", "domains:read", "--name", "ci")
    assert ended.returncode == 0 and re.fullmatch(r"tm_live_[0-9A-Za-z]{40}\n", ended.stdout), ended.stderr
    checked = shell.run("token", "check", ended.stdout.strip(), "--json")
    assert json.loads(checked.stdout) == {"kind": "ops", "checksum": True} and checked.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--kind", "ops", "--expires", "soon"], "'soon' is no duration"),
        (["--kind", "message"], "--mailbox"),
        (["--kind", "message", "--mailbox", "no@acme.test"], "There is no mailbox no@acme.test."),
        (["--kind", "ops", "--workspace", "Nowhere"], "There is no workspace Nowhere."),
        (["--kind", "ops", "--scope", "all:things"], "all:things"),
        (["--kind", "ops", "--user", "eve@example.com"], "eve@example.com"),
    ],
)
def test_token_create_refuses_in_one_line(shell: Shell, arguments: list[str], words: str) -> None:
    assert words in shell.refused("token", "create", *arguments)


def test_token_check_tells_foreign_from_mistyped(empty: Shell) -> None:
    assert empty.refused("token", "check", "ghp_something") == "This is no token of Mailroom."
    assert "checksum is wrong" in empty.refused("token", "check", "mb_" + "A" * 40)


def test_audit_verify_names_the_row_that_was_changed(shell: Shell) -> None:
    assert "all as they were written" in shell.run("audit", "verify").stdout
    with sqlite3.connect(shell.instance / "mailroom.sqlite") as database:
        entry, workspace, name = database.execute("SELECT id, workspace_id, target_name FROM audit_entries ORDER BY id LIMIT 1").fetchone()
        database.execute("UPDATE audit_entries SET target_name = 'somebody else' WHERE id = ?", (entry,))
    try:
        line = shell.refused("audit", "verify")
        assert f"workspace {workspace} " in line and f"entry {entry}:" in line
        assert json.loads(shell.run("audit", "verify", "--json").stdout)["ok"] is False
    finally:
        with sqlite3.connect(shell.instance / "mailroom.sqlite") as database:
            database.execute("UPDATE audit_entries SET target_name = ? WHERE id = ?", (name, entry))


def test_doctor_looks_at_everything_and_says_what_to_do(shell: Shell) -> None:
    ended = shell.run("doctor", "--json", MAILROOM_DNS="127.0.0.1:9", REDIS_URL="redis://127.0.0.1:1/0", MAILROOM_HTTPPORT="1")
    found = json.loads(ended.stdout)
    levels: dict[str, set[str]] = {}
    for one in found["findings"]:
        levels.setdefault(one["subject"], set()).add(one["level"])
    assert set(levels) >= {"python", "instance", "secret key", "disk", "clock", "ports", "database", "redis", "dns", "transport"}
    assert levels["database"] == {"ok"} and "fail" in levels["redis"] and "warn" in levels["settings"] and levels["dns"] == {"warn"}
    assert found["ok"] is False and ended.returncode == 1 and len(ended.stderr.splitlines()) == 1


def test_doctor_notices_a_key_that_others_can_read(shell: Shell) -> None:
    key = shell.instance / "keys" / "secret_key"
    key.chmod(0o644)
    try:
        assert f"Run: chmod 600 {key}" in shell.run("doctor").stdout
    finally:
        key.chmod(0o600)


def test_map_lists_tables_endpoints_and_jobs_of_features(shell: Shell) -> None:
    found = json.loads(shell.run("map", "--json").stdout)
    assert "users" in found["accounts"]["tables"]
    assert any("/api/v1/tokens" in endpoint for endpoint in found["tokens"]["endpoints"])
