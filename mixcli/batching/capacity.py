"""How many songs at the same time: by processors, and by the memory that each takes."""

import os
from collections.abc import Sequence
from pathlib import Path

MEBIBYTE = 1024 * 1024
# More than a process was seen to hold at its peak: 170 MiB with the console alone (songs of up to 40 stems),
# 625 MiB with the network. It does not grow with the length of songs.
CONSOLE_BYTES = 400 * MEBIBYTE
NETWORK_BYTES = 1000 * MEBIBYTE
PER_DEVICE = 2  # while one process reads and measures a song, the other one's network has the device
KEPT_FREE = 0.2  # share of the free memory that is left to others

CGROUP = Path("/sys/fs/cgroup")


def auto_jobs(n_songs: int, *, with_network: bool, n_devices: int = 0) -> int:
    """As many processes as there are processors and memory for, and no more than songs; at least one.

    Where they share CUDA devices, `PER_DEVICE` on each at most.
    """
    free = free_memory()
    each = NETWORK_BYTES if with_network else CONSOLE_BYTES
    fitting = n_songs if free is None else int(free * (1 - KEPT_FREE)) // each
    most = PER_DEVICE * n_devices or n_songs
    return max(min(processors(), fitting, n_songs, most), 1)


def device_environments(devices: Sequence[str]) -> list[dict[str, str]]:
    """What each process in turn is told, so that it sees one CUDA device alone, under the name of "cuda"."""
    return [{"CUDA_VISIBLE_DEVICES": name} for name in devices]


def processors() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_memory() -> int | None:
    """The bytes that new processes may take: of the machine, or of the container if that has less."""
    limits = [machine_memory(), container_memory()]
    known = [limit for limit in limits if limit is not None]
    return min(known, default=None)


def machine_memory() -> int | None:
    """What is available on a Linux machine, without swap; None elsewhere."""
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def container_memory() -> int | None:
    """What a limit on this process's group leaves; None without one."""
    try:
        limit = int((CGROUP / "memory.max").read_text("ascii"))
        used = int((CGROUP / "memory.current").read_text("ascii"))
    except (OSError, ValueError):  # no such limit ("max"), or another kind of system
        return None
    return max(limit - used, 0)
