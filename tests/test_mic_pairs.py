"""Delays and polarities between microphones, against signals whose delay is known by construction."""

import numpy as np
import pytest
import soundfile

from mixcli.audio.files import read_info
from mixcli.songs import cores, mic_pairs
from mixcli.songs.cross_spectra import SpectraRequest, gather_spectra, segment_length
from mixcli.songs.mic_pairs import PairCandidate, PairMeasurement, measure_pairs
from mixcli.songs.segment_spectra import Signal
from mixcli.songs.song import Song, Stem
from mixcli.songs.survey import survey_song

RATE = 16_000
BAND_HZ = (60.0, 5000.0)


@pytest.fixture
def measure(tmp_path):
    """Write two stems [T] or [T, C] and measure the second against the first."""

    def call(first, second, *, limit_ms=10.0, rates=(RATE, RATE), channels=(None, None), reverse=False):
        stems = []
        for name, audio, rate in zip(("a.wav", "b.wav"), (first, second), rates, strict=True):
            soundfile.write(tmp_path / name, audio.astype(np.float32), rate, subtype="FLOAT")
            info = read_info(tmp_path / name)
            stems.append(Stem(name=name, files=(info,), role="other", role_from="name"))
        song = Song(name="song", folder=tmp_path, stems=tuple(stems))
        signals = [Signal(name, channel) for name, channel in zip(("a.wav", "b.wav"), channels, strict=True)]
        if reverse:
            signals.reverse()
        candidate = PairCandidate(
            first=signals[0],
            second=signals[1],
            lowest_ms=-limit_ms,
            highest_ms=limit_ms,
            lag_band_hz=BAND_HZ,
            polarity_band_hz=(100.0, 1000.0),
        )
        return measure_pairs(song, survey_song(song, RATE), [candidate]).of(*signals)

    return call


