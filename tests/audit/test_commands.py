"""`app.py audit verify` and `app.py audit export`, run in this process on the test's database."""

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from webapp.accounts.models import Workspace
from webapp.audit import checkpoints, service
from webapp.audit.models import AuditEntry
from webapp.audit.service import Target
from webapp.cli.audit import audit
from webapp.core.db import begin_reading, begin_writing, db


@pytest.fixture
def run(app: Any, alice: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    @contextmanager
    def application(*, read_only: bool = False) -> Iterator[Any]:
        db.session.commit()
        begin_reading() if read_only else begin_writing()
        try:
            yield app
        finally:
            db.session.rollback()
            begin_writing()

    monkeypatch.setattr(sys.modules["webapp.cli.audit"], "application", application)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(audit, list(arguments))

    return invoke


def note(alice: Any, *names: str) -> None:
    for name in names:
        service.record(alice.actor, "thing.update", Target("thing", 1, name))
    db.session.commit()


def test_export_writes_one_workspace_as_a_file_and_says_so_in_the_log(run: Any, alice: Any, eve: Any, tmp_path: Path) -> None:
    note(alice, "=1+1", "Orders")
    out = tmp_path / "acme.csv"
    ended = run("export", "--workspace", "Acme", "--out", str(out))
    assert ended.exit_code == 0, ended.output
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["target_name"] for row in rows if row["action"] == "thing.update"] == ["'=1+1", "Orders"]
    assert out.stat().st_mode & 0o077 == 0 and [file.name for file in tmp_path.iterdir() if file.is_file()] == ["acme.csv"]
    noted = alice.api.get("/audit-events?action=audit.export").json["data"]
    assert [entry["actor"]["name"] for entry in noted] == ["command line", "command line"] and noted[0]["after"]["count"] == len(rows)


def test_export_goes_to_standard_output_since_a_day(run: Any, alice: Any) -> None:
    note(alice, "Orders")
    ended = run("export", "--workspace", "Acme", "--format", "json", "--since", "2001-01-01")
    assert [json.loads(line)["target"]["name"] for line in ended.stdout.splitlines()][-1] == "Orders"
    assert not run("export", "--workspace", "Acme", "--format", "json", "--since", "2999-01-01").stdout
    assert "'soon' is no date" in run("export", "--since", "soon").output


def test_export_must_be_told_which_of_several_workspaces(run: Any, alice: Any) -> None:
    assert "name one with --workspace" in str(run("export").exception.fields)
    assert "There is no workspace Nowhere." in str(run("export", "--workspace", "Nowhere").exception)
    assert db.session.query(Workspace).count() == 2


def test_a_file_that_cannot_be_written_is_one_sentence_and_leaves_nothing(run: Any, alice: Any, tmp_path: Path) -> None:
    ended = run("export", "--workspace", "Acme", "--out", str(tmp_path / "missing" / "file.csv"))
    assert ended.exit_code == 1 and "cannot be written: No such file or directory" in ended.output


def test_c72_verify_tells_of_checkpoints_and_names_the_bad_row(run: Any, alice: Any) -> None:
    note(alice, "Orders", "Bills")
    checkpoints.write_due()
    begin_writing()
    ended = run("verify")
    assert ended.exit_code == 0 and "1 signed checkpoints fit." in ended.output
    answer = json.loads(run("verify", "--json").output)
    assert answer["ok"] and answer["checkpoints"] >= 2 and answer["doubtful_checkpoints"] == []
    db.session.execute(update(AuditEntry).where(AuditEntry.target_name == "Orders").values(target_name="Nothing"))
    db.session.commit()
    ended = run("verify")
    assert ended.exit_code == 1 and "its content was changed" in ended.output
