"""What a stem is by its sound alone: how likely each kind is, by the weights file; nothing is decided here.

Legend: V numbers of a sound, H hidden units, K classes, M members.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixcli.songs.stem_survey import StemSurvey

WEIGHTS = Path(__file__).parent / "weights" / "sound_roles.safetensors"
FLOOR_DB = -50.0  # of the thirds of an octave, under the whole
MOST_DEVIATIONS = 4.0  # from what was learned from; further out nothing is known


@dataclass(frozen=True)
class SoundClass:
    """A kind of sound that can be told from others: the role it stands for, and the group of its like."""

    label: str
    role: str
    group: str


CLASSES: tuple[SoundClass, ...] = (
    SoundClass("vox", "vox.lead", "vox"),
    SoundClass("kick", "drums.kick", "drums"),
    SoundClass("snare", "drums.snare", "drums"),
    SoundClass("clap", "drums.clap", "drums"),
    SoundClass("hihat", "drums.hihat", "drums"),
    SoundClass("cymbal", "drums.cymbal", "drums"),
    SoundClass("tom", "drums.tom", "drums"),
    SoundClass("kit", "drums.kit", "drums"),
    SoundClass("perc", "perc.hand", "drums"),
    SoundClass("bass_electric", "bass.electric", "bass"),
    SoundClass("bass_synth", "bass.synth", "bass"),
    SoundClass("bass_upright", "bass.upright", "bass"),
    SoundClass("gtr_electric", "gtr.electric", "gtr"),
    SoundClass("gtr_acoustic", "gtr.acoustic", "gtr"),
    SoundClass("piano", "keys.piano", "tones"),
    SoundClass("epiano", "keys.epiano", "tones"),
    SoundClass("organ", "keys.organ", "tones"),
    SoundClass("mallet", "perc.pitched", "tones"),
    SoundClass("plucked", "plucked", "tones"),
    SoundClass("strings", "strings", "tones"),
    SoundClass("brass", "winds.brass", "tones"),
    SoundClass("reed", "winds.reed", "tones"),
    SoundClass("flute", "winds.flute", "tones"),
    SoundClass("synth", "synth.other", "tones"),
    SoundClass("fx", "fx.sfx", "fx"),
)
LABELS = tuple(one.label for one in CLASSES)


def numbers_of(stem: StemSurvey) -> NDArray[np.float64]:
    """What the classifier sees of a stem that sounds: [V] numbers, independent of its level."""
    sound = stem.sound
    energies = np.asarray(stem.third_octaves)
    spectrum_db = 10 * np.log10(energies / max(float(energies.sum()), 1e-30) + 10 ** (FLOOR_DB / 10))
    return np.concatenate(
        [
            *(sound.band_db, sound.band_spread_db, sound.band_flux_db, sound.noise_db, sound.noise_spread_db),
            *(10 * np.asarray(sound.held), 10 * np.asarray(sound.gliding)),
            *(sound.rise_db, sound.fall_db, sound.crest_db, [sound.level_spread_db]),
            *(10 * np.asarray(sound.coupling), spectrum_db),
        ]
    )


def probabilities(numbers_V: NDArray[np.float64]) -> NDArray[np.float64]:
    """How likely each of `CLASSES` is, [K], adding up to 1."""
    weights = _weights()
    deviations_V = (numbers_V - weights["mean"]) / weights["deviation"]
    scaled_V = np.clip(deviations_V, -MOST_DEVIATIONS, MOST_DEVIATIONS)
    hidden_MH = np.maximum(np.einsum("mhv,v->mh", weights["first"], scaled_V) + weights["first_bias"], 0.0)
    scores_MK = np.einsum("mkh,mh->mk", weights["second"], hidden_MH) + weights["second_bias"]
    scores_K = scores_MK.mean(axis=0) / float(weights["temperature"])
    likely_K = np.exp(scores_K - scores_K.max())
    shares_K: NDArray[np.float64] = likely_K / likely_K.sum()
    return shares_K


@cache
def _weights() -> dict[str, NDArray[np.float64]]:
    from safetensors import safe_open

    with safe_open(WEIGHTS, framework="numpy") as file:
        return {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}  # noqa: SIM118
