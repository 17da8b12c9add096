"""The archive over the API: filters, pages, one mail, downloads, the trash, and who may see what."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail, make_raw
from webapp.core.db import db
from webapp.messages import store


@pytest.fixture
def box(alice: Any) -> Any:
    return make_mailbox(alice, "hello@acme.test")


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.json
    return [item["id"] for item in answer.json["data"]]


def test_both_spellings_list_the_mail_newest_first_with_an_exact_total(alice: Any, box: Any) -> None:
    made = [make_mail(box, subject=f"number {number}").id for number in range(3)]
    for path in (f"/mailboxes/{box.id}/archives", f"/mailbox/{box.id}/archives/"):
        answer = alice.api.get(f"{path}?per_page=2")
        assert ids(answer) == made[:0:-1]
        assert answer.json["meta"]["total"] == 3 and answer.json["meta"]["has_more"]
        rest = alice.api.get(f"{path}?per_page=2&cursor={answer.json['meta']['next_cursor']}")
        assert ids(rest) == made[:1] and not rest.json["meta"]["has_more"]
    assert ids(alice.api.get(f"/mailbox/{box.id}/archives?page=2&per_page=2")) == made[:1]
    assert ids(alice.api.get(f"/mailbox/{box.id}/archives?ordering=createdTime")) == made
    assert alice.api.get(f"/mailbox/{box.id}/archives?page=101").status_code == 422
    assert alice.api.get(f"/mailbox/{box.id}/archives?cursor=nonsense").json["error"]["details"]["cursor"]


def test_a_row_names_everything_of_the_mail_but_its_text(alice: Any, box: Any) -> None:
    raw = make_raw(
        sender="Inés Duarte <ines@shop.test>", to="hello@acme.test, Bob <bob@acme.test>", subject="Drive kit", text="Twelve.",
        files={"kit.pdf": b"%PDF"}, headers={"Cc": "carol@acme.test", "Date": "Mon, 14 Sep 2026 11:04:00 +0200"},
    )  # fmt: skip
    make_mail(box, raw=raw, sender="ines@shop.test")
    (row,) = alice.api.get(f"/mailbox/{box.id}/archives").json["data"]
    assert row["sender"] == "ines@shop.test" and row["sender_name"] == "Inés Duarte"
    assert row["receivers"] == ["hello@acme.test", "bob@acme.test"] and row["cc"] == ["carol@acme.test"]
    assert row["date"] == "2026-09-14T09:04:00Z" and row["subject"] == "Drive kit" and row["preview"] == "Twelve."
    assert row["attachments"] == [
        {"number": 1, "filename": "kit.pdf", "content_type": "application/octet-stream", "size": 4, "content_id": None, "inline": False}
    ]
    assert row["mailbox"] == "hello@acme.test" and row["direction"] == "received" and row["size"] == len(raw)


def test_documented_filters_in_both_spellings(alice: Any, box: Any) -> None:
    old = make_mail(box, subject="Old", sender="ines@shop.test", headers={"Date": "Mon, 14 Sep 2026 11:04:00 +0000"}, files={"a.txt": b"x"})
    new = make_mail(box, subject="New", sender="bo@else.test", headers={"Date": "Tue, 15 Sep 2026 23:59:59 +0000"}, text="needle here")
    sent = make_mail(box, direction="sent", sender="hello@acme.test", subject="Sent", columns={"is_test": True})
    path = f"/mailbox/{box.id}/archives/"
    today = datetime.now(UTC).date()
    for query, expected in (
        ("sender=INES", [old]), ("receivers=hello@", [sent, new, old]), ("subject=ne", [new]), ("body=NEEDLE", [new]),
        ("hasAttachments=True", [old]), ("has_attachments=0", [sent, new]), ("date_exact=2026-09-15", [new]),
        ("date_exact=2026-09-14T11:04:00Z", [old]), ("date_after=2026-09-15&date_before=2026-09-15", [new]),
        ("date_before=2026-09-14", [old]), (f"createdTime_after={today}", [sent, new, old]),
        (f"created_before={today - timedelta(days=1)}", []), ("search=needle", [new]), ("search=from:ines", [old]),
        ("direction=sent", [sent]), ("direction=received&sender=bo", [new]), ("isTest=true", [sent]), ("is_test=false", [new, old]),
        ("quarantined=true", []), ("folder=INBOX", [new, old]), ("search=a.txt", [old]), ("ordering=-createdTime&subject=e", [sent, new]),
    ):  # fmt: skip
        answer = alice.api.get(path + "?" + query)
        assert ids(answer) == [message.id for message in expected], query
        assert answer.json["meta"]["total"] == len(expected), query
    wrong = {"date_after=soon": "date_after", "direction=up": "direction", "nonsense=1": "nonsense", "search=after:x": "search"}
    for query, field in wrong.items():
        answer = alice.api.get(path + "?" + query)
        assert answer.status_code == 422 and field in answer.json["error"]["details"], query


def test_one_mail_with_text_headers_and_its_story(alice: Any, box: Any) -> None:
    message = make_mail(box, subject="Hello", text="Good morning.", html="<p>Good <b>morning</b>.</p>")
    found = alice.api.get(f"/mailbox/{box.id}/archives/{message.id}/").json["data"]
    assert found["body"].strip() == "Good morning." and "<b>morning</b>" in found["html"]
    assert ["Subject", "Hello"] in found["headers"]
    assert found["why"].startswith("Received ") and found["why"].endswith("filed in Inbox.")
    assert [step["title"] for step in found["timeline"]][-1] == "Received"


def test_raw_and_attachments_come_as_files_to_save(alice: Any, box: Any) -> None:
    message = make_mail(box, files={'ev"il\u202e.html': b"<script>alert(1)</script>"})
    raw = alice.api.get(f"/mailbox/{box.id}/archives/{message.id}/raw/")
    assert raw.data == store.raw_of(message) and raw.mimetype == "message/rfc822"
    file = alice.api.get(f"/mailboxes/{box.id}/archives/{message.id}/attachments/1")
    assert file.data == b"<script>alert(1)</script>" and file.mimetype == "application/octet-stream"
    assert file.headers["Content-Disposition"].startswith("attachment; filename=") and file.headers["X-Content-Type-Options"] == "nosniff"
    assert "\u202e" not in file.headers["Content-Disposition"] and '"ev"' not in file.headers["Content-Disposition"]
    assert alice.api.get(f"/mailbox/{box.id}/archives/{message.id}/attachments/2").status_code == 404
    assert alice.api.get(f"/mailbox/{box.id}/archives/{message.id}/attachments/0").status_code == 404


def test_deleting_puts_it_into_the_trash_and_tells_the_audit_log(alice: Any, box: Any) -> None:
    message = make_mail(box, subject="Gone")
    answer = alice.api.delete(f"/mailbox/{box.id}/archives/{message.id}/")
    assert answer.status_code == 200 and answer.json["data"]["id"] == message.id
    assert alice.api.get(f"/mailbox/{box.id}/archives/{message.id}").status_code == 404
    assert alice.api.delete(f"/mailbox/{box.id}/archives/{message.id}").status_code == 404
    assert ids(alice.api.get(f"/mailbox/{box.id}/archives")) == []
    (entry,) = alice.api.get("/audit-events?action=message.delete").json["data"]
    assert entry["target"] == {"type": "message", "id": message.id, "name": "Gone"}


def test_foreign_mail_is_not_found_at_any_door(alice: Any, eve: Any, box: Any) -> None:
    message, other = make_mail(box, files={"a.txt": b"x"}), make_mailbox(eve, "eve@evil.test")
    for path in ("", f"/{message.id}", f"/{message.id}/raw", f"/{message.id}/attachments/1"):
        assert eve.api.get(f"/mailbox/{box.id}/archives{path}").status_code == 404
        if path:
            assert eve.api.get(f"/mailbox/{other.id}/archives{path}").status_code == 404
            assert alice.api.get(f"/mailbox/{make_mailbox(alice).id}/archives{path}").status_code == 404
    assert eve.api.delete(f"/mailbox/{box.id}/archives/{message.id}").status_code == 404
    db.session.rollback()
    assert alice.api.get(f"/mailbox/{box.id}/archives/{message.id}").status_code == 200


def test_scopes_roles_and_limits_of_tokens_hold(alice: Any, carol: Any, box: Any) -> None:
    message, other = make_mail(box), make_mailbox(alice, "other@acme.test")
    make_mail(other)
    assert alice.token_with("domains:read").get(f"/mailbox/{box.id}/archives").status_code == 403
    assert carol.api.get(f"/mailbox/{box.id}/archives").status_code == 200
    assert carol.api.delete(f"/mailbox/{box.id}/archives/{message.id}").status_code == 403
    limited = alice.token_with("archives:read", mailbox_ids=[box.id])
    assert ids(limited.get(f"/mailbox/{box.id}/archives")) == [message.id]
    assert limited.get(f"/mailbox/{other.id}/archives").status_code == 404


def test_mail_that_cannot_be_read_is_listed_and_its_source_is_whole(alice: Any, box: Any, work_off: Any) -> None:
    raw = b"\x00\xff no header at all \r\n\x80"
    message = make_mail(box, raw=raw, read=False)
    assert alice.api.get(f"/mailbox/{box.id}/archives/{message.id}").json["data"]["state"] == "received"
    work_off()
    found = alice.api.get(f"/mailbox/{box.id}/archives/{message.id}").json["data"]
    assert found["state"] == "processed" and found["folder"] == "INBOX"
    assert alice.api.get(f"/mailbox/{box.id}/archives/{message.id}/raw").data == raw
