"""The kill test in its short form: some hundred mails in and out while each part dies once; `make faults` plays the long one."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DATABASES
from tests.faults.report import text_of
from tests.faults.run import Play, play

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
SEED = int(os.environ.get("SEED") or 20_261_121)
PLAYS = {
    "sqlite": Play(SEED, 250, 400, 8.0, pause_s=0.5, longest_s=1.0),
    "postgres": Play(
        SEED, 100, 150, 5.0, "postgres", pause_s=0.5, longest_s=0.8,
        deeds=("kill smtp", "kill worker-1", "kill up", "flush redis", "restart postgres", "end backends"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("database", DATABASES)
def test_c01_c02_c22_c23_c27_c29_c39_c41_whatever_dies_every_mail_is_accounted_for(
    request: pytest.FixtureRequest, database: str, tmp_path: Path
) -> None:
    server: Any = request.getfixturevalue("postgres_server") if database == "postgres" else None
    report = play(PLAYS[database], tmp_path, server)
    assert report.verdict.wrong == [], f"{text_of(report, f'SEED={SEED}')}\n{report.log}"
    assert report.kills >= 3 and report.verdict.figures["mails in, answered 250"] == PLAYS[database].mails_in
