"""The macros of templates/parts and what they stand on: text is escaped, controls are labelled, errors are tied to their field."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_wtf import CSRFProtect, FlaskForm
from selectolax.lexbor import LexborHTMLParser, LexborNode
from wtforms import (
    BooleanField,
    FieldList,
    Form,
    FormField,
    PasswordField,
    RadioField,
    SelectChoice,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import DataRequired

from webapp.core import htmx, paint

ROOT = Path(__file__).parents[2]
HOSTILE = "\"><script>alert(1)</script>&'"
NOON = datetime(2026, 9, 14, 12, 32, 6, tzinfo=UTC)


class Server(Form):
    host = StringField("Host")


class TokenForm(FlaskForm):
    name = StringField("Name", [DataRequired()], description="What uses it.")
    secret = PasswordField("Secret")
    note = TextAreaField("Note")
    life = SelectField("Expires", choices=[SelectChoice("7", "In 7 days"), SelectChoice("90", "In 90 days")], default="90")
    tls = BooleanField("Verify certificates")
    preset = RadioField(
        "Preset", choices=[SelectChoice("send", "Send only", {"note": "Mail"}), SelectChoice("full", "Full", {"needs": "tokens:write"})]
    )
    scopes = SelectMultipleField(
        "Scopes", choices=[SelectChoice(f"messages:{verb}", verb, optgroup="Messages") for verb in ("read", "send")]
    )
    server = FormField(Server, "Server")
    hosts = FieldList(StringField("Address"), "Addresses", min_entries=1)


@pytest.fixture(scope="module")
def painter() -> Flask:
    app = Flask("painter", static_folder=str(ROOT / "static"), template_folder=str(ROOT / "templates"))
    app.secret_key = "test"
    CSRFProtect(app)
    htmx.init_app(app)
    paint.install(app, "https://mail.example.test")
    return app


@pytest.fixture
def ui(painter: Flask) -> Iterator[Any]:
    with painter.test_request_context("/", method="GET"):
        yield painter.jinja_env.get_template("parts/ui.html").module


def tree(html: object) -> LexborHTMLParser:
    return LexborHTMLParser(f"<html><body>{html}</body></html>")


def one(html: object, css: str) -> LexborNode:
    found = tree(html).css(css)
    assert len(found) == 1, f"{css}: {len(found)} in {html}"
    return found[0]


def drawn(painter: Flask, source: str, **context: Any) -> str:
    with painter.test_request_context("/"):
        return painter.jinja_env.from_string('{% import "parts/ui.html" as ui %}' + source).render(**context)


# ---------------------------------------------------------------- hostile text


@pytest.mark.parametrize(
    "call",
    [
        "ui.state(x)",
        "ui.tag(x)",
        "ui.tags([x, x, x, x])",
        "ui.count(x, x)",
        "ui.button(x, 'plus', href=x)",
        "ui.button(x, attrs={'title': x})",
        "ui.button(x, needs=x)",
        "ui.only(x, 'plus')",
        "ui.opens(x, x)",
        "ui.post(x, x, hidden={'a': x})",
        "ui.menu('m', x, [{'label': x, 'url': x}, {'label': x, 'post': x}], x)",
        "ui.confirm_form(x, x, x, x, x, x, {'a': x})",
        "ui.field('a', x, x, 'text', x, x, attrs={'title': x})",
        "ui.field('a', x, x, 'textarea', x, '', x)",
        "ui.field('a', x, x, 'select', options=[(x, x)])",
        "ui.switch('a', x, note=x, value=x)",
        "ui.table([x, {'label': x, 'sort': x}], [], x, label=x, foot=x)",
        "ui.pager(x, x, x)",
        "ui.filters(x, x, x, x, [{'name': 'a', 'label': x, 'options': [(x, x)], 'value': x}], [{'label': x, 'url': x, 'count': x}])",
        "ui.empty(x, x)",
        "ui.meter(1, 2, x, limit=x)",
        "ui.progress(1, 2, x, x, x)",
        "ui.ledger([{'word': x, 'count': 3, 'note': x, 'url': x}])",
        "ui.figures([{'name': x, 'value': x, 'unit': x, 'note': x, 'url': x}])",
        "ui.why('warn', x, x)",
        "ui.page_head(x, [x], x, [(x, x)])",
        "ui.tabs([{'key': 'a', 'label': x, 'url': x, 'count': x}], 'a', x)",
        "ui.snippet('a', x, x)",
        "ui.secret('a', x, x)",
        "ui.pairs([(x, x)])",
        "ui.as_api(x, x, {'a': x}, {'a': x})",
        "ui.steps([{'title': x, 'text': x, 'state': 'next'}])",
        "ui.timeline([{'state': x, 'title': x, 'text': x, 'code': x}])",
        "ui.activity([{'actor': x, 'verb': x, 'target': x, 'url': x, 'state': x, 'note': x}])",
        "ui.diff({x: x}, {x: 'b'})",
        "ui.attempts([{'number': 1, 'state': x, 'summary': x, 'error': x, 'request': x, 'answer': {'a': x}, 'dialogue': x}], x)",
    ],
)
def test_hostile_text_never_becomes_markup(painter: Flask, call: str) -> None:
    html = drawn(painter, "{{ " + call + " }}", x=HOSTILE)
    assert "alert(1)" in html
    assert not tree(html).css("script"), html
    assert "<script" not in html.lower()


def test_every_macro_of_the_files_is_exported_by_ui(ui: Any) -> None:
    for file in (ROOT / "templates" / "parts").glob("*.html"):
        for name in re.findall(r"{%-? macro ([a-z]\w*)\(", file.read_text()):
            assert callable(getattr(ui, name, None)), f"{name} of {file.name} is missing in ui.html"


def test_every_icon_that_templates_and_code_name_is_in_the_sprite() -> None:
    sprite = (ROOT / "static" / "vendor" / "icons.svg").read_text()
    names = set(paint.WHY_ICONS.values())
    for file in (ROOT / "templates").rglob("*.html"):
        names |= set(re.findall(r'icon\("([a-z0-9-]+)"\)', file.read_text()))
    assert names
    assert [name for name in sorted(names) if f'id="i-{name}"' not in sprite] == []


def test_no_template_holds_an_inline_script_style_or_handler() -> None:
    for file in (ROOT / "templates").rglob("*.html"):
        if "mail" in file.relative_to(ROOT / "templates").parts[:1]:
            continue
        html = file.read_text()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|hx-on|javascript:|<script(?![^>]*\ssrc=)", html, re.I), file


# ---------------------------------------------------------------- fields


def filled(painter: Flask, **data: Any) -> TokenForm:
    with painter.test_request_context("/", method="POST", data=data):
        form = TokenForm(meta={"csrf": False})
        form.validate()
        return form


def test_an_error_is_tied_to_its_control_and_the_hint_stays(painter: Flask, ui: Any) -> None:
    form = filled(painter, name="")
    html = ui.form_field(form.name)
    control = one(html, "input#name")
    assert control.attributes["aria-invalid"] == "true"
    for part in (control.attributes["aria-describedby"] or "").split():
        assert tree(html).css_first(f"#{part}") is not None
    assert (control.attributes["aria-describedby"] or "").split() == ["name-error", "name-hint"]
    assert one(html, "label[for=name]").text().strip() == "Name"


def test_a_locked_field_names_its_source_and_cannot_be_typed_into(painter: Flask, ui: Any) -> None:
    form = filled(painter, name="a")
    html = ui.form_field(form.name, locked="Set by the environment, MAILROOM_DNS")
    assert "readonly" in one(html, "input").attributes
    assert one(html, "input").attributes["aria-describedby"] == "name-locked"
    assert "MAILROOM_DNS" in one(html, "#name-locked").text()
    assert "disabled" in one(ui.form_field(form.life, locked="Fixed"), "select").attributes


def test_typed_values_are_kept_and_escaped_but_passwords_are_not_shown(painter: Flask, ui: Any) -> None:
    form = filled(painter, name=HOSTILE, note=HOSTILE, secret="geheim")
    assert one(ui.form_field(form.name), "input").attributes["value"] == HOSTILE
    assert one(ui.form_field(form.note), "textarea").text().strip() == HOSTILE
    assert "geheim" not in ui.form_field(form.secret)
    assert one(ui.form_field(form.secret), "input").attributes["autocomplete"] == "new-password"


def test_choices_are_fieldsets_with_legend_and_say_what_they_need(painter: Flask, ui: Any) -> None:
    form = filled(painter, name="a", preset="send", scopes=["messages:send"])
    html = ui.form_field(form.preset)
    assert one(html, "fieldset > legend").text() == "Preset"
    assert "checked" in one(html, "input[value=send]").attributes
    assert "disabled" in one(html, "input[value=full]").attributes
    assert "needs tokens:write" in tree(html).text()
    grid = ui.form_field(form.scopes)
    group = one(grid, ".scopes [role=group]")
    assert one(grid, f"#{group.attributes['aria-labelledby']}").text() == "Messages"
    assert "checked" in one(grid, "input[value='messages:send']").attributes
    assert "checked" not in one(grid, "input[value='messages:read']").attributes


def test_a_whole_form_is_painted_in_order_with_rows_and_nested_fields(painter: Flask, ui: Any) -> None:
    form = filled(painter, name="a")
    page = tree(ui.form_body(form, [["name", "life"]]))
    assert [node.attributes["name"] for node in page.css(".row [name]")] == ["name", "life"]
    names = [node.attributes["name"] for node in page.css("[name]")]
    assert names.count("life") == 1
    assert {"server-host", "hosts-0", "tls"} <= set(names)
    for control in page.css("input[id]:not([type=hidden]), select[id], textarea[id]"):
        labelled = page.css(f"label[for='{control.attributes['id']}']") or (control.parent is not None and control.parent.tag == "label")
        assert labelled, control.html


def test_the_refusal_above_a_form_counts_and_links_to_the_fields(painter: Flask, ui: Any) -> None:
    html = ui.form_errors(filled(painter, name="", preset="send", life="7"))
    assert one(html, "[role=alert]")
    assert "#name" in [node.attributes["href"] for node in tree(html).css("a")]
    assert str(ui.form_errors(TokenForm(meta={"csrf": False}))).strip() == ""


def test_every_posting_part_carries_the_csrf_field(ui: Any) -> None:
    parts = [
        ui.post("/a", "Pause mailbox"),
        ui.confirm_form("/a", "Effect"),
        ui.menu("m", "Actions", [{"label": "Pause", "post": "/a"}]),
        ui.bulk("Picked", "/a"),
    ]
    for html in parts:
        assert one(html, "form[method=post] input[name=csrf_token]").attributes["value"]


# ---------------------------------------------------------------- lists, amounts, stories


def test_a_table_names_its_columns_rows_and_sort_order(painter: Flask) -> None:
    html = drawn(
        painter,
        "{% call(row) ui.table([{'kind': 'pick'}, {'label': 'Name', 'sort': '?s', 'sorted': 'ascending'}, 'St'], rows, label='Tokens') %}"
        "<tr>{{ ui.pick(row, row) }}<th scope=row>{{ row }}</th><td>{{ ui.state('active') }}</td></tr>{% endcall %}",
        rows=["a", HOSTILE],
    )
    assert one(html, "section[aria-label=Tokens] table.rows")
    assert len(tree(html).css("tbody tr")) == 2
    assert one(html, "th[aria-sort=ascending] a").text().strip() == "Name"
    assert all(box.attributes.get("aria-label") for box in tree(html).css("input[type=checkbox]"))


def test_an_empty_list_shows_the_part_that_teaches_instead(painter: Flask) -> None:
    html = drawn(painter, "{% call(row) ui.table(['Name'], [], ui.empty('No tokens yet', 'A token lets programs in.')) %}{% endcall %}")
    assert one(html, ".empty h2").text() == "No tokens yet"
    assert not tree(html).css("table")


def test_an_icon_button_has_a_name_and_a_menu_belongs_to_its_button(ui: Any) -> None:
    assert one(ui.only("Close", "x"), "button").attributes["aria-label"] == "Close"
    html = ui.menu("m-1", "Actions for books@", [{"label": "Open", "url": "/"}])
    assert one(html, "button[popovertarget]").attributes["popovertarget"] == one(html, "[popover]").attributes["id"]


def test_a_control_without_permission_is_shown_disabled_with_the_scope(ui: Any) -> None:
    html = ui.post("/send", "Send campaign", needs="campaigns:send")
    assert "disabled" in one(html, "button").attributes
    assert "needs campaigns:send" in tree(html).text()
    assert not tree(html).css("form")


def test_a_meter_and_a_progress_bar_say_their_numbers(ui: Any) -> None:
    bar = one(ui.meter(3, 4, "Used 3 of 4 GB"), "svg[role=meter]")
    assert (bar.attributes["aria-valuenow"], bar.attributes["aria-valuemax"]) == ("3", "4")
    assert one(ui.meter(3, 4, "Used"), "rect").attributes["width"] == "75.0"
    assert one(ui.progress(5, 0, "Nothing to do"), "rect").attributes["width"] == "0.0"
    assert one(ui.progress(5, 10, "Move"), "[role=progressbar]").attributes["aria-label"] == "Move"


def test_a_time_says_utc_in_its_title_and_never_when_missing(ui: Any) -> None:
    node = one(ui.when(NOON), "time")
    assert node.attributes["datetime"] == "2026-09-14T12:32:06Z"
    assert node.attributes["title"] == "14 Sep 2026, 12:32:06 UTC"
    assert "never" in ui.when(None)


def test_attempts_show_number_state_request_answer_and_timing_with_secrets_masked(painter: Flask) -> None:
    html = drawn(
        painter,
        "{% call ui.attempts(items) %}{{ ui.post('/replay', 'Replay call') }}{% endcall %}",
        items=[
            {
                "number": 2,
                "state": "retrying",
                "at": NOON,
                "summary": "503",
                "request": "POST /",
                "answer": {"token": "abcdefghijklmnopqrst"},
                "ms": 31,
                "timing": {"connect": 12},
                "next_at": NOON,
            },
            {"number": 1, "state": "failed", "at": NOON, "error": "connection refused"},
        ],
    )
    assert [node.text() for node in tree(html).css(".no")] == ["2", "1"]
    assert "abcdefgh" not in html
    assert "12 ms" in html
    assert "connection refused" in html
    assert one(html, "form[action='/replay']")
