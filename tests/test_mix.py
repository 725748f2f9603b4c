"""`mixcli mix`, through the door: what is written, what it measures, and what stays the same."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

RATE = 8_000


@pytest.fixture
def song(make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_song(seconds=3)


def mixed(run, *arguments):
    """Run mix, expect success, return the samples of the mix and its rate."""
    code, out, err = run("mix", *arguments)
    assert code == 0, err
    return soundfile.read(out.strip(), dtype="float64", always_2d=True)


def lufs_of(samples_TC, rate):
    ebur = pytest.importorskip("pyebur128", reason="pyebur128 has no wheel for this Python")
    state = ebur.R128State(samples_TC.shape[1], rate, int(ebur.MeasurementMode.MODE_I))
    state.add_frames(np.ascontiguousarray(samples_TC).ravel(), len(samples_TC))
    return ebur.get_loudness_global(state)


def test_a_song_folder_becomes_a_stereo_mix_with_recipe_and_result(run, song, tree_digest):
    before = tree_digest(song)
    code, out, err = run("mix", song)
    assert (code, out) == (0, "mixes/Song A.wav\n")
    assert "5 stems" in err
    assert sorted(os.listdir("mixes")) == ["Song A.mix.json", "Song A.recipe.yaml", "Song A.wav"]
    info = soundfile.info("mixes/Song A.wav")
    assert (info.channels, info.samplerate, info.subtype, info.frames) == (2, RATE, "PCM_24", 3 * RATE)
    assert tree_digest(song) == before


def test_the_written_mix_has_the_loudness_and_the_result_says_what_a_second_meter_reads(run, make_song):
    song = make_song(seconds=4, rate=48_000)
    mix_TC, rate = mixed(run, song, "-o", song.parent / "out")
    result = json.loads((song.parent / "out" / "Song A.mix.json").read_text())
    read = lufs_of(mix_TC, rate)
    assert read == pytest.approx(-14, abs=0.1)
    assert result["outputs"][0]["integrated_lufs"] == pytest.approx(read, abs=0.01)
    assert result["loudness"]["reached"] is True
    assert result["status"] == "ok"


@pytest.mark.parametrize(
    ("options", "subtype", "suffix"),
    [
        (("--bit-depth", "16"), "PCM_16", ".wav"),
        (("--bit-depth", "32f"), "FLOAT", ".wav"),
        (("--format", "flac"), "PCM_24", ".flac"),
        (("--format", "flac", "--bit-depth", "16"), "PCM_16", ".flac"),
    ],
)
def test_formats_and_word_lengths(run, song, options, subtype, suffix):
    code, out, _ = run("mix", song, *options)
    assert code == 0
    assert Path(out.strip()).suffix == suffix
    assert soundfile.info(out.strip()).subtype == subtype


def test_16_bit_24_bit_and_float_are_the_same_mix_within_their_dither(run, song):
    depths = {
        depth: mixed(run, song, "--bit-depth", depth, "--name", depth)[0] for depth in ("16", "24", "32f")
    }
    # TPDF dither and rounding reach 1.5 steps at most
    assert np.abs(depths["16"] - depths["32f"]).max() <= 1.5 * 2**-15 + 1e-7
    assert np.abs(depths["24"] - depths["32f"]).max() <= 1.5 * 2**-23 + 1e-7


def test_float_wav_is_never_flac(run, song):
    code, _, err = run("mix", song, "--format", "flac", "--bit-depth", "32f")
    assert code == 4
    assert "error[E418]" in err
    assert not Path("mixes").exists()


def test_the_same_song_under_another_name_order_and_time_gives_the_same_bytes(run, song, tmp_path):
    first = run("mix", song, "-o", tmp_path / "one.wav")[0]
    other = tmp_path / "Otherwise named"
    other.mkdir()
    for path in sorted(song.iterdir(), reverse=True):
        shutil.copy(path, other / path.name)
        os.utime(other / path.name, (1, 1))
    second = run("mix", other, "-o", tmp_path / "two.wav")[0]
    assert first == second == 0
    assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "two.wav").read_bytes()


def test_an_unedited_recipe_gives_the_same_bytes_and_asks_no_rule(run, song, tmp_path):
    run("mix", song, "--lufs", "-18", "-o", "first")
    recipe = Path("first/Song A.recipe.yaml")
    code, _, err = run("mix", song, "--recipe", recipe, "-o", "second")
    assert code == 0, err
    assert Path("first/Song A.wav").read_bytes() == Path("second/Song A.wav").read_bytes()


def test_a_recipe_is_rendered_again_for_the_loudness_asked(run, make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    song = make_song(rate=16_000)
    run("mix", song, "-o", "first")
    mix_TC, rate = mixed(run, song, "--recipe", "first/Song A.recipe.yaml", "--lufs", "-20", "-o", "second")
    assert lufs_of(mix_TC, rate) == pytest.approx(-20, abs=0.1)


def test_a_recipe_that_was_given_is_not_written_over(run, song):
    run("mix", song)
    recipe = Path("mixes/Song A.recipe.yaml")
    edited = "# mine\n" + recipe.read_text()
    recipe.write_text(edited)
    assert run("mix", song, "--recipe", recipe, "--force")[0] == 0
    assert recipe.read_text() == edited


def test_three_db_more_of_the_lead_adds_that_much_of_its_term(run, song, tmp_path):
    measure = ("--amount", "0", "--loudness-mode", "measure", "--bit-depth", "32f")
    first_TC, _ = mixed(run, song, *measure, "--terms", "stems", "-o", "first")
    recipe = Path("first/Song A.recipe.yaml")
    document = yaml.safe_load(recipe.read_text())
    document["stems"]["LdVox.wav"]["gain_db"] += 3
    edited = tmp_path / "edited.yaml"
    edited.write_text(yaml.safe_dump(document, sort_keys=False))
    edited_TC, _ = mixed(run, song, *measure, "--recipe", edited, "-o", "second")
    term_TC, _ = soundfile.read("first/Song A.terms/LdVox.wav", dtype="float64")
    difference_TC = edited_TC - first_TC
    assert np.abs(term_TC).max() > 0.01
    assert np.abs(difference_TC - (10 ** (3 / 20) - 1) * term_TC).max() <= 1e-6  # -120 dBFS


@pytest.mark.parametrize("kind", ["stems", "buses"])
def test_exported_terms_sum_to_the_mix(run, song, kind):
    # loud, so that the limiter has something to do and the master's term is not empty
    options = ("--preset", "loud", "--bit-depth", "32f", "--terms", kind, "-o", "out")
    mix_TC, _ = mixed(run, song, *options)
    terms = sorted(Path("out/Song A.terms").glob("*.wav"))
    total_TC = sum(soundfile.read(path, dtype="float64")[0] for path in terms)
    assert np.abs(total_TC - mix_TC).max() <= 1e-6  # -120 dBFS
    result = json.loads(Path("out/Song A.mix.json").read_text())
    assert result["loudness"]["max_reduction_db"] > 0.5
    assert result["outputs"][0]["sum_residual_dbfs"] <= -120
    assert len(result["terms"]) == len(terms)


def test_a_preview_is_a_part_of_the_mix(run, make_song, tmp_path):
    song = make_song(seconds=12)
    options = ("--loudness-mode", "measure", "--bit-depth", "32f")
    whole_TC, rate = mixed(run, song, *options, "-o", tmp_path / "a")
    part_TC, _ = mixed(run, song, *options, "-o", tmp_path / "b", "--start", "0:08.5", "--duration", "2s")
    start = round(8.5 * rate)
    assert np.abs(part_TC - whole_TC[start : start + 2 * rate]).max() <= 1e-6


def test_gain_pan_mute_and_solo_do_what_they_say(run, song):
    options = ("--loudness-mode", "measure", "--bit-depth", "32f")
    plain_TC, _ = mixed(run, song, *options, "-o", "plain", "--terms", "stems")
    bass_TC, _ = soundfile.read("plain/Song A.terms/Bass.wav", dtype="float64")
    louder_TC, _ = mixed(run, song, *options, "-o", "louder", "--gain", "bass=+6")
    assert np.abs(louder_TC - plain_TC - (10 ** (6 / 20) - 1) * bass_TC).max() <= 1e-6
    muted_TC, _ = mixed(run, song, *options, "-o", "muted", "--mute", "bass")
    assert np.abs(plain_TC - muted_TC - bass_TC).max() <= 1e-6
    solo_TC, _ = mixed(run, song, *options, "-o", "solo", "--solo", "bass")
    assert np.abs(solo_TC - bass_TC).max() <= 1e-6
    left_TC, _ = mixed(run, song, *options, "-o", "left", "--solo", "Kick", "--pan", "drums.kick=-1")
    assert np.abs(left_TC[:, 1]).max() <= 1e-6 < np.abs(left_TC[:, 0]).max()


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(run, song, tree_digest, tmp_path):
    before = tree_digest(tmp_path)
    code, out, _ = run("mix", song, "--dry-run")
    assert code == 0
    assert out.startswith("would write mixes/Song A.wav")
    assert "LdVox.wav: vox.lead" in out
    code, out, _ = run("mix", song, "-n", "--json")
    document = json.loads(out)
    assert (code, document["status"]) == (0, "planned")
    assert document["recipe"]["stems"]["Kick.wav"]["role"] == "drums.kick"
    assert tree_digest(tmp_path) == before


def test_json_on_stdout_is_the_result_beside_the_mix(run, song):
    code, out, _ = run("mix", song, "--json")
    assert code == 0
    assert json.loads(out) == json.loads(Path("mixes/Song A.mix.json").read_text())


def test_results_are_equal_but_for_their_run(run, song):
    first = json.loads(run("mix", song, "--json", "--force")[1])
    second = json.loads(run("mix", song, "--json", "--force")[1])
    assert first.pop("run") != second.pop("run")
    assert first == second


def test_a_mix_to_stdout_is_a_whole_wav_and_nothing_else(song, run):
    code = "from mixcli.__main__ import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", code, "mix", str(song), "-o", "-"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    Path("piped.wav").write_bytes(done.stdout)
    run("mix", song)
    assert done.stdout == Path("mixes/Song A.wav").read_bytes()
    assert sorted(os.listdir()) == ["Song A", "mixes", "piped.wav"]


def test_if_exists_skip_and_number(run, song):
    assert run("mix", song)[0] == 0
    stamp = os.stat("mixes/Song A.wav").st_mtime_ns
    code, out, _ = run("mix", song, "--if-exists", "skip")
    assert (code, out) == (0, "mixes/Song A.wav\n")
    assert os.stat("mixes/Song A.wav").st_mtime_ns == stamp
    assert run("mix", song, "--if-exists", "number")[1] == "mixes/Song A (2).wav\n"


def test_the_mix_has_the_mode_that_the_umask_leaves(run, song):
    old = os.umask(0o027)
    try:
        run("mix", song)
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat("mixes/Song A.wav").st_mode) == 0o640


def test_premaster_leaves_the_peaks_below_minus_three_without_a_limiter(run, make_song):
    song = make_song(seconds=3, rate=44_100)
    out = song.parent / "out"
    mix_TC, rate = mixed(run, song, "-p", "premaster", "-o", out)
    result = json.loads((out / "Song A.mix.json").read_text())
    assert result["loudness"]["max_reduction_db"] == 0
    assert 20 * np.log10(np.abs(mix_TC).max()) <= -3
    assert lufs_of(mix_TC, rate) <= -18 + 0.1


def test_the_cd_preset_writes_44_1_khz_16_bit_whatever_the_stems_are(run, make_song):
    song = make_song(seconds=1, rate=48_000)
    code, out, _ = run("mix", song, "-p", "cd", "-o", song.parent / "out")
    assert code == 0
    info = soundfile.info(out.strip())
    assert (info.samplerate, info.subtype, info.frames) == (44_100, "PCM_16", 44_100)


def test_an_integer_file_that_would_clip_is_refused_and_float_is_not(run, song):
    options = ("--loudness-mode", "measure", "--gain", "drums=+40")
    code, out, err = run("mix", song, *options)
    assert (code, out) == (5, "")
    assert "E504" in err
    assert not Path("mixes/Song A.wav").exists()
    assert run("mix", song, *options, "--bit-depth", "32f")[0] == 0


def test_quiet_says_nothing_but_the_path(run, song):
    assert run("mix", song, "-q") == (0, "mixes/Song A.wav\n", "")


def test_the_result_says_that_the_console_alone_made_it(run, song):
    code, out, _ = run("mix", song, "--amount", "0", "--json")
    assert code == 0
    assert json.loads(out)["model"] is None
    recipe = yaml.safe_load(Path("mixes/Song A.recipe.yaml").read_text())
    assert recipe["network"]["amount"] == 0
