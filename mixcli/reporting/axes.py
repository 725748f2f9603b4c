"""Scales of pictures: round ticks, and where a value lies."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HZ_TICKS = (20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)
MINUTE_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600)
ROUND_OFF = 1e-9  # share of a step by which a tick may miss the end of an axis


@dataclass(frozen=True)
class Axis:
    """A straight or logarithmic scale: `low` lies at pixel `start`, `high` at `stop`."""

    low: float
    high: float
    start: float
    stop: float
    ticks: tuple[tuple[float, str], ...]  # value, text
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Pixel of a value; beyond the ends it stays at the end."""
        low, high = self.low, self.high
        value = min(max(value, low), high)
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self.start + (value - low) / (high - low) * (self.stop - self.start)


def linear_axis(low: float, high: float, start: float, stop: float, *, n_ticks: int = 6) -> Axis:
    """An axis that ends on round ticks."""
    ticks = round_ticks(low, high, n_ticks)
    return Axis(ticks[0], ticks[-1], start, stop, tuple((tick, number_text(tick)) for tick in ticks))


def frequency_axis(low_hz: float, high_hz: float, start: float, stop: float) -> Axis:
    """A logarithmic axis from the lowest to the highest frequency there is."""
    high_hz = max(high_hz, low_hz * 2)
    ticks = [(float(hz), hz_text(hz)) for hz in HZ_TICKS if low_hz <= hz <= high_hz]
    return Axis(low_hz, high_hz, start, stop, tuple(ticks), logarithmic=True)


def time_axis(duration_s: float, start: float, stop: float) -> Axis:
    """An axis of minutes and seconds, at most nine ticks."""
    step = next((s for s in MINUTE_STEPS_S if duration_s / s <= 8), MINUTE_STEPS_S[-1])
    step *= max(math.ceil(duration_s / step / 8), 1)  # beyond the table: whole multiples of an hour
    ticks = [(float(at), time_text(at)) for at in range(0, math.floor(duration_s) + 1, step)]
    return Axis(0.0, max(duration_s, 1e-3), start, stop, tuple(ticks))


def round_ticks(low: float, high: float, n_ticks: int) -> list[float]:
    """About `n_ticks` values, 1, 2 or 5 times a power of ten apart, that reach as far as `low` and `high`."""
    if high - low < 1e-6 * max(abs(low), abs(high), 1e-6):
        low, high = low - 1, high + 1
    wanted = (high - low) / max(n_ticks - 1, 1)
    power = 10.0 ** math.floor(math.log10(wanted))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= wanted * (1 - ROUND_OFF))
    first, last = math.floor(low / step + ROUND_OFF), math.ceil(high / step - ROUND_OFF)
    return [count * step for count in range(first, last + 1)]


def number_text(value: float) -> str:
    """A tick's number: no needless digits, a true minus sign."""
    return f"{value:.6g}".replace("-", "−") if abs(value) > 1e-12 else "0"


def hz_text(frequency_hz: float) -> str:
    """200, 1k, 12.5k."""
    return f"{frequency_hz:g}" if frequency_hz < 1000 else f"{frequency_hz / 1000:g}k"


def time_text(seconds: float) -> str:
    """A time of a song as 0:00, with hours above an hour."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def finite_range(values: Iterable[float | None], *, with_zero: bool = False) -> tuple[float, float]:
    """Lowest and highest of the values that exist; 0 and 1 if none does."""
    there = [value for value in values if value is not None and math.isfinite(value)]
    if with_zero:
        there.append(0.0)
    return (min(there), max(there)) if there else (0.0, 1.0)


def spread_apart(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The places, moved as little as need be for neighbours to be `gap` apart between two ends.

    Where they do not all fit, they stand closer. The order stays.
    """
    n_places = len(places)
    gap = min(gap, (high - low) / max(n_places - 1, 1))
    order = sorted(range(n_places), key=lambda index: places[index])
    moved = list(places)
    lowest = low
    for index in order:
        moved[index] = lowest = max(places[index], lowest)
        lowest += gap
    highest = high
    for index in reversed(order):
        moved[index] = min(moved[index], highest)
        highest = moved[index] - gap
    return moved
