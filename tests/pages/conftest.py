"""One running sample and one browser for all tests of the pages."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.pages.look import browser as opened
from tests.pages.sample import Sample
from webapp import create_app
from webapp.settings import load_settings


@pytest.fixture(scope="package")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    found = Sample(tmp_path_factory.mktemp("sample"))
    found.start()
    yield found
    found.stop()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with opened() as found:
        yield found


@pytest.fixture(scope="package")
def route_table(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The application for its route table alone: opens no connection."""
    home = tmp_path_factory.mktemp("map")
    return create_app(load_settings({"MAILROOM_INSTANCE": str(home), "MAILROOM_SECRET_KEY": "k" * 40}, dotenv=None))
