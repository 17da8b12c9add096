"""Which refusals at the door are asked for, and by what: RELIABILITY by its number, or the manifest of the made mails."""

from tests.bulk.mails import crlf
from tests.bulk.wire import Handed, Talk
from webapp.intake.service import MOST_HOPS, TOO_MANY_HOPS
from webapp.mail import status
from webapp.mail.smtp_data import MOST_HEADER_BYTES, MOST_HEADER_FIELDS

MOST_BYTES = 26_214_400


def reason(one: Handed) -> str | None:
    """Why this mail may be refused; None: nothing asks for it."""
    raw = crlf(one.sample.read())
    if one.reply in status.MESSAGE_TOO_BIG and len(raw) > MOST_BYTES:
        return "C-06, the manifest: larger than the limit that EHLO names"
    if one.reply in status.MAILBOX_TAKES_LESS and len(raw) > MOST_BYTES - 2000:
        return "C-06: larger than the mailbox takes"
    head = raw.partition(b"\r\n\r\n")[0]
    if one.reply in TOO_MANY_HOPS and head.lower().count(b"\nreceived:") >= MOST_HOPS:
        return "C-17: mail that goes in circles ends"
    fields = head.count(b"\n") - head.count(b"\n ") - head.count(b"\n\t")
    if one.reply in status.HEADER_TOO_BIG and (len(head) > MOST_HEADER_BYTES or fields > MOST_HEADER_FIELDS):
        return "C-06, the manifest: more header than any mail needs"
    return None


def wrong_with(one: Talk) -> list[str]:
    """What a careful server would not have answered."""
    found = [f"answered {line!r}, which is no reply" for line in one.replies if not (line[:3].isdigit() and line[3:4] in (" ", "-", ""))]
    most = {"smuggling": 1, "smtp-dialogues": 2}.get(str(one.sample.facts.get("group")), 1)
    if one.taken > most:
        found.append(f"left {one.taken} mails behind")
    if "open-relay" in one.sample.name and not any(line.startswith("550") for line in one.replies):
        found.append("was allowed to relay")
    return found
