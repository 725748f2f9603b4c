"""All detectors together: keys and shares, mixes of mixcli's own making, real music, odd input."""

import math

import numpy as np
import pytest
import soundfile
from artefact_material import RATE, SECONDS, clean_songs
from artefact_planting import clean_rates, described
from artefact_real import MEASURED, SET, STEMS, read, real_songs

from mixcli.measures.artefacts import (
    MEASURES,
    artefact_shares,
    find_artefacts,
)

ON_REAL_MUSIC = 0.02


def kinds(found):
    return sorted({(one.kind, one.start_s) for one in found})


def test_shares_count_blocks_not_artefacts_and_are_nan_where_nothing_can_be_told(rng):
    mix_TC = 0.05 * rng.standard_normal((int(9.5 * RATE), 2)).astype(np.float32)
    mix_TC[[RATE + 9_000, RATE + 30_000, int(9.2 * RATE)]] += 4.0
    found = find_artefacts(mix_TC, RATE, None)
    assert [(one.kind, one.start_s, one.stop_s) for one in found] == [("click", 1, 2), ("click", 9, 9.5)]
    shares = artefact_shares(found, 9.5, with_stems=False)
    assert shares.keys() == {measure.key for measure in MEASURES}
    assert shares["click_share"] == pytest.approx(20)
    assert shares["clipping_share"] == shares["dc_share"] == 0
    assert math.isnan(shares["foreign_share"])
    assert math.isnan(shares["rest_noise_share"])
    assert artefact_shares([], 9.5, with_stems=True)["foreign_share"] == 0


@pytest.mark.parametrize(
    ("with_stems", "seeds"),
    [
        pytest.param(False, (0,), marks=pytest.mark.slow),
        pytest.param(True, (0,), marks=pytest.mark.slow),
        pytest.param(True, (1, 2, 3), marks=pytest.mark.slow),
        pytest.param(False, (1, 2, 3), marks=pytest.mark.slow),
    ],
)
def test_clean_mixes_hold_no_artefacts(seeds, with_stems):
    assert max(clean_rates(seeds, with_stems=with_stems).values()) <= 0.02


@pytest.mark.parametrize("n_samples", [0, 1, 100, 3_000, RATE // 2])
def test_silent_and_short_mixes_hold_nothing(n_samples, rng):
    silence_TC = np.zeros((n_samples, 2), np.float32)
    sound_TC = 0.1 * rng.standard_normal((n_samples, 2)).astype(np.float32)
    for stems in (None, [], [silence_TC], [sound_TC]):
        assert find_artefacts(silence_TC, RATE, stems) == []
        assert [
            one for one in find_artefacts(sound_TC, RATE, stems) if one.kind in ("click", "clipping")
        ] == []
    assert all(math.isnan(share) for share in artefact_shares([], 0.0, with_stems=True).values())


@pytest.mark.slow
def test_a_mapped_file_reads_as_the_array_in_memory(tmp_path):
    song = clean_songs(0)[0]
    dirty_TC = song.mix_TC.copy()
    dirty_TC[200_000] += 0.3
    np.save(tmp_path / "mix.npy", dirty_TC)
    mapped_TC = np.load(tmp_path / "mix.npy", mmap_mode="r")
    assert ("click", 4) in kinds(find_artefacts(mapped_TC, RATE, song.stems))
    assert find_artefacts(mapped_TC, RATE, song.stems) == find_artefacts(dirty_TC, RATE, song.stems)


@pytest.mark.slow
@pytest.mark.parametrize("gain_db", [-20, 20])
def test_a_gain_on_the_mix_changes_nothing(gain_db, rng):
    song = clean_songs(0)[0]
    dirty_TC = song.mix_TC.copy()
    dirty_TC[200_000] += 0.8
    dirty_TC[6 * RATE : 7 * RATE] = np.clip(dirty_TC[6 * RATE : 7 * RATE], -0.1, 0.1)
    dirty_TC[9 * RATE : 10 * RATE] += 0.02
    louder_TC = (dirty_TC * 10 ** (gain_db / 20)).astype(np.float32)
    found = kinds(find_artefacts(dirty_TC, RATE, song.stems))
    assert {("click", 4), ("clipping", 6), ("dc", 9)} <= set(found)
    assert kinds(find_artefacts(louder_TC, RATE, song.stems)) == found


def test_stems_may_be_shorter_than_the_mix():
    song = clean_songs(0)[0]
    stems = [song.stems[0][: 5 * RATE], *song.stems[1:]]
    found = find_artefacts(song.mix_TC, RATE, stems)
    assert all(one.start_s >= 4 for one in found)


@pytest.mark.slow
def test_a_mix_that_mixcli_made_holds_nothing(run, tmp_path):
    song = clean_songs(1)[0]
    folder = tmp_path / "Song"
    folder.mkdir()
    for name, stem_TC in zip(("Drums", "Bass", "Pad", "LdVox"), song.stems, strict=True):
        soundfile.write(folder / f"{name}.wav", stem_TC, RATE, subtype="PCM_24")
    code, _, _ = run("mix", folder, "-o", tmp_path / "mix.wav")
    assert code == 0
    assert find_artefacts(read(tmp_path / "mix.wav"), RATE, song.stems) == []


@pytest.mark.slow
def test_the_mix_of_the_demo_song_holds_nothing(run, tmp_path):
    assert run("demo", tmp_path / "demo")[0] == 0
    assert run("mix", tmp_path / "demo", "-o", tmp_path / "mix.wav")[0] == 0
    stems = [read(path) for path in sorted((tmp_path / "demo").glob("*.wav"))]
    mix_TC = read(tmp_path / "mix.wav")
    assert find_artefacts(mix_TC, RATE, stems) == []
    assert find_artefacts(mix_TC, RATE, None) == []


@pytest.mark.slow
@pytest.mark.skipif(not STEMS.is_dir(), reason="no real stems beside this checkout")
@pytest.mark.parametrize("names", [SET, MEASURED])
def test_sums_and_mixes_of_real_stems_are_clean(names):
    counts = dict.fromkeys((measure.key for measure in MEASURES), 0.0)
    mixes = 0
    for song, stems in described(real_songs(names)):
        for mix_TC in (song.mix_TC, np.sum(song.stems, axis=0, dtype=np.float32)):
            shares = artefact_shares(find_artefacts(mix_TC, RATE, stems), SECONDS, with_stems=True)
            counts = {key: counts[key] + share * SECONDS / 100 for key, share in shares.items()}
            mixes += 1
    print({key: f"{count:.0f} of {mixes * SECONDS}" for key, count in counts.items()})  # noqa: T201 - to be read
    assert max(counts.values()) <= ON_REAL_MUSIC * mixes * SECONDS
