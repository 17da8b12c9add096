"""Pages of segments: the list, one of them, and the builder by plain posts and with htmx."""

import re
from typing import Any

from sqlalchemy import select

from tests.segments.test_service import add_campaign, people
from webapp.contacts.models import ContactGroup, CustomField, Tag
from webapp.core.db import db, utcnow
from webapp.segments import draft, service, words
from webapp.segments.draft import Draft
from webapp.segments.examples import EXAMPLES
from webapp.segments.models import Segment

LUND = {"field": "city", "operator": "equals", "value": "Lund"}
SCORE = {"field": "lead_score", "operator": "gte", "value": 50}
NESTED = {"match": "any", "conditions": [LUND, {"match": "all", "conditions": [LUND, SCORE]}]}


def make(person: Any, name: str = "In Lund", **tree: Any) -> Segment:
    row = service.create_segment(person.actor, name=name, **(tree or {"conditions": [LUND]}))
    db.session.commit()
    return row


def form(**values: Any) -> dict[str, Any]:
    """One condition, city is Lund, with changes; names are written with _ for -."""
    given = {"name": "Here", "match": "all", "n_0_field": "city", "n_0_operator": "equals", "n_0_value": "Lund", **values}
    return {name.replace("_", "-") if name.startswith("n_") else name: value for name, value in given.items()}


def test_an_empty_list_teaches_and_offers_examples(bob: Any, carol: Any) -> None:
    page = bob.page.get("/segments").text
    assert "No segments yet" in page
    assert all(f"/segments/new?example={key}" in page for key in EXAMPLES)
    assert "/segments/new" not in carol.page.get("/segments").text


def test_each_example_opens_in_the_builder_and_can_be_saved(bob: Any) -> None:
    add_campaign(bob.workspace.id, state="sent")
    db.session.commit()
    for key, example in EXAMPLES.items():
        page = bob.page.get(f"/segments/new?example={key}")
        assert page.status_code == 200 and example.name in page.text
        names = dict(re.findall(r'<input [^>]*id="(n-[\d-]+-value)" [^>]*value="([^"]*)"', page.text))
        assert all(names.values()), key
        assert service.create_segment(bob.actor, name=example.name, **example.tree).name == example.name
        db.session.rollback()


def test_the_list_says_conditions_in_words_and_counts_on_demand(bob: Any) -> None:
    people(bob, "Lund", "Oslo")
    row = make(bob, "Near", **NESTED)
    page = bob.page.get("/segments").text
    assert "City is Lund or (City is Lund and Lead score is at least 50)" in page
    assert bob.page.get(f"/segments/{row.id}/count", htmx=True).text.strip() == "1"
    assert "Near" not in bob.page.get("/segments?q=far").text
    assert "Near" in bob.page.get("/segments?q=nea", htmx=True).text


def test_a_segment_page_shows_who_fits_and_leads_to_them(bob: Any) -> None:
    people(bob, "Lund", "Oslo")
    row = make(bob)
    page = bob.page.get(f"/segments/{row.id}").text
    assert "1 contact of 2 fits now." in page and "Person 0" in page and "Person 1" not in page
    assert f"/contacts?segment={row.id}" in page
    listed = bob.page.get(f"/contacts?segment={row.id}").text
    assert "Person 0" in listed and "Person 1" not in listed


def test_a_segment_is_built_by_plain_posts(bob: Any) -> None:
    people(bob, "Lund", "Oslo")
    page = bob.page.post("/segments/new", form(do="add", name="Both")).text
    assert 'name="n-1-field"' in page and 'value="Both"' in page and db.session.scalar(select(Segment.id)) is None
    page = bob.page.post("/segments/new", form(do="group")).text
    assert 'name="n-1-match"' in page and 'name="n-1-0-field"' in page
    answer = bob.page.post("/segments/new", form(n_1_match="any", n_1_0_field="lead_score", n_1_0_operator="gte", n_1_0_value="49.5"))
    assert answer.status_code == 303
    row = db.session.scalars(select(Segment)).one()
    assert row.conditions[1] == {"match": "any", "conditions": [{"field": "lead_score", "operator": "gte", "value": 49.5}]}
    edit = bob.page.get(f"/segments/{row.id}/edit").text
    assert 'value="49.5"' in edit and 'value="Here"' in edit
    assert bob.page.post(f"/segments/{row.id}/edit", form(name="There")).status_code == 303
    db.session.expire_all()
    assert (row.name, row.conditions) == ("There", [LUND])


def test_what_htmx_swaps_in_posts_to_the_same_page_again(bob: Any) -> None:
    part = bob.page.post("/segments/new", form(do="refresh"), htmx=True).text
    assert set(re.findall(r'hx-post="([^"]*)"', part)) == {"/segments/new", "/segments/preview"}
    row = make(bob)
    part = bob.page.post(f"/segments/{row.id}/edit", form(do="add"), htmx=True).text
    assert set(re.findall(r'hx-post="([^"]*)"', part)) == {f"/segments/{row.id}/edit", "/segments/preview"}


def test_a_refused_form_keeps_what_was_typed_and_says_where_it_is_wrong(bob: Any) -> None:
    answer = bob.page.post("/segments/new", form(n_1_field="created_at", n_1_operator="within_days", n_1_value="soon", name=""))
    assert answer.status_code == 422
    assert "Write a whole number of days" in answer.text and "Write a name" in answer.text and 'value="Lund"' in answer.text
    assert "2 fields need" in answer.text
    deep = form(do="add", n_0_field="nobody", n_0_operator="equals")
    assert bob.page.post("/segments/new", deep).status_code == 200
    assert bob.page.post("/segments/new", {**deep, "do": "save"}).status_code == 422


