"""Slow level rides of the lead voice: lifted where it sinks into the rest, lowered where it stands out.

From the hop energies of all stems at their gains, over 3 s. In the voice's pauses the line holds, and moves
on in the last second before it comes back.

Legend: H hops of 100 ms, P points.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.loudness import SHORT_TERM_HOPS
from mixcli.console.hop_levels import Levels, active_hops
from mixcli.console.rule_table import LEAD_ROLES
from mixcli.settings import RuleSettings
from mixcli.songs.survey import Survey

HOP_S = 0.1
MOST_DB = 3.0
SHARE = 0.5  # of the difference: the voice may still be louder in the chorus than in the verse
POINT_HOPS = 10  # a point each second, where one is needed
ERROR_DB = 0.15  # of the points; rounding adds 0.05
LEAST_ACTIVE_HOPS = 10  # in the 3 s: fewer tell nothing
LEAST_SWING_DB = 1.0  # a line that moves less is none

Point = tuple[float, float]
Hops = NDArray[np.bool_]


def ride_lead(
    name: str,
    roles: Mapping[str, str],
    gains_db: Mapping[str, float],
    survey: Survey,
    settings: RuleSettings,
) -> tuple[list[Point], str] | None:
    """Points (time_s, gain_db) of a lead voice's ride and why; None for other roles and where none is needed.

    At most ±3 dB times `settings.rides`, 0 dB on average over the hops in which the voice is active; linear
    in dB between the points, which lie on whole seconds and stand for the line within 0.2 dB.
    """
    if roles[name] not in LEAD_ROLES or settings.rides == 0:
        return None
    n_hops = len(survey.stems[name].hop_energies)
    active_H = active_hops(survey.stems[name])
    rest_H = np.zeros(n_hops)
    for other, role in sorted(roles.items()):
        if role not in LEAD_ROLES:
            hops_H = np.asarray(survey.stems[other].hop_energies, np.float64)[:n_hops]
            rest_H[: len(hops_H)] += hops_H * 10 ** (gains_db[other] / 10)
    voice_H = np.asarray(survey.stems[name].hop_energies, np.float64) * 10 ** (gains_db[name] / 10)
    known_H = active_H & (
        rest_H > voice_H.max(initial=0.0) * 1e-4
    )  # alone, the voice has nothing to rise over
    if np.count_nonzero(known_H) < SHORT_TERM_HOPS:
        return None
    lead_H, cover_H, count_H = (
        _around(np.where(known_H, x_H, 0.0)) for x_H in (voice_H, rest_H, np.ones(n_hops))
    )
    told_H = known_H & (count_H >= LEAST_ACTIVE_HOPS - 0.5)
    if not told_H.any():
        return None
    over_H = np.zeros(n_hops)
    over_H[told_H] = 10 * np.log10(lead_H[told_H] / cover_H[told_H])
    line_H = _held(SHARE * (float(over_H[told_H].mean()) - over_H), told_H)
    most_db = MOST_DB * settings.rides
    line_H = _centred(line_H * settings.rides, active_H, most_db)
    points = _points(line_H, active_H, most_db)
    if np.ptp([gain_db for _, gain_db in points]) < LEAST_SWING_DB * settings.rides or len(points) < 2:
        return None
    low_db, high_db = (bound([gain_db for _, gain_db in points]) for bound in (min, max))
    return points, f"follows the rest, which covers it more or less by turns: {low_db:+.1f} to {high_db:+.1f}"


def ride_at(points: list[Point], times_s: Levels) -> Levels:
    """The gain in dB at times, linear between the points, the ends held."""
    return np.asarray(
        np.interp(times_s, [time_s for time_s, _ in points], [gain_db for _, gain_db in points])
    )


def _around(values_H: Levels) -> Levels:
    """Sum over the 3 s around each hop, in a bell that has no edges to jump at."""
    window = np.hanning(2 * SHORT_TERM_HOPS + 1)[1:-1]
    padded_H = np.pad(values_H, SHORT_TERM_HOPS - 1)
    return np.asarray(np.convolve(padded_H, window, mode="valid"))


def _held(line_H: Levels, told_H: Hops) -> Levels:
    """The line where it is told; elsewhere the last value, moving to the next in the second before it."""
    places = np.flatnonzero(told_H)
    knots, values = [], []
    for before, after in zip(places, [*places[1:], None], strict=True):
        knots.append(before)
        values.append(line_H[before])
        if after is not None and after - before > POINT_HOPS:
            knots.append(after - POINT_HOPS)
            values.append(line_H[before])
    return np.asarray(np.interp(np.arange(len(line_H)), knots, values))


def _centred(line_H: Levels, active_H: Hops, most_db: float) -> Levels:
    """The line within its bounds and with a mean of 0 dB over the active hops."""
    for _ in range(20):
        line_H = np.clip(line_H - line_H[active_H].mean(), -most_db, most_db)
    return line_H


def _points(line_H: Levels, active_H: Hops, most_db: float) -> list[Point]:
    """As few points as keep the line of whole seconds within `ERROR_DB`: Douglas and Peucker's way.

    SOURCE: D. Douglas, T. Peucker, "Algorithms for the reduction of the number of points required to
    represent a digitized line or its caricature", Cartographica 10(2), 1973; the error is the vertical one.
    """
    places = np.arange(0, len(line_H), POINT_HOPS)
    values = line_H[places]
    kept = {0, len(places) - 1}
    open_parts = [(0, len(places) - 1)]
    while open_parts:
        first, last = open_parts.pop()
        if last - first < 2:
            continue
        between = np.arange(first + 1, last)
        straight = np.interp(between, [first, last], [values[first], values[last]])
        errors = np.abs(values[between] - straight)
        if errors.max() > ERROR_DB:
            worst = int(between[np.argmax(errors)])
            kept.add(worst)
            open_parts += [(first, worst), (worst, last)]
    return [(round(float(places[k]) * HOP_S, 1), round(float(values[k]), 1) + 0.0) for k in sorted(kept)]
