"""C-55: script in everything that is not the mail's own HTML. Every text that somebody else may have written, on every page there is.

Texts are put into the rows directly, so that a page is tested with what no door of today lets in as well.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from selectolax.lexbor import LexborHTMLParser
from sqlalchemy import JSON, String, Text, select, update

from tests.bulk.visit import foreign
from tests.factories.automation import arrive
from tests.house.routes import FOR_STRANGERS, Operation, api_operations, page_operations
from tests.house.things import make_everything
from webapp.core.db import Base, begin_writing, db
from webapp.mailboxes.models import Mailbox

#: markup, both quotation marks, ends of what text may stand in, and attributes that htmx would obey
MARKUP = (
    "\"'><evil><script>alert(1)</script><img src=x onerror=alert(1)></title></textarea></style></option>--><svg onload=alert(1)>"
    "\" data-evil=\"1\" ' data-evil='1' hx-get=/evil {{7*7}} ${7*7}"
)
ADDRESS = "javascript:alert(1)//data-evil=1"
#: columns that hold what somebody else said; the others are words and numbers of our own
SAID = frozenset({
    "name", "sender", "sender_name", "receivers_text", "cc_text", "subject", "preview", "problem", "note", "display_name", "last_reply",
    "last_error", "held_reason", "held_by", "host", "text", "reason", "error", "detail", "actor_name", "token_name", "target_name",
    "user_agent", "helo", "login", "last_used_client", "client", "recipient", "envelope_sender", "from_address", "message_id_header",
    "in_reply_to", "query", "body", "route_name", "header_name", "catch_all_destination", "signature_html", "activated_by", "fault",
    "data_text", "filename", "request_id", "delivery", "said",
    "first_name", "last_name", "company", "phone", "job_title", "street", "city", "postal_code", "country", "color", "label", "placeholder",
    "description", "author", "evidence", "default",
})  # fmt: skip
#: columns that are that in one table alone
SAID_THERE = {
    ("contacts", "email"), ("contacts", "state"), ("contact_consents", "ip"), ("erasures", "by"), ("campaign_links", "url"),
    *(("campaigns", name) for name in ("from_name", "from_email", "reply_to", "preheader", "paused_why", "body_text")),
}  # fmt: skip
#: JSON of which every text is somebody else's
TOLD = frozenset({"dialogue", "request", "answer", "headers", "auth_verdict", "envelope_recipients", "custom_fields", "options"})
#: names of their own tables that other rows are found by, and words of our own
KEPT = {("suppressions", "reason"), ("counters", "name"), ("domains", "name"), ("mailbox_warnings", "limit_name")}


def poison(words: str) -> None:
    """Every such text of every table becomes these words, with the row's id so that names stay unique."""
    begin_writing()
    for table in Base.metadata.sorted_tables:
        if not {"id", "workspace_id"} & set(table.c.keys()) or "id" not in table.c:
            continue
        for row in db.session.execute(select(table)).mappings().all():
            changes = {column.name: _poisoned(column, row[column.name], words, row["id"]) for column in table.c}
            changes = {name: value for name, value in changes.items() if value != row[name] and (table.name, name) not in KEPT}
            if changes:
                db.session.execute(update(table).where(table.c.id == row["id"]).values(changes))
    db.session.commit()


def _poisoned(column: Any, value: Any, words: str, row_id: int) -> Any:
    if column.name in ("before", "after") and isinstance(value, str):
        return json.dumps(_everywhere(json.loads(value), words))
    if isinstance(column.type, JSON) and value:
        if column.name == "attachments":
            return [{**item, "filename": words, "content_type": words} for item in value]
        return _everywhere(value, words) if column.name in TOLD else value
    told = column.name in SAID or (column.table.name, column.name) in SAID_THERE
    if told and isinstance(column.type, String | Text) and (value is not None or column.nullable):
        return f"{words} {row_id}"
    return value


def _everywhere(value: Any, words: str) -> Any:
    if isinstance(value, str):
        return words
    if isinstance(value, list):
        return [_everywhere(one, words) for one in value]
    return {name: _everywhere(one, words) for name, one in value.items()} if isinstance(value, dict) else value


def broken_out(html: str) -> list[str]:
    """What of the words became part of the page."""
    found = foreign(html)
    for node in LexborHTMLParser(html).css("evil, [data-evil], [hx-get='/evil'], svg[onload]"):
        found.append(f"{node.tag} {node.attributes}")
    return found


@pytest.fixture
def everything(alice: Any, work_off: Any, outside: Any) -> Iterator[dict[str, Any]]:
    ids = make_everything(alice, work_off)
    yield ids


