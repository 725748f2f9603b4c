"""Which songs, references and mixes an evaluation finds, by the names on disk."""

import pytest
from conftest import plucks, write_wav

from mixcli.errors import MixcliError
from mixcli.evaluation.places import find_file, find_folder
from mixcli.evaluation.plan import plan_evaluation, read_labels
from mixcli.evaluation.request import EvalRequest, System

SOUND = plucks(220, 0.5)


@pytest.mark.parametrize(
    "place", ["Artist/Song.wav", "Artist/Song/Song.flac", "Song.wav", "Artist/Song/final mix v2.wav"]
)
def test_a_mix_is_found_by_the_path_or_the_name_of_its_song(tmp_path, place):
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    assert find_file(str(tmp_path), "Artist/Song", "mix") == path


def test_a_pattern_names_the_song_in_the_middle_of_a_path(tmp_path):
    path = tmp_path / "Song 1" / "mixes" / "megami.flac"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    pattern = f"{tmp_path}/{{song}}/mixes/megami"
    assert find_file(f"{pattern}.flac", "Song 1", "mix") == path
    assert find_file(pattern, "Song 1", "mix") == path
    assert find_folder(f"{tmp_path}/{{song}}/mixes", "Song 1") == path.parent


@pytest.mark.parametrize(
    ("files", "code"),
    [((), "E361"), (("Song.wav", "Song.flac"), "E362"), (("Song/a.wav", "Song/b.wav"), "E362")],
)
def test_no_mix_and_two_mixes_are_told_with_the_place(tmp_path, files, code):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(MixcliError) as caught:
        find_file(str(tmp_path), "Song", "mix")
    assert caught.value.code == code
    assert "Song" in caught.value.message


@pytest.fixture
def library(tmp_path):
    for song in ("Blue", "Red"):
        for stem in ("Kick", "Bass", "LdVox"):
            write_wav(tmp_path / "library" / song / f"{stem}.wav", SOUND)
    write_wav(tmp_path / "theirs" / "Blue.wav", SOUND)
    return tmp_path / "library"


def test_a_system_without_a_mix_of_a_song_keeps_its_other_songs(library, tmp_path):
    theirs = System(name="theirs", kind="given", place=str(tmp_path / "theirs"))
    plan = plan_evaluation(EvalRequest(library=library, systems=(theirs,)))
    blue, red = plan.songs
    assert (blue.name, blue.mixes) == ("Blue", {"theirs": tmp_path / "theirs" / "Blue.wav"})
    assert (red.name, red.mixes) == ("Red", {})
    assert red.missing["theirs"].code == "E361"


def test_references_may_lie_in_a_folder_of_their_own(library, tmp_path):
    request = EvalRequest(library=library, systems=(), against=tmp_path / "theirs")
    plan = plan_evaluation(request)
    assert [song.reference for song in plan.songs] == [tmp_path / "theirs" / "Blue.wav", None]
    assert [song.folder for song in plan.songs] == [library / "Blue", library / "Red"]
    assert [song.failure and song.failure.code for song in plan.songs] == [None, "E361"]


def test_a_folder_of_finished_mixes_is_paired_with_references_of_the_same_names(tmp_path):
    for name in ("A/one.wav", "A/two.wav", "three.wav"):
        write_wav(tmp_path / "references" / name, SOUND)
    for name in ("A/one/one.wav", "A/two.flac", "unpaired.wav"):
        (tmp_path / "mixes" / name).parent.mkdir(parents=True, exist_ok=True)
        write_wav(tmp_path / "mixes" / name, SOUND, subtype="PCM_16")
    request = EvalRequest(library=tmp_path / "mixes", systems=(), against=tmp_path / "references")
    plan = plan_evaluation(request)
    assert [(song.name, song.folder) for song in plan.songs] == [("A/one", None), ("A/two", None)]
    assert [song.reference for song in plan.songs] == [
        tmp_path / "references" / "A" / "one.wav",
        tmp_path / "references" / "A" / "two.wav",
    ]
    assert [song.mixes["mixes"].name for song in plan.songs] == ["one.wav", "two.flac"]
    assert [(system.name, system.kind) for system in plan.systems] == [("mixes", "given")]


def test_earlier_results_inside_the_library_are_no_songs(library):
    for stem in ("sum", "random-gains"):
        write_wav(library / "scores of may" / "mixes" / f"{stem}.wav", SOUND)
    request = EvalRequest(library=library, systems=(), out=library / "scores of may")
    assert [song.name for song in plan_evaluation(request).songs] == ["Blue", "Red"]


def test_labels_come_from_a_table_with_a_column_of_songs(library, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("\ufeffsong,genre,year\nBlue,jazz,1959\nGreen,rock,\n", "utf-8")
    assert read_labels(table) == {"Blue": {"genre": "jazz", "year": "1959"}, "Green": {"genre": "rock"}}
    plan = plan_evaluation(EvalRequest(library=library, systems=(), labels=table))
    assert [dict(song.labels) for song in plan.songs] == [{"genre": "jazz", "year": "1959"}, {}]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"name,genre\nBlue,jazz\n", "song"), (b"\xff\xfe\x00", "read"), (b"song,genre\nGreen,x\n", "Green")],
)
def test_a_table_of_labels_that_fits_no_song_is_refused(library, tmp_path, content, words):
    table = tmp_path / "labels.csv"
    table.write_bytes(content)
    with pytest.raises(MixcliError) as caught:
        plan_evaluation(EvalRequest(library=library, systems=(), labels=table))
    assert caught.value.code == "E423"
    assert words in caught.value.message


def test_one_recipe_for_several_songs_is_refused_and_a_missing_one_costs_its_song(library, tmp_path):
    with pytest.raises(MixcliError) as caught:
        plan_evaluation(EvalRequest(library=library, systems=(), recipe="a.recipe.yaml"))
    assert caught.value.code == "E208"
    recipe = tmp_path / "r" / "Blue.recipe.yaml"
    recipe.parent.mkdir()
    recipe.write_text("")
    pattern = f"{tmp_path}/r/{{song}}.recipe.yaml"
    blue, red = plan_evaluation(EvalRequest(library=library, systems=(), recipe=pattern)).songs
    assert blue.recipe == recipe
    assert red.failure.code == "E411"


def test_a_mix_named_like_its_song_beside_the_stems_is_no_finished_mix(library, tmp_path):
    for song in ("Blue", "Red"):
        write_wav(library / song / f"{song}.wav", SOUND)
        write_wav(tmp_path / "references" / f"{song}.wav", SOUND)
    plan = plan_evaluation(EvalRequest(library=library, systems=(), against=tmp_path / "references"))
    assert [song.folder for song in plan.songs] == [library / "Blue", library / "Red"]
    assert plan.notices == ()


def test_results_never_go_into_a_song_folder(library):
    with pytest.raises(MixcliError) as caught:
        plan_evaluation(EvalRequest(library=library, systems=(), out=library / "Blue" / "scores"))
    assert caught.value.code == "E507"


@pytest.mark.parametrize("field", ["against", "parts", "system"])
def test_a_folder_that_is_not_there_is_told_before_any_work(library, tmp_path, field):
    nowhere = tmp_path / "nowhere"
    system = System(name="x", kind="given", place=str(nowhere))
    request = {
        "against": EvalRequest(library=library, systems=(), against=nowhere),
        "parts": EvalRequest(library=library, systems=(), parts=str(nowhere)),
        "system": EvalRequest(library=library, systems=(system,)),
    }[field]
    with pytest.raises(MixcliError) as caught:
        plan_evaluation(request)
    assert caught.value.code == "E216"
    assert "nowhere" in caught.value.message
