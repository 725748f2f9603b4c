"""Stems that hold the sound of others: one thing twice at two times, and what bleeds into a microphone.

Legend: S stems, H hops of 100 ms, L lags.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.loudness import lufs_to_energy
from mixcli.songs.cross_spectra import SEGMENT_S, CrossSpectrum, SpectraRequest, gather_spectra
from mixcli.songs.delay_estimate import common_phase, estimate_delay
from mixcli.songs.mic_pairs import loud_segments
from mixcli.songs.roles import family_of
from mixcli.songs.segment_spectra import Signal
from mixcli.songs.song import Song, Stem
from mixcli.songs.survey import Survey

BAND_HZ = (100.0, 8000.0)
ENVELOPE_FLOOR_LU = -40.0  # re a stem's loudness
ALIKE_ENVELOPES = 0.98  # correlation of levels in dB
ENVELOPE_LAGS = 2  # hops either way
COPY_S = 0.74  # length of segments, long against the lag
COPY_LAG_S = 0.1
COPY_SHARE, COPY_COHERENCE = 0.95, 0.8  # no two microphones come near both
MOST_SEGMENTS = 300
QUIET_LU = -8.0  # re a stem's loudness: what else it holds is heard there
FOLLOWS = 0.25  # correlation of the levels in dB of a stem's pauses with those of another stem
BLEED_LAG_S = 0.03  # ten metres
BLEED_COHERENCE, BLEED_SHARE, BLEED_OVER_ELSEWHERE = 0.3, 0.4, 1.5
BLEED_LU = -30.0  # re a stem's own sound: softer bleed is as it should be
FEWEST_HOPS = 30
FEWEST_SEGMENTS = 8
MOST_SUSPECTS = 3  # of each stem
# A look at few segments first: what has not that share of the coherence there that it needs has it nowhere.
COPY_LOOKS, BLEED_LOOKS, LOOK_SHARE = 12, 40, 0.75
GOLDEN = 0.6180339887498949
SHARED_BY_NATURE = ("fx", "room")  # effects and rooms hold what others play


@dataclass(frozen=True)
class Copy:
    """A stem that is another one `delay_ms` later, perhaps upside down."""

    name: str
    original: str
    delay_ms: float
    inverted: bool


@dataclass(frozen=True)
class Bleed:
    """A stem in whose pauses another one is heard, so many LU below its own sound."""

    name: str
    source: str
    below_lu: float


def find_moved_copies(song: Song, survey: Survey, *, processes: int = 1) -> list[Copy]:
    """Pairs of stems with one sound at two times up to 0.1 s apart, at any level, the later one named first.

    Only stems whose levels rise and fall alike are read again, in up to `processes` processes.
    """
    names = [stem.name for stem in song.stems if np.isfinite(survey.stems[stem.name].loudness_lufs)]
    rate = survey.sample_rate
    requests = [
        SpectraRequest(Signal(first), Signal(second), BAND_HZ, _loud_in_both(survey, first, second))
        for first, second in _alike(survey, names)
    ]
    requests = _worth_it(song, rate, requests, COPY_LOOKS, LOOK_SHARE * COPY_COHERENCE, COPY_S, processes)
    found = []
    spectra = gather_spectra(song, rate, requests, segment_s=COPY_S, processes=processes)
    for request, spectrum in zip(requests, spectra, strict=True):
        if spectrum.n_segments < 2:
            continue
        estimate = estimate_delay(spectrum, -COPY_LAG_S * rate, COPY_LAG_S * rate)
        better = max(estimate.upright, estimate.inverted, key=lambda lag: lag.share)
        if better.share < COPY_SHARE or _coherence(spectrum) < COPY_COHERENCE:
            continue
        pair = (request.first.name, request.second.name)
        delay_ms = round(better.delay_samples * 1000 / rate, 2)
        original, later = pair if delay_ms >= 0 else pair[::-1]
        found.append(Copy(later, original, abs(delay_ms), better is estimate.inverted))
    return found


def find_bleed(song: Song, survey: Survey, *, processes: int = 1) -> list[Bleed]:
    """Stems whose pauses are filled by a stem of another family, loud enough to matter; the loudest each.

    Only those are read again whose level in the pauses follows that of another stem, in up to `processes`
    processes.
    """
    stems = [stem for stem in song.stems if np.isfinite(survey.stems[stem.name].loudness_lufs)]
    levels = {stem.name: _levels(survey, stem.name) for stem in stems}
    suspects = {(each.source, each.name): each for stem in stems for each in _suspects(levels, stem, stems)}
    rate = survey.sample_rate
    requests = [
        SpectraRequest(Signal(each.source), Signal(each.name), BAND_HZ, _filled_pauses(survey, each))
        for each in suspects.values()
    ]
    requests = _worth_it(
        song, rate, requests, BLEED_LOOKS, LOOK_SHARE * BLEED_COHERENCE, SEGMENT_S, processes
    )
    proved: dict[str, tuple[float, Bleed]] = {}
    spectra = gather_spectra(song, rate, requests, processes=processes)
    for request, spectrum in zip(requests, spectra, strict=True):
        suspect = suspects[request.first.name, request.second.name]
        if spectrum.n_segments < FEWEST_SEGMENTS:
            continue
        estimate = estimate_delay(spectrum, -BLEED_LAG_S * rate, BLEED_LAG_S * rate)
        share, coherence = max(estimate.upright.share, estimate.inverted.share), _coherence(spectrum)
        clear = share >= max(BLEED_SHARE, BLEED_OVER_ELSEWHERE * estimate.elsewhere)
        if clear and coherence >= max(BLEED_COHERENCE, proved.get(suspect.name, (0.0, suspect))[0]):
            proved[suspect.name] = coherence, suspect
    return [suspect for _, suspect in proved.values()]


def _worth_it(
    song: Song,
    sample_rate: int,
    requests: list[SpectraRequest],
    n_looks: int,
    coherence: float,
    segment_s: float,
    processes: int,
) -> list[SpectraRequest]:
    """The requests that a look at so many of their segments does not settle already, in the same order."""
    looks = [
        replace(request, segments=_first_look(request.segments, n_looks))
        for request in requests
        if len(request.segments) >= 2 * n_looks
    ]
    spectra = gather_spectra(song, sample_rate, looks, segment_s=segment_s, processes=processes)
    settled = {
        (look.first, look.second)
        for look, spectrum in zip(looks, spectra, strict=True)
        if spectrum.n_segments >= n_looks // 2 and _coherence(spectrum) < coherence
    }
    return [request for request in requests if (request.first, request.second) not in settled]


def _first_look(segments: frozenset[int], n_looks: int) -> frozenset[int]:
    """So many of the segments, spread over all; of other segments with few of these missing, mostly the same.

    Those whose multiples of the golden section have the lowest fractions: a threshold for them leaves gaps of
    three lengths at most, wherever it lies.
    """
    return frozenset(sorted(segments, key=lambda number: number * GOLDEN % 1.0)[:n_looks])


def _alike(survey: Survey, names: list[str]) -> list[tuple[str, str]]:
    """Pairs of stems whose levels rise and fall alike, up to 0.2 s apart."""
    if len(names) < 2:
        return []
    levels_SH = np.stack([_levels(survey, name) for name in names])
    levels_SH -= levels_SH.mean(axis=1, keepdims=True)
    size_S = np.maximum(np.linalg.norm(levels_SH, axis=1), 1e-9)
    n_hops = levels_SH.shape[1]
    best_SS = np.zeros((len(names), len(names)))
    for lag in range(min(ENVELOPE_LAGS, n_hops - 1) + 1):
        products_SS = levels_SH[:, : n_hops - lag] @ levels_SH[:, lag:].T / np.outer(size_S, size_S)
        best_SS = np.maximum(best_SS, np.maximum(products_SS, products_SS.T))
    return [
        (first, second)
        for row, first in enumerate(names)
        for column, second in enumerate(names)
        if row < column and best_SS[row, column] >= ALIKE_ENVELOPES
    ]


def _levels(survey: Survey, name: str) -> NDArray[np.float64]:
    """A stem's level per hop in dB over its floor, [H] of the whole song."""
    stem = survey.stems[name]
    n_hops = max(len(each.hop_energies) for each in survey.stems.values())
    energies_H = np.zeros(n_hops)
    energies_H[: len(stem.hop_energies)] = stem.hop_energies
    floor = lufs_to_energy(stem.loudness_lufs + ENVELOPE_FLOOR_LU)
    levels_H: NDArray[np.float64] = 10 * np.log10(np.maximum(energies_H, floor) / floor)
    return levels_H


