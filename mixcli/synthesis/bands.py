"""Sessions of full songs: General MIDI songs, every part recorded alone, mixed as their arrangers set them.

Legend: T samples, C = 2 channels.
"""

import hashlib
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mixcli.audio.decibels import db_to_gain
from mixcli.synthesis.arranger import loudness_db, mix_parts, to_level
from mixcli.synthesis.drum_sessions import chosen_kits, fingerprint
from mixcli.synthesis.engineer import decide
from mixcli.synthesis.fluid import find_program, find_sound_font, play_parts
from mixcli.synthesis.general_midi import Part, song_parts, song_seconds
from mixcli.synthesis.material import Material, find_material, nothing_found
from mixcli.synthesis.midi import DRUM_CHANNEL, require_mido
from mixcli.synthesis.mixing_desk import mix_dry, mix_wet
from mixcli.synthesis.notes import amplified, instruments_for, play_notes, reaches
from mixcli.synthesis.performances import PARTS, drawn_part
from mixcli.synthesis.plans import MAKE, Samples, Session, SessionOptions, SessionPlan
from mixcli.synthesis.recording import record
from mixcli.synthesis.setup import draw_setup
from mixcli.synthesis.sound_bank import SAMPLE_RATE, SoundBank

RECORDED_DB, HIGHEST_DBFS = -20.0, -1.0  # a part's level, before its preamplifier's own choice
SAMPLED_SHARE = 0.5  # of the parts that a recorded instrument could play
AMPLIFIED_SHARES = {"gtr.electric": 1.0, "bass.electric": 0.5}
PLAN, SETUP, PLAYING, ENGINEER, LEVELS, INSTRUMENTS = range(6)


def band_sessions(options: SessionOptions) -> list[SessionPlan]:
    """All sessions of full songs of a source, in order; raises as `session_plans`.

    The order does not hang on how many are asked for; a stretch of a song is drawn for each.
    """
    require_mido()
    player = _version(find_program())
    material = find_material(options.folder)
    sound_font = find_sound_font(options.folder)
    kits = chosen_kits(material, options) if material.kits else []
    candidates = [path for path in material.midi if drawn_part(path.stem) in (options.parts or PARTS)]
    order = np.random.default_rng([options.seed]).permutation(len(candidates))
    lengths = _long_enough([candidates[place] for place in order], options)
    songs = list(lengths)
    if not songs:
        raise nothing_found(options.folder, f"General MIDI song of {options.shortest_s:g} s or more")
    shared = (player, fingerprint([sound_font]), fingerprint(material.plates),
              fingerprint(material.rooms), fingerprint(material.snare_packs),
              fingerprint(material.cabinets), fingerprint(material.note_packs))  # fmt: skip
    of_kit = {kit: fingerprint([kit]) for kit in kits}
    plans = []
    for number in range(len(songs) if options.sessions is None else options.sessions):
        path = songs[number % len(songs)]
        rng = np.random.default_rng([options.seed, number, PLAN])
        kit = kits[int(rng.integers(len(kits)))] if kits else None
        start_s = max(0.0, lengths[path] - options.longest_s) * float(rng.random())
        n_samples = round(min(options.longest_s, lengths[path] + 2.0) * SAMPLE_RATE)
        made_of = (
            MAKE, options.kind, options.wet, options.seed, options.preamp_db, options.taste, options.follows,
            options.rooms, number, start_s, n_samples, hashlib.sha256(path.read_bytes()).hexdigest(),
            of_kit[kit] if kit else None, shared,
        )  # fmt: skip
        plans.append(
            SessionPlan(
                name=f"{number:04d}-{path.stem}",
                group=path.stem,
                part=drawn_part(path.stem),
                n_samples=n_samples,
                sample_rate=SAMPLE_RATE,
                key=hashlib.sha256(repr(made_of).encode()).hexdigest(),
                number=number,
                source=path,
                start_s=start_s,
                kit=kit,
                options=options,
            )
        )
    return plans


def _long_enough(songs: Sequence[Path], options: SessionOptions) -> dict[Path, float]:
    """The seconds of the songs that are long enough, in order, as many of them as are asked for."""
    found: dict[Path, float] = {}
    for path in songs:
        if len(found) == options.sessions:
            break
        seconds = song_seconds(path)
        if seconds >= options.shortest_s:
            found[path] = seconds
    return found


