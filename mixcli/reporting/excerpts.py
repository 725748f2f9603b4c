"""Short stretches of mixes at equal loudness, as FLAC inside a page.

Legend: `T` samples, `C` channels.
"""

import base64
import hashlib
import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import db_to_gain
from mixcli.audio.loudness import LoudnessMeter, hop_length
from mixcli.audio.quantise import Quantiser

FADE_S = 0.005  # at both ends of an excerpt, so that it starts and stops without a click
CEILING_DBFS = -1.0  # highest sample of an excerpt: players resample, and that may exceed full scale
BITS = 16
BLOCK_S = 10.0  # how much of a signal is read at once

Signal = NDArray[np.float32]


def excerpt_span(signal_TC: Signal, sample_rate: int, seconds: float) -> tuple[int, int]:
    """First sample and the one after the last of the loudest stretch of a signal, [T, C].

    Of all stretches of this length that start on a whole 100 ms, the one with the highest mean square under
    the K filter (BS.1770-5, no gate), so the fullest part of a song: all stems play there, and faults of
    balance show. The earliest wins a tie. A signal that is not longer is taken whole.
    """
    length = round(seconds * sample_rate)
    if len(signal_TC) <= length:
        return 0, len(signal_TC)
    hop = hop_length(sample_rate)
    energies = _meter(signal_TC, sample_rate).hop_energies()
    n_hops = max(min(length // hop, len(energies)), 1)
    until = np.concatenate([[0.0], np.cumsum(energies)])
    sums = until[n_hops:] - until[:-n_hops]
    # A running total leaves rounding of about 1e-16 of the whole; less than that is a tie.
    loudest = int(np.argmax(sums >= sums.max() - 1e-12 * until[-1]))
    start = min(loudest * hop, len(signal_TC) - length)
    return start, start + length


def matched_gains(
    excerpts: Mapping[str, Signal], sample_rate: int, *, level_lufs: float = -18.0
) -> dict[str, float]:
    """Gain in dB of each excerpt of one song, [T, C], that gives all the same integrated loudness.

    The loudness of the excerpt itself counts, not that of its mix. It is `level_lufs`, or less for all
    of them together where one would else have a sample above −1 dBFS. An excerpt without a loudness
    (silent, or under 0.4 s) is only lowered with the others.
    """
    gains_db = {}
    room_db = [0.0]
    for name, signal_TC in excerpts.items():
        lufs = _meter(signal_TC, sample_rate).integrated_lufs()
        gains_db[name] = level_lufs - lufs if np.isfinite(lufs) else 0.0
        peak = float(np.abs(signal_TC).max(initial=0.0))
        if peak > 0:
            room_db.append(CEILING_DBFS - 20 * np.log10(peak) - gains_db[name])
    return {name: float(gain_db + min(room_db)) for name, gain_db in gains_db.items()}


def flac_data_uri(signal_TC: Signal, sample_rate: int, *, gain_db: float = 0.0) -> str:
    """A signal, [T, C], as 16-bit FLAC in a `data:` address, faded over 5 ms at both ends.

    TPDF dither, seeded from the samples and the gain: the same signal gives the same bytes. ValueError if the
    gain would take it beyond full scale; the gains of `matched_gains` do not.
    """
    import soundfile

    faded_TC = np.asarray(signal_TC, np.float32) * np.float32(db_to_gain(gain_db))
    n_fade = min(round(FADE_S * sample_rate), len(faded_TC) // 2)
    fade_T1 = (0.5 - 0.5 * np.cos(np.pi * (np.arange(n_fade) + 0.5) / max(n_fade, 1)))[:, None]
    faded_TC[:n_fade] *= fade_T1
    faded_TC[len(faded_TC) - n_fade :] *= fade_T1[::-1]
    digest = hashlib.sha256(faded_TC.tobytes()).digest()
    quantiser = Quantiser(BITS, faded_TC.shape[1], int.from_bytes(digest[:8], "big"))
    levels_TC = quantiser.push(faded_TC)
    if np.abs(levels_TC).max(initial=0.0) >= 2 ** (BITS - 1):
        raise ValueError(f"a gain of {gain_db:.2f} dB takes this excerpt beyond full scale")
    file = io.BytesIO()
    soundfile.write(file, levels_TC.astype(np.int16), sample_rate, format="FLAC", subtype="PCM_16")
    return "data:audio/flac;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _meter(signal_TC: Signal, sample_rate: int) -> LoudnessMeter:
    """A loudness meter that has heard the whole signal, read in blocks."""
    meter = LoudnessMeter(sample_rate, signal_TC.shape[1])
    step = round(BLOCK_S * sample_rate)
    for start in range(0, len(signal_TC), step):
        meter.push(np.asarray(signal_TC[start : start + step], np.float32))
    return meter
