"""How many threads and processes a song's stems are worked on in."""

import os
from collections.abc import Mapping

WORTH_A_PROCESS_S = 300.0  # seconds of sound of all channels: less is done before a second process has begun
MOST_PROCESSES = 6  # what is made of the stems together keeps no more than these at work


def n_threads() -> int:
    """The number of threads to use: what `OMP_NUM_THREADS` says, else the cores this process may use.

    The processes of a batch have it at 1: several songs at the same time keep the cores busier than several
    threads on one song, which wait for each other.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isascii() and wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_out(work_s: Mapping[str, float], processes: int) -> list[list[str]]:
    """Names in shares of about the same work, in their order, for so many processes at most.

    Work is in seconds of sound of one channel. Where there is little of it all is one share.
    """
    n_shares = min(processes, len(work_s), MOST_PROCESSES, 1 + int(sum(work_s.values()) / WORTH_A_PROCESS_S))
    shares: list[set[str]] = [set() for _ in range(max(n_shares, 1))]
    for name in sorted(work_s, key=lambda name: -work_s[name]):
        min(shares, key=lambda share: sum(work_s[name] for name in share)).add(name)
    return [[name for name in work_s if name in share] for share in shares]
