"""The background door: DNS checks that are due, keys whose overlap is over, checks that nobody planned."""

from webapp.core.queue import drain, every
from webapp.domains import checks, keys, watch


@drain(checks.DRAIN, queue="default", due=checks.has_due)
def look_up(until: float) -> bool:
    """Ask the DNS about domains that are due; harmless when two workers do it, since checks are claimed."""
    return watch.drain(until)


@every(60, "domains.retire_keys")
def retire_keys() -> None:
    """Keys are published for as long as was chosen when they were replaced."""
    keys.retire_due()


@every(300, "domains.watch")
def watch_all() -> None:
    """Every living domain has a look planned."""
    checks.plan_missing()


@every(3600, "domains.forget")
def forget_old() -> None:
    """Finished checks are kept for 30 days."""
    checks.forget_old()
