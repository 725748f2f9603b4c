"""Kits and performances: what is played lands where it was played, on the hit of its loudness."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
from synthesis_material import BEAT, PEAKS, RATE, make_kit, make_material, make_set, make_snares, midi_bytes

from mixcli.errors import SongError
from mixcli.synthesis.kit import read_kit
from mixcli.synthesis.midi import Stroke, drum_strokes
from mixcli.synthesis.note_map import DRUM_INPUTS
from mixcli.synthesis.player import choose, place, sound
from mixcli.synthesis.sessions import SoundBank, read_source, render, session_plans

OPTIONS = "shortest=1,longest=3,seed=4"


def plans_of(folder, options=OPTIONS):
    return session_plans(read_source(f"synth:drums={folder},{options}"))


def test_a_hand_written_midi_file_is_read_to_the_tick(tmp_path):
    # 96 ticks a beat and 400,000 us a beat: 24 ticks are 0.1 s
    path = tmp_path / "a.mid"
    path.write_bytes(
        midi_bytes([(0, 36, 1), (24, 38, 127), (31, 42, 64)], ticks_per_beat=96, beat_us=400_000)
    )
    assert drum_strokes(path) == [
        Stroke(0.0, 36, 1),
        Stroke(pytest.approx(0.1), 38, 127),
        Stroke(pytest.approx(31 / 240), 42, 64),
    ]


def test_notes_of_other_channels_count_only_where_the_drum_channel_is_empty(tmp_path):
    path = tmp_path / "a.mid"
    path.write_bytes(midi_bytes([(0, 36, 100)], channel=2))
    assert [stroke.key for stroke in drum_strokes(path)] == [36]


@pytest.mark.parametrize(
    "content",
    [b"", b"MThd", b"not a midi file at all", midi_bytes(BEAT)[:60], midi_bytes(BEAT, ticks_per_beat=0)],
)
def test_a_damaged_midi_file_is_named(tmp_path, content):
    path = tmp_path / "broken.mid"
    path.write_bytes(content)
    with pytest.raises(SongError, match=r"broken\.mid") as caught:
        drum_strokes(path)
    assert caught.value.code == "E376"


def test_each_hit_lands_on_its_sample_in_its_own_microphone(tmp_path, rng):
    kit = read_kit(make_kit(tmp_path / "kit"))
    bank = SoundBank()
    pieces = {piece: bank.hits(files, tuple(range(8))) for piece, files in kit.pieces.items()}
    strokes = [Stroke(0.25, 36, 127), Stroke(0.5, 38, 127), Stroke(0.75, 42, 127)]
    played = place(strokes, pieces, start_s=0.1, n_samples=RATE, rng=rng, jitter=False)
    samples = {
        (piece, number): hit.samples_MT for piece, hits in pieces.items() for number, hit in enumerate(hits)
    }
    gains = dict.fromkeys(pieces, np.ones(8, np.float32))
    lines_MT = sound(played.hits, samples, gains, RATE)
    for microphone, time_s in enumerate((0.15, 0.4, 0.65)):
        start = round(time_s * RATE)
        assert np.flatnonzero(np.abs(lines_MT[microphone]) > 0.5).tolist() == [start]
        assert lines_MT[microphone, start] == pytest.approx(PEAKS[-1], rel=0.02)
        assert np.abs(lines_MT[microphone, : start - RATE // 8]).max() < 0.01  # bleed alone before it


def test_overlapping_hits_add_up(tmp_path, rng):
    kit = read_kit(make_kit(tmp_path / "kit"))
    pieces = {"kick": SoundBank().hits(kit.pieces["kick"], (0,))}
    samples = {("kick", number): hit.samples_MT for number, hit in enumerate(pieces["kick"])}
    once, twice = (
        sound(
            place([Stroke(t, 36, 127) for t in times], pieces, start_s=0, n_samples=9_000, rng=rng,
                  jitter=False).hits,
            samples, {"kick": np.ones(1, np.float32)}, 9_000,
        )
        for times in ([0.0], [0.0, 1_000 / RATE])
    )  # fmt: skip
    late = np.zeros_like(once)
    late[:, 1_000:] = once[:, :-1_000]
    np.testing.assert_allclose(twice, once + late, atol=1e-6)


def test_a_hit_of_the_hi_hat_ends_the_open_one_and_leaves_other_pieces_alone(tmp_path, rng):
    kit = read_kit(make_kit(tmp_path / "kit"))
    bank = SoundBank()
    pieces = {piece: bank.hits(files, tuple(range(8))) for piece, files in kit.pieces.items()}
    strokes = [Stroke(0.0, 46, 127), Stroke(0.0, 36, 127), Stroke(0.02, 44, 1)]
    played = place(strokes, pieces, start_s=0, n_samples=RATE, rng=rng, jitter=False)
    by_piece = {hit.piece: hit for hit in played.hits}
    assert by_piece["kick"].n_most is None
    assert by_piece["hihat_open"].n_most == round(0.02 * RATE) + round(0.03 * RATE)


@pytest.mark.parametrize(
    ("velocity", "number"),
    # The hits are 0, -12.04 and -24.08 dB of the loudest; 40 log10(v / 127) is -6.02 dB at 89.8 and -18.06 dB
    # at 44.9: the borders between the steps.
    [(127, 2), (91, 2), (89, 1), (64, 1), (46, 1), (44, 0), (1, 0)],
)
def test_the_velocity_picks_the_hit_of_the_nearest_loudness(tmp_path, rng, velocity, number):
    kit = read_kit(make_kit(tmp_path / "kit"))
    hits = SoundBank().hits(kit.pieces["snare"], tuple(range(8)))
    found, gain = choose(hits, velocity, rng, jitter=False)
    assert found == number
    level_db = hits[found].level_db + 20 * np.log10(gain)
    assert level_db == pytest.approx(hits[-1].level_db + 40 * np.log10(velocity / 127), abs=1.5001)


def test_jitter_takes_neighbours_half_of_the_time(tmp_path, rng):
    kit = read_kit(make_kit(tmp_path / "kit"))
    hits = SoundBank().hits(kit.pieces["snare"], tuple(range(8)))
    found = [choose(hits, 64, rng)[0] for _ in range(400)]
    assert np.bincount(found) / 400 == pytest.approx([0.25, 0.5, 0.25], abs=0.08)


def test_a_kit_with_one_overhead_and_no_tom_microphones_gives_both_overheads_and_silent_toms(tmp_path):
    pieces = {"kick": (0, 0.3, 0), "snare": (1, 0.3, 0), "tom_high": (None, 0.3, 0)}
    make_kit(tmp_path / "small", microphones=("kick", "snare", "ohl"), pieces=pieces)
    (tmp_path / "small" / "microphones.csv").write_text(
        "microphone,input\nbeater,drums.kick\nshell,drums.snare\nover,drums.overhead:L\n", "utf-8"
    )
    kit = read_kit(tmp_path / "small")
    assert kit.channel_of_input == {
        "drums.kick": 0,
        "drums.snare": 1,
        "drums.overhead:L": 2,
        "drums.overhead:R": 2,
    }
    assert "tom1" in kit.pieces  # tom_high
    (tmp_path / "small" / "microphones.csv").unlink()
    index = tmp_path / "small" / "hits.csv"
    index.write_text(index.read_text("utf-8").replace("peak_db_ohl", "peak_db_oh"), "utf-8")
    make_set(tmp_path / "grooves", [("ann", "one", "train", BEAT)])
    session = render(plans_of(tmp_path)[0])
    assert not any(session.stems[f"drums.tom:{number}"].any() for number in (1, 2, 3))
    assert session.stems["drums.overhead:L"].any()
    assert session.stems["drums.overhead:R"].any()


def test_a_swapped_snare_is_heard_at_the_old_one_s_level_and_onset(tmp_path):
    make_material(tmp_path)
    make_snares(tmp_path / "snares")
    from mixcli.synthesis.prepared_kit import prepare_kit
    from mixcli.synthesis.setup import draw_setup

    bank = SoundBank()
    setup = draw_setup(np.random.default_rng(1), 6.0)
    kit, material = read_kit(tmp_path / "kit one"), bank.material(tmp_path)
    own, swapped = (
        prepare_kit(kit, DRUM_INPUTS, replace(setup, snare=snare), material, bank)
        for snare in ("own", "swap")
    )
    snare = own.inputs.index("drums.snare")
    old, new = own.pieces["snare"][-1].samples_MT[snare], swapped.pieces["snare"][-1].samples_MT[snare]
    assert len(swapped.pieces["snare"]) == 2
    assert np.sum(new[:4_410] ** 2) == pytest.approx(np.sum(old[:4_410] ** 2), rel=1e-3)
    assert [int(np.argmax(np.abs(each) > 0.1 * np.abs(each).max())) for each in (old, new)] == [0, 0]
    kick = own.inputs.index("drums.kick")  # what else hears the snare is left alone
    np.testing.assert_array_equal(
        swapped.pieces["snare"][-1].samples_MT[kick][:4_000], own.pieces["snare"][-1].samples_MT[kick][:4_000]
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("velocity_rank", "rank"), 'no column "velocity_rank"'),
        (lambda text: text.replace("snare,2,", "snare,two,"), 'velocity_rank is "two"'),
        (lambda text: text.replace("hits/kick_1.wav", "hits/gone.wav"), 'no file "hits/gone.wav"'),
        (lambda text: text.replace("peak_db_", "level_"), "names no microphones"),
        (lambda text: text.splitlines()[0], "no rows"),
    ],
)
def test_a_broken_index_of_a_kit_is_named(tmp_path, change, words):
    make_material(tmp_path)
    index = tmp_path / "kit one" / "hits.csv"
    index.write_text(change(index.read_text("utf-8")), "utf-8")
    with pytest.raises(SongError, match=words) as caught:
        render(plans_of(tmp_path)[0])
    assert caught.value.code == "E375"


def test_a_damaged_hit_is_named(tmp_path):
    make_material(tmp_path)
    (tmp_path / "kit one" / "hits" / "snare_2.wav").write_bytes(b"no sound")
    with pytest.raises(SongError, match=r"snare_2\.wav"):
        render(plans_of(tmp_path)[0])


def test_hits_at_another_rate_are_played_at_the_sessions_rate(tmp_path):
    kit = make_kit(tmp_path / "kit")
    tone_T = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(48_000) / 48_000)
    for rank in (1, 2, 3):
        soundfile.write(kit / f"hits/kick_{rank}.wav", np.outer(tone_T, np.ones(8)), 48_000, subtype="FLOAT")
    hit_MT = SoundBank().hits(read_kit(kit).pieces["kick"], (0,))[0].samples_MT
    expected_T = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(RATE) / RATE)
    np.testing.assert_allclose(hit_MT[0, 500:40_000], expected_T[500:40_000], atol=1e-3)
