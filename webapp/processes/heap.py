"""What glibc does with large blocks: left alone it takes them from the heap as soon as one has been freed, and a heap gives back little.

A mail of 25 MB, or the memory of one password's hash, then stays with its process for ever. With a fixed threshold every large block is
the system's again as soon as it is freed. Processes that are forked later have it too; where there is no glibc nothing happens.

source  mallopt(3), M_MMAP_THRESHOLD: setting it ends its growing by itself
"""

import ctypes

#: blocks from this size on are given back, in bytes
LARGE = 1024 * 1024
_M_MMAP_THRESHOLD = -3


def give_back_large_blocks() -> bool:
    """Whether the C library could be told."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_M_MMAP_THRESHOLD, LARGE) == 1
