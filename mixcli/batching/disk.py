"""How much room mixes take on the disk, and whether it is there."""

import math
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from mixcli.audio.wording import printable, size_text
from mixcli.errors import OutputError
from mixcli.mixing.request import Terms
from mixcli.settings import MixSettings

BYTES_PER_SAMPLE = {"16": 2, "24": 3, "32f": 4}
N_CHANNELS = 2
BESIDE_BYTES = 64 * 1024  # header, recipe and result
N_BUSES = 8


def mix_bytes(duration_s: float, sample_rate: int, settings: MixSettings) -> int:
    """The most that a mix takes with what lies beside it; FLAC may turn out as large as WAV."""
    n_samples = math.ceil(duration_s * sample_rate) * N_CHANNELS
    return n_samples * BYTES_PER_SAMPLE[settings.bit_depth] + BESIDE_BYTES


def terms_bytes(duration_s: float, sample_rate: int, n_stems: int, terms: Terms) -> int:
    """What the terms of a mix take: 32-bit floats in stereo, and a few beside those of stems or buses."""
    if terms == "none":
        return 0
    n_files = (n_stems if terms == "stems" else N_BUSES) + 3
    return n_files * math.ceil(duration_s * sample_rate) * N_CHANNELS * 4


def working_bytes(duration_s: float, sample_rate: int) -> int:
    """What a mix takes while it is made, given back at its end: 32-bit floats in stereo."""
    return math.ceil(duration_s * sample_rate) * N_CHANNELS * 4


def free_bytes(folder: Path) -> int | None:
    """What is free where a folder is or will be; None where the system does not say."""
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def size_there(paths: Iterable[Path]) -> int:
    """What files take that are there already."""
    total = 0
    for path in paths:
        try:
            total += os.stat(path).st_size
        except OSError:
            continue
    return total


def check_room(folder: Path, kept: int, working: Sequence[int], *, jobs: int) -> None:
    """Raise OutputError E502 where what a batch keeps, and its largest songs in the making, will not fit."""
    needed = kept + sum(sorted(working)[-jobs:])
    free = free_bytes(folder)
    if free is None or needed <= free:
        return
    message = (
        f'cannot write to "{printable(str(folder))}": no space left (needs about {size_text(needed)}, '
        f"{size_text(free)} free). Nothing was begun."
    )
    hint = "free some space, another --out, or fewer songs at a time: --max-songs."
    raise OutputError(message, code="E502", hint=hint)
