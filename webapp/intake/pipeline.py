"""The steps of a batch of mails between their 250 and their folder; `jobs` claims the batches, `messages.journal` names the steps.

    read (no transaction) ─ origin (DNS, no transaction) ─ known already? ─ a report? ─ routes planned ─ filed ─ columns and search
                                                           └───────────────── one transaction ─────────────────────────────────┘

A death anywhere leaves the batch as it was, so it begins again at its first step and nothing is done twice. A mail that somebody died over
is alone in its batch, and each step is noted before it begins.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update

from webapp.automation import planning
from webapp.core import events, failpoints, live
from webapp.core.db import db, reading, utcnow
from webapp.domains.models import Domain
from webapp.happenings import stream
from webapp.intake import checking
from webapp.mail import mime
from webapp.mail.mime import ParsedMail
from webapp.mailboxes.models import Mailbox
from webapp.messages import index, journal, raws, store
from webapp.messages.models import INBOX, Message
from webapp.messages.reading import columns_of, fields_of

#: reading goes on for so long, in seconds; what is left goes again, long before its lease is over
READ_S = 10.0
_MESSAGES: Any = Message.__table__
_C = _MESSAGES.c
COLUMNS = (
    _C.id, _C.workspace_id, _C.mailbox_id, _C.direction, _C.raw_id, _C.trusted, _C.is_test, _C.is_system, _C.ip, _C.helo,
    _C.envelope_sender, _C.size_bytes, _C.recipient, _C.request_id, _C.message_id_header, _C.folder, _C.filed_at, _C.seen, _C.deleted_at,
    _C.deaths, _C.journal,
)  # fmt: skip
_RECORD = update(_MESSAGES).where(_C.id == bindparam("b_id"))


@dataclass
class Copy:
    """One mail on its way through the steps: its row, what was found out, and what is to be written about it."""

    id: int
    workspace_id: int
    mailbox_id: int | None
    direction: str
    raw_id: int
    trusted: bool
    is_test: bool
    is_system: bool
    ip: str | None
    helo: str | None
    envelope_sender: str
    size_bytes: int
    recipient: str | None
    request_id: str | None
    message_id_header: str | None
    folder: str | None
    filed_at: datetime | None
    seen: bool
    deleted_at: datetime | None
    deaths: int
    journal: list[Any] | None
    parsed: ParsedMail = field(default_factory=ParsedMail)
    #: columns of `messages` that were found out
    columns: dict[str, Any] = field(default_factory=dict)
    #: its entry of the search index
    entry: dict[str, Any] = field(default_factory=dict)
    done: list[Any] = field(default_factory=list)
    #: why it goes no further than the archive: no folder, no route
    stopped: str | None = None

    @property
    def quarantined(self) -> bool:
        return bool(self.columns.get("quarantined"))

    @property
    def subject(self) -> str:
        return str(self.columns.get("subject", ""))

    @property
    def sender(self) -> str:
        return str(self.columns.get("sender", ""))

    def note(self, step: str, text: str = "", at: float | None = None) -> None:
        self.done.append(journal.entry(step, text, at))


#: (step, look): asked in this order about received mail of a batch, within the transaction that records it. `look` answers sentences by
#: the id of the mail: such a mail stays in the archive, no route runs on it, and its timeline shows the sentence
Look = Callable[[Sequence[Copy]], dict[int, str]]
_looks: dict[str, Look] = {}


def look_for(step: str, look: Look) -> None:
    """Register what is asked at the steps `repeat`, `return` and `leave` (names of `messages.journal.STEPS`); again replaces it."""
    _looks[step] = look


def load(ids: Sequence[int]) -> list[Copy]:
    """The mails of a batch that wait to be read, in the order of their ids."""
    query = select(*COLUMNS).where(_C.id.in_(ids), _C.state == "received").order_by(_C.id)
    with reading():
        found = [Copy(**row) for row in db.session.execute(query).mappings()]
        db.session.rollback()
    return found


def read(copies: Sequence[Copy]) -> tuple[list[Copy], list[int]]:
    """Parse them and make what search will see, while no transaction is open: (those that were read, ids that no time was left for)."""
    sources, late = _sources(copies), time.monotonic() + READ_S
    done: list[Copy] = []
    for number, copy in enumerate(copies):
        if number and time.monotonic() > late:
            break
        copy.parsed = mime.parse(sources[copy.raw_id])
        copy.columns = columns_of(copy, copy.parsed)
        copy.entry = index.entry(copy, fields_of(copy, copy.columns, copy.parsed))
        copy.note("read")
        done.append(copy)
    failpoints.hit("process.read")
    return done, [copy.id for copy in copies[len(done) :]]


def _sources(copies: Sequence[Copy]) -> dict[int, bytes]:
    with reading():
        found = raws.load_many({copy.raw_id for copy in copies})
        db.session.rollback()
    return found


def check(copies: Sequence[Copy]) -> tuple[list[Copy], list[int]]:
    """Ask where they come from, with no transaction open: (those that are known now, ids that no time was left for)."""
    verdicts, late = checking.check(copies)
    failpoints.hit("process.checked")
    for copy in copies:
        copy.columns["verdict"] = verdicts.get(copy.id)
        if copy.id in verdicts:
            copy.note("origin")
    return [copy for copy in copies if copy.id not in set(late)], late


def record(copies: Sequence[Copy]) -> None:
    """Write all of it in the caller's transaction. Mails that somebody else finished meanwhile are left out."""
    query = select(_C.id).where(_C.id.in_([copy.id for copy in copies]), _C.state == "received").order_by(_C.id)
    ours = set(db.session.scalars(query.with_for_update()))
    mine = [copy for copy in copies if copy.id in ours]
    known = _boxes(mine)  # held until the end, so that the session keeps the domains
    boxes = {mailbox.id: mailbox for mailbox, _domain in known}
    for copy in mine:
        verdict = copy.columns.pop("verdict", None)
        copy.columns |= checking.columns_of(verdict, boxes.get(copy.mailbox_id or 0))
    received = [copy for copy in mine if copy.direction == "received"]
    _stop(received)
    going = [copy for copy in received if not copy.stopped and not copy.is_system]
    planned = planning.plan_many(going, boxes)
    for copy in mine:
        if copy.id in planned:
            copy.note("planned", "Filing waits for them." if planned[copy.id] else "")
        _file(copy, boxes, held=planned.get(copy.id, False))
    failpoints.hit("process.planned")
    _write(mine)
    stream.note_many(_line(copy) for copy in received if not copy.is_test)
    for copy in received:
        events.send("mail_archived", message_id=copy.id, is_test=copy.is_test)