def test_the_live_count_follows_the_form(carol: Any) -> None:
    people(carol, "Lund", "Oslo", "Lund")
    page = carol.page.post("/segments/preview", form(), htmx=True).text
    assert "<b>2</b> of 3 contacts" in page and "Person 2" in page and "Person 1" not in page
    unfinished = carol.page.post("/segments/preview", form(n_0_value=""), htmx=True)
    assert unfinished.status_code == 200 and "Write something to compare with" in unfinished.text


def test_values_are_chosen_where_they_are_known(bob: Any) -> None:
    tag = Tag(workspace_id=bob.workspace.id, name="vip", color="#112233")
    group = ContactGroup(workspace_id=bob.workspace.id, name="News & more")
    field = CustomField(workspace_id=bob.workspace.id, key="size", label="Size of hat", type="dropdown", options=["S", "M"])
    db.session.add_all([tag, group, field])
    campaign = add_campaign(bob.workspace.id, state="sent", started_at=utcnow())
    db.session.commit()
    conditions = [
        {"field": "tag", "operator": "in", "value": ["vip"]}, {"field": "group", "operator": "equals", "value": group.id},
        {"field": "opened_campaign", "operator": "not_equals", "value": campaign.id},
        {"field": "custom.size", "operator": "equals", "value": "M"}, {"field": "subscribed", "operator": "equals", "value": True},
        {"field": "source", "operator": "in", "value": ["api", "page"]}, {"field": "phone", "operator": "is_empty", "value": None},
        {"field": "city", "operator": "in", "value": ["Lund", "Oslo"]},
        {"field": "last_active_at", "operator": "before", "value": "2026-03-25"},
    ]  # fmt: skip
    row = make(bob, "All kinds", conditions=conditions)
    page = bob.page.get(f"/segments/{row.id}/edit").text
    chosen = {tag.id: "vip", group.id: "News &amp; more", "M": "M", campaign.id: "Spring", "true": "yes"}
    for value, label in chosen.items():
        assert f'<option value="{value}" selected>{label}' in page, label
    assert "Size of hat" in page and "Lund\nOslo</textarea>" in page
    shown = bob.page.get(f"/segments/{row.id}").text
    for said in ("Tag has one of vip", "Group is on News &amp; more", "Opened not the campaign “Spring”", "Size of hat is M"):
        assert said in shown, said
    sent = draft.of_tree(service.tree_of(row), row.name)
    assert sent.tree(words.fields_of(bob.workspace.id))["conditions"] == row.conditions


def test_a_form_of_a_tree_is_that_tree_again(bob: Any) -> None:
    tree = service.read_tree(bob.workspace.id, {"match": "any", "conditions": [NESTED, {**LUND, "operator": "in", "value": ["a", "b"]}]})
    given = draft.of_tree(tree)
    assert given.tree(words.fields_of(bob.workspace.id)) == tree
    assert [node.place for node in given.nodes()] == ["0", "1", "0-0", "0-1", "0-1-0", "0-1-1"]


def test_buttons_that_do_not_fit_change_nothing() -> None:
    given = Draft()
    for do in ("remove-0", "remove-9-9", "add-3", "group-x", "jump", "", "remove-", "add-0-0-0-0-0-0-0"):
        given.apply(do)
        assert given.root.children == []
    for _ in range(200):
        given.apply("add")
    assert len(given.root.children) == 100
    given = Draft()
    given.apply("group")
    for depth in range(8):
        given.apply("group-0" + "-1" * depth)
    assert max(node.level for node in given.nodes() if node.match) == 5


def test_a_group_that_loses_its_last_condition_goes() -> None:
    given = Draft()
    given.apply("add")
    given.apply("group")
    given.apply("remove-1-0")
    assert [node.match for node in given.nodes()] == [None]


def test_deleting_asks_first_and_a_segment_in_use_stays(bob: Any, carol: Any) -> None:
    row = make(bob)
    path = f"/segments/{row.id}"
    assert "Delete segment?" in bob.page.get(f"{path}/delete").text
    assert carol.page.post(f"{path}/delete").status_code == 403
    campaign = add_campaign(bob.workspace.id, state="scheduled", segment_ids=[row.id])
    db.session.commit()
    assert "“Spring”" in bob.page.get(f"{path}/delete").text
    assert bob.page.post(f"{path}/delete").status_code == 303
    assert "Used by" in bob.page.get(path).text
    campaign.state = "draft"
    db.session.commit()
    assert bob.page.post(f"{path}/delete", htmx=True).headers["HX-Redirect"] == "/segments"
    assert bob.page.get(path).status_code == 404


def test_markup_in_names_and_values_is_text(bob: Any) -> None:
    evil = "<img src=x onerror=alert(1)>"
    row = make(bob, evil, conditions=[{**LUND, "value": evil}], description=evil)
    for path in ("/segments", f"/segments/{row.id}", f"/segments/{row.id}/edit", f"/segments/{row.id}/delete"):
        page = bob.page.get(path)
        assert page.status_code == 200 and evil not in page.text and "&lt;img" in page.text, path


def test_a_segment_of_others_is_not_there(bob: Any, eve: Any) -> None:
    row = make(eve)
    for path in ("", "/edit", "/delete", "/count"):
        assert bob.page.get(f"/segments/{row.id}{path}").status_code == 404, path
    assert bob.page.get(f"/contacts?segment={row.id}").status_code in (404, 422)
