"""Each likely bad input gives its line and its exit code; nothing is half written and no song is touched."""

import json
import os
import resource
import shutil
import struct

import numpy as np
import pytest
import soundfile

RATE = 8_000


@pytest.fixture
def refused(run, tmp_path, monkeypatch, tree_digest):
    """Run a command that must fail: checks code, stdout, one error line, and that the disk is as it was."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, exit_code, error, message, hint=None):
        before = tree_digest(tmp_path)
        code, out, err = run(*arguments)
        lines = err.strip().splitlines()
        line = next((each for each in lines if each.startswith("error[")), err)
        assert line.startswith(f"error[{error}]: "), err
        assert message in line
        assert code == exit_code
        assert out == ""
        assert "Traceback" not in err
        if hint is not None:
            assert any(each.startswith("  hint: ") and hint in each for each in lines), err
        assert tree_digest(tmp_path) == before
        leftovers = [path.name for path in tmp_path.rglob("*") if path.name.endswith(".part")]
        assert leftovers == []
        return lines

    return call


def silence(seconds=1.0, channels=1):
    return np.zeros((round(seconds * RATE), channels), np.float32)


def test_01_no_such_folder(refused, make_song):
    make_song("song_dir")
    refused("mix", "sogn_dir", exit_code=3, error="E301", message='no folder "sogn_dir"', hint="song_dir")


def test_02_a_file_instead_of_a_folder(refused, make_song):
    folder = make_song()
    refused("mix", folder / "Kick.wav", exit_code=3, error="E302", message='"Kick.wav" is one audio file')


def test_03_a_folder_without_audio(refused, tmp_path):
    for index in range(9):
        (tmp_path / "song" / f"{index}.mid").parent.mkdir(exist_ok=True)
        (tmp_path / "song" / f"{index}.mid").touch()
    (tmp_path / "song" / "a.als").touch()
    refused(
        "mix", "song", exit_code=3, error="E303", message='no audio in "song" (10 files looked at: 9 .mid'
    )


def test_04_audio_only_in_subfolders(refused, make_song, tmp_path):
    make_song("Song/Drums")
    make_song("Song/Vox")
    refused("mix", "Song", exit_code=3, error="E304", message="subfolders", hint="--recursive")


def test_05_a_library_given_to_mix(refused, make_song):
    for name in ("One", "Two", "Three"):
        make_song(f"library/{name}")
    refused(
        "mix", "library", exit_code=3, error="E305", message='"library" holds 3 songs', hint="mixcli batch"
    )


def test_06_a_song_given_to_batch_is_mixed_with_a_warning(run, make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_song("Song A")
    code, out, err = run("batch", "Song A", "--out", "mixes")
    assert code == 0
    assert "W306" in err
    assert out.strip().endswith("Song A.wav")


def test_07_a_single_stem(refused, run, make_song, tmp_path):
    make_song("song", stems={"Guitar": 330})
    refused(
        "mix",
        "song",
        exit_code=3,
        error="E307",
        message='only one stem ("Guitar.wav")',
        hint="--allow-single",
    )
    assert run("mix", "song", "--allow-single", "-q")[0] == 0


@pytest.mark.parametrize("content", [b"", b"hello, this is no audio" * 20, b"RIFF\x24\x00\x00\x00WAVEfmt "])
def test_08_unreadable(refused, make_song, content):
    folder = make_song()
    (folder / "07_Gtr.wav").write_bytes(content)
    lines = refused("mix", folder, exit_code=3, error="E311", message='"07_Gtr.wav"')
    assert any("--exclude" in line or "re-export" in line for line in lines)


def test_09_truncated(refused, make_song):
    folder = make_song(seconds=4)
    data = (folder / "LdVox.wav").read_bytes()
    (folder / "LdVox.wav").write_bytes(data[: len(data) // 2])
    refused("mix", folder, exit_code=3, error="E312", message='"LdVox.wav" is cut short: header says 0:04')


def test_10_m4a(refused, make_song):
    folder = make_song()
    (folder / "Bass.m4a").write_bytes(b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00M4A mp42isom" + b"\x00" * 100)
    refused(
        "mix", folder, exit_code=3, error="E313", message='"Bass.m4a": AAC is not supported', hint="ffmpeg -i"
    )


def test_11_invalid_samples(refused, make_song):
    folder = make_song()
    samples = silence(2)
    samples[8_000:8_312] = np.nan
    soundfile.write(folder / "Synth.wav", samples, RATE, subtype="FLOAT")
    message = '"Synth.wav" has 312 invalid samples (first at 0:01.0)'
    refused("mix", folder, exit_code=3, error="E314", message=message)


def test_11_invalid_samples_can_be_read_as_silence(run, make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ("--loudness-mode", "measure", "--bit-depth", "32f", "--repair-nan", "-q")
    for name, invalid in (("broken", np.nan), ("mended", 0.0)):
        folder = make_song(name)
        samples = np.full((2 * RATE, 1), 0.1, np.float32)
        samples[8_000:8_312] = invalid
        soundfile.write(folder / "Synth.wav", samples, RATE, subtype="FLOAT")
        assert run("mix", folder, *options)[0] == 0
    assert (tmp_path / "mixes/broken.wav").read_bytes() == (tmp_path / "mixes/mended.wav").read_bytes()


def test_12_more_than_two_channels(refused, run, make_song):
    folder = make_song()
    soundfile.write(folder / "Room.wav", np.full((RATE, 6), 0.01, np.float32), RATE)
    message = '"Room.wav" has 6 channels; stems are mono or stereo'
    refused("mix", folder, exit_code=3, error="E315", message=message, hint="--downmix")
    assert run("mix", folder, "--downmix", "-q")[0] == 0


def test_13_mixed_rates_and_14_lengths_far_apart_are_said(run, make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = make_song()
    soundfile.write(folder / "Pad.wav", np.random.default_rng(0).normal(0, 0.1, 11_025 * 5), 11_025)
    code, _, err = run("mix", folder)
    assert code == 0
    assert "W321" in err
    assert "11.025 kHz" in err or "11025" in err
    assert "I322" in err


def test_16_names_that_say_nothing_are_said(run, make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = make_song(stems={"Kick": 60, "Bass": 90, "Qqzzx": 440})
    code, _, err = run("mix", folder)
    assert code == 0
    assert "W332" in err or "W331" in err  # heard from its sound, or not known at all
    assert "Qqzzx" in err


def test_17_everything_silent(refused, tmp_path):
    for name in ("Kick", "Bass"):
        (tmp_path / "song").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "song" / f"{name}.wav", silence(), RATE)
    refused("mix", "song", exit_code=3, error="E332", message="all 2 stems are silent")


def test_18_the_output_exists(refused, run, make_song):
    folder = make_song()
    assert run("mix", folder, "-o", "mixes")[0] == 0
    message = '"mixes/Song A.wav" exists'
    refused("mix", folder, "-o", "mixes", exit_code=5, error="E501", message=message, hint="--force")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_19_no_permission(refused, make_song, tmp_path):
    folder = make_song()
    (tmp_path / "locked").mkdir(mode=0o500)
    refused("mix", folder, "-o", "locked", exit_code=5, error="E502", message='cannot write to "locked')


def test_19_a_file_where_the_output_folder_should_be(refused, make_song, tmp_path):
    folder = make_song()
    (tmp_path / "taken").touch()
    refused("mix", folder, "-o", "taken", exit_code=5, error="E502", message="cannot write")


def test_19_a_full_disk_leaves_nothing(run, make_song, tmp_path, monkeypatch, tree_digest):
    folder = make_song(seconds=4)
    monkeypatch.chdir(tmp_path)
    before = tree_digest(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, limits[1]))
    try:
        code, out, err = run("mix", folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (code, out) == (5, "")
    assert err.startswith("error[E502]") or "error[E502]" in err
    assert tree_digest(tmp_path) == before


def test_20_no_such_model(refused, make_song):
    folder = make_song()
    refused("mix", folder, "-m", "bse", exit_code=4, error="E401", message='no model "bse"')


def test_22_an_unsafe_checkpoint(refused, make_song, tmp_path):
    import pickle

    folder = make_song()

    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "marker"), "w"))

    (tmp_path / "last.pt").write_bytes(pickle.dumps(Payload()))
    refused("mix", folder, "-m", tmp_path / "last.pt", exit_code=4, error="E403", message='"last.pt"')
    assert not (tmp_path / "marker").exists()


def test_23_a_typo_in_a_preset(refused, make_song, tmp_path):
    folder = make_song()
    text = "description: a\nsource: b\nchecked: 2026-01-01\nmix:\n  true_peek: -1\n"
    (tmp_path / "streming.yaml").write_text(text)
    arguments = ("mix", folder, "-p", tmp_path / "streming.yaml")
    refused(*arguments, exit_code=4, error="E411", message="unknown key", hint="true_peak_dbtp")


def test_26_a_template_that_gives_songs_one_name(refused, make_song):
    for name in ("a/One", "a/Two"):
        make_song(f"library/{name}")
    refused(
        "batch", "library", "--out", "out", "--name", "{titel}", exit_code=4, error="E422", message="no field"
    )


def test_27_a_missed_loudness_fails_only_when_strict(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clicks").mkdir()
    for index, name in enumerate(("Kick", "Snare")):
        samples = np.zeros(4 * RATE, np.float32)
        samples[index * 500 :: 4_000] = 0.9
        soundfile.write(tmp_path / "clicks" / f"{name}.wav", samples, RATE)
    code, _, err = run("mix", "clicks")
    assert code == 0
    assert "W701" in err
    assert "under target" in err
    code, out, err = run("mix", "clicks", "--force", "--strict", "--json")
    assert code == 7
    assert "error[E701]" in err
    document = json.loads(out)  # the mix is there, and one document says both
    assert document["errors"][0]["code"] == "E701"
    assert document["outputs"][0]["file"] == "mixes/clicks.wav"


def test_28_a_wrong_role_name(refused, make_song):
    folder = make_song()
    arguments = ("mix", folder, "--role", "Kick*=lead_vox")
    refused(*arguments, exit_code=4, error="E405", message='no role "lead_vox"', hint="vox.lead")
    refused(
        "mix", folder, "--gain", "vox.led=1", exit_code=4, error="E405", message="vox.led", hint="vox.lead"
    )


def test_30_too_short_for_a_loudness(run, make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = make_song("Sting", seconds=0.3)
    code, out, err = run("mix", folder, "--gain", "*=-20")
    assert code == 0
    assert "W341" in err
    assert '"Sting" lasts 0.3 s; loudness needs 0.4 s. Level left as is.' in err
    assert out.strip() == "mixes/Sting.wav"
    # peaks above the ceiling are still brought under it, and that is said
    assert "Level lowered under the ceiling, no more." in run("mix", folder, "--gain", "*=+20", "-f")[2]


def test_all_broken_stems_are_listed_in_one_line_and_can_be_skipped(refused, run, make_song):
    folder = make_song()
    (folder / "A.wav").write_bytes(b"")
    (folder / "B.wav").write_bytes(b"nothing")
    lines = refused("mix", folder, exit_code=3, error="E311", message='"A.wav"')
    assert '"B.wav"' in " ".join(lines)
    code, _, err = run("mix", folder, "--skip-bad")
    assert code == 0
    assert "A.wav" in err
    assert "B.wav" in err


def test_a_pipe_named_like_a_stem_is_refused_at_once(refused, make_song):
    folder = make_song()
    os.mkfifo(folder / "Synth.wav")
    refused("mix", folder, exit_code=3, error="E311", message='"Synth.wav"')


def test_a_wav_that_claims_more_than_it_has_is_refused(refused, make_song):
    folder = make_song()
    data = bytearray((folder / "Bass.wav").read_bytes())
    at = data.index(b"data")
    data[at + 4 : at + 8] = struct.pack("<I", 2**31)
    (folder / "Bass.wav").write_bytes(data)
    refused("mix", folder, exit_code=3, error="E312", message='"Bass.wav" is cut short')


def test_an_excerpt_after_the_end_is_refused(refused, make_song):
    folder = make_song()
    refused("mix", folder, "--start", "1:00", exit_code=4, error="E416", message="after the end of the song")


def test_a_recipe_that_leaves_the_song_folder_is_refused(refused, run, make_song, tmp_path):
    folder = make_song()
    assert run("mix", folder, "-o", tmp_path / "first")[0] == 0
    recipe = tmp_path / "first" / "Song A.recipe.yaml"
    text = recipe.read_text()
    recipe.write_text(text.replace("Kick.wav", "../Kick.wav"))
    arguments = ("mix", folder, "-o", tmp_path / "second", "--recipe", recipe)
    refused(*arguments, exit_code=4, error="E414", message="outside the song folder")
    shutil.rmtree(tmp_path / "first")


def test_options_that_choose_stems_are_refused_beside_a_recipe(refused, run, make_song, tmp_path):
    folder = make_song()
    assert run("mix", folder, "-o", tmp_path / "first")[0] == 0
    recipe = tmp_path / "first" / "Song A.recipe.yaml"
    arguments = ("mix", folder, "--recipe", recipe, "--exclude", "Kick*")
    refused(*arguments, exit_code=2, error="E210", message="--exclude cannot change them")


def test_a_batch_into_a_file_or_from_a_file_is_refused(refused, make_song, tmp_path):
    folder = make_song("library/One")
    refused("batch", "library", "-o", "-", exit_code=2, error="E209", message="writes into a folder")
    refused("batch", folder / "Kick.wav", exit_code=3, error="E302", message="one audio file")
    refused("batch", "libary", exit_code=3, error="E301", message='no folder "libary"', hint="library")


def test_a_dry_run_fails_where_the_mix_would(refused, run, make_song):
    folder = make_song()
    assert run("mix", folder, "-o", "mixes")[0] == 0
    refused("mix", folder, "-o", "mixes", "-n", exit_code=5, error="E501", message="exists")


def test_errors_are_json_too_when_json_was_asked_for(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("mix", "nowhere", "--json")
    document = json.loads(out)
    assert code == 3
    assert document["status"] == "error"
    assert document["errors"][0]["code"] == "E301"
    assert "error[E301]" in err


@pytest.mark.parametrize(
    "words", [("mix", ""), ("batch", "Songs", "--out", ""), ("mix", "Songs", "-o", "  ")]
)
def test_an_empty_word_is_no_folder(run, tmp_path, monkeypatch, words):
    """As `mixcli batch "$LIBRARY" --out "$OUT"` has where a variable is not set: not the folder here."""
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error[E211]: word {len(words)} of the command line is empty.")
    assert list(tmp_path.iterdir()) == []
