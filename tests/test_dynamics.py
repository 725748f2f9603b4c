"""Truth: the closed forms of an expander's curve and times, and plain loops beside the fast forms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcli.audio.dynamics import WINDOW_HOPS, Smoother, compress_curve, control_hop, expand_curve, over_last
from mixcli.audio.expander import Expander, ExpanderSettings

RATE = 8000
SEEN_MS = 10.0  # what the detector looks back
HOP_MS = 0.25


def tone(frequency_hz, level_db, seconds):
    times_T = np.arange(round(seconds * RATE)) / RATE
    return (10 ** (level_db / 20) * np.sin(2 * np.pi * frequency_hz * times_T + 0.3)).astype(np.float32)


def expander(n_channels=1, **changes):
    return Expander(ExpanderSettings(**({"threshold_db": -40.0} | changes)), RATE, n_channels)


def reduction_of(signal_T, **changes):
    return -20 * np.log10(expander(**changes).push_for_gain(signal_T[:, None]).astype(np.float64))


@pytest.mark.parametrize("length", [1, 2, 3, 7, 10, 40, 201])
def test_runs_put_together_are_the_sums_and_maxima_of_neighbours(length):
    values_M = np.random.default_rng(length).standard_normal(300)
    windows = np.lib.stride_tricks.sliding_window_view(values_M, length)
    assert np.array_equal(over_last(values_M, length, np.maximum), windows.max(axis=1))
    assert over_last(values_M, length, np.add) == pytest.approx(windows.sum(axis=1), abs=1e-12)


def test_the_curves_and_their_slopes_have_no_jumps():
    level_M = np.arange(-80, 0, 0.001)
    for made_M, steepest in (
        (compress_curve(level_M, -40, 4, 12), 0.75),
        (expand_curve(level_M, -40, 3, 12, 1e3), 2.0),
    ):
        slopes_M = np.diff(made_M) / 0.001
        assert np.abs(slopes_M).max() == pytest.approx(steepest, abs=1e-6)
        assert np.abs(np.diff(slopes_M)).max() < 1e-3


def test_the_smoother_reaches_the_closed_form_of_an_exponential():
    smoother = Smoother(10, 100, RATE)
    up_M = smoother.push(np.full(400, 12.0))
    down_M = smoother.push(np.full(400, 2.0))
    hops_M = np.arange(1, 401)
    assert up_M == pytest.approx(12 * (1 - np.exp(-hops_M * HOP_MS / 10)), abs=1e-9)
    assert down_M == pytest.approx(2 + (up_M[-1] - 2) * np.exp(-hops_M * HOP_MS / 100), abs=1e-9)


@pytest.mark.parametrize("sample_rate", [8000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_a_hop_lasts_a_quarter_of_a_millisecond_at_any_rate(sample_rate):
    assert control_hop(sample_rate) / sample_rate * 1e3 == pytest.approx(HOP_MS, rel=0.1)


@pytest.mark.parametrize("knee_db", [0.0, 8.0])
@pytest.mark.parametrize("ratio", [1.0, 2.0, 5.0])
def test_a_steady_tone_is_expanded_by_the_closed_form(ratio, knee_db):
    for level_db in (-70.0, -55.0, -46.0, -43.0, -40.0, -37.0, -30.0, -3.0):
        stem_T = tone(500, level_db, 0.6)
        under_db = -40 - 20 * math.log10(np.abs(stem_T).max())
        if 2 * under_db < -knee_db:
            expected_db = 0.0
        elif 2 * abs(under_db) <= knee_db and knee_db:
            expected_db = (ratio - 1) * (under_db + knee_db / 2) ** 2 / (2 * knee_db)
        else:
            expected_db = (ratio - 1) * under_db
        reduction_T = reduction_of(stem_T, ratio=ratio, knee_db=knee_db, release_ms=30)
        assert reduction_T[-1] == pytest.approx(min(expected_db, 20.0), abs=0.02)


def test_the_rms_detector_reads_a_tone_3_db_lower():
    reduction_T = reduction_of(tone(500, -45, 0.6), detector="rms", release_ms=30, knee_db=0)
    assert reduction_T[-1] == pytest.approx(5 + 3.0103, abs=0.02)


def test_the_range_is_all_that_silence_is_turned_down():
    box = expander(range_db=13.0)
    gain_T = box.push_for_gain(np.zeros((2000, 1), np.float32))
    assert 20 * np.log10(gain_T) == pytest.approx(-13.0, abs=1e-5)
    assert box.max_reduction_db == pytest.approx(13.0)


@pytest.mark.parametrize("hold_ms", [0.0, 20.0, 100.0])
@pytest.mark.parametrize("release_ms", [40.0, 150.0])
def test_it_stays_open_for_the_hold_and_closes_in_the_release_time(hold_ms, release_ms):
    stem_T = np.zeros(8000, np.float32)
    stem_T[:2000] = 0.5
    reduction_T = reduction_of(stem_T, hold_ms=hold_ms, release_ms=release_ms)
    closing_ms = (int(np.argmax(reduction_T[2000:] > 0))) / 8
    assert closing_ms == pytest.approx(SEEN_MS + hold_ms, abs=2 * HOP_MS)
    closed_ms = int(np.argmax(reduction_T[2000:] >= 20 * (1 - 1 / math.e))) / 8
    assert closed_ms == pytest.approx(SEEN_MS + hold_ms + release_ms, abs=2 * HOP_MS)


@pytest.mark.parametrize("attack_ms", [0.5, 1.0, 10.0])
def test_it_opens_in_the_attack_time(attack_ms):
    stem_T = np.zeros(4000, np.float32)
    stem_T[2000:] = 0.5
    reduction_T = reduction_of(stem_T, attack_ms=attack_ms)
    opened_ms = int(np.argmax(reduction_T[2000:] <= 20 / math.e)) / 8
    assert opened_ms == pytest.approx(attack_ms, abs=HOP_MS)


def test_hits_pass_bit_for_bit_and_the_spill_between_them_is_turned_down():
    spill_T = 1e-3 * np.random.default_rng(4).uniform(-1, 1, 12_000)  # under -60 dBFS
    stem_TC = np.stack([spill_T, -spill_T], axis=1).astype(np.float32)
    stem_TC[4000:6000] += tone(120, -6, 0.25)[:, None]
    made_TC = expander(2, release_ms=50).push(stem_TC)
    assert np.array_equal(made_TC[4200:6000], stem_TC[4200:6000])
    for stretch in (slice(1000, 3900), slice(9600, None)):
        assert made_TC[stretch] == pytest.approx(0.1 * stem_TC[stretch], rel=0.02)
    assert np.array_equal(made_TC[:3900, 0], -made_TC[:3900, 1])


def test_a_held_bass_note_does_not_move_the_gain():
    made_T = reduction_of(tone(60, -30, 1.0), hold_ms=0)
    assert np.array_equal(made_T[400:], np.zeros(7600))


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_for_any_settings_the_cuts_leave_no_trace_and_nothing_is_turned_up(data):
    chosen = ExpanderSettings(
        threshold_db=data.draw(st.floats(-80, 0)),
        ratio=data.draw(st.floats(1, 100)),
        range_db=data.draw(st.floats(0, 100)),
        attack_ms=data.draw(st.floats(0, 50)),
        hold_ms=data.draw(st.floats(0, 300)),
        release_ms=data.draw(st.floats(0, 1000)),
        knee_db=data.draw(st.floats(0, 20)),
        detector=data.draw(st.sampled_from(["rms", "peak"])),
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    level_T = 10 ** np.interp(np.arange(4000), np.arange(0, 4000, 400), rng.uniform(-4, 0, 10))
    stem_TC = (rng.uniform(-1, 1, (4000, 2)) * level_T[:, None]).astype(np.float32)
    stem_TC[1000:1300] = 0
    stem_TC[2000:2100] = 1e-42
    cuts = sorted(data.draw(st.lists(st.integers(0, 4000), max_size=12)))
    whole, in_parts = Expander(chosen, RATE, 2), Expander(chosen, RATE, 2)
    made_TC = whole.push(stem_TC)
    assert np.array_equal(np.concatenate([in_parts.push(part) for part in np.split(stem_TC, cuts)]), made_TC)
    assert in_parts.max_reduction_db == whole.max_reduction_db
    assert np.isfinite(made_TC).all()
    assert (np.abs(made_TC) <= np.abs(stem_TC)).all()
    assert whole.max_reduction_db <= chosen.range_db + 1e-6


@pytest.mark.parametrize(
    "changes",
    [
        {"ratio": 0.9},
        {"ratio": math.inf},
        {"range_db": math.inf},
        {"hold_ms": -1.0},
        {"threshold_db": math.nan},
        {"detector": "mean"},
    ],
)
def test_settings_of_an_expander_that_make_no_sense_are_refused(changes):
    with pytest.raises(ValueError, match="must be"):
        expander(**changes)


def test_the_window_is_ten_milliseconds():
    assert WINDOW_HOPS * HOP_MS == SEEN_MS
