"""A parametric equaliser: second-order bands whose response is right up to half the sample rate.

The bilinear transform squeezes all that lies above a band into what is left below half the rate: at 44.1 kHz
it puts a bell of 12 dB at 16 kHz 4 dB off its analogue prototype, a shelf 2 dB. No band here is made so. With
x = (f / f0)² and A = 10^(gain / 40) the prototypes have the powers |H|² (R. Bristow-Johnson, "Cookbook
formulae for audio EQ biquad filter coefficients")

    bell              ((1 - x)² + x A²/Q²) / ((1 - x)² + x / (A Q)²)
    low shelf         A² ((A - x)² + A x/Q²) / ((1 - A x)² + A x/Q²),    high shelf: 1/x for x
    low, high pass    1 or x² / ((1 - x)² + x/Q²)

The power of a digital section is a ratio of quadratics in u = sin²(ω/2), ω in radians per sample. Here each
is a pair of numbers,

    (1 - u - far u)² + spread² u (1 - u),    1 at frequency 0, far² at half the rate,

which is the power of a minimum-phase polynomial for any far and spread above 0, and keeps its digits where
the band lies far below the rate. A bell's pairs have a closed form, those of the others are fitted.

Legend: T samples, C channels, S second-order sections, N frequencies.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixcli.audio.filters import SosFilter

BandKind = Literal["bell", "low_shelf", "high_shelf", "low_pass", "high_pass"]
PASSES = ("low_pass", "high_pass")
IDLE = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)  # the section of a band of 0 dB
LOWEST_HZ = 1.0
HIGHEST_SHARE = 0.49  # of the sample rate
LOWEST_Q, HIGHEST_Q = 0.1, 20.0
MOST_GAIN_DB = 24.0
SETTLED_DB = -190.0  # below a band's own ringing at its start

FIT_STEPS = 40  # ten are enough for most bands
FIT_DONE = 1e-6  # of the error: a step that gains less is the last
WELL_BELOW_HALF, UPPERMOST_WEIGHT = 0.75, 0.25  # above that share of half the rate, hardly heard
CENTRE_WEIGHT = 10.0
DEEP_DB = 20.0  # at this attenuation the error of a pass counts half
START_SHARE = 0.8  # of half the rate: no fit starts with a corner above

Block = NDArray[np.float32]
Numbers = NDArray[np.float64]
Pair = tuple[float, float]  # far and spread


@dataclass(frozen=True)
class EqualiserBand:
    """One band: `frequency_hz` is a bell's centre, a shelf's middle (half its gain in dB) or a pass's corner.

    `q` is that of the prototype: a bell is frequency_hz / q wide between the points of half its gain in dB; a
    shelf or pass of 0.7071 has no bump. A pass has no gain.
    """

    kind: BandKind
    frequency_hz: float
    gain_db: float = 0.0
    q: float = 0.7071


class Equaliser:
    """Bands in series over a stream, in float64; bands of 0 dB are left out, and no band left costs nothing.

    The samples are the same bit for bit however the stream is cut. Once the sound has stopped and its ringing
    is far below 1e-9 of full scale, that is cut to silence.
    """

    def __init__(self, bands: Sequence[EqualiserBand], sample_rate: int, n_channels: int) -> None:
        # The slowest band first: its ringing keeps the states of those after it out of the slow denormals.
        sections = sorted(_sections(bands, sample_rate), key=_slowest_pole, reverse=True)
        self._filter = SosFilter(np.array(sections), n_channels) if sections else None

    def push(self, block_TC: Block) -> Block:
        """Filter the next samples, [T, C] float32 to the same shape; without a band, the very block."""
        if self._filter is None or len(block_TC) == 0:
            return block_TC
        return self._filter.push(block_TC)


def response_db(bands: Sequence[EqualiserBand], sample_rate: int, frequencies_hz: ArrayLike) -> Numbers:
    """Gain of all bands together at the frequencies, [N] dB; -inf where a high-pass lets nothing through.

    Raises ValueError for a band as `band_sos` does, and for a frequency above half the sample rate.
    """
    frequencies_N = np.asarray(frequencies_hz, np.float64)
    if not np.all((frequencies_N >= 0) & (frequencies_N <= sample_rate / 2)):
        raise ValueError(f"frequencies must lie between 0 and half of {sample_rate} Hz")
    delay_N = np.exp(-2j * np.pi * frequencies_N / sample_rate)
    gain_N = np.ones(frequencies_N.shape)
    for b0, b1, b2, _, a1, a2 in _sections(bands, sample_rate):
        gain_N = gain_N * np.abs((b0 + (b1 + b2 * delay_N) * delay_N) / (1 + (a1 + a2 * delay_N) * delay_N))
    with np.errstate(divide="ignore"):
        return np.asarray(20 * np.log10(gain_N))


def settling_samples(bands: Sequence[EqualiserBand], sample_rate: int) -> int:
    """Samples after which the bands' ringing has died away by 190 dB; 0 without a band."""
    settled = SETTLED_DB / 20 * math.log(10)
    slowest = (_slowest_pole(section) for section in _sections(bands, sample_rate))
    return sum(math.ceil(settled / math.log(pole)) for pole in slowest if pole > 0)


