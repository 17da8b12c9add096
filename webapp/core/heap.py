"""The garbage collector of processes that live long and hold a whole application: it looks at what came since, and seldom."""

import gc

#: containers made and not given back before the collector looks; thousands of rows on their way are no garbage
YOUNG, MIDDLE, OLD = 20_000, 20, 20


def settle() -> None:
    """Everything that is there now stays: it is not looked at again, and pages shared with a parent process are not copied for that."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
