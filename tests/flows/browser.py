"""A real Chromium for whole stories: fails on any console error, and on any request that leaves the machine."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

AXE = Path(__file__).resolve().parents[1] / "vendor" / "axe.min.js"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip


def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    raise RuntimeError("Chromium is not installed; `make test` installs it, or leave it out with WITHOUT=browser")


@contextmanager
def opened(base_url: str, **options: Any) -> Iterator[tuple[Page, list[str]]]:
    """A page of a fresh browser, and the list of what went wrong in it: console errors, script errors, foreign requests."""
    problems: list[str] = []
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium(), args=FLAGS)
        context = browser.new_context(base_url=base_url, viewport={"width": 1280, "height": 900}, **options)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith((base_url, "data:", "blob:")) else problems.append(request.url))
        try:
            yield page, problems
        finally:
            browser.close()


def axe_violations(page: Page) -> list[str]:
    """What axe finds on the page as it stands; the page's CSP is lifted for the moment of the check."""
    session = page.context.new_cdp_session(page)
    session.send("Page.setBypassCSP", {"enabled": True})
    names = "v.id + ': ' + v.nodes.map(n => n.target.join(' ')).join(' | ')"
    run = f"axe.run({{resultTypes: ['violations']}}).then(r => r.violations.map(v => {names}))"
    found = page.evaluate(f"{AXE.read_text()};{run}")
    session.send("Page.setBypassCSP", {"enabled": False})
    return [str(one) for one in found]
