"""Sources of sessions: their text, what is found in a folder, and which sessions it makes."""

import sys

import pytest
from synthesis_material import make_kit, make_material

from mixcli.errors import SongError, UsageError
from mixcli.synthesis.kit import read_kit
from mixcli.synthesis.material import find_material
from mixcli.synthesis.sessions import read_source, session_plans

OPTIONS = "shortest=1,longest=3,seed=4"


def plans_of(folder, options=OPTIONS):
    return session_plans(read_source(f"synth:drums={folder},{options}"))


@pytest.fixture(scope="module")
def session_folder(tmp_path_factory):
    return make_material(tmp_path_factory.mktemp("material"))


def test_without_the_midi_package_the_remedy_is_told(tmp_path, monkeypatch):
    make_material(tmp_path)
    monkeypatch.setitem(sys.modules, "mido", None)
    with pytest.raises(UsageError, match="mido") as caught:
        plans_of(tmp_path)
    assert caught.value.code == "E241"
    assert "pip install" in caught.value.hint


def test_more_sessions_only_make_the_list_longer(session_folder):
    few, many = (plans_of(session_folder, f"{OPTIONS},sessions={n}") for n in (2, 7))
    assert [plan.key for plan in many[:2]] == [plan.key for plan in few]
    assert len({plan.key for plan in many}) == len({plan.name for plan in many}) == 7


def test_the_split_is_that_of_the_set_and_drummers_held_out_are_for_testing(session_folder):
    parts = {plan.name[5:]: (plan.group, plan.part) for plan in plans_of(session_folder)}
    assert parts == {
        "drummer1-beat0": ("drummer1", "train"),
        "drummer2-beat1": ("drummer2", "train"),
        "drummer1-beat2": ("drummer1", "test"),
    }
    tested = plans_of(session_folder, OPTIONS + ",parts=test,sessions=3")
    assert {plan.name[5:] for plan in tested} == {"drummer1-beat2"}
    held_out = plans_of(session_folder, OPTIONS + ",held-out-drummers=drummer2")
    assert {plan.part for plan in held_out if plan.group == "drummer2"} == {"test"}


def test_a_change_of_a_kit_s_index_changes_the_keys(tmp_path):
    make_material(tmp_path)
    before = plans_of(tmp_path)
    index = tmp_path / "kit one" / "hits.csv"
    index.write_text(index.read_text("utf-8").replace("crash_l,", "china,"), "utf-8")
    assert all(new.key != old.key for new, old in zip(plans_of(tmp_path), before, strict=True))


def test_kits_are_chosen_and_held_out_by_name(session_folder):
    plans = plans_of(session_folder, OPTIONS + ",kits=kit one")
    assert {plan.kit.name for plan in plans} == {"kit one"}
    with pytest.raises(UsageError, match="kit two") as caught:
        plans_of(session_folder, OPTIONS + ",held-out-kits=kit two")
    assert caught.value.code == "E243"
    assert "kit one" in caught.value.hint
    with pytest.raises(UsageError, match="every kit is held out"):
        plans_of(session_folder, OPTIONS + ",held-out-kits=kit one")


def test_a_folder_with_nothing_to_play_is_refused(tmp_path):
    steps = [
        ("not a folder", lambda: (tmp_path / "data").mkdir()),
        ("no drum kit", lambda: make_kit(tmp_path / "data" / "kit")),
        ("no performances", lambda: None),
    ]
    for words, mend in steps:
        with pytest.raises(SongError, match=words) as caught:
            plans_of(tmp_path / "data")
        assert caught.value.code == "E374"
        mend()


@pytest.mark.parametrize("content", [b"piece,velocity_rank,file\n\xff", b"input," + 200_000 * b"x"])
def test_an_index_that_is_no_table_is_named(tmp_path, content):
    make_material(tmp_path)
    (tmp_path / "grooves" / "info.csv").write_bytes(content)
    with pytest.raises(SongError, match=r"info\.csv") as caught:
        plans_of(tmp_path)
    assert caught.value.code == "E375"
    (tmp_path / "kit one" / "microphones.csv").write_bytes(content)
    with pytest.raises(SongError, match=r"microphones\.csv") as caught:
        read_kit(tmp_path / "kit one")
    assert caught.value.code == "E375"
    (tmp_path / "kit one" / "hits.csv").write_bytes(content)
    assert find_material(tmp_path).kits == ()


def test_a_duration_that_is_no_number_is_that_of_the_last_hit(tmp_path):
    make_material(tmp_path)
    before = plans_of(tmp_path)
    index = tmp_path / "grooves" / "info.csv"
    index.write_text(index.read_text("utf-8").replace(",2.0,", ",inf,"), "utf-8")
    # the last hit of the beat is 1860 of 480 ticks in half a second, and later by the number of the beat
    lengths_s = sorted(plan.n_samples / plan.sample_rate for plan in plans_of(tmp_path))
    assert lengths_s == [3.0, 3.0, 3.0] == [plan.n_samples / plan.sample_rate for plan in before]
    assert all(plan.start_s == 0 for plan in plans_of(tmp_path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("synth:drums", "folder of samples is missing"),
        ("synth:flute=x", 'no source "flute"'),
        ("synth:drums={here},loud", '"loud" is no option'),
        ("synth:drums={here},seed=x", '"x" is no number for seed'),
        ("synth:drums={here},sessions=0", "at least 1"),
        ("synth:drums={here},shortest=9,longest=3", "shortest_s"),
        ("synth:drums={here},parts=exam", "none of the parts"),
    ],
)
def test_a_source_that_cannot_be_read_is_refused(tmp_path, text, words):
    with pytest.raises(UsageError, match=words) as caught:
        read_source(text.format(here=tmp_path))
    assert caught.value.code == "E242"


def test_a_source_s_text_is_read_with_all_its_options(tmp_path):
    folder = tmp_path / "a, b"
    folder.mkdir()
    options = read_source(
        f"synth:drums={folder},dry,seed=3,sessions=9,kits=a+b,held-out-drummers=d1,preamp=2.5,taste=0,rooms"
    )
    assert (options.folder, options.wet, options.seed, options.sessions) == (folder, False, 3, 9)
    assert (options.kits, options.held_out_drummers) == (("a", "b"), ("d1",))
    assert (options.preamp_db, options.taste, options.rooms) == (2.5, 0.0, True)
