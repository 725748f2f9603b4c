"""The ledger: every term of a mix as a 32-bit float file, and the proof that together they are the mix.

mix = Σ stems (or buses) + Σ residuals (or the network's share) + master. Stems and residuals carry the
master's linear gain; `master.wav` is what the limiter changed.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal

import numpy as np

from mixcli.audio.decibels import db_to_gain
from mixcli.audio.files import AudioReader, read_info
from mixcli.audio.mastering import MasterSolution, apply_master
from mixcli.audio.output import ScratchFile
from mixcli.audio.parts import output_error
from mixcli.audio.writer import MixWriter
from mixcli.console.render import render_terms
from mixcli.mixing.output_path import clean_file_name
from mixcli.mixing.plan import MixPlan
from mixcli.mixing.request import Terms
from mixcli.mixing.sound import console_share, excerpt, render_sound
from mixcli.songs.roles import BUSES

BLOCK = 65_536
MASTER = "master"


def export_terms(
    plan: MixPlan, kind: Terms, scratch: ScratchFile, solution: MasterSolution, folder: Path
) -> tuple[tuple[Path, ...], float | None]:
    """Write the terms into a folder, all or none; return their paths and the null test.

    The null test is the highest sample of |Σ terms − mix| in dBFS, from the files as written; the mix is the
    one before dither. `none` writes nothing. Raises OutputError.
    """
    if kind == "none":
        return (), None
    try:
        partial = Path(mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    except OSError as error:
        raise output_error(folder.parent, error) from error
    try:
        names = _write_terms(plan, kind, scratch, solution, partial)
        null_test = _null_test(partial, names, scratch, plan.sample_rate, solution)
        os.chmod(partial, 0o777 & ~_umask())
        for old in folder.glob("*.wav"):  # of an earlier mix: settle_existing let nothing else pass
            old.unlink()
        os.replace(partial, folder)
    except OSError as error:
        raise output_error(folder.parent, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return tuple(folder / name for name in names), null_test


def _write_terms(
    plan: MixPlan, kind: Terms, scratch: ScratchFile, solution: MasterSolution, folder: Path
) -> list[str]:
    """Write one kind of term after the other; return the file names in their order."""
    gain = np.float32(db_to_gain(solution.gain_db))
    share = np.float32(console_share(plan))
    start, n_samples = excerpt(plan)
    by: Literal["bus", "stem"] = "bus" if kind == "buses" else "stem"
    names: list[str] = []
    terms = render_terms(
        plan.song,
        plan.recipe,
        by=by,
        start=start,
        n_samples=n_samples,
        repair=plan.repair,
        processes=plan.processes,
    )
    names += _write_files(folder, plan, ((key, block * (gain * share)) for key, block in _flat(terms)))
    if plan.model is not None:
        names += _write_files(folder, plan, _network_terms(plan, gain))
    names += _write_files(folder, plan, _master_terms(scratch, plan.sample_rate, solution))
    return names


def _flat(terms: Iterator[tuple[int, dict[str, np.ndarray]]]) -> Iterator[tuple[str, np.ndarray]]:
    for _, blocks in terms:
        yield from blocks.items()


def _network_terms(plan: MixPlan, gain: np.float32) -> Iterator[tuple[str, np.ndarray]]:
    for block in render_sound(plan):
        if block.residuals_KTC is not None:
            for bus, residual_TC in zip(BUSES, block.residuals_KTC, strict=True):
                yield f"residual {bus}", residual_TC * gain
        if block.network_TC is not None:
            yield "network", block.network_TC * gain


def _master_terms(
    scratch: ScratchFile, sample_rate: int, solution: MasterSolution
) -> Iterator[tuple[str, np.ndarray]]:
    gain = np.float32(db_to_gain(solution.gain_db))
    before = np.zeros((0, 2), np.float32)
    waiting = scratch.blocks(BLOCK)
    for mastered_TC, _ in apply_master(lambda: scratch.blocks(BLOCK), sample_rate, 2, solution):
        while len(before) < len(mastered_TC):
            before = np.concatenate([before, next(waiting)])
        yield MASTER, mastered_TC - before[: len(mastered_TC)] * gain
        before = before[len(mastered_TC) :]


def _write_files(folder: Path, plan: MixPlan, blocks: Iterator[tuple[str, np.ndarray]]) -> list[str]:
    """Write each key's blocks to its own float file; keys appear in the order they first come."""
    names: dict[str, str] = {}
    with ExitStack() as stack:
        writers: dict[str, MixWriter] = {}
        for key, block_TC in blocks:
            if key not in writers:
                names[key] = _term_name(key, folder)
                writer = MixWriter(
                    folder / names[key],
                    sample_rate=plan.sample_rate,
                    n_channels=2,
                    container="wav",
                    bit_depth="32f",
                    dither_seed=None,
                )
                writers[key] = stack.enter_context(writer)
            writers[key].write(block_TC)
    return list(names.values())


def _term_name(key: str, folder: Path) -> str:
    stem = clean_file_name(key.replace("/", " - "))
    stem = stem.rsplit(".", 1)[0] if "." in stem else stem
    candidate, number = f"{stem}.wav", 2
    while (folder / candidate).exists():
        candidate, number = f"{stem} ({number}).wav", number + 1
    return candidate


def _null_test(
    folder: Path, names: list[str], scratch: ScratchFile, sample_rate: int, solution: MasterSolution
) -> float:
    """Read the files back and compare their sum with the mix."""
    worst = 0.0
    with ExitStack() as stack:
        readers = [stack.enter_context(AudioReader(read_info(folder / name))) for name in names]
        for mastered_TC, _ in apply_master(lambda: scratch.blocks(BLOCK), sample_rate, 2, solution):
            total_TC = np.zeros(mastered_TC.shape)
            for reader in readers:
                total_TC += reader.read(len(mastered_TC))
            worst = max(worst, float(np.abs(total_TC - mastered_TC).max(initial=0.0)))
    return float(20 * np.log10(worst)) if worst > 0 else -200.0


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
