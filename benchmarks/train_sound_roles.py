"""Learns the roles of sounds anew: `mixcli/songs/weights/sound_roles.safetensors` from free sounds.

    python benchmarks/train_sound_roles.py DATA [--work FOLDER] [--seed 0] [--write]

DATA holds the packs named in `SOURCES`. The sounds are made, varied and measured once (10 to 20 minutes of
one core; kept in the work folder), then learned from (a minute). Each song and each source is judged by a
model that has heard nothing of it; what comes out is printed. `--write` writes the weights, learned from all
but the song that the tests ask. The same seed,
data and versions of numpy, torch and fluidsynth give the same file. Needs `pip install mido`, and fluidsynth
with the FluidR3 sound font (Debian: fluidsynth, fluid-soundfont-gm).
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import made_up_material as made_up
import numpy as np
import recorded_material as recorded
import rendered_material as rendering
import sound_material as material
import sound_role_models as models
import soundfile
import torch
from scipy import fft
from scipy.signal import oaconvolve, resample_poly

from mixcli.songs.sound_roles import WEIGHTS, numbers_of
from mixcli.songs.stem_meters import BandMeter

RATE = material.RATE
SOURCES = ("songs", "notes", "drums", "gm", "gm-drums", "sweeps", "electronic", "machines")
WHOLE = "whole"  # the songs' stems as they are: nothing is learned from them, models are judged by them
LEFT_OUT = "songs/sodium"  # the tests hold the weights to this song


def songs(data: Path, rng: np.random.Generator, scale: float) -> Iterator[material.Example]:
    """Stretches of the stems of real songs, the voices more often and bent further."""
    for example in material.named_stems(data):
        for copy in range(max(1, round({"vox": 7, "kit": 2}.get(example.label, 3) * scale))):
            yield varied(_cut(example, rng), data, rng, plain=copy == 0, bend=4.0)


def rendered(name: str, data: Path, rng: np.random.Generator, scale: float) -> Iterator[material.Example]:
    """Stems of one of the other sources, a third of them as they are."""
    parts = rendering.midi_parts(data) if name not in ("drums", "sweeps") else {}
    made = {
        "drums": lambda: recorded.recorded_drums(data, rng, round(30 * scale)),
        "notes": lambda: recorded.recorded_notes(data, parts, rng, round(25 * scale)),
        "gm": lambda: rendering.general_midi(parts, rng, max(1, round(5 * scale))),
        "gm-drums": lambda: rendering.general_midi_drums(data, parts, rng, round(25 * scale)),
        "sweeps": lambda: made_up.sweeps(rng, round(25 * scale)),
        "machines": lambda: made_up.drum_machines(parts, rng, round(100 * scale)),
        "electronic": lambda: made_up.electronic(parts, rng, round(160 * scale)),
    }[name]
    for example in made():
        yield varied(example, data, rng, plain=rng.random() < 0.3, bend=0.0)


def _cut(example: material.Example, rng: np.random.Generator) -> material.Example:
    """A stretch in which the stem sounds."""
    length = round(RATE * rng.uniform(*material.SECONDS))
    samples_TC = example.samples_TC
    starts = rng.integers(0, max(1, len(samples_TC) - length), 8)
    stretches = [samples_TC[start : start + length] for start in starts]
    return replace(
        example, samples_TC=max(stretches, key=lambda one_TC: min(_power(one_TC), _power(samples_TC)))
    )


def _power(samples_TC: np.ndarray) -> float:
    return float(np.einsum("tc,tc->", samples_TC, samples_TC)) / max(len(samples_TC), 1)


@cache
def _reverbs(data: Path) -> list[np.ndarray]:
    paths = sorted((data / "impulse-responses").glob("*.flac"))
    rooms = [path for path in paths if not path.name.startswith("cab_")]
    return [soundfile.read(path, dtype="float32", always_2d=True)[0] for path in rooms]


def varied(
    example: material.Example, data: Path, rng: np.random.Generator, *, plain: bool, bend: float
) -> material.Example:
    """The stem as another engineer would have recorded it: equaliser, level, saturation, room, pitch."""
    samples_TC = example.samples_TC.astype(np.float32)
    if plain:
        return example
    if bend and rng.random() < 0.7:
        up = round(100 * 2 ** (rng.uniform(-bend, bend) / 12))
        samples_TC = resample_poly(samples_TC, 100, up, axis=0).astype(np.float32)
    if rng.random() < 0.4:
        samples_TC = _compressed(samples_TC, rng.uniform(0.1, 0.5))
    if rng.random() < 0.15:
        drive = 10 ** (rng.uniform(0, 12) / 20) / (np.abs(samples_TC).max() + 1e-9)
        samples_TC = np.tanh(samples_TC * drive)
    if rng.random() < 0.4:
        rooms = _reverbs(data)
        room_TC = rooms[int(rng.integers(len(rooms)))]
        wet_T = oaconvolve(samples_TC.mean(axis=1), room_TC[: 2 * RATE, 0])[: len(samples_TC)]
        wet = 10 ** (rng.uniform(-25, -6) / 20) * np.sqrt(
            _power(samples_TC) / (_power(wet_T[:, None]) + 1e-12)
        )
        samples_TC = samples_TC + (wet * wet_T[:, None]).astype(np.float32)
    return replace(example, samples_TC=_equalised(samples_TC, rng))


def _compressed(samples_TC: np.ndarray, share: float) -> np.ndarray:
    """Level differences of 30 ms made smaller by a share."""
    power_T = np.square(samples_TC).sum(axis=1, dtype=np.float64)
    width = round(0.03 * RATE)
    running = np.cumsum(np.pad(power_T, (width, 0)))
    envelope_T = (running[width:] - running[:-width]) / width
    floor = 1e-4 * envelope_T.max() + 1e-12
    return (samples_TC * ((envelope_T + floor) ** (-share / 2))[:, None]).astype(np.float32)


def _equalised(samples_TC: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A tilt and some bends, and now and then a low-pass as of lossy files."""
    n_fft = fft.next_fast_len(len(samples_TC), real=True)
    octaves_F = np.log2(np.maximum(fft.rfftfreq(n_fft, 1 / RATE), 20) / 1_000)
    bends = np.interp(octaves_F, [-5, -3, -1, 1, 3, 4], rng.normal(0, 2.5, 6))
    gain_db = bends + rng.normal(0, 0.7) * octaves_F
    if rng.random() < 0.2:
        gain_db = gain_db - 60 * np.clip(octaves_F - np.log2(rng.uniform(9, 18)), 0, 1)
    gain_F = (10 ** (gain_db / 20)).astype(np.float32)
    spectrum_CF = fft.rfft(np.ascontiguousarray(samples_TC.T, np.float32), n_fft) * gain_F
    return np.ascontiguousarray(fft.irfft(spectrum_CF, n_fft)[:, : len(samples_TC)].T, np.float32)


