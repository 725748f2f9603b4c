"""Pictures: round ticks, values where they belong, gaps for what is missing, no need of colour."""

import math
import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import numpy as np
import pytest

from mixcli.reporting.axes import (
    frequency_axis,
    linear_axis,
    number_text,
    round_ticks,
    spread_apart,
    time_axis,
    time_text,
)
from mixcli.reporting.html import asset
from mixcli.reporting.picture_parts import Series, stroke, style_of, swatch
from mixcli.reporting.pictures import line_chart
from mixcli.reporting.row_pictures import Interval, StripRow, bar_chart, interval_chart, strip

CENTRES_HZ = [round(1000 * 2 ** (step / 3), 1) for step in range(-15, 11)]
SVG = "{*}"


def drawn(picture):
    return ElementTree.fromstring(picture)


def texts(picture):
    return [element.text for element in drawn(picture).iter("text") if element.text]


def lines_of(picture, number):
    """Points of every stretch of a system's line."""
    paths = [p for p in drawn(picture).iter("path") if f"n{number}" in p.get("class", "").split()]
    return [
        [tuple(map(float, pair.split())) for pair in re.findall(r"[\d.]+ [\d.]+", p.get("d"))] for p in paths
    ]


@pytest.mark.parametrize(
    ("low", "high", "n_ticks", "expected"),
    [
        (0, 10, 6, [0, 2, 4, 6, 8, 10]),
        (-7.3, 4.9, 6, [-10, -5, 0, 5]),
        (0.012, 0.047, 5, [0.01, 0.02, 0.03, 0.04, 0.05]),
        (-60, -20, 5, [-60, -50, -40, -30, -20]),
        (3, 3, 3, [2, 3, 4]),
        (0, 0, 3, [-1, 0, 1]),
    ],
)
def test_ticks_are_round(low, high, n_ticks, expected):
    assert round_ticks(low, high, n_ticks) == pytest.approx(expected)


def test_ticks_always_hold_the_values_and_are_steps_of_1_2_or_5(rng):
    for scale in 10.0 ** rng.uniform(-6, 6, 300):
        low, high = np.sort(rng.uniform(-scale, scale, 2))
        ticks = round_ticks(low, high, 6)
        step = ticks[1] - ticks[0]
        assert ticks[0] <= low + 1e-6 * step
        assert ticks[-1] >= high - 1e-6 * step
        assert min(abs(step / 10 ** math.floor(math.log10(step) + 1e-9) - base) for base in (1, 2, 5)) < 1e-6
        assert 2 <= len(ticks) <= 9


def test_frequencies_have_the_ticks_of_audio():
    axis = frequency_axis(31, 16_000, 0, 100)
    assert [text for _, text in axis.ticks] == ["50", "100", "200", "500", "1k", "2k", "5k", "10k"]
    assert axis.place(31) == 0
    assert axis.place(16_000) == pytest.approx(100)
    assert axis.place(math.sqrt(31 * 16_000)) == pytest.approx(50)


@pytest.mark.parametrize("duration_s", [0.0, 0.4, 3, 47.6, 61, 215, 1800, 3600, 5 * 3600, 90_000])
def test_a_time_axis_has_a_few_ticks_for_any_length(duration_s):
    axis = time_axis(duration_s, 0, 400)
    assert 1 <= len(axis.ticks) <= 9
    assert axis.place(duration_s) <= 400
    assert len({text for _, text in axis.ticks}) == len(axis.ticks)


def test_times_and_numbers_read_well():
    assert [time_text(s) for s in (0, 59.9, 60, 3599, 3661)] == ["0:00", "0:59", "1:00", "59:59", "1:01:01"]
    assert [number_text(v) for v in (0.30000000000000004, -2.0, 1e-17, 1500)] == ["0.3", "−2", "0", "1500"]


def test_a_value_beyond_an_axis_stays_at_its_end():
    axis = linear_axis(0, 10, 100, 0)
    assert (axis.place(-5), axis.place(20), axis.place(5)) == (100, 0, 50)


def test_labels_are_spread_apart_in_order_and_inside():
    places = [50, 50.5, 51, 10, 99]
    moved = spread_apart(places, 13, 0, 100)
    assert sorted(range(5), key=lambda i: moved[i]) == [3, 0, 1, 2, 4]
    ordered = sorted(moved)
    assert min(b - a for a, b in pairwise(ordered)) >= 13 - 1e-9
    assert ordered[0] >= 0
    assert ordered[-1] <= 100
    crowded = sorted(spread_apart([5.0] * 20, 13, 0, 100))
    assert crowded[0] >= -1e-9
    assert crowded[-1] <= 100 + 1e-9


