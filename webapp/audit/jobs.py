"""Housekeeping of the log: a signed checkpoint a day, retention, and the walk along the chain that a page asked for."""

from webapp.audit import checkpoints, retention
from webapp.core.queue import every


@every(600, "audit.checkpoints")
def write_checkpoints() -> None:
    """The first run of a day (UTC) signs how long every chain is that grew; later ones only those that grew for the first time."""
    checkpoints.write_due()


@every(3600, "audit.retention")
def remove_old() -> None:
    """Entries that a workspace does not keep go from the front of its chain."""
    retention.cut_due()
