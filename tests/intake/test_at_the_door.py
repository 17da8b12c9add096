"""Mail that pretends to come from a domain with the policy `reject`: refused in the session where a domain here wants that."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_raw
from tests.fakes import FakeDns
from tests.intake.conftest import SmtpThread
from webapp.core.db import db
from webapp.core.outside import Outside
from webapp.domains.models import Domain
from webapp.intake import at_the_door
from webapp.mail import dkim
from webapp.messages.models import Message

PEM, PUBLIC = dkim.new_key("ed25519")
RECORDS: dict[Any, Any] = {
    ("elsewhere.test", "TXT"): ["v=spf1 ip4:192.0.2.0/24 -all"], ("_dmarc.elsewhere.test", "TXT"): ["v=DMARC1; p=reject"],
    ("k._domainkey.elsewhere.test", "TXT"): [dkim.dns_value(PUBLIC, "ed25519")],
    ("_dmarc.soft.test", "TXT"): ["v=DMARC1; p=quarantine"], ("soft.test", "MX"): ["10 mx.soft.test"],
    ("_dmarc.late.test", "TXT"): "timeout",
}  # fmt: skip
Smtp = Callable[..., SmtpThread]


@pytest.fixture
def dns(outside: Outside) -> FakeDns:
    outside.dns.records.update(RECORDS)  # type: ignore[attr-defined]
    return outside.dns  # type: ignore[return-value]


@pytest.fixture
def box(alice: Any) -> Any:
    made = make_mailbox(alice, "orders@acme.test")
    db.session.get_one(Domain, made.domain_id).refuse_unproven = True
    db.session.commit()
    return made


def hand_in(server: SmtpThread, to: list[str] | None = None, raw: bytes | None = None, **parts: Any) -> str:
    """The reply to the final dot."""
    with server.connect() as client:
        client.ehlo("mx.stranger.test")
        client.mail(parts.get("sender", "ines@elsewhere.test"))
        for address in to or ["orders@acme.test"]:
            assert client.rcpt(address)[0] == 250
        code, text = client.data(raw or make_raw(to="orders@acme.test", **parts))
    return f"{code} {text.decode()}"


def kept() -> int:
    db.session.rollback()
    return db.session.query(Message).count()


def test_what_nothing_proves_is_refused_when_its_policy_is_reject_and_nothing_is_kept(
    alice: Any, box: Any, dns: FakeDns, smtp: Smtp
) -> None:
    reply = hand_in(smtp(trusted_networks=()))
    assert reply.startswith("550 5.7.26") and "elsewhere.test" in reply
    assert kept() == 0
    entry = alice.api.get("/audit-events").json["data"][0]
    assert (entry["action"], entry["result"], entry["target"]["name"]) == ("smtp.unproven", "refused", "acme.test")


def test_a_mail_that_a_signature_proves_is_taken(box: Any, dns: FakeDns, smtp: Smtp) -> None:
    signed = dkim.sign(make_raw(to="orders@acme.test"), "elsewhere.test", "k", PEM)
    assert hand_in(smtp(trusted_networks=()), raw=signed).startswith("250") and kept() == 1


@pytest.mark.parametrize("sender", ["a@soft.test", "a@nothing.test", "a@late.test"])
def test_milder_policies_and_a_dns_that_does_not_answer_refuse_nothing(box: Any, dns: FakeDns, smtp: Smtp, sender: str) -> None:
    assert hand_in(smtp(trusted_networks=()), sender=sender).startswith("250") and kept() == 1


def test_by_default_such_mail_is_taken_and_nobody_is_asked_in_the_session(alice: Any, dns: FakeDns, smtp: Smtp) -> None:
    make_mailbox(alice, "orders@acme.test")
    assert hand_in(smtp(trusted_networks=())).startswith("250")
    assert dns.asked == []


def test_trusted_peers_are_never_asked_about(box: Any, dns: FakeDns, smtp: Smtp) -> None:
    assert hand_in(smtp()).startswith("250")
    assert dns.asked == []


def test_a_mailbox_that_takes_unproven_mail_and_a_domain_that_does_not_ask_for_it_keep_the_mail_from_being_refused(
    alice: Any, box: Any, dns: FakeDns, smtp: Smtp
) -> None:
    server = smtp(trusted_networks=())
    make_mailbox(alice, "info@other.test")
    assert hand_in(server, to=["orders@acme.test", "info@other.test"]).startswith("250")
    box.allow_unauthenticated = True
    db.session.commit()
    assert hand_in(server).startswith("250")


def test_a_check_that_fails_or_takes_too_long_refuses_nothing(
    box: Any, dns: FakeDns, smtp: Smtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = smtp(trusted_networks=())

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(at_the_door, "authenticate", broken)
    assert hand_in(server).startswith("250")
    monkeypatch.undo()
    monkeypatch.setattr(at_the_door, "PATIENCE_S", 0.0)
    assert hand_in(server).startswith("250")


def test_the_setting_is_changed_by_api_and_page(alice: Any, box: Any) -> None:
    path = f"/domains/{box.domain_id}"
    assert alice.api.get(path).json["data"]["refuse_unproven"] is True
    assert alice.api.patch(path, json={"refuse_unproven": False}).json["data"]["refuse_unproven"] is False
    assert "is quarantined when the sender" in alice.page.get(path).text
    assert alice.page.post(f"{path}/edit", {"refuse_unproven": "y"}).status_code in (200, 204, 302, 303)
    assert alice.api.get(path).json["data"]["refuse_unproven"] is True
