"""A look at what an import would do: how far it came, and what it says when it did not come to the end."""

from typing import Any

import pytest

from tests.imports.files import as_csv, found, upload
from webapp.imports import jobs, previewing
from webapp.imports.service import get_import

ROWS = [[f"user{number}@example.org", f"User {number}"] for number in range(40)]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previewing, "BATCH", 7)


@pytest.mark.usefixtures("small_batches")
def test_a_file_that_takes_too_long_is_looked_at_as_far_as_time_allows(
    app: Any, alice: Any, work_off: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previewing, "MOST_S", 0.0)
    job_id = upload(alice, as_csv(["email", "name"], *ROWS), state="previewing")
    work_off()
    job = found(job_id)
    assert job.preview is not None
    assert (job.state, job.total, job.preview["rows"], job.preview["new"], job.preview["is_whole"]) == ("previewed", None, 7, 7, False)
    assert alice.api.get(f"/contacts/imports/{job_id}").json["data"]["preview"]["complete"] is False
    page = alice.page.get(f"/contacts/imports/{job_id}").text
    assert "Import the whole file" in page and "The file is longer" in page
    assert alice.api.post(f"/contacts/imports/{job_id}/start").status_code == 202
    work_off()
    assert (found(job_id).created, found(job_id).total) == (40, 40)


@pytest.mark.usefixtures("small_batches")
def test_a_preview_says_how_far_it_is_and_ends_when_somebody_cancels(
    app: Any, alice: Any, work_off: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "TELL_S", 0.0)
    job_id = upload(alice, as_csv(["email", "name"], *ROWS), state="previewing")
    told: list[tuple[int, int]] = []
    beat = jobs._Pulse.beat

    def watched(pulse: Any, rows: int | None = None, byte: int = 0) -> bool:
        going_on = beat(pulse, rows, byte)
        preview = get_import(alice.actor, job_id).preview or {}
        told.append((preview["rows"], preview["about"]))
        if len(told) == 2:
            alice.api.post(f"/contacts/imports/{job_id}/cancel")
        return going_on

    monkeypatch.setattr(jobs._Pulse, "beat", watched)
    work_off()
    assert [rows for rows, _ in told] == [7, 14, 14]
    assert all(abs(about - 40) <= 6 for _, about in told)
    assert (found(job_id).state, found(job_id).created) == ("cancelled", 0)
