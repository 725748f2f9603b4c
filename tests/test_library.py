"""Finding songs below a folder: which folders are songs, and which are parts, wrappers or finished mixes."""

import os

import pytest

from mixcli.songs.library import find_songs

STEMS = ("Kick.wav", "Bass.wav", "Vox.wav")


@pytest.fixture
def library(tmp_path):
    """Makes empty files; finding opens none of them."""

    def make(*paths):
        for path in paths:
            (tmp_path / "library" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "library" / path).touch()
        return tmp_path / "library"

    return make


def song(folder, stems=STEMS):
    return [f"{folder}/{stem}" for stem in stems]


def found(root):
    songs = find_songs(root)
    assert all(folder == (root / relative if relative != "." else root) for relative, folder in songs)
    return [relative for relative, _ in songs]


def test_songs_come_in_natural_order(library):
    root = library(*song("Song 10"), *song("Song 2"), *song("another"))
    assert found(root) == ["another", "Song 2", "Song 10"]


def test_a_song_given_as_library_is_the_one_song(library):
    assert found(library(*STEMS)) == ["."]


def test_a_folder_needs_two_stems(library):
    assert found(library(*song("Song A"), "Song B/Vox.wav", "Song B/Rough Mix.wav", "Song C/notes.txt")) == [
        "Song A"
    ]


@pytest.mark.parametrize(
    "inner", ["Stems", "RAW", "Audio Files", "multitrack", "Tracks", "Song_STEMS", "Drums", "Vox"]
)
def test_folders_of_stems_belong_to_their_parent(library, inner):
    root = library(*song(f"Song A/{inner}"), *song("Song B"))
    assert found(root) == ["Song A", "Song B"]


def test_raw_and_stems_of_one_song_are_one_song(library):
    root = library(
        *song("A_Song/A_Song_RAW"), *song("A_Song/A_Song_STEMS"), "A_Song/A_Song_MIX.wav", *song("B")
    )
    assert found(root) == ["A_Song", "B"]


def test_one_folder_per_role_is_one_song(library):
    parts = ["Drums/Kick.wav", "Drums/Snare.wav", "Vox/Lead.wav", "Vox/Double.wav"]
    single = [f"{role}/0001.wav" for role in ("kick", "snare", "hi-hat")]
    root = library(*(f"Song A/{part}" for part in parts), *(f"Song B/{part}" for part in single))
    assert found(root) == ["Song A", "Song B"]


def test_a_wrapper_that_stands_alone_belongs_to_its_parent(library):
    root = library(*song("Song A/Song A (full)"), *song("Song B/whatever"), *song("Song C"))
    assert found(root) == ["Song A", "Song B", "Song C"]


def test_songs_of_artists_keep_their_own_folders(library):
    root = library(*song("Artist A/Song 1"), *song("Artist A/Song 2"), *song("Artist B/Song 3"))
    assert found(root) == ["Artist A/Song 1", "Artist A/Song 2", "Artist B/Song 3"]


def test_a_library_of_one_song_stays_a_library(library):
    assert found(library(*song("Song A"))) == ["Song A"]


def test_a_folder_with_songs_below_is_no_song(library):
    root = library("Loose 1.wav", "Loose 2.wav", *song("Song A"), *song("Song B"))
    assert found(root) == ["Song A", "Song B"]


def test_finished_mixes_are_no_song(library):
    root = library(
        *song("Song A"),
        *song("Song B"),
        *("mixes/Song A.wav", "mixes/Song B.wav"),
        *("References 2024/x.wav", "References/y.wav", "References/z.wav"),
        *("human/Song A.wav", "human/Song B_instrumental.wav"),
    )
    assert found(root) == ["Song A", "Song B"]


def test_mixes_made_here_are_no_song(library):
    root = library(*song("Song A"), "out/x.wav", "out/x.recipe.yaml", "out/y.wav", "out/y.mix.json")
    assert found(root) == ["Song A"]


def test_junk_is_no_song(library):
    root = library(*song("Song A"), *song("__MACOSX/Song A", ("._a.wav", "b.wav", "c.wav")), *song(".trash"))
    assert found(root) == ["Song A"]


def test_loops_of_links_end(library):
    root = library(*song("Song A"), *song("Song B"))
    os.symlink(root, root / "Song A" / "loop")
    os.symlink(root, root / "again")
    assert found(root) == ["Song A", "Song B"]


def test_what_lies_beside_a_folder_of_stems_is_part_of_its_song(library):
    groups = song("rock/groups", ("drums.wav", "bass.wav", "vocals.wav"))
    others = song("rock/other-mixes", ("one.wav", "two.wav"))
    root = library(*song("rock/stems"), *groups, *others, "rock/mix.wav", *song("disco/Stems"))
    assert found(root) == ["disco", "rock"]


def test_what_lies_beside_the_stems_of_the_root_is_part_of_its_song_where_a_mix_is_too(tmp_path):
    for name in ("mix.wav", "stems/Kick.wav", "stems/Bass.wav", "groups/drums.wav", "groups/bass.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert found(tmp_path) == ["."]
    (tmp_path / "mix.wav").unlink()
    assert "groups" in [name for name, _ in find_songs(tmp_path)]


def test_songs_whose_folders_are_called_title_and_stems_are_songs_of_their_own(library):
    both = library(*song("Ann - One Stems"), *song("Bob - Three Stems"))
    assert found(both) == ["Ann - One Stems", "Bob - Three Stems"]
    one = library(*song("more/Ann - One Stems"), *song("more/Plain"))
    assert found(one / "more") == ["Ann - One Stems", "Plain"]


@pytest.mark.parametrize(
    "inner", ["Stems", "Drum Stems", "Final Stems 24bit", "One Stems", "one-raw", "Export WAV 48k"]
)
def test_a_folder_of_stems_without_a_title_of_its_own_belongs_to_the_song_above(library, inner):
    root = library(*song(f"One/{inner}"), *song("Two"))
    assert found(root) == ["One", "Two"]


@pytest.mark.parametrize("title", ["Night (Original Mix)", "E - No mix", "The Old Master"])
def test_a_title_that_ends_like_a_folder_of_mixes_is_a_song_if_it_holds_stems(library, title):
    root = library(*song(title), *song("Two"))
    assert title in found(root)


@pytest.mark.parametrize("aside", ["Mixes", "Rough Mixes", "Two Mixes", "Old"])
def test_what_is_set_aside_stays_aside_even_with_stems_in_it(library, aside):
    root = library(*song(aside), *song("Two"))
    assert found(root) == ["Two"]
