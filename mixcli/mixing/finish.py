"""From the sound of a mix to the finished file: loudness, ceiling, word length, and a check of the file."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mixcli.audio.behind import Behind
from mixcli.audio.files import AudioReader, read_info
from mixcli.audio.mastering import (
    MasterSolution,
    MasterTarget,
    Measures,
    apply_master,
    measure,
    solve_master,
)
from mixcli.audio.output import ScratchFile, atomic_output
from mixcli.audio.writer import MixWriter
from mixcli.mixing.request import Progress
from mixcli.settings import MixSettings

BLOCK = 65_536
HEADROOM_DB = 0.05  # a file that reads above its ceiling is made again this much lower than it must be


@dataclass(frozen=True, kw_only=True)
class FinishedMix:
    """How the mix was brought to its loudness, and what the written file measures."""

    solution: MasterSolution
    measures: Measures
    n_samples: int


def master_target(settings: MixSettings) -> MasterTarget:
    """The loudness asked for."""
    return MasterTarget(
        target_lufs=settings.lufs,
        ceiling_dbtp=settings.true_peak_dbtp,
        mode=settings.loudness_mode,
        limit_db=settings.limit_db,
    )


def finish_mix(
    scratch: ScratchFile,
    path: Path,
    sample_rate: int,
    settings: MixSettings,
    *,
    software: str,
    on_progress: Progress | None = None,
) -> FinishedMix:
    """Solve the master, write the file whole or not at all, and measure the file as written.

    Progress is told as the stage "mastering", once through for every pass over the mix.

    The ceiling holds on the written samples: should a file read above it, it is made again a little lower.
    Raises OutputError.
    """

    def blocks() -> Iterator[np.ndarray]:
        done = 0
        for block_TC in scratch.blocks(BLOCK):
            yield block_TC
            done += len(block_TC)
            if on_progress is not None:
                on_progress("mastering", done / sample_rate, scratch.n_samples / sample_rate)

    solution = solve_master(blocks, sample_rate, 2, master_target(settings))
    undithered = settings.dither == "none" or settings.bit_depth == "32f"
    seed = None if undithered else scratch.seed
    ceiling_dbtp = None if settings.loudness_mode == "measure" else settings.true_peak_dbtp
    while True:
        try:
            with atomic_output(path) as part:
                with (
                    MixWriter(
                        part,
                        sample_rate=sample_rate,
                        n_channels=2,
                        container=settings.format,
                        bit_depth=settings.bit_depth,
                        dither_seed=seed,
                        software=software,
                    ) as writer,
                    Behind(writer.write) as writing,
                ):
                    for block_TC, _ in apply_master(blocks, sample_rate, 2, solution):
                        writing.push(block_TC)
                measures = measure(lambda: read_blocks(part), sample_rate, 2)
                peak_dbtp = measures.true_peak_dbtp
                if ceiling_dbtp is not None and peak_dbtp is not None and peak_dbtp > ceiling_dbtp:
                    raise _AboveCeiling(peak_dbtp - ceiling_dbtp)
        except _AboveCeiling as above:
            solution = _lowered(solution, above.excess_db + HEADROOM_DB)
            continue
        solution = replace(solution, peaks=None)
        return FinishedMix(solution=solution, measures=measures, n_samples=scratch.n_samples)


class _AboveCeiling(Exception):
    """The file as written reads above the ceiling; it is not kept."""

    def __init__(self, excess_db: float) -> None:
        super().__init__(excess_db)
        self.excess_db = excess_db


def _lowered(solution: MasterSolution, by_db: float) -> MasterSolution:
    ceiling_dbtp = None if solution.ceiling_dbtp is None else solution.ceiling_dbtp - by_db
    return replace(solution, gain_db=solution.gain_db - by_db, ceiling_dbtp=ceiling_dbtp)


def read_blocks(path: Path) -> Iterator[np.ndarray]:
    """A finished file in blocks, as any reader would see it."""
    with AudioReader(read_info(path)) as reader:
        while len(block_TC := reader.read(BLOCK)):
            yield block_TC
