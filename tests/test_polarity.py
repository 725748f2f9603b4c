"""Which microphones wait and which are turned over: planted delays and inversions, real drums, and chance."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixcli.audio.files import read_info
from mixcli.console.alignment import alignment_moves
from mixcli.console.microphones import pair_candidates
from mixcli.console.sources import group_sources
from mixcli.songs.mic_pairs import PairMeasurements, measure_pairs
from mixcli.songs.song import Song, Stem
from mixcli.songs.survey import survey_song

RATE = 22_050
KIT_RATE = 44_100
DATA = Path(__file__).parents[1].parent / "shared" / "data"


@pytest.fixture
def moves_of(tmp_path):
    """The moves for stems {name: (role, attributes, [T] or [T, C])}, in that order."""

    def call(stems, rate=RATE):
        made = []
        for name, (role, attributes, audio) in stems.items():
            soundfile.write(tmp_path / name, np.asarray(audio, np.float32), rate, subtype="FLOAT")
            info = read_info(tmp_path / name)
            made.append(Stem(name=name, files=(info,), role=role, role_from="name", attributes=attributes))
        song = Song(name="song", folder=tmp_path, stems=tuple(made))
        sources = group_sources(song.stems)
        pairs = measure_pairs(song, survey_song(song, rate), pair_candidates(sources))
        return alignment_moves(sources, pairs)

    return call


def polarities(moves):
    return {name: move.polarity for name, move in moves.items() if move.polarity != 1}


def delays(moves):
    return {name: move.delay_ms for name, move in moves.items() if move.delay_ms}


def later(signal, milliseconds):
    n = len(signal)
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(n, 1 / RATE) * milliseconds / 1000)
    return np.fft.irfft(np.fft.rfft(signal) * turn, n)


def hits(rng, frequency_hz, *, every_s=0.5, seconds=6.0, seed_s=0.1):
    """A drum: at uneven times a thump of a falling pitch and a burst of noise, each of its own strength."""
    signal = np.zeros(round(seconds * RATE))
    time_s = np.arange(round(0.4 * RATE)) / RATE
    start_s = seed_s
    while start_s < seconds - 0.5:
        thump = np.sin(2 * np.pi * frequency_hz * (time_s + 0.02 * (1 - np.exp(-time_s / 0.02))))
        burst = rng.standard_normal(len(time_s)) * np.exp(-time_s / 0.008)
        first = round(start_s * RATE)
        signal[first : first + len(time_s)] += (0.6 + 0.4 * rng.random()) * (
            thump * np.exp(-time_s / 0.06) + 0.5 * burst
        )
        start_s += every_s * (0.8 + 0.4 * rng.random())
    return 0.3 * signal


def noise(rng, n, level=0.002):
    return level * rng.standard_normal(n)


@pytest.fixture(scope="module")
def band():
    """A kit and a bass whose delays and polarities are all right, but for the times the sound takes."""
    rng = np.random.default_rng(3)
    kick, snare = hits(rng, 55), hits(rng, 240, seed_s=0.37)
    n = len(kick)
    bass = np.zeros(n)
    for start in range(0, n - RATE // 2, RATE // 2):
        time_s = np.arange(RATE // 2) / RATE
        pitch_hz = rng.choice([41.2, 55.0, 61.7, 73.4])
        note = sum(np.sin(2 * np.pi * k * pitch_hz * time_s + k) / k for k in range(1, 30))
        bass[start : start + len(time_s)] = 0.1 * note * np.exp(-3 * time_s)
    out = later(kick, 1.2)
    left, right = (
        0.3 * later(kick, 3.1) + 0.4 * later(snare, delay_ms) + noise(rng, n) for delay_ms in (3.9, 4.3)
    )
    return {
        "kick in.wav": ("drums.kick", {"mic": "in"}, kick + noise(rng, n)),
        "kick out.wav": ("drums.kick", {"mic": "out"}, 0.6 * out + noise(rng, n)),
        "snare top.wav": ("drums.snare", {"mic": "top"}, snare + 0.02 * kick),
        "snare bottom.wav": ("drums.snare", {"mic": "bottom"}, 0.5 * later(snare, 0.1) + noise(rng, n, 0.01)),
        "oh l.wav": ("drums.overhead", {"side": "L"}, left),
        "oh r.wav": ("drums.overhead", {"side": "R"}, right),
        "bass di.wav": ("bass.electric", {"mic": "di"}, bass + noise(rng, n, 1e-4)),
        "bass amp.wav": ("bass.electric", {"mic": "amp"}, 0.7 * later(bass, 3.4567) + noise(rng, n, 1e-3)),
    }


def inverted(stems, *names):
    return {
        name: (role, attributes, -audio if name in names else audio)
        for name, (role, attributes, audio) in stems.items()
    }


def test_early_microphones_of_one_source_wait_and_overheads_do_not(moves_of, band):
    moves = moves_of(band)
    assert polarities(moves) == {}
    assert delays(moves) == {
        "bass di.wav": pytest.approx(3.4567, abs=0.1 / 22.05),
        "kick in.wav": pytest.approx(1.2, abs=0.1 / 22.05),
    }
    assert moves["bass di.wav"].reasons == {
        "delay_ms": 'waits for "bass amp.wav", which hears the same 3.46 ms later'
    }


@pytest.mark.parametrize(
    ("wrong", "turned"),
    [
        (["bass di.wav"], ["bass di.wav"]),
        (["bass amp.wav"], ["bass di.wav"]),  # of a pair the leading one stays
        (["kick out.wav"], ["kick out.wav"]),
        (["kick in.wav", "kick out.wav"], ["kick in.wav", "kick out.wav"]),
        (["kick in.wav"], ["kick in.wav"]),  # the other agrees with the overheads
        (["snare bottom.wav"], ["snare bottom.wav"]),
        (["snare top.wav"], ["snare top.wav"]),
        (["oh r.wav"], ["oh r.wav"]),
        (["oh l.wav", "oh r.wav"], ["kick in.wav", "kick out.wav", "snare bottom.wav", "snare top.wav"]),
    ],
)
def test_what_is_upside_down_is_turned_over(moves_of, band, wrong, turned):
    moves = moves_of(inverted(band, *wrong))
    assert sorted(polarities(moves)) == turned
    assert all("upside down" in moves[name].reasons["polarity"] for name in turned)
    assert sorted(delays(moves)) == ["bass di.wav", "kick in.wav"]


def test_the_polarity_of_the_whole_song_changes_nothing(moves_of, band):
    wrong = inverted(band, "kick out.wav", "oh r.wav")
    assert moves_of(inverted(wrong, *wrong)) == moves_of(wrong)


def test_the_order_of_the_files_changes_nothing(moves_of, band):
    wrong = inverted(band, "kick out.wav", "snare top.wav")
    assert moves_of(dict(reversed(wrong.items()))) == moves_of(wrong)


def test_a_stereo_overhead_judges_the_kit_as_two_mono_ones_do(moves_of, band):
    stems = inverted(band, "snare top.wav", "snare bottom.wav")
    both = np.column_stack([stems.pop("oh l.wav")[2], stems.pop("oh r.wav")[2]])
    moves = moves_of(stems | {"oh.wav": ("drums.overhead", {}, both)})
    assert sorted(polarities(moves)) == ["snare bottom.wav", "snare top.wav"]
    both[:, 1] *= -1  # now the overheads contradict one another, and say nothing
    assert polarities(moves_of(stems | {"oh.wav": ("drums.overhead", {}, both)})) == {}


def test_what_was_not_measured_is_not_moved(band):
    stems = [
        Stem(name=name, files=(), role=role, role_from="name", attributes=attributes)
        for name, (role, attributes, _) in band.items()
    ]
    sources = [source for source in group_sources(stems) if source.role != "drums.overhead"]
    assert alignment_moves(sources, PairMeasurements()) == {}


def test_takes_rooms_effects_and_things_apart_are_not_compared(moves_of, rng):
    tom = hits(rng, 150)
    late = later(tom, 3.3)
    moves = moves_of(
        {
            "tom.wav": ("drums.tom", {}, tom),
            "room.wav": ("drums.room", {}, -late),
            "a1.wav": ("gtr.electric", {"take": "1", "mic": "amp"}, tom),
            "a2.wav": ("gtr.electric", {"take": "2", "mic": "di"}, -late),
            "amp.wav": ("gtr.acoustic", {"mic": "amp"}, tom),
            "far.wav": ("gtr.acoustic", {"mic": "far"}, -late),
            "wet.wav": ("gtr.acoustic", {"wet": "true"}, -late),
        }
    )
    assert moves == {}


def test_unrelated_stems_that_are_called_a_pair_are_left_alone(moves_of, rng):
    for _ in range(3):
        low, high = hits(rng, 60, every_s=0.5), hits(rng, 200, every_s=0.5)
        steady = 0.1 * rng.standard_normal(len(low))
        moves = moves_of(
            {
                "in.wav": ("drums.kick", {"mic": "in"}, low),
                "out.wav": ("drums.kick", {"mic": "out"}, high),
                "di.wav": ("bass.electric", {"mic": "di"}, high),
                "amp.wav": ("bass.electric", {"mic": "amp"}, steady),
                "oh.wav": ("drums.overhead", {}, hits(rng, 120, every_s=0.5)),
            }
        )
        assert moves == {}


def test_a_drum_whose_sum_would_lose_is_left_as_it_is(moves_of, rng):
    """A ringing drum, upside down, half a period from the overhead: as the two lie they add up."""
    drum = hits(rng, 200)
    moves = moves_of(
        {
            "snare.wav": ("drums.snare", {}, -drum),
            "oh.wav": ("drums.overhead", {}, 0.3 * later(drum, 2.5) + noise(rng, len(drum))),
        }
    )
    assert moves == {}


def kit(pack, pattern, seconds=20.0):
    """Hits of a real kit, all microphones at once: [T, microphones]; skips where the pack is not there."""
    folder = DATA / pack
    if not folder.is_dir():
        pytest.skip(f"no recordings of a kit in {folder}")
    pieces = {}
    with (folder / "hits.csv").open() as file:
        for row in csv.DictReader(file):
            pieces.setdefault(row["piece"], []).append(row)
    random = np.random.default_rng(0)
    whole = None
    for index in range(int((seconds - 4) / 0.25)):
        for piece in pattern(index):
            row = pieces[piece][random.integers(len(pieces[piece]))]
            audio, _ = soundfile.read(folder / row["file"], dtype="float32", always_2d=True)
            if row.get("room_file"):
                more, _ = soundfile.read(folder / row["room_file"], dtype="float32", always_2d=True)
                audio = np.hstack([audio, more[: len(audio)]]) if len(more) >= len(audio) else audio
            if whole is None:
                whole = np.zeros((round(seconds * KIT_RATE), audio.shape[1]), np.float32)
            start = round((0.1 + 0.25 * index + 0.01 * random.random()) * KIT_RATE)
            stop = min(start + len(audio), len(whole))
            whole[start:stop, : audio.shape[1]] += audio[: stop - start]
    return whole


@pytest.fixture(scope="module")
def rock_kit():
    beat = {0: ["kick"], 4: ["snare"], 5: ["kick"]}
    return kit("muldjord-kit-8mic", lambda index: ["hihat_closed", *beat.get(index % 8, [])])


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [None, "kick.wav", "top.wav", "bottom.wav", "oh l.wav"])
def test_of_a_real_rock_kit_only_the_snare_bottom_is_turned_over(moves_of, rock_kit, wrong):
    """What moves away from the microphone above the snare moves towards the one below."""
    stems = {
        "kick.wav": ("drums.kick", {}, rock_kit[:, 0]),
        "top.wav": ("drums.snare", {"mic": "top"}, rock_kit[:, 1]),
        "bottom.wav": ("drums.snare", {"mic": "bottom"}, rock_kit[:, 10]),
        "hat.wav": ("drums.hihat", {}, rock_kit[:, 2]),
        "oh l.wav": ("drums.overhead", {"side": "L"}, rock_kit[:, 6]),
        "oh r.wav": ("drums.overhead", {"side": "R"}, rock_kit[:, 7]),
    }
    expected = {None: ["bottom.wav"], "top.wav": [], "bottom.wav": [], "oh l.wav": ["bottom.wav", "oh r.wav"]}
    moves = moves_of(inverted(stems, wrong), KIT_RATE)
    assert sorted(polarities(moves)) == expected.get(wrong, ["bottom.wav"])
    assert delays(moves) == {}


@pytest.mark.slow
def test_of_a_real_jazz_kit_the_snare_agrees_with_the_overhead_one_way_only(moves_of):
    beat = {0: ["kick"], 4: ["snare"], 5: ["kick"]}
    whole = kit("gogodze-phu-7mic", lambda index: ["hihat_closed", *beat.get(index % 8, [])])
    stems = {
        "kick.wav": ("drums.kick", {}, whole[:, 0]),
        "snare.wav": ("drums.snare", {}, whole[:, 1]),
        "oh.wav": ("drums.overhead", {}, whole[:, 2]),
    }
    turned = [sorted(polarities(moves_of(inverted(stems, wrong), KIT_RATE))) for wrong in (None, "snare.wav")]
    assert turned == [["snare.wav"], []]
