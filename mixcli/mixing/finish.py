"""From the sound of a mix to the finished file: loudness, ceiling, word length, and a check of the file."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mixcli.audio.behind import Behind
from mixcli.audio.files import AudioReader, read_info
from mixcli.audio.mastering import MasterSolution, MasterTarget, apply_master, solve_master
from mixcli.audio.meters import Measures, Meters, measure
from mixcli.audio.mix_sketch import MixSketch
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
    sketch: MixSketch | None = None,
    on_progress: Progress | None = None,
) -> FinishedMix:
    """Solve the master, write the file whole or not at all, and measure the file as written.

    `sketch` is of the mix, where it was measured while it was made. What is written is measured on its way to
    the file, and the file read to see that it has those samples. Progress is told as the stage "mastering",
    once through for every pass over the mix.

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

    solution = solve_master(blocks, sample_rate, 2, master_target(settings), sketch=sketch)
    undithered = settings.dither == "none" or settings.bit_depth == "32f"
    seed = None if undithered else scratch.seed
    ceiling_dbtp = None if settings.loudness_mode == "measure" else settings.true_peak_dbtp
    while True:
        try:
            with atomic_output(path) as part:
                writer = MixWriter(
                    part,
                    sample_rate=sample_rate,
                    n_channels=2,
                    container=settings.format,
                    bit_depth=settings.bit_depth,
                    dither_seed=seed,
                    software=software,
                )
                measures = _write(writer, part, apply_master(blocks, sample_rate, 2, solution), sample_rate)
                peak_dbtp = measures.true_peak_dbtp
                if ceiling_dbtp is not None and peak_dbtp is not None and peak_dbtp > ceiling_dbtp:
                    raise _AboveCeiling(peak_dbtp - ceiling_dbtp)
        except _AboveCeiling as above:
            solution = _lowered(solution, above.excess_db + HEADROOM_DB)
            continue
        solution = replace(solution, peaks=None)
        return FinishedMix(solution=solution, measures=measures, n_samples=scratch.n_samples)


def _write(
    writer: MixWriter, path: Path, finished: Iterator[tuple[np.ndarray, np.ndarray]], sample_rate: int
) -> Measures:
    """Write the finished samples and measure them: those that a decoder reads from the file."""
    meters = Meters(sample_rate, 2)
    checksum = 0

    def write(block_TC: np.ndarray) -> None:
        nonlocal checksum
        written_TC = writer.write(block_TC)
        measuring.push(written_TC)
        checksum = zlib.crc32(written_TC.data, checksum)

    with writer, Behind(meters.push) as measuring, Behind(write) as writing:
        for block_TC, _ in finished:
            writing.push(block_TC)
    read = 0
    for block_TC in read_blocks(path):
        read = zlib.crc32(np.ascontiguousarray(block_TC).data, read)
    return meters.finish() if read == checksum else measure(lambda: read_blocks(path), sample_rate, 2)


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
