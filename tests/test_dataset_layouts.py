import json
import shutil

import numpy as np
import pytest
import soundfile
import yaml
from dataset_trees import (
    WRITERS,
    write,
    write_cambridge,
    write_dsd100,
    write_enst,
    write_folders,
    write_manifest,
    write_medleydb,
    write_moisesdb,
    write_musdb18,
    write_slakh2100,
)

from mixcli.errors import SongError
from mixcli.songs.dataset_folders import song_groups
from mixcli.songs.dataset_layouts import find_layout, read_dataset
from mixcli.songs.dataset_song import DatasetSong, RefusedSong


def read(source, **options):
    return list(read_dataset(source, find_layout(source), **options))


def by_name(source, **options):
    return {item.name: item for item in read(source, **options)}


def roles(song):
    return sorted(stem.role for stem in song.stems)


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_is_told_by_what_lies_in_it_and_every_song_is_read(layout, tmp_path):
    source = WRITERS[layout](tmp_path)
    assert find_layout(source) == layout
    songs = read(source)
    assert songs
    assert all(isinstance(song, DatasetSong) for song in songs), songs
    assert len({song.name for song in songs}) == len(songs)
    for song in songs:
        assert (song.mix is None) == (layout == "moisesdb")
        assert song.duration_s == pytest.approx(2.0, abs=0.01)
        # what a recipe does: every file lies below the song's folder
        assert all(file.path.is_relative_to(song.folder) for stem in song.stems for file in stem.files)


def test_plain_folders_keep_the_mix_beside_the_stems_and_the_artist(tmp_path):
    songs = by_name(write_folders(tmp_path))
    assert list(songs) == ["Ann - One", "Bob - Two", "Cid - Three"]
    song = songs["Bob - Two"]
    assert song.group == "Bob"
    assert song.part is None
    assert song.mix == tmp_path / "Bob - Two" / "Full Mix.wav"
    assert roles(song) == [
        "bass.electric",
        "drums.hihat",
        "drums.kick",
        "drums.snare",
        "keys.other",
        "vox.lead",
    ]


def test_a_mix_in_a_folder_for_mixes_is_found_and_two_of_them_are_not_guessed(tmp_path):
    write_folders(tmp_path, mix="")
    write(tmp_path / "Ann - One" / "Mixes" / "final.wav", np.zeros((16_000, 2)))
    for name in ("a.wav", "b.wav"):
        write(tmp_path / "Bob - Two" / "Mix" / name, np.zeros((16_000, 2)))
    songs = by_name(tmp_path)
    assert songs["Ann - One"].mix.name == "final.wav"
    assert songs["Bob - Two"] == RefusedSong(
        "Bob - Two", 'several mixes ("a.wav", "b.wav"): keep the one that is meant.'
    )
    assert songs["Cid - Three"].mix is None


def test_folders_named_for_parts_are_the_parts_of_plain_songs(tmp_path):
    names = ("train/Ann/One", "train/Ann/Two", "validation/Bob/Three", "test/Cid - Four", "Dee - Five")
    write_folders(tmp_path, songs=names)
    assert {song.name: (song.group, song.part) for song in read(tmp_path)} == {
        "train/Ann/One": ("Ann", "train"),
        "train/Ann/Two": ("Ann", "train"),
        "validation/Bob": ("Bob", "validation"),
        "test/Cid - Four": ("Cid", "test"),
        "Dee - Five": ("Dee", None),
    }


def test_excerpts_of_a_song_are_one_group_and_numbered_songs_are_not():
    assert song_groups(["sodium-1", "sodium-2", "lithium-1"]) == {
        "sodium-1": "sodium",
        "sodium-2": "sodium",
        "lithium-1": "lithium",
    }
    numbered = [f"Song {number}" for number in range(1, 5)]
    assert song_groups(numbered) == {name: name for name in numbered}
    assert song_groups(["Ann/One", "Ann/Two", "Bob - Three"]) == {
        "Ann/One": "Ann",
        "Ann/Two": "Ann",
        "Bob - Three": "Bob",
    }


