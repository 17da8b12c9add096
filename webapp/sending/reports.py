"""What the sender of a mail is told: after four hours that it is delayed, at the end that it was not delivered (DESIGN section 5, Out).

    row bounced or long deferred ──(report_at)──> drain ──> one report per mail, naming all that failed together ──> sender's mailbox here

A report and the mark that it was written are one transaction. Nobody outside is told: the envelope sender of a mail is an address of
this installation, or there is no report (RELIABILITY C-16), and a report is never about a mail with the null sender.
"""

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, exists, or_, select, update
from sqlalchemy.orm import aliased

from webapp.core.bulk import among
from webapp.core.config import settings
from webapp.core.db import database_now, db
from webapp.core.outside import outside
from webapp.mail.dsn import Gone, Told, status_of, write_report
from webapp.messages import store
from webapp.sending import ways
from webapp.sending.models import Delivery, Outgoing
from webapp.sending.submitting import submit
from webapp.sending.waits import GIVE_UP

logger = logging.getLogger("mailroom.sending")
#: a failure waits so long for recipients of the same mail that are still being tried for the first time
PATIENCE = timedelta(minutes=10)
#: recipients that one report names; more of them follow in a second one
MOST_NAMED = 500
BATCH = 20
_SETTLING = ("queued", "leased")
_SKIPPED = {"synchronize_session": False}


def _due(now: datetime) -> Any:
    """Rows whose sender is to be told, when nothing of the same mail is on its way for the first time."""
    sibling = aliased(Delivery)
    busy = exists().where(sibling.outgoing_id == Delivery.outgoing_id, sibling.state.in_(_SETTLING), sibling.attempts == 0)
    settled = or_(~busy, Delivery.report_at <= now - PATIENCE)
    return and_(Delivery.report_at.is_not(None), Delivery.report_at <= now, settled)


def has_due() -> bool:
    """Whether a sender is to be told something now."""
    return db.session.scalar(select(Delivery.id).where(_due(database_now())).limit(1)) is not None


def work_off(until: float) -> bool:
    """Write the reports that are due, each in a transaction of its own; True when none was left."""
    while time.monotonic() < until:
        ids = list(db.session.scalars(select(Delivery.outgoing_id).where(_due(database_now())).distinct().limit(BATCH)))
        db.session.rollback()
        if not ids:
            return True
        for outgoing_id in ids:
            try:
                tell_sender(outgoing_id)
                db.session.commit()
            except Exception:  # a mail about which nothing can be said must not keep others from being told
                db.session.rollback()
                logger.exception("no report could be written about mail %s", outgoing_id)
                _mark(Delivery.outgoing_id == outgoing_id)
                db.session.commit()
    return False


def tell_sender(outgoing_id: int) -> list[Outgoing]:
    """Write what is due about one mail; returns the reports. The caller commits."""
    mail = db.session.get(Outgoing, outgoing_id, with_for_update={"skip_locked": True}, populate_existing=True)
    if mail is None:
        return []
    now = database_now()
    query = select(Delivery).where(Delivery.outgoing_id == outgoing_id, Delivery.report_at <= now).order_by(Delivery.id).limit(MOST_NAMED)
    rows = list(db.session.scalars(query.with_for_update().execution_options(populate_existing=True)))
    failed = [row for row in rows if row.state == "bounced"]
    delayed = [row for row in rows if row.state == "deferred"] if mail.delay_told_at is None else []
    written = []
    if may_be_told(mail):
        written += [_write(mail, "failed", failed)] if failed else []
        written += [_write(mail, "delayed", delayed)] if delayed else []
    if delayed:
        mail.delay_told_at = now
        _mark(and_(Delivery.outgoing_id == outgoing_id, Delivery.state == "deferred"))
    _mark(among(Delivery.id, [row.id for row in rows]))
    return written


def _mark(condition: Any) -> None:
    """Nothing more is to be told about these rows now."""
    db.session.execute(update(Delivery).where(condition).values(report_at=None, updated_at=Delivery.updated_at), execution_options=_SKIPPED)


def may_be_told(mail: Outgoing) -> bool:
    """Whether the envelope sender is an address of this installation; strangers are never told (C-16)."""
    return bool(mail.envelope_sender and ways.local_addresses([mail.envelope_sender], mail.workspace_id))


def _write(mail: Outgoing, action: Any, rows: Sequence[Delivery]) -> Outgoing:
    raw = store.load_raw(mail.raw_id)
    told = Told(
        action=action, to=mail.envelope_sender, hostname=settings().hostname, date=outside().clock.now(), arrived=mail.created_at,
        subject=mail.subject, message_id=mail.message_id_header, head=raw[: raw.find(b"\r\n\r\n") + 2],
    )  # fmt: skip
    return submit(
        workspace_id=mail.workspace_id, mailbox_id=None, envelope_sender="", recipients=[mail.envelope_sender],
        raw=write_report(told, [_gone(row) for row in rows]), kind="system", from_address=f"postmaster@{settings().hostname}",
        source_type="outgoing", source_id=mail.id, request_id=mail.request_id,
    )  # fmt: skip


def _gone(row: Delivery) -> Gone:
    text = row.last_reply if row.last_code is not None else row.last_error
    said = text or "No reason was given."
    if row.last_code is not None and not said.startswith(str(row.last_code)):
        said = f"{row.last_code} {said}"
    late = row.bounce == "expired" or row.state == "deferred"
    return Gone(
        recipient=row.recipient, status=status_of(row.last_code, said, expired=late), said=said,
        smtp=row.last_code is not None, host=row.host or "", at=row.finished_at or row.updated_at,
        until=(row.waits_from or row.created_at) + GIVE_UP if row.state == "deferred" else None,
    )  # fmt: skip

