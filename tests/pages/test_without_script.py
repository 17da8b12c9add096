"""The dashboard with JavaScript switched off: plain forms and links do all of it, except that nothing comes by itself."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.flows.installation import wait_for
from tests.pages.look import Looker
from tests.pages.sample import OWNER, Sample

pytestmark = [pytest.mark.timeout(240), pytest.mark.browser]


@pytest.fixture
def plain(sample: Sample, browser: Browser) -> Iterator[Page]:
    """An owner's page without script; afterwards its console must have been silent."""
    looker = Looker(browser, sample.url, java_script_enabled=False)
    looker.sign_in(OWNER, sample.password)
    yield looker.page
    looker.context.close()
    assert [one for one in looker.said if "status of 422" not in one] == []  # a refused form is an answer, not a fault


def submit(page: Page, name: str) -> None:
    page.get_by_role("main").get_by_role("button", name=name, exact=True).first.click()
    page.wait_for_load_state()


def test_a_domain_a_mailbox_and_a_token_are_made(plain: Page) -> None:
    plain.goto("/domains/new")
    plain.locator("main [name=name]").fill("no such name")
    submit(plain, "Add domain")
    expect(plain.locator("main [name=name]")).to_have_value("no such name")  # a refusal keeps what was typed
    expect(plain.locator("main .error").first).to_be_visible()
    plain.locator("main [name=name]").fill("plain.test")
    submit(plain, "Add domain")
    expect(plain.get_by_role("heading", level=1)).to_contain_text("plain.test")
    plain.goto("/mailboxes/new")
    plain.locator("main [name=local_part]").fill("desk")
    plain.locator("main [name=domain_id]").select_option(label="plain.test")
    submit(plain, "Create mailbox")
    expect(plain.get_by_text("Copy the password now")).to_be_visible()
    plain.goto("/tokens/new")
    plain.locator("main [name=name]").fill("Plain program")
    submit(plain, "Create token")
    expect(plain.locator("#secret")).to_contain_text("tm_")


def test_a_route_with_its_rule_and_action_is_made_and_paused(plain: Page) -> None:
    plain.goto("/routes/new")
    plain.locator("main [name=name]").first.fill("By hand")
    plain.locator("[name=mailbox_id]").select_option(label="support@juniper.test")
    plain.locator("[name=rules-0-value]").fill("Lamp")
    plain.locator("[name=new_type]").select_option("set_data")
    submit(plain, "Add action")
    plain.locator("[name=actions-1-p-emails]").fill("$SENDER")
    plain.locator("[name=actions-1-p-data]").fill("asked: lamp")
    plain.locator("[name=actions-0-p-url]").fill("http://127.0.0.1:8099/hook")
    submit(plain, "Save route")
    expect(plain.get_by_role("heading", level=1)).to_contain_text("By hand")
    submit(plain, "Pause route")
    expect(plain.get_by_role("heading", level=1)).to_contain_text("off")
    submit(plain, "Run")
    expect(plain.locator("#dry-run-panel")).to_contain_text("This route would catch")


def test_a_mail_is_written_found_deleted_and_brought_back(plain: Page) -> None:
    plain.goto("/mail/new")
    plain.locator("[name=receivers]").fill("support@juniper.test")
    plain.locator("[name=subject]").fill("Quarterly unicycle")
    plain.locator("[name=body]").fill("Written without script.")
    submit(plain, "Send mail")

    def arrived() -> int:
        plain.goto("/search?q=in:inbox+unicycle")
        return plain.get_by_role("link", name="Quarterly unicycle").count()

    wait_for(arrived, "the mail")
    plain.locator("[role=search] [name=q]").first.fill("unicycle")
    plain.locator("[role=search] [name=q]").first.press("Enter")
    plain.get_by_role("link", name="Quarterly unicycle").first.click()
    expect(plain.locator("#why")).to_be_visible()
    submit(plain, "Delete")
    plain.goto("/trash?q=unicycle")
    row = plain.locator("main tr").filter(has_text="unicycle").first
    row.get_by_role("button", name=re.compile("Restore")).click()
    expect(plain.locator("#toasts")).to_contain_text("is back")


def test_many_rows_are_changed_and_changed_back(plain: Page, sample: Sample) -> None:
    plain.goto("/mailboxes")
    for name in ("invoices", "support"):
        plain.get_by_role("checkbox", name=f"Pick {name}@juniper.test").check()
    plain.locator("form.bulk, [data-bulk]").first.get_by_role("button", name=re.compile("Pause")).click()
    expect(plain.get_by_role("heading", level=1)).to_contain_text("Pause 2 mailboxes")
    submit(plain, "Pause 2 mailboxes")
    plain.goto("/mailboxes?state=paused")
    expect(plain.locator("main tbody tr")).to_have_count(2)
    change = plain.goto(f"/picks/changes/{sample.one('SELECT max(id) FROM pick_changes')}")
    assert change is not None and change.status == 200
    submit(plain, "Undo")
    plain.goto("/mailboxes?state=paused")
    expect(plain.get_by_text("No mailbox matches.")).to_be_visible()


def test_lists_are_narrowed_and_paged(plain: Page) -> None:
    plain.goto("/mail")
    plain.locator("#filter-q").fill("order")
    submit(plain, "Filter")
    expect(plain).to_have_url(re.compile(r"[?&]q=order"))
    assert plain.locator("#mails tbody tr").count() > 0
    plain.goto("/mail?per_page=10")
    first = plain.locator("#mails tbody a").first.inner_text()
    plain.get_by_role("link", name="Older").click()
    expect(plain.get_by_role("link", name="Newer")).to_be_visible()
    plain.get_by_role("link", name="Newer").click()
    expect(plain.locator("#mails tbody a").first).to_have_text(first)
    plain.goto("/audit")
    plain.locator("#filter-action").select_option("mailbox.create")
    submit(plain, "Filter")
    expect(plain.locator("#entries tbody tr").first).to_contain_text("mailbox.create")
    plain.locator("#entries a[aria-label^=Open]").first.click()
    expect(plain.locator("#entries .open .diff")).to_be_visible()


def test_the_pages_behind_dialogs_open_and_cancel(plain: Page) -> None:
    for path, back in (("/domains/1/delete", "/domains"), ("/routes/1/delete", "/routes"), ("/members/invite", "/members")):
        plain.goto(path)
        plain.locator("main").get_by_role("link", name="Cancel").click()
        expect(plain).to_have_url(re.compile(re.escape(back)))
    plain.goto("/profile/second-factor")
    expect(plain.get_by_text("Scan this picture")).to_be_visible()
    plain.locator("[name=code]").fill("000000")
    submit(plain, "Turn on second factor")
    expect(plain.locator("main .error").first).to_be_visible()


def test_the_theme_is_switched(plain: Page) -> None:
    plain.goto("/domains")
    for theme in ("light", "dark", None):
        plain.get_by_role("button", name=re.compile("Switch theme")).click()
        expect(plain).to_have_url(re.compile("/domains$"))
        assert plain.locator("html").get_attribute("data-theme") == theme
