from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile
from dataset_trees import RATE, panned, sounds, write

from mixcli.audio.equaliser import response_db
from mixcli.models.settings import BUS_INPUTS, MixWaveUNetSettings, ModelSettings
from mixcli.training.prepare_dataset import DataOptions, prepare_dataset
from mixcli.training.prepare_inputs import hear_song
from mixcli.training.prepare_sources import find_sources
from mixcli.training.unmix import BENT_DB, change_blocks, draw_change, unmix_song
from mixcli.training.unmix_dynamics import BendDynamics
from mixcli.training.unmix_options import UnmixOptions

SHARED = Path(__file__).parents[1].parent / "shared" / "data" / "everything-is-free-stems"
SMALL = MixWaveUNetSettings(depth=1, channel_growth=2, bias=False)
BUSES = ModelSettings(inputs=BUS_INPUTS, outputs="residual", sample_rate=RATE, network=SMALL)
NOTHING = UnmixOptions(
    level_jitter_db=0, mono_share=0, width_db=0, balance_db=0, equaliser_db=0, dynamics=0, reverb_share=0
)
STEMS = {"Kick": "kick", "Bass": "bass", "Keys": "chords", "Lead Vox": "vocal"}


def with_options(**options):
    return UnmixOptions(**{**vars(NOTHING), **options})


@pytest.fixture
def source(tmp_path):
    """Songs of finished stems, without a mix: a mono bass, the rest stereo."""
    for seed, name in enumerate(("Ann - One", "Bob - Two")):
        for number, (file, key) in enumerate(STEMS.items()):
            samples = sounds(seed)[key]
            finished = samples if file == "Bass" else panned(samples, 0.2 * number - 0.3, -4.0)
            write(tmp_path / "songs" / name / f"{file}.wav", finished)
    return tmp_path / "songs"


def heard(source):
    found = find_sources([str(source)], DataOptions(wet_stems=True))
    return hear_song(found.songs[0].made_of.song, repair=False)


def unmixed(source, folder, options, *, seed=0, variant=1):
    """The samples of every stem of the first song, before and after."""
    song = heard(source)
    altered = unmix_song(song.song, song.measures, folder, options, seed=seed, variant=variant)
    return {
        stem.name: (
            soundfile.read(before.files[0].path, always_2d=True)[0],
            soundfile.read(stem.files[0].path, always_2d=True)[0],
        )
        for before, stem in zip(song.song.stems, altered.stems, strict=True)
    }


def test_with_everything_off_stems_are_brought_to_one_loudness_and_nothing_else(source, tmp_path):
    meter = pyloudnorm.Meter(RATE, filter_class="DeMan")
    for name, (before_TC, after_TC) in unmixed(source, tmp_path / "out", NOTHING).items():
        gain = np.vdot(before_TC, after_TC) / np.vdot(before_TC, before_TC)
        assert np.abs(after_TC - gain * before_TC).max() < 1e-6, name
        stereo_TC = after_TC if after_TC.shape[1] == 2 else np.repeat(after_TC, 2, axis=1)
        assert meter.integrated_loudness(stereo_TC) == pytest.approx(-25.0, abs=0.1), name


def test_roles_names_and_lengths_are_kept(source, tmp_path):
    song = heard(source)
    altered = unmix_song(song.song, song.measures, tmp_path / "out", UnmixOptions(), seed=1, variant=2)
    assert [(s.name, s.role, s.n_samples) for s in altered.stems] == [
        (s.name, s.role, s.n_samples) for s in song.song.stems
    ]


def test_the_same_seed_makes_the_same_stems_and_variants_differ(source, tmp_path):
    options = UnmixOptions(reverb_share=1.0)
    runs = [
        unmixed(source, tmp_path / str(number), options, seed=seed, variant=variant)
        for number, (seed, variant) in enumerate([(1, 1), (1, 1), (1, 2), (2, 1)])
    ]
    for name, (_, first_TC) in runs[0].items():
        assert np.array_equal(first_TC, runs[1][name][1])
        for other in runs[2:]:
            assert not np.array_equal(first_TC[:, 0], other[name][1][:, 0])


def test_folding_is_the_mean_of_both_sides(source, tmp_path):
    for before_TC, after_TC in unmixed(source, tmp_path / "out", with_options(mono_share=1.0)).values():
        assert after_TC.shape[1] == 1
        mono_T = before_TC.mean(axis=1)
        gain = np.vdot(mono_T, after_TC[:, 0]) / np.vdot(mono_T, mono_T)
        assert np.abs(after_TC[:, 0] - gain * mono_T).max() < 1e-6


def test_width_and_balance_are_those_that_were_drawn(source, rng):
    song = heard(source)
    stem = next(stem for stem in song.song.stems if stem.role == "vox.lead")
    options = with_options(width_db=6.0, balance_db=3.0)
    change = draw_change(stem, song.measures, options, seed=3, song="Song", variant=1)
    assert abs(change.width_db) <= 6
    assert 0 < abs(change.balance_db) <= 3
    sound_TC = rng.standard_normal((4_000, 2)).astype(np.float32)
    [changed_TC] = change_blocks(iter([sound_TC]), change, RATE, 2)
    tilt, gain = 10 ** (change.balance_db / 40), 10 ** (change.gain_db / 20)
    left_T, right_T = changed_TC[:, 0] / (gain * tilt), changed_TC[:, 1] / gain * tilt
    side_T = (sound_TC[:, 0] - sound_TC[:, 1]) * 10 ** (change.width_db / 20)
    assert np.allclose(left_T + right_T, sound_TC.sum(axis=1), atol=1e-5)
    assert np.allclose(left_T - right_T, side_T, atol=1e-5)


