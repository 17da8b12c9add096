"""Mail for tests: the smallest valid thing, every part can be named."""

from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any

from webapp.core.db import db, utcnow
from webapp.mailboxes.models import Mailbox
from webapp.messages import store
from webapp.messages.models import Message


def make_raw(
    *, sender: str = "ines@elsewhere.test", to: str = "hello@acme.test", subject: str = "Hello", text: str = "Good morning.",
    html: str | None = None, files: dict[str, bytes] | None = None, headers: dict[str, str] | None = None,
) -> bytes:  # fmt: skip
    """The source of a mail, with CRLF line ends."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, to, subject
    mail["Date"] = format_datetime(utcnow())
    mail["Message-ID"] = f"<{abs(hash((sender, to, subject, text, utcnow())))}@tests.test>"
    for name, value in (headers or {}).items():
        del mail[name]
        mail[name] = value
    mail.set_content(text)
    if html is not None:
        mail.add_alternative(html, subtype="html")
    for name, content in (files or {}).items():
        mail.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def make_mail(
    mailbox: Mailbox | None, *, raw: bytes | None = None, workspace_id: int | None = None, direction: str = "received",
    folder: str | None = "INBOX", read: bool = True, columns: dict[str, Any] | None = None, **parts: Any,
) -> Message:  # fmt: skip
    """One stored message; `read=False` leaves it to the job. Further arguments are those of `make_raw`. Commits.

    columns  of the row, such as is_test or quarantined
    """
    address = mailbox.email if mailbox else "postmaster@acme.test"
    if raw is None:
        parts.setdefault("to", address)
        raw = make_raw(**parts)
    sender = parseaddr(parts.get("sender", "ines@elsewhere.test"))[1]
    values = {"envelope_sender": sender, "envelope_recipients": [parts.get("to", address)], "recipient": address, **(columns or {})}
    message = store.store_message(
        workspace_id=workspace_id or (mailbox.workspace_id if mailbox else 0), mailbox_id=mailbox.id if mailbox else None,
        direction=direction, raw=raw, state="received", **values,
    )  # fmt: skip
    if read:
        store.apply_parsed(message, store.parsed_of(message))
        if folder and direction == "received":
            store.file_message(message, folder)
    db.session.commit()
    return message
