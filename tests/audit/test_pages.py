"""The audit log at its doors: filters in the address, pages by cursor, masked detail, admins and owners only."""

from typing import Any

from sqlalchemy import select

from webapp.audit import service
from webapp.audit.models import AuditEntry
from webapp.audit.service import Target
from webapp.core.db import db


def note(person: Any, action: str, count: int = 1, **more: Any) -> None:
    for number in range(count):
        service.record(person.actor, action, Target(action.split(".")[0], number + 1, f"{action} {number}"), **more)
    db.session.commit()


def shown(page: str) -> list[str]:
    return page.split('id="entry-')[1:]


def test_the_page_is_for_admins_and_owners(alice: Any, bob: Any, carol: Any) -> None:
    assert alice.page.get("/audit").status_code == 200
    for person in (bob, carol):
        answer = person.page.get("/audit")
        assert answer.status_code == 403 and "needs the role admin" in answer.get_data(as_text=True)
        assert "Audit log" not in person.page.get("/").get_data(as_text=True)
        assert person.api.get("/audit-events").json["error"]["code"] == "forbidden"


def test_another_workspace_is_not_seen(alice: Any, eve: Any) -> None:
    note(eve, "secret.plan")
    foreign = db.session.scalars(select(AuditEntry.id).where(AuditEntry.action == "secret.plan")).one()
    assert "secret.plan" not in alice.page.get("/audit").get_data(as_text=True)
    assert alice.page.get(f"/audit/{foreign}").status_code == 404
    assert alice.api.get(f"/audit-events/{foreign}").status_code == 404


def test_filters_narrow_the_page_and_the_api_alike(alice: Any, bob: Any) -> None:
    note(alice, "route.create")
    note(alice, "route.update")
    note(bob, "rule.create")
    cases = {
        "action=route": {"route.create", "route.update"},
        "action=route.update": {"route.update"},
        "actor=bob": {"token.create", "rule.create"},
        "target_type=rule": {"rule.create"},
        "q=rule.create+0": {"rule.create"},
        "actor_type=system": {"token.create"},
    }
    for query, expected in cases.items():
        page = alice.page.get(f"/audit?{query}").get_data(as_text=True)
        found = {part.split("<code>")[1].split("</code>")[0] for part in shown(page)}
        assert found == expected, query
        if not query.startswith("q="):
            assert {row["action"] for row in alice.api.get(f"/audit-events?{query}").json["data"]} == expected, query


def test_days_are_inclusive_and_nonsense_is_told(alice: Any) -> None:
    today = f"{db.session.scalars(select(AuditEntry.at).limit(1)).one():%Y-%m-%d}"
    assert shown(alice.page.get(f"/audit?after={today}&before={today}").get_data(as_text=True))
    assert not shown(alice.page.get("/audit?before=2001-01-01").get_data(as_text=True))
    page = alice.page.get("/audit?after=yesterday&result=maybe")
    assert page.status_code == 200 and "was left out" in page.get_data(as_text=True)


def test_pages_go_on_by_cursor_without_gap_or_repetition(alice: Any) -> None:
    note(alice, "thing.update", 120)
    seen: list[str] = []
    address: str | None = "/audit?action=thing"
    while address:
        page = alice.page.get(address).get_data(as_text=True)
        seen += [part.split('"')[0] for part in shown(page)]
        older = page.split('rel="next"')
        address = older[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&") if len(older) > 1 else None
        note(alice, "thing.update")  # what arrives meanwhile moves nothing
    assert len(seen) == len(set(seen)) == 120


def test_an_open_entry_shows_the_masked_difference_and_its_place_in_the_chain(alice: Any) -> None:
    note(
        alice,
        "action.update",
        before={"url": "https://a.test", "secret": "hunter2hunter2"},
        after={"url": "https://b.test", "secret": "other"},
    )
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "action.update")).one()
    for address in (f"/audit?open={entry.id}", f"/audit/{entry.id}"):
        page = alice.page.get(address).get_data(as_text=True)
        assert "https://a.test" in page and "https://b.test" in page and "hunter2" not in page
        assert f"{entry.hash[:4]}…{entry.hash[-4:]}" in page


def test_the_wire_form_is_the_one_of_the_contract(alice: Any) -> None:
    alice.api.patch(f"/workspaces/{alice.workspace.id}", json={"name": "Acme 2"}, headers={"X-Request-Id": "req_wire"})
    row = alice.api.get("/audit-events?request_id=req_wire").json["data"][0]
    assert set(row) == {
        "id", "at", "actor", "token", "action", "target", "result", "reason", "before", "after", "ip", "request_id", "hash", "previous_hash"
    }  # fmt: skip
    assert set(row["actor"]) == {"type", "id", "name"} and set(row["token"]) == {"id", "name", "last_four"}
    assert row["before"] == {"name": "Acme"} and row["after"] == {"name": "Acme 2"} and row["at"].endswith("Z")
    assert set(row["target"]) == {"type", "id", "name"} and row["target"]["type"] == "workspace"


def test_c55_hostile_names_in_the_log_are_escaped(alice: Any) -> None:
    note(alice, "<img src=x onerror=alert(1)>.update", after={"<b>": "<script>alert(1)</script>"})
    entry = db.session.scalars(select(AuditEntry.id).order_by(AuditEntry.id.desc()).limit(1)).one()
    page = alice.page.get(f"/audit?open={entry}").get_data(as_text=True)
    assert "<img src=x" not in page and "<script>alert" not in page and "<b>" not in page.split("What changed")[1].split("</table>")[0]
