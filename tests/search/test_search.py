"""One search over everything: what it finds, for whom, and that nothing typed into it does harm (RELIABILITY C-52)."""

import time
from typing import Any

import pytest
from sqlalchemy import event

from tests.factories.automation import make_action, make_route, make_rule
from tests.factories.domains import make_domain
from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail
from webapp.core.db import db
from webapp.search import language, service
from webapp.tokens import service as tokens


def groups(person: Any, text: str, **more: Any) -> dict[str, list[str]]:
    """Names by kind, as the API answers them."""
    answer = person.get("/search", query_string={"q": text, **more})
    assert answer.status_code == 200, answer.json
    return {group["kind"]: [item["name"] for item in group["items"]] for group in answer.json["data"]["groups"]}


def notes(person: Any, text: str) -> list[str]:
    found: list[str] = person.get("/search", query_string={"q": text}).json["data"]["notes"]
    return found


@pytest.fixture
def shop(alice: Any) -> Any:
    """A little of everything that has to do with orders."""
    mailbox = make_mailbox(alice, "orders@acme.test")
    make_mailbox(alice, "press@acme.test")
    rule, action = make_rule(alice, name="Orders from abroad"), make_action(alice, name="Order webhook")
    make_route(alice, mailbox, name="New orders", rules=[rule], actions=[action])
    tokens.create_token(alice.actor, name="Orders shop", kind="ops", scopes=["domains:read"])
    make_mail(mailbox, subject="Your orders of May", sender="ines@elsewhere.test", text="drive kit")
    make_mail(mailbox, subject="Something else", sender="tomas@elsewhere.test", text="about orders, with a file", files={"a.pdf": b"x"})
    db.session.commit()
    return mailbox


def test_a_word_is_found_in_every_kind_of_thing(alice: Any, shop: Any) -> None:
    found = groups(alice.api, "order")
    assert found["mailbox"] == ["orders@acme.test"] and found["route"] == ["New orders"]
    assert found["rule"] == ["Orders from abroad"] and found["action"] == ["Order webhook"] and found["token"] == ["Orders shop"]
    assert "mail" not in found, "mail is searched by whole words"
    assert sorted(groups(alice.api, "orders")["mail"]) == ["Something else", "Your orders of May"]
    assert groups(alice.api, "acme.test")["domain"] == ["acme.test"]
    assert groups(alice.api, "bob@acme")["member"] == ["bob@acme.test"]


def test_prefixes_of_mail_ask_mail_alone(alice: Any, shop: Any) -> None:
    assert groups(alice.api, "from:ines orders") == {"mail": ["Your orders of May"]}
    assert groups(alice.api, "has:attachment") == {"mail": ["Something else"]}
    assert groups(alice.api, 'subject:"orders of may"') == {"mail": ["Your orders of May"]}
    assert groups(alice.api, "before:2020-01-01 orders") == {}
    assert groups(alice.api, "is:bounced orders") == {} and len(groups(alice.api, "is:unread orders")["mail"]) == 2


def test_in_mailbox_and_token_narrow(alice: Any, shop: Any) -> None:
    assert list(groups(alice.api, "in:routes orders")) == ["route"]
    assert list(groups(alice.api, "in:rules in:actions order")) == ["rule", "action"]
    assert len(groups(alice.api, "mailbox:orders orders")["mail"]) == 2 and groups(alice.api, "mailbox:press orders") == {}
    assert len(groups(alice.api, "in:inbox orders")["mail"]) == 2 and groups(alice.api, "in:sent orders") == {}
    shopper = alice.token_with("domains:read")
    shopper.get("/domains")
    assert groups(alice.api, "token:shop") == {"token": ["Orders shop"]}


def test_what_a_token_did_is_found_by_its_name(alice: Any) -> None:
    _, value = tokens.create_token(alice.actor, name="Builder", kind="ops", scopes=["*"])
    db.session.commit()
    builder = type(alice.api)(alice.api.app, value)
    assert builder.post("/domains", json={"name": "built.test"}, headers={"Idempotency-Key": "b"}).status_code == 201
    found = groups(alice.api, "token:builder")
    assert found["token"] == ["Builder"] and any("built.test" in name for name in found["audit"])


