"""Mixes that anybody could make without listening, and one that nobody could: what systems are set beside.

Legend: `T` samples, `C` channels (left, right).
"""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from mixcli.audio.convolution import StreamConvolver
from mixcli.audio.decibels import db_to_gain
from mixcli.audio.filters import SosFilter, butterworth_high_pass
from mixcli.audio.loudness import LoudnessMeter
from mixcli.evaluation.oracle import render_oracle
from mixcli.evaluation.oracle_console import BLOCK, Signal

BASELINES = ("sum", "peak-sum", "equal-loudness", "random-gains", "blind-side", "oracle")
STEM_LUFS = -23.0  # of every stem where loudness is equal; the level of a mix is matched later
RANDOM_RANGE_DB = (-12.0, 0.0)  # of the faders of "random-gains" about equal loudness
SIDE_DB = -10.0  # blind side under the middle
SIDE_HIGH_PASS_HZ = 150.0
SIDE_FIR_S = 0.018  # of the noise that decorrelates the blind side


def render_baseline(
    name: str,
    stems: Sequence[Signal],
    sample_rate: int,
    *,
    seed: int,
    song: str,
    reference_TC: Signal | None = None,
) -> Iterator[Signal]:
    """A baseline's mix in blocks of at most 65,536 samples, [T, 2], as long as the longest stem.

    Stems are [T, 2] each. Samples may be above 1. The same seed, song and stems give the same
    samples:
    - sum: the stems as they are;
    - peak-sum: each stem brought to a sample peak of 1;
    - equal-loudness: each stem to the same integrated loudness, silent ones left out;
    - random-gains: the same, then a fader each, drawn evenly from -12 to 0 dB by `seed` and the song's name;
    - blind-side: equal loudness, and a side made of the sum's middle by 18 ms of noise, 10 dB below it;
    - oracle: the static console fitted to `reference_TC`, [T, 2]; see `render_oracle`.
    Raises ValueError for another name, and for "oracle" without a reference.
    """
    if name not in BASELINES:
        raise ValueError(f'no baseline "{name}"; there are {", ".join(BASELINES)}')
    if not stems:
        return iter(())
    if name == "oracle":
        if reference_TC is None:
            raise ValueError("the oracle needs a reference")
        return render_oracle(stems, reference_TC, sample_rate, seed=seed)
    if name == "sum":
        return _sum(stems, [1.0] * len(stems))
    if name == "peak-sum":
        return _sum(stems, [_inverse(_peak(stem_TC)) for stem_TC in stems])
    gains = [equal_loudness_gain(stem_TC, sample_rate) for stem_TC in stems]
    if name == "random-gains":
        gains = [
            gain * db_to_gain(level_db)
            for gain, level_db in zip(gains, random_levels_db(len(stems), seed, song), strict=True)
        ]
    return _with_blind_side(stems, gains, sample_rate, seed) if name == "blind-side" else _sum(stems, gains)


def equal_loudness_gain(stem_TC: Signal, sample_rate: int) -> float:
    """The factor that brings a stem [T, 2] to `STEM_LUFS`; 0 where it has no loudness.

    By BS.1770 silence has none, nor has anything shorter than 0.4 s.
    """
    meter = LoudnessMeter(sample_rate, 2)
    for start in range(0, len(stem_TC), BLOCK):
        meter.push(np.asarray(stem_TC[start : start + BLOCK], np.float32))
    level_lufs = meter.integrated_lufs()
    return db_to_gain(STEM_LUFS - level_lufs) if np.isfinite(level_lufs) else 0.0


def random_levels_db(n_stems: int, seed: int, song: str) -> list[float]:
    """The faders of "random-gains": another draw for another song, whatever the order of the songs."""
    digest = hashlib.sha256(song.encode("utf-8", "surrogateescape")).digest()
    rng = np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])
    return [float(level_db) for level_db in rng.uniform(*RANDOM_RANGE_DB, n_stems)]


def _sum(stems: Sequence[Signal], gains: Sequence[float]) -> Iterator[Signal]:
    length = max(len(stem_TC) for stem_TC in stems)
    for start in range(0, length, BLOCK):
        mix_TC = np.zeros((min(BLOCK, length - start), 2), np.float32)
        for stem_TC, gain in zip(stems, gains, strict=True):
            part_TC = stem_TC[start : start + BLOCK]
            mix_TC[: len(part_TC)] += part_TC * np.float32(gain)
        yield mix_TC


def _with_blind_side(
    stems: Sequence[Signal], gains: Sequence[float], sample_rate: int, seed: int
) -> Iterator[Signal]:
    """One pass to know the level of the side, one to write."""
    middle_energy = side_energy = 0.0
    for mix_TC, side_T in _sides(stems, gains, sample_rate, seed):
        middle_energy += float(np.square(mix_TC.mean(axis=1), dtype=np.float64).sum())
        side_energy += float(np.square(side_T, dtype=np.float64).sum())
    gain = np.float32(db_to_gain(SIDE_DB) * np.sqrt(middle_energy * _inverse(side_energy)))
    for mix_TC, side_T in _sides(stems, gains, sample_rate, seed):
        mix_TC[:, 0] += gain * side_T
        mix_TC[:, 1] -= gain * side_T
        yield mix_TC


def _sides(
    stems: Sequence[Signal], gains: Sequence[float], sample_rate: int, seed: int
) -> Iterator[tuple[Signal, Signal]]:
    """Blocks of the sum [T, 2], and of its middle through noise and a high-pass [T], at any level."""
    n_taps = max(int(SIDE_FIR_S * sample_rate), 1)
    noise = np.random.default_rng(seed).standard_normal(n_taps) * np.hanning(n_taps)
    convolver = StreamConvolver(noise / np.linalg.norm(noise), 1)
    high_pass = SosFilter(butterworth_high_pass(SIDE_HIGH_PASS_HZ, sample_rate), 1)
    for mix_TC in _sum(stems, gains):
        middle_TC = mix_TC.mean(axis=1, keepdims=True)
        yield mix_TC, high_pass.push(convolver.push(middle_TC))[:, 0]


def _peak(stem_TC: Signal) -> float:
    blocks = (stem_TC[start : start + BLOCK] for start in range(0, len(stem_TC), BLOCK))
    return max((float(np.abs(block_TC).max(initial=0.0)) for block_TC in blocks), default=0.0)


def _inverse(value: float) -> float:
    return 1 / value if value > 0 else 0.0
