"""Mail that goes on unchanged: its signature holds, its return path leads back, and nobody else can use it (C-16)."""

from datetime import timedelta
from typing import Any

import dkim as independent
import pytest

from tests.automation.far_side import come_in
from tests.factories.automation import make_action, make_route, runs_of
from tests.factories.domains import make_domain
from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_raw
from tests.factories.reports import publish_return_path
from tests.factories.sending import Sink, deliveries, use_transport
from webapp.automation import exchanges, forwarding
from webapp.automation.exchanges import DAY, Budget
from webapp.automation.models_loops import Exchange
from webapp.core import secrets
from webapp.core.db import db
from webapp.domains.models import Domain
from webapp.intake import service
from webapp.mail import dkim, srs
from webapp.mailboxes.models import Mailbox
from webapp.messages.models import Message
from webapp.sending.models import Outgoing

REPORT = b"""\
From: MAILER-DAEMON@far.test\r
To: %(to)s\r
Subject: Undelivered Mail Returned to Sender\r
Auto-Submitted: auto-replied\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r
\r
--b\r
Content-Type: text/plain\r
\r
It could not be delivered.\r
--b\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mx.far.test\r
\r
Final-Recipient: rfc822; kontor@far.test\r
Action: failed\r
Status: 5.1.1\r
Diagnostic-Code: smtp; 550 5.1.1 no such mailbox\r
\r
--b--\r
"""


@pytest.fixture
def box(alice: Any) -> Mailbox:
    found = make_mailbox(alice, "hello@acme.test")
    make_route(alice, found, actions=[make_action(alice, "forward", to=["kontor@far.test"], unchanged=True)])
    return found


@pytest.fixture
def sink(app: Any) -> Any:
    with Sink() as found:
        use_transport(app, found.url)
        yield found


def forwarded_from(sink: Sink, work_off: Any, sender: str = "ines@elsewhere.test", **parts: Any) -> str:
    """A mail of this sender is sent on; returns its return path."""
    assert come_in(sender, "hello@acme.test", make_raw(sender="ines@elsewhere.test"), **parts).startswith("250")
    work_off()
    return sink.taken[-1].sender


def report_to(path: str, sender: str = "") -> str:
    return come_in(sender, path, REPORT.replace(b"%(to)s", path.encode()), trusted=False)


def test_a_mail_goes_on_byte_for_byte_and_its_signature_holds(app: Any, box: Any, sink: Sink, outside: Any, work_off: Any) -> None:
    private, public = dkim.new_key("ed25519")
    raw = dkim.sign(make_raw(sender="ines@elsewhere.test", text="Grüße \n .dot\n\n"), "elsewhere.test", "s1", private)
    come_in("ines@elsewhere.test", "hello@acme.test", raw)
    work_off()
    (taken,) = sink.taken
    assert taken.raw.endswith(raw) and taken.raw.startswith(b"X-Mailroom-Trace: run ")
    assert independent.verify(taken.raw, dnsfunc=lambda name, timeout=5: dkim.dns_value(public, "ed25519").encode())
    assert taken.sender.startswith("srs0=") and taken.sender.endswith("=elsewhere.test=ines@acme.test")
    assert taken.recipients == ["kontor@far.test"] and runs_of()[-1].status == "success"


def test_a_bounce_to_the_return_path_goes_back_to_whoever_wrote_the_mail(box: Any, sink: Sink, outside: Any, work_off: Any) -> None:
    path = forwarded_from(sink, work_off)
    assert report_to(path.upper().replace("ACME.TEST", "acme.test")).startswith("250")
    work_off()
    back = sink.taken[-1]
    assert (back.sender, back.recipients) == ("", ["ines@elsewhere.test"]) and b"550 5.1.1 no such mailbox" in back.raw
    message = db.session.query(Message).filter_by(direction="received").order_by(Message.id.desc()).first()
    assert message is not None and message.mailbox_id == box.id and message.folder is None
    assert "went back to ines@elsewhere.test" in str(message.journal)
    assert len(runs_of()) == 1 and len(sink.taken) == 2


def test_c16_a_forged_or_late_return_path_is_refused_in_the_session(alice: Any, box: Any, sink: Sink, outside: Any, work_off: Any) -> None:
    db.session.execute(db.text("UPDATE domains SET catch_all_enabled = true, catch_all_destination = 'hello@acme.test'"))
    db.session.commit()
    path = forwarded_from(sink, work_off)
    today = outside.clock.now().date()
    never_sent_on = srs.forward("stranger@nowhere.test", "acme.test", secrets.derived(forwarding.PURPOSE), today)
    old = srs.forward("ines@elsewhere.test", "acme.test", secrets.derived(forwarding.PURPOSE), today - timedelta(days=30))
    foreign = srs.forward("ines@elsewhere.test", "acme.test", b"x" * 32, today)
    for address in (path.replace("ines", "inez"), never_sent_on, old, foreign, "SRS0=x@acme.test", "srs1=aaaaaa=far.test==b=c=d@acme.test"):
        assert (service.check_recipient("mx", None, address, "192.0.2.1", False) or "").startswith("550 5.1.1"), address
    assert service.check_recipient("mx", None, path, "192.0.2.1", False) is None
    outside.clock.pass_time(23 * 86_400)
    assert (service.check_recipient("mx", None, path, "192.0.2.1", False) or "").startswith("550")


