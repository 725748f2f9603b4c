"""A library of two songs with human mixes, and the mixes of two systems, as `mixcli eval` compares them."""

from pathlib import Path

import numpy as np
from conftest import plucks, write_wav

STEMS = {"Kick": 60, "Bass": 90, "Gtr": 330, "LdVox": 440}
QUIET_ONES = ("--baselines", "none", "--no-mix")
HUMAN = ({"Kick": 2.0, "Bass": -1.0, "Gtr": -6.0, "LdVox": 3.0}, {"Gtr": -0.6, "Kick": 0.1})


def stems_of(seed, seconds=4.0):
    return {
        name: plucks(hz, seconds, every_s=0.2 + 0.05 * index, seed=seed + index)
        for index, (name, hz) in enumerate(STEMS.items())
    }


def mixed(stems, gains_db, pans=None):
    """A plain sum with gains and linear pans, stereo."""
    total = 0
    for name, signal in stems.items():
        gain, pan = 10 ** (gains_db.get(name, 0) / 20), (pans or {}).get(name, 0)
        total = total + gain * np.stack([signal * (1 - max(pan, 0)), signal * (1 + min(pan, 0))], axis=1)
    return (0.5 * total).astype(np.float32)


def write_library():
    """Two songs with a human mix beside the stems, and the mixes of two systems: one near, one far."""
    for seed, song in enumerate(("Blue", "Red")):
        stems = stems_of(10 * seed)
        for name, signal in stems.items():
            write_wav(Path("library") / song / "Stems" / f"{name}.wav", signal)
        human = mixed(stems, *HUMAN)
        write_wav(Path("library") / song / "mix.wav", human)
        write_wav(Path("same") / f"{song}.wav", human)
        write_wav(Path("far") / f"{song}.wav", mixed(stems, {"Gtr": 12.0, "LdVox": -12.0}))
    return Path("library")
