"""What a drum model does with songs it never learnt from: other sounds, wrong names, few stems and many.

    python benchmarks/unfamiliar_songs.py MATERIAL [--kit muldjord-kit-8mic] [--model drums] [--songs 6]

MATERIAL is the folder of kits and performances for `synth:drums`; the kit is the one the model learnt from.
Each of some sessions of the part "test" is mixed as it is, and spoilt in every way listed below, with
`mixcli mix --model MODEL` and by the console alone. Told are how familiar the songs were, the least of what
the model's mix was held to, the distances between both mixes, the largest over the songs, and the seconds
with artefacts, of all kinds together. A way is within bounds if no distance is larger than the model's limit
(those of mixes it learnt from) and the largest of the songs as they are, and if the model's mix of no song
has a kind of artefact in more seconds than the console's. What is not is marked "!".
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from mixcli.measures.artefacts import artefact_shares, describe_artefact_stems, find_artefacts
from mixcli.measures.nearness import compare_profiles
from mixcli.measures.profile import describe_profile
from mixcli.mixing.mix_song import mix_song
from mixcli.mixing.request import MixRequest
from mixcli.models.checkpoint import load_model
from mixcli.models.settings import PAPER_INPUTS
from mixcli.songs.discovery import DiscoveryOptions
from mixcli.synthesis.sessions import read_source, render, session_plans
from mixcli.synthesis.voice import lead_voice

MEASURES = ("tone_db", "width_db", "image_db", "dynamics_db", "features", "spectra_db")
NAMES = dict(
    zip(PAPER_INPUTS, ("HiHat", "Kick", "OH L", "OH R", "Snare", "Tom 1", "Tom 2", "Tom 3"), strict=True)
)
RATE = 44_100
LOUD_DBFS = -30.0  # of what is put in the place of a microphone
Stems = dict[str, np.ndarray]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("material", type=Path)
    parser.add_argument("--kit", default="muldjord-kit-8mic")
    parser.add_argument("--model", default="drums")
    parser.add_argument("--songs", type=int, default=6)
    asked = parser.parse_args()
    source = f"synth:drums={asked.material},wet,kits={asked.kit},parts=test,shortest=8,longest=15,seed=9"
    plans = session_plans(read_source(f"{source},sessions={asked.songs + 7}"))
    sessions = [
        {NAMES[role]: stem_T for role, stem_T in render(plan).stems.items() if stem_T.any()} for plan in plans
    ]
    songs, others = sessions[: asked.songs], sessions[asked.songs :]
    print(f"| song | familiar | held to | {' | '.join(MEASURES)} | artefacts: model, console |")
    print(f"| --- {'| --- ' * (len(MEASURES) + 3)}|")
    limits = load_model(asked.model).limits
    known_limits = {} if limits is None else limits.by_measure()
    bounds = np.array([known_limits.get(key, 0.0) for key in MEASURES])
    print(f"| limits | | | {' | '.join(f'{bound:.2f}' for bound in bounds)} | |")
    failed = 0
    for name, spoil in {"as it is": lambda stems: stems, **ways(others)}.items():
        found = [compared(spoil(dict(stems)), asked.model) for stems in songs]
        distances = np.array([each[2] for each in found]).max(axis=0)
        if name == "as it is":
            bounds = np.maximum(bounds, distances)
        more = [kind for kind in found[0][3] if any(each[3][kind] > each[4][kind] for each in found)]
        beyond = [key for key, value, bound in zip(MEASURES, distances, bounds, strict=True) if value > bound]
        failed += bool(more or beyond)
        known = [each[0] for each in found]
        seconds = [sum(sum(each[place].values()) for each in found) for place in (3, 4)]
        told = " | ".join(
            f"{value:.2f}{'!' * (key in beyond)}" for key, value in zip(MEASURES, distances, strict=True)
        )
        kinds = f" ({', '.join(more)}!)" if more else ""
        print(
            f"| {name} | {np.median(known):.2f} [{min(known):.2f}..{max(known):.2f}] "
            f"| {min(each[1] for each in found):.2f} | {told} "
            f"| {seconds[0]:.0f}, {seconds[1]:.0f}{kinds} |",
            flush=True,
        )
    return 1 if failed else 0


def ways(others: list[Stems]) -> dict[str, Callable[[Stems], Stems]]:
    """The ways of spoiling a song."""
    rng = np.random.default_rng(1)

    def exchanged(*pairs: tuple[str, str]) -> Callable[[Stems], Stems]:
        names = {first: second for pair in pairs for first, second in (pair, pair[::-1])}
        return lambda stems: {names.get(name, name): stem_T for name, stem_T in stems.items()}

    def put(name: str, sound: Callable[[int], np.ndarray]) -> Callable[[Stems], Stems]:
        def spoilt(stems: Stems) -> Stems:
            sound_T = sound(len(next(iter(stems.values()))))
            sound_T = sound_T * 10 ** (LOUD_DBFS / 20) / np.sqrt(np.mean(np.square(sound_T)) + 1e-12)
            return stems | {name: sound_T}

        return spoilt

    def only(*names: str) -> Callable[[Stems], Stems]:
        return lambda stems: {name: stem_T for name, stem_T in stems.items() if name in names}

    voice_T = lead_voice()

    def tambourine(n_samples: int) -> np.ndarray:
        """Jingles: short bursts of noise above 5 kHz, four a second."""
        noise_T = np.diff(rng.standard_normal(n_samples + 2), 2)
        return noise_T * np.exp(-40 * (np.arange(n_samples) / RATE % 0.25))

    def many(stems: Stems) -> Stems:
        taken = {}
        for number, session in enumerate([stems, *others]):
            for name, stem_T in session.items():
                taken[f"{name} take {number + 1}"] = stem_T
        return dict(list(taken.items())[:60])

    return {
        "kick and hi-hat exchanged": exchanged(("Kick", "HiHat")),
        "snare and tom exchanged": exchanged(("Snare", "Tom 1")),
        "overheads and close microphones exchanged": exchanged(("OH L", "Kick"), ("OH R", "Snare")),
        "white noise as hi-hat": put("HiHat", rng.standard_normal),
        "white noise as kick": put("Kick", rng.standard_normal),
        "a voice as snare": put("Snare", lambda n: np.resize(voice_T, n)),
        "the kick 40 dB down": lambda stems: stems | {"Kick": 0.01 * stems["Kick"]},
        "48 kHz played as 44.1": lambda stems: {
            name: resample_poly(stem_T, 160, 147) for name, stem_T in stems.items()
        },
        "a lone tambourine": lambda stems: only("HiHat")(put("HiHat", tambourine)(stems)),
        "60 stems": many,
        "one stem": only("OH L"),
    }


def compared(
    stems: Stems, model: str
) -> tuple[float, float, list[float], dict[str, float], dict[str, float]]:
    """How familiar it is, what it is held to, the distances, the seconds with artefacts of both mixes."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "song"
        folder.mkdir()
        for name, stem_T in stems.items():
            soundfile.write(folder / f"{name}.wav", np.clip(stem_T, -1, 1), RATE, subtype="PCM_24")
        mixes, familiar, held_to = [], 1.0, 1.0
        for number, settings in enumerate(({"model": model}, {"amount": 0.0})):
            result = mix_song(
                MixRequest(
                    folder=folder,
                    out=Path(work) / f"{number}.wav",
                    settings=settings,
                    discovery=DiscoveryOptions(allow_single=True),
                )
            )
            if number == 0:
                record = json.loads(result.paths.result.read_text())
                familiar, held_to = record["model"]["familiarity"], record["model"]["held_to"]
                held_to = 1.0 if held_to is None else held_to
            mixes.append(soundfile.read(result.paths.audio, dtype="float32", always_2d=True)[0])
        sounds = [np.repeat(stem_T[:, None], 2, axis=1).astype(np.float32) for stem_T in stems.values()]
        described = describe_artefact_stems(sounds, RATE)
        seconds = []
        for mix_TC in mixes:
            duration_s = len(mix_TC) / RATE
            shares = artefact_shares(find_artefacts(mix_TC, RATE, described), duration_s, with_stems=True)
            seconds.append({key: share * duration_s / 100 for key, share in shares.items()})
        distances = compare_profiles(*(describe_profile(mix_TC, RATE) for mix_TC in mixes))
        return familiar, held_to, [distances[key] for key in MEASURES], seconds[0], seconds[1]


if __name__ == "__main__":
    sys.exit(main())
