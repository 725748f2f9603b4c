"""What a stem sounds like, whatever its level: the running statistics from which its role can be told.

Every statistic is a mean over short frames, weighted by their amplitude. So a gain changes nothing, nor does
silence before, between or after the sound; polarity and a swap of left and right change no energy at all.

Legend: S frames of a pass, F frequency bins, B bands, C channels, T samples, L samples at the low rate,
E envelopes, H steps of an envelope, D distances in steps.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.songs.sound_sums import BinRanges, WeightedMean

# A third of an octave each from 112 Hz to 11.3 kHz; below, what frames of 85 ms resolve.
BAND_EDGES_HZ = (22.0, 56.0, *(1000.0 * 2 ** ((k - 0.5) / 3) for k in range(-9, 12)))
TONE_BANDS = (slice(2, 8), slice(8, 14), slice(14, 19), slice(19, 22))  # where peaks are told from noise
TONE_EDGES_HZ = tuple(BAND_EDGES_HZ[edge] for edge in (2, 8, 14, 19, 22))
GLIDE_EDGES_HZ = (100.0, 800.0, 3_200.0)  # where the strongest partial is followed
HELD_CENTS, LEAP_CENTS = 12.0, 90.0  # from frame to frame: less is a held pitch, more is another note
FLOOR_DB = 50.0  # bands further below the frame's whole level do not count as quieter still
STEPS_PER_FRAME = 8  # of the envelopes: 11 ms
DISTANCES = (1, 2, 4, 8, 16, 32)  # steps: 11 ms to 0.35 s
MOST_DB = 30.0  # a rise or fall beyond it counts as this much: from silence it is infinite
N_ENVELOPES = 3
TONE_FLOOR = 1e-9  # of the frame's energy: 90 dB down, no bin says anything
COUPLED_BANDS = (0, 2, 8, 14, 19)  # where the ranges begin whose levels are compared
FIRST, SECOND = np.triu_indices(1 + len(COUPLED_BANDS), 1)
TINY = 1e-25  # power: far below anything that a file holds
PASSES_AT_ONCE = 8  # a round: 5 s
ROUNDS_IN_FULL = (
    4  # after these, one of so many is listened to: it says the same of a long stem, in less time
)
ROUNDS_BETWEEN = 8

Samples = NDArray[np.float32]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class StemSound:
    """What a stem sounds like, independent of its level and of silence around it. All empty: no sound.

    `band_db` and `band_spread_db` are mean and standard deviation of the level of each of the 22 bands of
    `BAND_EDGES_HZ` under the frame's whole level, `band_flux_db` its mean change from frame to frame.
    `noise_db` and `noise_spread_db` are those of the spectral flatness in four ranges, `held` and `gliding`
    the shares of frames in which the strongest partial of two ranges stays or slides. `rise_db` and
    `fall_db` are the mean rises and falls of three envelopes (all of it; differentiated; under 0.35 kHz)
    over six distances from 11 ms to 0.35 s, envelope by envelope. `crest_db` is the mean crest of 11 ms and
    its standard deviation. `level_spread_db` is the standard deviation of the frame's level, `coupling` holds
    the correlations between that level and those of five ranges (15 pairs). `seconds` says from how much
    sound all this comes.
    """

    seconds: float = 0.0
    band_db: tuple[float, ...] = ()
    band_spread_db: tuple[float, ...] = ()
    band_flux_db: tuple[float, ...] = ()
    noise_db: tuple[float, ...] = ()
    noise_spread_db: tuple[float, ...] = ()
    held: tuple[float, ...] = ()
    gliding: tuple[float, ...] = ()
    rise_db: tuple[float, ...] = ()
    fall_db: tuple[float, ...] = ()
    crest_db: tuple[float, ...] = ()
    level_spread_db: float = 0.0
    coupling: tuple[float, ...] = ()


class SoundMeter:
    """Gathers a `StemSound` from the passes that the band meter makes over a stem."""

    def __init__(self, sample_rate: int, frame_length: int, frame_step: int) -> None:
        self._seconds_per_frame = frame_step / sample_rate
        self._step = frame_length // STEPS_PER_FRAME
        spacing = sample_rate / frame_length
        self._n_bins = min(frame_length // 2 + 1, round(BAND_EDGES_HZ[-1] / spacing))
        self._bands = BinRanges(BAND_EDGES_HZ, spacing, self._n_bins)
        self._tones = BinRanges(TONE_EDGES_HZ, spacing, self._n_bins)
        self._glides = BinRanges(GLIDE_EDGES_HZ, spacing, self._n_bins)
        self._frames = WeightedMean()  # of values that belong to one frame
        self._changes = WeightedMean()  # of values between two frames
        self._crests = WeightedMean()
        self._couplings = WeightedMean()  # of levels, and of the products of any two of them
        self._louder_ED = np.zeros((N_ENVELOPES, len(DISTANCES)))
        self._rises_ED, self._falls_ED = np.zeros_like(self._louder_ED), np.zeros_like(self._louder_ED)
        self._spectra: list[tuple[Numbers, ...]] = []  # of the passes that wait, and so for the others
        self._envelopes: list[Numbers] = []
        self._peaks: list[tuple[Samples, Samples]] = []
        self._n_passes = 0
        self._last_bands_SB: Numbers = np.zeros((1, self._bands.n))
        self._last_bins_SB: Numbers = np.ones((1, self._glides.n))
        self._last_energy_S: Numbers = np.zeros(1)
        self._last_C: Samples | None = None
        self._past_EH: Numbers = np.zeros((N_ENVELOPES, DISTANCES[-1]))

    def add(self, power_SF: Samples, signal_CT: Samples, low_CL: Samples) -> None:
        """Take one pass: the power of its frames, summed over the channels, [S, F], and its samples.

        `signal_CT` are mid and side, `low_CL` the same at the low rate.
        """
        round_, place = divmod(self._n_passes, PASSES_AT_ONCE)
        self._n_passes += 1
        if round_ >= ROUNDS_IN_FULL and round_ % ROUNDS_BETWEEN:
            self._forget(0)  # what comes next follows on something unknown
            return
        self._add_frames(power_SF[:, : self._n_bins])
        self._add_samples(signal_CT, low_CL)
        if place == PASSES_AT_ONCE - 1:
            self._settle()

    def rest(self) -> None:
        """Silence follows, of any length: what was is over."""
        self._settle()
        if self._past_EH.any():
            self._add_moves(np.concatenate([self._past_EH, np.zeros_like(self._past_EH)], axis=1))
        self._forget(DISTANCES[-1])

    def finish(self) -> StemSound:
        """What the stem sounds like; nothing for a silent one."""
        if not self._frames.total:
            return StemSound()
        n_bands, n_glides = self._bands.n, self._glides.n
        mean, spread = self._frames.mean(), self._frames.spread()
        changes = self._changes.mean() if self._changes.total else np.zeros(n_bands + 2 * n_glides)
        louder_ED = np.where(self._louder_ED > 0, self._louder_ED, np.inf)
        return StemSound(
            seconds=self._frames.number() * self._seconds_per_frame,
            band_db=_plain(mean[:n_bands]),
            band_spread_db=_plain(spread[:n_bands]),
            band_flux_db=_plain(changes[:n_bands]),
            noise_db=_plain(mean[n_bands:]),
            noise_spread_db=_plain(spread[n_bands:]),
            held=_plain(changes[n_bands : n_bands + n_glides]),
            gliding=_plain(changes[n_bands + n_glides :]),
            rise_db=_plain((self._rises_ED / louder_ED).ravel()),
            fall_db=_plain((self._falls_ED / louder_ED).ravel()),
            level_spread_db=float(self._couplings.spread()[0]),
            coupling=_plain(self._coupling()),
            crest_db=(float(self._crests.mean()[0]), float(self._crests.spread()[0])),
        )

    def _coupling(self) -> Numbers:
        """Correlations of the levels, pair by pair; a level that hardly moves is coupled to nothing."""
        n_levels = 1 + len(COUPLED_BANDS)
        mean, spread = self._couplings.mean(), self._couplings.spread() + 0.5
        covariance = mean[n_levels:] - mean[FIRST] * mean[SECOND]
        return np.clip(covariance / (spread[FIRST] * spread[SECOND]), -1.0, 1.0)

    def _add_frames(self, power_SF: Samples) -> None:
        """Keep of every frame its bands, the logarithms of its bins, and its strongest partials."""
        bands_SB = self._bands.sums(power_SF)
        floor_S1 = TONE_FLOOR * bands_SB.sum(axis=1, keepdims=True) + TINY
        log_SF = power_SF + floor_S1.astype(np.float32)
        np.log(log_SF, out=log_SF)
        self._spectra.append((bands_SB, self._tones.sums(log_SF), *self._partials(log_SF)))

    def _partials(self, log_SF: Samples) -> tuple[Numbers, Numbers]:
        """The strongest partial's bin in each range, [S, B], and the log power below, at and above it."""
        bins = np.ones((len(log_SF), self._glides.n), int)
        for column, part in enumerate(self._glides.slices):
            if part.stop > part.start:
                bins[:, column] = part.start + np.argmax(log_SF[:, part], axis=1)
        bins = np.clip(bins, 1, self._n_bins - 2)
        rows = np.arange(len(log_SF))[:, None, None]
        return bins.astype(np.float64), log_SF[rows, bins[..., None] + np.array([-1, 0, 1])]

    def _add_samples(self, signal_CT: Samples, low_CL: Samples) -> None:
        n_steps = signal_CT.shape[1] // self._step
        energies_CH = np.array([_energies(signal_T, n_steps) for signal_T in signal_CT])
        slopes_H, low_H = np.zeros(n_steps), np.zeros(n_steps)
        last_C = signal_CT[:, 0] if self._last_C is None else self._last_C
        for signal_T, low_L, last in zip(signal_CT, low_CL, last_C, strict=True):
            slopes_H += _energies(np.diff(signal_T, prepend=last), n_steps)
            low_H += _energies(low_L, n_steps)
        self._last_C = signal_CT[:, -1].copy()
        self._envelopes.append(np.stack([energies_CH.sum(axis=0), slopes_H, low_H]))
        loudest = int(np.argmax(energies_CH.sum(axis=1)))
        parts_HT = signal_CT[loudest].reshape(n_steps, -1)
        peaks_H = np.maximum(parts_HT.max(axis=1), -parts_HT.min(axis=1))
        self._peaks.append((energies_CH[loudest], peaks_H))

    def _settle(self) -> None:
        """Add up what the passes that wait say; many at once, for each call takes its time."""
        if not self._spectra:
            return
        parts = [np.concatenate(part) for part in zip(*self._spectra, strict=True)]
        power_SB, logs_SB, bins_SB, around = parts
        energy_S = power_SB.sum(axis=1)
        scale_S1 = 1.0 / (energy_S + TINY)[:, None]
        relative_SB = power_SB * scale_S1
        bands_SB = 10 * np.log10(relative_SB + 10 ** (-FLOOR_DB / 10))
        # Geometric over arithmetic mean: 0 for a flat spectrum.
        counts_B = self._tones.counts
        means_SB = np.stack([relative_SB[:, part].sum(axis=1) for part in TONE_BANDS], axis=1) / counts_B
        logs_SB = logs_SB / counts_B + np.log(scale_S1)
        noise_SB = 10 * (logs_SB / np.log(10) - np.log10(means_SB + TONE_FLOOR))
        self._frames.add(np.sqrt(energy_S), np.concatenate([bands_SB, noise_SB], axis=1))
        together_SB = np.add.reduceat(relative_SB, COUPLED_BANDS, axis=1)
        levels_SB = 10 * np.log10(np.column_stack([energy_S + TINY, together_SB + 10 ** (-FLOOR_DB / 10)]))
        products_SB = levels_SB[:, FIRST] * levels_SB[:, SECOND]
        self._couplings.add(np.sqrt(energy_S), np.concatenate([levels_SB, products_SB], axis=1))

        # The top of a parabola through the strongest bin and its neighbours lies between bins.
        below, at, above = np.moveaxis(around.astype(np.float64), -1, 0)
        tops_SB = 0.5 * (above - below) / np.maximum(2 * at - below - above, 1e-6)
        bins_SB = bins_SB + np.clip(tops_SB, -0.5, 0.5)
        cents_SB = 1_200 * np.abs(np.log2(bins_SB / np.concatenate([self._last_bins_SB, bins_SB[:-1]])))
        held, gliding = cents_SB < HELD_CENTS, (cents_SB >= HELD_CENTS) & (cents_SB < LEAP_CENTS)
        flux_SB = np.abs(bands_SB - np.concatenate([self._last_bands_SB, bands_SB[:-1]]))
        before_S = np.concatenate([self._last_energy_S, energy_S[:-1]])
        self._changes.add(
            np.sqrt(np.minimum(energy_S, before_S)), np.concatenate([flux_SB, held, gliding], axis=1)
        )
        self._last_bands_SB, self._last_energy_S = bands_SB[-1:], energy_S[-1:]
        self._last_bins_SB = bins_SB[-1:]

        means_H, peaks_H = (
            np.concatenate(part).astype(np.float64) for part in zip(*self._peaks, strict=True)
        )
        crest_H = 10 * np.log10((np.square(peaks_H) + TINY) / (means_H + TINY))
        self._crests.add(np.sqrt(means_H), crest_H[:, None])
        self._add_moves(np.concatenate([self._past_EH, *self._envelopes], axis=1))
        self._spectra, self._peaks, self._envelopes = [], [], []

    def _forget(self, n_past: int) -> None:
        """Nothing sounded before; of the envelopes that silence are so many steps."""
        self._last_energy_S = np.zeros(1)
        self._last_C = None
        self._past_EH = np.zeros((N_ENVELOPES, n_past))

    def _add_moves(self, envelopes_EH: Numbers) -> None:
        """Rises and falls over every distance that ends after the past."""
        n_past = DISTANCES[-1]
        levels_EH = 10 * np.log10(np.maximum(envelopes_EH, TINY))
        amplitudes_EH = np.sqrt(envelopes_EH)
        now = np.arange(n_past, envelopes_EH.shape[1])
        then_DH = now - np.array(DISTANCES)[:, None]
        change_EDH = levels_EH[:, None, now] - levels_EH[:, then_DH]
        louder_EDH = np.maximum(amplitudes_EH[:, None, now], amplitudes_EH[:, then_DH])
        up_EDH = np.clip(change_EDH, 0.0, MOST_DB) * louder_EDH
        down_EDH = np.clip(change_EDH, -MOST_DB, 0.0) * louder_EDH
        self._louder_ED += louder_EDH.sum(axis=2)
        self._rises_ED += up_EDH.sum(axis=2)
        self._falls_ED -= down_EDH.sum(axis=2)
        self._past_EH = envelopes_EH[:, -n_past:]


def _energies(signal_T: Samples | Numbers, n_steps: int) -> Numbers:
    """Mean square of each of so many steps, [T] to [H]."""
    parts_HT = signal_T.reshape(n_steps, -1)
    return np.asarray(np.einsum("ht,ht->h", parts_HT, parts_HT) / parts_HT.shape[1], np.float64)


def _plain(values: Numbers) -> tuple[float, ...]:
    return tuple(values.tolist())
