"""Drum sessions: the engineer's numbers are in his mix, and the same plan gives the same bytes."""

import numpy as np
import pytest
import soundfile
from synthesis_material import BEAT, RATE, make_kit, make_material, make_set

from mixcli.audio.decibels import db_to_gain
from mixcli.audio.expander import Expander
from mixcli.errors import SongError
from mixcli.synthesis.mixing_desk import pan_gains
from mixcli.synthesis.note_map import DRUM_INPUTS
from mixcli.synthesis.sessions import SoundBank, read_source, render, session_plans

OPTIONS = "shortest=1,longest=3,seed=4"


def plans_of(folder, options=OPTIONS):
    return session_plans(read_source(f"synth:drums={folder},{options}"))


def test_strokes_on_keys_without_a_piece_are_counted(tmp_path):
    make_kit(tmp_path / "kit")
    notes = [*BEAT, (100, 75, 90), (300, 75, 90), (700, 56, 90)]  # claves and a cowbell
    make_set(tmp_path / "grooves", [("ann", "one", "train", notes)])
    assert render(plans_of(tmp_path)[0]).unplayed == {56: 1, 75: 2}


@pytest.fixture(scope="module")
def session_folder(tmp_path_factory):
    return make_material(tmp_path_factory.mktemp("material"))


def test_a_session_has_the_inputs_of_the_paper_and_the_length_of_its_plan(session_folder):
    for plan in plans_of(session_folder):
        session = render(plan)
        assert tuple(sorted(session.stems)) == tuple(sorted(DRUM_INPUTS))
        assert {(stem.dtype, len(stem)) for stem in session.stems.values()} == {
            (np.dtype("float32"), plan.n_samples)
        }
        assert session.mix_TC.shape == (plan.n_samples, 2)
        assert session.mix_TC.dtype == np.float32
        assert np.abs(session.mix_TC).max() == pytest.approx(db_to_gain(-1.0), rel=1e-5)
        assert max(np.abs(stem).max() for stem in session.stems.values()) <= db_to_gain(-0.99)


def test_the_engineers_gains_and_pans_are_recovered_from_the_dry_mix_by_least_squares(session_folder):
    for plan in plans_of(session_folder, OPTIONS + ",dry"):
        session = render(plan)
        names = list(session.decisions.strips)
        inputs_TK = np.stack([session.stems[name] for name in names], axis=1).astype(np.float64)
        found_KC = np.linalg.lstsq(inputs_TK, session.mix_TC.astype(np.float64), rcond=None)[0]
        strips = [session.decisions.strips[name] for name in names]
        wanted_KC = np.array(
            [
                np.array(pan_gains(strip.pan)) * strip.polarity * db_to_gain(strip.gain_db) * session.gain
                for strip in strips
            ]
        )
        np.testing.assert_allclose(found_KC, wanted_KC, rtol=1e-3, atol=1e-4)


def energy(samples):
    return float(np.sum(np.square(samples, dtype=np.float64)))


def test_what_the_preamplifiers_did_the_engineer_takes_back(session_folder):
    """His balance hangs on the hits, not on how hot they were recorded: 0.9 of any gain is undone."""
    louder = plans_of(session_folder, OPTIONS + ",dry,preamp=12")
    for quiet, loud in zip(plans_of(session_folder, OPTIONS + ",dry,preamp=0"), louder, strict=True):
        ratio_db, moved_db = [], []
        sessions = render(quiet), render(loud)
        for name in ("drums.kick", "drums.snare"):
            # against the overheads, which are the measure of all levels
            recorded = [
                energy(each.stems[name]) / energy(each.stems["drums.overhead:L"]) for each in sessions
            ]
            mixed = [each.decisions.strips[name].gain_db for each in sessions]
            ratio_db.append(10 * np.log10(recorded[1] / recorded[0]))
            moved_db.append(mixed[1] - mixed[0])
        np.testing.assert_allclose(moved_db, -0.9 * np.array(ratio_db), atol=0.05)


