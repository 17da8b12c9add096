"""The page of a fresh token in a real browser: its programs run as pasted, and it turns green when the first call arrives."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.flows.browser import axe_violations, opened
from tests.flows.installation import OWNER, PASSWORD, Installation, wait_for

pytestmark = [pytest.mark.timeout(240), pytest.mark.browser]
#: how a program is run: the end of its file's name, and the command in front of it
RUN = {"curl": ("sh", ["bash"]), "python": ("py", [sys.executable]), "node": ("js", ["node"]), "php": ("php", ["php"]),
       "go": ("go", ["go", "run"]), "smtp": ("sh", ["bash"])}  # fmt: skip
ALWAYS = {"curl", "python", "smtp"}


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    found = Installation(tmp_path, MAILROOM_ADMIN_EMAIL=OWNER, MAILROOM_ADMIN_PASSWORD=PASSWORD)
    found.start(90)
    yield found
    found.stop()


def sign_in(page: Page) -> None:
    page.goto("/login")
    page.locator("input[name=email]").fill(OWNER)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("main button[type=submit]").click()
    expect(page.get_by_role("heading", name="Home")).to_be_visible()


def make_mailbox(installation: Installation) -> None:
    """orders@acme.test, which the program for SMTP sends as."""
    made = installation.run("token", "create", "--kind", "workspace", "--name", "tests")
    api = installation.client(made.stdout.strip())
    domain = api.post("/domains", json={"name": "acme.test"}).json()["data"]["id"]
    assert api.post("/mailboxes", json={"domain_id": domain, "local_part": "orders"}).status_code == 201


def make_token(page: Page, name: str) -> str:
    """By the form, with the preset that is ticked already: send only. Returns the value."""
    page.goto("/tokens/new")
    page.locator("main input[name=name]").fill(name)
    expect(page.locator("input[value='messages:send']")).to_be_checked()
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_role("heading", name="Make the first call")).to_be_visible()
    return page.locator("#secret").inner_text()


def shown_program(page: Page, language: str) -> str:
    """The text of one language, picked as a person does."""
    page.locator(f"label:has(input[value={language}])").click()
    expect(page.locator(f"#sn-{language}")).to_be_visible()
    return page.locator(f"#sn-{language}").inner_text()


def run(text: str, language: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What a person would do with the copied text."""
    end, command = RUN[language]
    file = folder / f"first.{end}"
    file.write_text(text + "\n")
    return subprocess.run([*command, str(file)], cwd=folder, capture_output=True, text=True, timeout=120)


def test_programs_run_as_pasted_and_the_page_turns_green_within_two_seconds(installation: Installation, tmp_path: Path) -> None:
    make_mailbox(installation)
    with opened(installation.url) as (page, problems):
        sign_in(page)
        for language in ("curl", "smtp"):
            value = make_token(page, f"by {language}")
            assert page.get_by_text("Waiting for the first call").is_visible()
            text = shown_program(page, language)
            assert value in text
            done = run(text, language, tmp_path)
            called = time.monotonic()
            assert done.returncode == 0, done.stderr
            expect(page.get_by_text("The first call came")).to_be_visible(timeout=4000)
            assert time.monotonic() - called < 2.0, f"green {time.monotonic() - called:.1f} s after the call by {language}"
        assert axe_violations(page) == []
        texts = {language: shown_program(page, language) for language in RUN}
        ran = set()
        for language, text in texts.items():
            assert value in text and installation.url.removeprefix("http://").split(":")[0] in text, language
            if shutil.which(RUN[language][1][0]) is None:
                continue
            done = run(text, language, tmp_path)
            assert done.returncode == 0, (language, done.stderr)
            if language != "smtp":
                assert "messages:send" in done.stdout, (language, done.stdout)
            ran.add(language)
        assert ran >= ALWAYS, ran
        assert problems == []
    sent = installation.run("token", "create", "--kind", "workspace", "--name", "reader").stdout.strip()
    reader = installation.client(sent)
    mails = wait_for(lambda: reader.get("/deliveries").json()["data"], "the mail that was handed in by SMTP")
    assert {mail["subject"] for mail in mails} == {"A first mail over SMTP"}
    log = reader.get(f"/tokens/{newest(reader, 'by smtp')}/log?method=SMTP").json()["data"]
    assert {(line["path"], line["status"]) for line in log} == {("AUTH", 235)}


def newest(reader: httpx.Client, name: str) -> int:
    """The id of the token with this name."""
    return int(reader.get("/tokens", params={"search": name}).json()["data"][0]["id"])
