"""From folders as they come to songs: what is read, what is left out, and what is said about it."""

import os
import re
import struct
import unicodedata

import numpy as np
import pytest
import soundfile

from mixcli.errors import SettingsError, SongError
from mixcli.songs.discovery import DiscoveryOptions, read_song
from mixcli.songs.stem_reader import StemReader

RATE = 8_000


@pytest.fixture
def song(tmp_path, rng):
    """Writes files into a song folder: name -> number of channels, or samples [T, C]."""

    def write(files, *, seconds=0.1, rate=RATE, subtype=None):
        folder = tmp_path / "song"
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
                continue
            n_samples = round(seconds * rate)
            samples = content if isinstance(content, np.ndarray) else noise(rng, n_samples, content)
            with open(path, "wb") as file:  # libsndfile would choose the format by the suffix
                kind = path.suffix.lower().lstrip(".") if path.suffix.lower() in (".flac", ".ogg") else "wav"
                soundfile.write(file, samples, rate, format=kind, subtype=subtype)
        folder.mkdir(exist_ok=True)
        return folder

    return write


def noise(rng, n_samples, n_channels):
    return (0.1 * rng.standard_normal((n_samples, n_channels))).astype(np.float32)


def names(song):
    return [stem.name for stem in song.stems]


def notices(song, code):
    return [notice.message for notice in song.notices if notice.code == code]


def refusal(folder, **options):
    with pytest.raises(SongError) as caught:
        read_song(folder, DiscoveryOptions(**options))
    return caught.value


def with_time_reference(path, time_reference):
    """Insert a bext chunk (EBU Tech 3285) with a start time before the data of a WAV file."""
    content = path.read_bytes()
    at = content.index(b"data")
    body = bytes(338) + struct.pack("<Q", time_reference) + bytes(602 - 346)
    content = content[:at] + b"bext" + struct.pack("<I", len(body)) + body + content[at:]
    path.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])


def test_stems_are_sorted_naturally_with_roles_and_attributes(song):
    folder = song({"Tom 10.wav": 1, "Tom 2.wav": 1, "01_KickIn.wav": 1, "Vox.wav": 2})
    found = read_song(folder)
    assert names(found) == ["01_KickIn.wav", "Tom 2.wav", "Tom 10.wav", "Vox.wav"]
    assert [stem.role for stem in found.stems] == ["drums.kick", "drums.tom", "drums.tom", "vox.lead"]
    assert [stem.n_channels for stem in found.stems] == [1, 1, 1, 2]
    assert found.stems[0].attributes == {"mic": "in"}
    assert found.stems[0].role_from == "name"
    assert found.name == "song"
    assert found.reference is None


def test_junk_is_ignored_and_counted(song):
    files = {"Kick.wav": 1, "Bass.wav": 1}
    junk = ["._Kick.wav", ".DS_Store", "Kick.wav.asd", "Kick.reapeaks", "cover.jpg", "notes.txt", "x.pkf"]
    folder = song(files | dict.fromkeys(junk, b"junk") | {"__MACOSX/._Kick.wav": b"junk"})
    found = read_song(folder)
    assert names(found) == ["Bass.wav", "Kick.wav"]
    assert notices(found, "I301") == [
        "7 files are ignored: 1 .asd, 1 .jpg, 1 .pkf, 1 .reapeaks, 1 .txt, 2 hidden."
    ]


def test_capital_and_odd_suffixes_are_read_and_lossy_ones_named(song):
    folder = song({"Kick.WAV": 1, "Bass.wave": 1, "Gtr.Flac": 1, "Vox.OGG": 1, "Keys.bwf": 1})
    found = read_song(folder)
    assert len(found.stems) == 5
    assert notices(found, "W324") == ['1 of 5 stems is lossy (Ogg Vorbis): "Vox.OGG".']


