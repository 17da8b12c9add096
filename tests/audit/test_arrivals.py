"""New entries come in by themselves at the top of the first page; everybody else sees how many are new."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from tests.flows.browser import axe_violations, opened
from tests.flows.installation import OWNER, PASSWORD, Installation
from webapp.audit import service
from webapp.audit.models import AuditHead
from webapp.audit.service import Target
from webapp.core.db import db


def note(alice: Any, count: int = 1, action: str = "thing.update") -> None:
    for number in range(count):
        service.record(alice.actor, action, Target("thing", number, "Thing"))
    db.session.commit()


def newest(alice: Any) -> int:
    return db.session.scalars(select(AuditHead.last_id).where(AuditHead.workspace_id == alice.actor.workspace_id)).one()


def test_news_count_what_came_since_and_what_the_filters_let_through(alice: Any, eve: Any) -> None:
    since = newest(alice)
    assert not alice.page.get(f"/audit/news?since={since}").get_data(as_text=True).strip()
    note(alice, 3)
    note(alice, 1, "other.update")
    note(eve, 5)
    assert "4 new entries" in alice.page.get(f"/audit/news?since={since}").get_data(as_text=True)
    assert "3 new entries" in alice.page.get(f"/audit/news?since={since}&action=thing.*").get_data(as_text=True)
    first = alice.page.get(f"/audit/news?since={since}&action=other&open=7").get_data(as_text=True)
    assert "1 new entry<" in first and 'hx-trigger="intersect once"' in first and "action=other&amp;open=7" in first
    later = alice.page.get(f"/audit/news?since={since}&later=1").get_data(as_text=True)
    assert "intersect" not in later, "a later page never changes by itself"


def test_the_list_asks_for_news_with_its_own_filters(alice: Any) -> None:
    note(alice, 60)
    page = alice.page.get("/audit?action=thing").get_data(as_text=True)
    asks = re.search(r'hx-get="(/audit/news\?[^"]+)" hx-trigger="audit-changed from:body, poll from:body"', page)
    assert asks and f"since={newest(alice)}" in asks[1] and "action=thing" in asks[1] and "later" not in asks[1]
    older = page.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    assert "later=1" in alice.page.get(older).get_data(as_text=True)


def test_a_committed_entry_rings_the_open_pages_of_its_workspace_alone(app: Any, alice: Any, eve: Any) -> None:
    hub = app.extensions["redis"].pubsub(ignore_subscribe_messages=True)
    hub.psubscribe("live:*")
    hub.get_message(timeout=1)
    service.record(alice.actor, "thing.update", Target("thing", 1, "Thing"))
    db.session.rollback()
    assert hub.get_message(timeout=0.1) is None, "nothing happened"
    note(alice, 3)
    heard = [message for message in iter(lambda: hub.get_message(timeout=0.2), None) if message["data"] == b"audit-changed"]
    hub.close()
    assert [message["channel"] for message in heard] == [f"live:{alice.workspace.id}".encode()], "once for three entries"


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    found = Installation(tmp_path, MAILROOM_ADMIN_EMAIL=OWNER, MAILROOM_ADMIN_PASSWORD=PASSWORD, MAILROOM_RATE_LIMITS="off")
    found.start(90)
    yield found
    found.stop()


@pytest.mark.timeout(240)
@pytest.mark.browser
def test_entries_arrive_in_a_real_browser_without_moving_what_somebody_reads(installation: Installation) -> None:
    token = installation.run("token", "create", "--kind", "workspace").stdout.strip()
    with installation.client(token) as api, opened(installation.url) as (page, problems):
        domain = api.post("/domains", json={"name": "acme.test"}).json()["data"]["id"]

        def change(count: int = 1) -> None:
            for _ in range(count):
                change.number += 1  # type: ignore[attr-defined]
                api.patch(f"/domains/{domain}", json={"note": f"note {change.number}"}).raise_for_status()  # type: ignore[attr-defined]

        change.number = 0  # type: ignore[attr-defined]
        change(60)
        page.goto("/login")
        page.locator("input[name=email]").fill(OWNER)
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("main button[type=submit]").click()
        expect(page.get_by_role("heading", name="Home")).to_be_visible()
        page.goto("/audit?action=domain.*")
        for _ in range(2):
            before = top(page)
            change()
            expect(page.locator("#entries tbody tr").first).not_to_have_id(before)
        page.mouse.wheel(0, 1500)
        page.wait_for_timeout(300)
        before = top(page)
        change(2)
        expect(page.get_by_role("link", name="2 new entries")).to_be_in_viewport()
        assert top(page) == before and not axe_violations(page)
        page.get_by_role("link", name="2 new entries").click()
        expect(page.locator("#entries tbody tr").first).not_to_have_id(before)
        page.get_by_role("link", name="Older").click()
        page.wait_for_url("**cursor=**")
        before = top(page)
        change()
        expect(page.get_by_role("link", name="1 new entry")).to_be_visible()
        assert top(page) == before
        assert not problems


def top(page: Page) -> str:
    return page.locator("#entries tbody tr").first.get_attribute("id") or ""
