"""The story of the spine by clicks: a newcomer sets up, makes a domain, a mailbox and a route, and watches a real mail go through."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.flows.browser import axe_violations, opened
from tests.flows.installation import OWNER, PASSWORD, Installation, Receiver, wait_for
from tests.flows.test_mail_to_webhook import send_mail

PAGES = (
    "/", "/domains", "/domains/1", "/mailboxes", "/mailboxes/1", "/routes", "/routes/1", "/runs", "/runs/1", "/queue", "/mail", "/mail/1",
    "/mail/new", "/test-mail", "/mailbox-data", "/tokens", "/tokens/new", "/audit", "/members", "/profile", "/trash",
)  # fmt: skip
pytestmark = [pytest.mark.timeout(240), pytest.mark.browser]


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    found = Installation(tmp_path)
    found.start()
    yield found
    found.stop()


def test_a_newcomer_sees_a_mail_call_a_webhook(installation: Installation) -> None:
    """Set-up link, domain, mailbox, route, a real mail over SMTP, the message, the run, the audit log; every page passes axe."""
    receiver = Receiver(200)
    try:
        with opened(installation.url) as (page, problems):
            set_up(page, installation)
            make_domain(page)
            make_mailbox(page)
            make_route(page, receiver.url)
            page.goto("/mail")
            send_mail(installation, "orders@acme.test", "Your invoice 7")
            expect(page.get_by_role("link", name="Your invoice 7")).to_be_visible(timeout=4000)  # arrives without a reload
            wait_for(lambda: receiver.got, "the webhook")
            assert receiver.json(0)["subject"] == "Your invoice 7"
            page.get_by_role("link", name="Your invoice 7").click()
            expect(page.get_by_role("region", name="Text")).to_contain_text("Please find it attached.")
            look_at_the_run(page)
            look_at_the_audit_log(page)
            for path in PAGES:
                page.goto(path)
                assert axe_violations(page) == [], path
            assert problems == []
    finally:
        receiver.stop()


def set_up(page: Page, installation: Installation) -> None:
    page.goto(installation.setup_url())
    page.locator("input[name=name]").fill("Ann")
    page.locator("input[name=email]").fill(OWNER)
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Create workspace").click()
    expect(page.get_by_role("heading", name="Home")).to_be_visible()


def make_domain(page: Page) -> None:
    page.goto("/domains/new")
    page.locator("main input[name=name]").fill("acme.test")
    page.locator("main button[type=submit]").click()
    expect(page.get_by_role("heading", name=re.compile("acme.test"))).to_be_visible()
    page.goto("/domains/1/vouch")
    page.locator("main button[type=submit]").click()
    expect(page.get_by_text("an owner vouched for it")).to_be_visible()


def make_mailbox(page: Page) -> None:
    page.goto("/mailboxes/new")
    page.locator("main input[name=local_part]").fill("orders")
    page.locator("main button[type=submit]").click()
    expect(page.get_by_text("Copy the password now")).to_be_visible()


def make_route(page: Page, url: str) -> None:
    page.goto("/routes/new")
    page.locator("main input[name=name]").fill("To the books")
    with page.expect_response("**/routes/new"):  # the form is swapped, since each field has its own kind of value
        page.locator("[name=rules-0-field]").select_option("subject")
    page.locator("[name=new_type]").select_option("set_data")
    page.get_by_role("button", name="Add action").click()
    page.get_by_role("button", name="Remove action 2").click()
    expect(page.locator("[name=actions-1-type]")).to_have_count(0)
    page.wait_for_timeout(300)  # htmx settles; what is typed from here on is typed into the form that stays
    page.locator("[name=rules-0-type]").select_option("includes")
    page.locator("[name=rules-0-value]").fill("invoice")
    page.locator("[name=actions-0-p-url]").fill(url)
    page.get_by_role("button", name=re.compile("^(Create|Save) route$")).first.click()
    expect(page.get_by_role("heading", name=re.compile("To the books"))).to_be_visible()


def look_at_the_run(page: Page) -> None:
    page.goto("/runs")
    expect(page.get_by_text("The rules matched and every action is done.")).to_be_visible()


def look_at_the_audit_log(page: Page) -> None:
    page.goto("/audit")
    for name in ("To the books", "orders@acme.test", "acme.test", OWNER):
        expect(page.locator("main")).to_contain_text(name)