def _loud_in_both(survey: Survey, first: str, second: str) -> frozenset[int]:
    loud = [_above(survey, name, -10.0, COPY_S) for name in (first, second)]
    numbers = np.flatnonzero(loud[0] & loud[1])
    return _some(numbers)


def _filled_pauses(survey: Survey, suspect: Bleed) -> frozenset[int]:
    """The segments in which the source is loud and the stem itself is not."""
    own = _above(survey, suspect.name, QUIET_LU, wide=True)
    return _some(np.flatnonzero(_above(survey, suspect.source, -10.0) & ~own))


def _above(
    survey: Survey, name: str, level_lu: float, segment_s: float = SEGMENT_S, *, wide: bool = False
) -> NDArray[np.bool_]:
    """Which segments hold a hop above a level re the stem's loudness; `wide`, also just before and after."""
    stem = survey.stems[name]
    threshold = lufs_to_energy(stem.loudness_lufs + level_lu)
    loud = loud_segments(stem.hop_energies, threshold, survey.sample_rate, survey.n_samples, segment_s)
    if wide:
        here = loud.copy()
        loud[:-1] |= here[1:]
        loud[1:] |= here[:-1]
    return loud


def _some(numbers: NDArray[np.int64]) -> frozenset[int]:
    if len(numbers) > MOST_SEGMENTS:
        numbers = numbers[np.arange(MOST_SEGMENTS) * len(numbers) // MOST_SEGMENTS]
    return frozenset(numbers.tolist())


def _suspects(levels: Mapping[str, NDArray[np.float64]], stem: Stem, stems: list[Stem]) -> list[Bleed]:
    """The stems of other families that a stem's pauses follow best by their levels, to be proved."""
    if family_of(stem.role) in SHARED_BY_NATURE:
        return []
    own_H = levels[stem.name]
    quiet_H = (own_H > 0) & (own_H < QUIET_LU - ENVELOPE_FLOOR_LU)
    own_H = own_H[quiet_H]
    if len(own_H) < FEWEST_HOPS or own_H.std() == 0:
        return []
    energies_H, own_H = 10 ** (own_H / 10), own_H - own_H.mean()
    found = []
    for other in stems:
        if family_of(other.role) in (family_of(stem.role), *SHARED_BY_NATURE):
            continue
        other_H = levels[other.name][quiet_H]
        loud_H = other_H > -10.0 - ENVELOPE_FLOOR_LU
        if np.count_nonzero(loud_H) < FEWEST_HOPS // 2 or other_H.min() == other_H.max():
            continue
        other_H = other_H - other_H.mean()
        follows = float(own_H @ other_H) / np.sqrt(float(own_H @ own_H) * float(other_H @ other_H))
        below_lu = -ENVELOPE_FLOOR_LU - 10 * float(np.log10(energies_H[loud_H].mean()))
        if follows >= FOLLOWS and below_lu <= -BLEED_LU:
            found.append((follows, Bleed(stem.name, other.name, below_lu)))
    found.sort(key=lambda each: (-each[0], each[1].source))
    return [suspect for _, suspect in found[:MOST_SUSPECTS]]


def _coherence(spectrum: CrossSpectrum) -> float:
    return float(np.abs(common_phase(spectrum)).mean())
