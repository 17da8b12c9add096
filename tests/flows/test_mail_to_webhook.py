"""The story of the spine: a mail that arrives does something, and everything can be read afterwards, also after a restart."""

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.flows.installation import OWNER, PASSWORD, Installation, Receiver, wait_for

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver(503, 200)
    yield found
    found.stop()


@pytest.fixture(params=["sqlite", "postgres"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    settings = {"MAILROOM_ADMIN_EMAIL": OWNER, "MAILROOM_ADMIN_PASSWORD": PASSWORD}
    if request.param == "postgres":
        settings["DATABASE_URL"] = request.getfixturevalue("postgres_server").create(f"flow_{tmp_path.name.replace('-', '_')[-20:]}")
    found = Installation(tmp_path, **settings)
    found.start()
    yield found
    found.stop()


def data(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()["data"]


def test_a_mail_over_smtp_calls_the_webhook_once_it_answers_and_both_logs_tell_it(installation: Installation, receiver: Receiver) -> None:
    """Token, domain, mailbox, rule, action and route by API; a real mail; 503, then 200; logs, audit trail; all there after a restart."""
    token = installation.run("token", "create", "--kind", "workspace", "--name", "flow", "--expires", "1d").stdout.strip()
    with installation.client(token) as api:
        domain = data(api.post("/domains", json={"name": "acme.test"}), 201)
        assert data(api.post(f"/domains/{domain['id']}/verify", json={"by_hand": True}))["verified"] is True
        mailbox = data(api.post("/mailbox/", json={"domain_id": domain["id"], "local_part": "orders"}), 201)
        assert mailbox["email"] == "orders@acme.test" and len(mailbox["password"]) >= 12
        rule = data(api.post("/rules/", json={"name": "Invoices", "type": "includes", "field": "subject", "value": "invoice"}), 201)
        hook = {"url": receiver.url, "auth": {"type": "hmac", "secret": "s3cr3t-of-the-flow"}}
        action = data(api.post("/actions/", json={"name": "Bookkeeping", "type": "webhook", "parameters": hook}), 201)
        assert "s3cr3t-of-the-flow" not in str(action)
        parts = {"mailbox_id": mailbox["id"], "match_type": "all", "rule_ids": [rule["id"]], "actions": [{"action_id": action["id"]}]}
        route = data(api.post("/routes/", json={"name": "To the books", **parts}), 201)
        send_mail(installation, "orders@acme.test", "Your invoice 7")
        wait_for(lambda: len(receiver.got) >= 2, "the second attempt of the webhook", 30)
        first, second = receiver.got[0], receiver.got[1]
        assert receiver.json(0)["subject"] == "Your invoice 7" and receiver.json(0)["mailbox"]["email"] == "orders@acme.test"
        assert first["headers"]["X-Mailroom-Delivery"] == second["headers"]["X-Mailroom-Delivery"]
        assert (first["headers"]["X-Mailroom-Attempt"], second["headers"]["X-Mailroom-Attempt"]) == ("1", "2")
        assert first["headers"]["X-Mailroom-Signature"].startswith("t=")
        assert second["at"] - first["at"] >= 9
        log = wait_for(lambda: finished_log(api, mailbox["id"]), "the route log to say success")
        assert_log_tells_it(api, mailbox["id"], log["id"], rule["id"])
        archive = data(api.get(f"/mailbox/{mailbox['id']}/archives/?search=invoice"))
        assert [row["subject"] for row in archive] == ["Your invoice 7"]
        assert_audit_tells_it(api, token)
    assert "all as they were written" in installation.run("audit", "verify").stdout
    assert installation.stop() == 0
    assert installation.start() < 15
    with installation.client(token) as api:
        assert data(api.get(f"/routes/{route['id']}/"))["name"] == "To the books"
        assert data(api.get(f"/mailbox/{mailbox['id']}/logs/{log['id']}/"))["status"] == "success"
        assert data(api.get(f"/mailbox/{mailbox['id']}/archives/"))[0]["subject"] == "Your invoice 7"
    assert len(receiver.got) == 2, "nothing ran again after the restart"


def send_mail(installation: Installation, to: str, subject: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Supplier <billing@supplier.test>", to, subject
    message.set_content("Please find it attached.")
    message.add_attachment(b"%PDF-1.4 test", maintype="application", subtype="pdf", filename="invoice.pdf")
    with smtplib.SMTP("127.0.0.1", installation.smtp, timeout=10) as smtp:
        assert smtp.send_message(message) == {}


def finished_log(api: Any, mailbox_id: int) -> Any:
    rows = data(api.get(f"/mailbox/{mailbox_id}/logs/"))
    return rows[0] if rows and rows[0]["status"] == "success" else None


def assert_log_tells_it(api: Any, mailbox_id: int, log_id: int, rule_id: int) -> None:
    """The log names the rule's verdict and both attempts with request, answer and time."""
    log = data(api.get(f"/mailbox/{mailbox_id}/logs/{log_id}/"))
    assert [(row["rule_id"], row["matched"]) for row in log["rules"]] == [(rule_id, True)]
    attempts = log["actions"][0]["attempts"]
    assert [attempt["number"] for attempt in attempts] == [1, 2]
    assert [attempt["status_code"] for attempt in attempts] == [503, 200]
    assert "s3cr3t-of-the-flow" not in str(log)


def assert_audit_tells_it(api: Any, token: str) -> None:
    """Who set it all up, with which token, in order."""
    events = data(api.get("/audit-events?per_page=100"))
    done = [event["action"] for event in reversed(events) if event["token"] and event["token"]["last_four"] == token[-4:]]
    wanted = ["domain.create", "domain.verify", "mailbox.create", "rule.create", "action.create", "route.create"]
    assert [action for action in done if action in wanted] == wanted
    assert "s3cr3t-of-the-flow" not in str(events)
