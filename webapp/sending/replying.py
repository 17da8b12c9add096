"""What an answer begins with: receiver, subject, the thread's headers, and the quoted text."""

from dataclasses import dataclass

from webapp.core.actor import Actor
from webapp.core.wording import time_text
from webapp.mail.message_ids import thread_of
from webapp.mail.mime import ParsedMail
from webapp.messages import service as messages
from webapp.messages.models import Message

MOST_QUOTED_LINES = 200


@dataclass(frozen=True)
class Answer:
    """The draft of a reply; Message-IDs in angle brackets."""

    mailbox_id: int | None
    receivers: str
    subject: str
    body: str
    in_reply_to: str | None
    references: str | None


def draft_reply(actor: Actor, message_id: int) -> Answer:
    """Begin an answer to a message. raises NotFound when the actor does not see it, Forbidden without the right to read it"""
    message = messages.get_message(actor, message_id, scope="messages:read")
    mail = messages.read_message(actor, message)
    in_reply_to, references = thread_of(mail.message_id, mail.references, mail.in_reply_to)
    return Answer(
        mailbox_id=message.mailbox_id, receivers=", ".join(receivers_of(message, mail)), subject=reply_subject(mail.subject),
        body=quoted(mail), in_reply_to=in_reply_to, references=references,
    )  # fmt: skip


def receivers_of(message: Message, mail: ParsedMail) -> list[str]:
    """Whom an answer goes to: Reply-To, else From; for a mail that we sent, those whom it went to."""
    if message.direction == "sent":
        return [address for _, address in mail.to]
    return [address for _, address in mail.reply_to] or ([mail.sender] if mail.sender else [])


def reply_subject(subject: str) -> str:
    """`Re: …`, once."""
    return subject if subject.lower().startswith("re:") else f"Re: {subject}".strip()


def quoted(mail: ParsedMail) -> str:
    """The text that is answered, each line behind `> `, with a line above that says whose it is."""
    lines = mail.text.strip().splitlines()
    shown = [f"> {line}".rstrip() for line in lines[:MOST_QUOTED_LINES]]
    if len(lines) > MOST_QUOTED_LINES:
        shown.append("> …")
    if not shown:
        return ""
    who = mail.sender_name or mail.sender or "They"
    when = f"On {time_text(mail.date)} " if mail.date else ""
    return "\n\n" + f"{when}{who} wrote:\n" + "\n".join(shown) + "\n"
