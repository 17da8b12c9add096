"""Which test file runs when and where, if several processes share the work (`--dist loadfile`): slow files first, and folders that share
one costly installation in one process.

A slow file that begins last keeps one process busy while the others have nothing left. pytest-xdist would begin with the files that have
the most tests, which are the fast ones.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

#: folders whose tests share a fixture of the package: an installation that takes many seconds to furnish
TOGETHER = ("tests/pages/",)
#: what takes longest, the slowest first; everything else comes behind in its usual order
SLOW = (
    "tests/pages/", "tests/contract/", "tests/faults/", "tests/processes/test_up.py", "tests/hostile_pages/test_pages.py",
    "tests/database/", "tests/flows/", "tests/peers/", "tests/tokens/test_first_call.py", "tests/demo/", "tests/bulk/",
    "tests/campaigns/test_engine", "tests/imports/test_exactly.py", "tests/processes/", "tests/audit/test_arrivals.py",
    "tests/watch/", "tests/house/",
)  # fmt: skip


def place(nodeid: str) -> int:
    """Where a test stands in SLOW, or behind all of it."""
    return next((number for number, part in enumerate(SLOW) if nodeid.startswith(part)), len(SLOW))


class SlowFirst(LoadFileScheduling):
    """Hands out files in the order in which they were collected, and some folders as if they were one file."""

    def _split_scope(self, nodeid: str) -> str:
        found: str = next((folder for folder in TOGETHER if nodeid.startswith(folder)), None) or super()._split_scope(nodeid)
        return found


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SlowFirst | None:
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return SlowFirst(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: place(item.nodeid))
