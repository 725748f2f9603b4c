"""Levels in dB and the factors they stand for."""

import math


def db_to_gain(level_db: float) -> float:
    """The factor on amplitudes of a level."""
    return float(10 ** (level_db / 20))


def amplitude_to_db(amplitude: float) -> float:
    """The level of an amplitude, ≥ 0; -inf for zero."""
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf
