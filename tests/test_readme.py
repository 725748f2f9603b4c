"""The README and the pages of docs/ do what they say: their commands, their links, their options."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import plucks, write_wav

from mixcli.models.model_paths import WEIGHTS

REPOSITORY = Path(__file__).parents[1]
README = REPOSITORY / "README.md"
PAGES = [README, *sorted((REPOSITORY / "docs").glob("*.md"))]
COMMANDS = (
    *("mix", "batch", "inspect", "demo", "doctor", "eval", "eval listen"),
    *("presets list", "presets show", "presets validate"),
    *("train", "models list", "models info", "models verify", "models convert"),
)
# Options that the pages name of other programs: Dask, SLURM, GNU parallel, torchrun.
OF_OTHERS = {
    *("--scheduler-file", "--no-dashboard", "--nthreads", "--nworkers", "--lifetime"),
    *("--array", "--exact", "--mem-per-cpu", "--ntasks", "--signal"),
    *("--sshlogin", "--workdir", "--nproc-per-node"),
    *("--train", "--mix", "--most-train"),  # of benchmarks/drum_baselines.py
}
# What an example of training is given in addition, so that it takes a second.
SMALL = (
    *("--set", "model.depth=2", "--set", "model.channel_growth=4", "--sample-rate", "8000", "--steps", "2"),
    *("--batch-size", "2", "--segment", "0.2", "--set", "train.stft_sizes=[256]", "--threads", "1"),
)
STEMS = {"Kick": 60, "LdVox": 440, "BGV": 550, "EGtr Rhy": 330, "Audio 12": 300}


def examples() -> list[list[str]]:
    """The commands of the examples block, paragraph by paragraph, without their comments."""
    block = README.read_text("utf-8").split("<!-- examples -->\n```sh\n")[1].split("```")[0]
    paragraphs = [paragraph.splitlines() for paragraph in block.strip().split("\n\n")]
    assert all(paragraph[0].startswith("# ") for paragraph in paragraphs), "each example says what it does"
    return [[line for line in paragraph if not line.startswith("#")] for paragraph in paragraphs]


def commands_of(page: Path) -> list[str]:
    """All lines of a page's shell blocks that call mixcli, without their comments."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.S)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line.split("  #")[0] for line in lines if line.startswith("mixcli ")]


def typed(command: str) -> list[str]:
    """The arguments of a command as the shell hands them over; training is kept small."""
    variables = {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "8", "JOB_COMPLETION_INDEX": "2"}
    if "$" in command:
        words = ["bash", "-c", f"printf '%s\\0' {command}"]
        done = subprocess.run(words, env=os.environ | variables, capture_output=True, text=True, check=True)
        arguments = done.stdout.split("\0")[1:-1]
    else:
        arguments = shlex.split(command)[1:]
    return [*arguments, *SMALL] if arguments[0] == "train" else arguments


def write_song(folder: Path) -> None:
    """Two seconds at 8 kHz."""
    for number, (name, frequency_hz) in enumerate(STEMS.items()):
        samples_T = plucks(frequency_hz, 2.0, every_s=0.2 + 0.05 * number, seed=number)
        write_wav(folder / f"{name}.wav", samples_T)


def write_mix(path: Path, level_db: float = 0.0) -> None:
    """A mix of that song as an engineer might have made it: a sum, the lead by so much louder, a lean."""
    gains = {"LdVox": 10 ** (level_db / 20)}
    mix_T = sum(
        gains.get(name, 1.0) * plucks(frequency_hz, 2.0, every_s=0.2 + 0.05 * number, seed=number)
        for number, (name, frequency_hz) in enumerate(STEMS.items())
    )
    write_wav(path, 0.2 * np.stack([mix_T, 0.9 * mix_T], axis=1))


