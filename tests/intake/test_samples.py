"""The sample mail: taken like any other, for those who may, and refused with the reason where the mailbox takes none."""

from typing import Any

from tests.factories.mailboxes import make_mailbox
from webapp.core.db import begin_writing, db
from webapp.mailboxes import service as mailboxes


def test_a_sample_is_stored_read_and_filed_like_any_mail(alice: Any, work_off: Any) -> None:
    mailbox = make_mailbox(alice)
    answer = alice.api.post(f"/mailboxes/{mailbox.id}:sample")
    assert answer.status_code == 201, answer.json
    work_off()
    archived = alice.api.get(f"/mailboxes/{mailbox.id}/archives").json["data"]
    assert [(row["id"], row["subject"], row["has_attachments"]) for row in archived] == [
        (answer.json["data"]["message_id"], "Sample: your invoice 2026-0042", True)
    ]
    assert alice.api.get("/audit-events").json["data"][0]["action"] == "mailbox.sample"
    page = alice.page.get("/mail").text
    assert "Sample: your invoice" in page


def test_a_paused_mailbox_says_why_it_takes_no_sample_and_a_viewer_may_not_ask(alice: Any, carol: Any) -> None:
    mailbox = make_mailbox(alice)
    begin_writing()
    mailboxes.pause_mailbox(alice.actor, mailbox.id)
    db.session.commit()
    answer = alice.api.post(f"/mailboxes/{mailbox.id}:sample")
    assert answer.status_code == 409 and "4.2.1" in answer.json["error"]["message"]
    assert carol.api.post(f"/mailboxes/{mailbox.id}:sample").status_code == 403


def test_the_empty_mail_page_and_the_mailbox_page_offer_it(alice: Any, work_off: Any) -> None:
    mailbox = make_mailbox(alice)
    for path in ("/mail", f"/mailboxes/{mailbox.id}"):
        assert f'action="/mailboxes/{mailbox.id}/sample"' in alice.page.get(path).text, path
    assert alice.page.post(f"/mailboxes/{mailbox.id}/sample").location == f"/mail?mailbox={mailbox.id}"
    work_off()
    assert "Sample: your invoice" in alice.page.get("/mail").text
