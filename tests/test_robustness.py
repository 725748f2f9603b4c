"""What happens around a mix: streams that close, signals, odd names, folders that cannot be read, rivals."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

RATE = 8_000
MIXCLI = [sys.executable, "-m", "mixcli"]


@pytest.fixture
def song(make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_song(seconds=1)


def leftovers(folder):
    return [path for path in Path(folder).rglob("*") if path.name.endswith(".part")]


def shell(command):
    return subprocess.run(["bash", "-c", command], capture_output=True, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("redirection", "code"),
    [
        ("2>&-", 0),  # nobody listens to stderr: the work is done all the same
        pytest.param("2>/dev/full", 0, marks=pytest.mark.slow),
        (">/dev/full", 5),
        pytest.param("| head -c 0; exit ${PIPESTATUS[0]}", 0, marks=pytest.mark.slow),
    ],
)
def test_closed_and_full_streams_are_no_bugs(song, redirection, code):
    done = shell(f'"{sys.executable}" -m mixcli mix "{song}" {redirection}')
    assert done.returncode == code, done.stderr
    assert b"E100" not in done.stderr
    assert Path("mixes/Song A.wav").exists()


@pytest.mark.slow
def test_a_mix_to_a_full_device_is_told_and_costs_exit_code_5(song):
    done = shell(f'"{sys.executable}" -m mixcli mix "{song}" -o - >/dev/full')
    assert done.returncode == 5
    assert b"error[E508]" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "after_s", [1.3, *(pytest.param(s, marks=pytest.mark.slow) for s in (0.3, 0.8, 1.8))]
)
def test_signals_stop_it_with_their_code_and_leave_nothing(make_song, tmp_path, number, after_s):
    song = make_song(seconds=60, rate=22_050)
    out = tmp_path / "out"
    started = time.monotonic()
    child = subprocess.Popen([*MIXCLI, "mix", str(song), "-o", str(out)], stderr=subprocess.PIPE, text=True)
    time.sleep(after_s)
    child.send_signal(number)
    _, err = child.communicate(timeout=30)
    if child.returncode == 0:  # it was quicker than the signal
        assert time.monotonic() - started > after_s
        return
    # before the first line of the program the system's own answer to a signal counts
    assert child.returncode in (128 + number, -number), err
    assert "E100" not in err
    assert not leftovers(tmp_path)
    assert not (out / "Song A.wav").exists() or (out / "Song A.mix.json").exists()


def test_the_cursor_is_there_after_a_second_signal():
    pty = pytest.importorskip("pty", reason="no terminals here")
    code = (
        "import os, signal, sys, time\n"
        "from mixcli.cli.progress import song_progress\n"
        "from mixcli.cli.stopping import StopRequest\n"
        "from mixcli.errors import Interrupted\n"
        "stop = StopRequest()\n"
        "stop.install()\n"
        "with song_progress(stop, quiet=0, verbose=0) as progress:\n"
        "    progress.show('mixing', 1, 2)\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        time.sleep(9)\n"
        "    except Interrupted:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"  # the clean-up takes too long for someone
        "        time.sleep(9)\n"
    )
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [sys.executable, "-c", code], stderr=theirs, env={**environment, "TERM": "xterm"}, timeout=60,
        check=False,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a terminal that nobody has open
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    assert done.returncode == -signal.SIGTERM
    assert b"\x1b[?25l" in shown  # the bars hid it
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
def test_names_that_are_not_utf_8_work_from_mix_to_recipe(run, song, tmp_path):
    strange = os.fsdecode(b"Kick\xff.wav")
    (song / "Kick.wav").rename(song / strange)
    code, out, err = run("mix", song, "-o", "first", "--json")
    assert code == 0, err
    assert strange in [stem["file"] for stem in json.loads(out)["inputs"]]
    assert json.loads(Path("first/Song A.mix.json").read_bytes())["status"] == "ok"
    code, _, err = run("mix", song, "--recipe", "first/Song A.recipe.yaml", "-o", "second")
    assert code == 0, err
    assert Path("first/Song A.wav").read_bytes() == Path("second/Song A.wav").read_bytes()
    assert (
        "0 mixed, 1 up to date" in run("batch", song, "-o", "b")[2] or run("batch", song, "-o", "b")[0] == 0
    )


def test_names_cannot_move_the_cursor(run, song):
    shutil.copy(song / "Bass.wav", song / "Bass\x1b[2J\n.wav")
    _, out, err = run("inspect", song)
    assert "\x1b" not in out + err
    assert "\\x1b" in out + err


def test_a_link_to_itself_is_one_broken_stem(run, song):
    (song / "self.wav").symlink_to("self.wav")
    code, _, err = run("mix", song)
    assert code == 3
    assert '"self.wav"' in err
    assert run("mix", song, "--exclude", "self.wav", "-q")[0] == 0


@pytest.mark.slow
def test_what_cannot_be_read_in_a_library_costs_only_itself(run, make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_song("library/good", seconds=1)
    (tmp_path / "library" / "self").symlink_to("self")
    locked = make_song("library/locked", seconds=1)
    locked.chmod(0)
    try:
        code, out, err = run("batch", "library", "-o", "mixes")
    finally:
        locked.chmod(0o755)
    assert "mixes/good/good.wav" in out.splitlines()  # in the order in which songs are done
    if os.geteuid() != 0:  # root reads everything
        assert code == 10
        assert "locked: error[E301]" in err


@pytest.mark.slow
def test_a_library_as_its_own_output_is_mixed(run, make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_song("library/One", seconds=1)
    make_song("library/Two", seconds=1)
    code, _, err = run("batch", "library", "-o", ".")
    assert code == 0
    assert "2 mixed" in err
    # a song's own folder is never written into: told at once, not passed over
    code, _, err = run("batch", "library", "-o", "library")
    assert code == 5
    assert "error[E507]" in err


def test_terms_never_take_the_place_of_other_files(run, song):
    other = Path("mixes/Song A.terms")
    other.mkdir(parents=True)
    (other / "notes.txt").write_text("mine")
    code, _, err = run("mix", song, "--terms", "stems", "--force")
    assert code == 5
    assert "holds other files than terms" in err
    assert (other / "notes.txt").read_text() == "mine"
    (other / "notes.txt").unlink()
    assert run("mix", song, "--terms", "stems")[0] == 5  # the folder is there
    assert run("mix", song, "--terms", "stems", "--force")[0] == 0


@pytest.mark.slow
def test_up_to_date_means_the_same_files_and_the_same_mix(run, make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_song("real/stems", seconds=1)
    (tmp_path / "library" / "Song").mkdir(parents=True)
    (tmp_path / "library" / "Song" / "Stems").symlink_to(tmp_path / "real" / "stems")
    assert run("batch", "library", "-o", "mixes")[0] == 0
    assert "1 up to date" in run("batch", "library", "-o", "mixes")[2]
    os.utime(tmp_path / "real/stems/Kick.wav", (1, 1))  # touched, behind a link, and still the same
    assert "1 up to date" in run("batch", "library", "-o", "mixes")[2]
    shutil.copyfile(tmp_path / "real/stems/Bass.wav", tmp_path / "real/stems/Kick.wav")
    assert "1 mixed" in run("batch", "library", "-o", "mixes")[2]
    mix = next(Path("mixes").rglob("*.wav"))
    shutil.copyfile(mix, "copy.wav")
    time.sleep(0.02)
    shutil.copyfile("copy.wav", mix)  # of the same size, but not written by us
    assert "1 mixed" in run("batch", "library", "-o", "mixes")[2]


@pytest.mark.slow
def test_what_a_strict_batch_refused_is_not_up_to_date_later(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, offset in (("Kick", 0), ("Snare", 500)):
        samples = np.zeros(4 * RATE, np.float32)
        samples[offset::4_000] = 0.9
        (tmp_path / "library/clicks").mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "library/clicks" / f"{name}.wav", samples, RATE)
    assert run("batch", "library", "-o", "mixes", "--strict")[0] == 10
    assert run("batch", "library", "-o", "mixes", "--strict")[0] == 10


def test_a_recipe_edited_by_options_is_written_under_another_name(run, song):
    run("mix", song)
    recipe = Path("mixes/Song A.recipe.yaml")
    before = recipe.read_bytes()
    code, _, err = run("mix", song, "--recipe", recipe, "--gain", "vox.lead=+6", "--force")
    assert code == 0, err
    own = Path("mixes/Song A.recipe (2).yaml")
    assert recipe.read_bytes() == before
    assert json.loads(Path("mixes/Song A.mix.json").read_text())["recipe"] == str(own)
    first = Path("mixes/Song A.wav").read_bytes()
    run("mix", song, "--recipe", own, "-o", "again")
    assert Path("again/Song A.wav").read_bytes() == first


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("gain_db", "off", "takes a number"),
        ("pan", "yes", "takes a number"),
        ("offset", "10000000000", "begin after more than a day"),
        ("role", "drum.kick", "did you mean drums.kick"),
        ("files", "[Kick.wav, Bass.wav, Gtr.wav]", "files"),
    ],
)
def test_wrong_values_in_a_recipe_are_refused(run, song, key, value, told):
    run("mix", song, "-o", "first")
    text = Path("first/Song A.recipe.yaml").read_text()
    document = yaml.safe_load(text)
    document["stems"]["Kick.wav"][key] = yaml.safe_load(value)
    Path("edited.yaml").write_text(yaml.safe_dump(document))
    code, out, err = run("mix", song, "--recipe", "edited.yaml", "-o", "second")
    assert (code, out) == (4, "")
    assert told in err
    assert "Traceback" not in err


def test_off_means_off_where_there_is_something_to_leave_out(run, song):
    run("mix", song, "-o", "first")
    text = Path("first/Song A.recipe.yaml").read_text()
    document = yaml.safe_load(text)
    document["stems"]["LdVox.wav"]["reverb_send_db"] = False
    document["master"]["target_lufs"] = False
    Path("edited.yaml").write_text(yaml.safe_dump(document))
    assert run("mix", song, "--recipe", "edited.yaml", "-o", "second")[0] == 0
    made = yaml.safe_load(Path("second/Song A.recipe.yaml").read_text())
    assert made["stems"]["LdVox.wav"].get("reverb_send_db") is None
    assert made["master"].get("target_lufs") is None
    assert (
        json.loads(run("mix", song, "--set", "mix.lufs=off", "--json")[1])["loudness"]["target_lufs"] is None
    )


def test_a_pair_in_a_recipe_must_be_one(run, song):
    run("mix", song, "-o", "first")
    document = yaml.safe_load(Path("first/Song A.recipe.yaml").read_text())
    soundfile.write(song / "Wide.wav", np.full((RATE, 2), 0.1), RATE)
    document["stems"]["Kick.wav"]["files"] = ["Kick.wav", "Wide.wav"]
    Path("edited.yaml").write_text(yaml.safe_dump(document))
    code, _, err = run("mix", song, "--recipe", "edited.yaml", "-o", "second")
    assert code == 3
    assert "E352" in err


def test_a_file_that_the_recipe_does_not_name_is_noted(run, song):
    run("mix", song, "-o", "first")
    shutil.copy(song / "Gtr.wav", song / "Gtr 2.wav")
    assert (
        'not in the recipe, so not mixed: "Gtr 2.wav"'
        in (run("mix", song, "--recipe", "first/Song A.recipe.yaml", "-o", "second")[2])
    )


def test_a_song_with_everything_muted_is_refused(run, song):
    code, _, err = run(
        "mix", song, *(word for bus in ("drums", "bass", "gtr", "vox") for word in ("--mute", bus))
    )
    assert code == 4
    assert "every stem is muted" in err


def test_a_mix_that_cancels_in_mono_is_said(run, song):
    left, _ = soundfile.read(song / "Gtr.wav")
    for path in song.iterdir():
        path.unlink()
    for name in ("Gtr", "Synth"):
        soundfile.write(song / f"{name}.wav", np.stack([left, -left], axis=1), RATE)
        left = left[::-1]
    assert "W343" in run("mix", song)[2]


@pytest.mark.parametrize("template", ["{song:d}", "{song!r}", "{song:>999999999}"])
def test_a_template_fills_in_words_and_does_nothing_else(run, song, template):
    code, _, err = run("mix", song, "--name", template)
    assert code == 4
    assert "E422" in err


def test_strict_judges_the_file_whatever_the_mode(run, song):
    code, _, err = run(
        "mix", song, "--loudness-mode", "measure", "--lufs", "-5", "--strict", "--bit-depth", "32f"
    )
    assert code == 7
    assert "E703" in err


def test_dc_is_said_and_does_not_reach_the_mix(run, song):
    samples, _ = soundfile.read(song / "Bass.wav")
    soundfile.write(song / "Bass.wav", samples * 0.5 + 0.4, RATE)
    code, out, err = run("mix", song)
    assert code == 0
    assert 'W337]: "Bass.wav" has a DC offset of 40.' in err
    mix_TC, _ = soundfile.read(out.strip())
    assert abs(mix_TC[RATE // 4 :].mean()) < 0.005  # unfiltered it would be tenths
