"""How far apart two mixes of one song are, whatever their levels."""

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import db_to_gain
from mixcli.audio.loudness import LoudnessMeter
from mixcli.measures.nearness import compare_profiles
from mixcli.measures.profile import Profile, describe_profile

LEVEL_LUFS = -20.0  # of comparison: high enough for the gate of the dynamics, which is absolute

Sound = NDArray[np.float32]


def levelled_profile(mix_TC: Sound, sample_rate: int) -> Profile:
    """Describe a mix `[T, 2]` as it is at LEVEL_LUFS (SOURCE: ITU-R BS.1770-5); silence as it is."""
    meter = LoudnessMeter(sample_rate, 2)
    meter.push(mix_TC)
    lufs = meter.integrated_lufs()
    gain = db_to_gain(LEVEL_LUFS - lufs) if np.isfinite(lufs) else 1.0
    return describe_profile(mix_TC * np.float32(gain), sample_rate)


def beyond(mix: Profile, reference: Profile, limits: dict[str, float]) -> tuple[str, float] | None:
    """The measure that lies farthest beyond its limit, and its distance; None where all are within.

    What cannot be measured, as of silence, is within. ValueError where the sample rates differ.
    """
    distances = compare_profiles(mix, reference)
    found = [(distances[key] / limit, key) for key, limit in limits.items() if distances[key] > limit]
    if not found:
        return None
    key = max(found)[1]
    return key, distances[key]
