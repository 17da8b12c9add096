"""The bar below the contacts in a real browser: picked by keyboard, a tag asked for in a dialog, done, and taken back."""

import pytest
from playwright.sync_api import Browser, expect

from tests.pages.look import Looker
from tests.pages.sample import OWNER, Sample

pytestmark = [pytest.mark.timeout(300), pytest.mark.browser]


def test_contacts_are_picked_tagged_and_as_before_again_by_keyboard(sample: Sample, browser: Browser) -> None:
    looker = Looker(browser, sample.url)
    looker.sign_in(OWNER, sample.password)
    page = looker.page
    looker.open("/contacts")
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    expect(page.locator(".bulk")).to_contain_text("2 picked. 2 subscribed")
    page.locator(".bulk button[value=add_tag]").press("Enter")
    field = page.locator("dialog:modal #told")
    expect(field).to_be_focused()
    field.fill("Keyboard made")
    field.press("Enter")
    expect(page.locator(".toast")).to_contain_text("2 contacts tagged keyboard-made.", timeout=15_000)
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator(".rows .tag", has_text="keyboard-made").first).to_be_visible(timeout=15_000)
    page.keyboard.press("u")
    expect(page.locator(".toast", has_text="2 contacts are as before.")).to_be_visible()
    expect(page.locator(".rows .tag", has_text="keyboard-made")).to_have_count(0, timeout=15_000)
    assert looker.said == []
    looker.context.close()
