"""The samples of kits, decoded once and kept for as long as sessions are rendered from them.

Legend: M microphones, T samples, C channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.headers import read_info
from mixcli.audio.opening import cut_short, open_regular, open_sound
from mixcli.audio.resample import resampled
from mixcli.synthesis.kit import HitFile, Kit, SnarePack, read_kit, read_snare_pack
from mixcli.synthesis.material import Material, find_material

SAMPLE_RATE = 44_100  # Hz, of every session
LOUDNESS_S = 0.1  # of a hit, from its start, whose energy is its loudness
FLOOR = 1e-12  # of the energy of a hit

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Hit:
    """A decoded hit at the sessions' rate, [channels, T], and its level over all microphones in dB."""

    samples_MT: Samples
    level_db: float


class SoundBank:
    """Everything read from a folder of material; one of them serves any number of sessions of a process.

    It grows with the kits that are played: about 0.15 GB for a kit of a hundred hits with 8 microphones.
    """

    def __init__(self) -> None:
        self._materials: dict[Path, Material] = {}
        self._kits: dict[Path, Kit] = {}
        self._packs: dict[Path, SnarePack] = {}
        self._pieces: dict[tuple[tuple[HitFile, ...], tuple[int, ...]], list[Hit]] = {}
        self._sounds: dict[Path, Samples] = {}

    def material(self, folder: Path) -> Material:
        """What lies in a folder."""
        if folder not in self._materials:
            self._materials[folder] = find_material(folder)
        return self._materials[folder]

    def kit(self, folder: Path) -> Kit:
        """The index of a kit."""
        if folder not in self._kits:
            self._kits[folder] = read_kit(folder)
        return self._kits[folder]

    def snare_pack(self, folder: Path) -> SnarePack:
        """The index of single snares."""
        if folder not in self._packs:
            self._packs[folder] = read_snare_pack(folder)
        return self._packs[folder]

    def hits(self, files: tuple[HitFile, ...], channels: tuple[int, ...]) -> list[Hit]:
        """All hits of a piece from the softest to the loudest as measured, with these channels alone."""
        if (files, channels) not in self._pieces:
            hits = [
                _measured(_together([_read(path) for path in hit.paths])[list(channels)]) for hit in files
            ]
            self._pieces[files, channels] = sorted(hits, key=lambda hit: hit.level_db)
        return self._pieces[files, channels]

    def sound(self, path: Path) -> Samples:
        """A sound file at the sessions' rate, [C, T]; raises SongError as `read_info` does."""
        if path not in self._sounds:
            self._sounds[path] = _read(path)
        return self._sounds[path]


def _measured(samples_MT: Samples) -> Hit:
    start_MT = samples_MT[:, : round(LOUDNESS_S * SAMPLE_RATE)].astype(np.float64)
    return Hit(samples_MT, float(10 * np.log10(np.square(start_MT).sum() + FLOOR)))


def _together(sounds: Sequence[Samples]) -> Samples:
    """The channels of several files as one, as long as the longest."""
    longest = max(sound_CT.shape[1] for sound_CT in sounds)
    return np.concatenate([np.pad(sound, ((0, 0), (0, longest - sound.shape[1]))) for sound in sounds])


def _read(path: Path) -> Samples:
    info = read_info(path)
    with open_regular(path) as (descriptor, _), open_sound(descriptor, path) as sound:
        samples_TC: Samples = sound.read(info.n_samples, dtype="float32", always_2d=True)
    if len(samples_TC) < info.n_samples:
        raise cut_short(path, f"{info.n_samples:,} samples promised, {len(samples_TC):,} there")
    return np.ascontiguousarray(resampled(samples_TC.T, info.sample_rate, SAMPLE_RATE))
