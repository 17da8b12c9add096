"""The background door: password links that were asked for, deleted workspaces, links whose time is over."""

from webapp.accounts import erasing, links, resets
from webapp.core.db import db
from webapp.core.queue import drain, every


@drain(resets.DRAIN, queue="mail", due=resets.has_due)
def answer_requests(until: float) -> bool:
    """Mail the links that were asked for."""
    return resets.work(until)


@drain(erasing.DRAIN, queue="default", due=erasing.has_due)
def erase_workspaces(until: float) -> bool:
    """Remove what deleted workspaces held."""
    return erasing.work(until)


@every(3600, "accounts.forget")
def forget_old() -> None:
    """Links that nobody can use any more."""
    links.forget_old()
    db.session.commit()