def test_medleydb_takes_its_raw_recordings_with_the_roles_of_the_metadata(tmp_path):
    songs = by_name(write_medleydb(tmp_path))
    assert list(songs) == ["AnnBand_One", "BobBand_Two", "CidBand_Three"]
    song = songs["AnnBand_One"]
    assert (song.group, song.part) == ("AnnBand", None)
    assert roles(song) == ["bass.electric", "drums.kick", "keys.piano", "vox.lead"]
    assert song.problems == ("microphones hear each other (has_bleed)",)
    processed = by_name(tmp_path, medleydb="stems")["AnnBand_One"]
    assert roles(processed) == roles(song)
    assert {stem.n_channels for stem in processed.stems} == {2}


def test_medleydb_errata_and_missing_metadata_are_told(tmp_path):
    write_medleydb(tmp_path / "Audio")
    folder = tmp_path / "Audio" / "V1" / "AnnBand_One"
    (folder / "AnnBand_One_RAW" / "AnnBand_One_RAW_02_01.wav").unlink()
    (tmp_path / "Metadata").mkdir()  # some distributions keep all metadata in one place
    for path in (tmp_path / "Audio").rglob("*_METADATA.yaml"):
        shutil.move(path, tmp_path / "Metadata" / path.name)
    (tmp_path / "Metadata" / "BobBand_Two_METADATA.yaml").unlink()
    shutil.rmtree(tmp_path / "Audio" / "V2" / "CidBand_Three" / "CidBand_Three_RAW")
    songs = by_name(tmp_path)
    assert "the metadata name AnnBand_One_RAW_02_01.wav, not there" in songs["AnnBand_One"].problems
    assert songs["BobBand_Two"].problems == ("no metadata: roles are told by the sound",)
    assert {stem.role_from for stem in songs["BobBand_Two"].stems} == {"none"}
    assert songs["CidBand_Three"].reason == 'no recordings in "CidBand_Three_RAW".'


def test_enst_drums_joins_the_overheads_and_takes_the_mix_that_is_asked_for(tmp_path):
    songs = by_name(write_enst(tmp_path / "ENST-drums-public"))
    assert len(songs) == 6
    first, third = songs["drummer_1/050_phrase_rock_sticks"], songs["drummer_3/050_phrase_rock_sticks"]
    assert (first.group, third.group) == ("drummer_1", "drummer_3")
    kit = ["drums.hihat", "drums.kick", "drums.overhead", "drums.snare", "drums.tom", "drums.tom"]
    assert roles(first) == kit
    assert roles(third) == [*kit, "drums.tom"]
    overheads = next(stem for stem in first.stems if stem.role == "drums.overhead")
    assert [file.path.parent.name for file in overheads.files] == ["overhead_L", "overhead_R"]
    assert (overheads.n_channels, overheads.attributes) == (2, {})
    assert [stem.name.split("/")[0] for stem in third.stems if stem.role == "drums.tom"] == [
        "tom_1",
        "tom_2",
        "tom_3",
    ]
    assert first.mix.parent.name == "wet_mix"
    assert by_name(tmp_path / "ENST-drums-public", drums="dry")[first.name].mix.parent.name == "dry_mix"
    assert find_layout(tmp_path) == "enst"  # the folder above is fine, too


def test_an_enst_take_without_its_mix_is_refused_and_one_without_a_microphone_is_told(tmp_path):
    audio = write_enst(tmp_path) / "drummer_1" / "audio"
    (audio / "wet_mix" / "050_phrase_rock_sticks.wav").unlink()
    (audio / "snare" / "119_solo_toms_mallets.wav").unlink()
    songs = by_name(tmp_path)
    assert songs["drummer_1/050_phrase_rock_sticks"].reason == 'no "wet_mix/050_phrase_rock_sticks.wav".'
    assert songs["drummer_1/119_solo_toms_mallets"].problems == ("no recording of snare",)