def test_a_request_id_leads_to_its_audit_entry(alice: Any) -> None:
    headers = {"X-Request-Id": "req_0123456789abcdef", "Idempotency-Key": "a"}
    asked = alice.api.post("/domains", json={"name": "asked.test"}, headers=headers)
    assert asked.status_code == 201
    assert any("asked.test" in name for name in groups(alice.api, "req_0123456789abcdef")["audit"])


def test_what_is_not_understood_is_told_and_nothing_is_an_error_but_a_date(alice: Any, shop: Any) -> None:
    assert "in:nowhere is no place" in notes(alice.api, "in:nowhere orders")[0]
    assert "is:lost is no state" in notes(alice.api, "is:lost")[0]
    assert "There is no mailbox with “nobody”" in notes(alice.api, "mailbox:nobody x")[0]
    assert "stands for 2 mailboxes" in notes(alice.api, "mailbox:acme.test x")[0]
    refused = alice.api.get("/search", query_string={"q": "before:tomorrow"})
    assert refused.status_code == 422 and "before:2026-09-01" in refused.json["error"]["details"]["q"][0]
    page = alice.page.get("/search?q=before:tomorrow")
    assert page.status_code == 422 and "before:2026-09-01" in page.get_data(as_text=True)
    assert alice.api.get("/search").json["data"]["groups"] == [] and groups(alice.api, " ") == {}


def test_counts_stand_beside_the_few_that_are_shown(alice: Any) -> None:
    mailbox = make_mailbox(alice, "orders@acme.test")
    for number in range(7):
        make_mail(mailbox, subject=f"Invoice {number}")
    answer = alice.api.get("/search", query_string={"q": "invoice", "limit": 2}).json["data"]["groups"][0]
    assert (answer["total"], answer["total_is_capped"], len(answer["items"])) == (7, False, 2)
    assert [item["name"] for item in answer["items"]] == ["Invoice 6", "Invoice 5"] and answer["items"][0]["page"].startswith("/mail/")


def test_another_workspace_finds_nothing_of_it(alice: Any, shop: Any, eve: Any) -> None:
    for text in ("order", "orders", "acme", "alice", "mailbox:orders orders", "token:shop"):
        assert groups(eve.api, text) == {}, text
    assert "orders@acme.test" not in eve.page.get("/search?q=orders").get_data(as_text=True)


def test_scopes_and_limits_of_a_token_decide_what_it_finds(alice: Any, shop: Any) -> None:
    assert list(groups(alice.token_with("mailboxes:read"), "orders")) == ["mailbox"]
    assert list(groups(alice.token_with("archives:read"), "orders")) == ["mail"]
    other = make_mailbox(alice, "orders@other.test")
    make_mail(other, subject="orders elsewhere")
    make_route(alice, other, name="Orders elsewhere")
    limited = alice.token_with("mailboxes:read", "archives:read", "routes:read", "domains:read", mailbox_ids=[other.id])
    assert groups(limited, "orders") == {"mail": ["orders elsewhere"], "mailbox": ["orders@other.test"], "route": ["Orders elsewhere"]}
    assert groups(limited, "mailbox:orders@acme.test orders") == {}
    assert groups(limited, "acme.test") == {} and groups(limited, "other.test")["domain"] == ["other.test"]


def test_people_find_what_their_role_may_see_and_pages(alice: Any, bob: Any, carol: Any, shop: Any) -> None:
    assert "Orders shop" in alice.page.get("/search?q=orders").get_data(as_text=True)
    assert "Orders shop" not in bob.page.get("/search?q=orders").get_data(as_text=True), "an agent sees own tokens alone"
    assert 'href="/trash"' in alice.page.get("/search?q=restore", htmx=True).get_data(as_text=True)
    assert "/domains/new" in alice.page.get("/search?q=dkim", htmx=True).get_data(as_text=True)
    assert "/domains/new" not in carol.page.get("/search?q=dkim", htmx=True).get_data(as_text=True)
    assert groups(alice.api, "restore") == {}, "pages are for people"


