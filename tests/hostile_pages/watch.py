"""A signed-in Chromium that notices everything a mail could do: requests, connections, dialogs, windows, messages, a changed page.

Every host name leads to a listener in this process, so that a wall that fails tells it here and nowhere else.
"""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page, Request, sync_playwright

from tests.bulk.house import House
from tests.flows.browser import FLAGS, chromium

#: what the page of a mail asks for by itself
OWN_PATHS = ("/static/", "/mail", "/events", "/search")
#: what the browser's own services ask for, whatever page is open
OWN_NAMES = rb"(?:^|[^a-z-])(?:[a-z0-9-]+\.)*(?:google|googleapis|gvt1|chromium)\.(?:com|org)"


class Trap:
    """Where every foreign name leads: notes for whom it was taken. What Chromium asks for by itself is left out."""

    def __init__(self) -> None:
        self.met: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        threading.Thread(target=self._take, daemon=True).start()

    @property
    def rule(self) -> str:
        return f"--host-resolver-rules=MAP * 127.0.0.1:{self.listener.getsockname()[1]} , EXCLUDE 127.0.0.1"

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self.listener.accept()
                threading.Thread(target=self._meet, args=(line,), daemon=True).start()

    def _meet(self, line: socket.socket) -> None:
        """The first bytes tell the name: in HTTP's Host, in the server name of TLS."""
        with line, contextlib.suppress(OSError):
            line.settimeout(5)
            hello = line.recv(8192)
            if not re.search(OWN_NAMES, hello):
                names = re.findall(rb"(?:[a-z0-9-]+\.)+[a-z]{2,}", hello)
                self.met.append(f"a connection for {b' '.join(names).decode() or hello[:60]!r}")

    def stop(self) -> None:
        self.listener.close()


class Watch:
    """A page, and what was noticed since somebody last asked."""

    def __init__(self, page: Page, trap: Trap, origin: str) -> None:
        self.page, self.trap, self.origin = page, trap, origin
        self._noticed: list[str] = []
        page.on("dialog", lambda dialog: (self._note(f"a dialog: {dialog.message}"), dialog.dismiss()))
        page.on("popup", lambda popup: (self._note(f"a window: {popup.url}"), popup.close()))
        page.on("download", lambda file: self._note(f"a download: {file.url}"))
        page.on("pageerror", lambda error: self._note(f"a script failed: {error}"))
        page.on("console", self._hear)
        page.on("request", self._see)
        page.on("framenavigated", self._move)

    def noticed(self) -> list[str]:
        """Everything since the last time, whoever came to the trap included."""
        found = [*self._noticed, *self.trap.met]
        self._noticed.clear()
        self.trap.met.clear()
        return found

    def _note(self, what: str) -> None:
        self._noticed.append(what[:300])

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(f"the console: {message.text}")

    def _see(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme in ("data", "blob", "about"):
            return
        if f"{url.scheme}://{url.netloc}" != self.origin or not url.path.startswith(OWN_PATHS):
            self._note(f"a request: {request.method} {request.url}")

    def _move(self, frame: Any) -> None:
        if frame.parent_frame is not None and not frame.url.startswith((f"{self.origin}/mail/", "about:")):
            self._note(f"a frame went to {frame.url}")


@contextmanager
def watching(house: House, **options: Any) -> Iterator[Watch]:
    """A fresh browser, signed in."""
    trap, origin = Trap(), house.installation.url
    cookies = [{"name": name, "value": value, "url": origin} for name, value in house.cookies.items()]
    try:
        with sync_playwright() as player:
            browser = player.chromium.launch(executable_path=chromium(), args=[*FLAGS, trap.rule])
            context = browser.new_context(base_url=origin, viewport={"width": 1280, "height": 900}, **options)
            context.add_cookies(cookies)  # type: ignore[arg-type]
            page = context.new_page()
            page.set_default_timeout(30_000)
            yield Watch(page, trap, origin)
            browser.close()
    finally:
        trap.stop()
