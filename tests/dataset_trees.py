"""Small songs in the layouts of published data sets: known stems, gains and places, and their mix."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

RATE = 8_000
GAINS_DB = {"kick": -3.0, "snare": -6.0, "hat": -12.0, "bass": -4.0, "chords": -9.0, "vocal": -2.0}
PANS = {"kick": 0.0, "snare": 0.1, "hat": -0.5, "bass": 0.0, "chords": 0.6, "vocal": 0.0}  # -1 left, 1 right


@cache
def sounds(seed, seconds=2.0, rate=RATE):
    """Six mono stems [T] by name: drums, a bass line, chords and a wavering voice, no two songs alike."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * rate)) / rate
    noise = rng.standard_normal((3, len(time_s)))

    def hits(every_s, decay, first_s=0.0):
        strength = np.zeros(len(time_s))
        for start_s in np.arange(first_s, seconds, every_s):
            first = round((start_s + rng.uniform(0, 0.02)) * rate)
            tail = np.exp(-np.arange(len(strength[first:]))[: rate * 2] * decay / rate)
            strength[first : first + len(tail)] += rng.uniform(0.6, 1) * tail
        return strength

    notes = rng.choice([41.2, 49.0, 55.0, 61.7, 73.4], 8)
    pitch = notes[(time_s * 4).astype(int) % 8]
    phase = np.cumsum(pitch) / rate
    voice = np.cumsum(220 * 2 ** (rng.integers(0, 8, 8)[(time_s * 3).astype(int) % 8] / 12)) / rate
    chord = sum(np.sin(2 * np.pi * (f * time_s + rng.uniform())) for f in rng.uniform(200, 900, 4))
    made = {
        "kick": np.sin(2 * np.pi * 60 * time_s) * hits(0.5, 20) + 0.1 * noise[2] * hits(0.5, 90),
        "snare": noise[0] * hits(0.5, 25, 0.25) * 0.4,
        "hat": np.diff(noise[1], prepend=0) * hits(0.125, 60) * 0.3,
        "bass": 2 * (phase % 1) - 1,
        "chords": chord / 4 * (0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * time_s)),
        "vocal": np.sin(2 * np.pi * voice + 0.3 * np.sin(2 * np.pi * 5.5 * time_s))
        * (0.5 + 0.5 * np.sin(6 * time_s)),
    }
    return {name: (0.2 * samples).astype(np.float32) for name, samples in made.items()}


def panned(samples_T, pan, gain_db=0.0):
    """A mono sound between left and right, constant sum: [T, 2]."""
    gain = 10 ** (gain_db / 20)
    return (np.stack([samples_T * (1 - pan) / 2, samples_T * (1 + pan) / 2], axis=1) * 2 * gain).astype(
        np.float32
    )


def mixed(stems):
    """The mix of stems by the gains and places above, [T, 2]."""
    return sum(panned(samples, PANS[name], GAINS_DB[name]) for name, samples in stems.items())


def delayed(mix_TC, n_samples):
    """The mix later (or earlier, if negative) by so many samples, of the same length."""
    moved = np.zeros_like(mix_TC)
    if n_samples >= 0:
        moved[n_samples:] = mix_TC[: len(mix_TC) - n_samples]
    else:
        moved[:n_samples] = mix_TC[-n_samples:]
    return moved


def write(path, samples, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype="PCM_16" if path.suffix == ".flac" else "FLOAT")
    return path


FILES = {
    "kick": "Kick",
    "snare": "Snare",
    "hat": "HiHat",
    "bass": "Bass",
    "chords": "Keys",
    "vocal": "Lead Vox",
}


def write_folders(root, songs=("Ann - One", "Bob - Two", "Cid - Three"), seconds=2.0, mix="Full Mix"):
    for seed, name in enumerate(songs):
        stems = sounds(seed, seconds)
        for stem, samples in stems.items():
            write(root / name / f"{FILES[stem]}.wav", samples)
        if mix:
            write(root / name / f"{mix}.wav", mixed(stems))
    return root


def write_four_stems(folder, seed):
    stems = {name: panned(samples, PANS[name], GAINS_DB[name]) for name, samples in sounds(seed).items()}
    groups = {
        "drums": stems["kick"] + stems["snare"] + stems["hat"],
        "bass": stems["bass"],
        "other": stems["chords"],
        "vocals": stems["vocal"],
    }
    for name, samples in groups.items():
        write(folder / f"{name}.wav", samples)
    return sum(groups.values())


