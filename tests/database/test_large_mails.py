"""C-38: the memory that a mail of 25 MB takes is a small multiple of its size, and does not grow with its recipients."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.database.large_mails import RECIPIENTS
from webapp.settings import ROOT

#: what reading and sending may hold at once, in sizes of the mail: its source, its wire form or file, and something for the heap
SIZES = 3.0


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux says how much memory a process had at most")
def test_c38_reading_and_sending_a_large_mail_takes_a_small_multiple_of_its_size(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.database.large_mails", str(tmp_path / "house")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr[-2000:]
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["came"] == 2 * RECIPIENTS and told["mail"] > 24_000_000
    assert 0 < told["read"] < SIZES * told["mail"], told
    assert 0 < told["sent"] < SIZES * told["mail"], told
