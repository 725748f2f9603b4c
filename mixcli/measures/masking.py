"""How much of each stem lies under the others in the mix.

Legend: `S` stems, `T` samples, `C` channels, `M` frames, `N` frequency bins, `B` critical bands.

The stems are taken as they are, at the level each has in the mix: what the mix did to their spectra and their
place is not seen, nor is the threshold in quiet, because nobody knows how loud the mix is played.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import nan

import numpy as np
from numpy.typing import NDArray

from mixcli.measures.frames import bin_frequencies, count_frames, spectrum_blocks, sum_bands
from mixcli.measures.measure import Measure

# Zwicker, "Subdivision of the audible frequency range into critical bands", JASA 33 (1961); the lowest band
# from 20 Hz, so that DC does not count.
BARK_EDGES_HZ = (
    *(20, 100, 200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720),
    *(2000, 2320, 2700, 3150, 3700, 4400, 5300, 6400, 7700, 9500, 12000, 15500),
)
BANDS = tuple((float(low), float(high)) for low, high in pairwise(BARK_EDGES_HZ))
FRAME_S = 0.05
# Noise hides a tone that is this far below it in its critical band (Hellman 1972, as used by Johnston,
# "Transform coding of audio signals using perceptual noise criteria", IEEE JSAC 6, 1988). A sum of stems is
# more like noise than like a tone, whose threshold lies 14.5 dB and another 1 dB per Bark below it.
MASKING_OFFSET_DB = 5.5
LOUDNESS_EXPONENT = 0.23  # specific loudness grows with this power of the energy (Zwicker & Fastl, ch. 8)
RANGE_DB = 60.0  # below a stem's loudest cell: window leakage and noise
FRAMES_PER_PASS = 4096

MEASURES = (
    Measure(
        key="masked_share",
        unit="%",
        family="alone",
        better="lower",
        text="share of each stem, in critical bands of 50 ms weighted by loudness, that lies under the"
        " masking threshold of the other stems; mean over stems",
        source="spreading: Schroeder, Atal, Hall 1979; offset: Johnston 1988; weight: Zwicker & Fastl",
    ),
    Measure(
        key="lead_masked_share",
        unit="%",
        family="alone",
        better="lower",
        text="the same share, mean over the lead's stems alone",
        source="spreading: Schroeder, Atal, Hall 1979; offset: Johnston 1988; weight: Zwicker & Fastl",
    ),
)


@dataclass(frozen=True)
class MaskingDescription:
    """Energy of each stem in 24 critical bands per frame, [S, M, B]; about 15 MB per stem and hour."""

    energy_SMB: NDArray[np.float32]


def describe_masking(stems: Sequence[NDArray[np.float32]], sample_rate: int) -> MaskingDescription:
    """Band energies of stems [T, C], summed over channels, in Hann frames of about 50 ms that half overlap.

    Stems may differ in length and in channels; a shorter one is silent at its end. Bands above half the
    sample rate stay empty.
    """
    n_fft = 2 ** round(np.log2(FRAME_S * sample_rate))
    hop = n_fft // 2
    frequencies_N = bin_frequencies(sample_rate, n_fft)
    n_frames = count_frames(max((len(stem) for stem in stems), default=0), n_fft, hop)
    energy_SMB = np.zeros((len(stems), n_frames, len(BANDS)), np.float32)
    for energy_MB, stem_TC in zip(energy_SMB, stems, strict=True):
        for channel in range(stem_TC.shape[1]):
            start = 0
            for spectrum_MN in spectrum_blocks(stem_TC[:, channel], n_fft, hop):
                power_MN = np.square(spectrum_MN.real) + np.square(spectrum_MN.imag)
                energy_MB[start : start + len(power_MN)] += sum_bands(power_MN, frequencies_N, BANDS)
                start += len(power_MN)
    return MaskingDescription(energy_SMB)


def masking(
    description: MaskingDescription, levels_db: Sequence[float], lead: Sequence[bool]
) -> dict[str, float]:
    """The shares in % for stems played at these gains, [S] in dB each; nan is a stem that is not in the mix.

    `lead` says which stems carry the lead. nan where no stem, or no lead, is in the mix.
    """
    shares_S = masked_shares(description, levels_db)
    there_S = np.isfinite(shares_S)
    lead_S = there_S & np.asarray(lead, bool)
    return {
        "masked_share": float(shares_S[there_S].mean()) if there_S.any() else nan,
        "lead_masked_share": float(shares_S[lead_S].mean()) if lead_S.any() else nan,
    }


def masked_shares(description: MaskingDescription, levels_db: Sequence[float]) -> NDArray[np.float64]:
    """Share in % of each stem that the others hide, [S]; nan for stems that are silent or not in the mix.

    A cell (frame and band) is hidden where its energy is below the spread energy of all other stems less
    `MASKING_OFFSET_DB`. Cells weigh by their loudness, those `RANGE_DB` under the stem's loudest nothing.
    """
    energy_SMB = description.energy_SMB
    gain_S = 10 ** (np.asarray(levels_db, np.float64) / 10)
    gain_S[~np.isfinite(gain_S)] = 0.0
    loudest_S = energy_SMB.max(axis=(1, 2), initial=0.0).astype(np.float64)
    there_S = (gain_S > 0) & (loudest_S > 0)
    hidden_S, total_S = np.zeros(len(gain_S)), np.zeros(len(gain_S))
    spread_BB = spreading()
    for start in range(0, energy_SMB.shape[1], FRAMES_PER_PASS):
        part_SMB = energy_SMB[:, start : start + FRAMES_PER_PASS]
        sum_MB = np.einsum("s,smb->mb", gain_S, part_SMB)
        for stem in np.flatnonzero(there_S):
            own_MB = part_SMB[stem].astype(np.float64)
            weight_MB = (own_MB / loudest_S[stem]) ** LOUDNESS_EXPONENT
            weight_MB[own_MB < loudest_S[stem] * 10 ** (-RANGE_DB / 10)] = 0.0
            own_MB *= gain_S[stem]
            threshold_MB = np.maximum(sum_MB - own_MB, 0.0) @ spread_BB
            hidden_S[stem] += weight_MB[own_MB < threshold_MB].sum()
            total_S[stem] += weight_MB.sum()
    shares_S: NDArray[np.float64] = np.full(len(gain_S), nan)
    shares_S[there_S] = 100 * hidden_S[there_S] / total_S[there_S]
    return shares_S


def spreading() -> NDArray[np.float64]:
    """Threshold in each band (column) for energy 1 in each band (row), [B, B].

    The spreading function of Schroeder, Atal and Hall ("Optimizing digital speech coders by exploiting
    masking properties of the human ear", JASA 66, 1979), normalised as in Johnston (1988) so that a sound
    with the same energy in every band keeps it, less the masking offset.
    """
    band_B = np.arange(len(BANDS), dtype=np.float64)
    distance_BB = band_B[None, :] - band_B[:, None] + 0.474
    spread_BB = 10 ** ((15.81 + 7.5 * distance_BB - 17.5 * np.sqrt(1 + distance_BB**2)) / 10)
    threshold_BB: NDArray[np.float64] = spread_BB / spread_BB.sum(axis=0) * 10 ** (-MASKING_OFFSET_DB / 10)
    return threshold_BB
