"""Bringing the inputs of a song to the level that a network was trained with: one gain each, for the song.

Letters: K inputs, T samples, F frames, H steps of a histogram.
"""

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import db_to_gain
from mixcli.engine.prepare import InputPlan, InputReader
from mixcli.models.settings import ModelSettings, split_input

BLOCK = 65_536
FRAME_S = 0.06  # about a hit of a drum
LOUD_SHARE = 0.005  # so many of the frames are louder than what counts as loud
MOST_OVER_MEDIAN_DB = 6.0  # what is quieter yet is no quiet preamp but spill and noise
LOWEST_DB, STEP_DB, N_STEPS = -140.0, 0.1, 1_800  # of the histogram of levels

Gains = NDArray[np.float32]
Block = NDArray[np.float32]


def measure_input_gains(plan: InputPlan, settings: ModelSettings, *, repair: bool = False) -> Gains:
    """Return the gain `[K]` of every input that brings it to the level the settings name, over the song.

    That is the peak of its samples, or how loud its loud moments are (`input_peak_dbfs`,
    `input_loud_dbfs`), both at the model's rate. For the latter the two sides of a pair have one gain, and no
    input gets over 6 dB more than the median one: a microphone with nothing but spill stays down. A silent
    input keeps a gain of 1. The song is read once, in bounded memory, or not at all if the settings
    leave inputs as they are. Raises SongError.
    """
    level_dbfs = settings.input_peak_dbfs if settings.input_loud_dbfs is None else settings.input_loud_dbfs
    if level_dbfs is None:
        return np.ones(len(plan.inputs), np.float32)
    peaks_K = np.zeros(len(plan.inputs), np.float32)
    loud = None if settings.input_loud_dbfs is None else LoudLevels(len(plan.inputs), plan.sample_rate)
    with InputReader(plan, repair=repair) as reader:
        for first in range(0, reader.n_samples, BLOCK):
            block_TK = reader.read(min(BLOCK, reader.n_samples - first))
            if loud is not None:
                loud.push(block_TK)
            else:
                peaks_K = np.maximum(peaks_K, np.abs(block_TK).max(axis=0, initial=0))
    if loud is None:
        return gains_to(peaks_K, level_dbfs)
    gains_K = gains_to(_of_pairs(loud.levels(), settings.inputs), level_dbfs)
    heard_K = loud.levels() > 0
    most = float(np.median(gains_K[heard_K])) * db_to_gain(MOST_OVER_MEDIAN_DB) if heard_K.any() else 1.0
    return np.where(heard_K, np.minimum(gains_K, np.float32(most)), 1)


class LoudLevels:
    """How loud the loud moments of inputs are: the level that 99.5 % of their frames stay below.

    The level of frames of 60 ms is their root mean square; levels are counted in steps of 0.1 dB. A preamp's
    gain shows in how loud a microphone's own hits are, not in how often there is one.
    """

    def __init__(self, n_inputs: int, sample_rate: int) -> None:
        self._n_frame = max(1, round(FRAME_S * sample_rate))
        self._begun_TK = np.zeros((0, n_inputs), np.float32)
        self._counts_KH = np.zeros((n_inputs, N_STEPS), np.int64)

    def push(self, block_TK: Block) -> None:
        """Take the next samples."""
        samples_TK = np.concatenate([self._begun_TK, block_TK])
        n_frames = len(samples_TK) // self._n_frame
        frames_FTK = samples_TK[: n_frames * self._n_frame].reshape(
            n_frames, self._n_frame, samples_TK.shape[1]
        )
        self._count(np.einsum("ftk,ftk->fk", frames_FTK, frames_FTK, dtype=np.float64) / self._n_frame)
        self._begun_TK = samples_TK[n_frames * self._n_frame :]

    def levels(self) -> NDArray[np.float32]:
        """Return the loud level `[K]` of every input so far, as a factor of full scale; 0 for silence."""
        counts_KH = self._counts_KH
        if len(self._begun_TK):  # what is left over counts as a frame of its own
            alone = LoudLevels(counts_KH.shape[0], 1)
            alone._count(np.mean(np.square(self._begun_TK, dtype=np.float64), axis=0)[None])
            counts_KH = counts_KH + alone._counts_KH
        from_above_KH = np.cumsum(counts_KH[:, ::-1], axis=1)
        wanted_K = np.floor(LOUD_SHARE * from_above_KH[:, -1]) + 1
        step_K = N_STEPS - 1 - np.argmax(from_above_KH >= wanted_K[:, None], axis=1)
        levels_K = 10 ** ((LOWEST_DB + (step_K + 0.5) * STEP_DB) / 20)
        return np.where(step_K > 0, levels_K, 0).astype(np.float32)

    def _count(self, energies_FK: NDArray[np.float64]) -> None:
        steps_FK = (10 * np.log10(np.maximum(energies_FK, 1e-30)) - LOWEST_DB) / STEP_DB
        steps_FK = np.clip(steps_FK, 0, N_STEPS - 1).astype(np.int64)
        for counts_H, steps_F in zip(self._counts_KH, steps_FK.T, strict=True):
            counts_H += np.bincount(steps_F, minlength=N_STEPS)


def gains_to(levels_K: NDArray[np.float32], dbfs: float) -> Gains:
    """Return the gains that bring levels to `dbfs`; 1 where there is only silence."""
    wanted = np.float32(db_to_gain(dbfs))
    gains_K = np.ones_like(levels_K)
    # below this the gain would be beyond what float32 holds; such an input is as good as silent
    np.divide(wanted, levels_K, out=gains_K, where=levels_K > np.finfo(np.float32).tiny)
    return gains_K


def _of_pairs(levels_K: NDArray[np.float32], inputs: tuple[str, ...]) -> NDArray[np.float32]:
    """Levels of which both sides of a pair have their common one, so that they keep their balance."""
    squares: dict[str, list[float]] = {}
    for name, level in zip(inputs, levels_K, strict=True):
        squares.setdefault(_pair_of(name), []).append(float(level) ** 2)
    return np.array([np.mean(squares[_pair_of(name)]) ** 0.5 for name in inputs], np.float32)


def _pair_of(name: str) -> str:
    role, part = split_input(name)
    return role if part in ("L", "R") else name
