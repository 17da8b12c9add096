"""Copies of the log: complete, streamed, audited, and harmless in a spreadsheet (C-69)."""

import csv
import io
import json
from typing import Any

import pytest
from sqlalchemy import select

from webapp.audit import export, service
from webapp.audit.models import AuditEntry
from webapp.audit.service import Target
from webapp.core.db import begin_reading, begin_writing, db

FORMULAS = ['=HYPERLINK("http://evil.test")', "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", " =1+1", "＝1+1", "\u00a0=1"]
HARMLESS = ["plain", "a=b", "12-3", 'say "hi", then go', "two\nlines", "", "'=quoted", "ünï 🚲"]


def note(actor: Any, name: str, action: str = "thing.update", **more: Any) -> None:
    service.record(actor, action, Target("thing", 1, name), **more)


def rows_of(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.get_data(as_text=True), newline="")))


def test_c69_formula_cells_of_the_export_are_text_for_a_spreadsheet(alice: Any) -> None:
    for name in [*FORMULAS, *HARMLESS]:
        note(alice.actor, name)
    db.session.commit()
    names = [row["target_name"] for row in rows_of(alice.api.get("/audit-events/export?action=thing"))]
    assert names[: len(FORMULAS)] == [f"'{name}" for name in FORMULAS]
    assert names[len(FORMULAS) :] == HARMLESS
    raw = [row["target_name"] for row in rows_of(alice.api.get("/audit-events/export?action=thing&raw=true"))]
    assert raw == [*FORMULAS, *HARMLESS], "raw by choice"


def test_c69_no_cell_of_any_column_begins_a_formula(alice: Any) -> None:
    answer = alice.api.patch(f"/workspaces/{alice.workspace.id}", json={"name": "=cmd|' /C calc'!A0"}, headers={"X-Request-Id": "=1+1"})
    assert answer.status_code == 200
    exported = rows_of(alice.api.get("/audit-events/export"))
    assert any(row["request_id"] == "'=1+1" for row in exported)
    for row in exported:
        for cell in row.values():
            assert not cell.strip().startswith(tuple(export.FORMULA)), cell


def test_c69_a_nul_never_reaches_the_file(alice: Any) -> None:
    assert export._raw_csv([["a\x00b", 1]]) == b"ab,1\r\n"


def test_csv_and_ndjson_hold_what_the_api_says(alice: Any) -> None:
    note(alice.actor, "Thing", before={"n": 1, "secret": "hunter2hunter2"}, after={"n": 2, "secret": "other"})
    db.session.commit()
    listed = {row["id"]: row for row in alice.api.get("/audit-events?per_page=100").json["data"]}
    answer = alice.api.get("/audit-events/export?format=json")
    assert answer.mimetype == "application/x-ndjson" and ".ndjson" in answer.headers["Content-Disposition"]
    lines = [json.loads(line) for line in answer.get_data(as_text=True).splitlines()]
    assert [line["id"] for line in lines] == sorted(listed), "oldest first, without the note of this export itself"
    for line in lines:
        moment = line.pop("at"), listed[line["id"]].pop("at")
        assert moment[0].rstrip("Z").ljust(26, "0") == moment[1].rstrip("Z").ljust(26, "0")
        assert line == listed[line["id"]]
    table = {int(row["id"]): row for row in rows_of(alice.api.get("/audit-events/export?format=csv"))}
    last = table[max(listed)]
    assert set(table) >= set(listed) and json.loads(last["after"]) == listed[max(listed)]["after"] and "hunter2" not in str(table)


def test_the_filters_of_the_page_are_those_of_the_file(alice: Any, bob: Any) -> None:
    note(alice.actor, "Orders")
    note(bob.actor, "Bills")
    db.session.commit()
    for query, expected in (("q=orders", {"Orders"}), ("actor=bob&action=thing", {"Bills"}), ("action=thing.*", {"Orders", "Bills"})):
        page = alice.page.post(f"/audit/export?{query}", {"form": "csv"})
        assert page.status_code == 200 and page.headers["Content-Disposition"].startswith('attachment; filename="audit-')
        assert {row["target_name"] for row in rows_of(page)} == expected
        assert {row["target_name"] for row in rows_of(alice.api.get(f"/audit-events/export?{query}"))} == expected


def test_an_export_stands_in_the_log_with_its_filters_and_at_its_end_with_its_count(alice: Any) -> None:
    for number in range(3):
        note(alice.actor, f"Thing {number}")
    db.session.commit()
    alice.api.get("/audit-events/export?format=json&action=thing", headers={"X-Request-Id": "req_export"}).get_data()
    entries = alice.api.get("/audit-events?request_id=req_export").json["data"]
    assert [entry["action"] for entry in entries] == ["audit.export", "audit.export"]
    finished, started = [entry["after"] for entry in entries]
    assert started == {"format": "json", "raw": False, "filters": {"action": "thing"}, "state": "started"}
    assert finished == {**started, "state": "finished", "count": 3}


def test_somebody_who_stops_reading_leaves_a_note_of_how_much_was_made(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "BATCH", 2)
    for number in range(9):
        note(alice.actor, f"Thing {number}")
    db.session.commit()
    pieces = export.stream(export.begin(alice.actor, {"action": "thing"}, form="json"))
    assert next(pieces).count(b"\n") == 2
    pieces.close()  # what a server does when the browser is gone
    begin_writing()
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "audit.export").order_by(AuditEntry.id.desc()).limit(1)).one()
    assert json.loads(entry.after or "") == {
        "format": "json", "raw": False, "filters": {"action": "thing"}, "state": "interrupted", "count": 2
    }  # fmt: skip


def test_others_write_while_an_export_is_read_and_batches_neither_repeat_nor_leave_out(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "BATCH", 4)
    for number in range(10):
        note(alice.actor, f"Thing {number}")
    db.session.commit()
    begin_reading()
    seen: list[str] = []
    for piece in export.stream(export.begin(alice.actor, {"action": "thing"}, form="json")):
        seen += [json.loads(line)["target"]["name"] for line in piece.splitlines()]
        begin_writing()  # no lock is held between two pieces, nor a snapshot
        note(alice.actor, "late")
        db.session.commit()
        begin_reading()
    begin_writing()
    assert seen == [f"Thing {number}" for number in range(10)]


def test_an_export_is_for_admins_whose_session_is_fresh(alice: Any, bob: Any, carol: Any, eve: Any) -> None:
    for person in (bob, carol):
        assert person.page.get("/audit/export").status_code == 403
        assert person.api.get("/audit-events/export").json["error"]["code"] == "forbidden"
    assert alice.token_with("domains:read").get("/audit-events/export").json["error"]["code"] == "insufficient_scope"
    note(alice.actor, "private to Acme")
    db.session.commit()
    assert "private to Acme" not in eve.api.get("/audit-events/export").get_data(as_text=True)
    app = alice.api.app
    assert app.view_functions["audit.export_page"].needs_fresh and app.view_functions["audit.retention_page"].needs_fresh


def test_a_filter_that_cannot_be_read_exports_nothing(alice: Any) -> None:
    assert alice.api.get("/audit-events/export?after=yesterday").status_code == 422
    assert alice.api.get("/audit-events/export?format=xml").status_code == 422
    page = alice.page.post("/audit/export?result=maybe", {"form": "csv"})
    assert "nothing was exported" in page.get_data(as_text=True) and "Content-Disposition" not in page.headers