@pytest.fixture(params=["this process", pytest.param("shell", marks=pytest.mark.slow)])
def example_folders(request, tmp_path, monkeypatch, run):
    """All examples, each paragraph in a folder of its own: {its commands: that folder, their output}.

    As a user types them, in a shell; or, for speed, in this process, but for what only a shell can do.
    """
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("MIXCLI_PRESET", None)
    monkeypatch.delenv("MIXCLI_PRESET", raising=False)
    results = {}
    for number, lines in enumerate(examples()):
        folder = tmp_path / str(number)
        for song in ("song_dir", "library/One", "library/Two"):
            write_song(folder / song)
        for song in ("One", "Two"):
            if any("references/" in line for line in lines):
                write_mix(folder / "references" / f"{song}.wav")
            if any("mixcli train" in line for line in lines):
                write_mix(folder / "library" / song / f"{song} mix.wav")
        monkeypatch.chdir(folder)
        outputs = []
        for line in lines:
            if request.param == "shell" or ">" in line:
                done = subprocess.run(
                    ["bash", "-c", line + (f" {shlex.join(SMALL)}" if "mixcli train" in line else "")],
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                code, out, err = done.returncode, done.stdout, done.stderr
            else:
                code, out, err = run(*typed(line))
            assert code == 0, f"{line}\n{err}"
            outputs.append(out)
        results["\n".join(lines)] = (folder, outputs)
    return results


def example_with(results, words):
    """The folder and the output of the one example whose commands hold these words."""
    found = [result for lines, result in results.items() if words in lines]
    assert len(found) == 1, words
    return found[0]


def test_every_example_of_the_readme_succeeds_and_leaves_what_its_comment_promises(example_folders):
    folder, _ = example_with(example_folders, "batch")
    assert sorted(path.name for path in folder.glob("mixes/*/*.wav")) == ["One.wav", "Two.wav"]

    folder, (inspected, planned) = example_with(example_folders, "--dry-run")
    assert "vox.lead" in inspected
    assert "gain_db: to -18 LUFS" in planned
    assert not (folder / "mixes").exists()

    folder, _ = example_with(example_folders, "--gain vox.lead=+1.5")
    recipe = (folder / "mixes" / "song_dir vocal up.recipe.yaml").read_text("utf-8")
    assert "asked for: vox.lead +1.5 dB" in recipe

    folder, _ = example_with(example_folders, "broadcast-r128")
    assert '"integrated_lufs": -23.0' in (folder / "mixes" / "song_r128.mix.json").read_text("utf-8")

    folder, _ = example_with(example_folders, "--preset premaster")
    mix = folder / "mixes" / "song_dir premaster.wav"
    assert 20 * np.log10(np.abs(soundfile.read(mix)[0]).max()) < -3
    assert soundfile.info(mix).subtype == "PCM_24"
    assert '"max_reduction_db": 0.0' in mix.with_suffix(".mix.json").read_text("utf-8")

    folder, _ = example_with(example_folders, "--recipe")
    first, again = folder / "mixes" / "song_dir.wav", folder / "mixes" / "song_dir edited.wav"
    assert first.read_bytes() == again.read_bytes()  # nobody has edited it

    folder, _ = example_with(example_folders, "--terms stems")
    terms = [soundfile.read(path)[0] for path in (folder / "mixes" / "song_dir ledger.terms").glob("*.wav")]
    mix_TC = soundfile.read(folder / "mixes" / "song_dir ledger.wav")[0]
    assert len(terms) == len(STEMS) + 1
    # Dither and rounding of the mix, 2 steps of 24 bits; and -130 dBFS for terms rendered one by one.
    assert np.abs(sum(terms) - mix_TC).max() <= 2 * 2**-23 + 10 ** (-130 / 20)

    folder, _ = example_with(example_folders, "-o - -q")
    assert soundfile.info(folder / "out.wav").frames == 2 * 8_000

    folder, _ = example_with(example_folders, "mixcli train")
    recipe = (folder / "mixes" / "song_dir by my model.recipe.yaml").read_text("utf-8")
    assert json.loads((folder / "runs/first/model/model.json").read_text("utf-8"))["weights_sha256"] in recipe

    folder, (tables,) = example_with(example_folders, "mixcli eval")
    assert "blind-side" in tables
    document = json.loads((folder / "evaluation" / "eval.json").read_text("utf-8"))
    assert [song["name"] for song in document["songs"]] == ["One", "Two"]
    assert "One" in (folder / "evaluation" / "report.html").read_text("utf-8")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with what the pages of docs/ speak of."""
    monkeypatch.chdir(tmp_path)
    for song in ("My Song", "New Song", "library/One", "library/Two", "My Songs/One", "My Songs/Two"):
        write_song(tmp_path / song)
        if song.startswith("My Songs"):
            write_mix(tmp_path / song / "Mix.wav")
    for song in ("One", "Two"):
        write_mix(tmp_path / "references" / f"{song}.wav")
        write_mix(tmp_path / "roughs" / f"{song}.wav", 3.0)
        write_mix(tmp_path / "other" / f"{song}_mix.wav", -3.0)
    for name, frequency_hz in (("Kick", 60), ("Snare", 190)):
        write_wav(tmp_path / "Drum Takes" / f"{name}.wav", plucks(frequency_hz, 2.0, every_s=0.5, seed=1))
    trained = tmp_path / "runs" / "drums" / "model"
    trained.mkdir(parents=True)
    for suffix in ("safetensors", "json"):
        shutil.copy(WEIGHTS / f"drums.{suffix}", trained / f"model.{suffix}")
    (tmp_path / "labels.csv").write_text("song,genre\nOne,rock\nTwo,jazz\n", "utf-8")
    return tmp_path


def write_answers(folder: Path, key_file: str) -> None:
    """Two listeners' answers to a listening test, in the form that the page saves."""
    key = json.loads(Path(key_file).read_text("utf-8"))
    for listener in ("Ann", "Ben"):
        ratings = [
            {"trial": trial["id"], "criterion": criterion["name"], "stimulus": stimulus["id"], "value": value}
            for trial in key["trials"]
            for criterion in key["criteria"]
            for value, stimulus in enumerate(trial["stimuli"], 40)
        ]
        document = {"schema": "mixcli.listening-answers/1", "page": key["page"], "listener": listener}
        folder.mkdir(exist_ok=True)
        (folder / f"{listener}.json").write_text(json.dumps({**document, "ratings": ratings}), "utf-8")


QUICK_PAGES = ("training.md", "first-mix.md")


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=() if page.name in QUICK_PAGES else pytest.mark.slow) for page in PAGES[1:]],
    ids=lambda page: page.name,
)
def test_every_command_of_docs_ends_with_exit_code_0(page, place, run):
    if page.name == "model.md":
        code = re.search(r"```python\n(.*?)```", page.read_text("utf-8"), re.S)
        exec(code[1], {})  # writes the model that the page's commands use
    for command in commands_of(page):
        arguments = typed(command)
        if "demo-song" in arguments:
            continue  # slow; compared with what the pages show below
        if "dask" in arguments or any(argument.startswith("synth:") for argument in arguments):
            continue  # needs a cluster, or samples; tests of their own have them
        if "--score" in arguments:
            write_answers(Path("answers"), arguments[-1])
        code, _, err = run(*arguments)
        assert code == 0, f"{command}\n{err}"


