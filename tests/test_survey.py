"""The survey of a song's stems, against signals whose measures are known and against other meters."""

import hashlib
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import soundfile

from mixcli.audio.loudness import LoudnessMeter
from mixcli.errors import SongError
from mixcli.process_streams import open_stream
from mixcli.songs import cores
from mixcli.songs.discovery import DiscoveryOptions, read_song
from mixcli.songs.stem_meters import BAND_EDGES_HZ, BandMeter, HopMeter, PeakMeter
from mixcli.songs.stem_sound import StemSound
from mixcli.songs.survey import select_stems, survey_song
from mixcli.songs.third_octaves import CENTRES_HZ

RATE = 8_000


@pytest.fixture
def song(tmp_path):
    """Writes stems (name -> samples [T] or [T, C]) and reads the song."""

    def make(stems, *, rate=RATE, subtype="FLOAT", options=DiscoveryOptions(allow_single=True)):  # noqa: B008
        for name, samples in stems.items():
            soundfile.write(tmp_path / name, samples, rate, subtype=subtype)
        return read_song(tmp_path, options)

    return make


def noise(rng, n_samples, *channels):
    return (0.1 * rng.standard_normal((n_samples, *channels))).astype(np.float32)


def sine(frequency_hz, n_samples, rate=RATE, amplitude=0.5):
    return (amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(n_samples) / rate)).astype(np.float32)


def test_loudness_is_that_of_two_independent_meters_with_mono_in_both_channels(song, rng):
    pyebur128 = pytest.importorskip("pyebur128", reason="no wheel for this Python")
    pyloudnorm = pytest.importorskip("pyloudnorm")
    rate = 48_000
    swell = np.linspace(0.01, 1.0, 3 * rate)
    stems = {"Bass.wav": (noise(rng, 3 * rate) * swell).astype(np.float32)}
    stems["Keys.wav"] = (noise(rng, 3 * rate, 2) * swell[:, None]).astype(np.float32)
    survey = survey_song(song(stems, rate=rate), rate)
    for name, samples in stems.items():
        stereo = np.column_stack([samples, samples]) if samples.ndim == 1 else samples
        meter = pyebur128.R128State(2, rate, pyebur128.MeasurementMode.MODE_I)
        meter.add_frames(stereo.astype(np.float64).ravel(), len(stereo))
        assert survey.stems[name].loudness_lufs == pytest.approx(
            pyebur128.get_loudness_global(meter), abs=0.01
        )
        reference = pyloudnorm.Meter(rate, filter_class="DeMan").integrated_loudness(
            stereo.astype(np.float64)
        )
        assert survey.stems[name].loudness_lufs == pytest.approx(reference, abs=0.01)


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 192_000])
def test_hops_are_those_of_the_recursive_filter_and_no_cut_changes_a_bit(rng, rate):
    samples = noise(rng, 100_003, 2)
    samples[20_000:70_000] = 0
    whole, cut, recursive = HopMeter(rate, 2), HopMeter(rate, 2), LoudnessMeter(rate, 2)
    whole.push(samples)
    recursive.push(samples)
    borders = [0, *sorted(rng.integers(0, len(samples), 40)), len(samples)]
    for start, stop in pairwise(borders):
        cut.push(samples[start:stop], silent=not samples[start:stop].any())
    hops, expected = whole.finish(), recursive.hop_energies()
    assert np.array_equal(cut.finish(), hops)
    assert hops == pytest.approx(expected, rel=1e-6, abs=1e-14)


def test_processes_change_no_bit(song, rng, monkeypatch):
    monkeypatch.setattr(cores, "WORTH_A_PROCESS_S", 1.0)
    stems = {f"{index}.wav": noise(rng, 70_000 - 999 * index, 1 + index % 2) for index in range(40)}
    found = song(stems)
    opened = []

    def spy(*arguments, apart):
        opened.append(apart)
        return open_stream(*arguments, apart=apart)

    monkeypatch.setattr("mixcli.songs.survey.open_stream", spy)
    one, many = (survey_song(found, RATE, processes=processes) for processes in (1, 4))
    assert opened == [False, *[True] * 4]
    assert np.array_equal(one.gram_NN, many.gram_NN)
    for name, stem in one.stems.items():
        other = many.stems[name]
        assert np.array_equal(stem.hop_energies, other.hop_energies)
        assert np.array_equal(stem.hop_peaks, other.hop_peaks)
        plain, other = (replace(one, hop_energies=None, hop_peaks=None) for one in (stem, other))
        assert plain == other