def test_the_spectrum_changes_by_the_bands_that_were_drawn(source):
    song = heard(source)
    stem = song.song.stems[0]
    change = draw_change(stem, song.measures, with_options(equaliser_db=6.0), seed=1, song="Song", variant=1)
    assert len(change.bands) == 3
    assert all(0 < abs(band.gain_db) <= 6 for band in change.bands)
    impulse_TC = np.zeros((16_384, 1), np.float32)
    impulse_TC[0] = 1
    [response_TC] = change_blocks(iter([impulse_TC]), change, RATE, 1)
    frequencies_hz = np.array([50.0, 200.0, 600.0, 1200.0, 2500.0, 3500.0])
    spectrum = np.abs(np.fft.rfft(response_TC[:, 0].astype(float)))
    found_db = 20 * np.log10(np.interp(frequencies_hz, np.fft.rfftfreq(16_384, 1 / RATE), spectrum))
    expected_db = response_db(change.bands, RATE, frequencies_hz) + change.gain_db
    assert np.abs(found_db - expected_db).max() < 0.05


@pytest.mark.parametrize(
    ("share", "away_db"), [(0.3, 10.0), (0.3, -10.0), (-0.25, 8.0), (-0.25, -8.0), (0.3, -90.0)]
)
def test_dynamics_bend_by_a_share_of_the_distance_from_the_level(share, away_db):
    """A steady square wave has its level at every moment, so its gain has a closed form."""
    level_db = -30.0
    sound_T = 10 ** ((level_db + away_db) / 20) * np.where(np.arange(2 * RATE) % 8 < 4, 1, -1)
    bend = BendDynamics(share, level_db, RATE, most_db=BENT_DB)
    bent_TC = bend.push(sound_T[:, None].astype(np.float32))
    gain_db = 20 * np.log10(np.abs(bent_TC[-100:, 0] / sound_T[-100:]))
    expected_db = np.clip(share * max(away_db, -45.0), -BENT_DB, BENT_DB)
    assert gain_db == pytest.approx(expected_db, abs=0.02)


def test_dynamics_do_not_depend_on_how_the_stream_is_cut(rng):
    sound_TC = (rng.standard_normal((5_000, 2)) * np.linspace(0.01, 0.5, 5_000)[:, None]).astype(np.float32)
    whole_TC = BendDynamics(0.3, -20.0, RATE, most_db=BENT_DB).push(sound_TC)
    bend = BendDynamics(0.3, -20.0, RATE, most_db=BENT_DB)
    parts = [bend.push(part_TC) for part_TC in np.split(sound_TC, [1, 79, 80, 81, 2_000, 2_000, 4_999])]
    assert np.array_equal(np.concatenate(parts), whole_TC)


def test_a_plate_has_its_level_re_the_stem(source, rng):
    song = heard(source)
    options = with_options(reverb_share=1.0, reverb_db=(-14.0, -14.0))
    change = draw_change(song.song.stems[0], song.measures, options, seed=1, song="Song", variant=1)
    sound_TC = rng.standard_normal((10 * RATE, 1)).astype(np.float32)
    [changed_TC] = change_blocks(iter([sound_TC]), change, RATE, 1)
    assert changed_TC.shape[1] == 2
    wet_TC = changed_TC / 10 ** (change.gain_db / 20) - sound_TC
    # unit energy counts over 22.05 kHz, and at this rate all of it lies below 4 kHz, as the noise does
    level_db = 10 * np.log10((wet_TC[4 * RATE :] ** 2).mean())
    assert level_db == pytest.approx(-14.0 + 10 * np.log10(22_050 / 4_000), abs=1.0)


def test_the_target_is_the_sum_of_the_stems_as_they_were(source, tmp_path):
    options = DataOptions(wet_stems=True, unmix=UnmixOptions(variants=2), validation=0.4, seed=1)
    items = list(prepare_dataset([str(source)], BUSES, options, tmp_path / "cache"))
    by_part = {part: [item for item in items if item.part == part] for part in ("train", "validation")}
    assert [item.name.rpartition("~")[2] for item in by_part["train"]] == ["1", "2"]
    assert [item.name.rpartition("~")[2] for item in by_part["validation"]] == ["1"]  # one is enough to judge
    one, two = by_part["train"]
    assert one.group == two.group
    assert not np.array_equal(one.inputs_KT, two.inputs_KT)
    assert np.array_equal(one.target_CT, two.target_CT)
    folder = source / one.name.rpartition("~")[0]
    expected_TC = sum(
        np.broadcast_to(soundfile.read(path, always_2d=True)[0], (16_000, 2)) for path in folder.glob("*.wav")
    )
    assert np.abs(one.target_CT.T - expected_TC).max() < 1e-6
    assert [path for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []  # nothing is left behind


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the excerpts are not here")
def test_finished_stems_in_ogg_become_training_songs(tmp_path):
    model = BUSES.model_copy(update={"sample_rate": 44_100})
    options = DataOptions(wet_stems=True, include=("rubidium-2",), unmix=UnmixOptions(variants=1))
    [item] = prepare_dataset([str(SHARED)], model, options, tmp_path)
    assert (item.name, item.group) == ("rubidium-2~1", "rubidium")
    expected_TC = 0
    for path in sorted((SHARED / "rubidium-2").glob("*.ogg")):
        stem_TC = soundfile.read(path, always_2d=True)[0]
        expected_TC = expected_TC + stem_TC[: item.n_samples] * np.ones(2)
    assert np.abs(item.target_CT.T - expected_TC).max() < 1e-5
    assert np.abs(item.inputs_KT[-2:]).max() > 0.05