def measured(example: material.Example) -> np.ndarray | None:
    """What the classifier sees of the stem; None if there is too little sound."""
    samples_TC = example.samples_TC[:, :2]
    meter = BandMeter(RATE, samples_TC.shape[1], with_sound=True)
    for start in range(0, len(samples_TC), 65_536):
        block_TC = np.ascontiguousarray(samples_TC[start : start + 65_536], np.float32)
        meter.push(block_TC, silent=not block_TC.any())
    sound = meter.sound()
    if sound.seconds < 0.5:
        return None
    return numbers_of(SimpleNamespace(sound=sound, third_octaves=meter.third_octaves()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, default=Path("sound_roles_work"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="how many sounds, of the usual number")
    parser.add_argument(
        "--only", nargs="+", choices=(*SOURCES, WHOLE), help="make and measure these sources alone"
    )
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    options.work.mkdir(exist_ok=True)
    for index, name in enumerate((*SOURCES, WHOLE)):
        if not options.only or name in options.only:
            measure(
                name, options.data, np.random.default_rng([options.seed, index]), options.scale, options.work
            )
    if options.only:
        return
    torch.set_num_threads(1)
    kept = {name: options.work / f"{name}-{options.scale:g}.npz" for name in (*SOURCES, WHOLE)}
    sounds = models.load([kept[name] for name in SOURCES])
    temperature = models.judge(sounds, models.load([kept[WHOLE]]), options.seed)
    if options.write:
        known = sounds.where(sounds.groups != LEFT_OUT)
        models.write(WEIGHTS, models.learn(known, options.seed), temperature)
        print(f"wrote {WEIGHTS}: {len(known.labels)} stems")


def measure(name: str, data: Path, rng: np.random.Generator, scale: float, work: Path) -> Path:
    """Make and measure the stems of a source; kept in a file, which is returned."""
    kept = work / f"{name}-{scale:g}.npz"
    if kept.exists():
        return kept
    made = {"songs": lambda: songs(data, rng, scale), WHOLE: lambda: material.named_stems(data)}.get(
        name, lambda: rendered(name, data, rng, scale)
    )()
    rows = []
    for example in made:
        numbers_V = measured(example)
        if numbers_V is not None and np.isfinite(numbers_V).all():
            rows.append((numbers_V, example.label, example.source, example.group, example.name))
    numbers, labels, sources, groups, names = zip(*rows, strict=True)
    np.savez(kept, numbers=np.array(numbers), labels=labels, sources=sources, groups=groups, names=names)
    print(f"{name}: {len(rows)} stems", flush=True)
    return kept


if __name__ == "__main__":
    main()
