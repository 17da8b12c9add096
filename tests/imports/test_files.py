"""Files as the world makes them: separators, encodings, line ends, quotes, hostile ones (C-55, C-56, C-69)."""

import csv
import io
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.imports.files import as_csv, as_xlsx, counts, found, upload
from webapp.contacts import service
from webapp.contacts.models import Contact
from webapp.core.db import begin_writing, db
from webapp.imports import converting, reading
from webapp.imports.columns import guessed
from webapp.imports.converting import look
from webapp.imports.reading import BadFile, Rows


def rows_of(content: bytes, separator: str = ",", each: int = 3) -> list[tuple[int, list[str] | None]]:
    """(line, row) of all rows, read `each` at a time, begun anew at each place where a batch ended."""
    found_, byte, line = [], 0, 0
    while True:
        batch = Rows(io.BytesIO(content), separator, byte, line).take(each)
        rows: Any = batch.rows if batch.columns is None else [list(row) for row in zip(*batch.columns, strict=True)]
        found_ += list(zip(batch.lines, rows, strict=True))
        if batch.is_last:
            return found_
        byte, line = batch.byte, batch.line


CELLS = st.text("ab,;\"'\n\ré \u2028x", max_size=6)


@settings(max_examples=150)
@given(
    st.lists(st.lists(CELLS, min_size=2, max_size=3), max_size=12), st.sampled_from(["\n", "\r\n", "\r"]), st.integers(1, 5),
    st.integers(8, 60),
)  # fmt: skip
def test_rows_read_in_batches_are_those_that_were_written(rows: list[list[str]], end: str, each: int, block: int) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerows(rows)
    before, reading.BLOCK = reading.BLOCK, block
    try:
        got = rows_of(text.getvalue().encode(), each=each)
    finally:
        reading.BLOCK = before
    assert [row for _, row in got] == [list(row) for row in csv.reader(io.StringIO(text.getvalue(), newline=""))]
    assert [line for line, _ in got] == sorted(line for line, _ in got)


def test_lines_are_numbered_as_an_editor_does_it() -> None:
    content = b'a,b\r\n"two\r\nlines",c\r\n\r\nd,e\r\n'
    assert [(line, row) for line, row in rows_of(content) if row] == [(1, ["a", "b"]), (2, ["two\r\nlines", "c"]), (5, ["d", "e"])]


def test_c69_a_line_without_end_is_passed_over_and_told() -> None:
    content = b"a,b\n" + b"x" * (3 * 1024 * 1024) + b"\nc,d\n"
    got = rows_of(content, each=10)
    assert [row for _, row in got if row] == [["a", "b"], ["c", "d"]]
    assert [line for line, row in got if row is None] == [2]


def test_c69_a_quotation_mark_that_never_ends_costs_no_more_than_a_cell() -> None:
    content = b'a,"b\n' + b"x,y\n" * 200_000 + b"c,d\n"
    got = rows_of(content, each=1000)
    assert [row for _, row in got if row is None] == [None]
    assert got[-1][1] == ["c", "d"]
    assert got[-1][0] == 200_002


@pytest.mark.parametrize(("text", "encoding", "separator"), [
    ("Email;Größe\nada@example.org;groß\n", "cp1252", ";"), ("Email\tName\nada@example.org\tÜni\n", "utf-16", "\t"),
    ("email|name\nada@example.org|Ü\n", "utf-8-sig", "|"), ("sep=;\nemail;name\nada@example.org;a,b,c\n", "utf-8", ";"),
    ("Name,E-Mail\n\"Lovelace, Ada\",ada@example.org\n", "utf-16-be", ","),
])  # fmt: skip
def test_encoding_and_separator_are_found(text: str, encoding: str, separator: str) -> None:
    shape = look(io.BytesIO(text.encode(encoding)))
    assert (shape.separator, len(shape.titles), shape.has_titles) == (separator, 2, True)
    assert "email" in guessed(shape.titles, []).values()
    assert any("ada@example.org" in row for row in shape.sample) or shape.encoding == "utf-16-be"


def test_a_file_without_titles_is_known_by_its_addresses() -> None:
    shape = look(io.BytesIO(b"Ada,ada@example.org\nGrace,grace@example.org\n"))
    assert (shape.titles, shape.has_titles, shape.byte) == (["Column 1", "Column 2"], False, 0)
    assert guessed(shape.titles, [], shape.sample) == {"Column 1": "", "Column 2": "email"}


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_files_in_other_letters_are_imported(app: Any, alice: Any, work_off: Any, encoding: str) -> None:
    job_id = upload(alice, as_csv(["email", "name"], ["ada@example.org", "Zoë Müller"], encoding=encoding))
    work_off()
    assert counts(found(job_id)) == {"position": 1, "created": 1}
    assert db.session.scalars(select(Contact.name)).one() == "Zoë Müller"


