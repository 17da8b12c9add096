"""Putting a domain or a mailbox on hold, and lifting it: at once for what comes later, batch by batch for what waits already.

A claim looks at the holds (`holds.keep_back`), so that nothing leaves from the moment in which a hold is committed; the drain then holds
the rows that would only have been held when their turn came, and lets them go again when the hold is lifted.
"""

import time
from typing import Any

from sqlalchemy import delete, select, update

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import live, queue
from webapp.core.actor import Actor
from webapp.core.bulk import among
from webapp.core.db import database_now, db
from webapp.core.errors import NotFound, invalid
from webapp.core.lookup import get_mine, mine
from webapp.core.paging import Page, PageRequest, paginate
from webapp.mail.address import BadAddress, is_valid_domain
from webapp.mailboxes import rows as mailboxes
from webapp.mailboxes.models import Mailbox
from webapp.sending import history, ledger, tally
from webapp.sending.holds import hold_rows, sentence
from webapp.sending.models import Delivery, Hold

DRAIN = "sending.holds"
BATCH = 1000
WAITING = ("queued", "deferred", "uncertain")


def list_holds(actor: Actor, asked: PageRequest) -> Page[Hold]:
    """What is on hold, newest first."""
    actor.require("deliveries:read")
    return paginate(_seen(actor), asked, sortable={"created_at": Hold.created_at}, default="created_at", tie=Hold.id, descending=True)


def all_holds(actor: Actor) -> list[tuple[Hold, str]]:
    """What is on hold, each with its name for people; at most 200."""
    actor.require("deliveries:read")
    found = list(db.session.scalars(_seen(actor).where(Hold.state != "lifting").order_by(Hold.id.desc()).limit(200)))
    ids = {hold.mailbox_id for hold in found if hold.mailbox_id is not None}
    emails = {row.id: row.email for row in db.session.execute(select(Mailbox.id, Mailbox.email).where(Mailbox.id.in_(ids)))} if ids else {}
    return [(hold, emails.get(hold.mailbox_id) or name_of(hold)) for hold in found]


def _seen(actor: Actor) -> Any:
    """A token that is limited sees the holds of its mailboxes."""
    query = mine(actor, Hold)
    return query.where(Hold.mailbox_id.in_(mailboxes.seen(actor).with_only_columns(Mailbox.id))) if actor.is_limited else query


def get_hold(actor: Actor, hold_id: int) -> Hold:
    """raises NotFound"""
    actor.require("deliveries:read")
    return _find(actor, hold_id)


def _find(actor: Actor, hold_id: int) -> Hold:
    found = db.session.scalar(_seen(actor).where(Hold.id == hold_id))
    if found is None:
        raise NotFound(f"There is no hold with the id {hold_id}.")
    return found


