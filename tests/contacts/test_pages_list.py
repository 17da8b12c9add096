"""The list of contacts in the browser: search, filters, order and pages in the address; what an empty one says; how much it asks."""

import re
from typing import Any

from sqlalchemy import event

from tests.factories.contacts import make_contact, make_group, make_many_contacts, make_tag
from webapp.core.db import db, utcnow


def emails(answer: Any) -> list[str]:
    """Local parts of the contacts in the table, from top to bottom."""
    assert answer.status_code == 200, answer.text
    return re.findall(r'aria-label="Pick ([a-z0-9-]+)@', answer.text)


def test_an_empty_list_teaches_and_a_filter_that_finds_nobody_says_so(alice: Any) -> None:
    page = alice.page.get("/contacts").text
    assert "No contacts yet" in page and "/api/v1/contacts" in page and "Add contact" in page
    make_contact(alice, "ada@acme.test")
    page = alice.page.get("/contacts?q=zebra").text
    assert "Nobody here" in page and "No contacts yet" not in page


def test_search_and_filters_stand_in_the_address_and_narrow_the_list(alice: Any) -> None:
    group = make_group(alice, "Newsletter")
    ada = make_contact(alice, "ada@acme.test", name="Ada Alder", company="Clockworks", tags=["press"])
    bea = make_contact(alice, "bea@acme.test", name="Bea Berg", group_ids=[group.id], subscribed=False)
    make_contact(alice, "cal@other.test", name="Cal Dahl", columns={"bounced_at": utcnow()})
    assert emails(alice.page.get("/contacts")) == ["cal", "bea", "ada"]
    for query, found in (
        ("q=clock", ["ada"]), ("q=berg", ["bea"]), ("tag=press", ["ada"]), (f"group={group.id}", ["bea"]), ("state=unsubscribed", ["bea"]),
        ("state=bounced", ["cal"]), ("state=subscribed", ["ada"]), ("after=2020-01-01&before=2020-12-31", []), ("tag=none", []),
        ("state=nonsense&after=never", ["cal", "bea", "ada"]),
    ):  # fmt: skip
        assert emails(alice.page.get(f"/contacts?{query}")) == found, query
    kept = alice.page.get("/contacts?q=acme&state=unsubscribed&sort=name").text
    assert 'value="acme"' in kept and 'name="state" value="unsubscribed"' in kept and "state=bounced" in kept
    assert emails(alice.page.get(f"/contacts?after={ada.created_at:%Y-%m-%d}&before={bea.created_at:%Y-%m-%d}")) == ["cal", "bea", "ada"]


def test_a_group_of_somebody_else_is_not_found(alice: Any, eve: Any) -> None:
    theirs = make_group(eve, "Theirs")
    assert alice.page.get(f"/contacts?group={theirs.id}").status_code == 422
    assert alice.page.get(f"/contact-groups/{theirs.id}").status_code == 404


def test_order_and_pages_go_on_by_cursor(alice: Any) -> None:
    for number in range(30):
        make_contact(alice, f"p{number:02}@acme.test", name=f"Name {(number * 7) % 30:02}", commit=False)
    db.session.commit()
    first = alice.page.get("/contacts")
    assert emails(first) == [f"p{number:02}" for number in range(29, 4, -1)] and "30 contacts" in first.text
    older = re.search(r'href="(/contacts\?cursor=[^"]+)" rel="next"', first.text)
    assert older and emails(alice.page.get(older[1])) == [f"p{number:02}" for number in range(4, -1, -1)]
    by_name = alice.page.get("/contacts?sort=name")
    assert emails(by_name)[:3] == ["p00", "p13", "p26"] and 'aria-sort="ascending"' in by_name.text
    assert alice.page.get("/contacts?cursor=nonsense").status_code == 422


def test_the_list_asks_few_questions_however_many_rows_it_has(alice: Any) -> None:
    def asked() -> list[str]:
        found: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if "contact" in statement or "tags" in statement or "segments" in statement:
                found.append(statement)

        db.session.commit()
        event.listen(db.engine, "before_cursor_execute", note)
        try:
            assert alice.page.get("/contacts").status_code == 200
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
        return found

    make_contact(alice, "a0@acme.test", tags=["one"])
    few = asked()
    for number in range(1, 20):
        make_contact(alice, f"a{number}@acme.test", tags=["one", f"two{number}"], commit=False)
    db.session.commit()
    many = asked()
    assert len(many) == len(few) <= 5, many


def test_a_page_of_a_group_shows_its_members_and_takes_the_bar_along(alice: Any) -> None:
    group = make_group(alice, "Newsletter")
    ids = make_many_contacts(alice, 3, group=group)
    make_contact(alice, "ada@acme.test")
    page = alice.page.get(f"/contact-groups/{group.id}")
    assert re.findall(r'id="contact-(\d+)"', page.text) == [str(one) for one in sorted(ids, reverse=True)] and "3 members" in page.text
    assert f'value="remove_from_group:{group.id}"' in page.text and f'name="query" value="group={group.id}"' in page.text
    assert "Nobody is on it yet" in alice.page.get(f"/contact-groups/{make_group(alice).id}").text


def test_a_viewer_sees_people_and_may_change_nothing(alice: Any, carol: Any) -> None:
    contact, tag = make_contact(alice, "ada@acme.test"), make_tag(alice, "press")
    page = carol.page.get("/contacts").text
    assert "ada@acme.test" in page and "Pick ada" not in page and "needs the role agent" in page
    shown = carol.page.get(f"/contacts/{contact.id}").text
    assert "ada@acme.test" in shown and "Add note" not in shown and "Erase" not in shown
    for path in ("/contacts/new", f"/contacts/{contact.id}/edit", f"/contacts/{contact.id}/delete", f"/tags/{tag.id}/edit", "/erasures"):
        assert carol.page.get(path).status_code == 403, path
    for path in (f"/contacts/{contact.id}/notes", f"/contacts/{contact.id}/unsubscribe", f"/contacts/{contact.id}/tags"):
        assert carol.page.post(path, {"text": "x", "tag": "x"}).status_code == 403, path


def test_people_of_another_workspace_are_not_found(alice: Any, eve: Any) -> None:
    contact = make_contact(alice, "ada@acme.test")
    for path in ("", "/edit", "/merge", "/export", "/erase", "/delete", "/subscribe", "/unsubscribe"):
        assert eve.page.get(f"/contacts/{contact.id}{path}").status_code == 404, path
    assert "ada@acme.test" not in eve.page.get("/contacts").text
