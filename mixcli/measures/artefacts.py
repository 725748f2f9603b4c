"""Artefacts of a mix, second by second: clicks, clipping, foreign energy, noise in rests, direct current.

Legend: `T` samples, `C` channels, `G` groups of frames (0.1 s), `B` bands.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixcli.measures.band_energy import describe_energy, energy_bands, group_seconds
from mixcli.measures.clicks import find_clicks
from mixcli.measures.clipping import clipped_runs, is_clipped, runs_of_stems
from mixcli.measures.direct_current import SHORTEST_S, has_offset
from mixcli.measures.foreign_energy import explained_energy, foreign_cells, sounding_level
from mixcli.measures.measure import Measure
from mixcli.measures.rests import noisy_groups
from mixcli.measures.stem_delay import StemSpectra, describe_sum, find_delay

Kind = Literal["click", "clipping", "foreign", "rest_noise", "dc"]
NEEDS_STEMS: tuple[Kind, ...] = ("foreign", "rest_noise")
_TEXTS: dict[Kind, str] = {
    "click": "blocks of 1 s with a click that no stem has",
    "clipping": "blocks of 1 s with runs of samples cut off at one ceiling",
    "foreign": "blocks of 1 s with energy in a band where no stem has any",
    "rest_noise": "blocks of 1 s with noise while all stems are silent",
    "dc": "blocks of 1 s with an offset that the stems do not have",
}


def _measure(kind: Kind, text: str) -> Measure:
    return Measure(
        key=f"{kind}_share",
        unit="%",
        family="artefacts",
        better="lower",
        text=f"share of {text}",
        source="mixcli",
    )


MEASURES: tuple[Measure, ...] = tuple(_measure(kind, text) for kind, text in _TEXTS.items())


@dataclass(frozen=True)
class Artefact:
    """One kind of artefact in one block of a second: from when to when, and what was found."""

    kind: Kind
    start_s: float
    stop_s: float
    text: str


@dataclass(frozen=True)
class ArtefactStems:
    """What all mixes of a song are held against.

    Its stems [T, C] and their root mean squares, spectra of their sum, and energies [G, B].
    """

    stems: tuple[NDArray[np.float32], ...]
    levels: tuple[float, ...]
    sum_spectra: StemSpectra
    energies: tuple[NDArray[np.float32], ...]


def describe_artefact_stems(stems: Sequence[NDArray[np.float32]], sample_rate: int) -> ArtefactStems:
    """Take once per song what the detectors need of its stems [T, 2], which are kept, not copied.

    They start with the mix and have its rate; each may be shorter. No stems at all are as good as none given.
    """
    kept = tuple(stem_TC for stem_TC in stems if len(stem_TC))
    energies = tuple(describe_energy(stem_TC, sample_rate) for stem_TC in kept)
    levels = tuple(_rms(stem_TC, sample_rate) for stem_TC in kept)
    return ArtefactStems(kept, levels, describe_sum(kept), energies)


def find_artefacts(
    mix_TC: NDArray[np.float32],
    sample_rate: int,
    stems: ArtefactStems | Sequence[NDArray[np.float32]] | None,
) -> list[Artefact]:
    """All artefacts of a mix [T, 2], at most one of a kind per second, by time and kind.

    Without stems nothing is said of foreign energy and noise in rests, and a click has to be a plain one.
    """
    if stems is not None and not isinstance(stems, ArtefactStems):
        stems = describe_artefact_stems(stems, sample_rate)
    if stems is not None and not stems.stems:
        stems = None
    mix_rms = _rms(mix_TC, sample_rate)
    if mix_rms <= 0:
        return []
    delay = None if stems is None else find_delay(mix_TC, sample_rate, stems.sum_spectra)
    levelled = None if stems is None else list(zip(stems.stems, stems.levels, strict=True))
    clicks = find_clicks(mix_TC, sample_rate, mix_rms, levelled, delay)
    found = _blocks("click", "click", clicks, sample_rate)
    found += _waveform_artefacts(mix_TC, sample_rate, mix_rms, stems, delay)
    if stems is not None:
        found += _energy_artefacts(mix_TC, sample_rate, stems)
    last_s = len(mix_TC) / sample_rate
    cut = [
        Artefact(one.kind, one.start_s, min(one.stop_s, last_s), one.text)
        for one in found
        if one.start_s < last_s
    ]
    kinds = list(_TEXTS)
    return sorted(cut, key=lambda one: (one.start_s, kinds.index(one.kind)))


def artefact_shares(
    artefacts: Iterable[Artefact], duration_s: float, *, with_stems: bool
) -> dict[str, float]:
    """Share of the blocks of a second that have each kind, in percent; the keys are those of `MEASURES`.

    A kind that cannot be told without stems is nan without them, and all are for an empty mix.
    """
    n_blocks = math.ceil(duration_s - 1e-6)  # a microsecond is less than a sample
    blocks = {(one.kind, one.start_s) for one in artefacts}
    shares = {}
    for kind in _TEXTS:
        count = sum(found == kind for found, _ in blocks)
        known = n_blocks > 0 and (with_stems or kind not in NEEDS_STEMS)
        shares[f"{kind}_share"] = 100 * count / n_blocks if known else math.nan
    return shares


def _waveform_artefacts(
    mix_TC: NDArray[np.float32],
    sample_rate: int,
    mix_rms: float,
    described: ArtefactStems | None,
    delay: int | None,
) -> list[Artefact]:
    """Clipping and direct current, block by block."""
    found = []
    stems = None if described is None else described.stems
    stems_rms = 0.0 if described is None else math.hypot(*described.levels)
    stems_gain = mix_rms / stems_rms if stems_rms > 0 else 0.0
    for second, start in enumerate(range(0, len(mix_TC), sample_rate)):
        stop = min(start + sample_rate, len(mix_TC))
        channels = [np.ascontiguousarray(side_T, np.float32) for side_T in mix_TC[start:stop].T]
        runs = [clipped_runs(side_T, mix_rms) for side_T in channels]
        if is_clipped(np.concatenate(runs)):
            sides = [(side_R2 + start, mix_TC[:, c]) for c, side_R2 in enumerate(runs) if len(side_R2)]
            if stems is None or not all(runs_of_stems(*side, stems, sample_rate, delay) for side in sides):
                text = f"{sum(map(len, runs))} runs of samples at one ceiling"
                found.append(Artefact("clipping", second, second + 1, text))
        if stop - start >= SHORTEST_S * sample_rate:
            offset = has_offset(mix_TC, start, stop, mix_rms, stems, stems_gain)
            if offset > 0:
                text = f"offset of {20 * math.log10(offset):.0f} dBFS"
                found.append(Artefact("dc", second, second + 1, text))
    return found


def _energy_artefacts(mix_TC: NDArray[np.float32], sample_rate: int, stems: ArtefactStems) -> list[Artefact]:
    """Foreign energy, and noise in rests."""
    mix_GB = describe_energy(mix_TC, sample_rate)
    group_s = group_seconds(sample_rate)
    level = sounding_level(mix_GB)
    explained_GB = explained_energy(mix_GB, stems.energies, group_s)
    noisy_G = noisy_groups(mix_GB, stems.energies, explained_GB, level, group_s)
    cells_GB = foreign_cells(mix_GB, explained_GB, level)
    bands = energy_bands(sample_rate)
    second_G = ((np.arange(len(mix_GB)) + 0.5) * group_s).astype(int)
    found = []
    for second in np.unique(second_G[noisy_G]):
        power = float(mix_GB[noisy_G & (second_G == second)].sum(axis=1).mean())
        text = f"{10 * math.log10(power):.0f} dBFS while all stems are silent"
        found.append(Artefact("rest_noise", int(second), int(second) + 1, text))
    for second in np.unique(second_G[cells_GB.any(axis=1)]):
        here_GB = np.where(cells_GB & (second_G == second)[:, None], mix_GB, 0)
        low_hz, high_hz = bands[int(here_GB.max(axis=0).argmax())]
        text = f"energy between {low_hz:.0f} and {min(high_hz, sample_rate / 2):.0f} Hz that no stem has"
        found.append(Artefact("foreign", int(second), int(second) + 1, text))
    return found


def _blocks(kind: Kind, word: str, places: Sequence[int], sample_rate: int) -> list[Artefact]:
    seconds, counts = np.unique(np.array(places, int) // sample_rate, return_counts=True)
    return [
        Artefact(kind, int(second), int(second) + 1, f"{count} {word}{'s' * int(count > 1)}")
        for second, count in zip(seconds, counts, strict=True)
    ]


def _rms(signal_TC: NDArray[np.float32], sample_rate: int) -> float:
    """Level of a whole signal, gone over second by second."""
    total = 0.0
    for start in range(0, len(signal_TC), sample_rate):
        flat = np.asarray(signal_TC[start : start + sample_rate], np.float32).ravel()
        total += float(np.dot(flat, flat))
    return math.sqrt(total / max(signal_TC.size, 1))