def _line(copy: Copy) -> dict[str, Any]:
    """What the event stream says of it."""
    return {
        "type": "quarantined" if copy.quarantined else "received", "workspace_id": copy.workspace_id, "at": utcnow(),
        "message_id": copy.id, "mailbox_id": copy.mailbox_id, "recipient": copy.recipient,
        "details": {"from": copy.sender, "subject": copy.subject[:200]},
    }  # fmt: skip


def _boxes(copies: Sequence[Copy]) -> list[Any]:
    """(mailbox, domain) of a batch, by one query."""
    ids = {copy.mailbox_id for copy in copies if copy.mailbox_id is not None}
    query = select(Mailbox, Domain).outerjoin(Domain, Domain.id == Mailbox.domain_id).where(Mailbox.id.in_(ids))
    return list(db.session.execute(query, execution_options={"populate_existing": True})) if ids else []


def _stop(received: Sequence[Copy]) -> None:
    """Repeats, reports and mails that unsubscribe somebody go no further than the archive."""
    for step in ("repeat", "return", "leave"):
        look = _looks.get(step)
        left = [copy for copy in received if not copy.stopped]
        if look is None or not left:
            continue
        found = look(left)
        for copy in left:
            if copy.id in found:
                copy.stopped = found[copy.id]
                copy.note(step, copy.stopped)


def _file(copy: Copy, boxes: dict[int, Mailbox], *, held: bool) -> None:
    """Into its folder, unless something keeps it out."""
    copy.columns |= {"folder": copy.folder, "filed_at": copy.filed_at}
    box = boxes.get(copy.mailbox_id) if copy.mailbox_id is not None else None
    archive_only = box is not None and box.default_delivery == "archive_only"
    if copy.direction != "received" or copy.stopped or held or copy.quarantined or archive_only:
        return
    copy.columns |= {"folder": INBOX, "filed_at": utcnow()}
    copy.note("filed")
    before = store.totals.shares({"folder": copy.folder, "seen": copy.seen, **_place(copy)})
    after = store.totals.shares({"folder": INBOX, "seen": copy.seen, **_place(copy)})
    changes = {kind: after.get(kind, 0) - before.get(kind, 0) for kind in after}
    store.totals.note(copy.workspace_id, copy.mailbox_id, {kind: by for kind, by in changes.items() if by})


def _place(copy: Copy) -> dict[str, Any]:
    return {"direction": copy.direction, "deleted_at": copy.deleted_at, "size_bytes": copy.size_bytes}


def _write(copies: Sequence[Copy]) -> None:
    """One statement for the columns and one for the search index."""
    if not copies:
        return
    free = {"deaths": 0, "lease_until": None, "lease_owner": None, "at_step": None}
    rows = [{"b_id": copy.id, **copy.columns, "journal": [*(copy.journal or []), *copy.done], **free} for copy in copies]
    db.session.execute(_RECORD, rows)
    index.put_many([copy.entry for copy in copies])
    for workspace_id in {copy.workspace_id for copy in copies}:
        live.notify(workspace_id, store.LIVE_EVENT)