def _open(person: Any, path: str, **options: Any) -> list[str]:
    answer = person.page.get(path, **options)
    assert answer.status_code < 500, (path, answer.status_code, answer.get_data(as_text=True)[:2000])
    return [f"{path}: {what}" for what in broken_out(answer.get_data(as_text=True))] if answer.mimetype == "text/html" else []


def _looks(app: Any) -> list[Operation]:
    ways = [*page_operations(app), *api_operations(app)]
    return [one for one in ways if one.method == "GET" and one.endpoint not in ("static", "live.events", *FOR_STRANGERS)]


@pytest.mark.parametrize("words", [MARKUP, ADDRESS], ids=["markup", "address"])
def test_c55_no_text_of_anybody_becomes_part_of_any_page(app: Any, alice: Any, everything: dict[str, Any], words: str) -> None:
    poison(words)
    wrong: list[str] = []
    for operation in _looks(app):
        path = operation.path(everything)
        if operation.rule.startswith("/api/"):
            answer = alice.api.get(path)
            assert answer.status_code < 500 and answer.mimetype != "text/html", operation
            continue
        wrong += _open(alice, path)
        wrong += _open(alice, path, htmx=True)
    assert wrong == []


def test_c55_the_words_really_reach_the_pages(alice: Any, everything: dict[str, Any]) -> None:
    """Else the test above would hold for the wrong reason."""
    poison(MARKUP)
    one, run = f"/mail/{everything['message_id']}", f"/runs/{everything['run_id']}"
    person = f"/contacts/{everything['contact_id']}"
    people = ("/contacts", person, f"{person}/edit", f"{person}/merge", "/tags", "/contact-groups", "/custom-fields")
    campaign = f"/campaigns/{everything['campaign_id']}"
    campaigns = ("/campaigns", campaign, f"{campaign}/edit", f"{campaign}/send", f"{campaign}/cancel", f"{campaign}/recipients")
    for path in ("/mail?box=archive", one, run, "/queue", "/audit", "/tokens", "/routes", *people, *campaigns):
        assert "&lt;evil&gt;" in alice.page.get(path).get_data(as_text=True).partition("<main")[2], path


def test_c55_search_terms_filters_and_unknown_addresses_are_text_on_the_page(app: Any, alice: Any, everything: dict[str, Any]) -> None:
    names = ["q", "search", "cursor", "box", "mailbox", "state", "next", "sort", "page", "action", "actor", "target", "key", "token"]
    wrong: list[str] = []
    for operation in _looks(app):
        if operation.arguments or operation.rule.startswith("/api/"):
            continue
        for name in names:
            wrong += _open(alice, f"{operation.rule}?{name}={quote(MARKUP)}")
    for path in (f"/{quote(MARKUP)}", f"/mail/{quote(MARKUP)}", f"/mail/1/{quote(MARKUP)}", "/mail/999999999", f"/static/{quote(MARKUP)}"):
        for htmx in (False, True):
            wrong += _open(alice, path, htmx=htmx)
    assert wrong == []


def test_c55_what_is_typed_into_a_form_comes_back_as_text(app: Any, alice: Any, everything: dict[str, Any]) -> None:
    """Every form of every page, all of its fields filled with markup: refused or taken, never executed."""
    filled, wrong = 0, []
    for operation in page_operations(app):
        if operation.method != "GET" or operation.endpoint in ("static", "live.events", "accounts.logout", *FOR_STRANGERS):
            continue
        answer = alice.page.get(operation.path(everything))
        for form in LexborHTMLParser(answer.get_data(as_text=True)).css("form[method=post]") if answer.mimetype == "text/html" else []:
            values = {str(node.attributes.get("name")): MARKUP for node in form.css("input, textarea") if _is_text(node)}
            if not values:
                continue
            path = form.attributes.get("action") or operation.path(everything)
            reply = alice.page.post(path, data=values)
            filled += 1
            assert reply.status_code < 500, (path, values, reply.get_data(as_text=True)[:2000])
            wrong += [f"{path}: {what}" for what in broken_out(reply.get_data(as_text=True))]
    assert wrong == [] and filled > 10


def _is_text(node: Any) -> bool:
    return node.tag == "textarea" or (node.attributes.get("type") or "text") in ("text", "search", "email", "url", "number", "tel")


def test_c55_script_in_a_mail_is_text_in_every_view_of_it(alice: Any, everything: dict[str, Any]) -> None:
    box = db.session.get_one(Mailbox, everything["mailbox_id"])
    files = {"<svg onload=x>.txt": b"x", "\"><evil>.txt": b"y"}
    message = arrive(box, sender='"<script>alert(1)</script>" <a@b.test>', subject=MARKUP[:200], text=MARKUP, files=files)
    views = ("", "/text", "/headers", "/raw", "/attachments", "/timeline")
    assert [what for view in views for what in _open(alice, f"/mail/{message.id}{view}")] == []
