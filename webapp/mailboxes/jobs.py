"""The background door: warnings about limits are told, and minutes that no limit looks at any more go."""

import time

from webapp.core import events
from webapp.core.db import db, utcnow
from webapp.core.queue import drain, every
from webapp.mailboxes import flow, notices


@drain(notices.DRAIN, queue="default", due=notices.has_waiting)
def tell_warnings(until: float) -> bool:
    """Hand waiting warnings to whoever writes mail; each is told once."""
    while time.monotonic() < until:
        waiting = notices.take_waiting()
        for warning in waiting:
            events.send("mailbox_limit", warning_id=warning.id)
            warning.told_at = utcnow()
        db.session.commit()
        if not waiting:
            return True
    return False


@every(600, "mailboxes.forget")
def forget_old() -> None:
    while flow.forget_old():
        db.session.commit()
    notices.forget_old()