def test_an_engineer_who_does_not_follow_leaves_the_desk_as_it_stands(session_folder):
    plans = plans_of(session_folder, OPTIONS + ",dry,follows=0,taste=0")
    kicks = [render(plan).decisions.strips["drums.kick"].gain_db for plan in plans]
    assert kicks == [kicks[0]] * len(plans)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(session_folder):
    first, again = (plans_of(session_folder), plans_of(session_folder))
    assert [plan.key for plan in first] == [plan.key for plan in again]
    bank = SoundBank()
    render(first[1], bank)  # what was rendered before leaves no trace
    one, other = render(first[0], bank), render(again[0])
    assert one.mix_TC.tobytes() == other.mix_TC.tobytes()
    assert all(one.stems[name].tobytes() == other.stems[name].tobytes() for name in one.stems)
    third = plans_of(session_folder, "shortest=1,longest=3,seed=5")
    same = next(plan for plan in third if plan.source == first[0].source)
    assert same.key != first[0].key
    assert render(same).mix_TC.tobytes() != one.mix_TC.tobytes()


def test_a_wet_session_has_the_stems_of_the_dry_one_and_another_mix(session_folder):
    wet = plans_of(session_folder)[0]
    dry = plans_of(session_folder, OPTIONS + ",dry")[0]
    assert wet.key != dry.key
    wet_session, dry_session = render(wet), render(dry)
    assert all(
        wet_session.stems[name].tobytes() == dry_session.stems[name].tobytes() for name in wet_session.stems
    )
    assert np.abs(wet_session.mix_TC - dry_session.mix_TC).max() > 0.01


def test_the_engineer_pans_as_the_overheads_hear_and_puts_down_what_is_not_played(session_folder):
    for plan in plans_of(session_folder):
        session = render(plan)
        strips = session.decisions.strips
        assert "drums.tom:2" not in strips  # no stroke on it, and no such piece
        assert strips["drums.kick"].pan == strips["drums.snare"].pan == 0
        assert strips["drums.overhead:L"].pan == -strips["drums.overhead:R"].pan < 0
        # The tiny kit's first tom is louder in its left overhead, the third in the right one.
        assert strips["drums.tom:1"].pan * strips["drums.tom:3"].pan < 0
        crash_heard = [float(np.sum(session.stems[f"drums.overhead:{side}"] ** 2)) for side in "LR"]
        left_is_left = crash_heard[0] > crash_heard[1]  # the loudest piece is on the left of the kit
        assert (strips["drums.tom:1"].pan < 0) == left_is_left


def test_the_taste_moves_the_decisions_and_none_of_it_leaves_the_range(session_folder):
    plain, moved = (plans_of(session_folder, f"{OPTIONS},taste={taste}")[0] for taste in (0, 1))
    usual, drawn = render(plain).decisions, render(moved).decisions
    assert usual.bus.ratio == 2.0
    for name, strip in usual.strips.items():
        assert abs(drawn.strips[name].gain_db - strip.gain_db) <= 2 * 0.5 + 1e-9  # two standard deviations
    assert drawn.strips["drums.kick"].gain_db != usual.strips["drums.kick"].gain_db


