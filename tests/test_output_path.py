"""Where a mix goes, and what happens to a mix that is there already."""

from pathlib import Path

import pytest

from mixcli.errors import OutputError, SettingsError, UsageError
from mixcli.mixing.output_path import clean_file_name, plan_paths, settle_existing
from mixcli.settings import MixSettings


def planned(folder, out=None, template="{song}", preset="streaming", **settings):
    return plan_paths(Path(folder), out, template, MixSettings(**settings), preset=preset)


def test_without_an_output_the_mix_goes_to_mixes_with_recipe_and_result_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = planned("Song A")
    assert paths.audio == Path("mixes/Song A.wav")
    assert paths.recipe == Path("mixes/Song A.recipe.yaml")
    assert paths.result == Path("mixes/Song A.mix.json")


def test_inside_the_song_folder_the_mix_goes_beside_it(tmp_path, monkeypatch):
    song = tmp_path / "Song A"
    song.mkdir()
    monkeypatch.chdir(song)
    assert planned(".").audio == tmp_path / "mixes" / "Song A.wav"


def test_an_output_inside_the_song_folder_is_refused(tmp_path):
    with pytest.raises(OutputError, match="never written into"):
        planned(tmp_path, tmp_path / "mix.wav")
    with pytest.raises(OutputError, match="never written into"):
        planned(tmp_path, tmp_path / "deep" / "er")


@pytest.mark.parametrize("room", ["Stems", "RAW", "Audio Files", "02 stems/multitrack"])
def test_a_folder_that_only_says_what_it_holds_lends_the_song_no_name(tmp_path, room):
    expected = "02 stems" if "/" in room else "Song A"
    assert planned(tmp_path / "Song A" / room, tmp_path / "out").audio.name == f"{expected}.wav"


def test_an_audio_suffix_makes_it_a_file_and_everything_else_a_folder(tmp_path):
    assert planned("s", tmp_path / "a.flac", format="flac").audio == tmp_path / "a.flac"
    assert planned("s", tmp_path / "a").audio == tmp_path / "a" / "s.wav"
    with pytest.raises(UsageError, match=r"cannot write .*a\.mp3"):
        planned("s", tmp_path / "a.mp3")


def test_the_template_is_filled_and_its_mistakes_are_told(tmp_path):
    assert planned("s", tmp_path, "{song}_{preset}_{bits}").audio.name == "s_streaming_24.wav"
    with pytest.raises(SettingsError, match='no field "titel"'):
        planned("s", tmp_path, "{titel}")
    with pytest.raises(SettingsError, match="--name"):
        planned("s", tmp_path, "{song")


@pytest.mark.parametrize("template", ["../{song}", "/etc/{song}", "a/../../{song}"])
def test_a_template_cannot_leave_the_output_folder(tmp_path, template):
    assert planned("s", tmp_path / "out", template).audio.parent == tmp_path / "out"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a/b\\c:d", "a_b_c_d"),
        ("  Song.  ", "Song"),
        ("..", "song"),
        ("", "song"),
        ("x\x00\n", "x__"),
        ("Größe 🎵", "Größe 🎵"),
    ],
)
def test_names_become_one_path_component(text, name):
    assert clean_file_name(text) == name


def test_a_long_name_leaves_room_for_its_neighbours():
    assert len((clean_file_name("ü" * 300) + ".recipe.yaml").encode()) <= 255


def test_a_mix_that_is_there_is_refused_skipped_replaced_or_numbered(tmp_path):
    (tmp_path / "s.wav").touch()
    (tmp_path / "s (2).wav").touch()
    paths = planned("s", tmp_path)
    with pytest.raises(OutputError, match="exists") as caught:
        settle_existing(paths, "error")
    assert caught.value.code == "E501"
    assert settle_existing(paths, "skip") is None
    assert settle_existing(paths, "overwrite") == paths
    assert settle_existing(paths, "number").audio.name == "s (3).wav"


def test_a_dangling_link_at_the_output_counts_as_there(tmp_path):
    (tmp_path / "s.wav").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="exists"):
        settle_existing(planned("s", tmp_path), "error")
