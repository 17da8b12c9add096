"""Contacts as a workbook: what spreadsheets read of it, and that an import reads it back."""

import io
from typing import Any

import openpyxl
import pytest

from tests.imports.files import counts, found, upload
from webapp.contacts import service, workbook
from webapp.core.db import db

EVIL = '=HYPERLINK("http://evil.example","x")'


def read(data: bytes) -> Any:
    return openpyxl.load_workbook(io.BytesIO(data))


def made(*batches: Any, **more: Any) -> Any:
    return read(b"".join(workbook.pieces(["id", "name"], batches, **more)))


def test_texts_numbers_and_nothing_come_out_as_they_went_in() -> None:
    texts = ["Zoë & <Söhne>", " two  blanks ", "two\nlines", "_x0041_", "0049 30", "👩‍🚀", "]]>"]
    book = made([[number, text] for number, text in enumerate(texts)], [[1.5, ""]])
    rows = list(book.active.iter_rows(values_only=True))
    assert rows[0] == ("id", "name")
    assert [text.replace("_x005F_", "_") for _, text in rows[1:-1]] == texts
    assert rows[-1] == (1.5, None)
    assert list(made().active.iter_rows(values_only=True)) == [("id", "name")]


def test_signs_that_no_workbook_may_hold_are_left_out() -> None:
    rows = list(made([[1, "a\x00b\x1fc\ud800d"], [2, "x" * 40_000]]).active.iter_rows(values_only=True))
    assert rows[1] == (1, "abcd")
    assert len(rows[2][1]) == workbook.MOST_LETTERS


def test_c69_what_looks_like_a_formula_is_a_text_and_stays_one_when_it_is_edited() -> None:
    cell = made([[1, EVIL]]).active["B2"]
    assert (cell.data_type, cell.value, cell.quotePrefix) == ("s", EVIL, True)
    assert not made([[1, "harmless"]]).active["B2"].quotePrefix
    assert not made([[1, EVIL]], raw=True).active["B2"].quotePrefix


def test_a_sheet_that_is_full_goes_on_in_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MOST_ROWS", 4)
    book = made([[number, "x"] for number in range(5)], [[number, "x"] for number in range(5, 8)])
    assert book.sheetnames == ["Contacts", "Contacts 2", "Contacts 3"]
    assert [[row[0] for row in sheet.iter_rows(values_only=True)] for sheet in book] == [
        ["id", 0, 1, 2], ["id", 3, 4, 5], ["id", 6, 7],
    ]  # fmt: skip


def test_an_exported_workbook_is_audited_and_imported_again_without_a_change(app: Any, alice: Any, work_off: Any) -> None:
    service.create_contact(alice.actor, email="ada@example.org", name="Ada Lovelace", company=EVIL, tags=["math"], lead_score=7)
    service.create_contact(alice.actor, email="grace@example.org", name="Grace")
    db.session.commit()
    answer = alice.api.get("/contacts/export?format=xlsx&search=ada")
    assert answer.mimetype == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    rows = list(read(answer.data).active.iter_rows(values_only=True))
    assert [dict(zip(rows[0], row, strict=True))["company"] for row in rows[1:]] == [EVIL]
    (entry,) = alice.api.get("/audit-events?action=contact.export").json["data"]
    assert entry["after"]["form"] == "xlsx"
    page = alice.page.get("/contacts/export.xlsx")
    assert [row[1] for row in read(page.data).active.iter_rows(values_only=True)] == ["email", "ada@example.org", "grace@example.org"]
    job_id = upload(alice, io.BytesIO(page.data), name="contacts.xlsx")
    work_off()
    assert counts(found(job_id)) == {"position": 2, "unchanged": 2}
