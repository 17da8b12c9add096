"""The pages of imports: upload, columns, preview, run, undo, as a person without scripts goes through them."""

import re
from typing import Any

from sqlalchemy import func, select

from tests.imports.files import as_csv, found, upload
from webapp.contacts.models import Contact
from webapp.core.db import db
from webapp.imports.models import ContactImport


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


def number_of_contacts() -> int:
    return db.session.scalar(select(func.count()).select_from(Contact)) or 0


def test_a_person_uploads_looks_imports_and_undoes(app: Any, bob: Any, work_off: Any) -> None:
    file = as_csv(["Mail", "Vorname", "Lieblingsfarbe"], ["ada@example.org", "Ada", "blue"], ["broken", "X", "red"])
    answer = bob.page.post("/contacts/imports/new", data={"file": (file, "people.csv")}, content_type="multipart/form-data")
    assert answer.status_code == 303
    columns = bob.page.get(answer.location)
    assert columns.status_code == 200
    assert 'value="email" selected' in columns.text and 'value="first_name" selected' in columns.text
    data = {"column-0": "email", "column-1": "first_name", "column-2": "new", "duplicates": "update", "tags": "Fair 2026"}
    answer = bob.page.post(answer.location, data=data)
    assert answer.status_code == 303, text_of(answer)
    here = answer.location
    assert "The file is being looked at" in text_of(bob.page.get(here))
    work_off()
    seen = text_of(bob.page.get(here))
    assert "1 new, 0 changed, of 2 rows." in seen and "has no @" in seen
    assert number_of_contacts() == 0
    assert bob.page.post(f"{here}/start").status_code == 303
    work_off()
    seen = text_of(bob.page.get(here))
    assert "1 new, 0 changed, of 2 rows." in seen and "Undoing is offered for 30 days" in seen
    ada = db.session.scalars(select(Contact)).one()
    assert (ada.name, ada.custom_fields) == ("Ada", {"lieblingsfarbe": "blue"})
    assert bob.page.get(f"{here}/errors.csv").text.splitlines()[1].startswith("3,broken,")
    assert "the import made them" in text_of(bob.page.get(f"{here}/undo"))
    assert bob.page.post(f"{here}/undo").status_code == 303
    work_off()
    assert "Everything is as it was before." in text_of(bob.page.get(here))
    assert number_of_contacts() == 0


def test_columns_that_do_not_fit_are_told_beside_what_was_chosen(app: Any, bob: Any) -> None:
    import_id = upload(bob, as_csv(["a", "b"], ["ada@example.org", "Ada"]), state="draft")
    answer = bob.page.post(f"/contacts/imports/{import_id}/columns", data={"column-0": "", "column-1": "name", "duplicates": "skip"})
    assert answer.status_code == 422
    assert "No column is the email address" in text_of(answer)
    assert 'value="name" selected' in answer.text
    assert found(import_id).state == "draft"


def test_an_upload_without_a_file_or_of_something_else_is_refused_on_its_page(app: Any, bob: Any) -> None:
    answer = bob.page.post("/contacts/imports/new", data={"encoding": ""}, content_type="multipart/form-data")
    assert (answer.status_code, "Choose a CSV or XLSX file." in answer.text) == (422, True)
    data = {"file": (as_csv("%PDF-1.4"), "people.csv")}
    answer = bob.page.post("/contacts/imports/new", data=data, content_type="multipart/form-data")
    assert (answer.status_code, "This is no CSV" in answer.text) == (422, True)
    assert db.session.scalar(select(func.count()).select_from(ContactImport)) == 0


def test_pausing_and_cancelling_have_buttons_that_work(app: Any, bob: Any, work_off: Any) -> None:
    import_id = upload(bob, as_csv(["email"], ["ada@example.org"]))
    here = f"/contacts/imports/{import_id}"
    assert "Waiting for its turn" in text_of(bob.page.get(here))
    assert bob.page.post(f"{here}/pause").status_code == 303
    work_off()
    assert "Paused" in text_of(bob.page.get(here)) and number_of_contacts() == 0
    assert bob.page.post(f"{here}/resume").status_code == 303
    assert "Nobody came in so far." in text_of(bob.page.get(f"{here}/cancel"))
    assert bob.page.post(f"{here}/cancel").status_code == 303
    work_off()
    assert (found(import_id).state, number_of_contacts()) == ("cancelled", 0)
    assert "people.csv" in text_of(bob.page.get("/contacts/imports"))


def test_viewers_see_imports_and_may_do_nothing(app: Any, bob: Any, carol: Any, eve: Any) -> None:
    import_id = upload(bob, as_csv(["email"], ["ada@example.org"]))
    assert carol.page.get("/contacts/imports").status_code == 200
    assert "needs the role agent" in text_of(carol.page.get(f"/contacts/imports/{import_id}"))
    assert carol.page.post(f"/contacts/imports/{import_id}/pause").status_code == 403
    assert carol.page.get("/contacts/imports/new").status_code == 403
    assert eve.page.get(f"/contacts/imports/{import_id}").status_code == 404
