"""The background door: a drain for each stream, transactional in the queue `mail`, bulk in `campaigns`, and the chores around them."""

from functools import partial

from webapp.core.queue import drain, every, is_waiting
from webapp.sending import holding_back, ledger, orders, recover, release, reports, retention, work


def is_due() -> bool:
    """Transactional rows whose time has come, and rows whose holder is gone."""
    return ledger.has_due(("transactional",)) or ledger.has_expired() or recover.has_left()


@drain("sending.drain", queue="mail", due=is_due, leaves=True)
def send_due(until: float) -> bool:
    """Hand over what is due; running it twice at once is harmless, since rows are claimed."""
    return work.drain(until, ("transactional",))


def is_bulk_due() -> bool:
    """Bulk rows whose time has come."""
    return ledger.has_due(("bulk",))


@drain("sending.bulk", queue="campaigns", due=is_bulk_due, leaves=True)
def send_bulk(until: float) -> bool:
    """Hand over bulk mail; a transactional row that becomes due meanwhile goes first, and whatever waits in the queue `mail`."""
    return work.drain(until, ("bulk",), gives_way=partial(is_waiting, "mail"))


@drain("sending.report", queue="mail", due=reports.has_due, leaves=True)
def tell_senders(until: float) -> bool:
    """Senders hear of what was not delivered, and of what takes long."""
    return reports.work_off(until)


@drain(orders.DRAIN, queue="default", due=orders.is_due)
def carry_orders_on(until: float) -> bool:
    """Steps over many deliveries go on, a batch per transaction."""
    return orders.work_off(until)


@drain(holding_back.DRAIN, queue="default", due=holding_back.is_due)
def carry_holds_on(until: float) -> bool:
    """What waits for a domain or mailbox on hold is held; what a lifted hold kept goes on."""
    return holding_back.work_off(until)


@every(10, "sending.release")
def release_waiting() -> None:
    """What was held for want of a way out goes on."""
    release.release_waiting()


@every(3600, "sending.forget")
def forget_old() -> None:
    """Finished deliveries are kept for 90 days."""
    retention.forget_old()

