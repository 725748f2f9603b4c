"""The impulse response of a reverb of our own making: decaying noise, and a few reflections for a room.

Legend: T samples, C channels.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.filters import butterworth_high_pass, butterworth_low_pass, filtered_whole

DESIGN_RATE = (
    48_000  # Hz; the response is made once at this rate and resampled, so that it sounds the same at any
)
UNIT_RATE = 44_100  # Hz; unit energy is counted over the band of this rate
LENGTH_PER_DECAY = 1.1  # the response ends at -66 dB
FADE_SHARE = 0.05  # of the length, at its end
LN_60_DB = 3.0 * np.log(10.0)  # a decay by 60 dB is exp(-LN_60_DB) in amplitude
N_REFLECTIONS = 12  # per channel of a room
REFLECTIONS_S = (0.003, 0.060)  # first and last of them after the pre-delay
REFLECTIONS_SHARE = 0.35  # of the energy of a room
ROOM_BUILD_UP_S = 0.030  # until the diffuse sound of a room is at its full level
HIGHEST_DESIGN_HZ = 0.45 * DESIGN_RATE

Response = NDArray[np.float64]


def reverb_impulse_response(
    sample_rate: int,
    *,
    kind: Literal["plate", "room"],
    decay_s: float,
    pre_delay_ms: float,
    low_cut_hz: float,
    high_cut_hz: float,
    seed: int,
    low_decay: float = 1.0,
    high_decay: float = 1.0,
    low_hz: float = 300.0,
    high_hz: float = 4000.0,
) -> NDArray[np.float32]:
    """Make the impulse response, [T, 2].

    `decay_s` is the time to fall by 60 dB; below `low_hz` it is `low_decay` times as long and above `high_hz`
    `high_decay` times, changing smoothly over an octave on either side. `low_cut_hz` and `high_cut_hz` are
    the -3 dB points of 24 dB/octave filters (a high cut of 21.6 kHz or more is none). Exactly `pre_delay_ms`
    of zeros come first. A plate is dense from its first sample on; a room begins with single reflections.
    Each channel has unit energy over the band up to 22.05 kHz, so that a send's level is the level of the
    reverb against the dry sound for programme with a flat spectrum; at other rates the response of the room
    is the same, not the sum of squares. Left and right are uncorrelated. The same seed gives the same room.
    Raises ValueError where the band is empty.
    """
    if not low_cut_hz < min(high_cut_hz, HIGHEST_DESIGN_HZ):
        raise ValueError(f"the band from {low_cut_hz:g} to {high_cut_hz:g} Hz is empty")
    rng = np.random.default_rng(seed)
    n_samples = round(LENGTH_PER_DECAY * decay_s * max(low_decay, 1.0, high_decay) * DESIGN_RATE)
    if low_decay == high_decay == 1:
        diffuse_TC = _decaying_noise(rng, n_samples, decay_s)
    else:
        noise_TC = rng.standard_normal((n_samples, 2))
        factors = _decay_factors(low_decay, high_decay, low_hz, high_hz)
        diffuse_TC = _decaying_by_frequency(noise_TC, {hz: decay_s * factors[hz] for hz in factors})
    if kind == "room":
        time_T = np.arange(n_samples) / DESIGN_RATE
        diffuse_TC = diffuse_TC * np.minimum(time_T / ROOM_BUILD_UP_S, 1.0)[:, None]
    response_TC = _normalised(_band_limited(diffuse_TC, low_cut_hz, high_cut_hz))
    if kind == "room":
        early_TC = _normalised(_band_limited(_reflections(rng, n_samples, decay_s), low_cut_hz, high_cut_hz))
        response_TC = np.sqrt(1 - REFLECTIONS_SHARE) * response_TC + np.sqrt(REFLECTIONS_SHARE) * early_TC
    response_TC = _faded(_normalised(_uncorrelated(response_TC)))
    response_TC = _at_rate(response_TC, sample_rate)
    pre_delay_TC = np.zeros((round(pre_delay_ms / 1000 * sample_rate), 2))
    return np.concatenate([pre_delay_TC, response_TC]).astype(np.float32)


def _decaying_noise(rng: np.random.Generator, n_samples: int, decay_s: float) -> Response:
    envelope_T = np.exp(-LN_60_DB * np.arange(n_samples) / (decay_s * DESIGN_RATE))
    noise_TC: Response = rng.standard_normal((n_samples, 2)) * envelope_T[:, None]
    return noise_TC


def _decay_factors(low_decay: float, high_decay: float, low_hz: float, high_hz: float) -> dict[float, float]:
    """Factors on the decay time at frequencies a third of an octave apart where they change, {Hz: factor}."""
    steps = 2.0 ** (np.arange(-3, 4) / 3)
    knots_hz = np.unique(np.concatenate([low_hz * steps, high_hz * steps]))
    low, high = _share_above(knots_hz / low_hz), _share_above(knots_hz / high_hz)
    factors = low_decay ** (1 - low) * high_decay**high
    return dict(zip(knots_hz.tolist(), factors.tolist(), strict=True))


def _share_above(ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 an octave and more below a frequency, 1 an octave and more above it, half a cosine between."""
    octaves = np.clip(np.log2(ratio), -1.0, 1.0)
    return np.asarray(0.5 + 0.5 * np.sin(np.pi / 2 * octaves))


