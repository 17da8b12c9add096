"""C-53 and C-54 in a real Chromium: script payloads and hostile mails do nothing, on their pages and in frames."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Route, expect

from tests.bulk.house import House, memory_folder
from tests.bulk.wire import Handed, deliver
from tests.hostile_pages import frames, payloads, vectors
from tests.hostile_pages.watch import Watch, watching

FOLDER = Path(__file__).parents[1] / "mails"
pytestmark = [pytest.mark.timeout(300), pytest.mark.browser]


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with memory_folder() as home:
        found = House(home, routed=False)
        found.start()
        yield found
        found.stop()


@pytest.fixture(scope="module")
def shown(house: House, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Ids of payloads, vectors and hostile mails that were read and are ready to be looked at, by their names."""
    made = payloads.samples([*vectors.payloads(), *payloads.corpora(FOLDER, every=3)], tmp_path_factory.mktemp("payloads") / "mails")
    handed: list[Handed] = deliver(house, [*made, *payloads.html_mails(FOLDER)])
    house.wait_until_worked_off()
    return {one.sample.name: one.message_id for one in handed if one.message_id}


@pytest.fixture(scope="module")
def browser(house: House) -> Iterator[Watch]:
    with watching(house) as found:
        yield found


@pytest.fixture
def watch(browser: Watch) -> Iterator[Watch]:
    yield browser
    browser.page.unroute_all()
    browser.page.goto("about:blank")
    browser.noticed()


def test_c53_payloads_in_frames_run_nothing_ask_nobody_and_change_nothing(watch: Watch, shown: dict[str, int]) -> None:
    assert len(shown) > 400
    assert frames.in_frames(watch, list(shown.values())) == []


def test_c53_hostile_mail_on_its_own_page_does_nothing(watch: Watch, shown: dict[str, int]) -> None:
    some = list(shown.values())[::30]
    assert [what for one in some for what in frames.on_its_page(watch, one)] == []


def test_c54_remote_content_that_is_off_asks_nobody_and_is_counted(watch: Watch, shown: dict[str, int]) -> None:
    ids = {name: one for name, one in shown.items() if name.startswith("payload/vector-")}
    assert len(ids) == len(vectors.payloads())
    wrong = []
    for name in ("img", "css-url", "background", "link-sheet", "import", "video", "srcset", "slashes"):
        wrong += frames.on_its_page(watch, ids[f"payload/vector-{name}"])
        if name != "slashes":
            expect(watch.page.locator(".blocked")).to_contain_text("Remote content blocked")
    assert wrong == []


def test_c54_asking_for_pictures_once_brings_those_over_https_and_nothing_else(watch: Watch, shown: dict[str, int]) -> None:
    """Who is really asked, by what arrives; a policy refuses some that the browser counts as requests."""
    met: set[str] = set()
    for name, one in shown.items():
        if not name.startswith("payload/vector-"):
            continue
        watch.page.goto("about:blank")
        watch.page.goto(f"/mail/{one}/html?remote=1")
        met |= {name for what in watch.noticed() if what.startswith("a connection") for name in re.findall(r"[a-z]+(?=\.evil)", what)}
    assert met == {"img", "noscheme", "image", "one", "two"}


def test_c53_the_outer_wall_holds_without_the_inner_one(watch: Watch, shown: dict[str, int]) -> None:
    """The payload itself in place of what was made safe, under the same policy and sandbox: nothing runs, and the page stays."""
    raw = {f"payload/{one.name}": one.html for one in payloads.corpora(FOLDER, every=3)}
    chosen = [(shown[name], html) for name, html in raw.items() if name in shown][::4]
    bodies = dict(chosen)

    def unsafe(route: Route) -> None:
        answer = route.fetch()
        number = int(urlsplit(route.request.url).path.split("/")[2])
        route.fulfill(response=answer, body=f"<!doctype html><html><body>{bodies[number]}</body></html>")

    watch.page.route("**/mail/*/html", unsafe)
    wrong = frames.in_raw_frames(watch, list(bodies))
    assert wrong == [] and len(bodies) > 80
