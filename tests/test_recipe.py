"""The recipe's file read back exactly, its mistakes told in one line, and the moves asked for by name."""

import math

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcli.console.recipe import (
    BusRecipe,
    CompressorRecipe,
    EqualiserBandRecipe,
    MasterRecipe,
    MixBusRecipe,
    NetworkRecipe,
    Recipe,
    ReverbRecipe,
    RidePoint,
    StemRecipe,
)
from mixcli.console.recipe_file import MAX_RECIPE_BYTES, read_recipe, recipe_text, write_recipe
from mixcli.errors import SettingsError
from mixcli.songs.roles import BUSES, ROLES

TEXT = st.text(max_size=60)
NAMES = st.text(min_size=1, max_size=80)
REASONS = st.dictionaries(TEXT, TEXT, max_size=3)
LEVELS = st.floats(-120, 60)
FREQUENCIES = st.floats(0, 200_000, exclude_min=True)
CURVES = st.none() | st.dictionaries(FREQUENCIES, LEVELS, min_size=1, max_size=6)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
EQUALISERS = st.lists(
    st.builds(
        EqualiserBandRecipe,
        kind=st.sampled_from(["bell", "low_shelf", "high_shelf"]),
        frequency_hz=st.floats(1, 200_000),
        gain_db=st.floats(-24, 24),
        q=st.floats(0.1, 2),
    ),
    max_size=3,
)
COMPRESSORS = st.none() | st.builds(
    CompressorRecipe, threshold_db=st.floats(-120, 24), ratio=st.floats(1, 100)
)
POINTS = st.builds(RidePoint, time_s=st.floats(0, 1_000_000), gain_db=LEVELS)
RIDES = st.lists(POINTS, max_size=5, unique_by=lambda point: point.time_s).map(
    lambda points: sorted(points, key=lambda point: point.time_s)
)
STEMS = st.builds(
    StemRecipe,
    files=st.lists(NAMES, min_size=1, max_size=2),
    role=st.sampled_from(ROLES),
    bus=st.sampled_from(BUSES),
    offset=st.integers(0, 2**40 - 1),
    delay_ms=st.floats(0, 100),
    rides=RIDES,
    equaliser=EQUALISERS,
    compressor=COMPRESSORS,
    mute=st.booleans(),
    polarity=st.sampled_from([1, -1]),
    gain_db=LEVELS,
    high_pass_hz=st.none() | FREQUENCIES,
    side_from_mid_db=CURVES,
    decorrelation_seed=st.integers(0, 2**32 - 1),
    side_gain_db=CURVES,
    pan=st.floats(-1, 1),
    reverb_send_db=st.none() | LEVELS,
    reasons=REASONS,
)
RECIPES = st.builds(
    Recipe,
    song=TEXT,
    sample_rate=st.integers(8_000, 384_000),
    stems=st.dictionaries(NAMES, STEMS, max_size=3),
    buses=st.fixed_dictionaries(
        {bus: st.builds(BusRecipe, gain_db=LEVELS, mute=st.booleans(), reasons=REASONS) for bus in BUSES[1:]}
        | {BUSES[0]: st.builds(BusRecipe, equaliser=EQUALISERS, compressor=COMPRESSORS)}
    ),
    reverb=st.builds(
        ReverbRecipe,
        seed=st.integers(0, 2**32 - 1),
        return_db=LEVELS,
        low_decay=st.floats(0.1, 4),
        high_decay=st.floats(0.1, 4),
        reasons=REASONS,
    ),
    mix_bus=st.builds(MixBusRecipe, equaliser=EQUALISERS, compressor=COMPRESSORS, reasons=REASONS),
    network=st.builds(NetworkRecipe, model=st.none() | TEXT, sha256=st.none() | TEXT, reasons=REASONS),
    master=st.builds(MasterRecipe, target_lufs=st.none() | FINITE, gain_db=FINITE, limit_db=FINITE),
    excluded=st.dictionaries(NAMES, TEXT, max_size=2),
)


@pytest.fixture
def recipe():
    stems = {
        "Drums/01_Kick.wav": ("drums.kick", "kick"),
        "Drums/02_Snare.wav": ("drums.snare", "snare_toms"),
        "03_GtrA.wav": ("gtr.electric", "guitars"),
        "04_GtrB.wav": ("gtr.acoustic", "guitars"),
        "05_Vox.wav": ("vox.lead", "lead"),
        "06_Rhodes.wav": ("keys.epiano", "keys"),
        "07_Pad.wav": ("synth.pad", "keys"),
    }
    return Recipe(
        song="Song A",
        sample_rate=48_000,
        stems={
            name: StemRecipe(
                files=[name],
                role=role,
                bus=bus,
                gain_db=-3.25,
                side_from_mid_db={90: -60, 200: -18},
                reasons={"gain_db": "to -18 LUFS (-3.2)"},
            )
            for name, (role, bus) in stems.items()
        },
        buses={bus: BusRecipe() for bus in BUSES},
    )


def written(recipe, folder):
    write_recipe(recipe, folder / "a.recipe.yaml")
    return folder / "a.recipe.yaml"


@settings(max_examples=20, deadline=None)
@given(recipe=RECIPES)
def test_what_is_written_is_read_back_exactly(tmp_path_factory, recipe):
    path = tmp_path_factory.getbasetemp() / "any.recipe.yaml"
    path.write_bytes(recipe_text(recipe).encode("utf-8"))
    assert read_recipe(path) == recipe
    assert recipe_text(read_recipe(path)) == path.read_text(encoding="utf-8")


