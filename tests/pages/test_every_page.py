"""Every page of the dashboard, as an owner, as a viewer and as a stranger. The list is the route table itself.

axe finds nothing in either theme, the console is silent, nothing lies over the edge of a phone, each page has one heading and a title.
"""

import re
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.pages.catalogue import NOT_A_PAGE, addresses
from tests.pages.look import Looker
from tests.pages.sample import OWNER, VIEWER, VIEWER_PASSWORD, Sample

pytestmark = [pytest.mark.timeout(400), pytest.mark.browser]


WITH_DIALOGS = (
    "/", "/domains", "/domains/1", "/mailboxes", "/mailboxes/1", "/routes", "/routes/1", "/members", "/tokens", "/profile", "/queue/1",
    "/mailbox-data?mailbox=1", "/trash", "/workspace", "/contacts", "/contact-groups/1", "/tags", "/custom-fields",
)  # fmt: skip


def report(wrong: dict[str, list[str]]) -> str:
    return "\n".join(f"{path}: {one}" for path, found in wrong.items() for one in found)


def all_of(looker: Looker, sample: Sample, route_table: Any, role: str) -> dict[str, list[str]]:
    wrong, refusals = {}, 0
    for address in addresses(route_table, sample.things, role):
        if address.status == 403:
            refusals += 1
            if refusals > 2:  # the page of refusals is one page; its status is that of every other
                status = looker.context.request.get(address.path).status
                wrong[address.path] = [] if status == 403 else [f"answered {status}, not 403"]
                continue
        # a viewer sees parts of the owner's pages, in the same colours
        wrong[address.path] = looker.visit(address.path, address.status, address.endpoint, colours=role == "owner")
    return {path: found for path, found in wrong.items() if found}


@pytest.mark.parametrize("role", ["owner", "viewer"])
def test_every_page_is_sound(role: str, sample: Sample, browser: Browser, route_table: Any) -> None:
    looker = Looker(browser, sample.url)
    looker.sign_in(*((OWNER, sample.password) if role == "owner" else (VIEWER, VIEWER_PASSWORD)))
    wrong = all_of(looker, sample, route_table, role)
    looker.context.close()
    assert not wrong, report(wrong)


def test_every_dialog_is_sound(sample: Sample, browser: Browser) -> None:
    """What opens over a page: each is swapped in, is modal, passes axe in both themes, and Escape closes it."""
    looker = Looker(browser, sample.url)
    looker.sign_in(OWNER, sample.password)
    page, seen, wrong = looker.page, set[str](), {}
    for path in WITH_DIALOGS:
        looker.open(path)
        for url in page.locator("[hx-target='#dialog'][hx-get]").evaluate_all("all => all.map(one => one.getAttribute('hx-get'))"):
            if (kind := re.sub(r"\d+", "1", url)) in seen:
                continue
            seen.add(kind)
            looker.said.clear()
            page.evaluate("url => htmx.ajax('GET', url, {target: '#dialog', swap: 'innerHTML'})", url)
            page.wait_for_selector("#dialog dialog:modal")
            wrong[url] = looker.judge()
            page.keyboard.press("Escape")
            page.wait_for_selector("#dialog dialog", state="detached")
    assert len(seen) > 10, seen
    looker.context.close()
    wrong = {url: faults for url, faults in wrong.items() if faults}
    assert not wrong, report(wrong)


def test_what_a_stranger_sees_is_sound(sample: Sample, browser: Browser) -> None:
    """The ways in, and the pages of links that are over."""
    looker = Looker(browser, sample.url)
    key = sample.reset_key("kim@juniper.test")
    pages: dict[str, int | None] = {
        "/login": None, "/forgot": None, "/setup": None, "/swagger/": None, f"/reset?key={key}": None,
        "/reset?key=over": 404, "/join?key=over": 404, "/nowhere": 404,
    }  # fmt: skip
    wrong = {}
    for path, status in pages.items():
        wrong[path] = looker.visit(path, status, "openapi.swagger" if path == "/swagger/" else "")
    wrong = {path: found for path, found in wrong.items() if found}
    looker.context.close()
    assert not wrong, report(wrong)


def test_what_is_left_out_exists_and_has_a_reason(route_table: Any) -> None:
    known = {rule.endpoint for rule in route_table.url_map.iter_rules()}
    assert set(NOT_A_PAGE) <= known and all(NOT_A_PAGE.values())