def test_the_list_under_the_box_is_a_fragment_of_options(alice: Any, shop: Any) -> None:
    found = alice.page.get("/search?q=orders", htmx=True).get_data(as_text=True)
    assert "<html" not in found and found.count('role="option"') >= 5 and 'role="group"' in found
    assert alice.page.get("/search?q=", htmx=True).get_data(as_text=True).strip() == ""
    assert 'role="combobox"' in alice.page.get("/domains").get_data(as_text=True)


HOSTILE = (
    "'; DROP TABLE messages; --", "' OR '1'='1", "%", "_%_", "%%%%%%%%%%%%", "\\", '"', '""', '"""', "(((((((((((", "a" * 1000,
    "NEAR(a b)", "a AND OR NOT b", "subject : (x OR y)", "body:^x*", "* * *", "-", "{sender}:x", "from:", "from:from:from:x", "in:in:in:",
    "mailbox:%", "mailbox:_", "token:%", "is:", "has:has:", "x'y''z", "<script>alert(1)</script>", "🚲 ☃ \u202e abc", "\ufeff", "a\x7fb",
    "' & ' | !(", ":*", "a:b:c:d:e", "((" * 400, "NOT " * 200, "a* b* c*", "1e309", "-9999999999999999999999", "𝐟𝐫𝐨𝐦:x",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_c52_hostile_text_finds_nothing_and_breaks_nothing(alice: Any, shop: Any, text: str) -> None:
    answer = alice.api.get("/search", query_string={"q": text})
    assert answer.status_code in (200, 422), (text, answer.json)
    if answer.status_code == 200:
        found = {item["name"] for group in answer.json["data"]["groups"] for item in group["items"]}
        assert len(found) < 5, (text, found)
    page = alice.page.get("/search", query_string={"q": text})
    assert page.status_code in (200, 422) and "<script>alert" not in page.get_data(as_text=True)
    assert len(groups(alice.api, "orders")["mail"]) == 2


def test_c52_wildcards_stand_for_themselves(alice: Any) -> None:
    make_rule(alice, name="100% wool")
    make_rule(alice, name="1000 wool")
    make_rule(alice, name="under_score")
    assert groups(alice.api, "in:rules 100%")["rule"] == ["100% wool"] or groups(alice.api, "in:rules 100")["rule"]
    assert groups(alice.api, 'in:rules "100%"') == {"rule": ["100% wool"]}
    assert groups(alice.api, 'in:rules "r_s"') == {"rule": ["under_score"]} and groups(alice.api, 'in:rules "%"') == {"rule": ["100% wool"]}


def test_c52_ten_thousand_words_cost_no_more_than_a_thousand_characters(alice: Any, shop: Any) -> None:
    words = " ".join(f"word{number}" for number in range(10_000))
    asked: list[str] = []
    note = lambda *args: asked.append(args[2])  # noqa: E731
    event.listen(db.engine, "before_cursor_execute", note)
    started = time.perf_counter()
    try:
        page = alice.page.get("/search", query_string={"q": words})
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert page.status_code == 422 and "at most 20 words" in page.get_data(as_text=True)
    assert time.perf_counter() - started < 3 and len(asked) < 15
    assert alice.api.get("/search", query_string={"q": words}).status_code == 422
    query = language.parse(words)
    assert len(query.words) == language.MOST_WORDS and len(query.mail) <= language.LONGEST


def test_the_number_of_queries_is_the_same_however_much_is_found(alice: Any, shop: Any) -> None:
    def count(text: str) -> int:
        asked: list[str] = []
        note = lambda *args: asked.append(args[2])  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", note)
        try:
            service.find(alice.actor, text)
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
        return sum("SELECT" in statement for statement in asked)

    few = count("orders")
    for number in range(6):
        make_mailbox(alice, f"orders{number}@acme.test")
        make_domain(alice, f"orders{number}.test")
        make_rule(alice, name=f"Orders {number}")
    assert count("orders") == few <= 9
