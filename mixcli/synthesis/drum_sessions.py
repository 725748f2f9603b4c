"""Drum sessions: which performance is played on which kit, and from there to the stems and the mix."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mixcli.audio.wording import display_name
from mixcli.errors import UsageError
from mixcli.synthesis.engineer import decide
from mixcli.synthesis.kit import INDEX, MICROPHONES
from mixcli.synthesis.material import NOTES, Material, find_material, nothing_found
from mixcli.synthesis.midi import drum_strokes, require_mido
from mixcli.synthesis.mixing_desk import mix_dry, mix_wet
from mixcli.synthesis.performances import PARTS, Performance, find_performances
from mixcli.synthesis.plans import MAKE, Session, SessionOptions, SessionPlan
from mixcli.synthesis.recording import record
from mixcli.synthesis.setup import draw_setup
from mixcli.synthesis.sound_bank import SAMPLE_RATE, SoundBank

RINGING_S = 2.0  # after the last hit of a performance
END_BYTES = 16_384  # of a file, at either end; a FLAC file has the digest of its sound there
PLAN, SETUP, PLAYING, ENGINEER = range(4)  # each stage draws from a stream of its own


def drum_sessions(options: SessionOptions) -> list[SessionPlan]:
    """All drum sessions of a source, in order; raises as `session_plans`.

    The order is drawn by the seed and does not hang on how many sessions are asked for: more of them only
    make the list longer. Once every performance was played it begins again, with other kits, setups,
    stretches and moods.
    """
    require_mido()
    material = find_material(options.folder)
    kits = chosen_kits(material, options)
    performances = find_performances(
        material, shortest_s=options.shortest_s, held_out=options.held_out_drummers
    )
    performances = [each for each in performances if each.part in (options.parts or PARTS)]
    if not performances:
        of_parts = f" of the part {' or '.join(options.parts)}" if options.parts else ""
        raise nothing_found(options.folder, f"performances{of_parts} of {options.shortest_s:g} s or more")
    order = np.random.default_rng([options.seed]).permutation(len(performances))
    n_sessions = len(performances) if options.sessions is None else options.sessions
    shared = fingerprint((*material.snare_packs, *material.plates, *material.rooms))
    of_kit = {kit: fingerprint([kit]) for kit in kits}
    return [
        _plan(number, performances[order[number % len(order)]], kits, options, shared, of_kit)
        for number in range(n_sessions)
    ]


def _plan(
    number: int,
    performance: Performance,
    kits: Sequence[Path],
    options: SessionOptions,
    shared: str,
    of_kit: dict[Path, str],
) -> SessionPlan:
    rng = np.random.default_rng([options.seed, number, PLAN])
    kit = kits[int(rng.integers(len(kits)))]
    start_s = max(0.0, performance.seconds - options.longest_s) * float(rng.random())
    seconds = min(options.longest_s, performance.seconds + RINGING_S)
    n_samples = round(seconds * SAMPLE_RATE)
    parts = (
        MAKE, options.kind, options.wet, options.seed, options.preamp_db, options.taste, options.follows,
        options.rooms, number, start_s, n_samples, hashlib.sha256(performance.path.read_bytes()).hexdigest(),
        of_kit[kit], shared,
    )  # fmt: skip
    return SessionPlan(
        name=f"{number:04d}-{performance.name.replace('/', '-')}",
        group=performance.player,
        part=performance.part,
        n_samples=n_samples,
        sample_rate=SAMPLE_RATE,
        key=hashlib.sha256(repr(parts).encode()).hexdigest(),
        number=number,
        source=performance.path,
        start_s=start_s,
        kit=kit,
        options=options,
    )


def render_drums(plan: SessionPlan, bank: SoundBank) -> Session:
    """Record a drum session and mix it, as `render` says."""
    options = plan.options
    if plan.kit is None:
        raise ValueError(f"{plan.name} has no kit")
    material = bank.material(options.folder)
    setup = draw_setup(_stream(plan, SETUP), options.preamp_db)
    recording = record(
        drum_strokes(plan.source),
        bank.kit(plan.kit),
        setup,
        material,
        bank,
        start_s=plan.start_s,
        n_samples=plan.n_samples,
        rooms=options.rooms,
        rng=_stream(plan, PLAYING),
    )
    # One house has one plate: which of them it is hangs on the source's seed, not on the session.
    studio = float(np.random.default_rng([options.seed, PLAN]).random())
    decisions = decide(
        recording, _stream(plan, ENGINEER), taste=options.taste, studio=studio, follows=options.follows
    )
    if options.wet:
        finished = mix_wet(recording.stems, decisions, material.plates, bank)
    else:
        finished = mix_dry(recording.stems, decisions)
    return Session(
        stems=recording.stems,
        mix_TC=finished.mix_TC,
        decisions=decisions,
        gain=finished.gain,
        unplayed=recording.unplayed,
    )


def _stream(plan: SessionPlan, stage: int) -> np.random.Generator:
    return np.random.default_rng([plan.options.seed, plan.number, stage])


def chosen_kits(material: Material, options: SessionOptions) -> list[Path]:
    """The kits to play on, by the names of their folders; raises SongError E374, UsageError E243."""
    if not material.kits:
        raise nothing_found(material.folder, "drum kit (a folder with hits.csv)")
    by_name = {kit.name: kit for kit in material.kits}
    for name in (*options.kits, *options.held_out_kits):
        if name not in by_name:
            raise UsageError(
                f'there is no kit "{name}" in "{display_name(options.folder)}".',
                code="E243",
                hint=f"there are {', '.join(sorted(by_name))}.",
            )
    wanted = [name for name in options.kits or sorted(by_name) if name not in options.held_out_kits]
    if not wanted:
        raise UsageError(
            "every kit is held out; none is left to play on.", code="E243", hint="held-out-kits=…"
        )
    return [by_name[name] for name in sorted(wanted)]


def fingerprint(paths: Iterable[Path]) -> str:
    """What tells files and folders of samples from others: their indexes, and the ends of all other files."""
    found = hashlib.sha256()
    for path in paths:
        for file in [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file()):
            n_bytes = file.stat().st_size
            found.update(f"{file.relative_to(path.parent).as_posix()} {n_bytes}\n".encode())
            with file.open("rb") as content:
                if file.name in (INDEX, MICROPHONES, NOTES):
                    found.update(content.read())
                    continue
                found.update(content.read(END_BYTES))
                content.seek(max(0, n_bytes - END_BYTES))
                found.update(content.read(END_BYTES))
    return found.hexdigest()