def coloured(rng, seconds=4.0):
    """Noise that falls by 3 dB per octave, as music does."""
    n = round(seconds * RATE)
    spectrum = np.fft.rfft(rng.standard_normal(n)) / np.sqrt(np.arange(n // 2 + 1) + 1.0)
    signal = np.fft.irfft(spectrum, n)
    return 0.1 * signal / signal.std()


def delayed(signal, samples):
    """The signal later by any fraction of a sample, exactly, as one turn of its (periodic) spectrum."""
    n = len(signal)
    return np.fft.irfft(np.fft.rfft(signal) * np.exp(-2j * np.pi * np.arange(n // 2 + 1) * samples / n), n)


def in_samples(lag):
    return lag.delay_ms * RATE / 1000


@pytest.mark.parametrize("samples", [0.0, 0.37, -5.81, 47.25, -130.6])
@pytest.mark.parametrize("polarity", [1, -1])
def test_fractional_delays_and_polarities_are_found_to_a_tenth_of_a_sample(measure, rng, samples, polarity):
    played = coloured(rng)
    noise = 0.01 * rng.standard_normal(len(played))  # 20 dB below, and another noise in either
    measured = measure(played + noise, polarity * delayed(played, samples) + noise[::-1])
    found, other = (
        (measured.upright, measured.inverted) if polarity > 0 else (measured.inverted, measured.upright)
    )
    assert in_samples(found) == pytest.approx(samples, abs=0.1)
    assert found.share > 0.8
    assert found.agreement > 0.95
    assert other.share < 0.5 * found.share


def test_a_filter_without_a_delay_of_its_own_changes_no_lag(measure, rng):
    """A symmetric filter, 2 ms later: a wide bump of 12 dB and a fall above 2 kHz."""
    played = coloured(rng)
    frequencies = np.fft.rfftfreq(len(played), 1 / RATE)
    gain = (1 + 3 * np.exp(-((np.log2(np.maximum(frequencies, 1) / 400)) ** 2))) / (
        1 + (frequencies / 2000) ** 2
    )
    filtered = np.fft.irfft(np.fft.rfft(delayed(played, 32.5)) * gain, len(played))
    measured = measure(played, filtered + 1e-4 * rng.standard_normal(len(played)))
    assert in_samples(measured.upright) == pytest.approx(32.5, abs=0.1)


def test_what_only_one_of_them_hears_moves_nothing(measure, rng):
    """As loud as the common sound in all, and ten times as loud above 3 kHz."""
    played, own = coloured(rng), coloured(rng)
    bright = np.fft.rfft(own)
    bright[np.fft.rfftfreq(len(own), 1 / RATE) > 3000] *= 10
    second = delayed(played, 20.0) + np.fft.irfft(bright, len(own))
    assert in_samples(measure(played, second).upright) == pytest.approx(20.0, abs=0.3)


def test_the_other_way_round_the_delay_is_the_opposite(measure, rng):
    played = coloured(rng)
    second = -delayed(played, 12.3) + 0.02 * rng.standard_normal(len(played))
    there, back = measure(played, second), measure(played, second, reverse=True)
    assert in_samples(there.inverted) == pytest.approx(-in_samples(back.inverted), abs=1e-2)
    assert there.inverted.share == pytest.approx(back.inverted.share, abs=1e-3)
    assert there.correlation == pytest.approx(back.correlation, abs=1e-6)


def test_two_channels_are_heard_apart(measure, rng):
    left, right = coloured(rng), coloured(rng)
    stereo = np.column_stack([delayed(left, 5.0), right])
    assert in_samples(measure(left, stereo, channels=(None, 0)).upright) == pytest.approx(5.0, abs=0.1)
    assert measure(left, stereo, channels=(None, 1)).upright.share < 0.3


def test_stems_of_different_rates_meet_at_the_rate_of_the_mix(measure, rng):
    soxr = pytest.importorskip("soxr")
    played = coloured(rng)
    faster = soxr.resample(played, RATE, 24_000, quality="VHQ")
    measured = measure(played, faster, rates=(RATE, 24_000))
    assert in_samples(measured.upright) == pytest.approx(0.0, abs=0.1)


def test_signals_with_nothing_in_common_have_no_lag(measure, rng):
    for _ in range(3):
        measured = measure(coloured(rng), coloured(rng))
        assert max(measured.upright.share, measured.inverted.share) < 0.3
        assert measured.coherence < 0.1
        assert abs(measured.correlation) < 0.2


def test_silence_and_stems_that_never_sound_together_say_nothing(measure, rng):
    played = coloured(rng)
    half = len(played) // 2
    early, late = played.copy(), played.copy()
    early[half - RATE :], late[: half + RATE] = 0, 0
    assert measure(early, late) == PairMeasurement()
    assert measure(played, np.zeros(len(played))) == PairMeasurement()
    assert measure(played[:1000], played[:1000]) == PairMeasurement()


def test_no_more_is_read_than_is_needed_and_what_is_left_out_changes_nothing(measure, rng, monkeypatch):
    played = coloured(rng, 10.0)
    second = delayed(played, -7.7) + 0.01 * rng.standard_normal(len(played))
    whole = measure(played, second)
    monkeypatch.setattr(mic_pairs, "ENOUGH_S", 3.0)
    part = measure(played, second)
    assert part.n_segments == 3 * RATE // (segment_length(RATE) // 2) < whole.n_segments
    assert in_samples(part.upright) == pytest.approx(in_samples(whole.upright), abs=0.05)


def test_the_averaged_spectra_are_those_of_a_plain_computation(tmp_path, rng):
    signals = {"a.wav": 0.1 * rng.standard_normal((9000, 2)), "b.wav": 0.1 * rng.standard_normal((9000, 1))}
    stems = []
    for name, audio in signals.items():
        soundfile.write(tmp_path / name, audio, RATE, subtype="DOUBLE")
        stems.append(Stem(name=name, files=(read_info(tmp_path / name),), role="other", role_from="name"))
    song = Song(name="song", folder=tmp_path, stems=tuple(stems))
    numbers = {1, 2, 4}
    request = SpectraRequest(Signal("a.wav"), Signal("b.wav", 0), (500.0, 2000.0), frozenset(numbers))
    (spectrum,) = gather_spectra(song, RATE, [request])
    segment = segment_length(RATE)
    bins = np.fft.rfftfreq(segment, 1 / RATE)
    band = (bins >= 500) & (bins <= 2000)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(segment) / segment)
    cross = 0
    for number in numbers:
        part = slice(number * segment // 2, number * segment // 2 + segment)
        spectra = []
        for signal in (signals["a.wav"].sum(axis=1), signals["b.wav"][:, 0]):
            one = np.fft.rfft(window[: len(signal[part])] * signal[part], segment)[band]
            spectra.append(one / np.linalg.norm(one))
        cross = cross + np.conj(spectra[0]) * spectra[1]
    assert spectrum.n_segments == 3
    assert spectrum.frequencies_hz == pytest.approx(bins[band])
    assert spectrum.cross_F == pytest.approx(cross, abs=1e-6)


def test_processes_change_no_bit_of_the_spectra(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(cores, "WORTH_A_PROCESS_S", 1.0)
    stems = []
    for number in range(5):
        name = f"{number}.wav"
        soundfile.write(tmp_path / name, 0.1 * rng.standard_normal((8 * RATE, 1 + number % 2)), RATE)
        stems.append(Stem(name=name, files=(read_info(tmp_path / name),), role="other", role_from="name"))
    song = Song(name="song", folder=tmp_path, stems=tuple(stems))
    pairs = [
        ("0.wav", "3.wav"),
        ("3.wav", "1.wav"),
        ("4.wav", "0.wav"),
        ("1.wav", "4.wav"),
        ("2.wav", "4.wav"),
    ]
    requests = [
        SpectraRequest(
            Signal(first),
            Signal(second, 0 if number % 2 else None),
            (100.0, 2000.0 + 1000 * (number % 2)),
            frozenset(rng.integers(0, 80, 30).tolist()),
        )
        for number, (first, second) in enumerate(pairs)
    ]
    one, many = (gather_spectra(song, RATE, requests, processes=processes) for processes in (1, 3))
    for alone, shared in zip(one, many, strict=True):
        assert alone.n_segments == shared.n_segments > 10
        assert np.array_equal(alone.cross_F, shared.cross_F)
        assert np.array_equal(alone.first_power_F, shared.first_power_F)
        assert np.array_equal(alone.second_power_F, shared.second_power_F)