def band_sos(band: EqualiserBand, sample_rate: int) -> Numbers:
    """The section of a band, [6] as in scipy, minimum phase; a band and its inverse cancel exactly.

    The prototype's gains at frequency 0, at the band's frequency and, below half the rate, where a bell has
    half its gain are exact. Raises ValueError for a frequency outside 1 Hz to 0.49 of the rate, a q outside
    0.1 to 20, a gain beyond ±24 dB, a pass with a gain.
    """
    check_band(band, sample_rate)
    centre, boost = 2 * math.pi * band.frequency_hz / sample_rate, 10 ** (abs(band.gain_db) / 40)
    if band.kind in PASSES:
        return _fitted_pass(band.kind, centre, band.q)
    if band.gain_db == 0:
        return np.array(IDLE)
    design = _boosting_bell if band.kind == "bell" else _boosting_low_shelf
    above, below = design(centre, boost, band.q)
    # A cut is the boost upside down; a high shelf is a low shelf upside down, with another gain.
    if (band.gain_db < 0) != (band.kind == "high_shelf"):
        above, below = below, above
    section = _section(above, below)
    if band.kind == "low_shelf":
        section[:3] *= 10 ** (band.gain_db / 20)
    return section


def check_band(band: EqualiserBand, sample_rate: int) -> None:
    """Raise ValueError for a band that cannot be made at the sample rate, as said at `band_sos`."""
    if band.kind not in get_args(BandKind):
        raise ValueError(f"{band.kind!r} is no kind of band; there are {', '.join(get_args(BandKind))}")
    if not LOWEST_HZ <= band.frequency_hz <= HIGHEST_SHARE * sample_rate:
        limits = f"from {LOWEST_HZ:g} to {HIGHEST_SHARE * sample_rate:g} Hz at a rate of {sample_rate} Hz"
        raise ValueError(f"frequency_hz is {band.frequency_hz:g}, not {limits}")
    if not LOWEST_Q <= band.q <= HIGHEST_Q:
        raise ValueError(f"q is {band.q:g}, not from {LOWEST_Q:g} to {HIGHEST_Q:g}")
    if not abs(band.gain_db) <= (most_db := 0.0 if band.kind in PASSES else MOST_GAIN_DB):
        raise ValueError(
            f"gain_db of a {band.kind} is {band.gain_db:g}, not from {-most_db:g} to {most_db:g}"
        )


def _sections(bands: Sequence[EqualiserBand], sample_rate: int) -> list[Numbers]:
    sections = (band_sos(band, sample_rate) for band in bands)
    return [section for section in sections if not np.array_equal(section, IDLE)]