@pytest.mark.parametrize("inner", ["Audio Files", "Stems", "RAW", "Artist_Song_RAW", "My Song 96bpm"])
def test_a_folder_of_stems_or_a_wrapper_is_descended_into(song, inner):
    folder = song({f"{inner}/Kick.wav": 1, f"{inner}/Bass.wav": 1, "readme.txt": b"hello"})
    found = read_song(folder)
    assert names(found) == [f"{inner}/Bass.wav", f"{inner}/Kick.wav"]
    assert found.name == "song"
    assert notices(found, "I302") == [f'stems are taken from "{inner}/".']


def test_a_mix_beside_the_folder_of_stems_is_the_reference(song):
    folder = song(
        {"Artist_Song_MIX.wav": 2, "Artist_Song_STEMS/a_01.wav": 1, "Artist_Song_STEMS/a_02.wav": 1}
        | {"Artist_Song_RAW/a_01_01.wav": 1, "Artist_Song_RAW/a_02_01.wav": 1}
    )
    found = read_song(folder)
    assert names(found) == ["Artist_Song_STEMS/a_01.wav", "Artist_Song_STEMS/a_02.wav"]
    assert found.reference == folder / "Artist_Song_MIX.wav"


def test_stems_in_several_folders_need_recursive(song):
    folder = song({"Drums/Kick.wav": 1, "Drums/Snare.wav": 1, "Vox/Lead.wav": 1, "Vox/Backing.wav": 1})
    error = refusal(folder)
    assert error.code == "E304"
    assert error.message == 'stems are in subfolders ("Drums/", "Vox/").'
    found = read_song(folder, DiscoveryOptions(recursive=True))
    assert {stem.name: stem.role for stem in found.stems} == {
        "Drums/Kick.wav": "drums.kick",
        "Drums/Snare.wav": "drums.snare",
        "Vox/Backing.wav": "vox.backing",
        "Vox/Lead.wav": "vox.lead",
    }


def test_one_folder_per_microphone_with_the_same_name_in_each(song):
    names_of_mics = ["kick", "snare", "hi-hat", "overhead_L", "overhead_R", "tom_1", "tom_2"]
    folder = song({f"{mic}/036_phrase_snare-drum.wav": 1 for mic in names_of_mics})
    found = read_song(folder, DiscoveryOptions(recursive=True))
    roles = {stem.name.split("/")[0]: (stem.role, stem.n_channels) for stem in found.stems}
    assert roles == {
        "hi-hat": ("drums.hihat", 1),
        "kick": ("drums.kick", 1),
        "overhead_L": ("drums.overhead", 2),
        "snare": ("drums.snare", 1),
        "tom_1": ("drums.tom", 1),
        "tom_2": ("drums.tom", 1),
    }


def test_audio_that_stays_unread_in_subfolders_is_named(song):
    found = read_song(song({"Kick.wav": 1, "Bass.wav": 1, "Vocals/Lead.wav": 1}))
    assert notices(found, "W326") == ['audio in subfolders is not mixed ("Vocals/"); --recursive adds it.']


def test_mixes_and_clicks_are_left_out_by_name(song):
    folder = song({"Kick.wav": 1, "Bass.wav": 1, "Rough Mix.wav": 2, "Final Mix.wav": 2, "Click.wav": 1})
    found = read_song(folder)
    assert names(found) == ["Bass.wav", "Kick.wav"]
    assert {one.name: one.why for one in found.excluded} == {
        "Click.wav": "click",
        "Final Mix.wav": "mix",
        "Rough Mix.wav": "mix",
    }
    assert found.reference == folder / "Final Mix.wav"
    assert notices(found, "W325") == [
        '"Final Mix.wav" is a mix, not a stem; kept as the reference.',
        '"Rough Mix.wav" is a mix, not a stem; left out.',
    ]
    kept = read_song(folder, DiscoveryOptions(keep_click=True))
    assert "Click.wav" in names(kept)


def test_a_role_given_by_hand_makes_a_stem_of_what_looks_like_a_mix(song):
    folder = song({"Kick.wav": 1, "Bass.wav": 1, "Rough.wav": 2})
    found = read_song(folder, DiscoveryOptions(roles=(("rough*", "gtr.electric"),)))
    assert [(stem.name, stem.role, stem.role_from) for stem in found.stems][-1] == (
        "Rough.wav",
        "gtr.electric",
        "option",
    )


