"""Settings and presets: what is refused, and what wins over what."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mixcli.errors import SettingsError
from mixcli.settings import (
    DEFAULT_PRESET,
    MixSettings,
    RuleSettings,
    TrainSettings,
    load_preset,
    override,
    parse_assignments,
    parse_training_assignments,
    preset_names,
    preset_values,
    presets_folder,
)

# targets and ceilings as the project decided them, with the sources that the presets name
DECIDED = {
    "streaming": (-14, -1, "limit"),
    "premaster": (-18, -3, "gain"),
    "apple": (-16, -1, "limit"),
    "broadcast-r128": (-23, -1, "limit"),
    "broadcast-atsc": (-24, -2, "limit"),
    "podcast": (-16, -1, "limit"),
    "cd": (None, -1, "gain"),
    "loud": (-9, -1, "limit"),
}


def test_every_decided_delivery_preset_is_there_and_no_other():
    deliveries = {name for name in preset_names() if "delivery" in load_preset(name).kinds}
    assert deliveries == set(DECIDED)
    assert DEFAULT_PRESET in DECIDED


@pytest.mark.parametrize("name", DECIDED)
def test_a_preset_has_the_decided_loudness_a_source_and_a_date(name):
    preset = load_preset(name)
    lufs, peak, mode = DECIDED[name]
    assert (preset.mix.lufs, preset.mix.true_peak_dbtp, preset.mix.loudness_mode) == (lufs, peak, mode)
    assert preset.source
    assert preset.checked.year >= 2026


def test_the_cd_preset_is_44_1_khz_16_bit_and_loud_may_limit_9_db():
    cd = load_preset("cd").mix
    assert (cd.sample_rate, cd.bit_depth) == (44_100, "16")
    assert load_preset("loud").mix.limit_db == 9


def test_a_preset_holds_no_path_and_no_device():
    for path in presets_folder().glob("*.yaml"):
        document = yaml.safe_load(path.read_text("utf-8"))
        keys = {key for part in ("mix", "rules", "train") for key in document.get(part, {})}
        assert keys
        assert not {"device", "out", "path", "threads"} & keys


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "description: x\nsource: y\nchecked: 2026-01-01\nmix:\n  true_peek: -1\n",
            'did you mean "true_peak_dbtp"?',
        ),
        ("description: x\nsource: y\nchecked: 2026-01-01\nmix:\n  lufs: loud\n", "\"mix.lufs\" is 'loud'"),
        ("description: x\nsource: y\nchecked: 2026-01-01\nmix:\n  lufs: .nan\n", '"mix.lufs" is nan'),
        (
            "description: x\nsource: y\nchecked: 2026-01-01\nmix: {lufs: -14, lufs: -9}\n",
            'key "lufs" is given twice',
        ),
        ("description: &a x\nsource: *a\n", "aliases"),
        ("[1, 2]\n", 'must hold "key: value" lines'),
        ("a: !!python/object/apply:os.getcwd []\n", "line 1"),
        ("a: [\n", "line 2"),
        ("[" * 20_000, "not valid YAML"),
        ("a: " + "9" * 5_000, ""),
        ("a: " + "x" * 70_000, "larger than 65536 bytes"),
        ("\x00\x01", "not valid YAML"),
    ],
)
def test_a_wrong_preset_is_refused_in_one_line_that_names_the_file(tmp_path, text, told):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_preset(str(path))
    said = f"{caught.value.message} {caught.value.hint or ''}"
    assert "mine.yaml" in said
    assert told in said
    assert "\n" not in said
    assert caught.value.exit_code == 4


def test_an_unknown_preset_is_answered_with_the_nearest():
    with pytest.raises(SettingsError, match="no preset") as caught:
        load_preset("streming")
    assert "did you mean streaming?" in caught.value.hint


@given(st.text(max_size=200))
def test_no_text_makes_the_preset_reader_fail_in_another_way(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("presets") / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(SettingsError):
        load_preset(str(path))


def test_given_values_win_and_are_checked():
    assert override(MixSettings(), {"lufs": None}).lufs is None
    assert override(MixSettings(lufs=-9), {"limit_db": 3}).lufs == -9
    with pytest.raises(SettingsError, match="limit_db"):
        override(MixSettings(), {"limit_db": 300})


def test_settings_of_the_rules_are_overridden_and_checked_alike():
    assert override(RuleSettings(drums_db=2), {"reverb": "room"}) == RuleSettings(drums_db=2, reverb="room")
    with pytest.raises(SettingsError, match="keep_balance"):
        override(RuleSettings(), {"keep_balance": 2})


def test_no_key_is_a_setting_of_both_parts():
    assert not set(MixSettings.model_fields) & set(RuleSettings.model_fields)


def test_assignments_are_typed_and_go_to_their_part():
    words = ["mix.limit_db=9", "bit_depth=16", "lufs=null", "rules.reverb_db=+3", "drums_db=-1.5"]
    mix, rules = parse_assignments(words)
    assert mix == {"limit_db": 9, "bit_depth": "16", "lufs": None}
    assert rules == {"reverb_db": 3, "drums_db": -1.5}
    with pytest.raises(SettingsError, match='has no "="'):
        parse_assignments(["limit_db"])


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("mix.limit", "mix.limit_db"),
        ("limt_db", "mix.limit_db"),
        ("rules.drum_db", "rules.drums_db"),
        ("rules.limit_db", "mix.limit_db"),
        ("mix.reverb_db", "rules.reverb_db"),
        ("rule.width_db", "rules.width_db"),
    ],
)
def test_unknown_keys_get_the_nearest_with_its_part(key, nearest):
    with pytest.raises(SettingsError) as caught:
        parse_assignments([f"{key}=9"])
    assert (caught.value.code, caught.value.hint) == ("E411", f'did you mean "{nearest}"?')


@given(st.text(max_size=40))
def test_no_assignment_makes_the_reader_fail_in_another_way(text):
    with pytest.raises(SettingsError):
        parse_assignments([f"no such key {text}"])


def test_assignments_of_training_go_to_their_part_and_unknown_ones_get_the_nearest():
    words = ["train.lr=1e-4", "batch_size=4", "model.depth=8", "model.inputs=[drums.kick]", "clip=off"]
    train, model = parse_training_assignments(words)
    assert override(TrainSettings(), train) == TrainSettings(lr=1e-4, batch_size=4, clip=None)
    assert model == {"depth": 8, "inputs": ["drums.kick"]}
    with pytest.raises(SettingsError) as caught:
        parse_training_assignments(["train.seet=1"])
    assert (caught.value.code, caught.value.hint) == ("E411", 'did you mean "train.seed"?')
    with pytest.raises(SettingsError, match='"lr" is 2'):
        override(TrainSettings(), {"lr": 2})


def test_a_preset_of_training_is_refused_where_a_mix_is_made():
    with pytest.raises(SettingsError, match="for training alone") as caught:
        preset_values(["train-base"], "mix")
    assert caught.value.code == "E425"
