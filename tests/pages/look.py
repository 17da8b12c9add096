"""Looks at one page of a real Chromium in both themes and on a phone, and says what is wrong with it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, Response, sync_playwright

from tests.flows.browser import AXE, FLAGS, chromium

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
#: what may differ between the themes and between desk and phone; everything else is the same document and looked at once
SEEN_TWICE = ["color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block"]
#: markup that is not ours: Swagger UI is vendored as it is published, and nobody reaches it without asking for the API's description
NOT_OURS = {"openapi.swagger": "#swagger-ui"}
RUN = """([leave, rules]) => axe.run(leave ? {exclude: [leave]} : document,
    {resultTypes: ['violations'], ...(rules ? {runOnly: {type: 'rule', values: rules}} : {})})
    .then(r => r.violations.map(v => v.id + ': ' + v.nodes.slice(0, 4).map(n => n.target.join(' ')).join(' | ')))"""
LIES_OVER = """() => { const wide = document.documentElement.scrollWidth, room = document.documentElement.clientWidth;
    if (wide <= room) return null;
    const over = [...document.querySelectorAll('main *, header *, nav *')].filter(e => e.getBoundingClientRect().right > room + 1);
    return `${wide} px wide: ` + over.slice(0, 3).map(e => e.tagName + '.' + e.className).join(', '); }"""


class Looker:
    """One browser context; collects what its console says."""

    def __init__(self, browser: Browser, base_url: str, **options: Any) -> None:
        self.base_url = base_url
        self.context = browser.new_context(base_url=base_url, viewport=DESK, reduced_motion="reduce", **options)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.said: list[str] = []
        self.page.on("console", lambda message: self.said.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"script: {error}"))
        self.page.on("request", self._watch)

    def _watch(self, request: Any) -> None:
        if not request.url.startswith((self.base_url, "data:", "blob:", "about:")):
            self.said.append(f"asked {request.url}")

    def sign_in(self, email: str, password: str) -> None:
        self.page.goto("/login")
        self.page.fill("input[name=email]", email)
        self.page.fill("input[name=password]", password)
        self.page.click("main button[type=submit]")
        self.page.wait_for_url(lambda url: "/login" not in url)
        self.said.clear()

    def open(self, path: str) -> Response:
        answer = self.page.goto(path, wait_until="load")
        assert answer is not None, path
        return answer

    def visit(self, path: str, status: int | None = None, endpoint: str = "", *, colours: bool = True) -> list[str]:
        """Everything that is wrong with the page at this path. status None: any answer below 400; colours: look at the dark theme too."""
        self.said.clear()
        answer = self.open(path)
        wrong = []
        if (answer.status >= 400) if status is None else (answer.status != status):
            wrong.append(f"answered {answer.status}, not {status or 'below 400'}")
        if endpoint == "openapi.swagger":  # it draws itself from the document, after the page has loaded
            self.page.wait_for_selector("#swagger-ui .info")
        return wrong + self.judge(endpoint, answer.status, colours=colours)

    def judge(self, endpoint: str = "", status: int = 200, *, colours: bool = True) -> list[str]:
        """What is wrong with the page as it stands, wide and light, then narrow and dark."""
        page, leave = self.page, NOT_OURS.get(endpoint)
        wrong = []
        titles, heads = page.title(), page.locator("h1:visible").count()
        if not re.match(r"\w.* · Mailroom$|Mailroom", titles):
            wrong.append(f"title: {titles!r}")
        if heads != 1 and not leave:
            wrong.append(f"{heads} headings of level 1")
        page.evaluate(self._axe())
        wrong += [f"light: {one}" for one in page.evaluate(RUN, [leave, None])]
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        over = page.evaluate(LIES_OVER)
        if over and not leave:
            wrong.append(f"390 px: {over}")
        if colours:
            page.emulate_media(color_scheme="dark")
            wrong += [f"dark, 390 px: {one}" for one in page.evaluate(RUN, [leave, SEEN_TWICE])]
            page.emulate_media(color_scheme="light")
        page.set_viewport_size(DESK)  # type: ignore[arg-type]
        refused = f"status of {status}"
        return wrong + [one for one in self.said if status < 400 or refused not in one]

    def dark_and_wide(self, endpoint: str = "") -> list[str]:
        """What is wrong with the colours of the page as it stands, dark and at full width."""
        self.page.emulate_media(color_scheme="dark")
        wrong = self.page.evaluate(RUN, [NOT_OURS.get(endpoint), ["color-contrast"]])
        self.page.emulate_media(color_scheme="light")
        return [f"dark: {one}" for one in wrong]

    @staticmethod
    def _axe() -> str:
        return AXE.read_text(encoding="utf-8") + ";0"


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as player:
        found = player.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            yield found
        finally:
            found.close()
