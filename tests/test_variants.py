"""Variants: several mixes of one song that differ by what they say, measured in what was written."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from mixcli.cli.mix import mix
from mixcli.console.rule_table import rule_of
from mixcli.console.variants import (
    DIRECTIONS,
    FEWEST_VARIANTS,
    MAIN,
    MOST_VARIANTS,
    Variant,
    choose_variants,
    vary,
)
from mixcli.settings import RuleSettings

BAND = ("drums.kick", "bass.electric", "gtr.electric", "vox.lead")
NUMBERS = {
    key: (schema.get("minimum", schema.get("exclusiveMinimum")), schema["maximum"])
    for key, schema in RuleSettings.model_json_schema()["properties"].items()
    if schema["type"] == "number"
}


@pytest.fixture
def song(make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stems = {"Kick": 60, "Bass": 90, "EGtr": 330, "Keys": 500, "LdVox": 440}
    return make_song(seconds=2, stems=stems)


def energies_of(folder, recipe):
    """The energy of each family in the terms of a mix, its share of the reverb included."""
    energies = {}
    for name, stem in yaml.safe_load(recipe.read_text("utf-8"))["stems"].items():
        term_TC, _ = soundfile.read(folder / name)
        family = rule_of(stem["role"]).family
        energies[family] = energies.get(family, 0.0) + np.square(term_TC).sum()
    return energies


def re_the_rest_db(energies, family):
    rest = sum(energy for other, energy in energies.items() if other != family)
    return 10 * np.log10(energies[family] / rest)


def side_re_mid_db(path):
    left_T, right_T = soundfile.read(path)[0].T
    return 10 * np.log10(np.square(left_T - right_T).sum() / np.square(left_T + right_T).sum())


def test_variants_are_files_beside_each_other_and_the_first_is_the_plain_mix(run, song):
    assert run("mix", song, "-o", "plain")[0] == 0
    code, out, err = run("mix", song, "--variants", "3", "-o", "several")
    assert code == 0, err
    names = ["Song A", "Song A (2 vocal up)", "Song A (3 drums forward)"]
    assert out.splitlines() == [f"several/{name}.wav" for name in names]
    for suffix in (".wav", ".recipe.yaml"):
        plain, first = Path(f"plain/Song A{suffix}"), Path(f"several/Song A{suffix}")
        assert plain.read_bytes() == first.read_bytes()
    for name in names:
        assert Path(f"several/{name}.mix.json").exists()
    assert "2 vocal up: the voices 1.5 dB up" in err
    recipe = yaml.safe_load(Path(f"several/{names[1]}.recipe.yaml").read_text("utf-8"))
    assert recipe["master"]["reasons"]["variant"].startswith("2 vocal up: the voices 1.5 dB up")
    assert recipe["master"]["reasons"]["rules"].startswith("vocals_db 1.5")


def test_the_same_variants_again_are_the_same_bytes(run, song):
    for folder in ("one", "two"):
        assert run("mix", song, "--variants", "2", "-o", folder)[0] == 0
    paths = sorted(Path("one").glob("*.wav"))
    assert len(paths) == 2
    assert len({path.read_bytes() for path in paths}) == 2
    assert all(path.read_bytes() == Path("two", path.name).read_bytes() for path in paths)


@pytest.mark.slow
def test_variants_differ_by_what_they_promise(run, song):
    measure = ("--loudness-mode", "measure", "--bit-depth", "32f", "--terms", "stems")
    code, out, err = run("mix", song, "--variants", "9", "-o", "out", *measure)
    assert code == 0, err
    found = {}
    for path in map(Path, out.splitlines()):
        label = path.stem.removeprefix("Song A").strip(" ()")[2:] or MAIN.name
        energies = energies_of(path.with_suffix(".terms"), path.with_suffix(".recipe.yaml"))
        found[label] = {family: re_the_rest_db(energies, family) for family in energies}
        found[label]["side"] = side_re_mid_db(path)
    assert list(found) == [MAIN.name, *(direction.name for direction in DIRECTIONS)]

    def step(label, what):
        return found[label][what] - found[MAIN.name][what]

    assert step("vocal up", "vocals") == pytest.approx(1.5, abs=0.4)
    assert step("vocal back", "vocals") == pytest.approx(-1.5, abs=0.4)
    assert step("drums forward", "drums") == pytest.approx(2, abs=0.4)
    assert step("bass up", "bass") == pytest.approx(2, abs=0.4)
    assert step("soft", "drums") == pytest.approx(-2, abs=0.4)
    assert step("wide and wet", "side") > 1.5
    assert step("dry and narrow", "side") < -3


def test_sends_and_pans_of_wide_and_dry_variants_are_turned(run, song):
    document = json.loads(run("mix", song, "--variants", "5", "-n", "--json")[1])
    results = {each["variant"]["name"]: each["recipe"]["stems"] for each in document["variants"]}
    main, wide, dry = (results[name] for name in ("main", "wide and wet", "dry and narrow"))
    for name, stem in main.items():
        assert wide[name]["pan"] == pytest.approx(1.6 * stem["pan"], abs=0.011)
        assert dry[name]["pan"] == pytest.approx(0.5 * stem["pan"], abs=0.011)
        if stem["reverb_send_db"] is not None:
            assert wide[name]["reverb_send_db"] == pytest.approx(stem["reverb_send_db"] + 4)
            assert dry[name]["reverb_send_db"] == pytest.approx(stem["reverb_send_db"] - 9)


def test_the_name_may_place_the_variant_and_json_lists_the_results(run, song):
    name = ("--name", "{variant} - {song}")
    code, out, err = run("mix", song, "--variants", "2", "--json", "--preset", "rock", *name)
    assert code == 0, err
    document = json.loads(out)
    assert document["schema"] == "mixcli.variants/1"
    first, second = document["variants"]
    assert first["outputs"][0]["file"] == "mixes/1 main - Song A.wav"
    assert second["outputs"][0]["file"] == "mixes/2 vocal up - Song A.wav"
    assert second["outputs"][0]["version"] == second["variant"]["name"] == "vocal up"
    assert second["rules"]["vocals_db"] == first["rules"]["vocals_db"] + 1.5  # on top of the style
    assert second == json.loads(Path("mixes/2 vocal up - Song A.mix.json").read_text("utf-8"))


def test_a_file_name_gets_the_label_and_a_dry_run_writes_nothing(run, song):
    code, out, _ = run("mix", song, "--variants", "2", "-o", "out/mine.flac", "-n")
    assert (code, out.splitlines()) == (
        0,
        ["would write out/mine.flac", "would write out/mine (2 vocal up).flac"],
    )
    assert not Path("out").exists()


def test_a_mix_that_is_there_stops_all_variants_before_any_work(run, song):
    Path("mixes").mkdir()
    Path("mixes/Song A (3 drums forward).wav").write_bytes(b"mine")
    code, out, err = run("mix", song, "--variants", "3")
    assert (code, out, "error[E501]" in err) == (5, "", True)
    assert [path.name for path in Path("mixes").iterdir()] == ["Song A (3 drums forward).wav"]
    code, out, _ = run("mix", song, "--variants", "3", "--if-exists", "skip")
    assert (code, len(out.splitlines())) == (0, 3)
    assert Path("mixes/Song A (3 drums forward).wav").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("-o", "-"), "E207"),
        (("--recipe", "x.yaml"), "E230"),
        (("--keep-balance", "1"), "E231"),
        (("--set", "rules.keep_balance=1"), "E231"),
    ],
)
def test_what_has_no_variants_is_refused(run, song, options, code):
    Path("x.yaml").write_text("format: mixcli.recipe/1\n", "utf-8")
    status, out, err = run("mix", song, "--variants", "2", *options)
    assert (status, out) == (2, "")
    assert f"error[{code}]" in err


@pytest.mark.parametrize("number", ["1", "10", "two"])
def test_there_are_two_to_nine_variants(run, song, number):
    assert run("mix", song, "--variants", number)[0] == 2
    assert mix.__annotations__["variants"].__metadata__[0].min == FEWEST_VARIANTS
    assert mix.__annotations__["variants"].__metadata__[0].max == MOST_VARIANTS == len(DIRECTIONS) + 1


def test_a_song_without_voices_has_no_variants_of_their_level(run, make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    song = make_song(seconds=1, stems={"Kick": 60, "Bass": 90, "EGtr": 330})
    code, out, err = run("mix", song, "--variants", "9", "-n")
    assert code == 0
    assert "voc" not in out
    assert "warning[W402]: 7 variants, not 9" in err
    assert err.count("W402") == 1


def test_the_numbers_of_variants_follow_their_order_and_one_is_always_the_main_mix():
    chosen = choose_variants(9, BAND)
    assert chosen[0] == MAIN
    assert [variant.number for variant in chosen] == list(range(1, 10))
    assert choose_variants(4, BAND) == chosen[:4]
    alone = [variant.name for variant in choose_variants(9, ["drums.kick", "drums.snare"])]
    assert alone == ["main", "wide and wet", "dry and narrow", "punchy", "soft"]


def test_the_main_variant_turns_nothing():
    asked = RuleSettings(drums_db=3, reverb="room")
    assert vary(asked, MAIN) is asked


@pytest.mark.parametrize("direction", DIRECTIONS, ids=lambda direction: direction.name)
def test_whatever_the_settings_are_a_variant_of_them_is_allowed(direction, rng):
    variant = Variant(number=2, name=direction.name, text=direction.text, direction=direction)
    ends = [{key: limits[end] for key, limits in NUMBERS.items() if key != "decay_s"} for end in (0, 1)]
    drawn = [{key: rng.uniform(low + 0.01, high) for key, (low, high) in NUMBERS.items()} for _ in range(20)]
    for asked in (RuleSettings(**values) for values in (*ends, *drawn)):
        turned = vary(asked, variant)
        for key in set(NUMBERS) - {*direction.added, *direction.times}:
            assert getattr(turned, key) == getattr(asked, key)
        for key, step in direction.added.items():
            low, high = NUMBERS[key]
            expected = min(max(getattr(asked, key) + step, low), high)
            assert getattr(turned, key) == pytest.approx(expected, abs=1e-3)