def test_an_earlier_mix_of_ours_is_no_stem(song):
    folder = song(
        {"Kick.wav": 1, "Bass.wav": 1, "song.wav": 2, "song.recipe.yaml": b"format: mixcli.recipe/1"}
    )
    assert names(read_song(folder)) == ["Bass.wav", "Kick.wav"]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        *(
            ("OH.L", "OH.R"),
            ("OH_L", "OH_R"),
            ("OH L", "OH R"),
            ("OH Left", "OH Right"),
            ("OH (L)", "OH (R)"),
        ),
        *(("03_OverheadL", "04_OverheadR"), ("OH-l", "OH-r"), ("OH L_01", "OH R_01")),
    ],
)
def test_left_and_right_become_one_stereo_stem(song, rng, left, right):
    left_T, right_T = noise(rng, 800, 1), noise(rng, 800, 1)
    folder = song({f"{left}.wav": left_T, f"{right}.wav": right_T, "Kick.wav": 1}, subtype="FLOAT")
    found = read_song(folder)
    stem = next(stem for stem in found.stems if stem.role == "drums.overhead")
    assert len(found.stems) == 2
    assert (stem.name, stem.n_channels) == (f"{left}.wav", 2)
    assert "side" not in stem.attributes
    with StemReader(stem, RATE) as reader:
        assert np.array_equal(reader.read(800), np.concatenate([left_T, right_T], axis=1))
    assert len(read_song(folder, DiscoveryOptions(pair=False)).stems) == 3


def test_sides_of_other_length_rate_or_number_of_channels_stay_apart(song, rng):
    assert len(read_song(song({"OH.L.wav": 1, "OH.R.wav": noise(rng, 700, 1)})).stems) == 2
    assert len(read_song(song({"OH.L.wav": 2, "OH.R.wav": 2})).stems) == 2


def test_more_than_two_channels_are_refused_unless_folded(song):
    folder = song({"Kick.wav": 1, "Room.wav": 6})
    error = refusal(folder)
    assert (error.code, error.hint) == ("E315", "--downmix")
    assert error.message == '"Room.wav" has 6 channels; stems are mono or stereo.'
    assert read_song(folder, DiscoveryOptions(downmix=True)).stems[1].n_channels == 2


