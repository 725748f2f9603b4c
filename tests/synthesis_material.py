"""Tiny kits and MIDI files, written by the tests that play them."""

import csv
import struct
from pathlib import Path

import numpy as np
import soundfile

RATE = 44_100
MICROPHONES = ("kick", "snare", "hihat", "tom1", "tom2", "tom3", "ohl", "ohr")
# Which microphone a piece stands at, and how loud the overheads hear it, left and right.
PIECES = {
    "kick": (0, 0.10, 0.10),
    "snare": (1, 0.20, 0.16),
    "hihat_closed": (2, 0.20, 0.10),
    "hihat_open": (2, 0.20, 0.10),
    "tom1": (3, 0.14, 0.08),
    "tom3": (5, 0.06, 0.16),
    "crash_l": (None, 0.60, 0.20),
}
PEAKS = (0.05, 0.2, 0.8)  # of the hits of a piece in its own microphone, from soft to loud
HIT_SAMPLES = 6_000


def make_kit(folder: Path, *, microphones=MICROPHONES, pieces=PIECES, seed=3) -> Path:
    """A kit whose hits begin on their first sample; every piece rings with a noise of its own."""
    (folder / "hits").mkdir(parents=True)
    rng = np.random.default_rng(seed)
    decay_T = np.exp(-np.arange(HIT_SAMPLES) / 900)
    rows = []
    for piece, (own, left, right) in pieces.items():
        ring_T = np.clip(rng.standard_normal(HIT_SAMPLES) * 0.2, -0.5, 0.5) * decay_T
        ring_T[0] = 1.0
        for rank, peak in enumerate(PEAKS, start=1):
            hit_TM = np.outer(ring_T, np.full(len(microphones), 0.005))
            if own is not None:
                hit_TM[:, own] = ring_T
            for side, share in (("ohl", left), ("ohr", right)):
                if side in microphones:
                    hit_TM[:, microphones.index(side)] = share * ring_T
            name = f"hits/{piece}_{rank}.wav"
            soundfile.write(folder / name, (hit_TM * peak).astype(np.float32), RATE, subtype="FLOAT")
            rows.append([piece, rank, name, *["-20"] * len(microphones)])
    write_index(
        folder, ["piece", "velocity_rank", "file", *(f"peak_db_{name}" for name in microphones)], rows
    )
    return folder


def make_snares(folder: Path) -> Path:
    """A pack of one snare drum: a top and a bottom microphone, two overheads."""
    (folder / "hits").mkdir(parents=True)
    rng = np.random.default_rng(9)
    ring_T = np.concatenate([np.zeros(40), rng.standard_normal(4_000) * np.exp(-np.arange(4_000) / 500)])
    rows = []
    for rank, peak in enumerate((0.1, 0.5), start=1):
        hit_TC = np.outer(ring_T, [1.0, 0.9, 0.4, 0.2]) * peak / np.abs(ring_T).max()
        name = f"hits/steel_{rank}.wav"
        soundfile.write(folder / name, hit_TC.astype(np.float32), RATE, subtype="FLOAT")
        rows.append(["steel", rank, name])
    write_index(folder, ["snare", "velocity_rank", "file"], rows)
    return folder


def write_index(folder: Path, head, rows) -> None:
    with (folder / "hits.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])


def midi_bytes(notes, *, ticks_per_beat=480, beat_us=500_000, channel=9) -> bytes:
    """A Standard MIDI File of format 0 with (tick, key, velocity) as notes, written by hand."""
    events = [(0, bytes([0xFF, 0x51, 0x03]) + beat_us.to_bytes(3, "big"))]
    for tick, key, velocity in notes:
        events.append((tick, bytes([0x90 | channel, key, velocity])))
        events.append((tick + 20, bytes([0x80 | channel, key, 0])))
    return track_bytes(events, ticks_per_beat=ticks_per_beat)


def song_bytes(parts) -> bytes:
    """A song at 120 beats a minute of 480 ticks: {channel: (program, {controller: value}, notes)}."""
    events = []
    for channel, (program, controllers, notes) in parts.items():
        events.append((0, bytes([0xC0 | channel, program])))
        events += [(0, bytes([0xB0 | channel, *each])) for each in controllers.items()]
        for tick, key, velocity in notes:
            events.append((tick, bytes([0x90 | channel, key, velocity])))
            events.append((tick + 200, bytes([0x80 | channel, key, 0])))
    return track_bytes(events)


def track_bytes(events, *, ticks_per_beat=480) -> bytes:
    """A Standard MIDI File of format 0 with (tick, message) in any order."""
    events = sorted(events, key=lambda event: event[0])
    track, last = b"", 0
    for tick, data in events:
        track += _variable(tick - last) + data
        last = tick
    track += b"\x00\xff\x2f\x00"
    head = b"MThd" + struct.pack(">IHHH", 6, 0, 1, ticks_per_beat)
    return head + b"MTrk" + struct.pack(">I", len(track)) + track


def _variable(number: int) -> bytes:
    found = bytes([number & 0x7F])
    while number := number >> 7:
        found = bytes([number & 0x7F | 0x80]) + found
    return found


# Two seconds of a beat with every piece of the tiny kit: (tick, key, velocity), 480 ticks = 0.5 s.
BEAT = [
    (0, 36, 110), (0, 42, 60), (240, 42, 40), (480, 38, 120), (480, 42, 70), (720, 46, 60), (960, 36, 100),
    (960, 49, 90), (1200, 42, 50), (1440, 38, 110), (1440, 42, 64), (1560, 48, 90), (1680, 48, 100),
    (1800, 43, 110), (1860, 38, 30),
]  # fmt: skip


def make_set(folder: Path, performances) -> Path:
    """A set of performances with its index: (drummer, name, split, notes)."""
    folder.mkdir(parents=True)
    rows = [["drummer", "id", "beat_type", "midi_filename", "duration", "split"]]
    for drummer, name, split, notes in performances:
        (folder / f"{name}.mid").write_bytes(midi_bytes(notes))
        rows.append([drummer, f"{drummer}/{name}", "beat", f"{name}.mid", "2.0", split])
    with (folder / "info.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


def make_material(folder: Path, n_performances=3) -> Path:
    """A kit and a set of performances by two drummers."""
    make_kit(folder / "kit one")
    make_set(
        folder / "grooves",
        [
            (f"drummer{1 + number % 2}", f"beat{number}", ("train", "train", "test")[number % 3],
             [(tick + 30 * number, key, velocity) for tick, key, velocity in BEAT])
            for number in range(n_performances)
        ],
    )  # fmt: skip
    return folder
