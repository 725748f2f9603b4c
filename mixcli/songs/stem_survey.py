"""What is measured of a single stem while it streams by.

Legend: T samples, C channels, S segments of a block, F frequency bins.
"""

import math
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.loudness import energy_to_lufs, integrated_lufs, k_weighting_sos, lufs_to_energy
from mixcli.audio.recursion import FilterMatrices
from mixcli.errors import SongError
from mixcli.songs.song import Stem
from mixcli.songs.sound_digest import SoundDigest, about_samples
from mixcli.songs.stem_meters import BandMeter, HopMeter, PeakMeter
from mixcli.songs.stem_reader import StemReader, samples_at
from mixcli.songs.stem_sound import StemSound

SURVEY_BLOCK = 65_536  # samples at the rate of the mix
SILENT_DBFS = -70.0  # a stem whose peak lies below is silent
ACTIVE_BELOW_LU = (
    20.0  # hops further below the stem's loudness are pauses (as the range gate of EBU Tech 3342)
)
FAULTY_DC = 0.005  # of full scale: more is a fault of the recording chain
CLIPPED_RUN = 3  # successive samples at full scale: fewer may be a true peak
# Bits of the integer formats whose full scale can be told from the samples; float32 resolves no more than 24.
INTEGER_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 24}

SUMMED = 256  # samples added up side by side
LOOK = 256  # every so many samples mostly say that there is sound

Block = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class StemSurvey:
    """What one stem is like.

    Loudness and `hop_energies` (K-weighted mean square per 100 ms, summed over the channels, float32) are
    those of the stem as it sounds in stereo at unity gain: a mono stem counts as two equal channels.
    `peak_dbfs`, `dc` (of full scale, the worse channel), `clipped_runs` and `digest` are of the file's own
    samples; the digest is SHA-256 of them and the rate where another stem may be the same, and else a quicker
    one that no other stem has (`sound_digest`). `mid_energy` and `side_energy` are sums of squares of
    (L+R)/2 and (L-R)/2 in the five bands of `BAND_EDGES_HZ`; `third_octaves` is the sum of both in each of
    the 30 bands around `third_octaves.CENTRES_HZ`, 0 above the Nyquist frequency. `hop_peaks` holds the
    highest |sample| over the channels per hop of `hop_energies`, float32. `sound` is what its role can be
    told from, nothing where its name says it. `active_fraction` is the share of its hops within 20 LU of its
    loudness.
    """

    peak_dbfs: float
    loudness_lufs: float
    hop_energies: NDArray[np.float32]
    active_fraction: float
    mid_energy: tuple[float, ...]
    side_energy: tuple[float, ...]
    third_octaves: tuple[float, ...]
    hop_peaks: NDArray[np.float32]
    sound: StemSound
    dual_mono: bool
    silent: bool
    clipped_runs: int
    dc: float
    digest: str


def survey_stems(
    stems: Sequence[Stem], sample_rate: int, repair: bool
) -> Generator[tuple[SongError | dict[str, StemSurvey] | None, tuple[Block, ...]]]:
    """Measure stems side by side: block by block their samples, [C, T] at `sample_rate`; then what was found.

    In every block of SURVEY_BLOCK samples each stem that has not ended comes once, in the order given, as
    (None, samples), where silence may be left out. One that is damaged comes as (error, ()) and not again.
    The last that comes is ({name: survey} of all others, ()).
    """
    k_filter = FilterMatrices(k_weighting_sos(sample_rate))
    meters = {stem.name: StemMeter(stem, sample_rate, k_filter) for stem in stems}
    n_samples = max((samples_at(stem, sample_rate) for stem in stems), default=0)
    with ExitStack() as open_files:
        readers: dict[str, StemReader] = {}
        for start in range(0, n_samples, SURVEY_BLOCK):
            for stem in stems:
                n_block = min(SURVEY_BLOCK, samples_at(stem, sample_rate) - start)
                if n_block <= 0 or stem.name not in meters:
                    continue
                try:
                    if start == 0:
                        native = meters[stem.name].push_native
                        reader = StemReader(stem, sample_rate, repair=repair, on_native=native)
                        readers[stem.name] = open_files.enter_context(reader)
                    block_TC = readers[stem.name].read(n_block)
                except SongError as error:
                    del meters[stem.name]
                    if stem.name in readers:
                        readers[stem.name].close()
                    yield error, ()
                    continue
                samples_CT = np.ascontiguousarray(block_TC.T)
                yield None, (samples_CT,) if meters[stem.name].push(samples_CT.T) else ()
    yield {name: meter.finish() for name, meter in meters.items()}, ()