def test_c69_formulas_are_texts_here_and_harmless_in_what_we_hand_out(app: Any, alice: Any, work_off: Any) -> None:
    evil = '=HYPERLINK("http://evil.example","x")'
    job_id = upload(alice, as_csv(["email", "name", "company"], ["ada@example.org", "Ada", evil], ["+1@@", "x", "@SUM(A1)"]))
    work_off()
    assert db.session.scalars(select(Contact.company)).one() == evil
    page = alice.api.get(f"/contacts/imports/{job_id}/errors").text
    assert list(csv.reader(io.StringIO(page)))[1][4:] == ["x", "'@SUM(A1)"] or list(csv.reader(io.StringIO(page)))[1][-1] == "'@SUM(A1)"
    exported = list(csv.DictReader(io.StringIO(alice.api.get("/contacts/export").text)))
    assert exported[0]["company"] == f"'{evil}"
    raw = list(csv.DictReader(io.StringIO(alice.api.get("/contacts/export?raw=true").text)))
    assert raw[0]["company"] == evil


def test_formulas_of_a_workbook_are_not_run(app: Any, alice: Any, work_off: Any) -> None:
    file = as_xlsx(["email", "name"], ["ada@example.org", "=1+1"], ["=cmd|'/c calc'!A1", "x"])
    job_id = upload(alice, file, name="people.xlsx")
    work_off()
    assert counts(found(job_id)) == {"position": 2, "created": 1, "failed": 1}
    assert db.session.scalars(select(Contact.name)).one() == ""


def bomb(name: str, size: int) -> io.BytesIO:
    made = as_xlsx(["email"], ["ada@example.org"])
    out = io.BytesIO()
    with zipfile.ZipFile(made) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for part in source.infolist():
            if part.filename != name:
                target.writestr(part.filename, source.read(part))
        target.writestr(name, b" " * size)
    out.seek(0)
    return out


@pytest.mark.parametrize(("name", "size"), [("xl/sharedStrings.xml", 70), ("xl/styles.xml", 20), ("xl/worksheets/sheet1.xml", 40)])
def test_c56_workbooks_that_unpack_to_too_much_are_refused_unopened(name: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converting.openpyxl, "load_workbook", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(BadFile, match="unpacks"):
        look(bomb(name, size * 1024 * 1024))


def test_c56_a_workbook_with_entities_or_nonsense_is_refused() -> None:
    laughs = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><sst>&b;</sst>'
    for content in (laughs, b"<not-closed", b""):
        made, out = as_xlsx(["email"], ["ada@example.org"]), io.BytesIO()
        with zipfile.ZipFile(made) as source, zipfile.ZipFile(out, "w") as target:
            for part in source.infolist():
                target.writestr(part.filename, content if part.filename == "xl/worksheets/sheet1.xml" else source.read(part))
        out.seek(0)
        with pytest.raises(BadFile):
            look(out)


def test_c69_nul_and_ragged_rows_are_refused_one_by_one(app: Any, alice: Any, work_off: Any) -> None:
    lines = "email,name\r\na@example.org,A\r\nb@example.org,B,too,many\r\nc@example.org\r\n" + "\r\n" * 3000
    job_id = upload(alice, io.BytesIO(lines.encode() + b"d@example.org,D\x00D\r\n"))
    work_off()
    assert counts(found(job_id)) == {"position": 4, "created": 2, "failed": 2}


def test_who_is_suppressed_or_unsubscribed_never_becomes_subscribed(app: Any, alice: Any, work_off: Any) -> None:
    gone = service.create_contact(alice.actor, email="gone@example.org", name="Gone", subscribed=False)
    db.session.commit()
    alice.api.post("/suppressions", json={"address": "barred@example.org", "reason": "complaint"})
    alice.api.post("/suppressions", json={"address": "erased@example.org", "reason": "unsubscription"})
    alice.api.post("/suppressions/erase", json={"address": "erased@example.org"})
    rows = [[f"{name}@example.org", "yes"] for name in ("gone", "barred", "erased", "fine")] + [["ends@example.org", "no"]]
    job_id = upload(alice, as_csv(["email", "subscribed"], *rows))
    work_off()
    assert counts(found(job_id))["suppressed"] == 3
    begin_writing()
    state = dict(db.session.execute(select(Contact.address, Contact.subscribed)).all())
    assert {address.split("@")[0]: subscribed for address, subscribed in state.items()} == {
        "gone": False, "barred": False, "erased": False, "fine": True, "ends": False,
    }  # fmt: skip
    assert gone.id


def test_duplicates_are_skipped_or_told_on_wish(app: Any, alice: Any, work_off: Any) -> None:
    service.create_contact(alice.actor, email="ada@example.org", name="Ada")
    db.session.commit()
    rows = ["email", "name"], ["ADA@example.org", "Changed"], ["new@example.org", "One"], ["new@example.org", "Two"]
    cases = ("skip", {"created": 1, "skipped": 2}), ("error", {"failed": 3}), ("update", {"updated": 2, "unchanged": 1})
    for duplicates, wanted in cases:
        job_id = upload(alice, as_csv(*rows), duplicates=duplicates, state="previewing")
        work_off()
        seen = found(job_id).preview or {}
        assert seen["rows"] == 3 and seen["duplicate"] == 1
        job_id = upload(alice, as_csv(*rows), duplicates=duplicates)
        work_off()
        got = counts(found(job_id))
        assert {name: number for name, number in got.items() if name != "position"} == wanted
    names = dict(db.session.execute(select(Contact.address, Contact.name)).all())
    assert names == {"ada@example.org": "Changed", "new@example.org": "Two"}
