"""The reverb's impulse response against the definitions of reverberation time, energy and band."""

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from mixcli.audio.reverb import reverb_impulse_response

PLATE = {"kind": "plate", "decay_s": 1.2, "pre_delay_ms": 20.0, "low_cut_hz": 250.0, "high_cut_hz": 7000.0}
ROOM = PLATE | {"kind": "room"}


def impulse_response(rate=44_100, *, seed=0, **settings):
    return reverb_impulse_response(rate, **(PLATE | settings), seed=seed).astype(np.float64)


def decay_time_s(response_N, rate):
    """T60 by Schroeder's backward integration, from the fall between -5 and -35 dB."""
    energy = np.cumsum(response_N[::-1] ** 2)[::-1]
    level_db = 10 * np.log10(energy / energy[0] + 1e-30)
    where = np.flatnonzero((level_db < -5) & (level_db > -35))
    return -60 / np.polyfit(where / rate, level_db[where], 1)[0]


def band_energy(response_NC, rate, low_hz, high_hz):
    """Energy per hertz of a response in a band, as an impulse in continuous time would have it."""
    spectrum = np.fft.rfft(response_NC, 1 << 18, axis=0)
    frequencies_hz = np.fft.rfftfreq(1 << 18, 1 / rate)
    return np.mean(np.abs(spectrum[(frequencies_hz >= low_hz) & (frequencies_hz < high_hz)]) ** 2)


@pytest.mark.parametrize("kind", ["plate", "room"])
@pytest.mark.parametrize("decay_s", [0.4, 1.2, 3.0])
def test_the_decay_time_by_schroeder_is_the_one_asked_for(kind, decay_s):
    made_NC = impulse_response(kind=kind, decay_s=decay_s)
    for channel in range(2):
        assert decay_time_s(made_NC[:, channel], 44_100) == pytest.approx(decay_s, rel=0.05)


@pytest.mark.parametrize("kind", ["plate", "room"])
def test_each_channel_has_unit_energy(kind):
    assert np.square(impulse_response(kind=kind)).sum(axis=0) == pytest.approx([1, 1], rel=1e-4)


@pytest.mark.parametrize("settings", [PLATE, ROOM])
@pytest.mark.parametrize("rate", [48_000, 96_000, 22_050])
def test_every_rate_has_the_same_band_energies_and_decay(settings, rate):
    reference_NC, other_NC = impulse_response(44_100, **settings), impulse_response(rate, **settings)
    for low_hz, high_hz in ((300, 600), (600, 1200), (1200, 2400), (2400, 4800), (4800, 7000)):
        difference_db = 10 * np.log10(
            band_energy(other_NC, rate, low_hz, high_hz) / band_energy(reference_NC, 44_100, low_hz, high_hz)
        )
        assert abs(difference_db) < 0.1
    assert decay_time_s(other_NC[:, 0], rate) == pytest.approx(
        decay_time_s(reference_NC[:, 0], 44_100), rel=0.01
    )


@pytest.mark.parametrize("kind", ["plate", "room"])
def test_the_band_ends_at_its_limits(kind):
    made_NC = impulse_response(kind=kind)
    inside = band_energy(made_NC, 44_100, 500, 5000)
    for low_hz, high_hz, least_db in ((20, 62, 45), (62, 125, 22), (14_000, 20_000, 24)):
        assert 10 * np.log10(inside / band_energy(made_NC, 44_100, low_hz, high_hz)) > least_db


@pytest.mark.parametrize("kind", ["plate", "room"])
def test_left_and_right_are_not_correlated_in_any_band(kind):
    made_NC = impulse_response(kind=kind)
    assert abs(np.corrcoef(made_NC.T)[0, 1]) < 1e-3
    for band_hz in ((300, 1000), (1000, 3000), (3000, 6500)):
        sos = butter(4, band_hz, "bandpass", fs=44_100, output="sos")
        assert abs(np.corrcoef(sosfiltfilt(sos, made_NC, axis=0).T)[0, 1]) < 0.2


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 192_000])
@pytest.mark.parametrize("pre_delay_ms", [0.0, 20.0, 33.3])
def test_the_sound_begins_at_the_pre_delay(rate, pre_delay_ms):
    made_NC = impulse_response(rate, pre_delay_ms=pre_delay_ms, decay_s=0.5)
    n_delay = round(pre_delay_ms / 1000 * rate)
    assert not made_NC[:n_delay].any()
    first_loud = np.flatnonzero(np.abs(made_NC).max(axis=1) > 0.05 * np.abs(made_NC).max())[0]
    assert n_delay <= first_loud <= n_delay + 0.002 * rate


def test_a_room_has_separate_reflections_before_it_is_dense():
    made_NC = impulse_response(48_000, kind="room", high_cut_hz=20_000.0, pre_delay_ms=0.0)
    early, late = made_NC[: int(0.02 * 48_000), 0], made_NC[int(0.2 * 48_000) : int(0.22 * 48_000), 0]
    # the fourth moment over the squared second: 3 for dense noise, more for single pulses
    assert np.mean(early**4) / np.mean(early**2) ** 2 > 8
    assert np.mean(late**4) / np.mean(late**2) ** 2 == pytest.approx(3, abs=0.6)


def test_a_seed_makes_a_room_and_always_the_same():
    assert np.array_equal(impulse_response(8000, seed=1), impulse_response(8000, seed=1))
    first_NC, second_NC = impulse_response(8000, seed=1), impulse_response(8000, seed=2)
    assert abs(np.corrcoef(first_NC[:, 0], second_NC[:, 0])[0, 1]) < 0.1


@pytest.mark.parametrize("band_hz", [(7000.0, 250.0), (500.0, 500.0), (30_000.0, 90_000.0)])
def test_an_empty_band_is_refused(band_hz):
    with pytest.raises(ValueError, match="is empty"):
        impulse_response(low_cut_hz=band_hz[0], high_cut_hz=band_hz[1])