def _slowest_pole(section: Numbers) -> float:
    return float(np.abs(np.roots(section[3:])).max(initial=0.0))


def _section(above: Pair, below: Pair) -> Numbers:
    """The section with the minimum-phase polynomials in 1/z whose powers are the quadratics of both pairs."""
    pairs = (above, below)
    section = np.array([[1 + far + spread, 2 - 2 * far, 1 + far - spread] for far, spread in pairs]).ravel()
    return np.asarray(section / section[3])


def _boosting_bell(centre: float, boost: float, q: float) -> tuple[Pair, Pair]:
    """Pairs above and below the line, for a bell of gain boost².

    Every digital bell of second order has the power ((1 - v)² + boost⁴ m) / ((1 - v)² + m) with v = u / u of
    the centre and m = p u + q u²: two numbers are free. S. J. Orfanidis, "Digital parametric equalizer design
    with prescribed Nyquist-frequency gain", JAES 45 (1997), prescribes the gain at half the rate and the
    width; here the prototype is met where it has half its gain, or mirrored at half the rate where the upper
    point lies above: that halves the largest error of wide bells.
    """
    half_width = 1 / (2 * q)
    lower = centre * (math.hypot(1, half_width) - half_width)
    upper = centre * (math.hypot(1, half_width) + half_width)
    if upper > math.pi:
        upper = max(2 * math.pi - upper, (centre + math.pi) / 2)
    at_centre = math.sin(centre / 2) ** 2

    def wanted(omega: float) -> tuple[float, float]:  # u, and m / u for the prototype's gain there
        u, x = math.sin(omega / 2) ** 2, (omega / centre) ** 2
        return u, x / u / (boost * q) ** 2 * ((1 - u / at_centre) / (1 - x)) ** 2

    (lower_u, lower_m), (upper_u, upper_m) = wanted(lower), wanted(upper)
    slope = (upper_m - lower_m) / (upper_u - lower_u)
    start = lower_m - slope * lower_u
    rest = 1 / at_centre - 1

    def pair(share: float) -> Pair:  # of (1 - v)² + share · m
        far = math.sqrt(rest**2 + share * (start + slope))
        return far, math.sqrt(share * (start + 2 * (start + slope) / (far + rest)))

    return pair(boost**4), pair(1.0)


def _boosting_low_shelf(centre: float, boost: float, q: float) -> tuple[Pair, Pair]:
    upper, lower = centre * math.sqrt(boost), centre / math.sqrt(boost)
    omega_N = _fit_frequencies(centre, (upper, lower), q)
    x_N = (omega_N / centre) ** 2
    power_N = ((1 - x_N / boost) ** 2 + x_N / boost / q**2) / ((1 - boost * x_N) ** 2 + boost * x_N / q**2)
    start = np.array([*_bilinear(upper, q), *_bilinear(lower, q)])
    above_far, above_spread, far, spread = _fit(start, omega_N, np.log(power_N), np.ones_like(x_N))
    return (above_far, above_spread), (far, spread)


def _fitted_pass(kind: BandKind, centre: float, q: float) -> Numbers:
    omega_N = _fit_frequencies(centre, (centre,), q)
    x_N = (omega_N / centre) ** 2
    log_power_N = -np.log((1 - x_N) ** 2 + x_N / q**2)
    if kind == "high_pass":
        log_power_N += 2 * np.log(x_N)
    weight_N = 1 / (1 + np.abs(log_power_N) * (10 / math.log(10) / DEEP_DB))
    corner = _bilinear(centre, q)
    if kind == "low_pass":
        start = np.array(
            [-4.0, -1.0, *corner]
        )  # its gain at half the rate is small, where the bilinear one is 0
        above_far, above_spread, far, spread = _fit(start, omega_N, log_power_N, weight_N)
        return _section((above_far, above_spread), (far, spread))
    far_gain, far, spread = _fit(np.array([corner[0], *corner]), omega_N, log_power_N, weight_N)
    section = _section((1.0, 1.0), (far, spread))
    section[:3] = np.array([1, -2, 1]) * far_gain / (1 + far + spread)  # two zeros at frequency 0, exactly
    return section