def test_musdb18_and_dsd100_keep_parts_and_artists(tmp_path):
    songs = by_name(write_musdb18(tmp_path / "musdb18hq"))
    assert songs["test/Dee - Four"].part == "test"
    assert songs["train/Ann - One"].group == "Ann"
    assert roles(songs["train/Ann - One"]) == ["bass.electric", "drums.kit", "other", "vox.lead"]
    songs = by_name(write_dsd100(tmp_path / "DSD100"))
    assert {name: (song.part, song.group) for name, song in songs.items()} == {
        "Dev/001 - Ann - One": ("train", "Ann"),
        "Dev/002 - Bob - Two": ("train", "Bob"),
        "Test/051 - Cid - Three": ("test", "Cid"),
    }


def test_musdb18_in_mp4_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "Ann - One.stem.mp4").write_bytes(b"\0\0\0\x20ftyp")
    assert read(tmp_path) == [
        RefusedSong("train/Ann - One", "MP4 stems (AAC) cannot be read: decode them, or get MUSDB18-HQ.")
    ]


def test_slakh2100_says_that_its_mix_is_none_and_leaves_out_what_it_omits(tmp_path):
    songs = by_name(write_slakh2100(tmp_path))
    assert list(songs) == ["test/Track01876", "train/Track00001", "validation/Track01501"]
    song = songs["train/Track00001"]
    assert song.caution == "its mix is the stems at equal loudness, not a person's mix"
    assert (song.group, song.part) == ("00ff0", "train")
    assert roles(song) == ["bass.electric", "drums.kit", "keys.piano", "synth.lead"]


def test_moisesdb_has_no_mix_and_tells_lengths_apart(tmp_path):
    songs = by_name(write_moisesdb(tmp_path))
    song = songs["Ann - One"]
    assert (song.group, song.mix) == ("Ann", None)
    assert roles(song) == ["bass.electric", "drums.kick", "drums.snare", "gtr.electric", "vox.lead"]
    assert song.problems == ("stems end between 1.95 and 2 s",)
    next(song.folder.rglob("bass/*.wav")).unlink()
    assert "the sum would not be the song" in by_name(tmp_path)["Ann - One"].reason


def test_cambridge_prefers_the_full_mix_and_finds_recordings_one_folder_deeper(tmp_path):
    songs = by_name(write_cambridge(tmp_path))
    assert songs["AnnBand_One"].mix.name == "AnnBand_One_Full.wav"
    assert songs["AnnBand_One"].group == "AnnBand"
    assert len(songs["CidBand_Three"].stems) == 6
    shutil.rmtree(tmp_path / "AnnBand_One" / "mixes")
    assert "no mix beside the recordings" in by_name(tmp_path)["AnnBand_One"].reason


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_manifest_gives_roles_groups_and_parts(suffix, tmp_path):
    songs = by_name(write_manifest(tmp_path, suffix))
    assert {name: (song.group, song.part) for name, song in songs.items()} == {
        "One": ("Ann", None),
        "Two": ("Ann", "test"),
        "Three": ("Bob", None),
    }
    assert "vox.backing" in roles(songs["One"])
    assert songs["One"].mix == tmp_path / "mixes" / "One.wav"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stem,mix\na.wav,b.wav\n", 'line 1: no column "song".'),
        ("song,stem,gain\nOne,a.wav,3\n", 'line 1: unknown column "gain".'),
        ("song,stem\nOne,\n", 'line 2: no "stem".'),
        ("song,stem\nOne,a.wav,b\n", "line 2: more fields than columns."),
        ("song,stem\n", "line 1: no rows."),
        ("", 'line 1: no column "song".'),
        ("song,stem," + 200_000 * "x", "field larger than field limit"),
    ],
)
def test_a_broken_manifest_is_refused_with_its_line(text, message, tmp_path):
    path = tmp_path / "songs.csv"
    path.write_text(text)
    with pytest.raises(SongError, match=r"songs\.csv") as refused:
        read(path)
    assert message in refused.value.message
    assert (refused.value.code, refused.value.exit_code) == ("E372", 3)


