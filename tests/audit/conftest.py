"""Each test of the log has a blob store of its own: checkpoints of another test would speak of other chains."""

from pathlib import Path

import pytest

from webapp.core.blobs import FolderBlobs


@pytest.fixture(autouse=True)
def blob_store(request: pytest.FixtureRequest, tmp_path: Path) -> FolderBlobs:
    store = FolderBlobs(tmp_path / "blobs")
    if "app" in request.fixturenames:
        request.getfixturevalue("app").extensions["blobs"] = store
    return store