def _bilinear(corner: float, q: float) -> Pair:
    """Logarithms of far and spread of (1 - x)² + x / q² after the bilinear transform: where a fit starts."""
    log_far = -2 * math.log(math.tan(min(corner, START_SHARE * math.pi) / 2))
    return log_far, log_far / 2 - math.log(q)


def _fit_frequencies(centre: float, corners: Sequence[float], q: float) -> Numbers:
    """Where a fit compares, [N] radians per sample, up to half the rate; the last is the centre."""
    around = np.array([-2, -1, -0.5, 0, 0.5, 1, 2]) * 0.4 / max(q, 1)
    below_N = centre * np.geomspace(min(q, 1) / 10, 1, 24, endpoint=False)
    above = [np.geomspace(centre, np.pi, 24), np.linspace(centre, np.pi, 16)]
    omega_N = np.concatenate([below_N, *above, *(corner * (1 + around) for corner in corners)])
    return np.append(omega_N[omega_N <= np.pi], centre)


def _fit(start: Numbers, omega_N: Numbers, log_power_N: Numbers, weight_N: Numbers) -> list[float]:
    """Pairs above and below the line for the least squares of the error in dB (Levenberg-Marquardt).

    `start` holds their logarithms; three, where what stands above the line is (far u)². The gain at the last
    frequency is exact in the end.
    """
    u_N = np.sin(omega_N / 2) ** 2
    weight_N = np.where(omega_N > WELL_BELOW_HALF * np.pi, UPPERMOST_WEIGHT, 1.0) * weight_N
    weight_N[-1] = CENTRE_WEIGHT

    def error(logs: Numbers) -> tuple[Numbers, Numbers]:  # [N], and its derivatives, [N, parameters]
        if len(logs) == 3:
            above_N, by_above = 2 * logs[0] + 2 * np.log(u_N), np.full((len(u_N), 1), 2.0)
        else:
            above_N, by_above = _log_quadratic(logs[0], logs[1], u_N)
        below_N, by_below = _log_quadratic(logs[-2], logs[-1], u_N)
        return above_N - below_N - log_power_N, np.concatenate([by_above, -by_below], axis=1)

    logs, damping = start, 1e-3
    error_N, by_logs = error(logs)
    cost = float(np.sum((weight_N * error_N) ** 2))
    for _ in range(FIT_STEPS):
        weighted = weight_N[:, None] * by_logs
        curvature = weighted.T @ weighted
        curvature += np.diag(damping * np.diag(curvature) + 1e-12)
        step = np.clip(np.linalg.solve(curvature, weighted.T @ (weight_N * error_N)), -0.5, 0.5)
        next_error_N, next_by_logs = error(logs - step)
        next_cost = float(np.sum((weight_N * next_error_N) ** 2))
        if next_cost >= cost:
            damping *= 4
            continue
        gained = cost - next_cost
        logs, error_N, by_logs, cost, damping = (
            logs - step,
            next_error_N,
            next_by_logs,
            next_cost,
            damping / 5,
        )
        if gained < FIT_DONE * cost:
            break
    for _ in range(5):  # Newton's steps to the exact gain in the centre, the shortest way
        error_N, by_logs = error(logs)
        logs = logs - error_N[-1] * by_logs[-1] / np.sum(by_logs[-1] ** 2)
    return [float(value) for value in np.exp(logs)]


def _log_quadratic(log_far: float, log_spread: float, u_N: Numbers) -> tuple[Numbers, Numbers]:
    far, spread_N = math.exp(log_far), math.exp(2 * log_spread) * u_N * (1 - u_N)
    line_N = 1 - u_N - far * u_N
    value_N = line_N**2 + spread_N
    by_logs = np.stack([-2 * line_N * far * u_N / value_N, 2 * spread_N / value_N], axis=1)
    return np.log(value_N), by_logs
