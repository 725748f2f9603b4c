"""Masking between stems, against closed forms and a slow second implementation."""

import math

import numpy as np
import pytest

from mixcli.measures.masking import (
    BANDS,
    MEASURES,
    MaskingDescription,
    describe_masking,
    masked_shares,
    masking,
    spreading,
)

RATE = 44_100


def tone(frequency_hz, seconds=2.0, level=0.1):
    time_s = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)[:, None]


def noise_between(rng, low_hz, high_hz, seconds=2.0):
    spectrum = np.fft.rfft(rng.standard_normal(round(seconds * RATE)))
    hz = np.fft.rfftfreq(round(seconds * RATE), 1 / RATE)
    spectrum[(hz < low_hz) | (hz >= high_hz)] = 0
    noise_T = np.fft.irfft(spectrum)
    return (0.1 * noise_T / noise_T.std()).astype(np.float32)[:, None]


def test_every_key_has_its_measure(rng):
    described = describe_masking([tone(1000), tone(3000)], RATE)
    assert set(masking(described, [0, 0], [True, False])) == {each.key for each in MEASURES}


def test_two_tones_far_apart_hide_nothing_of_each_other():
    described = describe_masking([tone(350), tone(4800)], RATE)
    assert masked_shares(described, [0.0, 0.0]) == pytest.approx([0.0, 0.0], abs=0.1)


@pytest.mark.parametrize("band", [8, 15])
def test_a_tone_far_under_noise_in_its_band_is_hidden_and_leaves_the_noise_alone(rng, band):
    low_hz, high_hz = BANDS[band]
    noise_TC = noise_between(rng, low_hz, high_hz)
    tone_TC = tone((low_hz + high_hz) / 2, level=0.1 * math.sqrt(2) * 10 ** (-30 / 20))
    shares = masked_shares(describe_masking([tone_TC, noise_TC], RATE), [0.0, 0.0])
    assert shares[0] > 99.0
    assert shares[1] < 1.0


def test_a_tone_above_the_noise_in_its_band_is_heard(rng):
    noise_TC = noise_between(rng, *BANDS[8])
    described = describe_masking([tone(1170, level=0.1 * math.sqrt(2)), noise_TC], RATE)
    assert masked_shares(described, [3.0, 0.0])[0] < 30.0


def test_the_louder_a_stem_is_the_less_of_it_is_hidden(rng):
    stems = [noise_between(rng, 200, 4000) * np.float32(rng.uniform(0.5, 1.0)) for _ in range(3)]
    described = describe_masking(stems, RATE)
    ladder = [
        masked_shares(described, [level_db, 0.0, 0.0]) for level_db in (-40, -20, -10, -5, 0, 5, 10, 20)
    ]
    own, other = [shares[0] for shares in ladder], [shares[1] for shares in ladder]
    assert own == sorted(own, reverse=True)
    assert other == sorted(other)
    assert own[0] == 100.0
    assert own[-1] < 1.0


def test_the_level_of_everything_makes_no_difference(rng):
    described = describe_masking([noise_between(rng, 100, 3000), noise_between(rng, 500, 9000)], RATE)
    assert masked_shares(described, [0.0, -6.0]) == pytest.approx(masked_shares(described, [20.0, 14.0]))


def test_spreading_follows_schroeder_and_keeps_an_even_sound():
    threshold_BB = spreading()
    assert threshold_BB.sum(axis=0) == pytest.approx([10 ** (-5.5 / 10)] * len(BANDS))
    # Slopes of 10 dB per Bark upwards and 25 dB per Bark downwards, far from the masker.
    level_db = 10 * np.log10(threshold_BB * np.exp(0))
    middle = len(BANDS) // 2
    assert level_db[middle, middle + 9] - level_db[middle, middle + 8] == pytest.approx(-10, abs=0.3)
    assert level_db[middle, middle - 8] - level_db[middle, middle - 7] == pytest.approx(-25, abs=0.3)


def test_shares_equal_a_plain_implementation(rng):
    energy_SMB = (10 ** rng.uniform(-9, 0, (4, 30, len(BANDS)))).astype(np.float32)
    levels_db = [0.0, -12.5, 7.0, math.nan]
    shares = masked_shares(MaskingDescription(energy_SMB), levels_db)
    threshold_BB = spreading()
    for stem in range(3):
        hidden = total = 0.0
        loudest = float(energy_SMB[stem].max())
        for frame in range(30):
            for band in range(len(BANDS)):
                own = float(energy_SMB[stem, frame, band])
                if own < loudest * 1e-6:
                    continue
                threshold = sum(
                    float(energy_SMB[other, frame, source])
                    * 10 ** (levels_db[other] / 10)
                    * threshold_BB[source, band]
                    for other in range(3)
                    if other != stem
                    for source in range(len(BANDS))
                )
                weight = (own / loudest) ** 0.23
                total += weight
                hidden += weight * (own * 10 ** (levels_db[stem] / 10) < threshold)
        assert shares[stem] == pytest.approx(100 * hidden / total)
    assert math.isnan(shares[3])


def test_band_energies_agree_with_scipy(rng):
    from scipy.signal import stft

    stem_TC = rng.standard_normal((RATE, 2)).astype(np.float32)
    found_MB = describe_masking([stem_TC], RATE).energy_SMB[0]
    frequencies, _, spectrum = stft(stem_TC.T, RATE, nperseg=2048, noverlap=1024, boundary=None, padded=False)
    power = (np.abs(spectrum) ** 2).sum(axis=0)
    expected = [power[(frequencies >= low) & (frequencies < high)].sum(axis=0) for low, high in BANDS]
    assert found_MB == pytest.approx(np.array(expected).T, rel=1e-3)


def test_means_are_over_the_stems_there_are_and_over_the_lead(rng):
    silent_TC = np.zeros((RATE, 1), np.float32)
    stems = [noise_between(rng, 300, 3000), noise_between(rng, 300, 3000, 1.5), tone(1000), silent_TC]
    described = describe_masking(stems, RATE)
    levels_db = [0.0, -9.0, math.nan, 0.0]
    shares = masked_shares(described, levels_db)
    assert [math.isnan(share) for share in shares] == [False, False, True, True]
    values = masking(described, levels_db, [False, True, True, False])
    assert values["masked_share"] == pytest.approx((shares[0] + shares[1]) / 2)
    assert values["lead_masked_share"] == pytest.approx(shares[1])


def test_without_stems_or_lead_there_is_no_value():
    described = describe_masking([tone(1000)], RATE)
    assert math.isnan(masking(described, [0.0], [False])["lead_masked_share"])
    assert masking(described, [0.0], [True]) == {"masked_share": 0.0, "lead_masked_share": 0.0}
    assert all(math.isnan(value) for value in masking(described, [math.nan], [True]).values())
    assert all(math.isnan(value) for value in masking(describe_masking([], RATE), [], []).values())


@pytest.mark.parametrize("rate", [8000, 48000, 96000])
def test_any_rate_and_length_is_taken(rng, rate):
    stems = [rng.standard_normal((n, 2)).astype(np.float32) for n in (20, 100, rate // 3)]
    described = describe_masking(stems, rate)
    assert np.isfinite(masked_shares(described, [0.0, 0.0, 0.0])).all()
