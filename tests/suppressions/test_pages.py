"""The suppression list in the browser, without script: list, add, import with a look first, reactivate with a confirmation."""

import io
from typing import Any

from sqlalchemy import select

from webapp.core.db import db
from webapp.suppressions.adding import New, add_many
from webapp.suppressions.models import Suppression


def listed() -> list[tuple[str | None, str, str]]:
    rows = db.session.scalars(select(Suppression).order_by(Suppression.id))
    return [(row.address, row.reason, row.scope) for row in rows]


def test_an_address_is_added_shown_and_reactivated(alice: Any) -> None:
    assert "Everybody gets mail" in alice.page.get("/suppressions").text
    wrong = alice.page.post("/suppressions/new", {"address": "nobody", "reason": "manual", "scope": "all"})
    assert wrong.status_code == 422 and "has no @" in wrong.text and 'value="nobody"' in wrong.text
    made = alice.page.post("/suppressions/new", {"address": "Ada@Example.org", "reason": "complaint", "scope": "bulk", "note": "phoned"})
    assert made.status_code == 303 and listed() == [("ada@example.org", "complaint", "bulk")]
    page = alice.page.get(made.headers["Location"])
    assert page.status_code == 200 and "phoned" in page.text and "spam complaint" in page.text
    assert "ada@example.org" in alice.page.get("/suppressions?reason=complaint&q=ada").text
    assert "ada@example.org" not in alice.page.get("/suppressions?reason=manual").text.split("</main>")[0].split('id="suppressions"')[1]
    asked = alice.page.get(f"{made.headers['Location']}/reactivate")
    assert asked.status_code == 200 and "called your mail spam" in asked.text and listed()
    assert alice.page.post(f"{made.headers['Location']}/reactivate").status_code == 303 and listed() == []


def test_an_import_shows_what_it_would_do_before_it_does_it(alice: Any) -> None:
    seen = alice.page.post("/suppressions/import", {"lines": "ada@example.org\nwrong\nada@example.org"})
    assert seen.status_code == 200 and "1 of 3 rows can be added" in seen.text and "has no @" in seen.text and listed() == []
    done = alice.page.post("/suppressions/import", {"lines": "ada@example.org\nwrong", "import": "1"})
    assert done.status_code == 303 and listed() == [("ada@example.org", "manual", "all")]
    file = {"lines": "", "file": (io.BytesIO(b'[{"email": "eve@example.org", "type": "unsubscription"}]'), "list.json")}
    assert "1 of 1 row can be added" in alice.page.post("/suppressions/import", file, content_type="multipart/form-data").text
    empty = alice.page.post("/suppressions/import", {"lines": ""})
    assert empty.status_code == 422 and "no addresses" in empty.text


def test_other_reasons_are_named_before_one_is_lifted(alice: Any) -> None:
    rows = add_many(alice.workspace.id, [New("ada@example.org", "hard_bounce"), New("ada@example.org", "unsubscription", "bulk")])
    db.session.commit()
    asked = alice.page.get(f"/suppressions/{rows[0]}/reactivate")
    assert "still gets no mail: unsubscription" in asked.text
    assert f"/suppressions/{rows[1]}" in alice.page.get(f"/suppressions/{rows[0]}").text


def test_a_viewer_sees_the_list_and_no_buttons_that_work(alice: Any, carol: Any) -> None:
    rows = add_many(alice.workspace.id, [New("ada@example.org", "hard_bounce", said="550 5.1.1 <script>alert(1)</script>")])
    db.session.commit()
    page = carol.page.get("/suppressions")
    assert page.status_code == 200 and "ada@example.org" in page.text and "<script>alert" not in page.text
    assert carol.page.post(f"/suppressions/{rows[0]}/reactivate").status_code == 403 and listed()
    assert carol.page.get("/suppressions/export.csv").mimetype == "text/csv"
