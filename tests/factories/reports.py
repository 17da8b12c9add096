"""What comes back about a mail: delivery reports (RFC 3464) and complaints (RFC 5965), as other servers write them."""

from typing import Any

from webapp.core.db import db, utcnow
from webapp.domains.models import DnsCheck, Domain


def make_dsn(
    to: str, recipient: str, *, action: str = "failed", status: str = "5.1.1", diagnostic: str = "smtp; 550 5.1.1 no such user",
    message_id: str = "unknown@elsewhere.test", original: str = "",
) -> bytes:  # fmt: skip
    """The report of a server about one recipient. message_id: of the mail it is about, without angle brackets"""
    first = f"Original-Recipient: rfc822; {original}\n" if original else ""
    text = f"""From: MAILER-DAEMON@mx.elsewhere.test (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Message-ID: <report-{abs(hash((to, recipient, action, utcnow())))}@mx.elsewhere.test>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="cut"

--cut
Content-Type: text/plain

This is the mail system at host mx.elsewhere.test.

<{recipient}>: {diagnostic}

--cut
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.elsewhere.test

{first}Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Remote-MTA: dns; mx.elsewhere.test
Diagnostic-Code: {diagnostic}

--cut
Content-Type: message/rfc822

From: {to}
To: {recipient}
Subject: Hello
Message-ID: <{message_id}>

It works.
--cut--
"""
    return text.replace("\n", "\r\n").encode()


def make_complaint(to: str, recipient: str, *, message_id: str = "unknown@elsewhere.test", mail_from: str = "") -> bytes:
    """The report of a feedback loop: this reader called that mail spam."""
    path = f"Original-Mail-From: <{mail_from}>\n" if mail_from else ""
    text = f"""From: feedback@loop.elsewhere.test
To: {to}
Subject: FW: Hello
Message-ID: <complaint-{abs(hash((to, recipient, utcnow())))}@loop.elsewhere.test>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="cut"

--cut
Content-Type: text/plain

This is an email abuse report.

--cut
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Loop/1.0
Version: 1
{path}Original-Rcpt-To: <{recipient}>

--cut
Content-Type: message/rfc822

From: news@acme.test
To: {recipient}
Subject: Hello
Message-ID: <{message_id}>

It works.
--cut--
"""
    return text.replace("\n", "\r\n").encode()


def publish_return_path(domain: Domain, state: str = "right") -> DnsCheck:
    """The last look at the domain's DNS found its return-path record like this."""
    entry: dict[str, Any] = {"id": "return_path", "kind": "return_path", "host": f"bounce.{domain.name}", "state": state, "known": state}
    check = DnsCheck(
        workspace_id=domain.workspace_id, domain_id=domain.id, status="complete", reason="added", due_at=utcnow(), finished_at=utcnow(),
        results=[entry],
    )  # fmt: skip
    db.session.add(check)
    db.session.commit()
    return check