def _decaying_by_frequency(noise_TC: Response, decays_s: dict[float, float]) -> Response:
    """White noise of which every frequency decays in its own time, {Hz: s}, the ends held.

    The noise is cut into bands that overlap and add up to it (straight over the logarithm of the frequency
    from one band's top to the next one's). It is steady, so that it may be filtered in a circle; each band
    has its decay after that.
    """
    from scipy.fft import irfft, rfft

    n_samples = len(noise_TC)
    spectrum_FC = rfft(noise_TC, axis=0)
    frequencies_hz = np.fft.rfftfreq(n_samples, 1 / DESIGN_RATE)
    log_hz = np.log(np.maximum(frequencies_hz, 1.0))
    knots_hz = np.array(sorted(decays_s))
    decaying_TC = np.zeros_like(noise_TC)
    for number, hz in enumerate(knots_hz):
        share_F = np.interp(log_hz, np.log(knots_hz), np.arange(len(knots_hz)) == number)
        band_TC = irfft(spectrum_FC * share_F[:, None], n_samples, axis=0)
        envelope_T = np.exp(-LN_60_DB * np.arange(n_samples) / (decays_s[float(hz)] * DESIGN_RATE))
        decaying_TC += band_TC * envelope_T[:, None]
    return decaying_TC


def _reflections(rng: np.random.Generator, n_samples: int, decay_s: float) -> Response:
    """A few echoes per channel, ever denser and weaker, each at a time of its own."""
    early_TC = np.zeros((n_samples, 2))
    first_s, last_s = REFLECTIONS_S
    for channel in range(2):
        # evenly spread in log time, each moved by up to a third of the way to the next
        steps = (np.arange(N_REFLECTIONS) + rng.uniform(-1 / 3, 1 / 3, N_REFLECTIONS)) / (N_REFLECTIONS - 1)
        times_s = first_s * (last_s / first_s) ** np.clip(steps, 0.0, 1.0)
        levels = rng.choice([-1.0, 1.0], N_REFLECTIONS) * np.sqrt(first_s / times_s)
        positions = np.minimum(np.round(times_s * DESIGN_RATE).astype(int), n_samples - 1)
        np.add.at(early_TC[:, channel], positions, levels * np.exp(-LN_60_DB * times_s / decay_s))
    return early_TC


def _band_limited(response_TC: Response, low_cut_hz: float, high_cut_hz: float) -> Response:
    sections = [butterworth_high_pass(low_cut_hz, DESIGN_RATE, 4)]
    if high_cut_hz < HIGHEST_DESIGN_HZ:
        sections.append(butterworth_low_pass(high_cut_hz, DESIGN_RATE, 4))
    return filtered_whole(np.concatenate(sections), response_TC)


def _uncorrelated(response_TC: Response) -> Response:
    """Take out of the right channel what is left of the left one in it."""
    left_T, right_T = response_TC.T
    return np.stack([left_T, right_T - left_T * (left_T @ right_T) / (left_T @ left_T)], axis=1)


def _normalised(response_TC: Response) -> Response:
    energy = UNIT_RATE / DESIGN_RATE  # the sum of squares at the design rate that is 1 at the unit rate
    normalised_TC: Response = response_TC * np.sqrt(energy / np.square(response_TC).sum(axis=0))
    return normalised_TC


def _faded(response_TC: Response) -> Response:
    n_fade = max(1, round(FADE_SHARE * len(response_TC)))
    fade_T = np.ones(len(response_TC))
    fade_T[-n_fade:] = 0.5 + 0.5 * np.cos(np.pi * np.arange(1, n_fade + 1) / n_fade)
    return response_TC * fade_T[:, None]


def _at_rate(response_TC: Response, sample_rate: int) -> Response:
    """The same response in time and level at another rate: taps are samples times their spacing."""
    if sample_rate == DESIGN_RATE:
        return response_TC
    from soxr import resample

    resampled_TC: Response = resample(response_TC, DESIGN_RATE, sample_rate, quality="VHQ")
    return resampled_TC * (DESIGN_RATE / sample_rate)
