"""Every filter finds what it should at both doors, stays in the address, and has an index on both databases."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from webapp.audit import chain, service
from webapp.audit.search import Search, distinct
from webapp.audit.service import Target
from webapp.core.actor import Actor
from webapp.core.db import db, is_sqlite
from webapp.core.paging import PageRequest

ONE_OF_EACH: dict[str, Any] = {
    "actor_type": "user", "actor_id": 1, "token_id": 7, "action": "route.update", "target_type": "route", "target_id": 3,
    "result": "refused", "ip": "192.0.2.7", "request_id": "req_7",
    "after": datetime(2026, 1, 1, tzinfo=UTC), "before": datetime(2026, 1, 2, tzinfo=UTC),
    "q": "orders", "actor": "oskar",
}  # fmt: skip


def actor_of(person: Any, **more: Any) -> Actor:
    values = {name: getattr(person.actor, name) for name in ("workspace_id", "role", "scopes")}
    return Actor(**{**values, "type": "user", **more})


def note(actor: Actor, action: str, target: Target, **more: Any) -> None:
    service.record(actor, action, target, **more)
    db.session.commit()


def some(alice: Any) -> None:
    oskar = actor_of(alice, id=901, name="Oskar Holm", ip="192.0.2.7", request_id="req_oskar")
    shop = actor_of(
        alice, type="token", id=902, name="Web shop", token_id=902, token_name="Web shop", token_last_four="aB3x", ip="2001:db8::1",
        request_id="r-2",
    )  # fmt: skip
    note(oskar, "route.create", Target("route", 11, "Orders to the Café"))
    note(oskar, "route.update", Target("route", 11, "Orders to the Café"), result="refused", reason="needs the role admin")
    note(shop, "rule.create", Target("rule", 11, "Bills & <invoices>"))
    note(shop, "message.send", Target("message", 12, "Re: orders=2026"))
    note(Actor.system(alice.actor.workspace_id, "Scheduler"), "domain.check", Target("domain", 13, "lindgren.example"))


CASES = {
    "q=orders": {"route.create", "route.update", "message.send"},
    "q=ORD": {"route.create", "route.update", "message.send"},
    "q=orders+cafe": {"route.create", "route.update"},
    "q=café": {"route.create", "route.update"},
    "q=lindgren.example": {"domain.check"},
    "q=%22orders%22+AND+NOT": set(),
    "q=invoices*": {"rule.create"},
    "q=…": set(),
    "q=192.0.2.7": {"route.create", "route.update"},
    "q=req_oskar": {"route.create", "route.update"},
    "actor=shop": {"rule.create", "message.send"},
    "actor=holm+osk": {"route.create", "route.update"},
    "actor=orders": set(),
    "actor_type=token&actor_id=902": {"rule.create", "message.send"},
    "actor_id=901": {"route.create", "route.update"},
    "token_id=902": {"rule.create", "message.send"},
    "action=route": {"route.create", "route.update"},
    "action=route.*": {"route.create", "route.update"},
    "action=route.create": {"route.create"},
    "action=rout": set(),
    "target_type=route&target_id=11": {"route.create", "route.update"},
    "target_id=11": {"route.create", "route.update", "rule.create"},
    "target_type=domain": {"domain.check"},
    "result=refused": {"route.update"},
    "result=done&actor=oskar": {"route.create"},
    "ip=2001:db8::1": {"rule.create", "message.send"},
    "request_id=r-2": {"rule.create", "message.send"},
    "q=orders&token_id=902&result=done": {"message.send"},
}


def test_each_filter_answers_alike_on_the_page_and_in_the_api(alice: Any) -> None:
    some(alice)
    for query, expected in CASES.items():
        rows = alice.api.get(f"/audit-events?{query}").json
        assert {row["action"] for row in rows["data"]} == expected, query
        assert rows["meta"]["total"] == len(rows["data"]), query
        page = alice.page.get(f"/audit?{query}").get_data(as_text=True)
        shown = {part.split("<code>")[1].split("</code>")[0] for part in page.split('id="entry-')[1:]}
        assert shown == expected, query


def test_a_range_of_time_finds_everything_although_the_clock_was_set_back(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    noon = datetime(2030, 5, 1, 12, tzinfo=UTC)
    minutes = [0, 10, 20, 5, 6, 30, 29, 40, 1, 50]
    for number, minute in enumerate(minutes):
        monkeypatch.setattr(chain, "utcnow", lambda minute=minute: noon + timedelta(minutes=minute))
        note(alice.actor, "thing.update", Target("thing", number, "Thing"))
    for start in range(-1, 52, 4):
        for end in range(start, 53, 5):
            after, before = noon + timedelta(minutes=start), noon + timedelta(minutes=end)
            found = service.search(alice.actor, {"after": after, "before": before, "action": "thing"}, PageRequest(1, 100))
            assert sorted(row.target_id or 0 for row in found.items) == [n for n, minute in enumerate(minutes) if start <= minute < end]


def test_the_total_is_exact_without_filters_and_capped_with_them(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "CAP", 3)
    before = alice.api.get("/audit-events").json["meta"]["total"]
    for number in range(5):
        service.record(alice.actor, "thing.update", Target("thing", number, "Thing"))
    db.session.commit()
    assert alice.api.get("/audit-events?per_page=1").json["meta"]["total"] == before + 5
    meta = alice.api.get("/audit-events?per_page=1&action=thing").json["meta"]
    assert (meta["total"], meta["total_is_capped"]) == (3, True)


def test_cursors_go_through_a_search_by_words_without_gap_or_repetition(alice: Any) -> None:
    for number in range(25):
        service.record(alice.actor, "thing.update", Target("thing", number, "orders" if number % 2 else "bills"))
    db.session.commit()
    seen: list[int] = []
    address: str | None = "/audit-events?q=orders&per_page=5"
    while address:
        answer = alice.api.get(address).json
        seen += [row["target"]["id"] for row in answer["data"]]
        cursor = answer["meta"]["next_cursor"]
        address = f"/audit-events?q=orders&per_page=5&cursor={cursor}" if cursor else None
    assert seen == list(range(23, 0, -2))


def test_each_filter_in_use_can_be_taken_away_and_the_address_is_a_bookmark(alice: Any) -> None:
    some(alice)
    page = alice.page.get("/audit?action=rule.*&token_id=902&ip=2001:db8::1").get_data(as_text=True)
    tags = {"Action: rule.*": "token_id=902", "Token: Web shop …aB3x": "action=rule.*", "From: 2001:db8::1": "action=rule.*"}
    for words, kept in tags.items():
        link = next(part for part in page.split('<a class="btn small" href="')[1:] if words in part.split("</a>")[0])
        assert kept in link.split('"')[0] and len(link.split('"')[0].split("&amp;")) == 2
    form = alice.page.get("/audit?action=rule.*&actor=&q=", htmx=True)
    assert form.headers["HX-Push-Url"] == "/audit?action=rule.*", "empty fields of the form are no filters"


def test_the_quick_states_say_how_many_there_are_and_as_of_when(alice: Any) -> None:
    some(alice)
    page = alice.page.get("/audit").get_data(as_text=True)
    chips = page.split('aria-label="Kind"')[1].split("</nav>")[0]
    total = alice.api.get("/audit-events").json["meta"]["total"]
    assert f'All <span class="count">{total}</span>' in chips and 'Refused <span class="count">1</span>' in chips
    assert "Counted <time" in page
    narrowed = alice.page.get("/audit?action=route").get_data(as_text=True).split('aria-label="Kind"')[1].split("</nav>")[0]
    assert 'All <span class="count">2</span>' in narrowed and 'People <span class="count">2</span>' in narrowed
    assert "action=route&amp;result=refused" in narrowed, "a quick state keeps the other filters"


def test_what_a_token_did_is_found_after_it_was_revoked_and_named_as_it_was(alice: Any) -> None:
    api = alice.token_with("*", kind="workspace")
    api.patch(f"/workspaces/{alice.workspace.id}", json={"name": "Acme 2"})
    token = api.get("/tokens/current").json["data"]
    assert alice.api.delete(f"/tokens/{token['id']}").status_code == 200
    rows = alice.api.get(f"/audit-events?token_id={token['id']}").json["data"]
    assert [row["action"] for row in rows if row["result"] == "done"] == ["workspace.update"]
    assert rows[-1]["token"] == {"id": token["id"], "name": token["name"], "last_four": api.token[-4:]}
    page = alice.page.get(f"/audit?token_id={token['id']}").get_data(as_text=True)
    assert f"Token: {token['name']} …{api.token[-4:]}" in page and f'<option value="{token["id"]}" selected>' in page


def explained(query: Any) -> str:
    """The plan of a statement, as the database tells it."""
    asked: list[tuple[str, Any]] = []

    def listen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", listen)
    try:
        db.session.execute(query).all()
    finally:
        event.remove(db.engine, "before_cursor_execute", listen)
    statement, parameters = asked[-1]
    explain = "EXPLAIN QUERY PLAN " if is_sqlite() else "EXPLAIN "
    rows = db.session.connection().exec_driver_sql(explain + statement, parameters).all()
    return "\n".join(str(row[-1]) for row in rows)


@pytest.mark.parametrize("name", list(ONE_OF_EACH))
def test_each_filter_walks_an_index_in_its_order_without_sorting(alice: Any, name: str) -> None:
    some(alice)
    filters = {name: ONE_OF_EACH[name]}
    if name in ("actor_id", "target_id"):
        filters[f"{name[:-3]}_type"] = ONE_OF_EACH[f"{name[:-3]}_type"]
    if not is_sqlite():
        for setting in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
            db.session.execute(text(f"SET LOCAL {setting} = off"))
    plan = explained(Search(alice.actor.workspace_id, filters).select(chain.AuditEntry.id, most=50))
    assert "Seq Scan" not in plan and "SCAN audit_entries" not in plan, plan
    few = name in ("q", "actor") and not is_sqlite()  # few hits of the words are taken by their ids, and sorted
    assert few or ("TEMP B-TREE" not in plan and "Sort" not in plan), plan
    if is_sqlite() and name in ("q", "actor"):
        assert "VIRTUAL TABLE" in plan.splitlines()[0], "the index of words leads"


def test_the_choices_are_what_the_log_knows(alice: Any) -> None:
    some(alice)
    page = alice.page.get("/audit").get_data(as_text=True)
    for value in ("route.*", "route.create", "domain.check"):
        assert f'<option value="{value}">' in page
    assert distinct(alice.actor.workspace_id, "target_type")[:2] == ["domain", "message"]


def test_many_hits_of_a_word_are_met_on_the_walk(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.audit.names.FEW", 2)
    some(alice)
    found = alice.api.get("/audit-events?q=orders").json["data"]
    assert {row["action"] for row in found} == {"route.create", "route.update", "message.send"}
