"""The kill test of campaigns in its short form; `make faults CAMPAIGN=1` plays the long one."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DATABASES
from tests.faults.campaign import Campaigning, play, text_of

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
SEED = int(os.environ.get("SEED") or 20_261_121)


@pytest.mark.parametrize("database", [name for name in ("sqlite",) if name in DATABASES])
def test_c22_c30_whatever_dies_everybody_gets_a_campaign_once(request: pytest.FixtureRequest, database: str, tmp_path: Path) -> None:
    server: Any = request.getfixturevalue("postgres_server") if database == "postgres" else None
    asked = Campaigning(SEED, 400, 6, 10, 5.0, database, others=("kill scheduler", "flush redis"))
    found = play(asked, tmp_path, server)
    assert found.verdict.wrong == [], text_of(found, f"SEED={SEED}")
    assert found.kills >= 3 and sum(sum(part.steps.values()) for part in found.parts) >= 6
