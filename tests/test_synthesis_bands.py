"""Full songs: parts are recorded alone, and the arranger's faders and pans are those of the mix."""

import shutil

import numpy as np
import pytest
import soundfile
from synthesis_material import BEAT, RATE, make_kit, song_bytes

from mixcli.errors import SongError, UsageError
from mixcli.songs.roles import ROLES
from mixcli.synthesis.arranger import volume_gains
from mixcli.synthesis.fluid import FONT_PLACES, find_program
from mixcli.synthesis.general_midi import PAN, VOLUME, role_of, song_parts, song_seconds
from mixcli.synthesis.notes import instruments_for, play_notes, reaches
from mixcli.synthesis.sessions import SoundBank, read_source, render, session_plans

fluidsynth = pytest.mark.skipif(
    shutil.which("fluidsynth") is None or not any(list(place.glob("*.sf2")) for place in FONT_PLACES),
    reason="fluidsynth or a General MIDI sound font is not installed",
)

BASS = [(tick, 40, 100) for tick in range(0, 2_400, 480)]
FLUTE = [(tick, 72 + tick // 240, 90) for tick in range(120, 2_400, 240)]


def session_of(folder, parts, options="dry,shortest=1,longest=2.5,preamp=0"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "song.mid").write_bytes(song_bytes(parts))
    (plan,) = session_plans(read_source(f"synth:band={folder},{options}"))
    return plan, render(plan)


def gains_of(session, names):
    """What each stem contributes to left and right, by least squares, [stems, 2]."""
    inputs_TK = np.stack([session.stems[name] for name in names], axis=1).astype(np.float64)
    return np.linalg.lstsq(inputs_TK, session.mix_TC.astype(np.float64), rcond=None)[0]


@fluidsynth
def test_the_arrangers_pans_and_faders_are_those_of_the_mix(tmp_path):
    names = ["bass.electric", "winds.flute"]
    found = []
    for place, volume in (("loud", 100), ("soft", 50)):
        parts = {0: (33, {VOLUME: 100, PAN: 64}, BASS), 1: (73, {VOLUME: volume, PAN: 96}, FLUTE)}
        _, session = session_of(tmp_path / place, parts)
        assert sorted(session.stems) == names
        found.append(gains_of(session, names))
    for gains_KC in found:
        assert gains_KC[0, 0] == pytest.approx(gains_KC[0, 1], rel=1e-3)  # 64 is the middle
        angle = (32 / 63 + 1) * np.pi / 4  # 96 is 32 of 63 to the right
        assert gains_KC[1, 1] / gains_KC[1, 0] == pytest.approx(np.tan(angle), rel=1e-3)
    moved = (found[1][1] / found[1][0]) / (found[0][1] / found[0][0])
    np.testing.assert_allclose(20 * np.log10(moved), 40 * np.log10(0.5), atol=0.01)


@fluidsynth
def test_the_recorded_level_of_a_part_does_not_tell_its_fader(tmp_path):
    stems = [
        session_of(tmp_path / str(volume), {1: (73, {VOLUME: volume}, FLUTE)})[1].stems["winds.flute"]
        for volume in (30, 120)
    ]
    np.testing.assert_array_equal(*stems)


@fluidsynth
@pytest.mark.slow
def test_a_song_is_the_same_twice_and_its_drums_are_those_of_the_kit(tmp_path):
    make_kit(tmp_path / "kit")
    parts = {0: (33, {}, BASS), 2: (29, {}, FLUTE), 3: (30, {}, FLUTE), 9: (0, {}, BEAT)}
    options = "shortest=1,longest=1.2"
    plan, first = session_of(tmp_path, parts, options)
    again, second = session_of(tmp_path, parts, options)
    assert plan == again
    assert first.mix_TC.tobytes() == second.mix_TC.tobytes()
    assert {"bass.electric", "gtr.electric:1", "gtr.electric:2", "drums.kick", "drums.overhead:L"} <= set(
        first.stems
    )
    assert {len(stem) for stem in first.stems.values()} == {plan.n_samples} == {len(first.mix_TC)}
    assert first.stems["drums.kick"].any()


@fluidsynth
def test_without_a_kit_the_drums_are_those_of_the_sound_font_in_stereo(tmp_path):
    _, session = session_of(tmp_path, {0: (0, {}, BASS), 9: (0, {}, BEAT)})
    assert sorted(session.stems) == ["drums.kit:L", "drums.kit:R", "keys.piano"]
    gains_KC = gains_of(session, ["drums.kit:L", "drums.kit:R"])
    assert gains_KC[0, 0] > 10 * abs(gains_KC[0, 1])  # left where it was


def test_without_fluidsynth_the_remedy_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="fluidsynth") as caught:
        find_program()
    assert caught.value.code == "E241"


@fluidsynth
def test_a_folder_without_songs_is_refused(tmp_path):
    with pytest.raises(SongError, match="no General MIDI song") as caught:
        session_plans(read_source(f"synth:band={tmp_path}"))
    assert caught.value.code == "E374"


def test_every_program_has_a_role_there_is():
    assert {role_of(program) for program in range(128)} <= set(ROLES)
    assert [role_of(program) for program in (0, 33, 48, 56, 73, 81)] == [
        "keys.piano", "bass.electric", "strings", "winds.brass", "winds.flute", "synth.lead",
    ]  # fmt: skip


def test_a_stretch_begins_with_what_was_set_before_it(tmp_path):
    path = tmp_path / "a.mid"
    path.write_bytes(song_bytes({4: (73, {VOLUME: 70}, FLUTE), 5: (33, {}, [(0, 40, 90)])}))
    assert song_seconds(path) == pytest.approx((120 + 9 * 240) / 960)
    (flute,) = song_parts(path, start_s=1.0, seconds=1.0)  # the bass has ended by then
    assert (flute.channel, flute.program, flute.role) == (4, 73, "winds.flute")
    assert flute.mixer[VOLUME] == ((0.0, 70),)
    assert flute.mixer[PAN] == ((0.0, 64),)
    # Notes begin every quarter of a second from 0.125 s on.
    assert [stroke.time_s for stroke in flute.strokes] == pytest.approx([0.125, 0.375, 0.625, 0.875])


def test_a_fader_moves_by_the_square_of_its_controller():
    gains_T = volume_gains(((0.0, 100), (0.5, 127), (1.0, 0)), 2 * RATE)
    assert gains_T[: RATE // 2].tolist() == [1.0] * (RATE // 2)
    assert 20 * np.log10(gains_T[RATE - 1]) == pytest.approx(40 * np.log10(1.27), abs=1e-3)
    assert gains_T[round(1.03 * RATE) :].max() == 0


def test_a_recorded_note_is_retuned_held_and_as_loud_as_its_velocity(tmp_path, rng):
    time_s = np.arange(RATE) / RATE
    soundfile.write(tmp_path / "a3.wav", 0.1 * np.sin(2 * np.pi * 220 * time_s), RATE, subtype="FLOAT")
    (tmp_path / "notes.csv").write_text("instrument,file,midi_measured\nsax-alto,a3.wav,57.0\n", "utf-8")
    (notes,) = instruments_for("winds.reed", [tmp_path])
    (tmp_path / "a.mid").write_bytes(song_bytes({1: (65, {}, [(0, 57, 127), (480, 64, 64)])}))
    (part,) = song_parts(tmp_path / "a.mid", 0.0, 2.0)
    assert reaches(notes, part)
    made_T = play_notes(part, notes, 2 * RATE, SoundBank(), rng)
    first_T, second_T = made_T[: round(0.2 * RATE)], made_T[RATE // 2 :][: round(0.2 * RATE)]
    window_T = np.hanning(len(first_T))
    for sound_T, frequency_hz in ((first_T, 220.0), (second_T, 220 * 2 ** (7 / 12))):
        spectrum_F = np.abs(np.fft.rfft(sound_T * window_T, 8 * RATE))
        assert np.argmax(spectrum_F) / 8 == pytest.approx(frequency_hz, abs=0.5)
    level_db = 20 * np.log10(np.abs(second_T).max() / np.abs(first_T).max())
    assert level_db == pytest.approx(40 * np.log10(64 / 127), abs=0.05)
    # Held for 200 ticks of 1/960 s, and let go in 60 ms.
    assert not made_T[round((200 / 960 + 0.061) * RATE) : RATE // 2].any()
    far = song_bytes({1: (65, {}, [(0, 90, 127)])})
    (tmp_path / "a.mid").write_bytes(far)
    assert not reaches(notes, song_parts(tmp_path / "a.mid", 0.0, 2.0)[0])


def test_a_broken_index_of_notes_is_named(tmp_path):
    (tmp_path / "notes.csv").write_text("instrument,file\nsax-alto,a3.wav\n", "utf-8")
    with pytest.raises(SongError, match=r"notes\.csv") as caught:
        instruments_for("winds.reed", [tmp_path])
    assert caught.value.code == "E375"