@pytest.mark.parametrize("processes", [1, 2])
def test_stems_that_fail_on_the_way_leave_the_others_as_they_are_alone(song, rng, monkeypatch, processes):
    monkeypatch.setattr(cores, "WORTH_A_PROCESS_S", 1.0)
    stems = {f"{index}.wav": noise(rng, 200_000 - 20_000 * index, 1 + index % 2) for index in range(8)}
    whole = song(stems)
    bad = {"1.wav": 150_000, "4.wav": 70_000, "5.wav": 10}  # a sample that is not a number: in which block
    for name, at in bad.items():
        stems[name] = stems[name].copy()
        stems[name].reshape(len(stems[name]), -1)[at] = np.nan
    found = song(stems)
    with pytest.raises(SongError, match=r"1\.wav.*4\.wav.*5\.wav") as refused:
        survey_song(found, RATE, processes=processes)
    assert refused.value.code == "E314"
    survey = survey_song(found, RATE, processes=processes, skip_bad=True)
    assert set(survey.broken) == set(bad)
    rest = replace(whole, stems=tuple(stem for stem in whole.stems if stem.name not in bad))
    alone = survey_song(rest, RATE)
    assert list(survey.stems) == list(alone.stems)
    assert survey.n_samples == alone.n_samples
    assert survey.gram_NN == pytest.approx(alone.gram_NN, abs=1e-4)
    for name, stem in alone.stems.items():
        assert np.array_equal(survey.stems[name].hop_energies, stem.hop_energies)


def test_hops_hold_the_mean_square_of_a_tone(song):
    # The K filter is flat and 0.691 dB up at 997 Hz (BS.1770: full scale reads -3.01 LKFS in one channel).
    rate = 48_000
    survey = survey_song(song({"Keys.wav": sine(997, rate, rate, 1.0)}, rate=rate), rate)
    hops = survey.stems["Keys.wav"].hop_energies
    assert hops.dtype == np.float32
    assert len(hops) == 10
    assert hops[2:] == pytest.approx(2 * 0.5 * 10 ** (0.691 / 10), rel=3e-3)