def test_c16_only_reports_without_a_sender_go_back_and_no_more_than_the_budget(
    box: Any, sink: Sink, outside: Any, work_off: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchanges, "RETURNS", Budget(2, DAY))
    path = forwarded_from(sink, work_off)
    before = len(sink.taken)
    assert report_to(path, "spammer@far.test").startswith("250")
    assert come_in("", path, make_raw(sender="spammer@far.test", subject="Buy")).startswith("250")
    work_off()
    assert len(sink.taken) == before
    for _ in range(4):
        report_to(path)
        outside.clock.pass_time(120)
    work_off()
    assert len(sink.taken) == before + 2
    assert [row.kind for row in db.session.query(Exchange).filter(Exchange.stopped_at.is_not(None))] == ["return"]


@pytest.mark.parametrize(
    ("sender", "trusted", "path"),
    [
        ("", True, ""),
        ("chef@second.test", True, "chef@second.test"),
        ("ines@elsewhere.test", False, "hello@acme.test"),
        ("bounces+1234567-0a1b-hello=acme.test@em1234.mail.elsewhere.test", True, "hello@acme.test"),
        ("srs0=a8f3=xy=elsewhere.test=ines@first.test", True, "srs1=*=first.test==a8f3=xy=elsewhere.test=ines@acme.test"),
    ],
    ids=["a report stays without a sender", "our own sender stays", "nobody proved the sender", "too long", "of another forwarder"],
)
def test_which_return_path_a_mail_goes_on_with(
    alice: Any, sink: Sink, outside: Any, work_off: Any, sender: str, trusted: bool, path: str
) -> None:
    make_domain(alice, "second.test")
    box = make_mailbox(alice, "hello@acme.test", allow_unauthenticated=True)
    make_route(alice, box, actions=[make_action(alice, "forward", to=["kontor@far.test"], unchanged=True)])
    found = forwarded_from(sink, work_off, sender, trusted=trusted)
    begins, _, ends = path.partition("*")
    assert found.startswith(begins) and found.endswith(ends) if "*" in path else found == path


def test_a_sender_proven_by_spf_gets_its_own_return_path(alice: Any, box: Any, sink: Sink, outside: Any, work_off: Any) -> None:
    outside.dns.records[("elsewhere.test", "TXT")] = ["v=spf1 ip4:127.0.0.1 -all"]
    assert "=elsewhere.test=ines@acme.test" in forwarded_from(sink, work_off, trusted=False)


def test_with_a_return_path_record_a_bounce_is_noted_on_the_delivery_and_goes_back_all_the_same(
    alice: Any, box: Any, sink: Sink, outside: Any, work_off: Any
) -> None:
    publish_return_path(db.session.query(Domain).filter_by(name="acme.test").one())
    path = forwarded_from(sink, work_off)
    assert path.startswith("b-") and path.endswith("@bounce.acme.test")
    report_to(path)
    work_off()
    assert (sink.taken[-1].sender, sink.taken[-1].recipients) == ("", ["ines@elsewhere.test"])
    assert {row.recipient: row.state for row in deliveries()} == {"kontor@far.test": "bounced", "ines@elsewhere.test": "sent"}


def test_a_forward_that_the_next_server_refuses_is_told_to_its_proven_sender(
    app: Any, alice: Any, box: Any, outside: Any, work_off: Any
) -> None:
    with Sink() as sink:
        sink.script.rcpt["kontor@far.test"] = b"550 5.1.1 no such mailbox\r\n"
        use_transport(app, sink.url)
        come_in("ines@elsewhere.test", "hello@acme.test", make_raw(sender="ines@elsewhere.test"))
        for _ in range(4):
            work_off()
        taken = [mail for mail in sink.taken if mail.recipients]
    assert [(mail.sender, mail.recipients) for mail in taken] == [("", ["ines@elsewhere.test"])]
    assert b"no such mailbox" in taken[0].raw and b"kontor@far.test" in taken[0].raw


def test_c16_a_forward_that_the_next_server_refuses_tells_only_a_proven_sender(
    alice: Any, box: Any, outside: Any, app: Any, work_off: Any
) -> None:
    """Whatever our own reports do, nothing is ever written to a sender that nobody proved."""
    box.allow_unauthenticated = True
    db.session.commit()
    with Sink() as sink:
        sink.script.rcpt["kontor@far.test"] = b"550 5.7.1 this looks like spam\r\n"
        use_transport(app, sink.url)
        come_in("forged@victim.test", "hello@acme.test", make_raw(sender="forged@victim.test"), trusted=False, ip="192.0.2.9")
        for _ in range(3):
            work_off()
        assert [taken.recipients for taken in sink.taken if taken.recipients] == []
    assert {row.recipient for row in deliveries()} <= {"kontor@far.test", "hello@acme.test"}
    assert db.session.query(Outgoing).filter(Outgoing.envelope_sender == "forged@victim.test").count() == 0
