"""Moves asked for by name: what a selector means, and what each move does to a recipe."""

import math
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcli.console.overrides import apply_overrides, select_stems
from mixcli.console.recipe import BusRecipe, Recipe, StemRecipe
from mixcli.errors import SettingsError
from mixcli.songs.roles import BUSES, ROLES


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


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("vox.lead", ["05_Vox.wav"]),
        ("drums", ["Drums/01_Kick.wav", "Drums/02_Snare.wav"]),
        ("guitars", ["03_GtrA.wav", "04_GtrB.wav"]),
        ("keys", ["06_Rhodes.wav"]),  # a family and a bus: the family counts
        ("snare_toms", ["Drums/02_Snare.wav"]),
        ("snare", ["Drums/02_Snare.wav"]),
        ("02_Snare.wav", ["Drums/02_Snare.wav"]),
        ("drums/02_snare", ["Drums/02_Snare.wav"]),
        ("*gtr*", ["03_GtrA.wav", "04_GtrB.wav"]),
        ("Drums/*", ["Drums/01_Kick.wav", "Drums/02_Snare.wav"]),
        ("winds.flute", []),
        ("strings", []),
    ],
)
def test_a_selector_means_a_role_a_family_a_bus_or_a_name(recipe, selector, chosen):
    assert select_stems(recipe, selector) == chosen


@pytest.mark.parametrize(
    ("selector", "hint"),
    [
        ("vox.laed", "did you mean vox.lead? mixcli inspect --roles"),
        ("guitrs", "did you mean guitars? mixcli inspect --roles"),
        ("03_GtrC.wav", "did you mean 03_GtrA.wav? mixcli inspect --roles"),
        (
            "%",
            "this song has drums.kick, drums.snare, gtr.acoustic, gtr.electric, keys.epiano, "
            "synth.pad, vox.lead.",
        ),
    ],
)
def test_an_unknown_selector_is_refused_with_the_nearest(recipe, selector, hint):
    for moves in (
        {"gains_db": {selector: 1.0}},
        {"pans": {selector: 0.0}},
        {"mutes": [selector]},
        {"solos": [selector]},
    ):
        with pytest.raises(SettingsError) as caught:
            apply_overrides(recipe, **moves)
        assert (caught.value.code, caught.value.hint) == ("E405", hint)
        assert caught.value.message == f'no role, bus or stem "{selector}".'


def test_a_gain_adds_to_the_rules_and_says_who_asked(recipe):
    moved = apply_overrides(recipe, {"vox.lead": 1.5, "guitars": -2, "03_GtrA.wav": -1})
    assert moved.stems["05_Vox.wav"].gain_db == -1.75
    assert moved.stems["05_Vox.wav"].reasons["gain_db"] == "to -18 LUFS (-3.2); asked for: vox.lead +1.5 dB"
    assert moved.stems["03_GtrA.wav"].gain_db == -6.25
    assert moved.stems["04_GtrB.wav"].gain_db == -5.25
    assert moved.stems["07_Pad.wav"] == recipe.stems["07_Pad.wav"]
    assert recipe.stems["05_Vox.wav"].gain_db == -3.25


def test_a_pan_replaces_and_a_mute_wins_over_a_solo(recipe):
    moved = apply_overrides(recipe, pans={"*GtrA*": -0.8}, solos=["guitars", "vox"], mutes=["gtr.acoustic"])
    assert moved.stems["03_GtrA.wav"].pan == -0.8
    assert moved.stems["03_GtrA.wav"].reasons["pan"] == "asked for: *GtrA* to -0.8"
    sounding = [name for name, stem in moved.stems.items() if not stem.mute]
    assert sounding == ["03_GtrA.wav", "05_Vox.wav"]
    assert moved.stems["04_GtrB.wav"].reasons["mute"] == "asked for: mute gtr.acoustic"
    assert moved.stems["07_Pad.wav"].reasons["mute"] == "asked for: solo guitars, vox"


def test_nothing_asked_changes_nothing(recipe):
    assert apply_overrides(recipe) == recipe
    assert apply_overrides(recipe, {"winds": 3.0}, mutes=["strings"]) == recipe


def test_a_solo_of_nothing_is_refused(recipe):
    with pytest.raises(SettingsError, match=r"solo strings: no stem of this song is that") as caught:
        apply_overrides(recipe, solos=["strings"])
    assert caught.value.code == "E405"


@pytest.mark.parametrize(
    "moves", [{"gains_db": {"vox": 64.0}}, {"gains_db": {"vox": math.nan}}, {"pans": {"vox": 2}}]
)
def test_a_value_out_of_range_is_refused(recipe, moves):
    with pytest.raises(SettingsError, match=r'"05_Vox\.wav": (gain_db|pan)') as caught:
        apply_overrides(recipe, **moves)
    assert caught.value.code == "E411"


@settings(max_examples=50)
@given(selector=st.sampled_from(ROLES) | st.sampled_from(BUSES))
def test_whatever_could_be_in_a_song_may_be_asked_for(selector):
    assert select_stems(Recipe(song="a", sample_rate=8000, stems={}, buses={}), selector) == []


@settings(max_examples=50)
@given(selector=st.text(string.punctuation + " ", min_size=1))
def test_any_other_text_is_refused_in_words(selector):
    with pytest.raises(SettingsError, match="no role, bus or stem"):
        select_stems(Recipe(song="a", sample_rate=8000, stems={}, buses={}), selector)
