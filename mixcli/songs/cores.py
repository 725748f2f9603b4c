"""How many threads and processes a song's stems are worked on in."""

import math
import os
from collections.abc import Sequence

from mixcli.songs.song import Stem

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


def share_out(stems: Sequence[Stem], processes: int, *, most_s: float = math.inf) -> list[list[Stem]]:
    """The stems in shares of about the same work, in their order, for so many processes at most.

    `most_s` is how much of each is wanted. Short songs, and single stems, are one share.
    """
    work = {stem.name: min(stem.duration_s, most_s) * stem.n_channels for stem in stems}
    n_shares = min(processes, len(stems), MOST_PROCESSES, 1 + int(sum(work.values()) / WORTH_A_PROCESS_S))
    names: list[set[str]] = [set() for _ in range(max(n_shares, 1))]
    for stem in sorted(stems, key=lambda stem: -work[stem.name]):
        min(names, key=lambda share: sum(work[name] for name in share)).add(stem.name)
    return [[stem for stem in stems if stem.name in share] for share in names]
