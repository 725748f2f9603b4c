"""The pictures of one song in the report of an evaluation, from the curves of its scores."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from mixcli.reporting.axes import finite_range
from mixcli.reporting.html import count, figure, folded, number
from mixcli.reporting.naming import MANY_SYSTEMS, REFERENCE
from mixcli.reporting.picture_parts import Series
from mixcli.reporting.pictures import line_chart
from mixcli.reporting.row_pictures import StripRow, bar_chart, strip

DEPTH_DB = 60.0  # of spectra and widths: what is deeper is not heard
DEPTH_LU = 40.0
STEMS_PER_CHART = 8

Document = Mapping[str, Any]
Lines = Callable[[str], list[Series]]


def song_pictures(
    song: Document,
    axes: Mapping[str, Sequence[float]],
    scores: Sequence[Document],
    numbers: Mapping[str, int],
    quiet: Collection[str],
) -> tuple[list[str], list[str]]:
    """Figures with lines (spectra, tone, width, image, loudness), and those with rows (artefacts, balance).

    `numbers` are the systems' numbers from 2, in the order of the scores; the reference has number 1.
    `quiet` systems are drawn in the background. A figure without curves is left out.
    """
    own = (song.get("reference") or {}).get("curves") or {}

    def lines(key: str) -> list[Series]:
        found = [Series(REFERENCE, 1, own[key])] if own.get(key) else []
        for score in scores:
            if curve := (score.get("curves") or {}).get(key):
                name = score["system"]
                found.append(Series(name, numbers[name], curve, quiet=name in quiet))
        return [one for one in found if any(value is not None for value in one.values)]

    made = [*_tone(lines, axes), *_stereo(lines, axes)]
    if loudness := lines("loudness_lufs"):
        seconds = [float(second) for second in range(max(len(one.values) for one in loudness))]
        text = "Loudness of each mix and of the reference over the song, one value per second."
        chart = line_chart(
            "Loudness", text, seconds, loudness, x_is="s", y_label="loudness, LUFS", depth=DEPTH_LU
        )
        note = "as delivered: neither level nor time are matched; gaps are silence"
        made.append(figure("Loudness over time", chart, note=note))
    return made, [*_balance(song, lines("balance_db")), _artefacts(song, scores, numbers)]


def _tone(lines: Lines, axes: Mapping[str, Sequence[float]]) -> list[str]:
    spectra, centres_hz = lines("spectrum_db"), axes.get("spectrum_hz")
    if not spectra or not centres_hz:
        return []
    text = "Level in bands of each mix and of the reference, from low to high frequencies."
    chart = line_chart("Spectra", text, centres_hz, spectra, x_is="Hz", y_label="level, dB", depth=DEPTH_DB)
    made = [figure("Spectra", chart, note="level in third octaves, at equal loudness")]
    if away := _differences(spectra):
        text = _farthest(away, centres_hz)
        label = "difference, dB"
        chart = line_chart("Tone", text, centres_hz, away, x_is="Hz", y_label=label, with_zero=True)
        made.append(figure("Tone beside the reference", chart, note="above zero a mix has more of a band"))
    return made


def _stereo(lines: Lines, axes: Mapping[str, Sequence[float]]) -> list[str]:
    made = []
    if (widths := lines("width_db")) and (centres_hz := axes.get("width_hz")):
        text = "Side level over mid level in bands of each mix and of the reference; higher is wider."
        label = "side over mid, dB"
        chart = line_chart("Width", text, centres_hz, widths, x_is="Hz", y_label=label, depth=DEPTH_DB)
        made.append(figure("Width", chart, note="side over mid in third octaves; higher is wider"))
    if (images := lines("image_db")) and (centres_hz := axes.get("image_hz")):
        text = "Level of the left over the right channel in octaves of each mix and of the reference."
        label = "left over right, dB"
        chart = line_chart("Image", text, centres_hz, images, x_is="Hz", y_label=label, with_zero=True)
        made.append(figure("Image", chart, note="left over right in octaves; zero is the middle"))
    return made


def _differences(series: Sequence[Series]) -> list[Series]:
    """Each system less the reference; nothing without a reference."""
    if not series or series[0].number != 1:
        return []
    base = series[0].values
    return [replace(one, values=_less(one.values, base)) for one in series[1:]]


def _less(values: Sequence[float | None], base: Sequence[float | None]) -> list[float | None]:
    pairs = zip(values, base, strict=False)
    return [None if a is None or b is None else a - b for a, b in pairs]


def _farthest(away: Sequence[Series], centres_hz: Sequence[float]) -> str:
    there = [
        (abs(value), value, hz, one.name)
        for one in away
        for value, hz in zip(one.values, centres_hz, strict=False)
        if value is not None
    ]
    if not there:
        return "No values."
    _, value, hz, name = max(there)
    return f"Each mix less the reference in bands. Farthest: {name}, {value:+.1f} dB at {hz:.0f} Hz."


def _balance(song: Document, levels: Sequence[Series]) -> list[str]:
    """Bars of each stem's level beside the reference, a few stems in one picture, all on one scale.

    With many systems the baselines have pictures of their own, folded, on a scale of their own.

    What all stems of a mix have in common is its loudness, not its balance, and is taken off.
    """
    stems = [stem["name"] for stem in song.get("stems", [])]
    levels = [one for one in levels if len(one.values) == len(stems)]
    series = [replace(one, values=_centred(one.values)) for one in _differences(levels)]
    if not stems or not series:
        return []
    if len(series) <= MANY_SYSTEMS:
        return _bars("Balance", stems, series)
    foremost, background = ([one for one in series if one.quiet == quiet] for quiet in (False, True))
    made = _bars("Balance", stems, foremost)
    if background:
        charts = "".join(_bars("Balance of the baselines", stems, background))
        made.append(folded("Balance of the baselines", charts))
    return made


def _bars(title: str, stems: Sequence[str], series: Sequence[Series]) -> list[str]:
    if not series:
        return []
    span = finite_range((value for one in series for value in one.values), with_zero=True)
    n_charts = -(-len(stems) // STEMS_PER_CHART)
    per_chart = -(-len(stems) // n_charts)
    made = []
    for start in range(0, len(stems), per_chart):
        some = stems[start : start + per_chart]
        part = [replace(one, values=one.values[start : start + per_chart]) for one in series]
        where = f", stems {start + 1} to {start + len(some)} of {len(stems)}" if n_charts > 1 else ""
        chart = bar_chart(title, _balance_text(some, part), some, part, unit="dB", span=span)
        note = "right of zero a stem is louder than in the reference"
        made.append(figure(f"{title}{where}", chart, note=note))
    return made


def _centred(values: Sequence[float | None]) -> list[float | None]:
    there = [value for value in values if value is not None]
    mean = sum(there) / len(there) if there else 0.0
    return [None if value is None else value - mean for value in values]


def _balance_text(stems: Sequence[str], series: Sequence[Series]) -> str:
    told = (
        f"{stem}: " + ", ".join(f"{one.name} {number(one.values[place])} dB" for one in series)
        for place, stem in enumerate(stems)
    )
    return "Level of each stem in each mix beside the reference. " + "; ".join(told) + "."


def _artefacts(song: Document, scores: Sequence[Document], numbers: Mapping[str, int]) -> str:
    rows = []
    for score in scores:
        found = sorted(score.get("artefacts") or [], key=lambda one: str(one["kind"]))
        for kind, members in groupby(found, key=lambda one: str(one["kind"])):
            spans = [(one["start_s"], one["stop_s"], f"{score['system']}: {one['text']}") for one in members]
            rows.append(StripRow(f"{kind}: {score['system']}", numbers[score["system"]], spans))
    if not rows:
        return figure("Artefacts", "<p>None found in any mix.</p>")
    text = "; ".join(f"{one.name}, {count(len(one.spans), 'place')}" for one in rows)
    last_s = max(stop_s for one in rows for _, stop_s, _ in one.spans)
    chart = strip("Artefacts over time", text, rows, max(song.get("duration_s") or 0.0, last_s))
    return figure("Artefacts", chart, note="what was found, and when")
