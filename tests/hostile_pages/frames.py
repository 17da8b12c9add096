"""Looking at hostile mail: on its own page, and many frames of it on one real page; what is wrong comes back as sentences."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Frame
from selectolax.lexbor import LexborHTMLParser

from tests.bulk.house import House
from tests.bulk.wire import deliver
from tests.hostile_pages import payloads, vectors
from tests.hostile_pages.watch import Watch, watching
from webapp.messages.frame import SANDBOX

#: everything that a script outside of the frames could have changed
PARENT = """() => {
  const copy = document.documentElement.cloneNode(true);
  copy.querySelector('#hostile')?.remove();
  copy.querySelectorAll('time').forEach((one) => one.replaceChildren());
  const names = Object.keys(window).filter((key) => isNaN(key)).join();
  return [copy.outerHTML, names, document.title, location.href, document.cookie, history.length, localStorage.length].join('\\n');
}"""
ADD = """([paths, sandbox]) => {
  const home = document.createElement('div');
  home.id = 'hostile';
  document.querySelector('main').append(home);
  return Promise.all(paths.map((path) => new Promise((done) => {
    const frame = document.createElement('iframe');
    frame.setAttribute('sandbox', sandbox);
    frame.setAttribute('referrerpolicy', 'no-referrer');
    frame.addEventListener('load', done, { once: true });
    frame.src = path;
    home.append(frame);
  })));
}"""
REMOVE = "() => document.querySelector('#hostile')?.remove()"
#: what the browser's own parser made of the frame: elements and attributes that could do something
INSIDE = """() => [...document.querySelectorAll('body, body *')].flatMap((one) => {
  const inert = /^(script|iframe|frame|object|embed|applet|form|input|button|textarea|select|link|meta|base|style|template|video|audio)$/;
  const address = /^(https?:|mailto:|tel:|data:image\\/(png|gif|jpe?g|webp);base64,)/i;
  const found = inert.test(one.localName) || one.namespaceURI !== 'http://www.w3.org/1999/xhtml' ? [one.localName] : [];
  for (const { name, value } of one.attributes) {
    if (/^(on|hx-|data-|xlink|is$|id$|class$|slot$|srcset|srcdoc|ping|form|background|poster)/.test(name)) found.push(name);
    if (/^(href|src|action)$/.test(name) && !address.test(value)) found.push(name + '=' + value);
    if (name === 'style' && /url|expression|@|\\\\|position|behavio/i.test(value)) found.push('style=' + value);
  }
  return found;
})"""
COUNT = "(tags) => Object.fromEntries(tags.map((tag) => [tag, document.querySelectorAll(tag).length]))"
COUNTED = ("script", "iframe", "object", "embed", "form", "input", "base", "meta", "link", "style", "svg", "img", "a", "button", "textarea")


def in_frames(watch: Watch, ids: Sequence[int], size: int = 40) -> list[str]:
    """The HTML of many mails in sandboxed frames on the real page of one of them. A batch that did something is looked at one by one."""
    watch.page.goto(f"/mail/{ids[0]}/text")
    watch.page.wait_for_load_state("load")
    settle(watch)
    wrong = watch.noticed()
    for start in range(0, len(ids), size):
        batch = ids[start : start + size]
        if _batch(watch, batch):
            alone = [f"/mail/{one}/html: {what}" for one in batch for what in _batch(watch, [one])]
            wrong += alone or [f"/mail/{batch[0]} to {batch[-1]} together: something was noticed once"]
    return wrong


def _batch(watch: Watch, ids: Sequence[int]) -> list[str]:
    before = watch.page.evaluate(PARENT)
    watch.page.evaluate(ADD, [[f"/mail/{one}/html" for one in ids], SANDBOX])
    frames = [frame for frame in watch.page.frames if frame.parent_frame is not None]
    wrong = [f"{len(frames)} frames instead of {len(ids)}"] if len(frames) != len(ids) else []
    for frame in frames:
        wrong += inside(frame)
    if watch.page.evaluate(PARENT) != before:
        wrong.append("the page around it changed")
    watch.page.evaluate(REMOVE)
    return wrong + watch.noticed()


def inside(frame: Frame) -> list[str]:
    """What is in a frame and should not be."""
    found = [f"holds {what}" for what in frame.evaluate(INSIDE)]
    origin = frame.evaluate("() => self.origin")
    return found if origin == "null" else [*found, f"its origin is {origin}"]


def on_its_page(watch: Watch, message_id: int, view: str = "") -> list[str]:
    """The page of a mail as a person opens it, with its frame."""
    answer = watch.page.goto(f"/mail/{message_id}{view}")
    if answer is None or answer.status != 200:
        return [f"/mail/{message_id}{view} answered {answer.status if answer else 'nothing'}"]
    served = _counts(answer.text())
    frame = watch.page.locator("iframe.mail-frame")
    if frame.count():
        frame.scroll_into_view_if_needed()
        if not _frame_came(watch, f"{watch.origin}/mail/{message_id}/html"):
            return [f"/mail/{message_id}{view}: its frame did not come", *watch.noticed()]
    wrong = [what for one in watch.page.frames[1:] for what in inside(one)]
    live: dict[str, int] = watch.page.evaluate(COUNT, COUNTED)
    wrong += [f"{tag}: {live[tag]} on the page, {served[tag]} were served" for tag in COUNTED if live[tag] != served[tag]]
    if watch.page.url != f"{watch.origin}/mail/{message_id}{view}":
        wrong.append(f"the page went to {watch.page.url}")
    return [f"/mail/{message_id}{view}: {what}" for what in wrong + watch.noticed()]


def _counts(html: str) -> Counter[str]:
    return Counter(node.tag for node in LexborHTMLParser(html).css(", ".join(COUNTED)) if node.tag)


def settle(watch: Watch) -> None:
    """Until the page has not changed for a moment."""
    state = watch.page.evaluate(PARENT)
    ends, quiet = time.monotonic() + 10, time.monotonic()
    while time.monotonic() < ends and time.monotonic() - quiet < 0.6:
        watch.page.wait_for_timeout(100)
        now = watch.page.evaluate(PARENT)
        if now != state:
            state, quiet = now, time.monotonic()


def _frame_came(watch: Watch, url: str, timeout_s: float = 30) -> bool:
    """Wait for the frame of the page, loaded; playwright hears of it only while it is asked something."""
    ends = time.monotonic() + timeout_s
    while time.monotonic() < ends:
        frames = watch.page.frames[1:]
        if frames and frames[0].url.startswith(url):
            frames[0].wait_for_load_state("load")
            return True
        watch.page.wait_for_timeout(20)
    return False


def in_raw_frames(watch: Watch, ids: Sequence[int], size: int = 20) -> list[str]:
    """As `in_frames` for documents that were not made safe: what they ask for is caught, what they run or change is wrong."""
    watch.page.goto(f"/mail/{ids[0]}/text")
    settle(watch)
    watch.noticed()
    wrong = []
    for start in range(0, len(ids), size):
        batch = ids[start : start + size]
        before = watch.page.evaluate(PARENT)
        watch.page.evaluate(ADD, [[f"/mail/{one}/html" for one in batch], SANDBOX])
        if watch.page.evaluate(PARENT) != before:
            wrong.append(f"the page around {batch} changed")
        watch.page.evaluate(REMOVE)
        wrong += [what for what in watch.noticed() if what.startswith(("a dialog", "a window", "a download", "a script failed"))]
    return wrong


def look(house: House, folder: Path, into: Path) -> tuple[int, list[str]]:
    """Every payload and every mail of the folders `hostile` and `html` below a folder: in a frame, and on its own page.

    returns how many were looked at, and what was wrong
    """
    made = payloads.samples([*vectors.payloads(), *payloads.corpora(folder)], into)
    handed = deliver(house, [*made, *payloads.html_mails(folder)])
    house.wait_until_worked_off()
    names = {one.message_id: one.sample.name for one in handed if one.message_id}
    with watching(house) as watch:
        wrong = in_frames(watch, list(names))
        for message_id, name in names.items():
            wrong += [f"{name}: {what}" for what in on_its_page(watch, message_id)]
    return len(names), wrong