def test_the_same_recipe_is_the_same_bytes(recipe, tmp_path):
    first = written(recipe, tmp_path).read_bytes()
    assert written(read_recipe(tmp_path / "a.recipe.yaml"), tmp_path).read_bytes() == first


@settings(max_examples=100, deadline=None)
@given(number=FINITE)
def test_every_number_is_the_same_for_any_yaml_reader(number):
    text = recipe_text(
        Recipe(song="a", sample_rate=8000, stems={}, buses={}, master=MasterRecipe(gain_db=number))
    )
    value = yaml.safe_load(text)["master"]["gain_db"]
    assert isinstance(value, (int, float))
    assert value == number
    assert math.copysign(1, value) == math.copysign(1, number) or isinstance(value, int)


def test_a_name_longer_than_yaml_takes_as_a_simple_key_survives(recipe, tmp_path):
    name = "/".join(["a folder with a long name: " * 8] * 9)
    long = recipe.model_copy(update={"stems": {name: recipe.stems["05_Vox.wav"]}, "excluded": {name: "copy"}})
    assert len(name) > 1024
    assert read_recipe(written(long, tmp_path)) == long


def test_the_file_reads_as_an_engineer_would_write_it(recipe):
    lines = recipe_text(recipe).split("\n")
    start = lines.index('  "05_Vox.wav":')
    assert lines[start : start + 15] == [
        '  "05_Vox.wav":',
        '    files: ["05_Vox.wav"]',
        "    role: vox.lead",
        "    bus: lead",
        "    offset: 0",
        "    mute: false",
        "    polarity: 1",
        "    gain_db: -3.25",
        "    side_from_mid_db: {90: -60, 200: -18}",
        "    decorrelation_seed: 0",
        "    pan: 0",
        "    reasons:",
        "      gain_db: to -18 LUFS (-3.2)",
        '  "06_Rhodes.wav":',
        '    files: ["06_Rhodes.wav"]',
    ]
    assert lines[0].startswith("# A recipe of mixcli")


def edited(recipe, folder, old, new):
    path = written(recipe, folder)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        (
            "    gain_db:",
            "    gian_db:",
            'unknown key "stems.Drums/01_Kick.wav.gian_db"',
            'did you mean "gain_db"?',
        ),
        ("gain_db: -3.25", "gain_db: .nan", '"stems.Drums/01_Kick.wav.gain_db" is nan', None),
        ("gain_db: -3.25", "gain_db: 61", "less than or equal to 60", None),
        ("    pan: 0", "    pan: 1.5", "less than or equal to 1", None),
        ("    pan: 0", "    delay_ms: 101\n    pan: 0", "less than or equal to 100", None),
        ("    pan: 0", "    delay: 1\n    pan: 0", 'unknown key "stems.Drums/01_Kick.wav.delay"', None),
        ("low_decay: 1", "low_decay: 0", "greater than or equal to 0.1", None),
        ("low_hz: 300", "low_hz: 4000", "low_hz is 4000, which is not below high_hz, 4000", None),
        ("network:", "mix_bus: {compressor: {ratio: 2}}\nnetwork:", 'threshold_db" is missing', None),
        ("polarity: 1", "polarity: 0", "Input should be 1 or -1", None),
        ("bus: kick", "bus: kik", "no such bus; the buses are kick, snare_toms", None),
        ("{90: -60, 200: -18}", "{}", "at least 1 item", None),
        ("{90: -60, 200: -18}", "{0: -60}", "greater than 0", None),
        ("{90: -60, 200: -18}", "{90: -60, 90.0: -18}", 'key "90.0" is given twice', None),
        ("sample_rate: 48000", "sample_rate: 4800000", "less than or equal to 384000", None),
        ("sample_rate: 48000", f"sample_rate: 1{'0' * 5000}", "is not valid YAML text", None),
        ("mixcli.recipe/1", "mixcli.recipe/9", "Input should be 'mixcli.recipe/1'", None),
        ("    mute: false", "    mute: false\n    mute: true", 'key "mute" is given twice', None),
        ("song: Song A", "song: &name Song\nexcluded: {a: *name}", "aliases", None),
        ("song: Song A", "song: !!python/object:os.system {}", "could not determine a constructor", None),
        ("song: Song A", "song: " + "[" * 3000, "is not valid YAML text", None),
        ("song: Song A", "song: [", "line", None),
    ],
)
def test_a_mistake_is_told_in_one_line_with_file_and_key(recipe, tmp_path, old, new, message, hint):
    with pytest.raises(SettingsError) as caught:
        read_recipe(edited(recipe, tmp_path, old, new))
    assert caught.value.message.startswith('"a.recipe.yaml"')
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert (caught.value.code, caught.value.exit_code) == ("E411", 4)
    assert hint is None or caught.value.hint == hint


def test_a_bus_that_is_used_must_be_there(recipe, tmp_path):
    path = edited(recipe, tmp_path, "  kick:\n    gain_db: 0\n    mute: false\n    residual_amount: 1\n", "")
    with pytest.raises(SettingsError, match=r'the bus "kick" of the stem "Drums/01_Kick\.wav" is not under'):
        read_recipe(path)


def test_a_file_that_is_too_large_or_missing_is_refused(tmp_path):
    path = tmp_path / "a.recipe.yaml"
    path.write_bytes(b"#" * (MAX_RECIPE_BYTES + 1))
    with pytest.raises(SettingsError, match="larger than 1048576 bytes"):
        read_recipe(path)
    with pytest.raises(SettingsError, match=r'"none\.yaml" cannot be read: No such file'):
        read_recipe(tmp_path / "none.yaml")