def test_the_expander_takes_the_spill_out_of_the_toms_and_leaves_their_hits(session_folder):
    session = render(plans_of(session_folder)[0])
    tom_T = session.stems["drums.tom:3"]
    opened_T = Expander(session.decisions.strips["drums.tom:3"].expander, RATE, 1).push(tom_T[:, None])[:, 0]
    hit = int(np.argmax(np.abs(tom_T)))
    spill = slice(0, RATE // 2)  # a beat before its first stroke
    assert np.sum(opened_T[spill] ** 2) < 10 ** (-12 / 10) * np.sum(tom_T[spill] ** 2)
    after = slice(hit + RATE // 100, hit + RATE // 20)
    assert np.sum(opened_T[after] ** 2) > 0.9 * np.sum(tom_T[after] ** 2)


def test_a_plate_and_a_room_of_the_folder_are_used(tmp_path):
    make_material(tmp_path)
    before = plans_of(tmp_path)[0]
    first = render(before)
    (tmp_path / "responses").mkdir()
    for name in ("plate_a", "room_b"):
        soundfile.write(tmp_path / f"responses/{name}.wav", np.eye(2), 48_000, subtype="FLOAT")
    after = plans_of(tmp_path)[0]
    assert after.key != before.key
    second = render(after)
    assert not np.array_equal(first.stems["drums.overhead:L"], second.stems["drums.overhead:L"])
    np.testing.assert_array_equal(first.stems["drums.kick"], second.stems["drums.kick"])
    assert not np.array_equal(first.mix_TC, second.mix_TC)


def test_rooms_are_inputs_too_and_stand_in_the_mix_where_they_are_asked_for(tmp_path):
    microphones = ("kick", "snare", "ohl", "ohr", "room_l", "room_r")
    pieces = {"kick": (0, 0.3, 0.1), "snare": (1, 0.2, 0.2)}
    make_kit(tmp_path / "kit", microphones=microphones, pieces=pieces)
    make_set(tmp_path / "grooves", [("ann", "one", "train", BEAT)])
    session = render(plans_of(tmp_path, OPTIONS + ",rooms,dry")[0])
    assert set(session.stems) - set(DRUM_INPUTS) == {"drums.room:L", "drums.room:R"}
    left, right = (session.decisions.strips[f"drums.room:{side}"] for side in "LR")
    assert (left.gain_db, left.pan) == (right.gain_db, -right.pan)
    # 12 dB below the overheads, give or take a mood of 0.5 dB and of the pair's two sides
    ratio = energy(session.stems["drums.room:L"]) / energy(session.stems["drums.overhead:L"])
    assert 10 * np.log10(ratio) + left.gain_db == pytest.approx(-12, abs=1.01)


@pytest.mark.parametrize("overhead", ["oh", "ohl", "ohr"])
def test_one_overhead_is_heard_on_both_sides_whatever_it_is_called(tmp_path, overhead):
    pieces = {"kick": (0, 0.1, 0.1), "snare": (1, 0.2, 0.2)}
    make_kit(tmp_path / "kit", microphones=("kick", "snare", overhead, "front"), pieces=pieces)
    make_set(tmp_path / "grooves", [("ann", "one", "train", BEAT)])
    stems = render(plans_of(tmp_path, OPTIONS + ",rooms")[0]).stems
    assert {name for name, stem in stems.items() if stem.any()} == {
        *("drums.kick", "drums.snare", "drums.overhead:L", "drums.overhead:R", "drums.room:L", "drums.room:R")
    }
    levels_db = [10 * np.log10(energy(stems[f"drums.overhead:{side}"])) for side in "LR"]
    assert levels_db[0] == pytest.approx(levels_db[1], abs=0.5)  # but for what the room adds


def test_a_kit_without_overheads_is_refused(tmp_path):
    make_kit(tmp_path / "kit", microphones=("kick", "snare"), pieces={"kick": (0, 0, 0), "snare": (1, 0, 0)})
    make_set(tmp_path / "grooves", [("ann", "one", "train", BEAT)])
    with pytest.raises(SongError, match="no overhead") as caught:
        render(plans_of(tmp_path)[0])
    assert caught.value.code == "E375"


def test_a_stretch_without_a_stroke_is_silent_in_the_mix(tmp_path):
    make_kit(tmp_path / "kit")
    make_set(tmp_path / "grooves", [("ann", "one", "train", [(9_000, 36, 100)])])  # 9.4 s; 2 s by its index
    session = render(plans_of(tmp_path)[0])
    assert not session.decisions.strips
    assert not session.mix_TC.any()
