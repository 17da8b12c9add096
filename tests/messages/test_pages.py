"""Mail in the browser: lists, views, the sandboxed frame under hostile mail, marking, deleting with a way back, system mail."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import event

from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail
from webapp.core.db import db, is_sqlite
from webapp.core.trash import restore
from webapp.messages import links, timeline
from webapp.messages.models import Message
from webapp.messages.pages import PER_PAGE

SAMPLES = sorted((Path(__file__).parent.parent / "mails").glob("[b-h]*/own-*.eml"))
XSS = (
    "<script>alert(1)</script><img src=x onerror=alert(1)><a href='javascript:alert(1)'>x</a>"
    "<svg onload=alert(1)><form action=//evil.test>"
)


@pytest.fixture
def box(alice: Any) -> Any:
    return make_mailbox(alice, "hello@acme.test")


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def assert_harmless(text: str) -> None:
    for tag, attributes in Tags(text).found:
        assert tag not in ("script", "iframe", "object", "embed", "form", "input", "base", "link", "svg", "math"), tag
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert not value.strip().lower().startswith(("javascript:", "vbscript:")), (tag, name, value)
            assert not (name == "src" and not value.startswith("data:")), (tag, value)


def test_the_list_shows_mail_and_its_chips(alice: Any, box: Any) -> None:
    make_mail(box, sender="Inés <ines@shop.test>", subject="Drive kit", text="Twelve pieces")
    sent = {"direction": "sent", "sender": "hello@acme.test", "to": "Bo <bo@else.test>", "columns": {"delivery_state": "captured"}}
    make_mail(box, subject="Answer", **sent)
    page = alice.page.get("/mail").text
    assert "Inés" in page and "Drive kit" in page and "Twelve pieces" in page and "Answer" not in page
    assert "messages-changed from:body" in page
    sent = alice.page.get("/mail?box=sent").text
    assert "To Bo" in sent and "captured" in sent and "Drive kit" not in sent
    assert "Answer" in alice.page.get("/mail?box=captured").text
    fragment = alice.page.get("/mail?q=from:ines", htmx=True).text
    assert "Drive kit" in fragment and "<html" not in fragment
    assert "Search all mail" in alice.page.get("/mail?q=bo").text
    assert "Answer" in alice.page.get(f"/mail?q=to:bo&box=archive&mailbox={box.id}").text


def test_a_search_that_makes_no_sense_keeps_what_was_typed(alice: Any, box: Any) -> None:
    make_mail(box)
    answer = alice.page.get("/mail?q=after:someday")
    assert answer.status_code == 422 and "after:2026-09-01" in answer.text and 'value="after:someday"' in answer.text


def test_an_empty_inbox_teaches_the_first_mail(alice: Any) -> None:
    assert "Create mailbox" in alice.page.get("/mail").text
    make_mailbox(alice, "hello@acme.test")
    assert "curl smtp://" in alice.page.get("/mail").text and "hello@acme.test" in alice.page.get("/mail").text


def test_pages_of_the_list_go_on_by_cursor(alice: Any, box: Any) -> None:
    for number in range(PER_PAGE + 2):
        make_mail(box, subject=f"number {number:02}.")
    first = alice.page.get("/mail").text
    assert f"number {PER_PAGE + 1}." in first and "number 01." not in first and f"{PER_PAGE + 2} mails" in first
    older = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    assert "number 01." in alice.page.get(older).text


def test_a_mail_has_its_views_each_with_an_address(alice: Any, box: Any) -> None:
    message = make_mail(box, subject="Hello <b>you</b>", text="plain words", html="<p>rich words</p>", files={"kit.pdf": b"%PDF"})
    page = alice.page.get(f"/mail/{message.id}").text
    assert f'src="/mail/{message.id}/html"' in page and 'sandbox="allow-popups' in page and "Hello &lt;b&gt;you&lt;/b&gt;" in page
    assert "filed in Inbox" in page and "kit.pdf" in page
    assert "plain words" in alice.page.get(f"/mail/{message.id}/text").text
    assert "MIME-Version" in alice.page.get(f"/mail/{message.id}/headers").text
    assert "Content-Transfer-Encoding" in alice.page.get(f"/mail/{message.id}/raw").text
    assert f"/mail/{message.id}/attachments/1" in alice.page.get(f"/mail/{message.id}/attachments").text
    assert "Received" in alice.page.get(f"/mail/{message.id}/timeline").text
    assert alice.page.get(f"/mail/{message.id}/source").headers["Content-Disposition"].endswith(".eml")
    file = alice.page.get(f"/mail/{message.id}/attachments/1")
    assert file.mimetype == "application/octet-stream" and file.headers["Content-Disposition"].startswith("attachment")
    assert alice.page.get(f"/mail/{message.id}/nonsense").status_code == 404


def test_the_frame_has_its_own_policy_and_blocks_what_is_remote_until_asked(alice: Any, box: Any) -> None:
    message = make_mail(box, html=f'<img src="https://track.test/p.gif"><p>kept</p>{XSS}')
    page = alice.page.get(f"/mail/{message.id}").text
    assert "Remote content blocked (" in page and f"/mail/{message.id}?remote=1" in page
    frame = alice.page.get(f"/mail/{message.id}/html")
    policy = frame.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ") and "allow-scripts" not in policy and "allow-same-origin" not in policy
    assert "default-src 'none'" in policy and "img-src data:;" in policy and "frame-ancestors 'self'" in policy
    assert frame.headers["X-Frame-Options"] == "SAMEORIGIN" and "track.test" not in frame.text and "kept" in frame.text
    assert_harmless(frame.text)
    allowed = alice.page.get(f"/mail/{message.id}/html?remote=1")
    assert "img-src data: https:;" in allowed.headers["Content-Security-Policy"] and "https://track.test/p.gif" in allowed.text
    assert "onerror" not in allowed.text and "<script" not in allowed.text
    assert "Block it again" in alice.page.get(f"/mail/{message.id}?remote=1").text


def test_c53_hostile_mail_is_shown_without_harm_in_every_view(alice: Any, box: Any, app: Any) -> None:
    assert len(SAMPLES) > 20
    for path in SAMPLES if is_sqlite() else SAMPLES[::5]:  # what is done to them knows no database
        message = make_mail(box, raw=path.read_bytes())
        for view in ("", "/text", "/headers", "/raw", "/attachments", "/timeline"):
            answer = alice.page.get(f"/mail/{message.id}{view}")
            assert answer.status_code == 200, (path.name, view)
            assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert_harmless(alice.page.get(f"/mail/{message.id}/html").text)
        for item in message.attachments[:2]:
            file = alice.page.get(f"/mail/{message.id}/attachments/{item['number']}")
            assert file.mimetype == "application/octet-stream" and "\n" not in file.headers["Content-Disposition"]
    listed = alice.page.get("/mail").text
    assert "<script>alert" not in listed and "onerror=" not in listed


def test_subject_and_names_of_a_mail_are_text_in_every_page(alice: Any, box: Any) -> None:
    message = make_mail(box, sender='"<script>x</script>" <a@b.test>', subject=XSS[:60], text=XSS)
    for path in ("/mail", f"/mail/{message.id}", f"/mail/{message.id}/raw", f"/mail/{message.id}/headers"):
        assert "<script>" not in alice.page.get(path).text.replace('<script src="', "")


def test_opening_marks_read_by_a_post_alone_and_unread_brings_it_back(alice: Any, box: Any, carol: Any) -> None:
    message = make_mail(box)
    page = alice.page.get(f"/mail/{message.id}").text
    assert f'hx-post="/mail/{message.id}/seen" hx-trigger="load"' in page
    assert not db.session.get_one(Message, message.id).seen
    assert alice.page.post(f"/mail/{message.id}/seen", htmx=True).status_code == 200
    assert db.session.get_one(Message, message.id).seen
    assert "hx-trigger=\"load\"" not in alice.page.get(f"/mail/{message.id}").text
    assert alice.page.post(f"/mail/{message.id}/unseen").location.startswith("/mail")
    assert not db.session.get_one(Message, message.id).seen
    assert carol.page.post(f"/mail/{message.id}/seen").status_code == 403
    assert "/seen" not in carol.page.get(f"/mail/{message.id}").text


def test_deleting_offers_a_way_back(alice: Any, box: Any, carol: Any) -> None:
    message = make_mail(box, subject="Gone and back")
    assert carol.page.post(f"/mail/{message.id}/delete").status_code == 403
    assert alice.page.post(f"/mail/{message.id}/delete").status_code == 303
    page = alice.page.get("/mail?box=archive").text
    assert "Gone and back" not in page and f"/mail/restore?id={message.id}" in page
    assert alice.page.get(f"/mail/{message.id}").status_code == 404
    assert alice.page.post(f"/mail/restore?id={message.id}").status_code == 303
    assert alice.page.get(f"/mail/{message.id}").status_code == 200
    assert "brought back" in alice.page.get("/audit").text or "restore" in alice.page.get("/audit").text


def test_several_mails_at_once_and_the_trash_of_a_lost_mailbox(alice: Any, box: Any) -> None:
    first, second, third = (make_mail(box, subject=f"number {number}") for number in range(3))
    picked = {"id": [first.id, second.id, 999], "action": "read", "next": "//evil.test"}
    asked = alice.page.post("/picks/message", picked)
    assert asked.status_code == 200 and "Mark read 2 mails" in asked.text
    answer = alice.page.post("/picks/message", {**picked, "confirmed": "1"})
    assert answer.status_code == 303 and answer.location == "/mail"
    assert [db.session.get_one(Message, one.id).seen for one in (first, second, third)] == [True, True, False]
    answer = alice.page.post("/picks/message", {"id": [first.id, second.id], "action": "delete"}, htmx=True)
    news = orjson.loads(answer.headers["HX-Trigger"])
    assert news["toast"]["text"] == "2 mails in the trash." and "messages-changed" in news
    assert alice.page.post(news["toast"]["undo"]).status_code == 303
    assert alice.page.post("/picks/message", {"action": "delete"}).status_code == 422
    alice.page.post(f"/mail/{third.id}/delete")
    alice.page.post(f"/mailboxes/{box.id}/delete")
    db.session.get_one(type(box), box.id).deleted_at = box.created_at
    db.session.commit()
    assert alice.page.post(f"/mail/restore?id={third.id}").status_code == 409
    assert alice.page.get("/mail").text.count("number ") == 0


def test_the_trash_restores_and_purges_messages(alice: Any, box: Any) -> None:
    message = make_mail(box, subject="In the trash")
    alice.page.post(f"/mail/{message.id}/delete")
    restore(alice.actor, "message", message.id)
    db.session.commit()
    assert alice.page.get(f"/mail/{message.id}").status_code == 200


def test_system_mail_is_for_owners_and_its_links_are_for_nobody(alice: Any, bob: Any, box: Any) -> None:
    text = "Open https://acme.test/reset/s3cret within an hour, or www.acme.test/x."
    for mailbox, columns in ((None, {}), (box, {"is_system": True})):
        parts = {"direction": "sent", "subject": "Set a new password", "text": text, "columns": columns}
        message = make_mail(mailbox, workspace_id=alice.workspace.id, **parts)
        for person, sees in ((alice, True), (bob, False)):
            for view in ("", "/text", "/headers", "/raw", "/timeline"):
                page = person.page.get(f"/mail/{message.id}{view}").text
                assert "s3cret" not in page and "www.acme.test" not in page
            assert ("link cut out" in person.page.get(f"/mail/{message.id}/text").text) is sees
            assert person.page.get(f"/mail/{message.id}/source").status_code == 403
            assert "s3cret" not in person.page.get(f"/mail/{message.id}/html").text
            assert "within an hour" not in person.page.get("/mail?q=hour&box=archive", htmx=True).text
        if mailbox:
            found = alice.api.get(f"/mailboxes/{box.id}/archives/{message.id}")
            assert "s3cret" not in found.text and found.json["data"]["preview"] == ""
            assert alice.api.get(f"/mailboxes/{box.id}/archives/{message.id}/raw").status_code == 403


def test_foreign_mail_is_not_found_on_any_page(alice: Any, eve: Any, box: Any) -> None:
    message = make_mail(box, files={"a.txt": b"x"})
    for path in ("", "/html", "/raw", "/source", "/attachments/1", "/timeline"):
        assert eve.page.get(f"/mail/{message.id}{path}").status_code == 404
    for path in ("seen", "unseen", "delete"):
        assert eve.page.post(f"/mail/{message.id}/{path}").status_code == 404
    assert eve.page.post(f"/mail/restore?id={message.id}").status_code == 404
    assert eve.page.get(f"/mail?mailbox={box.id}").status_code == 404


def test_features_above_add_their_words_steps_and_buttons(alice: Any, box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    message = make_mail(box)
    monkeypatch.setattr(timeline, "why_sources", [lambda actor, mail: "1 route ran"])
    monkeypatch.setattr(timeline, "timeline_sources", [lambda actor, mail: [timeline.Step(mail.created_at, "Ran Invoices", "2 actions")]])
    monkeypatch.setattr(links, "_links", dict(links._links))
    links.add("Replay", "play", lambda mail: f"/replay/{mail.id}", scope="testmail:run", post=True)
    page = alice.page.get(f"/mail/{message.id}").text
    assert "filed in Inbox; 1 route ran." in page and "Ran Invoices" in page and f'action="/replay/{message.id}"' in page


def test_the_list_asks_few_questions_however_much_mail_there_is(alice: Any, box: Any) -> None:
    for number in range(30):
        make_mail(box, subject=f"number {number}")
    statements: list[str] = []
    listen = lambda conn, cursor, statement, *rest: statements.append(statement)  # noqa: E731
    event.listen(db.engine, "before_cursor_execute", listen)
    try:
        alice.page.get("/mail", htmx=True)
    finally:
        event.remove(db.engine, "before_cursor_execute", listen)
    own = [statement for statement in statements if "messages" in statement or "counters" in statement or "mailboxes" in statement]
    assert len(own) <= 4, own