def test_a_row_that_is_nested_too_deep_is_not_json(tmp_path):
    path = tmp_path / "songs.jsonl"
    path.write_text(100_000 * "[")
    with pytest.raises(SongError, match=r'songs\.jsonl" line 1: not JSON'):
        read(path)


def test_what_one_song_of_a_manifest_lacks_costs_that_song_alone(tmp_path):
    path = write_manifest(tmp_path)
    lines = path.read_text().split("\n")
    path.write_text("\n".join([*lines, "Four,audio/none.wav,,,,", "Five,audio/0kick.wav,drums.kik,,,"]))
    songs = by_name(path)
    assert songs["Four"].reason == "audio/none.wav missing."
    assert songs["Five"].reason == '"audio/0kick.wav": no role "drums.kik"; did you mean drums.kick?'
    assert isinstance(songs["One"], DatasetSong)


def test_a_broken_file_is_named_and_its_song_left_out(tmp_path):
    write_musdb18(tmp_path)
    (tmp_path / "train" / "Ann - One" / "bass.wav").write_bytes(b"no audio")
    (tmp_path / "train" / "Bob - Two" / "mixture.wav").unlink()
    short, rate = soundfile.read(tmp_path / "train" / "Cid - Three" / "mixture.wav")
    write(tmp_path / "train" / "Cid - Three" / "mixture.wav", short[: rate // 2])
    songs = by_name(tmp_path)
    assert "bass.wav" in songs["train/Ann - One"].reason
    assert songs["train/Bob - Two"].reason == "mixture.wav missing."
    assert songs["train/Cid - Three"].reason == "stems and mix do not belong together: 2.0 s and 0.5 s long."
    assert isinstance(songs["test/Dee - Four"], DatasetSong)


def test_a_file_that_is_no_manifest_is_no_source(tmp_path):
    (tmp_path / "songs.txt").write_text("a")
    for name in ("songs.txt", "nothing"):
        with pytest.raises(SongError) as refused:
            find_layout(tmp_path / name)
        assert refused.value.code == "E301"


def test_metadata_that_cannot_be_read_stop_nothing(tmp_path):
    write_medleydb(tmp_path)
    (tmp_path / "V1" / "AnnBand_One" / "AnnBand_One_METADATA.yaml").write_text("stems: [")
    write_moisesdb(tmp_path / "m")
    document = next((tmp_path / "m").rglob("data.json"))
    assert by_name(tmp_path)["AnnBand_One"].problems == ("no metadata: roles are told by the sound",)
    for text in ("{", 100_000 * "["):
        document.write_text(text)
        broken = [item for item in read(tmp_path / "m") if isinstance(item, RefusedSong)]
        assert [item.reason for item in broken] == ['"data.json" cannot be read.']


@pytest.mark.parametrize("stems", ["null", "[1]", "{S01: {raw: {R01: x}}}"])
def test_metadata_of_another_shape_stop_nothing(stems, tmp_path):
    write_medleydb(tmp_path)
    (tmp_path / "V1" / "AnnBand_One" / "AnnBand_One_METADATA.yaml").write_text(
        f"artist: Ann\nstems: {stems}\n"
    )
    assert len(by_name(tmp_path)["AnnBand_One"].stems) == 4
    write_moisesdb(tmp_path / "m")
    document = sorted((tmp_path / "m").rglob("data.json"))[0]
    document.write_text(json.dumps({"artist": "Ann", "stems": yaml.safe_load(stems)}))
    assert isinstance(read(tmp_path / "m")[0], RefusedSong)