def render_band(plan: SessionPlan, bank: SoundBank) -> Session:
    """Record every part of a song alone and mix them as the song's own controllers say."""
    seconds = plan.n_samples / SAMPLE_RATE
    parts = song_parts(plan.source, plan.start_s, seconds)
    played = play_parts(parts, seconds, find_sound_font(plan.options.folder)) if parts else []
    material = bank.material(plan.options.folder)
    levels = np.random.default_rng([plan.options.seed, plan.number, LEVELS])
    studio = float(np.random.default_rng([plan.options.seed, PLAN]).random())
    stems: dict[str, Samples] = {}
    mixed = []
    unplayed: dict[int, int] = {}
    names = _names(parts)
    for part, name, sound_TC in zip(parts, names, played, strict=True):
        jitter_db = float(levels.uniform(-plan.options.preamp_db, plan.options.preamp_db))
        if part.channel != DRUM_CHANNEL:
            mono_T = _recorded(plan, part, np.ascontiguousarray(sound_TC.mean(axis=1)), material, bank)
            if mono_T.any():
                stems[name] = to_level(mono_T, RECORDED_DB + jitter_db, HIGHEST_DBFS)
                mixed.append((mono_T, part.mixer))
        elif plan.kit is None:
            if sound_TC.any():
                both_TC = to_level(sound_TC, RECORDED_DB + jitter_db, HIGHEST_DBFS)
                stems |= {f"{name}:{side}": both_TC[:, n].copy() for n, side in enumerate("LR")}
                mixed.append((sound_TC, part.mixer))
        else:
            kit_stems, kit_TC, unplayed = _on_the_kit(plan, part, studio, bank)
            stems |= kit_stems
            # The kit stands where the arranger heard the drums of his sound font.
            gain = db_to_gain(loudness_db(sound_TC) - loudness_db(kit_TC)) if kit_TC.any() else 0.0
            mixed.append((kit_TC * np.float32(gain), part.mixer))
    finished = mix_parts(
        mixed, plan.n_samples, wet=plan.options.wet, plates=material.plates, which_plate=studio, bank=bank
    )
    return Session(stems=stems, mix_TC=finished.mix_TC, decisions=None, gain=finished.gain, unplayed=unplayed)


def _recorded(plan: SessionPlan, part: Part, mono_T: Samples, material: Material, bank: SoundBank) -> Samples:
    """A part as the sound font plays it, or half of the time on a recorded instrument, at the same level."""
    rng = np.random.default_rng([plan.options.seed, plan.number, INSTRUMENTS, part.channel])
    choices = [each for each in instruments_for(part.role, material.note_packs) if reaches(each, part)]
    if rng.random() >= SAMPLED_SHARE or not choices or not mono_T.any():
        return mono_T
    played_T = play_notes(part, choices[int(rng.integers(len(choices)))], len(mono_T), bank, rng)
    share = AMPLIFIED_SHARES.get(part.role, 0.0)
    if material.cabinets and rng.random() < share:
        cabinet = material.cabinets[int(rng.integers(len(material.cabinets)))]
        played_T = amplified(played_T, part.program, bank.sound(cabinet))
    gain = db_to_gain(loudness_db(mono_T) - loudness_db(played_T)) if played_T.any() else 0.0
    return np.asarray(played_T * np.float32(gain), np.float32)


def _on_the_kit(
    plan: SessionPlan, part: Part, studio: float, bank: SoundBank
) -> tuple[dict[str, Samples], Samples, dict[int, int]]:
    """The drum part on a kit: its microphones, the scripted engineer's mix of them, strokes left out."""
    options, material = plan.options, bank.material(plan.options.folder)
    streams = {
        stage: np.random.default_rng([options.seed, plan.number, stage])
        for stage in (SETUP, PLAYING, ENGINEER)
    }
    if plan.kit is None:
        raise ValueError(f"{plan.name} has no kit")
    recording = record(
        part.strokes, bank.kit(plan.kit), draw_setup(streams[SETUP], options.preamp_db), material, bank,
        start_s=0.0, n_samples=plan.n_samples, rooms=options.rooms, rng=streams[PLAYING],
    )  # fmt: skip
    decisions = decide(
        recording, streams[ENGINEER], taste=options.taste, studio=studio, follows=options.follows
    )
    if options.wet:
        finished = mix_wet(recording.stems, decisions, material.plates, bank)
    else:
        finished = mix_dry(recording.stems, decisions)
    return dict(recording.stems), finished.mix_TC, dict(recording.unplayed)


def _names(parts: list[Part]) -> list[str]:
    """The input of each part: its role, numbered where there are several of it."""
    n_each = Counter(part.role for part in parts)
    seen: Counter[str] = Counter()
    names = []
    for part in parts:
        seen[part.role] += 1
        names.append(f"{part.role}:{seen[part.role]}" if n_each[part.role] > 1 else part.role)
    return names


def _version(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=60)
    return next(iter(done.stdout.splitlines()), "")