def test_a_line_goes_through_its_values():
    values = [-40.0, -20.0, -60.0]
    picture = line_chart(
        "Spectra", "…", [100, 1000, 10_000], [Series("a", 1, values)], x_is="Hz", y_label="dB"
    )
    ((first, second, third),) = lines_of(picture, 1)
    assert second[0] == pytest.approx((first[0] + third[0]) / 2, abs=0.1)  # logarithmic
    assert (third[1] - first[1]) == pytest.approx(first[1] - second[1], abs=0.2)  # linear in dB
    assert second[1] < first[1] < third[1]
    assert {"100", "1k", "10k", "−20", "−60"} <= set(texts(picture))


def test_missing_values_are_gaps_and_a_lone_value_is_a_dot():
    values = [1.0, 2.0, None, 3.0, None, 2.0, 2.5]
    picture = line_chart("x", "…", list(range(7)), [Series("a", 2, values)], x_is="s", y_label="LUFS")
    assert [len(run) for run in lines_of(picture, 2)] == [2, 2]
    assert len([c for c in drawn(picture).iter("circle") if "n2" in c.get("class")]) == 1


def test_a_line_chart_without_any_value_is_an_empty_frame():
    picture = line_chart("x", "…", CENTRES_HZ, [Series("a", 2, [None] * 26)], x_is="Hz", y_label="dB")
    assert lines_of(picture, 2) == []
    assert drawn(line_chart("x", "…", [], [], x_is="s", y_label="dB")) is not None


def test_a_very_low_value_does_not_flatten_the_picture():
    values = [-20.0, -30.0, -250.0]
    picture = line_chart(
        "x", "…", [100, 1000, 9000], [Series("a", 1, values)], x_is="Hz", y_label="dB", depth=60
    )
    assert "−80" in texts(picture)
    assert "−250" not in texts(picture)


def test_an_hour_of_loudness_stays_small_and_keeps_its_shape():
    seconds = list(range(3600))
    values = [None if 1000 <= s < 1500 else -20 + s / 360 for s in seconds]
    picture = line_chart("x", "…", seconds, [Series("a", 1, values)], x_is="s", y_label="LUFS")
    assert len(picture) < 12_000
    before, after = lines_of(picture, 1)
    assert before[0][1] > before[-1][1] > after[-1][1]
    assert after[0][0] - before[-1][0] > 40


def test_lines_differ_without_colour():
    patterns = [re.search(r'stroke-dasharray="([^"]*)"', swatch(number)) for number in range(3, 17)]
    assert len({pattern.group(1) for pattern in patterns}) == 14
    series = [Series(f"system {n}", n, [float(n)] * 26) for n in range(1, 8)]
    picture = line_chart("x", "…", CENTRES_HZ, series, x_is="Hz", y_label="dB")
    ends = [
        element for element in drawn(picture).iter("text") if re.search(r"\bn\d", element.get("class", ""))
    ]
    assert sorted(element.text for element in ends) == list("1234567")
    heights = sorted(float(element.get("y")) for element in ends)
    assert min(b - a for a, b in pairwise(heights)) > 12


def test_sixteen_systems_have_sixteen_styles_and_none_ever_has_the_reference_s():
    assert [style_of(number) for number in range(1, 17)] == list(range(16))
    assert style_of(17) == 1
    assert 0 not in {style_of(number) for number in range(2, 200)}
    sheet = asset("report.css")
    light, dark = sheet.split("@media (prefers-color-scheme: dark)")
    for scheme in (light, dark):
        colours = dict(re.findall(r"--c(\d+): (#\w+);", scheme))
        assert sorted(map(int, colours)) == list(range(16))
        assert len(set(colours.values())) == 16
    for style in range(16):
        assert f".s{style} {{ stroke: var(--c{style}); }}" in sheet
        assert f".f{style}, .chart text.t{style} {{ fill: var(--c{style}); }}" in sheet


