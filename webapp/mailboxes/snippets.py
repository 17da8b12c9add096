"""How programs hand in mail as a mailbox: its address, its password and our ports already inside."""

import json
import shlex
from dataclasses import dataclass

from webapp.core.config import settings
from webapp.mailboxes.models import Mailbox

#: stands where a password would be that nobody knows any more
UNKNOWN = "the password of this mailbox"


@dataclass(frozen=True)
class Snippet:
    key: str
    label: str
    what: str
    text: str


def smtp_host() -> str:
    """The name under which programs reach the submission port."""
    known = settings()
    return known.hostname if known.smtp_host in ("0.0.0.0", "::") else known.smtp_host  # noqa: S104  # compared, not bound


def first_mails(mailbox: Mailbox, password: str | None) -> list[Snippet]:
    """Settings, swaks and Python; each sends from the mailbox to itself, which shows at once that everything works."""
    known, host, secret = settings(), smtp_host(), password or UNKNOWN
    safe = bool(known.tls_cert)
    plain = (
        f"Host       {host}\nPort       {known.submission_port}, {'STARTTLS' if safe else 'without TLS from this machine'}\n"
        f"User       {mailbox.email}\nPassword   {secret}"
    )
    curl = (
        f"curl smtp://{host}:{known.submission_port} {'--ssl-reqd ' if safe else ''}\\\n"
        f"  --user {shlex.quote(f'{mailbox.email}:{secret}')} \\\n  --mail-from {mailbox.email} --mail-rcpt {mailbox.email} \\\n"
        "  --upload-file - <<'MAIL'\n"
        f"From: {mailbox.email}\nTo: {mailbox.email}\nSubject: Hello\n\nIt works.\nMAIL"
    )
    python = f"""import smtplib
from email.message import EmailMessage

mail = EmailMessage()
mail["From"] = mail["To"] = "{mailbox.email}"
mail["Subject"] = "Hello"
mail.set_content("It works.")
with smtplib.SMTP("{host}", {known.submission_port}) as server:
{'    server.starttls()' + chr(10) if safe else ''}    server.login("{mailbox.email}", {json.dumps(secret)})
    server.send_message(mail)"""
    return [
        Snippet("settings", "Settings", "SMTP settings", plain),
        Snippet("curl", "curl", "curl command", curl),
        Snippet("python", "Python", "Python program", python),
    ]
