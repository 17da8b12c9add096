"""One URL, two faces; refusals as page and fragment; the theme cookie."""

import json
import re
from pathlib import Path

import pytest
from flask import Flask, g
from flask_wtf import CSRFProtect

from webapp.core import htmx, paint
from webapp.core.errors import HouseError, Invalid, NotFound, TooMany

ROOT = Path(__file__).parents[2]
HOSTILE = "\"><script>alert(1)</script>&'"


@pytest.fixture(scope="module")
def painter() -> Flask:
    app = Flask("painter", static_folder=str(ROOT / "static"), template_folder=str(ROOT / "templates"))
    app.secret_key = "test"
    CSRFProtect(app)
    htmx.init_app(app)
    paint.install(app, "https://mail.example.test")
    app.register_error_handler(HouseError, htmx.render_error)

    @app.before_request
    def begin() -> None:
        g.request_id = "req_test"

    @app.get("/refuse/<kind>")
    def refuse(kind: str) -> str:
        if kind == "late":
            raise TooMany("Too many exports at once.", retry_after_s=240)
        if kind == "bug":
            raise HouseError("Something went wrong.")
        raise NotFound(HOSTILE)

    return app


FRAGMENT = {"HX-Request": "true"}


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({}, False),
        (FRAGMENT, True),
        ({**FRAGMENT, "HX-Boosted": "true"}, False),
        ({**FRAGMENT, "HX-History-Restore-Request": "true"}, False),
    ],
)
def test_only_plain_htmx_requests_get_a_fragment(painter: Flask, headers: dict[str, str], wanted: bool) -> None:
    with painter.test_request_context("/", headers=headers):
        assert htmx.is_fragment() is wanted


def test_making_something_answers_201_with_events_or_goes_on_to_the_list(painter: Flask) -> None:
    with painter.test_request_context("/", headers=FRAGMENT):
        answer = htmx.made(go_to="/list", trigger=["a-changed", "b-changed"], toast="Lindgrens låda skapad.", undo="/undo")
        events = json.loads(answer.headers["HX-Trigger"])
        assert answer.status_code == 201
        assert answer.headers["HX-Trigger"].isascii()
        assert {"a-changed", "b-changed"} <= set(events)
        assert events["toast"] == {"text": "Lindgrens låda skapad.", "tone": "ok", "undo": "/undo"}
        htmx.toast(answer, "Second.", "warn")
        assert [one["text"] for one in json.loads(answer.headers["HX-Trigger"])["toast"]["value"]] == ["Lindgrens låda skapad.", "Second."]
    with painter.test_request_context("/"):
        answer = htmx.made(go_to="/list", toast="Made.")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/list")
        assert "HX-Request" in answer.headers["Vary"]


def test_a_redirect_reaches_the_browser_through_htmx(painter: Flask) -> None:
    with painter.test_request_context("/", headers=FRAGMENT):
        assert htmx.redirect_to("/sign-in").headers["HX-Redirect"] == "/sign-in"
    with painter.test_request_context("/"):
        assert htmx.redirect_to("/sign-in").status_code == 303


@pytest.mark.parametrize(("path", "status"), [("/refuse/gone", 404), ("/refuse/late", 429), ("/refuse/bug", 500)])
def test_a_refusal_is_a_page_or_a_marked_fragment_with_the_request_id(painter: Flask, path: str, status: int) -> None:
    client = painter.test_client()
    page, fragment = client.get(path), client.get(path, headers=FRAGMENT)
    assert page.status_code == fragment.status_code == status
    assert page.text.lstrip().lower().startswith("<!doctype html>")
    assert re.match(r"\s*<section[^>]*\sdata-fault", fragment.text)
    for answer in (page, fragment):
        assert "req_test" in answer.text
        assert "<script>alert" not in answer.text
        assert "HX-Request" in answer.headers["Vary"]
    assert ("Retry-After" in page.headers) == (status == 429)


def test_every_error_page_has_its_fragment_twin() -> None:
    for status in htmx.PAGES:
        assert (ROOT / "templates" / "errors" / f"{status}.html").is_file()
        assert (ROOT / "templates" / "errors" / f"_{status}.html").is_file()


def test_refused_fields_are_listed(painter: Flask) -> None:
    with painter.test_request_context("/", headers=FRAGMENT):
        answer = htmx.render_error(Invalid("One field is wrong.", fields={"quota_gb": ["Enter 138 or less."]}))
        assert "quota gb" in answer.get_data(as_text=True)
        assert "Enter 138 or less." in answer.get_data(as_text=True)


# ---------------------------------------------------------------- theme


def test_the_theme_is_painted_from_the_cookie_and_nothing_else_gets_in(painter: Flask) -> None:
    client = painter.test_client()
    client.set_cookie("theme", "dark")
    assert 'data-theme="dark"' in client.get("/refuse/gone").text
    client.set_cookie("theme", "x onload")
    assert "data-theme=" not in client.get("/refuse/gone").text.split(">", 2)[1]


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb", "", "/\t/evil.example"])
def test_going_back_never_leaves_this_host(target: str) -> None:
    assert paint.safe_path(target) == "/"
    assert paint.safe_path("/list?q=a%20b") == "/list?q=a%20b"


def test_an_open_page_whose_object_is_gone_keeps_what_it_shows_and_stops_asking(painter: Flask) -> None:
    client = painter.test_client()
    itself = client.get("/refuse/gone", headers={**FRAGMENT, "HX-Current-URL": "http://localhost/refuse/gone?tab=1"})
    assert (itself.status_code, itself.text, itself.headers["HX-Reswap"]) == (286, "", "none")
    assert "deleted meanwhile" in itself.headers["HX-Trigger"]
    from_elsewhere = client.get("/refuse/gone", headers={**FRAGMENT, "HX-Current-URL": "http://localhost/list"})
    assert from_elsewhere.status_code == 404 and client.get("/refuse/gone").status_code == 404
