"""The reverb's impulse response against the definitions of reverberation time, energy and band."""

import numpy as np
import pytest
from scipy.signal import butter, sosfilt, sosfiltfilt

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


def test_a_plate_is_dense_from_its_first_millisecond_on():
    made_NC = impulse_response(48_000, high_cut_hz=20_000.0, low_cut_hz=20.0, pre_delay_ms=0.0, decay_s=3.0)
    for start_s, stop_s in ((0.001, 0.021), (0.02, 0.06), (0.5, 0.6)):
        part_N = made_NC[int(start_s * 48_000) : int(stop_s * 48_000)].ravel()
        assert np.mean(part_N**4) / np.mean(part_N**2) ** 2 == pytest.approx(3, abs=0.5)  # as noise has it


WIDE = {"low_cut_hz": 30.0, "high_cut_hz": 22_000.0, "pre_delay_ms": 0.0, "decay_s": 1.0}
DAMPED = WIDE | {"low_decay": 2.0, "high_decay": 0.4, "low_hz": 300.0, "high_hz": 4000.0}
OCTAVES_HZ = (63, 125, 250, 500, 1000, 2000, 4000, 8000, 16_000)


def octave_decays_s(settings, kind="plate", rate=48_000, octaves_hz=OCTAVES_HZ):
    """T60 by octave, from the mean of the backward integrals of six channels."""
    rooms = [impulse_response(rate, kind=kind, **(settings | {"seed": seed})) for seed in range(3)]
    rooms_NC, decays_s = np.concatenate(rooms, axis=1), {}
    for centre_hz in octaves_hz:
        band_hz = (centre_hz / 2**0.5, min(centre_hz * 2**0.5, 0.48 * rate))
        octave_NC = sosfilt(butter(4, band_hz, "bandpass", fs=rate, output="sos"), rooms_NC, axis=0)
        decays_s[centre_hz] = decay_time_s(np.sqrt(np.square(octave_NC).sum(axis=1)), rate)
    return decays_s


@pytest.mark.parametrize("kind", ["plate", "room"])
def test_every_octave_decays_in_its_own_time(kind):
    """What lies an octave and more beyond the change has all of its factor, the rest something between."""
    decays_s = octave_decays_s(DAMPED, kind)
    for centre_hz, factor in ((63, 2), (125, 2), (1000, 1), (16_000, 0.4)):
        assert decays_s[centre_hz] == pytest.approx(factor, rel=0.1), centre_hz
    assert 1.1 < decays_s[250] < 2
    assert 0.4 < decays_s[4000] < 1


def test_without_factors_every_octave_decays_in_the_same_time():
    for centre_hz, found_s in octave_decays_s(WIDE).items():
        assert found_s == pytest.approx(1, rel=0.1), centre_hz


def test_the_decay_of_the_bands_is_the_same_at_every_rate():
    octaves_hz = (125, 1000, 4000)
    at_48 = octave_decays_s(DAMPED, octaves_hz=octaves_hz)
    at_22 = octave_decays_s(DAMPED, rate=22_050, octaves_hz=octaves_hz)
    for centre_hz in octaves_hz:
        assert at_22[centre_hz] == pytest.approx(at_48[centre_hz], rel=0.02), centre_hz


@pytest.mark.parametrize("kind", ["plate", "room"])
def test_a_damped_reverb_has_unit_energy_its_pre_delay_and_unlike_channels(kind):
    made_NC = impulse_response(kind=kind, **(DAMPED | {"pre_delay_ms": 20.0, "high_cut_hz": 12_000.0}))
    assert not made_NC[:882].any()
    assert made_NC[882:1100].any()
    assert np.square(made_NC).sum(axis=0) == pytest.approx([1, 1], rel=1e-3)
    for centre_hz in (250, 1000, 4000):
        sos = butter(4, (centre_hz / 2**0.5, centre_hz * 2**0.5), "bandpass", fs=44_100, output="sos")
        assert abs(np.corrcoef(sosfiltfilt(sos, made_NC, axis=0).T)[0, 1]) < 0.25


def test_with_factors_of_1_the_places_of_the_bands_mean_nothing():
    for kind in ("plate", "room"):
        plain_NC = impulse_response(8000, kind=kind)
        assert np.array_equal(impulse_response(8000, kind=kind, low_hz=900.0, high_hz=1000.0), plain_NC)


def test_factors_near_1_are_near_the_reverb_without():
    """The bands add up: nothing is lost between them, and the noise is the same."""
    settings = WIDE | {"decay_s": 0.5, "low_hz": 300.0, "high_hz": 400.0}
    plain_NC = impulse_response(48_000, **settings)
    made_NC = impulse_response(48_000, low_decay=1.0001, high_decay=0.9999, **settings)
    n_samples = round(0.5 * 48_000)
    assert np.corrcoef(made_NC[:n_samples, 0], plain_NC[:n_samples, 0])[0, 1] > 0.99999


def test_a_seed_makes_a_room_and_always_the_same():
    assert np.array_equal(impulse_response(8000, seed=1), impulse_response(8000, seed=1))
    first_NC, second_NC = impulse_response(8000, seed=1), impulse_response(8000, seed=2)
    assert abs(np.corrcoef(first_NC[:, 0], second_NC[:, 0])[0, 1]) < 0.1


@pytest.mark.parametrize("band_hz", [(7000.0, 250.0), (500.0, 500.0), (30_000.0, 90_000.0)])
def test_an_empty_band_is_refused(band_hz):
    with pytest.raises(ValueError, match="is empty"):
        impulse_response(low_cut_hz=band_hz[0], high_cut_hz=band_hz[1])