@pytest.mark.slow
def test_the_output_shown_is_what_the_demo_song_gives(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    shown = README.read_text("utf-8").split("```\n$ mixcli mix demo-song\n")[1].split("```")[0]
    assert run("demo", "demo-song")[0] == 0
    _, out, err = run("mix", "demo-song")
    assert err + out == shown
    assert shown in (REPOSITORY / "docs" / "first-mix.md").read_text("utf-8")


@pytest.mark.slow
def test_the_first_evaluation_gives_the_table_shown(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    page = REPOSITORY / "docs" / "evaluation.md"
    shown = page.read_text("utf-8").split("```\nHow near to the reference\n")[1].split("```")[0]
    out = ""
    for command in [each for each in commands_of(page) if "demo-song" in each]:
        code, out, err = run(*shlex.split(command)[1:])
        assert code == 0, f"{command}\n{err}"
    assert shown in out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page):
    for text, target in re.findall(r"\[([^\]]+)\]\(([^)]+)\)", page.read_text("utf-8")):
        assert not target.startswith("http"), f"{text}: no links to the outside"
        name, _, anchor = target.partition("#")
        linked = page if not name else page.parent / name
        assert linked.is_file(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text("utf-8"), re.M)
            assert anchor in [re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings]


@pytest.fixture(scope="module")
def known_options():
    """Every option that the help of any command shows, and the short ones."""
    from typer.main import get_command

    from mixcli.cli.main import app

    waiting, names = [get_command(app)], {"--help"}
    while waiting:
        command = waiting.pop()
        for parameter in command.params:
            names |= {name for name in [*parameter.opts, *parameter.secondary_opts] if name.startswith("-")}
        waiting += getattr(command, "commands", {}).values()
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_that_is_named_exists(page, known_options):
    text = page.read_text("utf-8")
    named = set(re.findall(r"(?<![\w<!-])--[a-z][a-z-]+", text))
    assert named <= known_options | OF_OTHERS, sorted(named - known_options)
    for command in commands_of(page):
        short = {word for word in shlex.split(command) if re.fullmatch(r"-[a-zA-Z]", word)}
        assert short <= known_options, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_exists(page):
    calls = [*re.findall(r"`(mixcli [^`]*)", page.read_text("utf-8")), *commands_of(page)]
    for words in [call.split()[1:3] for call in calls]:
        assert {words[0], " ".join(words)} & set(COMMANDS), words