def write_musdb18(root):
    for seed, name in enumerate(
        ["train/Ann - One", "train/Bob - Two", "train/Cid - Three", "test/Dee - Four"]
    ):
        write(root / name / "mixture.wav", write_four_stems(root / name, seed))
    return root


def write_dsd100(root):
    for seed, name in enumerate(["Dev/001 - Ann - One", "Dev/002 - Bob - Two", "Test/051 - Cid - Three"]):
        write(root / "Mixtures" / name / "mixture.wav", write_four_stems(root / "Sources" / name, seed))
    return root


def write_slakh2100(root):
    programs = {
        "kick": ("Drums", "Drums", True),
        "bass": ("Bass", "Electric Bass (finger)", False),
        "chords": ("Piano", "Acoustic Grand Piano", False),
        "vocal": ("Synth Lead", "Lead 6 (voice)", False),
    }
    for seed, name in enumerate(
        ["train/Track00001", "validation/Track01501", "test/Track01876", "omitted/Track00049"]
    ):
        stems = {key: samples for key, samples in sounds(seed).items() if key in programs}
        lines = [f"UUID: 00ff{seed}", "stems:"]
        for number, (key, samples) in enumerate(stems.items()):
            write(root / name / "stems" / f"S{number:02}.flac", samples)
            kind, program, is_drum = programs[key]
            lines += [f"  S{number:02}:", "    audio_rendered: true", f"    inst_class: {kind}"]
            lines += [f"    is_drum: {str(is_drum).lower()}", f"    midi_program_name: {program}"]
        write(root / name / "mix.flac", sum(stems.values()))
        (root / name / "all_src.mid").write_bytes(b"MThd")
        (root / name / "metadata.yaml").write_text("\n".join(lines) + "\n")
    return root


def write_moisesdb(root):
    kinds = {
        "kick": ("drums", "kick drum"),
        "snare": ("drums", "snare drum"),
        "bass": ("bass", "bass guitar"),
        "chords": ("guitar", "clean electric guitar"),
        "vocal": ("vocals", "lead female singer"),
    }
    for seed, (artist, title) in enumerate([("Ann", "One"), ("Bob", "Two"), ("Cid", "Three")]):
        folder = root / "moisesdb_v0.1" / f"{seed:08}-0000-4000-8000-000000000000"
        found = {}
        for number, (key, (stem, kind)) in enumerate(kinds.items()):
            samples = panned(sounds(seed)[key], PANS[key], GAINS_DB[key])
            name = f"{number:08}-aaaa-4000-8000-00000000000{seed}"
            write(folder / stem / f"{name}.wav", samples[: len(samples) - 400 * (key == "bass")])
            found.setdefault(stem, []).append(
                {"id": name, "extension": "wav", "trackType": kind, "has_bleed": False}
            )
        stems = [{"id": f"s{stem}", "stemName": stem, "tracks": those} for stem, those in found.items()]
        data = {"artist": artist, "song": title, "genre": "pop", "stems": stems}
        (folder / "data.json").write_text(json.dumps(data))
    return root


MEDLEY = {"kick": "kick drum", "bass": "electric bass", "chords": "piano", "vocal": "female singer"}


def write_medleydb(root, delays=(0, 37, -52)):
    for seed, (artist, title) in enumerate([("AnnBand", "One"), ("BobBand", "Two"), ("CidBand", "Three")]):
        name = f"{artist}_{title}"
        folder = root / ("V1" if seed < 2 else "V2") / name
        stems = {key: samples for key, samples in sounds(seed).items() if key in MEDLEY}
        lines = [f"artist: {artist}", "has_bleed: 'yes'", f"mix_filename: {name}_MIX.wav", "stems:"]
        for number, (key, samples) in enumerate(stems.items(), 1):
            write(folder / f"{name}_RAW" / f"{name}_RAW_{number:02}_01.wav", samples)
            write(
                folder / f"{name}_STEMS" / f"{name}_STEM_{number:02}.wav",
                panned(samples, PANS[key], GAINS_DB[key]),
            )
            lines += [f"  S{number:02}:", f"    filename: {name}_STEM_{number:02}.wav"]
            lines += [f"    instrument: {MEDLEY[key]}", "    raw:", "      R01:"]
            instrument = f"[{MEDLEY[key]}]" if key == "bass" else MEDLEY[key]  # a list in some files
            lines += [f"        filename: {name}_RAW_{number:02}_01.wav", f"        instrument: {instrument}"]
        write(folder / f"{name}_MIX.wav", delayed(mixed(stems), delays[seed]))
        (folder / f"{name}_METADATA.yaml").write_text("\n".join(lines) + "\n")
    return root


