"""A newsletter from the first file to the last unsubscription, in Chromium: a real installation, a real SMTP server that takes its mail.

Left out by name, because it is not there yet: reading the copies in a sandbox inbox; the server that takes the mail shows them here.
"""

import email
import email.policy
import re
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.faults.sink import Sink
from tests.flows.browser import axe_violations, opened
from tests.flows.installation import OWNER, PASSWORD, Installation, wait_for

pytestmark = [pytest.mark.timeout(400), pytest.mark.browser]

PEOPLE = 12
LETTER = """<h1>Hello {{contact.first_name|default:"reader"}}</h1>
<p>The <a href="https://acme.test/autumn?utm=mail&amp;x=1">autumn list</a> is here, for {{contact.city}}.</p>"""


class Letters(Sink):
    """Keeps the mails beside its ledger."""

    def __init__(self, file: Path) -> None:
        self.mails: dict[str, EmailMessage] = {}
        super().__init__(file, seed=1)

    def _store(self, recipient: str, body: bytes, misdeed: str) -> None:
        read: Any = email.message_from_bytes(body, policy=email.policy.default)
        assert recipient not in self.mails, f"{recipient} got a second copy"
        self.mails[recipient] = read
        super()._store(recipient, body, misdeed)


def test_a_newsletter_from_the_file_to_the_last_unsubscription(tmp_path: Path) -> None:
    sink = Letters(tmp_path / "sink.jsonl")
    settings = {"MAILROOM_ADMIN_EMAIL": OWNER, "MAILROOM_ADMIN_PASSWORD": PASSWORD}
    house = Installation(tmp_path, MAILROOM_TRANSPORT=f"smtp://127.0.0.1:{sink.port}", **settings)
    house.environment["MAILROOM_PUBLIC_URL"] = house.url
    try:
        house.start()
        token = house.run("token", "create", "--kind", "workspace", "--name", "story", "--expires", "1d").stdout.strip()
        with house.client(token) as api, opened(house.url) as (page, problems):
            prepare(api)
            sign_in(page)
            import_with_a_mistake_and_undo(page, api, tmp_path)
            import_again(page, api, tmp_path)
            make_segment(page)
            write_and_test(page, sink)
            campaign = send_pause_resume(page, sink)
            look_at_a_copy(api, sink, campaign)
            leave_by_one_click_and_by_the_page(page, house, sink)
            read_the_statistics(page, api, campaign)
            assert axe_violations(page) == []
            assert problems == []
        assert "all as they were written" in house.run("audit", "verify").stdout
    finally:
        house.stop()
        sink.stop()


def prepare(api: httpx.Client) -> None:
    """A verified domain and the mailbox that sends; one address is on the suppression list already."""
    domain = api.post("/domains", json={"name": "acme.test"}).json()["data"]
    assert api.post(f"/domains/{domain['id']}/verify", json={"by_hand": True}).json()["data"]["verified"] is True
    assert api.post("/mailbox/", json={"domain_id": domain["id"], "local_part": "news"}).status_code == 201
    assert api.post("/contact-groups", json={"name": "Readers"}).status_code == 201
    assert api.post("/suppressions", json={"address": "reader3@elsewhere.test", "reason": "manual"}).status_code in (200, 201)


def sign_in(page: Page) -> None:
    page.goto("/login")
    page.locator("input[name=email]").fill(OWNER)
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Home")).to_be_visible()


def number_of_contacts(api: httpx.Client) -> int:
    return int(api.get("/contacts").json()["meta"]["total"])