def test_all_broken_stems_are_told_in_one_error(song):
    folder = song(
        {"Kick.wav": 1, "Bass.wav": 1, "Empty.wav": b"", "Keys.m4a": b"\0\0\0\x18ftypM4A ", "Gtr.wav": 1}
    )
    whole = (folder / "Gtr.wav").read_bytes()
    (folder / "Gtr.wav").write_bytes(whole[: len(whole) // 2])
    error = refusal(folder)
    assert error.code == "E311"  # of the first, "Empty.wav"
    assert error.message.startswith("3 stems cannot be used: ")
    assert all(f'"{name}"' in error.message for name in ("Empty.wav", "Gtr.wav", "Keys.m4a"))
    assert "\n" not in error.message

    found = read_song(folder, DiscoveryOptions(skip_bad=True))
    assert names(found) == ["Bass.wav", "Kick.wav"]
    assert {one.name for one in found.excluded if one.why == "broken"} == {"Empty.wav", "Gtr.wav", "Keys.m4a"}
    assert [notice.code for notice in found.notices if notice.code.startswith("W31")] == [
        "W311",
        "W312",
        "W313",
    ]


def test_a_broken_mix_does_not_stop_the_song(song):
    assert names(read_song(song({"Kick.wav": 1, "Bass.wav": 1, "Rough Mix.wav": b""}))) == [
        "Bass.wav",
        "Kick.wav",
    ]


def test_mixed_rates_are_told(song, rng):
    song({"Kick.wav": 1, "Bass.wav": 1})
    folder = song({"Vox.wav": 1}, rate=11_025)
    assert notices(read_song(folder), "W321") == [
        "1 of 3 stems is 11.025 kHz, the rest 8 kHz; resampled where the mix has another rate."
    ]


def test_lengths_a_second_apart_are_told_and_ten_seconds_are_a_warning(song, rng):
    folder = song({"Kick.wav": 1, "Bass.wav": noise(rng, 3 * RATE, 1)})
    found = read_song(folder)
    assert notices(found, "I322") == ["lengths differ by up to 3 s; padded at the end."]
    song({"Vox.wav": noise(rng, 12 * RATE, 1)})
    assert len(notices(read_song(folder), "W322")) == 1


def test_start_times_in_all_files_align_the_stems(song, rng):
    kick = noise(rng, 800, 1)
    folder = song({"Kick.wav": kick, "Bass.wav": 1}, subtype="FLOAT")
    with_time_reference(folder / "Kick.wav", 8_000 + 500)
    with_time_reference(folder / "Bass.wav", 8_000)
    found = read_song(folder)
    assert {stem.name: stem.offset for stem in found.stems} == {"Bass.wav": 0, "Kick.wav": 500}
    stem = found.stems[1]
    assert stem.n_samples == 1_300
    with StemReader(stem, RATE) as reader:
        aligned = reader.read(1_300)
    assert not aligned[:500].any()
    assert np.array_equal(aligned[500:], kick)
    assert read_song(folder, DiscoveryOptions(align="start")).stems[1].offset == 0


@pytest.mark.parametrize(("second_s", "believed"), [(1.9, True), (2.1, False), (600, False), (1e5, False)])
def test_start_times_further_apart_than_the_longest_stem_are_not_believed(song, rng, second_s, believed):
    folder = song({"Kick.wav": noise(rng, 2 * RATE, 1), "Bass.wav": 1})
    with_time_reference(folder / "Kick.wav", 5 * RATE)
    with_time_reference(folder / "Bass.wav", round((5 + second_s) * RATE))
    ends_s = {"bwf": second_s + 0.1, "start": 2.0, "auto": second_s + 0.1 if believed else 2.0}
    for align, end_s in ends_s.items():
        found = read_song(folder, DiscoveryOptions(align=align))
        assert found.duration_s == pytest.approx(max(end_s, 2.0))
    found = read_song(folder)
    assert (len(notices(found, "I323")), len(notices(found, "W323"))) == (believed, not believed)
    if second_s == 600:
        assert notices(found, "W323") == [
            "start times are up to 10:00.0 apart, more than any stem lasts; all aligned at 0. "
            "Offsets? --align bwf"
        ]


def test_start_times_in_some_files_are_not_used(song):
    folder = song({"Kick.wav": 1, "Bass.wav": 1, "Vox.wav": 1})
    with_time_reference(folder / "Kick.wav", 9_000)
    with_time_reference(folder / "Bass.wav", 8_000)
    found = read_song(folder)
    assert notices(found, "W323") == ["2 of 3 stems carry start times; all aligned at 0."]
    assert all(stem.offset == 0 for stem in found.stems)
    assert read_song(folder, DiscoveryOptions(align="bwf")).stems[1].offset == 1_000


def test_unknown_roles_are_told_with_a_guess(song):
    found = read_song(song({"Kick.wav": 1, "Chug.wav": 1, "Trombonium.wav": 1}))
    assert notices(found, "W331") == [
        '2 stems have no known role: "Chug.wav", "Trombonium.wav" (like winds.brass); treated as other.'
    ]


def test_a_folder_that_does_not_exist_brings_the_nearest(song, tmp_path):
    song({"Kick.wav": 1})
    error = refusal(tmp_path / "sogn")
    assert (error.code, error.message) == ("E301", 'no folder "sogn".')
    assert error.hint == 'did you mean "song"? Quote paths with spaces.'


def test_a_file_is_no_folder(song):
    error = refusal(song({"Kick.wav": 1}) / "Kick.wav")
    assert (error.code, error.message) == (
        "E302",
        '"Kick.wav" is one audio file; mix needs a folder of stems.',
    )


def test_a_folder_without_audio_tells_what_it_holds(song):
    folder = song({f"{index}.mid": b"x" for index in range(9)} | {f"{index}.als": b"x" for index in range(3)})
    error = refusal(folder)
    assert (error.code, error.message) == ("E303", 'no audio in "song" (12 files looked at: 9 .mid, 3 .als).')
    assert refusal(folder, recursive=True).code == "E303"


def test_a_library_is_not_a_song(song):
    folder = song({f"Song {n}/{stem}.wav": 1 for n in range(3) for stem in ("Kick", "Bass")})
    error = refusal(folder)
    assert (error.code, error.message) == ("E305", '"song" holds 3 songs, not stems.')


def test_a_single_stem_is_refused_unless_allowed(song):
    folder = song({"Gtr.wav": 1})
    error = refusal(folder)
    assert (error.code, error.message) == ("E307", 'only one stem ("Gtr.wav").')
    assert len(read_song(folder, DiscoveryOptions(allow_single=True)).stems) == 1


def test_include_and_exclude_choose_files(song):
    folder = song({"Kick.wav": 1, "Bass.wav": 1, "Vox old.wav": 1, "Vox.wav": 1})
    assert names(read_song(folder, DiscoveryOptions(exclude=("*OLD*",)))) == [
        "Bass.wav",
        "Kick.wav",
        "Vox.wav",
    ]
    assert names(read_song(folder, DiscoveryOptions(include=("vox*", "kick.wav"), exclude=("*old*",)))) == [
        "Kick.wav",
        "Vox.wav",
    ]


def test_a_file_with_brackets_in_its_name_is_chosen_by_its_name(song):
    folder = song({"Gtr [1].wav": 1, "Gtr 1.wav": 1, "Drums/Kick [in].wav": 1, "Vox.wav": 1})
    options = DiscoveryOptions(exclude=("GTR [1].wav",), recursive=True)
    assert names(read_song(folder, options)) == ["Drums/Kick [in].wav", "Gtr 1.wav", "Vox.wav"]
    options = DiscoveryOptions(include=("Gtr [1].wav", "Drums/Kick [in].wav"), recursive=True)
    assert names(read_song(folder, options)) == ["Drums/Kick [in].wav", "Gtr [1].wav"]
    (folder / "Gtr [1].wav").write_bytes(b"")
    hint = refusal(folder).hint
    (word,) = re.findall(r'--exclude "(.*)"', hint)
    assert "Gtr [1].wav" not in names(read_song(folder, DiscoveryOptions(exclude=(word,))))


def test_a_name_is_found_however_its_accents_are_encoded(song):
    folder = song({unicodedata.normalize("NFD", "Gitarre Grün.wav"): 1, "Kick.wav": 1, "Bass.wav": 1})
    options = DiscoveryOptions(exclude=(unicodedata.normalize("NFC", "Gitarre Grün.wav"),))
    assert names(read_song(folder, options)) == ["Bass.wav", "Kick.wav"]


def test_words_that_match_no_file_are_told(song):
    folder = song({"Kick.wav": 1, "Bass.wav": 1, "Gtr 1.wav": 1})
    found = read_song(
        folder,
        DiscoveryOptions(
            include=("*", "Vox*"), exclude=("Gtr [2].wav", "gtr*"), roles=(("Pad\n", "synth.pad"),)
        ),
    )
    assert names(found) == ["Bass.wav", "Kick.wav"]
    assert notices(found, "W327") == [
        '--include "Vox*" matches no file.',
        '--exclude "Gtr [2].wav" matches no file.',
        '--role "Pad\\n" matches no file.',
    ]
    all_used = DiscoveryOptions(exclude=("Gtr*",), roles=(("Gtr 1", "gtr.steel"),))
    assert notices(read_song(folder, all_used), "W327") == []  # a role for what is left out is no mistake


def test_the_fourth_stem_of_a_separated_song_needs_no_warning(song):
    found = read_song(song({f"{name}.flac": 2 for name in ("bass", "drums", "other", "vocals")}))
    assert found.stems[2].role == "other"
    assert notices(found, "W331") == []


def test_an_unknown_role_is_refused_before_anything_is_read():
    with pytest.raises(SettingsError, match="no role"):
        DiscoveryOptions(roles=(("*", "lead_vox"),))


def test_names_of_any_kind_are_read_and_told_printable(song):
    folder = song({"Kick\n\x1b[31m.wav": 1, 'Bass "1".wav': 1, "Gitarre ü 🎸 .wav": 1})
    found = read_song(folder)
    assert len(found.stems) == 3
    assert [stem.role for stem in found.stems] == ["bass.electric", "gtr.other", "drums.kick"]
    (folder / "Kick\n\x1b[31m.wav").write_bytes(b"")
    assert refusal(folder).message.isprintable()


def test_a_name_that_is_not_utf8_is_read(song):
    folder = song({"Kick.wav": 1, "Bass.wav": 1})
    os.rename(folder / "Kick.wav", os.fsencode(folder) + b"/Kick\xff.wav")
    assert [stem.role for stem in read_song(folder).stems] == ["bass.electric", "drums.kick"]


def test_a_pipe_named_like_audio_is_an_error_and_does_not_wait(song):
    folder = song({"Kick.wav": 1, "Bass.wav": 1})
    os.mkfifo(folder / "Vox.wav")
    assert refusal(folder).code == "E311"


def test_links_are_followed_and_loops_are_not(song, tmp_path):
    folder = song({"Kick.wav": 1, "Bass.wav": 1})
    os.symlink(folder / "Kick.wav", folder / "Vox.wav")
    os.symlink(folder, folder / "loop")
    assert len(read_song(folder).stems) == 3
    assert len(read_song(folder, DiscoveryOptions(recursive=True)).stems) == 3


def test_the_folders_name_and_the_order_and_times_of_files_change_nothing(song, tmp_path):
    folder = song({"Kick.wav": 1, "b/Bass.wav": 1, "Chug.wav": 1})
    options = DiscoveryOptions(recursive=True)
    before = read_song(folder, options)
    other = tmp_path / "Bass Vocals Mix"
    for path in sorted(folder.rglob("*.wav"), reverse=True):
        target = other / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        os.utime(target, (1, 1))
    after = read_song(other, options)
    told = [(stem.name, stem.role, stem.attributes) for stem in before.stems]
    assert told == [(stem.name, stem.role, stem.attributes) for stem in after.stems]
    assert before.notices == after.notices


@pytest.mark.parametrize("rate", [RATE, 11_025, 5_512])
@pytest.mark.parametrize("start", [0, 1, 777, 5_000])
def test_reading_in_any_blocks_from_any_start_gives_the_same_samples(song, rng, rate, start):
    folder = song({"Kick.wav": noise(rng, 3_000, 2), "Bass.wav": 1})
    stem = read_song(folder).stems[1]
    with StemReader(stem, rate) as reader:
        whole = reader.read(6_000)
        assert reader.n_samples == -(-3_000 * rate // RATE)
    assert not whole[-(-3_000 * rate // RATE) :].any()
    with StemReader(stem, rate, start=start) as reader:
        parts = [reader.read(size) for size in (1, 100, 0, 640)]
    assert np.array_equal(np.concatenate(parts), whole[start : start + 741])


@pytest.mark.parametrize("rate", [RATE, 11_025])
def test_samples_that_are_passed_over_change_none_of_those_behind_them(song, rng, rate):
    folder = song({"Kick.wav": noise(rng, 3_000, 2), "Bass.wav": 1})
    stem = read_song(folder).stems[1]
    with StemReader(stem, rate) as reader:
        whole = reader.read(6_000)
    with StemReader(stem, rate) as reader:
        for skipped, size in ((0, 10), (500, 100), (1, 0), (700, 1_000), (3_000, 20)):
            reader.skip(skipped)
            start = reader.position
            assert np.array_equal(reader.read(size), whole[start : start + size])