class StemMeter:
    """Measures one stem: `push_native` takes blocks of its file, `push` the sound at the rate of the mix."""

    def __init__(self, stem: Stem, sample_rate: int, k_filter: FilterMatrices | None = None) -> None:
        """`k_filter` as `HopMeter` takes it."""
        self._n_channels = stem.n_channels
        self._loudness = HopMeter(sample_rate, stem.n_channels, k_filter)
        self._bands = BandMeter(sample_rate, stem.n_channels, with_sound=stem.role_from == "none")
        self._peaks = PeakMeter(sample_rate, stem.n_channels)
        self._digest = SoundDigest(about_samples(stem))
        self._peak = 0.0
        self._sums_C = np.zeros(stem.n_channels)
        self._n_native = 0
        self._identical = stem.n_channels == 2
        bits = {INTEGER_BITS.get(file.subtype) for file in stem.files}
        known_bits = bits.pop() if len(bits) == 1 else None
        self._full_scale = 1.0 - 2.0 ** (1 - known_bits) if known_bits else math.inf
        self._run_C = np.zeros(stem.n_channels, int)
        self._clipped_runs = 0

    def push_native(self, block_TC: Block) -> None:
        """Take the next samples of the file, [T, C]."""
        self._digest.update(block_TC)
        self._n_native += len(block_TC)
        peak = _peak(block_TC)
        if peak == 0.0:
            self._run_C[:] = 0
            return
        self._peak = max(self._peak, peak)
        self._sums_C += _sums(block_TC)
        if self._identical and not np.array_equal(block_TC[:, 0], block_TC[:, 1]):
            self._identical = False
        if peak >= self._full_scale:
            self._count_clipped(block_TC)
        else:
            self._run_C[:] = 0

    def push(self, block_TC: Block) -> bool:
        """Take the next samples at the rate of the mix, [T, C]; says whether there is any sound in them.

        It is done soonest where the samples of a channel lie one after the other.
        """
        silent = not (block_TC[::LOOK].any() or block_TC.any())
        self._loudness.push(block_TC, silent=silent)
        self._bands.push(block_TC, silent=silent)
        self._peaks.push(block_TC, silent=silent)
        return not silent

    def finish(self) -> StemSurvey:
        """All measures of the stem."""
        hops = self._loudness.finish()
        if self._n_channels == 1:
            hops = 2 * hops
        loudness = integrated_lufs(hops)
        peak_dbfs = 20 * math.log10(self._peak) if self._peak > 0 else -math.inf
        mid_energy, side_energy = self._bands.finish()
        return StemSurvey(
            peak_dbfs=peak_dbfs,
            loudness_lufs=loudness,
            hop_energies=hops.astype(np.float32),
            active_fraction=_active_fraction(hops, loudness),
            mid_energy=mid_energy,
            side_energy=side_energy,
            third_octaves=self._bands.third_octaves(),
            hop_peaks=self._peaks.finish(),
            sound=self._bands.sound(),
            dual_mono=self._identical and self._peak > 0,
            silent=peak_dbfs < SILENT_DBFS,
            clipped_runs=self._clipped_runs,
            dc=float(np.abs(self._sums_C).max() / max(self._n_native, 1)),
            digest=self._digest.hexdigest(),
        )

    def _count_clipped(self, block_TC: Block) -> None:
        """Count runs of full-scale samples of one sign, also across the borders of blocks."""
        for channel in range(self._n_channels):
            signal_T = block_TC[:, channel]
            state_T = np.where(
                signal_T >= self._full_scale, 1, np.where(signal_T <= -self._full_scale, -1, 0)
            )
            borders = np.flatnonzero(np.diff(state_T)) + 1
            starts = np.concatenate([[0], borders])
            lengths = np.diff(np.concatenate([starts, [len(state_T)]]))
            carried = int(self._run_C[channel])
            for index, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True)):
                sign = int(state_T[start])
                if sign == 0:
                    continue
                before = abs(carried) if index == 0 and carried * sign > 0 else 0
                self._clipped_runs += before < CLIPPED_RUN <= before + length
            last = int(state_T[-1])
            joined = abs(carried) if len(starts) == 1 and carried * last > 0 else 0
            self._run_C[channel] = last * (int(lengths[-1]) + joined)


def _peak(block_TC: Block) -> float:
    return max(float(block_TC.max(initial=0.0)), -float(block_TC.min(initial=0.0)))


def _sums(block_TC: Block) -> NDArray[np.float64]:
    """The sum of each channel, [C]."""
    n_rows = len(block_TC) // SUMMED
    whole_TC = np.ascontiguousarray(block_TC[: n_rows * SUMMED])
    columns = whole_TC.reshape(n_rows, SUMMED * block_TC.shape[1]).sum(axis=0)
    sums_C = columns.reshape(SUMMED, -1).sum(axis=0, dtype=np.float64)
    sums_C += block_TC[n_rows * SUMMED :].sum(axis=0, dtype=np.float64)
    return np.asarray(sums_C)


def _active_fraction(hops: NDArray[np.float64], loudness_lufs: float) -> float:
    if not len(hops) or not math.isfinite(loudness_lufs):
        return float(energy_to_lufs(float(hops.max(initial=0.0))) > SILENT_DBFS)
    return float(np.mean(hops > lufs_to_energy(loudness_lufs - ACTIVE_BELOW_LU)))