ENST = {"kick": "kick", "snare": "snare", "hi-hat": "hat"}


def overhead_pair(stems):
    """The kit from above, in a room, so that it is no sum of the close microphones."""
    rooms = np.random.default_rng(5).standard_normal((40, 2)) * np.exp(-np.arange(40) / 8)[:, None]
    kit = mixed({key: stems[key] for key in ENST.values()})
    pair = [np.convolve(kit[:, side], rooms[:, side])[: len(kit)] for side in (0, 1)]
    return (0.3 * np.stack(pair, axis=1)).astype(np.float32)


def enst_mix(stems):
    close = mixed({key: stems[key] for key in ENST.values()})
    return (overhead_pair(stems) + 0.3 * close).astype(np.float32)


def write_enst(root, takes=("050_phrase_rock_sticks", "119_solo_toms_mallets")):
    for number in (1, 2, 3):
        audio = root / f"drummer_{number}" / "audio"
        toms = ("tom_1", "tom_2", "tom_3") if number == 3 else ("tom_1", "tom_2")
        for seed, take in enumerate(takes):
            stems = sounds(10 * number + seed)
            for folder, key in ENST.items():
                write(audio / folder / f"{take}.wav", stems[key])
            for place, folder in enumerate(toms):
                write(audio / folder / f"{take}.wav", np.roll(stems["vocal"], 300 * place))
            overheads = overhead_pair(stems)
            write(audio / "overhead_L" / f"{take}.wav", overheads[:, 0])
            write(audio / "overhead_R" / f"{take}.wav", overheads[:, 1])
            write(audio / "dry_mix" / f"{take}.wav", enst_mix(stems))
            write(audio / "wet_mix" / f"{take}.wav", np.tanh(2 * enst_mix(stems)) / 2)
        (root / f"drummer_{number}" / "annotation").mkdir()
    return root


def write_cambridge(root):
    for seed, name in enumerate(["AnnBand_One", "BobBand_Two", "CidBand_Three"]):
        stems = sounds(seed)
        inner = f"{name}_Full/" if seed == 2 else ""
        for number, (key, samples) in enumerate(stems.items(), 1):
            write(root / name / "tracks" / f"{inner}{number:02}_{FILES[key].replace(' ', '')}.wav", samples)
        write(root / name / "mixes" / f"{name}_Preview.wav", mixed(stems)[:, :1] * 0.5)
        write(root / name / "mixes" / f"{name}_Full.wav", mixed(stems))
    return root


def write_manifest(root, suffix=".csv"):
    rows = []
    for seed, name in enumerate(["One", "Two", "Three"]):
        stems = sounds(seed)
        for key, samples in stems.items():
            path = write(root / "audio" / f"{seed}{key}.wav", samples)
            row = {
                "song": name,
                "stem": path.relative_to(root).as_posix(),
                "role": "",
                "mix": "",
                "group": "",
            }
            row |= {
                "role": "vox.backing" if key == "vocal" else "",
                "mix": f"mixes/{name}.wav",
                "group": "Ann",
            }
            rows.append(row | {"group": "Bob" if seed == 2 else "Ann", "part": "test" if seed == 1 else ""})
        write(root / "mixes" / f"{name}.wav", mixed(stems))
    path = Path(root) / f"songs{suffix}"
    if suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    else:
        lines = [",".join(rows[0])] + [",".join(row.values()) for row in rows]
        path.write_text("\n".join(lines) + "\n")
    return path


WRITERS = {
    "songs": write_folders,
    "musdb18": write_musdb18,
    "dsd100": write_dsd100,
    "slakh2100": write_slakh2100,
    "moisesdb": write_moisesdb,
    "medleydb": write_medleydb,
    "enst": write_enst,
    "cambridge": write_cambridge,
    "manifest": write_manifest,
}
