"""Memory that is used again and again: the C library keeps it, instead of handing it back each time."""

import ctypes

# Of mallopt(3), glibc: what is given back from the end, what is asked for beyond, what is mapped by itself.
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
MIB = 1 << 20


def keep_freed_memory() -> None:
    """Have freed blocks of samples kept for the next ones, in this process; only glibc can do it.

    By itself glibc returns blocks of this size to the system, which takes every page out of the tables of all
    processors and fetches it anew for the next block. With two threads that was a fifth of the time of
    measuring stems (200,000 page faults became 20,000). The peak of the memory stays what it was.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or none that can be asked
        return
    mallopt(MMAP_THRESHOLD, 32 * MIB)  # the most that glibc takes
    mallopt(TRIM_THRESHOLD, 256 * MIB)
    mallopt(TOP_PAD, 16 * MIB)
