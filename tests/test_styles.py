"""Styles: what they set, how they go with delivery presets, and that they are heard in the mix."""

import json
import math
from pathlib import Path

import pytest
import yaml

from mixcli.cli.presets import keys_set, kind_of
from mixcli.console.rule_table import rule_of
from mixcli.console.rules import make_recipe
from mixcli.mixing.fingerprint import request_fingerprint
from mixcli.mixing.request import MixRequest
from mixcli.mixing.settle import settle_rules, settle_settings
from mixcli.settings import (
    MixSettings,
    RuleSettings,
    load_preset,
    preset_names,
    preset_values,
    presets_folder,
)
from mixcli.songs.discovery import DiscoveryOptions, read_song
from mixcli.songs.survey import survey_song

STYLES = ("acoustic", "electronic", "metal", "orchestral", "podcast-voices", "pop", "rock")
FAMILIES = ("vocals", "drums", "bass", "other")


@pytest.fixture
def song(make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MIXCLI_PRESET", raising=False)
    stems = {"Kick": 60, "Bass": 90, "EGtr": 330, "Keys": 500, "LdVox": 440}
    return make_song(seconds=2, stems=stems)


def written(name):
    """What a style's file says, read without the code under test."""
    return yaml.safe_load((presets_folder() / f"{name}.yaml").read_text("utf-8"))


def lead_step_db(name):
    """How far a style moves the lead against all else together, were the rest three groups of one level."""
    rules = written(name)["rules"]
    rest = [10 ** (rules.get(f"{family}_db", 0) / 10) for family in FAMILIES[1:]]
    return rules.get("vocals_db", 0) - 10 * math.log10(sum(rest) / 3)


def test_every_style_that_was_promised_is_there_and_leaves_delivery_alone():
    assert [name for name in preset_names() if load_preset(name).kinds == ("style",)] == list(STYLES)
    for name in STYLES:
        document = written(name)
        assert "mix" not in document
        assert document["source"]
        assert preset_values([name], "mix") == {}
        assert preset_values([name], "rules") == document["rules"]


def test_a_delivery_preset_leaves_the_rules_alone():
    for name in set(preset_names()) - set(STYLES):
        if load_preset(name).kinds != ("training",):
            assert load_preset(name).kinds == ("delivery",)
            assert preset_values([name], "rules") == {}


def test_the_default_preset_is_what_settings_are_without_any():
    assert load_preset("streaming").mix == MixSettings()


def test_the_lead_stands_against_the_rest_in_the_order_of_the_genres():
    # Gerdes & Siedenburg 2023: pop and country about +1 dB, rock about 0, metal below
    assert lead_step_db("pop") - lead_step_db("rock") == pytest.approx(1, abs=0.3)
    assert lead_step_db("acoustic") - lead_step_db("rock") == pytest.approx(1, abs=0.4)
    assert lead_step_db("metal") < lead_step_db("rock") - 1
    assert lead_step_db("podcast-voices") > 10


def test_drums_and_bass_are_higher_against_the_lead_in_electronic_music_than_in_rock():
    rock, electronic = written("rock")["rules"], written("electronic")["rules"]
    for family in ("drums", "bass"):
        steps = [each.get(f"{family}_db", 0) - each.get("vocals_db", 0) for each in (electronic, rock)]
        assert 3 < steps[0] - steps[1] < 9  # 7 to 9 were measured; the rules find a part of it themselves


@pytest.mark.parametrize("name", STYLES)
def test_levels_move_as_a_style_says(song, name):
    found = read_song(song, DiscoveryOptions())
    survey = survey_song(found, 8_000)
    settings = RuleSettings(
        **{f"{family}_db": written(name)["rules"].get(f"{family}_db", 0) for family in FAMILIES}
    )
    plain, styled = make_recipe(found, survey), make_recipe(found, survey, settings=settings)
    moved = {
        rule_of(stem.role).family: styled.stems[stem.name].gain_db - plain.stems[stem.name].gain_db
        for stem in found.stems
    }
    for family in FAMILIES[1:]:
        asked = getattr(settings, f"{family}_db") - settings.vocals_db
        assert moved[family] - moved["vocals"] == pytest.approx(asked, abs=0.05), family


def test_presets_count_in_their_order_each_with_the_keys_it_names(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "description: x\nsource: y\nchecked: 2026-11-22\nmix: {lufs: -20}\nrules: {drums_db: 4}\n", "utf-8"
    )
    request = MixRequest(folder=tmp_path, presets=("rock", "broadcast-atsc", str(mine)))
    settings, _ = settle_settings(request)
    assert (settings.lufs, settings.true_peak_dbtp) == (-20, -2)
    rules = settle_rules(request)
    assert rules == RuleSettings(**(written("rock")["rules"] | {"drums_db": 4}))
    turned = settle_rules(MixRequest(folder=tmp_path, presets=(str(mine), "rock")))
    assert turned.drums_db == written("rock")["rules"]["drums_db"]
    assert load_preset(str(mine)).kinds == ("delivery", "style")
    assert kind_of(load_preset(str(mine))) == "delivery+style"
    assert keys_set(load_preset(str(mine))) == ["mix.lufs", "rules.drums_db"]


def test_a_style_and_a_delivery_go_together_and_the_result_and_the_recipe_say_so(run, song):
    code, out, err = run(
        "mix", song, "--preset", "rock", "-p", "apple", "--set", "rules.reverb_db=+3", "--json"
    )
    assert code == 0, err
    result = json.loads(out)
    assert (result["preset"], result["presets"]) == ("rock+apple", ["rock", "apple"])
    assert result["loudness"]["target_lufs"] == -16
    asked = written("rock")["rules"] | {"reverb_db": 3}
    assert result["rules"] == RuleSettings(**asked).model_dump()
    recipe = yaml.safe_load(Path(result["recipe"]).read_text("utf-8"))
    assert recipe["master"]["reasons"]["rules"].startswith("rock: vocals_db 1.5, drums_db -1.5")
    assert "reverb_db 3" in recipe["master"]["reasons"]["rules"]


def test_an_unedited_recipe_of_a_style_gives_the_same_bytes(run, song):
    assert run("mix", song, "--preset", "electronic", "-o", "first")[0] == 0
    recipe = Path("first/Song A.recipe.yaml")
    assert run("mix", song, "--recipe", recipe, "-o", "second")[0] == 0
    assert Path("first/Song A.wav").read_bytes() == Path("second/Song A.wav").read_bytes()


@pytest.mark.parametrize(
    ("environment", "given", "expected"),
    [
        ("rock,apple", (), "rock+apple"),
        (" rock , apple ,", (), "rock+apple"),
        ("apple", ("rock",), "apple+rock"),  # a style leaves the delivery of the environment alone
        ("rock,cd", ("pop",), "cd+pop"),
        ("rock,cd", ("apple",), "rock+apple"),  # all of cd is gone, its 16 bits too
        ("", (), "streaming"),
    ],
)
def test_presets_of_the_environment_hold_until_one_of_their_kind_is_named(
    run, song, monkeypatch, environment, given, expected
):
    monkeypatch.setenv("MIXCLI_PRESET", environment)
    words = [word for name in given for word in ("--preset", name)]
    result = json.loads(run("mix", song, "-n", "--json", *words)[1])
    assert result["preset"] == expected


def test_a_slip_in_the_environment_is_told_with_the_nearest(run, song, monkeypatch):
    monkeypatch.setenv("MIXCLI_PRESET", "rok,apple")
    code, _, err = run("mix", song, "-n")
    assert (code, 'no preset "rok"' in err, "did you mean rock?" in err) == (4, True, True)


def test_rules_are_set_one_by_one_and_checked(run, song):
    code, _, err = run("mix", song, "-n", "--set", "rules.drum_db=3")
    assert (code, 'did you mean "rules.drums_db"?' in err) == (4, True)
    code, _, err = run("mix", song, "-n", "--set", "rules.drums_db=30")
    assert (code, '"drums_db" is 30' in err) == (4, True)


def test_a_recipe_is_not_turned_by_rules(run, song):
    run("mix", song)
    recipe = ("--recipe", "mixes/Song A.recipe.yaml", "--name", "again")
    for words, told in (
        (("--preset", "rock"), "--preset rock"),
        (("--set", "rules.width_db=3"), "rules.width_db"),
    ):
        code, _, err = run("mix", song, *recipe, *words)
        assert (code, "error[E230]" in err, told in err) == (2, True, True)
    assert run("mix", song, *recipe, "--preset", "apple")[0] == 0


def test_what_the_rules_are_asked_is_in_the_fingerprint(song):
    asked = [
        MixRequest(folder=song),
        MixRequest(folder=song, presets=("rock",)),
        MixRequest(folder=song, presets=("metal",)),
        MixRequest(folder=song, rules={"drums_db": 1.0}),
        MixRequest(folder=song, presets=("apple",)),
    ]
    digests = [request_fingerprint(request) for request in asked]
    assert len(set(digests)) == len(digests)
    assert digests == [request_fingerprint(request) for request in asked]


def test_presets_are_listed_with_their_kind_and_shown_with_their_reasons(run):
    code, out, _ = run("presets", "list")
    rows = [line.split()[:2] for line in out.splitlines()]
    assert code == 0
    kinds = {name: "style" if name in STYLES else "delivery" for name in preset_names()}
    kinds |= {name: "training" for name in kinds if name.startswith("train-")}
    assert sorted(rows) == sorted([name, kind] for name, kind in kinds.items())
    shown = run("presets", "show", "rock")[1]
    assert shown == (presets_folder() / "rock.yaml").read_text("utf-8")
    assert "Gerdes" in shown
    listed = json.loads(run("presets", "list", "--json")[1])["presets"]
    rock = next(each for each in listed if each["name"] == "rock")
    assert rock["kind"] == "style"
    assert rock["sets"] == [f"rules.{key}" for key in written("rock")["rules"]]
