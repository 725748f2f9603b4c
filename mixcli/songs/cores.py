"""How many threads a song's stems are worked on in."""

import os


def n_threads() -> int:
    """The number of threads to use: what `OMP_NUM_THREADS` says, else the cores this process may use.

    The processes of a batch have it at 1: several songs at the same time keep the cores busier than several
    threads on one song, which wait for each other.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isascii() and wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
