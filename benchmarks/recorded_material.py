"""Stems played on recorded hits and notes: drum kits heard by many microphones, basses, a guitar, a sax."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.signal import fftconvolve
from sound_material import RATE, SECONDS, Example, Note, excerpt, performance, read_hit, read_mono

PIECES = {36: "kick", 38: "snare", 40: "snare", 37: "snare_rest", 48: "tom1", 50: "tom1", 45: "tom2",
          47: "tom2", 43: "tom3", 58: "tom3", 42: "hihat_closed", 22: "hihat_closed", 44: "hihat_closed",
          46: "hihat_open", 26: "hihat_open", 49: "crash_l", 55: "crash_l", 57: "crash_r", 52: "china",
          51: "ride", 59: "ride", 53: "ride_bell"}  # fmt: skip
ROCK_KIT = {"kick": 0, "snare": 1, "hihat": 2, "tom": 3, "kit": 6}  # the first microphone of each label
SMALL_KIT = {0: "kick", 1: "snare", 2: "kit", 3: "kit", 4: "kit", 5: "kit", 6: "kit"}


def kits(data: Path) -> dict[str, dict[str, list[Path]]]:
    """Hits of each piece from soft to loud, per kit."""
    found: dict[str, dict[str, list[Path]]] = {}
    for kit in ("muldjord-kit-8mic", "gogodze-phu-7mic"):
        hits = defaultdict(list)
        for path in sorted((data / kit / "hits").glob("*_v*.flac")):
            if not path.stem.endswith("_room"):
                hits[path.stem.split("_v")[0]].append(path)
        found[kit] = dict(hits)
    return found


def _hits_for(hits: dict[str, list[Path]], key: int) -> list[Path]:
    piece = PIECES.get(key, "")
    for name in (piece, piece.split("_")[0], "".join(c for c in piece if not c.isdigit())):
        same = [one for one in hits if one == name or (name and one.startswith(name))]
        if same:
            return hits[same[0]]
    return []


def recorded_drums(data: Path, rng: np.random.Generator, n_performances: int) -> Iterator[Example]:
    """Performances of drummers on kits that several microphones heard at once, each a stem with its bleed."""
    grooves = [path for path in sorted((data / "groove-midi").glob("*/*/*.mid")) if "_beat_" in path.name]
    snares = sorted((data / "frankensnare-3mic" / "hits").glob("*.flac"))
    all_kits = kits(data)
    for index in rng.permutation(len(grooves))[:n_performances]:
        part = [note for notes in performance(grooves[index]).values() for note in notes]
        kit = "gogodze-phu-7mic" if rng.random() < 0.3 else "muldjord-kit-8mic"
        seconds = float(rng.uniform(*SECONDS))
        notes = excerpt(sorted(part, key=lambda note: note.start_s), seconds, rng, 20) if part else []
        if not notes:
            continue
        n_mics = 8 if kit.startswith("muldjord") else 7
        speed = 2 ** (rng.uniform(-3, 3) / 12)
        bleed = 10 ** (rng.choice([-40, 0, 0, 6, 12]) / 20)
        mics_TN = np.zeros((round((seconds + 2) * RATE), n_mics), np.float32)
        own_of = {"kick": 0, "snare": 1, "hihat": 2, "tom1": 3, "tom2": 4, "tom3": 5}
        snare_set = snares[int(rng.integers(len(snares)))].stem.split("_v")[0] if rng.random() < 0.4 else None
        heard = set()
        for note in notes:
            hits = _hits_for(all_kits[kit], note.key)
            if not hits:
                continue
            loudness = (note.velocity / 127) ** 1.2 * (len(hits) - 1) + rng.uniform(-0.7, 0.7)
            hit_TN = read_hit(hits[int(np.clip(round(loudness), 0, len(hits) - 1))])[:, :n_mics]
            piece = PIECES[note.key].split("_")[0]
            heard.add(piece)
            hit_TN = _faster(hit_TN, speed)
            gains_N = np.full(n_mics, bleed, np.float32)
            gains_N[own_of.get(piece, n_mics - 1)] = 1.0
            gains_N[2 if kit.startswith("gogo") else 6 :] = 1.0
            if kit.startswith("gogo"):
                gains_N[3:] = 1.0
            if piece == "snare" and snare_set is not None:
                others = [path for path in snares if path.stem.startswith(snare_set)]
                other_TN = _faster(
                    read_hit(others[min(len(others) - 1, note.velocity * len(others) // 128)]), speed
                )
                hit_TN = hit_TN[: len(other_TN)].copy()
                top_T = other_TN[: len(hit_TN), 0]
                hit_TN[:, 1] = top_T * (np.abs(hit_TN[:, 1]).max() / (np.abs(top_T).max() + 1e-9))
            start = round(note.start_s / speed * RATE * 1.0)
            stop = min(start + len(hit_TN), len(mics_TN))
            if stop > start:
                mics_TN[start:stop] += (hit_TN * gains_N)[: stop - start]
        group = f"drums/{kit}"
        if kit.startswith("muldjord"):
            for piece, mic in own_of.items():
                if piece in heard:
                    label = "tom" if piece.startswith("tom") else piece
                    yield Example(label=label, source="drums", group=group, samples_TC=mics_TN[:, [mic]])
            yield Example(label="kit", source="drums", group=group, samples_TC=mics_TN[:, [6]])
            close_T = mics_TN[:, :6] @ rng.uniform(0.3, 1.0, 6).astype(np.float32)
            mixed_TC = close_T[:, None] + mics_TN[:, 6:] * np.float32(rng.uniform(2, 8))
            yield Example(label="kit", source="drums", group=group, samples_TC=mixed_TC)
        else:
            for mic in (0, 1, int(rng.integers(2, 7))):
                yield Example(label=SMALL_KIT[mic], source="drums", group=group, samples_TC=mics_TN[:, [mic]])


def _faster(hit_TN: np.ndarray, speed: float) -> np.ndarray:
    positions = np.arange(0, len(hit_TN) - 1, speed)
    below = positions.astype(int)
    share = (positions - below).astype(np.float32)[:, None]
    return hit_TN[below] * (1 - share) + hit_TN[below + 1] * share


INSTRUMENTS = {"bass-electric-di": "bass_electric", "bass-upright-electric-pizz": "bass_upright",
               "bass-upright-electric-arco": "bass_upright", "guitar-electric-di": "gtr_electric",
               "sax-alto": "reed"}  # fmt: skip


def recorded_notes(
    data: Path, parts: dict[str, list[list[Note]]], rng: np.random.Generator, n_each: int
) -> Iterator[Example]:
    """Phrases on recorded single notes; basses and guitars with and without distortion and a cabinet."""
    cabinets = sorted((data / "impulse-responses").glob("cab_*.flac"))
    rows = [
        line.split(",") for line in (data / "instrument-notes-cc0" / "notes.csv").read_text().splitlines()[1:]
    ]
    for instrument, label in INSTRUMENTS.items():
        by_key = defaultdict(list)
        for row in rows:
            if row[0] == instrument:
                by_key[round(float(row[4] or row[3]))].append(data / "instrument-notes-cc0" / row[1])
        keys = np.array(sorted(by_key))
        kind = "bass" if "bass" in instrument else "guitar" if "guitar" in instrument else "melody"
        n_phrases = n_each * 2 if kind == "guitar" else n_each
        for _ in range(n_phrases):
            seconds = float(rng.uniform(*SECONDS))
            notes = excerpt(parts[kind][int(rng.integers(len(parts[kind])))], seconds, rng)
            if not notes:
                continue
            middle = np.median([note.key for note in notes])
            shift = 12 * round((np.median(keys) - middle) / 12)
            phrase_T = np.zeros(round((seconds + 1) * RATE), np.float32)
            for note in notes:
                key = note.key + shift
                near = int(keys[np.argmin(np.abs(keys - key))])
                sample_T = read_mono(by_key[near][int(rng.integers(len(by_key[near])))])
                length_s = note.stop_s - note.start_s + 0.05
                sample_T = _faster(sample_T[:, None], 2 ** ((key - near) / 12))[
                    : round(length_s * RATE), 0
                ].copy()
                n_fade = min(len(sample_T), round(0.05 * RATE))
                if n_fade:
                    sample_T[-n_fade:] *= np.linspace(1, 0, n_fade, dtype=np.float32)
                start = round(note.start_s * RATE)
                stop = min(start + len(sample_T), len(phrase_T))
                phrase_T[start:stop] += sample_T[: stop - start] * (note.velocity / 127)
            if kind != "melody" and "upright" not in instrument and rng.random() < 0.65:
                drive = 10 ** (rng.uniform(0, 40 if kind == "guitar" else 20) / 20)
                phrase_T = np.tanh(phrase_T / (np.abs(phrase_T).max() + 1e-9) * drive).astype(np.float32)
                cabinet_T = read_mono(cabinets[int(rng.integers(len(cabinets)))])
                phrase_T = fftconvolve(phrase_T, cabinet_T)[: len(phrase_T)].astype(np.float32)
            yield Example(
                label=label, source="notes", group=f"notes/{instrument}", samples_TC=phrase_T[:, None]
            )