def hold(actor: Actor, *, domain: str | None = None, mailbox_id: int | None = None, reason: str = "") -> Hold:
    """Keep back all mail for a domain, or of a mailbox. raises Invalid when neither or both are named, or it is on hold already"""
    actor.require("deliveries:write")
    if (domain is None) == (mailbox_id is None):
        raise invalid("domain", "Name either a domain or a mailbox.")
    name = None if domain is None else _domain(domain)
    what = name or ""
    if mailbox_id is not None:
        what = _mailbox(actor, mailbox_id).email
    elif actor.is_limited:
        raise invalid("domain", "This token is limited to certain domains or mailboxes; name one of its mailboxes.")
    same = Hold.domain == name if name is not None else Hold.mailbox_id == mailbox_id
    if (old := db.session.scalar(mine(actor, Hold).where(same))) is not None:
        wait = "is just being lifted; try again in a moment" if old.state == "lifting" else "is on hold already"
        raise invalid("domain" if name is not None else "mailbox_id", f"{what} {wait}.")
    row = Hold(
        workspace_id=actor.workspace_id, domain=name, mailbox_id=mailbox_id, reason=reason.strip(), held_by=actor.name or "somebody",
        state="applying",
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    audit.record(actor, "delivery_hold.create", Target("delivery_hold", row.id, what), after={"reason": row.reason})
    _apply(row)
    queue.ring(DRAIN)
    live.notify(actor.workspace_id, tally.LIVE_EVENT)
    return row


def lift(actor: Actor, hold_id: int) -> dict[str, Any]:
    """Let everything that it held go on. raises NotFound"""
    actor.require("deliveries:write")
    _find(actor, hold_id)
    row = get_mine(actor, Hold, hold_id, "hold", for_update=True)
    what = name_of(row)
    audit.record(actor, "delivery_hold.delete", Target("delivery_hold", row.id, what), before={"reason": row.reason})
    row.state = "lifting"
    db.session.flush()
    _let_go(row)
    queue.ring(DRAIN)
    live.notify(actor.workspace_id, tally.LIVE_EVENT)
    return {"id": hold_id, "message": f"{what} is not on hold any more; what waited goes on."}


def _mailbox(actor: Actor, mailbox_id: int) -> Mailbox:
    found: Mailbox | None = db.session.scalar(mailboxes.seen(actor).where(Mailbox.id == mailbox_id))
    if found is None:
        raise NotFound(f"There is no mailbox with the id {mailbox_id}.")
    return found


def name_of(row: Hold) -> str:
    """The domain, or words for the mailbox."""
    return row.domain or f"mailbox {row.mailbox_id}"


def _domain(text: str) -> str:
    try:
        return is_valid_domain(text.strip().lstrip("@"))
    except BadAddress as error:
        raise invalid("domain", str(error)) from None


# --- in the background -----------------------------------------------------------------------------------


def is_due() -> bool:
    """Whether a hold is not applied, or not lifted, to the last row."""
    return db.session.scalar(select(Hold.id).where(Hold.state.in_(("applying", "lifting"))).limit(1)) is not None


def work_off(until: float) -> bool:
    """Hold, or let go, what is left, a batch per transaction; True when nothing is left."""
    while time.monotonic() < until:
        query = select(Hold).where(Hold.state.in_(("applying", "lifting"))).order_by(Hold.id).limit(1).with_for_update(skip_locked=True)
        row = db.session.scalar(query.execution_options(populate_existing=True))
        if row is None:
            db.session.rollback()
            return not is_due()
        if row.state == "applying":
            _apply(row)
        else:
            _let_go(row)
        db.session.commit()
    return False


def _covered(row: Hold) -> Any:
    return Delivery.domain == row.domain if row.domain is not None else Delivery.mailbox_id == row.mailbox_id


def _some(row: Hold, *conditions: Any) -> list[Any]:
    """A batch of its rows, locked."""
    query = select(Delivery.id).where(Delivery.workspace_id == row.workspace_id, _covered(row), *conditions)
    ids = list(db.session.scalars(query.order_by(Delivery.id).limit(BATCH).with_for_update()))
    return ledger.waiting(among(Delivery.id, ids)) if ids else []


def _apply(row: Hold) -> None:
    """Hold a batch of what waits."""
    rows = _some(row, Delivery.state.in_(WAITING))
    if rows:
        hold_rows(row, rows, database_now())
    if len(rows) < BATCH:
        row.state = "active"
    db.session.flush()


def _let_go(row: Hold) -> None:
    """Let a batch of what it held go; the hold is gone after the last one."""
    now = database_now()
    rows = _some(row, Delivery.state == "held", Delivery.held_by == ("domain" if row.domain is not None else "mailbox"))
    if rows:
        values = {
            "state": "queued", "next_attempt_at": now, "held_by": None, "held_reason": None, "waits_from": now, "updated_at": now,
        }  # fmt: skip
        change = update(Delivery).where(among(Delivery.id, [one.id for one in rows])).values(values)
        db.session.execute(change, execution_options={"synchronize_session": False})
        history.moved([(one, "released") for one in rows], now, {"reason": f"lifted: {sentence(row)}"})
        tally.tell_moves([(one, "held", "queued") for one in rows])
        queue.ring("sending.drain")
    if len(rows) < BATCH:
        db.session.execute(delete(Hold).where(Hold.id == row.id), execution_options={"synchronize_session": False})
        db.session.expunge(row)
    else:
        db.session.flush()
    live.notify(row.workspace_id, tally.LIVE_EVENT)