def upload(page: Page, file: Path) -> None:
    page.goto("/contacts/imports/new")
    page.locator("main input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("select[name=column-0]")).to_be_visible()


def import_with_a_mistake_and_undo(page: Page, api: httpx.Client, folder: Path) -> None:
    """Town and first name are mixed up: seen after the import, undone with one click, and nobody is there as before."""
    file = folder / "readers.csv"
    rows = [f"reader{number}@elsewhere.test,Reader{number},Lyon" for number in range(1, PEOPLE + 1)]
    file.write_text("\n".join(["Mail,Who,Where", *rows, "not an address,Nobody,Nowhere"]) + "\n")
    upload(page, file)
    for column, field in (("column-0", "email"), ("column-1", "city"), ("column-2", "first_name")):
        page.locator(f"select[name={column}]").select_option(field)
    page.get_by_role("button", name=re.compile("Preview|Look|Check", re.I)).click()
    main = page.locator("main")
    expect(main).to_contain_text(f"{PEOPLE} new", timeout=30_000)
    assert number_of_contacts(api) == 0, "a preview changes nothing"
    page.get_by_role("button", name=re.compile("^(Start|Import)", re.I)).first.click()
    expect(main).to_contain_text("Undoing is offered", timeout=30_000)
    assert number_of_contacts(api) == PEOPLE
    assert api.get("/contacts?search=reader1").json()["data"][0]["name"] == "Lyon", "the mistake shows"
    page.get_by_role("link", name="Undo import").click()
    page.get_by_role("button", name="Undo import").click()
    expect(main).to_contain_text("Everything is as it was before.", timeout=30_000)
    assert number_of_contacts(api) == 0


def import_again(page: Page, api: httpx.Client, folder: Path) -> None:
    upload(page, folder / "readers.csv")
    for column, field in (("column-0", "email"), ("column-1", "first_name"), ("column-2", "city")):
        page.locator(f"select[name={column}]").select_option(field)
    page.get_by_label("Readers").check()
    page.get_by_role("button", name=re.compile("Preview|Look|Check", re.I)).click()
    expect(page.locator("main")).to_contain_text(f"{PEOPLE} new", timeout=30_000)
    page.get_by_role("button", name=re.compile("^(Start|Import)", re.I)).first.click()
    expect(page.locator("main")).to_contain_text("Undoing is offered", timeout=30_000)
    assert number_of_contacts(api) == PEOPLE


def make_segment(page: Page) -> None:
    page.goto("/segments/new")
    page.locator("main input[name=name]").fill("People in Lyon")
    page.locator("select[name=n-0-field]").select_option("city")
    page.locator("[name=n-0-operator]").select_option("equals")
    page.locator("input[name=n-0-value]").fill("lyon")
    page.get_by_role("button", name=re.compile("^Save")).first.click()
    expect(page).to_have_url(re.compile(r"/segments/\d+$"))
    expect(page.locator("main")).to_contain_text(str(PEOPLE))


def write_and_test(page: Page, sink: Letters) -> None:
    page.goto("/campaigns/new")
    page.locator("main input[name=name]").fill("Autumn")
    page.get_by_role("button", name="Create draft").click()
    expect(page).to_have_url(re.compile(r"/campaigns/\d+/edit"))
    page.locator("input[name=subject]").fill("{{contact.first_name}}, the autumn list")
    page.locator("textarea[name=body_html]").fill(LETTER)
    page.get_by_text("People in Lyon").first.click()
    page.locator("input[name=send_rate]").fill("60")
    page.get_by_role("button", name="Save and close").first.click()
    expect(page).to_have_url(re.compile(r"/campaigns/\d+$"))
    here = page.url
    page.goto(f"{here}/test")
    page.locator("main input[name=emails]").fill("editor@elsewhere.test")
    page.locator("main button[type=submit]").click()
    wait_for(lambda: "editor@elsewhere.test" in sink.mails, "the test mail", 30)
    page.goto(here)


def send_pause_resume(page: Page, sink: Letters) -> int:
    """One a second to begin with; paused before all are out; goes on at full speed once the limit is taken away."""
    here, number = page.url, int(page.url.rsplit("/", 1)[1])
    page.goto(f"{here}/send")
    expect(page.locator("main")).to_contain_text("1 of those named is left out")
    page.get_by_role("button", name="Send campaign").click()
    wait_for(lambda: len(sink.mails) > 1, "the first copy", 30)
    page.get_by_role("button", name="Pause sending").click()
    expect(page.locator("main h1")).to_contain_text("paused")
    page.goto(f"{here}/edit")
    page.locator("input[name=send_rate]").fill("")
    page.get_by_role("button", name="Save and close").first.click()
    expect(page.locator("main h1")).to_contain_text("paused")
    page.get_by_role("button", name=re.compile("Resume")).first.click()
    wait_for(lambda: len(sink.mails) == PEOPLE, "every copy", 60)  # eleven people and the editor
    expect(page.locator("main")).to_contain_text("Done", timeout=30_000)
    assert "reader3@elsewhere.test" not in sink.mails, "whoever is suppressed gets nothing"
    return number


def link(mail: EmailMessage, kind: str) -> str:
    html: Any = mail.get_body(("html",))
    found = re.search(rf'(?:href|src)="([^"]*/{kind}/[^"]*)"', html.get_content())
    assert found, html.get_content()
    return found[1].replace("&amp;", "&")


def look_at_a_copy(api: httpx.Client, sink: Letters, campaign: int) -> None:
    """The copy is filled in and signed off; its picture and its link are counted, and the link leads where it should."""
    mail = sink.mails["reader1@elsewhere.test"]
    html: Any = mail.get_body(("html",))
    assert mail["Subject"] == "Reader1, the autumn list" and "for Lyon" in html.get_content()
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click" and "d=acme.test" in str(mail["DKIM-Signature"])
    with httpx.Client(headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.0"}) as reader:
        assert reader.get(link(mail, "t/o")).headers["content-type"] == "image/gif"
        answer = reader.get(link(mail, "t/c"))
        assert (answer.status_code, answer.headers["location"]) == (302, "https://acme.test/autumn?utm=mail&x=1")
    stats = wait_for(lambda: opened_and_clicked(api, campaign), "the open and the click to be counted", 30)
    assert stats["clicked"] == 1


def opened_and_clicked(api: httpx.Client, campaign: int) -> Any:
    stats = api.get(f"/campaigns/{campaign}").json()["data"]["stats"]
    return stats if stats["opened"] and stats["clicked"] else None


def leave_by_one_click_and_by_the_page(page: Page, house: Installation, sink: Letters) -> None:
    """One by the button of a mail program, one by the page behind the link; looking at it changes nothing."""
    header = str(sink.mails["reader5@elsewhere.test"]["List-Unsubscribe"])
    address = header.split("<")[1].split(">")[0]
    answer = httpx.post(address, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200 and not answer.cookies
    page.context.clear_cookies()
    page.goto(link(sink.mails["reader6@elsewhere.test"], "u"))
    expect(page.locator("main")).to_contain_text("Nothing has changed so far")
    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
    assert axe_violations(page) == []


def read_the_statistics(page: Page, api: httpx.Client, campaign: int) -> None:
    stats = wait_for(lambda: left(api, campaign), "both to be counted", 30)
    assert (stats["sent"], stats["opened"], stats["unsubscribed"]) == (PEOPLE - 1, 1, 2)
    for number, subscribed in ((5, False), (6, False), (7, True)):
        found = api.get(f"/contacts?search=reader{number}%40elsewhere.test").json()["data"]
        one = next(row for row in found if row["email"] == f"reader{number}@elsewhere.test")
        assert api.get(f"/contacts/{one['id']}").json()["data"]["subscribed"] is subscribed
    sign_in(page)
    page.goto(f"/campaigns/{campaign}")
    main = page.locator("main")
    for text in ("Opened", "Clicked", "Unsubscribed", "acme.test/autumn", "elsewhere.test"):
        expect(main).to_contain_text(text)


def left(api: httpx.Client, campaign: int) -> Any:
    stats = api.get(f"/campaigns/{campaign}").json()["data"]["stats"]
    return stats if stats["unsubscribed"] == 2 else None
