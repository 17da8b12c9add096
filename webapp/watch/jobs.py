"""What the scheduler notes now and then, so that checks can say how things change."""

from webapp.core.queue import every
from webapp.watch import check_disk, space

#: a chore holds the scheduler up; what is left goes the next time
BUDGET_S = 1.0


@every(3600, "watch.disk")
def sample_disks() -> None:
    """How much room there is, for the speed at which it goes."""
    check_disk.sample()


@every(60, "watch.space")
def give_space_back() -> None:
    """SQLite's file becomes smaller again after a lot went."""
    space.give_back(BUDGET_S)
