"""The editor of a campaign in a real browser: it saves by itself, loses no keystroke, and tells when somebody else saved."""

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.flows.installation import wait_for
from tests.pages.look import Looker
from tests.pages.sample import OWNER, Sample

pytestmark = [pytest.mark.timeout(300), pytest.mark.browser]


def begin_draft(page: Page) -> str:
    page.goto("/campaigns/new")
    page.locator("main [name=name]").fill("Written in pieces")
    page.get_by_role("button", name="Create draft").click()
    page.wait_for_url(re.compile("/campaigns/[0-9]+/edit$"))
    return page.url


def test_a_draft_is_saved_while_it_is_written_and_a_second_writer_is_told(sample: Sample, browser: Browser) -> None:
    looker = Looker(browser, sample.url)
    looker.sign_in(OWNER, sample.password)
    page = looker.page
    address = begin_draft(page)
    number = int(address.split("/")[-2])

    def kept() -> str:
        page.wait_for_timeout(50)
        return str(sample.one(f"SELECT subject FROM campaigns WHERE id = {number}"))

    subject, saved = page.locator("#subject"), page.locator("[data-saved]").first
    held: list[Route] = []
    page.route("**/autosave", lambda route: route.continue_() if held else held.append(route))
    with page.expect_request("**/autosave"):
        subject.press_sequentially("Half")
        expect(page.locator("[data-unsaved]").first).to_be_visible()
    subject.press_sequentially(" and whole")  # typed while the server has not answered yet
    wait_for(lambda: kept() is not None and held, "the first words in the gate")
    held[0].continue_()
    expect(saved).to_have_text(re.compile("Saved [0-9]{2}:[0-9]{2}"))
    expect(page.locator("[data-unsaved]").first).to_be_hidden()
    wait_for(lambda: kept() == "Half and whole", "all that was typed")
    expect(subject).to_have_value("Half and whole")

    other = looker.context.new_page()
    other.goto(address)
    other.locator("#subject").fill("From the other window")
    expect(other.locator("[data-saved]").first).to_have_text(re.compile("Saved"))
    subject.fill("Mine")
    clash = page.locator("[data-clash]")
    expect(clash).to_contain_text("You saved this campaign in another window")
    assert kept() == "From the other window" and subject.input_value() == "Mine"
    looker.said = [one for one in looker.said if "409" not in one]  # a refusal is an answer, the browser notes it all the same
    assert [*looker.judge(), *looker.said] == []
    clash.get_by_role("button", name="Save mine over it").click()
    page.wait_for_url(re.compile(r"/campaigns/[0-9]+$"))
    assert kept() == "Mine"
    looker.context.close()


def test_without_an_answer_it_says_so_and_goes_on_when_the_server_is_back(sample: Sample, browser: Browser) -> None:
    looker = Looker(browser, sample.url)
    looker.sign_in(OWNER, sample.password)
    page = looker.page
    begin_draft(page)
    mark: Any = page.locator("[data-unsaved]").first
    page.route("**/autosave", lambda route: route.abort())
    page.locator("#preheader").fill("Out of reach")
    expect(mark).to_contain_text("not saved: no connection")
    page.unroute("**/autosave")
    page.locator("#preheader").press("Control+s")
    expect(page.locator("[data-saved]").first).to_have_text(re.compile("Saved"))
    expect(mark).to_be_hidden()
    looker.context.close()