def test_peak_dc_and_active_share_are_those_of_the_signal(song, rng):
    samples = np.zeros(2 * RATE, np.float32)
    samples[: RATE // 2] = sine(500, RATE // 2, amplitude=0.25)
    samples[10] = -0.5
    survey = survey_song(song({"Keys.wav": samples, "Bass.wav": samples + np.float32(0.01)}), RATE)
    keys = survey.stems["Keys.wav"]
    assert keys.peak_dbfs == pytest.approx(20 * math.log10(0.5))
    assert keys.active_fraction == pytest.approx(0.25, abs=0.051)
    assert keys.dc == pytest.approx(abs(float(samples.mean())), abs=1e-6)
    assert survey.stems["Bass.wav"].dc == pytest.approx(float(samples.mean()) + 0.01, abs=1e-6)


def test_band_energies_of_noise_are_those_of_one_long_transform(song, rng):
    rate = 32_000
    samples = noise(rng, 2 * rate, 2) * np.float32([1.0, 0.5])
    measured = survey_song(song({"Keys.wav": samples}, rate=rate), rate).stems["Keys.wav"]
    frequencies = np.fft.rfftfreq(len(samples), 1 / rate)
    mid, side = (samples[:, 0] + samples[:, 1]) / 2, (samples[:, 0] - samples[:, 1]) / 2
    for signal, energies in ((mid, measured.mid_energy), (side, measured.side_energy)):
        power = np.abs(np.fft.rfft(signal.astype(np.float64))) ** 2 * 2 / len(samples)
        for (low, high), energy in zip(BAND_EDGES_HZ, energies, strict=True):
            expected = power[(frequencies >= low) & (frequencies < high)].sum()
            # Noise: the estimate varies with one over the root of bandwidth times duration.
            assert energy == pytest.approx(expected, rel=0.15 if high <= 200 else 0.05)


def test_thirds_of_an_octave_of_noise_are_those_of_one_long_transform(song, rng):
    rate = 44_100
    samples = noise(rng, 20 * rate, 2) * np.float32([1.0, 0.5])
    measured = survey_song(song({"Keys.wav": samples}, rate=rate), rate).stems["Keys.wav"].third_octaves
    assert len(measured) == 30
    frequencies = np.fft.rfftfreq(len(samples), 1 / rate)
    mid, side = (samples[:, 0] + samples[:, 1]) / 2, (samples[:, 0] - samples[:, 1]) / 2
    power = sum(np.abs(np.fft.rfft(one.astype(np.float64))) ** 2 * 2 / len(one) for one in (mid, side))
    for k, energy in zip(range(-16, 14), measured, strict=True):
        inside = (frequencies >= 1_000 * 2 ** ((k - 0.5) / 3)) & (frequencies < 1_000 * 2 ** ((k + 0.5) / 3))
        # Noise: windows cut it up, and the estimates differ by one over the root of the number of bins.
        assert energy == pytest.approx(power[inside].sum(), rel=1.5 / math.sqrt(inside.sum()))


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
def test_a_tone_gives_its_whole_energy_to_its_third_of_an_octave(song, rate):
    n_samples = 6 * rate
    tones = {k: 1_000 * 2 ** (k / 3) for k in (-16, -12, -9, -5, -4, -1, 5, 8, 13)}
    stems = {f"{k}.wav": sine(frequency, n_samples, rate) for k, frequency in tones.items()}
    stems |= {"silent rest.wav": np.concatenate([sine(50, n_samples, rate), np.zeros(n_samples, np.float32)])}
    measured = survey_song(song(stems, rate=rate), rate).stems
    for k, frequency in tones.items():
        energies = measured[f"{k}.wav"].third_octaves
        if frequency < rate / 2:
            assert energies[k + 16] == pytest.approx(0.5**2 / 2 * n_samples, rel=0.02)
            far = [energy for other, energy in enumerate(energies) if abs(other - k - 16) > 3]
            assert max(far) < 1e-3 * energies[k + 16]
    assert measured["silent rest.wav"].third_octaves[3] == pytest.approx(0.5**2 / 2 * n_samples, rel=0.02)
    for centre, energy in zip(CENTRES_HZ, measured["-4.wav"].third_octaves, strict=True):
        if centre * 2 ** (-1 / 6) > rate / 2:
            assert energy == 0


@pytest.mark.parametrize("n_samples", [300, 800, 70_003])
def test_hop_peaks_are_those_of_a_plain_loop(song, rng, n_samples):
    stems = {"Bass.wav": noise(rng, n_samples), "Keys.wav": noise(rng, n_samples, 2)}
    stems["Keys.wav"][n_samples // 3 : n_samples // 2] = 0
    measured = survey_song(song(stems), RATE).stems
    for name, samples in stems.items():
        wide = samples.reshape(n_samples, -1)
        n_hops = max(1, n_samples // 800)
        expected = [np.abs(wide[index * 800 : (index + 1) * 800]).max() for index in range(n_hops)]
        assert measured[name].hop_peaks.dtype == np.float32
        assert measured[name].hop_peaks.tolist() == expected
        assert len(expected) == len(measured[name].hop_energies)


@pytest.mark.parametrize("n_channels", [1, 2])
def test_no_cut_into_blocks_changes_a_bit_of_bands_and_peaks(rng, n_channels):
    samples = noise(rng, 100_003, n_channels)
    borders = [0, *sorted(rng.integers(0, len(samples), 40)), len(samples)]
    found = []
    for cuts in (borders, [0, len(samples)]):
        bands, peaks = BandMeter(RATE, n_channels), PeakMeter(RATE, n_channels)
        for start, stop in pairwise(cuts):
            bands.push(samples[start:stop])
            peaks.push(samples[start:stop])
        found.append((bands.finish(), bands.third_octaves(), peaks.finish().tolist()))
    assert found[0] == found[1]


def test_a_loud_bass_leaves_the_upper_bands_empty(song):
    rate = 48_000
    samples = sine(53.3, 3 * rate, rate) * np.hanning(3 * rate).astype(np.float32)
    measured = survey_song(song({"Bass.wav": samples}, rate=rate), rate).stems["Bass.wav"]
    energy = float((samples.astype(float) ** 2).sum())
    assert 10 * math.log10(measured.mid_energy[4] / energy) < -80
    assert measured.side_energy == (0.0,) * 5


def test_a_tone_lies_in_its_band_with_its_whole_energy(song):
    measured = survey_song(song({"Keys.wav": sine(1_000, 4 * RATE)}), RATE).stems["Keys.wav"]
    assert measured.mid_energy[2] == pytest.approx(0.5**2 / 2 * 4 * RATE, rel=0.02)
    assert sum(measured.mid_energy) == pytest.approx(measured.mid_energy[2], rel=0.02)


def test_the_inner_products_are_those_of_the_samples(song, rng):
    stems = {"Bass.wav": noise(rng, 70_000), "Keys.wav": noise(rng, 66_000, 2), "Vox.wav": noise(rng, 500, 2)}
    survey = survey_song(song(stems), RATE)
    whole = np.zeros((70_000, 5))
    for name, samples in stems.items():
        whole[: len(samples), survey.channels[name]] = samples.reshape(len(samples), -1)
    scale = np.sqrt(np.outer(*[np.diag(whole.T @ whole)] * 2))
    assert np.abs((survey.gram_NN - whole.T @ whole) / scale).max() < 1e-6
    bass, keys = (
        whole[:, survey.channels["Bass.wav"]].mean(axis=1),
        whole[:, survey.channels["Keys.wav"]].mean(axis=1),
    )
    expected = bass @ keys / math.sqrt((bass @ bass) * (keys @ keys))
    assert survey.correlation("Bass.wav", "Keys.wav") == pytest.approx(expected, abs=1e-6)
    assert survey.correlation("Keys.wav", "Keys.wav") == pytest.approx(1.0)
    assert survey.energy("Vox.wav") == pytest.approx(
        float((stems["Vox.wav"].astype(float) ** 2).sum()), rel=1e-6
    )


def test_the_inner_products_of_many_stems_are_right_in_every_corner(song, rng):
    stems = {f"{index}.wav": noise(rng, 200, 2) for index in range(60)}
    survey = survey_song(song(stems), RATE)
    whole = np.concatenate([stems[name] for name in survey.stems], axis=1).astype(np.float64)
    assert survey.gram_NN == pytest.approx(whole.T @ whole, abs=1e-5)


def test_some_of_the_stems_keep_their_own_inner_products(song, rng):
    stems = {"Bass.wav": noise(rng, 900, 2), "Keys.wav": noise(rng, 900), "Vox.wav": noise(rng, 900, 2)}
    survey = survey_song(song(stems), RATE)
    some = select_stems(survey, ["Vox.wav", "Bass.wav"])
    assert list(some.stems) == ["Vox.wav", "Bass.wav"]
    assert some.gram_NN.shape == (4, 4)
    assert some.energy("Vox.wav") == survey.energy("Vox.wav")
    assert some.correlation("Vox.wav", "Bass.wav") == survey.correlation("Vox.wav", "Bass.wav")


def test_digests_know_the_sound_and_not_the_container(song, tmp_path, rng):
    samples = (np.round(noise(rng, 3_000, 2) * 2**15) / 2**15 + 0.0).astype(np.float32)  # no -0.0
    stems = {"a.wav": samples, "b.flac": samples, "c.wav": samples[::-1]}
    found = song(stems, subtype="PCM_16")
    soundfile.write(tmp_path / "d.wav", samples, RATE, subtype="PCM_24")
    survey = survey_song(read_song(found.folder), RATE)
    digests = {name: stem.digest for name, stem in survey.stems.items()}
    assert digests["a.wav"] == digests["b.flac"] == digests["d.wav"] != digests["c.wav"]
    assert digests["a.wav"] == hashlib.sha256(f"{RATE} 2".encode() + samples.tobytes()).hexdigest()


def test_clipped_runs_are_counted_in_integer_files_only(song, tmp_path):
    samples = sine(100, 70_000, amplitude=0.5)
    samples[1_000:1_003] = 1.0  # a run
    samples[2_000:2_002] = 1.0  # too short
    samples[3_000:3_050] = -1.0  # one run
    samples[65_530:65_545] = 1.0  # one run over the border of two blocks
    samples[4_000:4_002], samples[4_002:4_004] = 1.0, -1.0  # two short ones of either sign
    found = song({"Bass.wav": samples}, subtype="PCM_16")
    assert survey_song(found, RATE).stems["Bass.wav"].clipped_runs == 3
    found = song({"Bass.wav": samples}, subtype="FLOAT")
    assert survey_song(found, RATE).stems["Bass.wav"].clipped_runs == 0


def test_dual_mono_and_silence_are_seen(song, rng):
    mono = noise(rng, 3_000)
    wide = np.column_stack([mono, mono])
    wide[2_999, 1] += 0.001
    stems = {"a.wav": np.column_stack([mono, mono]), "b.wav": wide, "c.wav": mono}
    stems |= {"d.wav": np.zeros((3_000, 2), np.float32), "e.wav": mono * np.float32(1e-4)}
    measured = survey_song(song(stems), RATE).stems
    assert [stem.dual_mono for stem in measured.values()] == [True, False, False, False, False]
    assert [stem.silent for stem in measured.values()] == [False, False, False, True, True]
    assert measured["d.wav"].peak_dbfs == -math.inf
    assert measured["d.wav"].loudness_lufs == -math.inf


def test_a_rest_of_any_length_leaves_the_measures_as_they_are(song, rng):
    samples = noise(rng, 70_000)
    samples[:8_000] = samples[18_000:] = 0  # whole hops
    found = song({"Bass.wav": samples, "Keys.wav": np.concatenate([np.zeros(160_000, np.float32), samples])})
    bass, keys = survey_song(found, RATE).stems.values()
    assert keys.loudness_lufs == pytest.approx(bass.loudness_lufs, abs=1e-6)
    assert keys.mid_energy == pytest.approx(bass.mid_energy, rel=0.1)
    assert len(keys.hop_energies) == (160_000 + 70_000) // 800


def test_stems_of_other_rates_are_surveyed_at_the_rate_of_the_mix(song, tmp_path):
    found = song({"Keys.wav": sine(400, 2 * RATE)})
    soundfile.write(tmp_path / "Bass.wav", sine(400, 2 * 11_025, 11_025), 11_025, subtype="FLOAT")
    survey = survey_song(read_song(found.folder), RATE)
    assert survey.n_samples == 2 * RATE
    assert survey.correlation("Keys.wav", "Bass.wav") == pytest.approx(1.0, abs=1e-3)
    assert survey.stems["Bass.wav"].loudness_lufs == pytest.approx(
        survey.stems["Keys.wav"].loudness_lufs, abs=0.01
    )


def test_all_damaged_stems_are_told_in_one_error(song, rng):
    bad = noise(rng, 3_000, 2)
    bad[[100, 2_000]] = np.nan
    stems = {"Bass.wav": noise(rng, 3_000), "Keys.wav": bad, "Vox.wav": bad[:, 0]}
    found = song(stems)
    with pytest.raises(SongError) as caught:
        survey_song(found, RATE)
    assert caught.value.code == "E314"
    assert caught.value.message.startswith("2 stems cannot be used: ")
    assert '"Keys.wav" has 2 invalid samples' in caught.value.message
    assert '"Vox.wav" has 2 invalid samples' in caught.value.message

    survey = survey_song(found, RATE, skip_bad=True)
    assert list(survey.stems) == ["Bass.wav"]
    assert sorted(survey.broken) == ["Keys.wav", "Vox.wav"]
    assert survey.gram_NN.shape == (1, 1)
    repaired = survey_song(found, RATE, repair=True)
    assert repaired.energy("Vox.wav") == pytest.approx(
        float(np.nansum(bad[:, 0].astype(float) ** 2)), rel=1e-6
    )


def test_progress_ends_at_the_length_of_the_song(song, rng):
    seen = []
    survey_song(song({"Bass.wav": noise(rng, 150_000)}), RATE, on_block=lambda *done: seen.append(done))
    assert seen == [(65_536, 150_000), (131_072, 150_000), (150_000, 150_000)]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length_of_the_song(song):
    import tracemalloc

    peaks = []
    for seconds in (60, 600):
        found = song(
            {"Bass.wav": np.tile(sine(100, RATE), seconds), "Keys.wav": np.tile(sine(300, RATE), seconds)}
        )
        tracemalloc.start()
        survey_song(found, RATE)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 2**20


def test_what_a_stem_sounds_like_is_gathered_only_where_no_name_says_its_role(song, rng):
    samples = noise(rng, 3 * RATE)
    survey = survey_song(song({"Kick.wav": samples, "qzx 7.wav": samples[::-1]}), RATE)
    assert survey.stems["Kick.wav"].sound == StemSound()
    assert survey.stems["qzx 7.wav"].sound.seconds == pytest.approx(3.0, abs=0.2)
