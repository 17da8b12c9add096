"""What the scheduler notes now and then, so that checks can say how things change."""

from webapp.core.queue import every
from webapp.watch import check_disk


@every(3600, "watch.disk")
def sample_disks() -> None:
    """How much room there is, for the speed at which it goes."""
    check_disk.sample()
