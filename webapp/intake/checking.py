"""Where mail from other servers comes from: SPF, DKIM, DMARC and ARC, asked of the DNS while no transaction is open.

Mail from a login or a trusted network, test mail and mail that never crossed a network is taken as it is. A domain whose mail is not
proven is quarantined: it stays in the archive and runs no route until somebody releases it, unless its mailbox takes such mail too
(reference/mailtrigger.md section 6.2). A resolver that does not answer quarantines nothing.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from webapp.core.config import settings
from webapp.core.db import db, reading
from webapp.core.dns import Dns
from webapp.core.outside import outside
from webapp.intake import resolver
from webapp.intake.resolver import Resolver
from webapp.mail.authentication import Verdict, authenticate
from webapp.mailboxes.models import Mailbox
from webapp.messages import store
from webapp.messages.models import Message

logger = logging.getLogger("mailroom.intake")
#: for a batch, which must end well within its lease
BATCH_S = 30.0
#: mails whose questions are asked at the same time, and the most bytes of source held for them
AT_ONCE, HELD_BYTES = 20, 32 * 1024 * 1024
#: what a row has to bring
COLUMNS = (
    Message.id, Message.raw_id, Message.direction, Message.trusted, Message.is_test, Message.is_system, Message.ip, Message.helo,
    Message.envelope_sender, Message.size_bytes,
)  # fmt: skip


def is_due(row: Any) -> bool:
    """Whether the origin of this mail is checked at all."""
    return row.direction == "received" and bool(row.ip) and not (row.trusted or row.is_test or row.is_system)


def check(rows: Sequence[Any]) -> tuple[dict[int, Verdict], list[int]]:
    """The verdicts by the id of the message, and the ids of those that no time was left for.

    rows  with COLUMNS; those that are not due are left out
    """
    due = [row for row in rows if is_due(row)]
    if not due:
        return {}, []
    dns, hostname, until = outside().dns, settings().hostname, time.monotonic() + BATCH_S
    found: dict[int, Verdict] = {}
    with ThreadPoolExecutor(min(AT_ONCE, len(due)), thread_name_prefix="authentication") as pool:
        for part in _parts(due):
            if time.monotonic() + resolver.MAIL_S > until and found:
                break
            asked = {row.id: pool.submit(_one, row, raw, dns, hostname) for row, raw in _sources(part)}
            found |= {message_id: answer.result() for message_id, answer in asked.items()}
    return found, [row.id for row in due if row.id not in found]


def columns_of(verdict: Verdict | None, mailbox: Mailbox | None) -> dict[str, Any]:
    """The verdict as columns of a message: it goes into quarantine unless its mailbox takes such mail too."""
    if verdict is None:
        return {"auth_verdict": None, "quarantined": False}
    taken = mailbox is not None and mailbox.allow_unauthenticated
    return {"auth_verdict": verdict.as_json(), "quarantined": verdict.is_unproven and not taken}


def _parts(rows: Sequence[Any]) -> Iterator[list[Any]]:
    """As many at a time as may be held in memory."""
    part: list[Any] = []
    for row in rows:
        if part and (len(part) >= AT_ONCE or sum(one.size_bytes for one in part) + row.size_bytes > HELD_BYTES):
            yield part
            part = []
        part.append(row)
    yield part


def _sources(rows: Sequence[Any]) -> list[tuple[Any, bytes]]:
    with reading():
        found = [(row, store.load_raw(row.raw_id)) for row in rows]
        db.session.rollback()
    return found


def _one(row: Any, raw: bytes, dns: Dns, hostname: str) -> Verdict:
    lookup = Resolver(dns).lookup
    return authenticate(raw, ip=row.ip or "", helo=row.helo or "", mail_from=row.envelope_sender, lookup=lookup, hostname=hostname)