def test_quiet_lines_are_marked_and_have_their_numbers_in_a_column_of_their_own():
    series = [Series("a", 2, [1.0, 2.0]), Series("b", 3, [1.5, 2.0], quiet=True)]
    picture = line_chart("x", "…", [100, 1000], series, x_is="Hz", y_label="dB")
    parts = [element.get("class", "").split() for element in drawn(picture).iter("path")]
    assert [("n3" in kinds, "quiet" in kinds) for kinds in parts if "line" in kinds] == [
        (True, True),
        (False, False),
    ]
    ends = {t.text: float(t.get("x")) for t in drawn(picture).iter("text") if " n" in t.get("class", "")}
    assert ends["3"] >= ends["2"] + 16  # two digits
    assert ends["3"] + 16 <= 520
    assert "quiet" in stroke(3, 'd="M0 0"', quiet=True)


def test_bars_start_at_zero_and_are_as_long_as_their_values():
    series = [Series("one", 2, [3.0, None]), Series("two", 3, [-1.5, 0.0])]
    picture = bar_chart("Balance", "…", ["kick", "a stem with a very long name.flac"], series, unit="dB")
    rects = [(float(r.get("x")), float(r.get("width"))) for r in drawn(picture).iter("rect")]
    (right, long), (left, half), (_, none) = rects
    assert long == pytest.approx(2 * half, abs=0.2)
    assert left + half == pytest.approx(right, abs=0.2)  # zero
    assert none == pytest.approx(0.8)  # a hair, to be seen at all
    titles = [element.text for element in drawn(picture).iter("title")]
    assert "kick, one: 3 dB" in titles
    assert "a stem with a very long name.flac, one: none" in titles
    assert "2 –" in texts(picture)


def test_bar_charts_of_one_song_share_a_scale():
    pictures = [
        bar_chart("Balance", "…", ["kick"], [Series("one", 2, [value])], unit="dB", span=(-2.0, 6.0))
        for value in (1.0, 6.0)
    ]
    small, large = (float(next(drawn(p).iter("rect")).get("width")) for p in pictures)
    assert large == pytest.approx(6 * small, abs=0.5)


def test_an_interval_is_a_dot_on_a_whisker_and_its_numbers():
    rows = [Interval("mixcli", 2, 1.0, 0.5, 2.0), Interval("megami", 3, None, None, None)]
    rows.append(Interval("sum", 4, -3.0, None, None))
    picture = interval_chart("tone_db", "…", rows, unit="dB")
    dots = [float(dot.get("cx")) for dot in drawn(picture).iter("circle")]
    assert len(dots) == 2
    whiskers = [p.get("d") for p in drawn(picture).iter("path") if "line" in p.get("class", "")]
    (whisker,) = whiskers
    low, high = map(float, re.match(r"M([\d.]+) [\d.]+H([\d.]+)", whisker).groups())
    assert (dots[0] - low) * 2 == pytest.approx(high - dots[0], abs=0.3)
    shown = " | ".join("".join(element.itertext()) for element in drawn(picture).iter("text"))
    assert "1.00 (0.50 to 2.00)" in shown
    assert "no value" in shown
    assert "−3.00" in shown


def test_a_strip_has_a_mark_per_finding_even_for_a_click():
    spans = [(0.0, 10.0, "clipping"), (30.0, 30.001, "click"), (60.0, 60.0, "at the end")]
    picture = strip("Artefacts", "…", [StripRow("click", 2, spans)], 60.0)
    rects = [(float(r.get("x")), float(r.get("width"))) for r in drawn(picture).iter("rect")]
    assert rects[0][1] == pytest.approx((rects[1][0] - rects[0][0]) / 3, abs=0.2)
    assert rects[1][1] == 3
    assert rects[2][0] + rects[2][1] <= 520


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", 'a "quoted" & <b>', "]]>"])
def test_every_text_is_escaped(name):
    series = [Series(name, 2, [1.0])]
    pictures = [
        line_chart(name, name, [100.0], series, x_is="Hz", y_label=name),
        bar_chart(name, name, [name], series, unit=name),
        interval_chart(name, name, [Interval(name, 2, 1.0, 0.5, 2.0)], unit=name),
        strip(name, name, [StripRow(name, 2, [(0.0, 1.0, name)])], 2.0),
    ]
    for picture in pictures:
        root = drawn(picture)  # well-formed, so nothing of the name became markup
        assert {element.tag for element in root.iter()} <= {
            "svg",
            "title",
            "desc",
            "path",
            "rect",
            "circle",
            "text",
            "g",
        }
        assert root.find("title").text == name
        assert root.find("desc").text == name
        assert root.get("role") == "img"
